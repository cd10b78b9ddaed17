/* fiber_test.c - the rules at the top of fiber.h, one by one. */
#include "rt/fiber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fenv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare_rt.h"

static void
spawn(struct rt *rt, fiber_fn *fn, void *arg, struct fiber **ret)
{
    assert_int_equal(fiber_spawn(rt, "test", fn, arg, ret), ERR_OK);
}

/* --- order -------------------------------------------------------------------------------------------------------- */

struct letters {
    struct trace *trace;
    const char *letters;
};

static void
say_letters(struct fiber *f, void *arg)
{
    struct letters *l = arg;
    for (const char *c = l->letters; *c != '\0'; c++) {
        trace_add(l->trace, *c);
        assert_int_equal(fiber_yield(f), ERR_OK);
    }
}

static void
fibers_run_in_the_order_they_became_ready(void **state)
{
    (void)state;
    struct rt rt;
    struct trace t = {0};
    bare_rt_init(&rt);
    struct letters a = {&t, "abc"}, b = {&t, "123"}, c = {&t, "xy"};
    spawn(&rt, say_letters, &a, NULL);
    spawn(&rt, say_letters, &b, NULL);
    spawn(&rt, say_letters, &c, NULL);
    assert_string_equal(t.text, ""); /* spawning does not run */
    bare_rt_run(&rt);
    assert_string_equal(t.text, "a1xb2yc3");
    assert_int_equal(rt.fiber_count, 0);
    rt_core_done(&rt);
}

/* --- park and unpark ---------------------------------------------------------------------------------------------- */

struct parked {
    struct fiber *self;
    struct deadline by;
    enum err got;
    enum err again; /* of a second park */
    bool parks_again;
    bool has_returned;
};

static void
park_once(struct fiber *f, void *arg)
{
    struct parked *p = arg;
    p->self = f;
    p->got = fiber_park(f, p->by);
    if (p->parks_again)
        p->again = fiber_park(f, p->by);
    p->has_returned = true;
}

static void
park_returns_the_result_it_is_woken_with(void **state)
{
    (void)state;
    struct rt rt;
    bare_rt_init(&rt);
    struct parked p = {.by = DEADLINE_NEVER};
    spawn(&rt, park_once, &p, NULL);
    bare_rt_settle(&rt);
    assert_true(fiber_is_parked(p.self));
    assert_true(fiber_unpark(p.self, ERR_DAMAGED));
    assert_false(p.has_returned); /* the waker runs on */
    bare_rt_settle(&rt);
    assert_true(p.has_returned);
    assert_int_equal(p.got, ERR_DAMAGED);
    rt_core_done(&rt);
}

static void
park_ends_at_its_deadline_and_not_before(void **state)
{
    (void)state;
    struct rt rt;
    bare_rt_init(&rt);
    struct parked p = {.by = deadline_in(&rt, 1000)};
    spawn(&rt, park_once, &p, NULL);
    bare_rt_pass(&rt, 999);
    assert_false(p.has_returned);
    bare_rt_pass(&rt, 1);
    assert_true(p.has_returned);
    assert_int_equal(p.got, ERR_TIMEOUT);
    assert_int_equal(rt_core_next_deadline_ns(&rt), INT64_MAX);
    rt_core_done(&rt);
}

static void
a_late_unpark_is_ignored(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool by_cancel;
        enum err expected;
    } cases[] = {{"deadline", false, ERR_TIMEOUT}, {"cancellation", true, ERR_CANCELED}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rt rt;
        bare_rt_init(&rt);
        struct parked p = {.by = deadline_in(&rt, 10)};
        spawn(&rt, park_once, &p, NULL);
        bare_rt_settle(&rt);
        if (cases[i].by_cancel) {
            fiber_cancel(p.self);
        } else {
            rt.now_ns += 10;
            rt_core_expire(&rt);
        }
        assert_false(fiber_is_parked(p.self));
        assert_false(fiber_unpark(p.self, ERR_OK)); /* it is ready already, for another reason */
        bare_rt_settle(&rt);
        assert_int_equal(p.got, cases[i].expected);
        rt_core_done(&rt);
    }
}

static void
unpark_wins_over_a_deadline_that_passes_afterwards(void **state)
{
    (void)state;
    struct rt rt;
    bare_rt_init(&rt);
    struct parked p = {.by = deadline_in(&rt, 10)};
    spawn(&rt, park_once, &p, NULL);
    bare_rt_settle(&rt);
    assert_true(fiber_unpark(p.self, ERR_OK));
    rt.now_ns += 20;
    rt_core_expire(&rt);
    fiber_cancel(p.self); /* too late as well: the next call tells */
    bare_rt_settle(&rt);
    assert_int_equal(p.got, ERR_OK);
    rt_core_done(&rt);
}

