/*
 * fiber.h - one thread of control that waits in line: stackful, scheduled by its process's loop alone.
 *
 * Rules (all of rt rests on them):
 * - A fiber is resumed by the loop only. Waking it puts it on the ready list; the waker runs on.
 * - Every suspending call ends with ERR_OK, with an error of its own, with ERR_TIMEOUT when its deadline passed, or
 *   with ERR_CANCELED. Cancellation is sticky: after it every suspending call returns ERR_CANCELED at once. So unwind.
 * - Children are joined before their parent's function returns (fiber_group).
 * - Cleanup never suspends: what must still be said is posted (stream_post, ipc_post).
 * - After a suspend, values read from shared tables are stale.
 */
#ifndef GODWIT_RT_FIBER_H
#define GODWIT_RT_FIBER_H

#include "base/list.h"
#include "rt/rt.h"

typedef void fiber_fn(struct fiber *f, void *arg);

/*
 * Start a fiber of the process itself (a role's main loop, one accepted session). It first runs when the loop reaches
 * it. `site` is a literal that names the spawn site in the stack census ("edge.session"). ERR_LIMIT when no stack can
 * be had: the caller answers 421 or tries later. *ret may be NULL to ignore; the pointer is valid until `fn` returns,
 * which for a fiber nobody joins means: keep it only if `fn` itself clears what you keep.
 */
NODISCARD enum err fiber_spawn(struct rt *rt, const char *site, fiber_fn *fn, void *arg, struct fiber **ret);

/* The process a fiber runs in. */
struct rt *fiber_rt(struct fiber *f);

/* Make every present and future suspending call of `f` (and of nothing else) return ERR_CANCELED. Harmless twice. */
void fiber_cancel(struct fiber *f);

bool fiber_is_canceled(const struct fiber *f);

/* Let every other ready fiber run once. ERR_CANCELED when cancelled. */
NODISCARD enum err fiber_yield(struct fiber *f);

/* Suspend until the deadline (ERR_OK then), or ERR_CANCELED. */
NODISCARD enum err fiber_sleep(struct fiber *f, struct deadline until);

/*
 * The primitive under everything that waits. Suspend until fiber_unpark(f, result) (returns `result`), the deadline
 * (ERR_TIMEOUT) or cancellation (ERR_CANCELED). fiber_unpark() on a fiber that is not parked is a bug of the caller,
 * except right after the fiber was made ready by a time-out or cancellation: then it is ignored and returns false.
 */
NODISCARD enum err fiber_park(struct fiber *f, struct deadline by);
bool fiber_unpark(struct fiber *f, enum err result);

/* Like fiber_park() without deadline and deaf to cancellation: for waits whose memory belongs to another thread. */
enum err fiber_park_uncancelable(struct fiber *f);

/*
 * Children of one fiber. They may use the parent's stack: fiber_group_join() (or fiber_group_end()) has to be reached
 * on every path before the parent's function returns.
 */
struct fiber_group {
    struct fiber *owner;
    struct list children;
};

void fiber_group_init(struct fiber_group *g, struct fiber *owner);

/* As fiber_spawn(), as a child. */
NODISCARD enum err fiber_group_spawn(struct fiber_group *g, const char *site, fiber_fn *fn, void *arg);

/*
 * Suspend until all children have ended. When the deadline passes or the owner is cancelled the children are cancelled,
 * then waited for (they unwind), then ERR_TIMEOUT or ERR_CANCELED is returned.
 */
NODISCARD enum err fiber_group_join(struct fiber *f, struct deadline by, struct fiber_group *g);

/* Cancel all children and wait until they have ended; deaf to the owner's own cancellation. */
void fiber_group_end(struct fiber *f, struct fiber_group *g);

/* Fibers waiting for something to become true. The waiter checks again after it wakes. */
struct cond {
    struct list waiters;
};

void cond_init(struct cond *c);
NODISCARD enum err cond_wait(struct fiber *f, struct deadline by, struct cond *c);
void cond_signal(struct cond *c);    /* wakes the longest waiting, if any */
void cond_broadcast(struct cond *c); /* wakes all */

/* A count of permits; the waiters are served in order. */
struct semaphore {
    size_t free;
    struct list waiters;
};

void semaphore_init(struct semaphore *s, size_t permits);
NODISCARD enum err semaphore_take(struct fiber *f, struct deadline by, struct semaphore *s);
void semaphore_give(struct semaphore *s);

#endif
