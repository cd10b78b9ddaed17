/* process_test.c - children: what they are given, how they end, and what becomes of them without us. */
#include "rt/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "real_rt.h"
#include "rt/rt_real_body.h"

static const char *const environment[] = {"ONLY=this", NULL};

/* A shell, as an executable that is everywhere. */
static int
shell(void)
{
    int fd;
    OK(executable_open("/bin/sh", &fd));
    return fd;
}

static size_t
drain(int fd, char *dst, size_t cap)
{
    size_t n = 0;
    ssize_t got;
    while (n + 1 < cap && (got = read(fd, dst + n, cap - 1 - n)) > 0)
        n += (size_t)got;
    dst[n] = '\0';
    return n;
}

static void
children_get_what_is_listed_and_nothing_else(struct fiber *f, void *arg)
{
    (void)arg;
    int out[2], in[2], open_by_mistake = open("/dev/null", O_RDONLY), sh = shell();
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(write(in[1], "from the pipe\n", 14), 14);
    close(in[1]);
    int far = fcntl(open_by_mistake, F_DUPFD, 300);
    /* Two that change places. */
    assert_int_equal(dup2(in[0], 20), 20);
    assert_int_equal(dup2(out[1], 21), 21);
    struct process_fd fds[] = {{out[1], 1}, {20, 21}, {21, 20}, {2, 2}};
    const char *script = "cat /proc/self/fd/21; echo $ONLY $HOME >/proc/self/fd/20; ls /proc/$$/fd; "
                         "grep SigIgn /proc/self/status; grep SigBlk /proc/self/status";
    const char *argv[] = {"sh", "-c", script, NULL};
    struct process_spec spec = {
        .executable_fd = sh, .argv = argv, .envp = environment, .fds = fds, .fd_count = ARRAY_LEN(fds)};
    struct process *p;
    OK(process_start(fiber_rt(f), &spec, NULL, NULL, &p));
    close(out[1]);
    close(20);
    close(21);
    char got[1024];
    drain(out[0], got, sizeof(got));
    struct process_exit e;
    OK(process_wait(f, PATIENCE(f), p, &e));
    assert_int_equal(e.code, 0);
    assert_int_equal(e.signal, 0);
    assert_int_equal(e.pid, process_pid(p));
    assert_true(process_has_ended(p));
    process_signal(p, SIGKILL); /* nobody is hit */
    assert_string_equal(got, "from the pipe\nthis\n1\n2\n20\n21\n" /* no 0 either */
                             "SigIgn:\t0000000000000000\nSigBlk:\t0000000000000000\n");
    process_free(p);
    close(out[0]);
    close(in[0]);
    close(open_by_mistake);
    close(far);
    close(sh);
}

static void
run_shell(struct fiber *f, const char *script, struct process **ret)
{
    int sh = shell();
    const char *argv[] = {"sh", "-c", script, NULL};
    struct process_spec spec = {.executable_fd = sh, .argv = argv, .envp = environment};
    OK(process_start(fiber_rt(f), &spec, NULL, NULL, ret));
    close(sh);
}

static void
ends_are_told_apart(struct fiber *f, void *arg)
{
    (void)arg;
    static const struct {
        const char *script;
        int code, signal;
    } cases[] = {{"exit 0", 0, 0}, {"exit 78", 78, 0}, {"kill -9 $$", -1, SIGKILL}, {"kill -11 $$", -1, SIGSEGV}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct process *p;
        struct process_exit e;
        run_shell(f, cases[i].script, &p);
        OK(process_wait(f, PATIENCE(f), p, &e));
        assert_int_equal(e.code, cases[i].code);
        assert_int_equal(e.signal, cases[i].signal);
        OK(process_wait(f, PATIENCE(f), p, &e)); /* again: at once */
        process_free(p);
    }
    struct process *p;
    struct process_exit e;
    run_shell(f, "exec sleep 1000", &p);
    assert_int_equal(process_wait(f, deadline_in(fiber_rt(f), 5 * NS_PER_MS), p, &e), ERR_TIMEOUT);
    assert_false(process_has_ended(p));
    process_signal(p, SIGTERM);
    OK(process_wait(f, PATIENCE(f), p, &e));
    assert_int_equal(e.signal, SIGTERM);
    process_free(p);
    process_free(NULL);
}

struct watched {
    struct rt *rt;
    int left;
    int ended;
    int sh;
    struct cond done;
};

/* Starts the next one from within the callback, as a supervisor does. */
static void
start_next(void *arg, struct process *p, const struct process_exit *e)
{
    struct watched *w = arg;
    if (p != NULL) {
        assert_int_equal(e->code, 3);
        w->ended++;
        process_free(p);
    }
    if (w->left == 0) {
        cond_broadcast(&w->done);
        return;
    }
    w->left--;
    static const char *const argv[] = {"sh", "-c", "exit 3", NULL};
    struct process_spec spec = {.executable_fd = w->sh, .argv = argv, .envp = environment};
    OK(process_start(w->rt, &spec, start_next, w, &p));
}