static void
dies_of(void (*fn)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        fn();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void
unpark_twice(void)
{
    struct rt rt;
    bare_rt_init(&rt);
    struct parked p = {.by = DEADLINE_NEVER};
    spawn(&rt, park_once, &p, NULL);
    bare_rt_settle(&rt);
    fiber_unpark(p.self, ERR_OK);
    fiber_unpark(p.self, ERR_OK);
}

static void
unparking_one_that_does_not_wait_is_a_bug(void **state)
{
    (void)state;
    dies_of(unpark_twice);
}

/* --- cancellation ------------------------------------------------------------------------------------------------- */

static void
cancellation_is_sticky(void **state)
{
    (void)state;
    struct rt rt;
    bare_rt_init(&rt);
    struct parked p = {.by = DEADLINE_NEVER, .parks_again = true};
    spawn(&rt, park_once, &p, NULL);
    bare_rt_settle(&rt);
    fiber_cancel(p.self);
    fiber_cancel(p.self);
    bare_rt_settle(&rt);
    assert_true(p.has_returned); /* the second park did not wait */
    assert_int_equal(p.got, ERR_CANCELED);
    assert_int_equal(p.again, ERR_CANCELED);
    rt_core_done(&rt);
}

struct every_call {
    enum err results[8];
    size_t count;
    struct cond cond;
    struct semaphore semaphore;
};

static void
call_everything(struct fiber *f, void *arg)
{
    struct every_call *c = arg;
    struct fiber_group none;
    fiber_group_init(&none, f);
    cond_init(&c->cond);
    semaphore_init(&c->semaphore, 1);
    assert_true(fiber_is_canceled(f));
    c->results[c->count++] = fiber_yield(f);
    c->results[c->count++] = fiber_sleep(f, deadline_in(fiber_rt(f), 0));
    c->results[c->count++] = fiber_park(f, DEADLINE_NEVER);
    c->results[c->count++] = cond_wait(f, DEADLINE_NEVER, &c->cond);
    c->results[c->count++] = semaphore_take(f, DEADLINE_NEVER, &c->semaphore);
    c->results[c->count++] = fiber_group_join(f, DEADLINE_NEVER, &none);
    c->results[c->count++] = rt_wait_stop(f, DEADLINE_NEVER);
}

static void
every_suspending_call_of_a_cancelled_fiber_fails_at_once(void **state)
{
    (void)state;
    struct rt rt;
    struct every_call c = {.count = 0};
    struct fiber *f;
    bare_rt_init(&rt);
    spawn(&rt, call_everything, &c, &f);
    fiber_cancel(f); /* before it has run at all: it runs, to clean up */
    bare_rt_settle(&rt);
    assert_int_equal(c.count, 7);
    for (size_t i = 0; i < c.count; i++)
        assert_int_equal(c.results[i], ERR_CANCELED);
    assert_int_equal(c.semaphore.free, 1); /* nothing was taken */
    rt_core_done(&rt);
}

static void
park_deaf(struct fiber *f, void *arg)
{
    struct parked *p = arg;
    p->self = f;
    p->got = fiber_park_uncancelable(f);
    p->again = fiber_park(f, DEADLINE_NEVER);
    p->has_returned = true;
}

static void
a_deaf_wait_ignores_cancellation_and_the_next_call_does_not(void **state)
{
    (void)state;
    struct rt rt;
    bare_rt_init(&rt);
    struct parked p = {0};
    spawn(&rt, park_deaf, &p, NULL);
    bare_rt_settle(&rt);
    fiber_cancel(p.self);
    bare_rt_pass(&rt, NS_PER_S);
    assert_false(p.has_returned);
    assert_true(fiber_unpark(p.self, ERR_OK));
    bare_rt_settle(&rt);
    assert_true(p.has_returned);
    assert_int_equal(p.got, ERR_OK);
    assert_int_equal(p.again, ERR_CANCELED);
    rt_core_done(&rt);
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

struct family {
    struct trace trace;
    int64_t child_ns[3];
    struct deadline by;
    enum err joined;
    enum err first_child;
    int ended;
    bool ends_group;
};

struct child {
    struct family *family;
    size_t number;
};

static void
child_run(struct fiber *f, void *arg)
{
    struct child *c = arg;
    enum err e = fiber_sleep(f, deadline_in(fiber_rt(f), c->family->child_ns[c->number]));
    if (c->number == 0)
        c->family->first_child = e;
    trace_add(&c->family->trace, e == ERR_OK ? (char)('a' + c->number) : (char)('A' + c->number));
    c->family->ended++;
}

static void
parent_run(struct fiber *f, void *arg)
{
    struct family *family = arg;
    struct fiber_group g;
    struct child children[3];
    fiber_group_init(&g, f);
    for (size_t i = 0; i < 3; i++) {
        children[i] = (struct child){family, i};
        assert_int_equal(fiber_group_spawn(&g, "test.child", child_run, &children[i]), ERR_OK);
    }
    if (family->ends_group)
        fiber_group_end(f, &g);
    else
        family->joined = fiber_group_join(f, family->by, &g);
    trace_add(&family->trace, '.');
    assert_int_equal(family->ended, 3); /* joined whatever happened */
}

static void
groups_are_joined_on_every_path(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t child_ns[3];
        int64_t by_ns;
        int64_t cancel_ns; /* 0: never */
        bool ends_group;
        enum err joined;
        const char *trace;
    } cases[] = {
        {"all end", {30, 10, 20}, 100, 0, false, ERR_OK, "bca."},
        {"the last one first", {3, 2, 1}, 100, 0, false, ERR_OK, "cba."},
        {"the deadline cancels those left", {30, 10, 200}, 100, 0, false, ERR_TIMEOUT, "baC."},
        {"cancellation of the owner too", {300, 10, 200}, 1000, 100, false, ERR_CANCELED, "bAC."},
        {"end cancels at once", {30, 10, 20}, 1000, 0, true, ERR_OK, "ABC."},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rt rt;
        struct fiber *owner;
        bare_rt_init(&rt);
        struct family family = {.by = deadline_in(&rt, cases[i].by_ns), .ends_group = cases[i].ends_group};
        memcpy(family.child_ns, cases[i].child_ns, sizeof(family.child_ns));
        spawn(&rt, parent_run, &family, &owner);
        if (cases[i].cancel_ns != 0) {
            for (int64_t passed = 0; passed < cases[i].cancel_ns; passed += 10)
                bare_rt_pass(&rt, 10);
            fiber_cancel(owner);
        }
        bare_rt_run(&rt);
        if (strcmp(family.trace.text, cases[i].trace) != 0)
            fail_msg("%s: %s instead of %s", cases[i].name, family.trace.text, cases[i].trace);
        assert_int_equal(family.joined, cases[i].joined);
        assert_int_equal(rt.fiber_count, 0);
        rt_core_done(&rt);
    }
}

static void
forget_children(struct fiber *f, void *arg)
{
    struct fiber_group g;
    static struct child c;
    (void)arg;
    fiber_group_init(&g, f);
    (void)!fiber_group_spawn(&g, "test.child", child_run, &c);
}

static void
leave_a_child(void)
{
    struct rt rt;
    bare_rt_init(&rt);
    spawn(&rt, forget_children, NULL, NULL);
    bare_rt_settle(&rt);
}

static void
returning_before_the_children_is_a_bug(void **state)
{
    (void)state;
    dies_of(leave_a_child);
}

/* Grandchildren unwind before children, and children before the owner. */
static void
nest(struct fiber *f, void *arg)
{
    struct letters *l = arg;
    struct letters deeper = {l->trace, l->letters + 1};
    struct fiber_group g;
    fiber_group_init(&g, f);
    if (l->letters[1] != '\0')
        assert_int_equal(fiber_group_spawn(&g, "test.nest", nest, &deeper), ERR_OK);
    else
        assert_int_equal(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S)), ERR_CANCELED);
    (void)!fiber_group_join(f, DEADLINE_NEVER, &g);
    trace_add(l->trace, l->letters[0]);
}

