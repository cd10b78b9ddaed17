/* rt_real_test.c - the loop of a real process: time, the pool, signals, the log, the end. */
#include "rt/rt_real.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "real_rt.h"

/* --- time --------------------------------------------------------------------------------------------------------- */

static int64_t
monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void
sleep_a_little(struct fiber *f, void *arg)
{
    (void)arg;
    static const int64_t waits_ns[] = {0, 1, NS_PER_US, NS_PER_MS, 5 * NS_PER_MS};
    for (size_t i = 0; i < ARRAY_LEN(waits_ns); i++) {
        int64_t before = monotonic_ns();
        struct deadline until = deadline_in(fiber_rt(f), waits_ns[i]);
        OK(fiber_sleep(f, until));
        assert_true(rt_now_ns(fiber_rt(f)) >= until.at_ns); /* never early */
        assert_true(monotonic_ns() - before < waits_ns[i] + 2 * NS_PER_S);
    }
    int64_t wall_us = rt_wall_us(fiber_rt(f));
    assert_true(wall_us / 1000000 - (int64_t)time(NULL) <= 1 && (int64_t)time(NULL) - wall_us / 1000000 <= 1);
    uint8_t a[600], b[600];
    rt_random(fiber_rt(f), a, sizeof(a));
    rt_random(fiber_rt(f), b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, a + 300, 300);
    rt_random(fiber_rt(f), a, 32);
    rt_random(fiber_rt(f), b, 32);
    assert_memory_not_equal(a, b, 32);
}

/* --- the pool ----------------------------------------------------------------------------------------------------- */

struct job {
    pthread_t thread;
    int result;
    bool sleeps;
    struct fiber *submitter;
    enum err got;
    enum err after;
};

static void
job_run(void *arg)
{
    struct job *j = arg;
    j->thread = pthread_self();
    if (j->sleeps)
        nanosleep(&(struct timespec){.tv_nsec = 30 * NS_PER_MS}, NULL);
    j->result = 42;
}

static void
submit(struct fiber *f, void *arg)
{
    struct job *j = arg;
    j->submitter = f;
    j->got = rt_pool_run(f, job_run, j);
    assert_int_equal(j->result, 42); /* the job has returned, whatever happened meanwhile */
    j->after = fiber_yield(f);
}

static void
use_the_pool(struct fiber *f, void *arg)
{
    (void)arg;
    struct job one = {.result = 0};
    OK(rt_pool_run(f, job_run, &one));
    assert_int_equal(one.result, 42);
    assert_false(pthread_equal(one.thread, pthread_self()));

    /* Side by side: eight that sleep 30 ms take less than 8 * 30 ms. */
    struct job many[8] = {0};
    struct fiber_group g;
    fiber_group_init(&g, f);
    int64_t before = monotonic_ns();
    for (size_t i = 0; i < 8; i++) {
        many[i].sleeps = true;
        OK(fiber_group_spawn(&g, "test", submit, &many[i]));
    }
    OK(fiber_group_join(f, PATIENCE(f), &g));
    assert_true(monotonic_ns() - before < 220 * NS_PER_MS);

    /* Cancelled while it waits: the wait goes on until the job has returned. */
    struct job deaf = {.sleeps = true};
    OK(fiber_group_spawn(&g, "test", submit, &deaf));
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_MS)));
    fiber_group_end(f, &g);
    OK(deaf.got);
    assert_int_equal(deaf.after, ERR_CANCELED);
}

/* --- stopping and ending ------------------------------------------------------------------------------------------ */

static void
stop_by_signal(struct fiber *f, void *arg)
{
    int number = *(int *)arg;
    assert_false(rt_is_stopping(fiber_rt(f)));
    assert_int_equal(kill(getpid(), number), 0);
    OK(rt_wait_stop(f, PATIENCE(f)));
    assert_true(rt_is_stopping(fiber_rt(f)));
}

static void
signals_mean_stop(void **state)
{
    (void)state;
    static int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct rt *rt;
        struct rt_real_options options = {.log_fd = -1, .catches_signals = true};
        OK(rt_real_new(&options, &rt));
        OK(rt_real_run(rt, stop_by_signal, &numbers[i]));
        rt_real_free(rt);
    }
}

static void
wait_for_ever(struct fiber *f, void *arg)
{
    int *ended = arg;
    assert_int_equal(fiber_sleep(f, DEADLINE_NEVER), ERR_CANCELED);
    ++*ended;
    if (*ended == 1) /* one last fiber, started while the process ends, is ended too */
        OK(fiber_spawn(fiber_rt(f), "test", wait_for_ever, ended, NULL));
}

