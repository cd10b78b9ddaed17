/*
 * rt_body.h - private to src/rt: what the shared fiber scheduler and a body ask of each other.
 *
 * A body (rt_real.c, rt_sim.c) embeds `struct rt` as its first member, and `struct stream`, `struct listener` and
 * `struct packet_socket` as the first members of its own objects. Shared are: fibers, stacks, the ready list, the timer
 * heap, cancellation, groups, cond, semaphore, stop, the turn rule. The body's are: clocks, chance, the log sink,
 * threads and bytes; the scheduler reaches them through `struct rt_body_ops`. The body drives the scheduler:
 *
 *     for (;;) {
 *         rt->now_ns = ...;                        time only moves here, never back
 *         rt_core_expire(rt);                      deadlines that passed make their fibers ready
 *         while (rt_core_step(rt)) ...             run ready fibers, one a call
 *         ... wait for an event or rt_core_next_deadline_ns(rt); deliver events with fiber_unpark() ...
 *     }
 *
 * Invariants: a fiber runs only inside rt_core_step(); callbacks of the body run on the loop's own stack and never
 * suspend. An operation of the body that suspends does so by fiber_park() alone. Each stream has at most one parked
 * reader and one parked writer. A parked fiber that a time-out or a cancellation made ready is no longer
 * fiber_is_parked(): bytes must not be delivered to it any more, they stay for the next call.
 */
#ifndef GODWIT_RT_RT_BODY_H
#define GODWIT_RT_RT_BODY_H

#include "rt/fiber.h"
#include "rt/packet.h"
#include "rt/stream.h"

#if defined(__SANITIZE_ADDRESS__)
#define RT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RT_ASAN 1
#endif
#endif

enum fiber_state {
    FIBER_READY,         /* on rt->ready: new, yielded or unparked */
    FIBER_READY_WITHOUT, /* on rt->ready by its deadline or by cancellation: a late fiber_unpark() is ignored */
    FIBER_RUNNING,
    FIBER_PARKED, /* on rt->parked or rt->idle */
    FIBER_ENDED,
};

/* Lives at the top of its own stack. */
struct fiber {
    void *sp; /* saved stack pointer while not running */
    struct rt *rt;
    struct list link;       /* in rt->ready, rt->parked or rt->idle, unless it runs */
    struct list group_link; /* in group->children */
    struct fiber_group *group;   /* the group it is a child of, or NULL */
    struct fiber_group *joining; /* the group it waits for, or NULL */
    fiber_fn *fn;
    void *arg;
    const char *site;
    uint8_t *stack;       /* lowest usable byte */
    int64_t parked_at_ns;
    uint32_t timer_index; /* place in the timer heap, or FIBER_NO_TIMER */
    uint32_t turn_bytes;  /* charged since it last suspended: the turn rule */
    uint32_t child_count; /* children not yet ended, over all its groups */
    uint8_t state;        /* enum fiber_state */
    uint8_t result;       /* enum err: what fiber_park() returns */
    bool is_canceled;
    bool is_deaf; /* parked in fiber_park_uncancelable() */
#ifdef RT_ASAN
    void *fake_stack;
#endif
};

#define FIBER_NO_TIMER UINT32_MAX

struct timer {
    int64_t at_ns;
    struct fiber *fiber;
};

struct rt_body_ops {
    int64_t (*wall_us)(struct rt *rt);
    void (*random)(struct rt *rt, void *dst, size_t len);
    void (*log_line)(struct rt *rt, struct span line);

    /* Run the job elsewhere (or later in virtual time) and park the fiber with fiber_park_uncancelable() until then. */
    enum err (*pool_run)(struct fiber *f, void (*job)(void *arg), void *arg);

    /* Descriptors that travel: fd >= 0. */
    void (*fd_close)(struct rt *rt, int fd);
    int (*fd_dup)(struct rt *rt, int fd);

    /* May be NULL. The process was asked to stop; called once, after the waiters in rt_wait_stop() were made ready. */
    void (*stopped)(struct rt *rt);

    /*
     * Streams. The callers in stream.c have checked cancellation and charge the turn; `data.len`, `cap` > 0.
     * The body fills `rt` (and, for streams, `peer` and `local`) of what it returns.
     */
    enum err (*listener_open)(struct rt *rt, int fd, struct listener **ret);
    void (*listener_close)(struct listener *l);
    enum err (*accept)(struct fiber *f, struct deadline by, struct listener *l, struct stream **ret);
    enum err (*connect)(struct fiber *f, struct deadline by, const struct stream_address *to,
                        const struct stream_address *source, struct stream **ret);
    enum err (*connect_unix)(struct fiber *f, struct deadline by, const char *path, struct stream **ret);
    enum err (*stream_open_fd)(struct rt *rt, int fd, struct stream **ret);
    enum err (*read)(struct fiber *f, struct deadline by, struct stream *s, void *dst, size_t cap, size_t *ret_n);
    enum err (*write)(struct fiber *f, struct deadline by, struct stream *s, struct span data);
    void (*post)(struct stream *s, struct span data);
    void (*close)(struct stream *s, bool reset);

