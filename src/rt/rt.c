/* rt.c - the public side of a process: time, chance, the log sink, stopping. */
#include "rt/rt.h"

#include "base/assert.h"
#include "rt/rt_body.h"

int64_t
rt_now_ns(struct rt *rt)
{
    return rt->now_ns;
}

int64_t
rt_wall_us(struct rt *rt)
{
    return rt->ops->wall_us(rt);
}

struct deadline
deadline_in(struct rt *rt, int64_t ns)
{
    ASSERT(ns >= 0);
    struct deadline d;
    if (__builtin_add_overflow(rt->now_ns, ns, &d.at_ns))
        d = DEADLINE_NEVER;
    return d;
}

void
rt_random(struct rt *rt, void *dst, size_t len)
{
    rt->ops->random(rt, dst, len);
}

uint64_t
rt_random_below(struct rt *rt, uint64_t bound)
{
    ASSERT(bound > 0);
    /* Values beyond the last whole multiple of `bound` would favour the small results. */
    uint64_t rest = (UINT64_MAX % bound + 1) % bound;
    for (;;) {
        uint64_t value;
        rt->ops->random(rt, &value, sizeof(value));
        if (value <= UINT64_MAX - rest)
            return value % bound;
    }
}

void
rt_log_line(struct rt *rt, struct span line)
{
    rt->ops->log_line(rt, line);
}

enum err
rt_pool_run(struct fiber *f, void (*job)(void *arg), void *arg)
{
    return f->rt->ops->pool_run(f, job, arg);
}

struct disk *
rt_disk(struct rt *rt)
{
    return rt->disk;
}

void
rt_fd_close(struct rt *rt, int fd)
{
    if (fd >= 0)
        rt->ops->fd_close(rt, fd);
}

int
rt_fd_dup(struct rt *rt, int fd)
{
    ASSERT(fd >= 0);
    return rt->ops->fd_dup(rt, fd);
}

bool
rt_is_stopping(struct rt *rt)
{
    return rt->is_stopping;
}

enum err
rt_wait_stop(struct fiber *f, struct deadline by)
{
    while (!f->rt->is_stopping)
        TRY(cond_wait(f, by, &f->rt->stop));
    return fiber_is_canceled(f) ? ERR_CANCELED : ERR_OK;
}

void
rt_stop(struct rt *rt)
{
    if (rt->is_stopping)
        return;
    rt->is_stopping = true;
    cond_broadcast(&rt->stop);
    if (rt->ops->stopped != NULL)
        rt->ops->stopped(rt);
}
