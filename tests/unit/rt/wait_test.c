/* wait_test.c - cond and semaphore: who is woken, in which order, and what a waiter that gave up leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "bare_rt.h"

struct waiter {
    struct trace *trace;
    struct cond *cond;
    struct semaphore *semaphore;
    struct deadline by;
    char name;
    enum err got;
    struct fiber *self;
};

static void
wait_cond(struct fiber *f, void *arg)
{
    struct waiter *w = arg;
    w->self = f;
    w->got = cond_wait(f, w->by, w->cond);
    trace_add(w->trace, w->got == ERR_OK ? w->name : '-');
}

static void
take_permit(struct fiber *f, void *arg)
{
    struct waiter *w = arg;
    w->self = f;
    w->got = semaphore_take(f, w->by, w->semaphore);
    trace_add(w->trace, w->got == ERR_OK ? w->name : '-');
}

static void
spawn(struct rt *rt, fiber_fn *fn, struct waiter *w)
{
    assert_int_equal(fiber_spawn(rt, "test", fn, w, NULL), ERR_OK);
}

static void
signal_wakes_the_longest_waiting(void **state)
{
    (void)state;
    struct rt rt;
    struct cond c;
    struct trace t = {0};
    bare_rt_init(&rt);
    cond_init(&c);
    cond_signal(&c); /* nobody: not remembered */
    struct waiter w[4];
    for (size_t i = 0; i < 4; i++) {
        w[i] = (struct waiter){.trace = &t, .cond = &c, .by = DEADLINE_NEVER, .name = (char)('a' + i)};
        spawn(&rt, wait_cond, &w[i]);
    }
    bare_rt_settle(&rt);
    cond_signal(&c);
    cond_signal(&c);
    bare_rt_settle(&rt);
    assert_string_equal(t.text, "ab");
    cond_broadcast(&c);
    bare_rt_settle(&rt);
    assert_string_equal(t.text, "abcd");
    assert_true(list_is_empty(&c.waiters));
    rt_core_done(&rt);
}

static void
a_signal_is_not_lost_on_a_waiter_that_just_gave_up(void **state)
{
    (void)state;
    struct rt rt;
    struct cond c;
    struct trace t = {0};
    bare_rt_init(&rt);
    cond_init(&c);
    struct waiter late = {.trace = &t, .cond = &c, .by = deadline_in(&rt, 10), .name = 'x'};
    struct waiter canceled = {.trace = &t, .cond = &c, .by = DEADLINE_NEVER, .name = 'y'};
    struct waiter good = {.trace = &t, .cond = &c, .by = DEADLINE_NEVER, .name = 'z'};
    spawn(&rt, wait_cond, &late);
    spawn(&rt, wait_cond, &canceled);
    spawn(&rt, wait_cond, &good);
    bare_rt_settle(&rt);
    rt.now_ns += 10;
    rt_core_expire(&rt); /* ready, but it has not run yet */
    fiber_cancel(canceled.self);
    cond_signal(&c);
    bare_rt_settle(&rt);
    assert_string_equal(t.text, "--z");
    assert_int_equal(late.got, ERR_TIMEOUT);
    assert_int_equal(canceled.got, ERR_CANCELED);
    rt_core_done(&rt);
}

static void
permits_are_served_in_order(void **state)
{
    (void)state;
    struct rt rt;
    struct semaphore s;
    struct trace t = {0};
    bare_rt_init(&rt);
    semaphore_init(&s, 2);
    struct waiter w[5];
    for (size_t i = 0; i < 5; i++) {
        w[i] = (struct waiter){.trace = &t, .semaphore = &s, .by = DEADLINE_NEVER, .name = (char)('a' + i)};
        spawn(&rt, take_permit, &w[i]);
    }
    bare_rt_settle(&rt);
    assert_string_equal(t.text, "ab");
    semaphore_give(&s);
    bare_rt_settle(&rt);
    assert_string_equal(t.text, "abc");
    semaphore_give(&s);
    semaphore_give(&s);
    semaphore_give(&s);
    bare_rt_settle(&rt);
    assert_string_equal(t.text, "abcde");
    assert_int_equal(s.free, 1);
    rt_core_done(&rt);
}

static void
a_newcomer_does_not_overtake(void **state)
{
    (void)state;
    struct rt rt;
    struct semaphore s;
    struct trace t = {0};
    bare_rt_init(&rt);
    semaphore_init(&s, 0);
    struct waiter first = {.trace = &t, .semaphore = &s, .by = DEADLINE_NEVER, .name = '1'};
    struct waiter second = {.trace = &t, .semaphore = &s, .by = deadline_in(&rt, 10), .name = '2'};
    spawn(&rt, take_permit, &first);
    bare_rt_settle(&rt);
    spawn(&rt, take_permit, &second); /* ready before the permit is given, runs before the first does */
    semaphore_give(&s);
    bare_rt_settle(&rt);
    assert_string_equal(t.text, "1");
    bare_rt_pass(&rt, 10);
    assert_string_equal(t.text, "1-");
    assert_int_equal(s.free, 0);
    rt_core_done(&rt);
}

static void
a_permit_given_to_one_that_gave_up_is_kept(void **state)
{
    (void)state;
    struct rt rt;
    struct semaphore s;
    struct trace t = {0};
    bare_rt_init(&rt);
    semaphore_init(&s, 0);
    struct waiter w = {.trace = &t, .semaphore = &s, .by = deadline_in(&rt, 10), .name = 'a'};
    spawn(&rt, take_permit, &w);
    bare_rt_settle(&rt);
    rt.now_ns += 10;
    rt_core_expire(&rt);
    semaphore_give(&s);
    bare_rt_settle(&rt);
    assert_int_equal(w.got, ERR_TIMEOUT);
    assert_int_equal(s.free, 1);
    rt_core_done(&rt);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signal_wakes_the_longest_waiting),
        cmocka_unit_test(a_signal_is_not_lost_on_a_waiter_that_just_gave_up),
        cmocka_unit_test(permits_are_served_in_order),
        cmocka_unit_test(a_newcomer_does_not_overtake),
        cmocka_unit_test(a_permit_given_to_one_that_gave_up_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
