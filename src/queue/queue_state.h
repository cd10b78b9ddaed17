/* queue_state.h - what the files of the queue role share. Private to src/queue. */
#ifndef GODWIT_QUEUE_QUEUE_STATE_H
#define GODWIT_QUEUE_QUEUE_STATE_H

#include "config/config.h"
#include "ipc/ipc_messages.h"
#include "net/log.h"
#include "net/role.h"
#include "queue/committer.h"
#include "queue/fresh.h"
#include "queue/schedule.h"
#include "store/envelope.h"
#include "store/recipient.h"

enum {
    QUEUE_FRESH_BYTES_MAX = 64 * 1024 * 1024,   /* bytes of committed messages kept for their first delivery */
    QUEUE_UPLOAD_BYTES_MAX = 256 * 1024 * 1024, /* bytes of messages under way from edges, in memory */
    QUEUE_ENVELOPE_MEMORY_MAX = 64 * 1024 * 1024, /* a decoded envelope, its expansion included */
    QUEUE_ALONE_AFTER_CRASHES = 2,              /* I9 */
};

/*
 * The ids of a stretch of the queue in their order, for listings: to find the next ones anew for every page would take a walk of
 * the whole schedule each. Messages that came since are not in it; those that ended are, and have to be looked up.
 */
struct queue_window {
    struct message_id *ids;  /* owned; NULL: none was made yet */
    size_t count;
    struct message_id after; /* it begins behind this one */
    bool is_to_the_end;
    int64_t made_ns;
};

struct queue {
    struct role_env *env;
    struct rt *rt;
    struct log *log;
    struct spool *spool;
    struct committer committer;
    struct schedule schedule;
    struct queue_window window;
    struct fresh_budget fresh;
    size_t upload_bytes;
    struct cond work;          /* a message became ready, a delivery ended, the clock moved */
    size_t deliveries;         /* under way, of at most delivery.concurrency */
    size_t fibers;             /* of deliveries, those that wait for their result to be durable included */
    bool is_someone_alone;     /* a suspect message is in hand by itself (I9) */
    bool is_draining;          /* asked to stop: nothing new begins */
    bool is_low_on_space;      /* less than free-space-factor times message-size is free */
    size_t commits;            /* being answered */
    struct cond drained;       /* a delivery fiber ended, or all commits were answered */
    struct fiber_group in_hand; /* the fibers of deliveries and of uploads being discarded */
    struct semaphore large_syncs; /* so that commits find a free thread while large files are synced */
    uint64_t accepted;
    uint64_t delivered;
    uint64_t deferred;
    uint64_t held;
    uint64_t finished;
    uint64_t refused;
};

/* --- intake.c: messages in ---------------------------------------------------------------------------------------- */

void queue_on_message_chunk(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_chunk *request,
                            struct arena *mem, struct ipc_message_chunk_reply *ret);
void queue_on_message_commit(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_commit *request,
                             struct arena *mem, struct ipc_message_commit_reply *ret);
void queue_on_message_abort(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_abort *message,
                            struct arena *mem);

/* --- delivery.c: messages out ------------------------------------------------------------------------------------- */

/* The fiber that begins deliveries as they become due; `arg` is the queue. Ends when cancelled. */
void queue_dispatch(struct fiber *f, void *arg);

/* --- expansion.c -------------------------------------------------------------------------------------------------- */

/*
 * Give every pending recipient that is due a target. A recipient that stands for one mailbox gets it in place, anew at each attempt; one
 * that stands for other addresses becomes RECIPIENT_EXPANDED and those are appended (in `mem`). A recipient that cannot be
 * expanded now or ever gets status and reason. *ret_changed: recipients were added. ERR_LIMIT when `mem` is full.
 */
NODISCARD enum err queue_expand(struct fiber *f, struct queue *queue, struct envelope *envelope, struct arena *mem,
                                int64_t now_us, bool *ret_changed);

/*
 * Append the addresses in `forwards` (one a line) that recipient `index` is to be replaced by or to be joined by, in
 * `mem`; one that is among the recipients already and was not replaced itself is not added again. Recipients may move.
 * False: too many, too deep or not an address; *ret_status and *ret_reason say which, nothing was appended.
 */
bool queue_forward(struct queue *queue, struct envelope *envelope, struct arena *mem, size_t index, struct span forwards,
                   struct span *ret_status, struct span *ret_reason);

/* Record that the recipient failed for now (class DEFERRED: the next attempt is set) or for good (held). */
void queue_recipient_failed(struct queue *queue, struct envelope_recipient *recipient, enum delivery_class class,
                            struct span status, struct span reason);

/* --- operator.c --------------------------------------------------------------------------------------------------- */

void queue_on_role_status(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_role_status *request,
                          struct arena *mem, struct ipc_role_status_reply *ret);
void queue_on_queue_list(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_list *request,
                         struct arena *mem, struct ipc_queue_list_reply *ret);
void queue_on_queue_envelope(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_envelope *request,
                             struct arena *mem, struct ipc_queue_envelope_reply *ret);
void queue_on_queue_content(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_content *request,
                            struct arena *mem, struct ipc_queue_content_reply *ret);
void queue_on_queue_change(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_change *request,
                           struct arena *mem, struct ipc_queue_change_reply *ret);

/* Hold the recipient, as an operator asked, unless it needs nothing any more. */
void queue_hold_recipient(struct envelope_recipient *recipient);

/* --- record.c: messages in the spool ------------------------------------------------------------------------------ */

/* Read one record of a message through the pool. ERR_OK: spool_read_done() has to follow. */
NODISCARD enum err queue_read(struct fiber *f, struct queue *queue, struct message_id id, enum spool_kind kind,
                              struct spool_read *read);

/* A message's content on its way to another process: the octets of `head`, then those of `file` unless that is -1. */
struct queue_content {
    struct span head; /* borrowed from the message in memory; at most IPC_DELIVER_CONTENT_MAX octets */
    int file;         /* read-only descriptor of this message alone (I8); closed with rt_fd_close() */
};

/*
 * Make a content that fits into a call out of `whole` (what the spool record or memory holds) and the `body_bytes` of the file
 * `body` (NULL without) that follow. May suspend.
 */
NODISCARD enum err queue_content_make(struct fiber *f, struct queue *queue, struct span whole, struct disk_file *body,
                                      uint64_t body_bytes, struct queue_content *ret);

/* Write the envelope as the message's new state, or end the message (`envelope` NULL). Waits until durable. */
NODISCARD enum err queue_write_state(struct fiber *f, struct queue *queue, struct message_id id, const struct envelope *envelope);

#endif
