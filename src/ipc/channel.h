/*
 * channel.h - calls and posts between the processes of Godwit, over packets.
 *
 * A process has one hub. The hub has a link per process it talks to; a link survives the restarts of that process, a
 * channel (one socket pair) does not. The parent hands out channels, the hub attaches them. What may be said to whom is
 * messages.def; the typed functions that code calls (ipc_recipient_check(), ipc_post_trail() ...) and the service
 * tables are generated into ipc/ipc_messages.h.
 *
 * - The peer is hostile: a frame that does not decode, that its role may not send, or one call too many closes the
 *   channel (logged, counted). What it sends is bounded by messages.def and by the limits below.
 * - Every channel is always read, and replies always have room: a channel has IPC_CREDITS outstanding calls each way
 *   and a call waits for one of them until its deadline.
 * - Frames of one loop turn travel in one packet.
 * - Every call and every post is served in a fiber of its own. Those of one channel begin in the order of arrival:
 *   what a handler does before its first suspend, it does before the handlers of later ones begin.
 */
#ifndef GODWIT_IPC_CHANNEL_H
#define GODWIT_IPC_CHANNEL_H

#include "base/arena.h"
#include "ipc/role.h"
#include "rt/packet.h"

enum {
    IPC_CREDITS = 1024,                          /* outstanding calls of one channel, each way */
    IPC_FRAME_HEADER_BYTES = 12,
    IPC_FRAME_BYTES_MAX = PACKET_BYTES_MAX,      /* one frame with its header; a larger message is ERR_LIMIT */
    IPC_CALL_QUEUE_BYTES_MAX = 4 * 1024 * 1024,  /* beyond this many unsent bytes callers wait */
    IPC_POST_QUEUE_BYTES_MAX = 1024 * 1024,      /* beyond this many unsent bytes of posts, posts are dropped */
    IPC_POSTS_SERVED_MAX = 1024,                 /* posts of one peer being handled; more are dropped */
    IPC_SERVE_MEM_BYTES = 1024 * 1024,           /* cap of the arena a handler gets */
    IPC_DRAINING_MAX = 4,                        /* replaced channels per link still read for replies */
};

#define IPC_LAST_WORDS_NS NS_PER_S

struct ipc_hub;
struct ipc_link;

/*
 * The process at the other end of one channel, as handlers see it. Lives until the channel has ended and every handler
 * that got it has returned; then `on_closed` is called, once, if set. A restarted process is a new peer.
 */
struct ipc_peer {
    enum ipc_role role;
    uint16_t instance;
    bool is_closed;                             /* the channel has ended: replies go nowhere */
    void *state;                                /* the service's own, NULL at first */
    void (*on_closed)(struct ipc_peer *peer);   /* the service's own; frees `state`; never suspends */
};

/* What happened on all channels of a hub since it was made. */
struct ipc_counters {
    uint64_t calls_sent;
    uint64_t calls_served;
    uint64_t posts_sent;
    uint64_t posts_dropped;   /* by the sender: no channel or no room */
    uint64_t posts_refused;   /* by the receiver: too many at once */
    uint64_t credit_waits;    /* calls that had to wait for a credit or for room */
    uint64_t replies_dropped; /* the caller's channel had ended */
    uint64_t packets_sent;
    uint64_t peer_errors;     /* channels closed because the peer broke the protocol */
    uint64_t channels_closed;
};

/*
 * Make the hub of a process of role `self`. It has no channel yet: a role attaches its parent, the parent its
 * children, and a test or the simulation any pair. ERR_LIMIT without memory.
 */
NODISCARD enum err ipc_hub_new(struct rt *rt, enum ipc_role self, uint16_t instance, struct ipc_hub **ret);

/*
 * End the hub: begin nothing any more, give the replies that are queued IPC_LAST_WORDS_NS to go out (nothing when `f`
 * is cancelled), close every channel, cancel what is being served, wait until all has ended and free everything.
 * Calls still waiting in other fibers end with ERR_CLOSED. Suspends, deaf to cancellation. NULL is accepted.
 */
void ipc_hub_free(struct fiber *f, struct ipc_hub *hub);

/*
 * Give the hub a channel to a process (`socket` is owned from now on, also on failure). An older channel to the same
 * role and instance is replaced: new calls take the new one, the old one is still read until it ends. ERR_LIMIT
 * without memory or stacks. Never suspends.
 */
NODISCARD enum err ipc_hub_attach(struct ipc_hub *hub, enum ipc_role role, uint16_t instance,
                                  struct packet_socket *socket);