static void
cancellation_unwinds_from_the_inside(void **state)
{
    (void)state;
    struct rt rt;
    struct trace t = {0};
    struct fiber *f;
    bare_rt_init(&rt);
    struct letters l = {&t, "abcd"};
    spawn(&rt, nest, &l, &f);
    bare_rt_settle(&rt);
    fiber_cancel(f);
    bare_rt_settle(&rt);
    assert_string_equal(t.text, "dcba");
    rt_core_done(&rt);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

struct crowd {
    uint64_t sum;
    uint32_t next;
    int64_t last_ns;
};

/* Uses a good part of its stack, with values of its own on it, across suspends. */
static void
crowd_run(struct fiber *f, void *arg)
{
    struct crowd *c = arg;
    uint32_t mine = c->next++;
    volatile uint8_t deep[8192];
    for (size_t i = 0; i < sizeof(deep); i += 512)
        deep[i] = (uint8_t)mine;
    int64_t at_ns = (int64_t)(mine * 2654435761u % 1000003u);
    assert_int_equal(fiber_sleep(f, (struct deadline){NS_PER_S + at_ns}), ERR_OK);
    assert_true(c->last_ns <= at_ns); /* deadlines pass in order */
    c->last_ns = at_ns;
    for (size_t i = 0; i < sizeof(deep); i += 512)
        assert_int_equal(deep[i], (uint8_t)mine);
    c->sum += mine;
}

static void
thousands_of_fibers_keep_their_stacks_apart(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    struct rt rt;
    struct crowd c = {0};
    bare_rt_init(&rt);
    for (int round = 0; round < 3; round++) {
        c = (struct crowd){0};
        rt.now_ns = NS_PER_S;
        for (int i = 0; i < COUNT; i++)
            spawn(&rt, crowd_run, &c, NULL);
        assert_int_equal(rt.fiber_count, COUNT);
        bare_rt_run(&rt);
        assert_int_equal(c.sum, (uint64_t)COUNT * (COUNT - 1) / 2);
        assert_int_equal(rt.fiber_count, 0);
    }
    rt_core_done(&rt);
}

static void
trimmed_stacks_keep_what_is_in_use(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    struct rt rt;
    struct crowd c = {0};
    bare_rt_init(&rt);
    for (int i = 0; i < COUNT; i++)
        spawn(&rt, crowd_run, &c, NULL);
    bare_rt_settle(&rt);
    assert_int_equal(rt_core_trim(&rt, NS_PER_S, 1000), rt.now_ns + NS_PER_S); /* too early */
    assert_int_equal(rt_core_trim(&rt, 0, 60), rt.now_ns); /* more to do */
    assert_int_equal(rt_core_trim(&rt, 0, 60), INT64_MAX);
    bare_rt_run(&rt);
    assert_int_equal(c.sum, COUNT * (COUNT - 1) / 2);
    rt_core_done(&rt);
}

static void
fibers_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    struct rt rt;
    struct trace t = {0};
    bare_rt_init(&rt);
    rt.fiber_max = 2;
    struct letters l = {&t, "a"};
    spawn(&rt, say_letters, &l, NULL);
    spawn(&rt, say_letters, &l, NULL);
    assert_int_equal(fiber_spawn(&rt, "test", say_letters, &l, NULL), ERR_LIMIT);
    bare_rt_run(&rt);
    spawn(&rt, say_letters, &l, NULL); /* room again */
    bare_rt_run(&rt);
    assert_string_equal(t.text, "aaa");
    rt_core_done(&rt);
}

