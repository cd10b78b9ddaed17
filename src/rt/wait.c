/* wait.c - cond and semaphore: lists of waiters that stand on the waiting fibers' own stacks. */
#include "base/assert.h"
#include "rt/rt_body.h"

struct waiter {
    struct list link;
    struct fiber *fiber;
};

static enum err
waiter_park(struct fiber *f, struct deadline by, struct list *waiters)
{
    struct waiter w = {.fiber = f};
    list_append(waiters, &w.link);
    enum err e = fiber_park(f, by);
    list_unlink(&w.link);
    return e;
}

/* Wake the first that still waits: one whose deadline has just passed is in the list until it has run. */
static bool
waiter_wake(struct list *waiters)
{
    for (struct list *link = list_take_first(waiters); link != NULL; link = list_take_first(waiters))
        if (fiber_unpark(CONTAINER_OF(link, struct waiter, link)->fiber, ERR_OK))
            return true;
    return false;
}

void
cond_init(struct cond *c)
{
    list_init(&c->waiters);
}

enum err
cond_wait(struct fiber *f, struct deadline by, struct cond *c)
{
    return waiter_park(f, by, &c->waiters);
}

void
cond_signal(struct cond *c)
{
    (void)waiter_wake(&c->waiters);
}

void
cond_broadcast(struct cond *c)
{
    while (waiter_wake(&c->waiters))
        ;
}

void
semaphore_init(struct semaphore *s, size_t permits)
{
    s->free = permits;
    list_init(&s->waiters);
}

enum err
semaphore_take(struct fiber *f, struct deadline by, struct semaphore *s)
{
    if (fiber_is_canceled(f))
        return ERR_CANCELED;
    if (s->free > 0) {
        s->free--;
        return ERR_OK;
    }
    return waiter_park(f, by, &s->waiters);
}

void
semaphore_give(struct semaphore *s)
{
    /* A permit goes to the waiter directly, so a fiber that came later cannot take it first. */
    if (!waiter_wake(&s->waiters))
        s->free++;
}