/* Close the channels to that process, if any: calls in flight end with ERR_CLOSED. Never suspends. */
void ipc_hub_detach(struct ipc_hub *hub, enum ipc_role role, uint16_t instance);

/*
 * Suspend until what is queued for sending on every channel has gone out: replies of calls served so far, posts. For
 * a role that ends and does not want its last answers lost. ERR_TIMEOUT, ERR_CANCELED.
 */
NODISCARD enum err ipc_hub_flush(struct fiber *f, struct deadline by, struct ipc_hub *hub);

/* The link to the one process of `role` (instance 0), attached or not. Lives as long as the hub; never NULL. */
struct ipc_link *ipc_hub_link(struct ipc_hub *hub, enum ipc_role role);

/* The link to one of several processes of a role, made when it is new. NULL without memory. */
struct ipc_link *ipc_hub_link_to(struct ipc_hub *hub, enum ipc_role role, uint16_t instance);

/* Fill links[cap] with the links to `role` that have a channel now; returns how many. */
size_t ipc_hub_links(struct ipc_hub *hub, enum ipc_role role, struct ipc_link **links, size_t cap);

uint16_t ipc_link_instance(const struct ipc_link *link);
bool ipc_link_is_attached(const struct ipc_link *link);

/* Suspend until the link has a channel; ERR_TIMEOUT, ERR_CANCELED. */
NODISCARD enum err ipc_link_wait(struct fiber *f, struct deadline by, struct ipc_link *link);

/* A channel that ended. */
struct ipc_closed {
    enum ipc_role role;
    uint16_t instance;
    enum err why;             /* ERR_CLOSED by the peer, ERR_CANCELED by us, ERR_PROTOCOL it lied, or trouble of ours */
    const char *message_name; /* with ERR_PROTOCOL: the message it was about, "?" when unknown */
    bool was_replaced;        /* a newer channel to the same process is in use */
    bool was_orderly;         /* the peer had said that it ends */
};

/*
 * Be told, without suspending, of each channel that ends, for the log. Without a listener a line goes to
 * rt_log_line().
 */
void ipc_hub_on_closed(struct ipc_hub *hub, void (*fn)(void *ctx, const struct ipc_closed *closed), void *ctx);

struct ipc_counters ipc_hub_counters(const struct ipc_hub *hub);

/*
 * Serve: generated as ipc_hub_serve(hub, &service, ctx), where `service` is a `const struct ipc_ROLE_service` of this
 * process's role that outlives the hub. Requests that came earlier have waited for it. Every member must be set. What
 * `ctx` points to must be there until ipc_hub_free() has returned: handlers may be under way until then.
 */

/*
 * Suspend until this process serves (its role's table is set). ERR_TIMEOUT, ERR_CANCELED; ERR_CLOSED when the hub is
 * freed.
 */
NODISCARD enum err ipc_hub_wait_served(struct fiber *f, struct deadline by, struct ipc_hub *hub);

/* --- for generated code only ------------------------------------------------------------------------------------ */

/*
 * Call `type` at `to` and suspend until its reply is in *ret, with its spans and lists in `mem`.
 * ERR_AGAIN the deadline passed before the request could be sent (no channel, no credit): the peer never saw it;
 * ERR_TIMEOUT sent, no reply in time: the peer may have done it, a late reply is dropped;
 * ERR_CLOSED the channel ended during the call: the peer may have done it;
 * ERR_CANCELED this fiber was cancelled; ERR_LIMIT the request exceeds messages.def or a frame, the peer could not
 * serve it for want of memory, or `mem` is full; ERR_PROTOCOL the reply made no sense, the channel is closed.
 */
NODISCARD enum err ipc_call(struct fiber *f, struct deadline by, struct ipc_link *to, uint16_t type,
                            const void *request, struct arena *mem, void *ret);

/*
 * Queue a post. ERR_AGAIN: no channel or no room, dropped and counted. ERR_LIMIT: exceeds messages.def. Never
 * suspends.
 */
NODISCARD enum err ipc_post(struct ipc_link *to, uint16_t type, const void *message);

/* One handler of a service table with its types erased. */
typedef void ipc_serve_fn(const void *service, struct fiber *f, void *ctx, struct ipc_peer *from, const void *request,
                          struct arena *mem, void *reply);

/* `table` has one entry a type, NULL where `role` serves nothing. */
void ipc_hub_serve_table(struct ipc_hub *hub, enum ipc_role role, ipc_serve_fn *const *table, const void *service,
                         void *ctx);

/* As above for the posts of the parent that every process takes (`system` in messages.def). */
void ipc_hub_serve_system_table(struct ipc_hub *hub, ipc_serve_fn *const *table, const void *service, void *ctx);

#endif