static void
a_process_that_is_dropped_runs_nothing(void **state)
{
    (void)state;
    struct rt rt;
    bare_rt_init(&rt);
    struct parked parked = {.by = DEADLINE_NEVER}, timed = {.by = {.at_ns = INT64_MAX - 1}};
    struct trace t = {0};
    struct letters l = {&t, "x"};
    spawn(&rt, park_once, &parked, NULL);
    spawn(&rt, park_once, &timed, NULL);
    bare_rt_settle(&rt);
    spawn(&rt, say_letters, &l, NULL);
    rt_core_done(&rt);
    assert_false(parked.has_returned || timed.has_returned);
    assert_string_equal(t.text, "");
}

static void
cancel_all_reaches_everybody(void **state)
{
    (void)state;
    struct rt rt;
    bare_rt_init(&rt);
    struct parked parked = {.by = DEADLINE_NEVER}, idle = {.by = DEADLINE_NEVER}, unborn = {.by = DEADLINE_NEVER};
    spawn(&rt, park_once, &idle, NULL);
    bare_rt_settle(&rt);
    assert_int_equal(rt_core_trim(&rt, 0, 10), INT64_MAX);
    spawn(&rt, park_once, &parked, NULL);
    bare_rt_settle(&rt);
    spawn(&rt, park_once, &unborn, NULL);
    rt_core_cancel_all(&rt);
    bare_rt_settle(&rt);
    assert_int_equal(parked.got, ERR_CANCELED);
    assert_int_equal(idle.got, ERR_CANCELED);
    assert_int_equal(unborn.got, ERR_CANCELED);
    assert_int_equal(rt.fiber_count, 0);
    rt_core_done(&rt);
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

static void
round_upwards(struct fiber *f, void *arg)
{
    int *seen = arg;
    assert_int_equal(fesetround(FE_UPWARD), 0);
    assert_int_equal(fiber_yield(f), ERR_OK);
    seen[0] = fegetround();
}

static void
round_as_usual(struct fiber *f, void *arg)
{
    int *seen = arg;
    seen[1] = fegetround();
    assert_int_equal(fiber_yield(f), ERR_OK);
}

static void
the_rounding_mode_belongs_to_the_fiber(void **state)
{
    (void)state;
    struct rt rt;
    int seen[2] = {-1, -1};
    bare_rt_init(&rt);
    spawn(&rt, round_upwards, seen, NULL);
    spawn(&rt, round_as_usual, seen, NULL);
    bare_rt_settle(&rt);
    assert_int_equal(seen[0], FE_UPWARD);
    assert_int_equal(seen[1], FE_TONEAREST);
    assert_int_equal(fegetround(), FE_TONEAREST);
    rt_core_done(&rt);
}

/* --- stop, chance ------------------------------------------------------------------------------------------------- */

static void
wait_for_stop(struct fiber *f, void *arg)
{
    struct parked *p = arg;
    p->got = rt_wait_stop(f, p->by);
    p->has_returned = true;
}

static void
a_stop_wakes_all_who_wait_for_it(void **state)
{
    (void)state;
    struct rt rt;
    bare_rt_init(&rt);
    struct parked a = {.by = DEADLINE_NEVER}, b = {.by = DEADLINE_NEVER}, early = {.by = deadline_in(&rt, 5)};
    spawn(&rt, wait_for_stop, &a, NULL);
    spawn(&rt, wait_for_stop, &b, NULL);
    spawn(&rt, wait_for_stop, &early, NULL);
    bare_rt_pass(&rt, 10);
    assert_int_equal(early.got, ERR_TIMEOUT);
    assert_false(rt_is_stopping(&rt));
    rt_stop(&rt);
    rt_stop(&rt);
    assert_true(rt_is_stopping(&rt));
    bare_rt_settle(&rt);
    assert_true(a.has_returned && b.has_returned);
    assert_int_equal(a.got, ERR_OK);
    struct parked late = {.by = DEADLINE_NEVER};
    spawn(&rt, wait_for_stop, &late, NULL);
    bare_rt_settle(&rt);
    assert_true(late.has_returned);
    rt_core_done(&rt);
}

static void
random_below_stays_below_and_reaches_everything(void **state)
{
    (void)state;
    struct rt rt;
    bare_rt_init(&rt);
    static const uint64_t bounds[] = {1, 2, 3, 7, UINT64_C(1) << 63, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        unsigned seen = 0;
        for (int n = 0; n < 300; n++) {
            uint64_t value = rt_random_below(&rt, bounds[i]);
            assert_true(value < bounds[i]);
            if (value < 7)
                seen |= 1u << value;
        }
        if (bounds[i] <= 7)
            assert_int_equal(seen, (1u << bounds[i]) - 1);
    }
    rt_core_done(&rt);
}

static void
deadlines_do_not_overflow(void **state)
{
    (void)state;
    struct rt rt;
    bare_rt_init(&rt);
    assert_int_equal(deadline_in(&rt, INT64_MAX).at_ns, INT64_MAX);
    assert_int_equal(deadline_in(&rt, 5).at_ns, rt.now_ns + 5);
    rt_core_done(&rt);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fibers_run_in_the_order_they_became_ready),
        cmocka_unit_test(park_returns_the_result_it_is_woken_with),
        cmocka_unit_test(park_ends_at_its_deadline_and_not_before),
        cmocka_unit_test(a_late_unpark_is_ignored),
        cmocka_unit_test(unpark_wins_over_a_deadline_that_passes_afterwards),
        cmocka_unit_test(unparking_one_that_does_not_wait_is_a_bug),
        cmocka_unit_test(cancellation_is_sticky),
        cmocka_unit_test(every_suspending_call_of_a_cancelled_fiber_fails_at_once),
        cmocka_unit_test(a_deaf_wait_ignores_cancellation_and_the_next_call_does_not),
        cmocka_unit_test(groups_are_joined_on_every_path),
        cmocka_unit_test(returning_before_the_children_is_a_bug),
        cmocka_unit_test(cancellation_unwinds_from_the_inside),
        cmocka_unit_test(thousands_of_fibers_keep_their_stacks_apart),
        cmocka_unit_test(trimmed_stacks_keep_what_is_in_use),
        cmocka_unit_test(fibers_beyond_the_limit_are_refused),
        cmocka_unit_test(a_process_that_is_dropped_runs_nothing),
        cmocka_unit_test(cancel_all_reaches_everybody),
        cmocka_unit_test(the_rounding_mode_belongs_to_the_fiber),
        cmocka_unit_test(a_stop_wakes_all_who_wait_for_it),
        cmocka_unit_test(random_below_stays_below_and_reaches_everything),
        cmocka_unit_test(deadlines_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