static void
leave_fibers(struct fiber *f, void *arg)
{
    for (int i = 0; i < 3; i++)
        OK(fiber_spawn(fiber_rt(f), "test", wait_for_ever, arg, NULL));
    OK(fiber_yield(f));
}

static void
fibers_left_are_cancelled_and_waited_for(void **state)
{
    (void)state;
    int ended = 0;
    real_rt_run(leave_fibers, &ended);
    assert_int_equal(ended, 4);
}

static void
fill_to_the_limit(struct fiber *f, void *arg)
{
    int ended = 1;
    (void)arg;
    OK(fiber_spawn(fiber_rt(f), "test", wait_for_ever, &ended, NULL));
    assert_int_equal(fiber_spawn(fiber_rt(f), "test", wait_for_ever, &ended, NULL), ERR_LIMIT);
}

static void
the_limit_of_fibers_is_an_option(void **state)
{
    (void)state;
    struct rt *rt;
    struct rt_real_options options = {.log_fd = -1, .fibers_max = 2};
    OK(rt_real_new(&options, &rt));
    rt_real_free(rt); /* one that never ran */
    rt_real_free(NULL);
    OK(rt_real_new(&options, &rt));
    OK(rt_real_run(rt, fill_to_the_limit, NULL));
    rt_real_free(rt);
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

static void
log_lines(struct fiber *f, void *arg)
{
    int lines = *(int *)arg;
    for (int i = 0; i < lines; i++) {
        rt_log_line(fiber_rt(f), SPAN("event=test text=0123456789012345678901234567890123456789"));
        OK(fiber_yield(f));
    }
}

static size_t
read_everything(int fd, char *dst, size_t cap)
{
    size_t n = 0;
    ssize_t got;
    while (n < cap && (got = read(fd, dst + n, cap - n)) > 0)
        n += (size_t)got;
    return n;
}

static void
lines_reach_the_sink_whole(void **state)
{
    (void)state;
    int ends[2], lines = 500;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct rt *rt;
    struct rt_real_options options = {.log_fd = ends[1]};
    OK(rt_real_new(&options, &rt));
    OK(rt_real_run(rt, log_lines, &lines));
    assert_int_equal(rt_real_log_dropped(rt), 0);
    rt_real_free(rt);
    close(ends[1]);
    static char got[65536];
    size_t n = read_everything(ends[0], got, sizeof(got));
    assert_true(n >= 500 * 57); /* a census build says more at the end */
    for (size_t at = 0; at < 500 * 57; at += 57)
        assert_memory_equal(got + at, "event=test text=0123456789012345678901234567890123456789\n", 57);
    close(ends[0]);
}

static void
a_sink_that_does_not_read_costs_lines_and_no_time(void **state)
{
    (void)state;
    int ends[2], lines = 5000; /* 285 kB; the pipe holds 64 KiB, the runtime as much */
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct rt *rt;
    struct rt_real_options options = {.log_fd = ends[1]};
    OK(rt_real_new(&options, &rt));
    int64_t before = monotonic_ns();
    OK(rt_real_run(rt, log_lines, &lines));
    assert_true(monotonic_ns() - before < 10 * NS_PER_S);
    assert_in_range(rt_real_log_dropped(rt), 2000, 4000);
    rt_real_free(rt);
    close(ends[0]);
    close(ends[1]);
}

static void
lines_for_nobody(void **state)
{
    (void)state;
    struct rt *rt;
    int lines = 10;
    struct rt_real_options options = {.log_fd = -1};
    OK(rt_real_new(&options, &rt));
    OK(rt_real_run(rt, log_lines, &lines));
    assert_int_equal(rt_real_log_dropped(rt), 0);
    rt_real_free(rt);
}

#define IN_FIBER(name) \
    static void test_##name(void **state) \
    { \
        (void)state; \
        real_rt_run(name, NULL); \
    }

IN_FIBER(sleep_a_little)
IN_FIBER(use_the_pool)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleep_a_little),
        cmocka_unit_test(test_use_the_pool),
        cmocka_unit_test(signals_mean_stop),
        cmocka_unit_test(fibers_left_are_cancelled_and_waited_for),
        cmocka_unit_test(the_limit_of_fibers_is_an_option),
        cmocka_unit_test(lines_reach_the_sink_whole),
        cmocka_unit_test(a_sink_that_does_not_read_costs_lines_and_no_time),
        cmocka_unit_test(lines_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
