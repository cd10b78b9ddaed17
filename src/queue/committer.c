/* committer.c - gathering changes, writing a batch at a time, waking those who wait for it. */
#include "queue/committer.h"

#include "base/assert.h"

enum { COMMITTER_LOOK_MS = 500 /* how often a change that found no room looks again, without being told */ };

/* One call of committer_commit(), on its fiber's stack while it waits. */
struct waiter {
    struct list link;
    struct fiber *f;
    bool is_decided;
    enum err result;
};

void
committer_init(struct committer *c, struct spool *spool, struct log *log)
{
    *c = (struct committer){.spool = spool, .log = log, .write_at_ns = INT64_MAX};
    list_init(&c->waiting);
    cond_init(&c->has_work);
    cond_init(&c->turned);
    cond_init(&c->failed);
}

void
committer_done(struct committer *c)
{
    ASSERT(list_is_empty(&c->waiting));
    spool_batch_end(c->gathering);
    c->gathering = NULL;
}

void
committer_fail(struct committer *c)
{
    if (c->is_failed)
        return;
    c->is_failed = true;
    log_write(c->log, LOG_SPOOL_SYNC_FAILED, LOG_ERR(KEY_ERROR, ERR_IO));
    cond_broadcast(&c->failed);
    cond_broadcast(&c->turned);
    cond_broadcast(&c->has_work);
}

static void
decide(struct list *waiters, enum err result)
{
    struct list *link;
    while ((link = list_take_first(waiters)) != NULL) {
        struct waiter *waiter = CONTAINER_OF(link, struct waiter, link);
        waiter->is_decided = true;
        waiter->result = result;
        fiber_unpark(waiter->f, ERR_OK);
    }
}

/* Put the changes into the gathering batch; ERR_AGAIN when they have to wait for the next one. */
static enum err
gather(struct committer *c, enum spool_use use, const struct spool_op *ops, size_t count)
{
    if (c->is_failed)
        return ERR_IO;
    if (c->gathering == NULL)
        c->gathering = spool_batch_new(c->spool);
    if (c->gathering == NULL)
        return ERR_LIMIT;
    return spool_batch_add(c->gathering, use, ops, count);
}

/* A result meets a full disk by waiting, however long: what was delivered is never forgotten and delivered again (I6). */
static bool
must_wait(enum err e, enum spool_use use)
{
    return e == ERR_AGAIN || (e == ERR_FULL && use == SPOOL_USE_RESULT);
}

/* Not inlined: gcc does not see that decide() takes it off the list again, and warns of a node that dies in it. */
__attribute__((noinline)) static void
waiter_add(struct committer *c, struct waiter *waiter)
{
    list_init(&waiter->link);
    list_append(&c->waiting, &waiter->link);
}

enum err
committer_commit(struct fiber *f, struct deadline by, struct committer *c, enum spool_use use, const struct spool_op *ops,
                 size_t count)
{
    enum err e;
    while (must_wait(e = gather(c, use, ops, count), use)) {
        cond_signal(&c->has_work);
        struct deadline look = deadline_earlier(by, deadline_in(fiber_rt(f), COMMITTER_LOOK_MS * NS_PER_MS));
        enum err waited = cond_wait(f, look, &c->turned);
        if (waited == ERR_CANCELED)
            return ERR_CANCELED;
        if (waited == ERR_TIMEOUT && rt_now_ns(fiber_rt(f)) >= by.at_ns)
            return ERR_AGAIN;
    }
    if (e != ERR_OK)
        return e;
    c->groups++;
    if (use == SPOOL_USE_ACCEPT)
        c->is_urgent = true;
    else if (c->write_at_ns == INT64_MAX)
        c->write_at_ns = rt_now_ns(fiber_rt(f)) + COMMITTER_RESULT_MS * NS_PER_MS;
    cond_signal(&c->has_work);

    struct waiter waiter = {.f = f};
    waiter_add(c, &waiter);
    while (!waiter.is_decided)
        (void)fiber_park_uncancelable(f);
    return waiter.result;
}

/* Whether the gathering batch is due; else *ret_by is when to look again. */
static bool
is_due(const struct committer *c, int64_t now_ns, struct deadline *ret_by)
{
    *ret_by = DEADLINE_NEVER;
    if (c->gathering == NULL || spool_batch_is_empty(c->gathering))
        return false;
    if (c->is_urgent || now_ns >= c->write_at_ns)
        return true;
    *ret_by = (struct deadline){c->write_at_ns};
    return false;
}

/* Write what has gathered, end the batch, tell those who wait. */
static void
write_batch(struct fiber *f, struct committer *c)
{
    struct spool_batch *batch = c->gathering;
    struct list waiters;
    list_init(&waiters);
    while (!list_is_empty(&c->waiting))
        list_append(&waiters, list_take_first(&c->waiting));
    c->gathering = NULL;
    c->is_urgent = false;
    c->write_at_ns = INT64_MAX;

    spool_batch_place(batch);
    enum err e;
    while ((e = rt_pool_run(f, spool_batch_write, batch)) == ERR_LIMIT)
        if (fiber_yield(f) != ERR_OK)
            break;
    if (e == ERR_OK)
        e = spool_batch_status(batch);
    if (e == ERR_IO)
        committer_fail(c);
    spool_batch_end(batch);
    c->batches++;
    decide(&waiters, e);
    cond_broadcast(&c->turned);
}

void
committer_main(struct fiber *f, void *arg)
{
    struct committer *c = arg;
    while (!c->is_failed && !fiber_is_canceled(f)) {
        struct deadline by;
        if (is_due(c, rt_now_ns(fiber_rt(f)), &by)) {
            write_batch(f, c);
        } else {
            enum err e = cond_wait(f, by, &c->has_work);
            if (e != ERR_OK && e != ERR_TIMEOUT)
                break;
        }
    }
    /* What gathered and was not placed was promised to nobody. */
    spool_batch_end(c->gathering);
    c->gathering = NULL;
    decide(&c->waiting, ERR_IO);
}

/* Do one piece of maintenance to its end. */
static enum err
do_work(struct fiber *f, struct spool_work *work)
{
    enum spool_step step = SPOOL_STEP_JOB;
    do {
        enum err e = ERR_OK;
        if (step == SPOOL_STEP_JOB) {
            while ((e = rt_pool_run(f, spool_work_run, work)) == ERR_LIMIT)
                if (fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_MS)) != ERR_OK)
                    break;
        } else {
            enum err yielded = fiber_yield(f); /* cancelled or not, the piece is finished first */
            (void)yielded;
        }
        TRY(spool_work_step(work, &step));
    } while (step != SPOOL_STEP_DONE);
    return ERR_OK;
}

void
committer_maintain(struct fiber *f, void *arg)
{
    struct committer *c = arg;
    struct rt *rt = fiber_rt(f);
    while (!c->is_failed && !fiber_is_canceled(f)) {
        struct spool_work *work = spool_work_take(c->spool, rt_now_ns(rt));
        if (work != NULL) {
            if (do_work(f, work) == ERR_IO)
                committer_fail(c);
            cond_broadcast(&c->turned);
            continue;
        }
        enum err e = cond_wait(f, deadline_in(rt, NS_PER_S), &c->turned);
        if (e != ERR_OK && e != ERR_TIMEOUT)
            return;
    }
}
