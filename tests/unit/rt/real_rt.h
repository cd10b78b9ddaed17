/*
 * real_rt.h - a real process for one test: run a fiber, then take it down.
 */
#ifndef GODWIT_TESTS_REAL_RT_H
#define GODWIT_TESTS_REAL_RT_H

#include "base/assert.h"
#include "rt/rt_real.h"

/* Long enough for a loaded machine; no test waits for it unless it fails. */
#define PATIENCE(f) deadline_in(fiber_rt(f), 20 * NS_PER_S)

static inline void
real_rt_run(fiber_fn *fn, void *arg)
{
    struct rt *rt;
    enum err e = rt_real_new(NULL, &rt);
    ASSERT(e == ERR_OK);
    e = rt_real_run(rt, fn, arg);
    ASSERT(e == ERR_OK);
    rt_real_free(rt);
}

#define OK(expression) assert_int_equal((expression), ERR_OK)

#endif
