/* timer_test.c - the heap of deadlines against a plain search, for many random insertions and removals. */
#include "rt/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "bare_rt.h"

enum { FIBERS = 200, STEPS = 20000 };

struct model {
    struct fiber fibers[FIBERS];
    int64_t at_ns[FIBERS]; /* INT64_MAX: none */
};

static uint64_t
next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *state >> 33;
}

static void
check(struct rt *rt, const struct model *m)
{
    int64_t earliest = INT64_MAX;
    size_t count = 0;
    for (size_t i = 0; i < FIBERS; i++) {
        count += m->at_ns[i] != INT64_MAX;
        earliest = m->at_ns[i] < earliest ? m->at_ns[i] : earliest;
        assert_int_equal(m->fibers[i].timer_index == FIBER_NO_TIMER, m->at_ns[i] == INT64_MAX);
    }
    assert_int_equal(rt->timer_count, count);
    assert_int_equal(rt_core_next_deadline_ns(rt), earliest);
    for (size_t i = 0; i < rt->timer_count; i++) {
        assert_int_equal(rt->timers[i].fiber->timer_index, i);
        assert_true(i == 0 || rt->timers[(i - 1) / 2].at_ns <= rt->timers[i].at_ns);
    }
}

static void
the_heap_agrees_with_a_search(void **state)
{
    (void)state;
    struct rt rt;
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    bare_rt_init(&rt);
    assert_true(timer_reserve(&rt, 10));
    assert_true(timer_reserve(&rt, FIBERS));
    for (size_t i = 0; i < FIBERS; i++) {
        m->fibers[i].timer_index = FIBER_NO_TIMER;
        m->at_ns[i] = INT64_MAX;
    }
    uint64_t seed = 1;
    for (int step = 0; step < STEPS; step++) {
        size_t i = next(&seed) % FIBERS;
        if (m->at_ns[i] == INT64_MAX) {
            m->at_ns[i] = (int64_t)(next(&seed) % 500); /* many equal ones */
            timer_insert(&rt, &m->fibers[i], m->at_ns[i]);
        } else {
            m->at_ns[i] = INT64_MAX;
            timer_remove(&rt, &m->fibers[i]);
            timer_remove(&rt, &m->fibers[i]); /* harmless */
        }
        if (step % 37 == 0)
            check(&rt, m);
    }
    check(&rt, m);
    rt_core_done(&rt);
    free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heap_agrees_with_a_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
