/* timer.c - the heap of deadlines. */
#include "rt/timer.h"

#include <stdlib.h>

#include "base/assert.h"

bool
timer_reserve(struct rt *rt, size_t count)
{
    if (count <= rt->timer_size)
        return true;
    size_t size = rt->timer_size == 0 ? 64 : rt->timer_size * 2;
    if (size < count)
        size = count;
    struct timer *timers = realloc(rt->timers, size * sizeof(timers[0]));
    if (timers == NULL)
        return false;
    rt->timers = timers;
    rt->timer_size = size;
    return true;
}

static void
timer_put(struct rt *rt, size_t at, struct timer t)
{
    rt->timers[at] = t;
    t.fiber->timer_index = (uint32_t)at;
}

static void
timer_rise(struct rt *rt, size_t at, struct timer t)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (rt->timers[parent].at_ns <= t.at_ns)
            break;
        timer_put(rt, at, rt->timers[parent]);
        at = parent;
    }
    timer_put(rt, at, t);
}

static void
timer_sink(struct rt *rt, size_t at, struct timer t)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= rt->timer_count)
            break;
        if (child + 1 < rt->timer_count && rt->timers[child + 1].at_ns < rt->timers[child].at_ns)
            child++;
        if (t.at_ns <= rt->timers[child].at_ns)
            break;
        timer_put(rt, at, rt->timers[child]);
        at = child;
    }
    timer_put(rt, at, t);
}

void
timer_insert(struct rt *rt, struct fiber *f, int64_t at_ns)
{
    ASSERT(f->timer_index == FIBER_NO_TIMER && rt->timer_count < rt->timer_size);
    timer_rise(rt, rt->timer_count++, (struct timer){.at_ns = at_ns, .fiber = f});
}

void
timer_remove(struct rt *rt, struct fiber *f)
{
    if (f->timer_index == FIBER_NO_TIMER)
        return;
    size_t at = f->timer_index;
    f->timer_index = FIBER_NO_TIMER;
    struct timer last = rt->timers[--rt->timer_count];
    if (last.fiber == f)
        return;
    if (at > 0 && last.at_ns < rt->timers[(at - 1) / 2].at_ns)
        timer_rise(rt, at, last);
    else
        timer_sink(rt, at, last);
}
