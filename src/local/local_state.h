/*
 * local_state.h - what the parts of the local role share. Private to src/local.
 *
 *   local.c       the life of the role, one fiber a delivery, status
 *   mailbox.c     deliveries gathered into batches for the Maildir code, whose syncs they share
 *   lmtp_deliver.c, lmtp_session.c, lmtp_body.c   the LMTP client
 *   system_user.c deliveries that the parent hands to a process of the user
 */
#ifndef GODWIT_LOCAL_LOCAL_STATE_H
#define GODWIT_LOCAL_LOCAL_STATE_H

#include "base/list.h"
#include "base/map.h"
#include "config/config.h"
#include "ipc/ipc_messages.h"
#include "local/local.h"
#include "net/log.h"
#include "rt/disk.h"
#include "store/maildir/maildir.h"
#include "store/recipient.h"

enum {
    LOCAL_WRITERS = 5,             /* batches at once: of the pool's threads some stay free for short jobs */
    LOCAL_DURABLE_MAX = 64 * 1024, /* mailboxes remembered as durable */
    LOCAL_STATUS_MAX = 16,
    LOCAL_TEXT_MAX = 1024,
};

/* What became of a delivery, in the words of the reply. */
struct delivery_verdict {
    enum delivery_class class;
    char status[LOCAL_STATUS_MAX]; /* "4.2.2", with a NUL */
    struct buf text;               /* over `text_octets` */
    uint8_t text_octets[LOCAL_TEXT_MAX];
    struct span forwards;          /* addresses instead of the recipient, one a line; in the delivery's `mem` */
};

/* Set a verdict; `format` as printf. Foreign octets go through escape_append_reply() into v->text instead. */
FORMAT(4, 5)
void verdict_set(struct delivery_verdict *v, enum delivery_class class, const char *status, const char *format, ...);

/* One delivery in hand. Lives on the stack of its fiber. */
struct delivery {
    struct local *local;
    const struct ipc_deliver *request;
    struct arena *mem;
    struct disk_file *file;    /* request->file, owned; NULL without */
    struct deadline by;
    struct delivery_verdict verdict;
};

/* A delivery on its way through the writers. On the stack of its fiber, which waits until `is_done`. */
struct mailbox_item {
    struct list node;
    struct fiber *waiter;
    struct maildir_delivery maildir;
    char path[MAILDIR_PATH_MAX];
    char name[MAILDIR_NAME_MAX];
};

struct write_job;

struct local {
    struct role_env *env;
    struct rt *rt;
    struct log *log;
    struct semaphore places;       /* LOCAL_DELIVERIES_MAX */
    size_t in_hand;
    struct cond idle;              /* in_hand became 0 */

    struct maildir_names names;
    struct list waiting;           /* struct mailbox_item */
    size_t waiting_count;
    size_t writers_idle;
    struct cond work;
    bool is_ending;                /* writers leave when nothing waits */
    struct map durable;            /* mailbox path -> struct durable_mailbox, owned */
    struct fiber_group writers;
    struct write_job *jobs[LOCAL_WRITERS]; /* owned, one a writer */
    size_t writers_begun;

    struct list idle_sessions;     /* struct lmtp_session */

    uint64_t done, deferred, failed, batches;
};

/* Deliver into a Maildir: the verdict is set when this returns. */
void local_deliver_mailbox(struct fiber *f, struct delivery *d);

/* What the writers need. ERR_LIMIT: memory; local_mailboxes_done() is to be called in any case. */
NODISCARD enum err local_mailboxes_init(struct local *local);

/* The fiber of a writer; it ends when local->is_ending and nothing waits. */
void local_writer_run(struct fiber *f, void *arg);
void local_mailboxes_done(struct local *local);

/* Deliver to an LMTP store. */
void local_deliver_lmtp(struct fiber *f, struct delivery *d);
void local_sessions_done(struct local *local);

/* Have the parent run a delivery as a system user. */
void local_deliver_system_user(struct fiber *f, struct delivery *d);

#endif