static void
a_supervisor_starts_anew(struct fiber *f, void *arg)
{
    (void)arg;
    struct watched w = {.rt = fiber_rt(f), .left = 5, .sh = shell()};
    cond_init(&w.done);
    start_next(&w, NULL, NULL);
    while (w.ended < 5)
        OK(cond_wait(f, PATIENCE(f), &w.done));
    close(w.sh);
}

static void
many_end_at_once(struct fiber *f, void *arg)
{
    (void)arg;
    struct process *p[20];
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        run_shell(f, "exit 5", &p[i]);
    process_free(p[0]); /* forgotten, and reaped all the same */
    for (size_t i = 1; i < ARRAY_LEN(p); i++) {
        struct process_exit e;
        OK(process_wait(f, PATIENCE(f), p[i], &e));
        assert_int_equal(e.code, 5);
        process_free(p[i]);
    }
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), 50 * NS_PER_MS)));
    assert_true(list_is_empty(&rt_real_of(fiber_rt(f))->processes));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
}

static void
refusals_are_told(struct fiber *f, void *arg)
{
    (void)arg;
    int fd;
    assert_int_equal(executable_open("/nonexistent/x", &fd), ERR_NOT_FOUND);
    assert_int_equal(executable_open("/etc/passwd", &fd), ERR_DENIED);
    assert_int_equal(executable_open("/tmp", &fd), ERR_DENIED);
    fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    const char *argv[] = {"x", NULL};
    struct process_spec spec = {.executable_fd = fd, .argv = argv, .envp = environment};
    struct process *p;
    assert_int_not_equal(process_start(fiber_rt(f), &spec, NULL, NULL, &p), ERR_OK);
    spec.executable_fd = -1;
    assert_int_not_equal(process_start(fiber_rt(f), &spec, NULL, NULL, &p), ERR_OK);
    close(fd);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* The executable is replaced after it was opened: what runs is what was opened. */
static void
an_upgrade_does_not_mix(struct fiber *f, void *arg)
{
    (void)arg;
    char path[] = "/tmp/godwit-exe-XXXXXX";
    int made = mkstemp(path), fd;
    assert_true(made >= 0);
    close(made);
    char command[128];
    snprintf(command, sizeof(command), "cp /bin/true %s && chmod 755 %s", path, path);
    assert_int_equal(system(command), 0);
    OK(executable_open(path, &fd));
    snprintf(command, sizeof(command), "cp /bin/false %s.new && mv %s.new %s", path, path, path);
    assert_int_equal(system(command), 0);
    const char *argv[] = {path, NULL};
    struct process_spec spec = {.executable_fd = fd, .argv = argv, .envp = environment};
    struct process *p;
    struct process_exit e;
    OK(process_start(fiber_rt(f), &spec, NULL, NULL, &p));
    OK(process_wait(f, PATIENCE(f), p, &e));
    assert_int_equal(e.code, 0);
    process_free(p);
    unlink(path);
    close(fd);
}

static void
start_and_die(struct fiber *f, void *arg)
{
    int report = *(int *)arg, sh = shell();
    struct process_fd fds[] = {{report, 1}};
    const char *argv[] = {"sh", "-c", "trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.01; done", NULL};
    struct process_spec spec = {.executable_fd = sh, .argv = argv, .envp = environment, .fds = fds, .fd_count = 1,
                                .death_signal = SIGTERM};
    struct process *p;
    OK(process_start(fiber_rt(f), &spec, NULL, NULL, &p));
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), 300 * NS_PER_MS)));
    _exit(0);
}

static void
a_child_is_told_when_its_parent_dies(void **state)
{
    (void)state;
    int report[2];
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(report[0]);
        real_rt_run(start_and_die, &report[1]);
        _exit(1);
    }
    close(report[1]);
    char got[64];
    drain(report[0], got, sizeof(got)); /* ends when the grandchild has ended too */
    assert_string_equal(got, "ready\nasked\n");
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(report[0]);
}

static void
leave_running(struct fiber *f, void *arg)
{
    run_shell(f, "exec sleep 1000", arg);
}

static void
one_that_still_runs_may_be_freed_late(void **state)
{
    (void)state;
    struct process *p;
    real_rt_run(leave_running, &p);
    pid_t pid = process_pid(p);
    process_free(p);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#define IN_FIBER(name) \
    static void test_##name(void **state) \
    { \
        (void)state; \
        real_rt_run(name, NULL); \
    }

IN_FIBER(children_get_what_is_listed_and_nothing_else)
IN_FIBER(ends_are_told_apart)
IN_FIBER(a_supervisor_starts_anew)
IN_FIBER(many_end_at_once)
IN_FIBER(refusals_are_told)
IN_FIBER(an_upgrade_does_not_mix)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_children_get_what_is_listed_and_nothing_else),
        cmocka_unit_test(test_ends_are_told_apart),
        cmocka_unit_test(test_a_supervisor_starts_anew),
        cmocka_unit_test(test_many_end_at_once),
        cmocka_unit_test(test_refusals_are_told),
        cmocka_unit_test(test_an_upgrade_does_not_mix),
        cmocka_unit_test(a_child_is_told_when_its_parent_dies),
        cmocka_unit_test(one_that_still_runs_may_be_freed_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
