/*
 * bare_rt.h - the scheduler alone, for its tests: no sockets, no threads; time jumps to the next deadline.
 */
#ifndef GODWIT_TESTS_BARE_RT_H
#define GODWIT_TESTS_BARE_RT_H

#include "base/assert.h"
#include "rt/rt_body.h"

static inline void
bare_log_line(struct rt *rt, struct span line)
{
    (void)rt;
    (void)line;
}

static inline void
bare_random(struct rt *rt, void *dst, size_t len)
{
    /* A multiplier that is good enough to tell values apart. */
    static const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t at = (uint64_t)rt->now_ns;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)dst)[i] = (uint8_t)((at = at * step + 1) >> 56);
    rt->now_ns++;
}

static const struct rt_body_ops bare_ops = {.log_line = bare_log_line, .random = bare_random};

static inline void
bare_rt_init(struct rt *rt)
{
    enum err e = rt_core_init(rt, &bare_ops, NULL);
    ASSERT(e == ERR_OK);
    rt->now_ns = NS_PER_S;
}

/* Run what is ready; never moves time. */
static inline void
bare_rt_settle(struct rt *rt)
{
    while (rt_core_step(rt))
        ;
}

/* Run until nobody is ready and nobody waits for a time. */
static inline void
bare_rt_run(struct rt *rt)
{
    for (;;) {
        bare_rt_settle(rt);
        int64_t next = rt_core_next_deadline_ns(rt);
        if (next == INT64_MAX)
            return;
        if (next > rt->now_ns)
            rt->now_ns = next;
        rt_core_expire(rt);
    }
}

/* Let `ns` pass. */
static inline void
bare_rt_pass(struct rt *rt, int64_t ns)
{
    bare_rt_settle(rt);
    rt->now_ns += ns;
    rt_core_expire(rt);
    bare_rt_settle(rt);
}

/* What a fiber of a test did, in order: letters. */
struct trace {
    struct rt *rt;
    char text[256];
    size_t len;
};

static inline void
trace_add(struct trace *t, char what)
{
    ASSERT(t->len + 1 < sizeof(t->text));
    t->text[t->len++] = what;
    t->text[t->len] = '\0';
}

#endif