    /* Packets, likewise. */
    enum err (*packet_open)(struct rt *rt, int fd, struct packet_socket **ret);
    void (*packet_close)(struct packet_socket *p);
    enum err (*packet_send)(struct fiber *f, struct deadline by, struct packet_socket *p, struct span data,
                            const int *fds, size_t fd_count);
    enum err (*packet_recv)(struct fiber *f, struct deadline by, struct packet_socket *p, void *dst, size_t cap,
                            size_t *ret_len, int fds[PACKET_FDS_MAX], size_t *ret_fd_count);
};

struct stack_pool;

struct rt {
    const struct rt_body_ops *ops;
    struct disk *disk; /* borrowed: the body's */
    int64_t now_ns;    /* set by the body, once a turn */

    struct fiber *running;
    struct list ready;  /* in the order they run */
    struct list parked; /* the longest parked first */
    struct list idle;   /* parked, the unused part of their stacks given back (rt_core_trim) */
    size_t fiber_count; /* alive */
    size_t fiber_max;   /* fiber_spawn() answers ERR_LIMIT beyond; the body may lower it */

    struct timer *timers; /* heap, earliest first */
    size_t timer_count;
    size_t timer_size;

    bool is_stopping;
    struct cond stop;

    /* Of fiber.c and stack.c alone. */
    void *loop_sp;
    struct stack_pool *stacks;
#ifdef RT_ASAN
    void *loop_fake_stack;
    const void *loop_stack_bottom;
    size_t loop_stack_size;
#endif
};

struct stream {
    struct rt *rt;
    struct stream_address peer;
    struct stream_address local;
};

struct listener {
    struct rt *rt;
};

struct packet_socket {
    struct rt *rt;
};

/* Begin a scheduler: everything of `rt` but what the body adds. ERR_LIMIT without memory. */
NODISCARD enum err rt_core_init(struct rt *rt, const struct rt_body_ops *ops, struct disk *disk);

/*
 * End it and give back all memory. Fibers still alive are dropped as kill -9 would: their stacks are unmapped and
 * nothing of them runs, so what they own on the heap is the caller's loss.
 */
void rt_core_done(struct rt *rt);

/* Run the first ready fiber until it suspends or ends. False when none is ready. Not from inside a fiber. */
bool rt_core_step(struct rt *rt);

/* Make the fibers ready whose deadline is at or before rt->now_ns: earliest first (ties in any order), ERR_TIMEOUT. */
void rt_core_expire(struct rt *rt);

/* The earliest deadline anybody waits for; INT64_MAX for none. */
int64_t rt_core_next_deadline_ns(const struct rt *rt);

/* Cancel every fiber alive: the orderly end of a process whose main function has returned. */
void rt_core_cancel_all(struct rt *rt);

/*
 * Give back the unused pages below the frames of fibers parked since before `rt->now_ns - age_ns`, at most `count` of
 * them. Returns when to call again: rt->now_ns for at once, INT64_MAX when nobody is parked. The real body's business.
 */
int64_t rt_core_trim(struct rt *rt, int64_t age_ns, size_t count);

/*
 * The turn rule, for the callers of the body's operations: each call is charged what it moved, at least
 * TURN_CALL_BYTES, so that 64 KiB or 64 small calls without a suspend lead to a yield. ERR_CANCELED for a cancelled
 * fiber, whatever is ready.
 */
enum { TURN_CALL_BYTES = STREAM_TURN_BYTES / 64 };

NODISCARD static inline enum err
turn_begin(struct fiber *f)
{
    if (f->turn_bytes >= STREAM_TURN_BYTES)
        return fiber_yield(f);
    return f->is_canceled ? ERR_CANCELED : ERR_OK;
}

static inline void
turn_charge(struct fiber *f, size_t bytes)
{
    size_t charge = bytes < TURN_CALL_BYTES ? TURN_CALL_BYTES : bytes > STREAM_TURN_BYTES ? STREAM_TURN_BYTES : bytes;
    f->turn_bytes += (uint32_t)charge;
}

static inline bool
rt_core_has_ready(const struct rt *rt)
{
    return !list_is_empty(&rt->ready);
}

/* Whether fiber_unpark() would wake it: not parked any more once its deadline or a cancellation made it ready. */
static inline bool
fiber_is_parked(const struct fiber *f)
{
    return f->state == FIBER_PARKED;
}

#endif
