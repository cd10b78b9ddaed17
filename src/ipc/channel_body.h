/*
 * channel_body.h - private to src/ipc: what a hub and its channels know of each other.
 *
 * hub.c keeps links, services and the list of channels; channel.c moves frames. A channel lives until it has ended, its
 * two fibers have returned and nobody holds it: a handler being run for its peer, a caller waiting for its credit.
 */
#ifndef GODWIT_IPC_CHANNEL_BODY_H
#define GODWIT_IPC_CHANNEL_BODY_H

#include "ipc/channel.h"
#include "ipc/ipc_messages.h"

enum {
    IPC_STRUCT_BYTES_MAX = 512,      /* of any message as a struct */
    IPC_FRAME_BODY_MAX = IPC_FRAME_BYTES_MAX - IPC_FRAME_HEADER_BYTES,
    IPC_HANDOVER_BYTES = 24 * 1024,  /* packets from here on stay where they were received, smaller ones are copied */
    IPC_SPARES_MAX = 8,              /* packets of full size kept for reuse, each way */
};

/* Where one role's handlers are. */
struct ipc_serving_table {
    ipc_serve_fn *const *table; /* NULL until somebody serves */
    const void *service;
    void *ctx;
};

/* Frames on their way out. */
struct out_packet {
    struct list node;
    size_t len;
    size_t post_bytes; /* of its posts */
    size_t fd_count;
    int fds[PACKET_FDS_MAX]; /* owned */
    uint8_t data[PACKET_BYTES_MAX];
};

/* A packet that came in, kept while a request in it is being served. */
struct in_packet {
    struct list node; /* among the spares */
    size_t refs;
    bool is_full_size; /* has room for PACKET_BYTES_MAX and may become a spare */
    uint8_t data[];
};

struct ipc_hub {
    struct rt *rt;
    enum ipc_role self;
    uint16_t instance;
    struct ipc_serving_table role_table;
    struct ipc_serving_table system_table;
    struct cond served; /* a table was set */
    struct list links;  /* those of instances other than 0 */
    struct ipc_link *singles; /* [ROLE_COUNT] */
    struct list channels;
    struct list out_spares;
    struct list in_spares;
    struct list request_spares; /* struct request of channel.c */
    size_t out_spare_count, in_spare_count, request_spare_count;
    size_t callers;          /* fibers inside ipc_call(), ipc_link_wait() or ipc_hub_wait_served() */
    bool is_closing;
    struct fiber *closer;    /* parked in ipc_hub_free() */
    void (*on_closed)(void *ctx, const struct ipc_closed *closed);
    void *on_closed_ctx;
    struct ipc_counters counters;
};

struct ipc_link {
    struct ipc_hub *hub;
    struct list node;
    enum ipc_role role;
    uint16_t instance;
    struct ipc_channel *channel; /* the one new calls take, or NULL */
    struct cond attached;
};

struct ipc_channel;

/* One call that waits for its reply; on the caller's stack. */
struct pending_call {
    struct fiber *fiber;
    const struct ipc_form *form;
    struct arena *mem;
    void *ret;
    enum err result;
    bool is_done;
};

/* What a credit stands for: an outstanding call, or a free place. */
struct call_slot {
    struct pending_call *call; /* NULL: free, or the caller gave up */
    uint32_t sequence;         /* of the call that has or had it: tells a late reply from a wrong one */
    uint16_t type;
    uint16_t next_free;
    bool is_taken;
};

struct ipc_channel {
    struct list node; /* in hub->channels */
    struct ipc_hub *hub;
    struct ipc_link *link;
    struct packet_socket *socket; /* NULL once both fibers have returned */
    struct ipc_peer peer;
    struct fiber *sender;
    struct fiber *receiver;
    bool is_ended;
    bool is_draining; /* replaced: no new calls */

    /* out */
    struct list queue; /* struct out_packet */
    size_t queued_bytes;
    size_t queued_post_bytes;
    struct cond has_output;
    struct cond room;
    struct semaphore credit;
    uint16_t first_free;
    struct call_slot slots[IPC_CREDITS];

    /* in */
    struct in_packet *receiving;
    struct list requests; /* being served */
    size_t calls_served;
    size_t posts_served;
    uint32_t arrived;     /* requests taken in, and those that handlers have begun with, in the same order */
    uint32_t begun;
    struct cond turn;
    bool has_peer_said_bye;
    bool is_peer_gone; /* peer.on_closed was called */

    size_t holders; /* callers waiting for a credit */
};

/* Queue an encoded message for sending. Its descriptors are duplicated for calls and posts, taken over for replies. */
NODISCARD enum err channel_put(struct ipc_channel *ch, const struct ipc_frame *head, const struct ipc_form *form,
                               const void *message, size_t bytes);

/* Queue "no" (ERR_LIMIT, ERR_AGAIN) instead of a reply. */
void channel_put_refusal(struct ipc_channel *ch, uint16_t type, uint32_t call_id, enum err why);

/* Queue the word that we end in order. */
void channel_put_bye(struct ipc_channel *ch);

/* The fiber that reads a channel, and the end of what it has begun. serve.c */
fiber_fn channel_receive;
void in_packet_unref(struct ipc_hub *hub, struct in_packet *packet);
void channel_release(struct ipc_channel *ch);

/* The call of a slot is over: its credit is free again. */
void slot_release(struct ipc_channel *ch, struct call_slot *slot);

/* Begin both fibers of a channel in hub->channels. `socket` is closed on failure too. */
NODISCARD enum err channel_new(struct ipc_link *link, struct packet_socket *socket, struct ipc_channel **ret);

/* End it: calls in flight get ERR_CLOSED, what is queued is dropped. Harmless twice. */
void channel_end(struct ipc_channel *ch, enum err why, const char *message_name);

/* No new calls; those that wait for a credit go elsewhere. */
void channel_drain(struct ipc_channel *ch);

/* Cancel the handlers that run for this peer. */
void channel_cancel_requests(struct ipc_channel *ch);

/* A channel has been freed or a caller has left: see whether ipc_hub_free() can go on. */
void hub_check_closed(struct ipc_hub *hub);

/* Free what the hub keeps for reuse. */
void hub_free_spares(struct ipc_hub *hub);

/* The parent gave a new end to another process. ERR_PROTOCOL when it makes no sense. */
NODISCARD enum err hub_take_endpoint(struct ipc_hub *hub, const struct ipc_endpoint *endpoint);

#endif
