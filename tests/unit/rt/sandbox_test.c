/* sandbox_test.c - each role's row from inside: what is refused, and that what it needs still works. */
#include "rt/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt/disk.h"
#include "rt/rt_real.h"
#include "rt/stream.h"

enum { NOBODY = 65534, EXIT_LANDLOCK_MISSING = 76, EXIT_SECCOMP_MISSING = 77, PAIR_FD = 200 };

/* What a child does once inside; returns its exit status, 0 for success. */
typedef int inside_fn(const struct sandbox_report *report, int root_fd);

struct confined {
    const char *role;
    bool as_root; /* change uid and root directory */
    bool connects;
    inside_fn *inside;
};

static void
remove_temporary(const char *path)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

/* Run `c->inside` in a sandboxed child over a fresh directory; returns its wait status. */
static int
run_confined(const struct confined *c)
{
    char path[] = "/tmp/godwit-sandbox-XXXXXX";
    assert_non_null(mkdtemp(path));
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (c->as_root && fchown(root_fd, NOBODY, NOBODY) != 0)
            _exit(79);
        struct sandbox_spec spec = {.role = span_from_cstr(c->role),
                                    .root_fd = root_fd,
                                    .changes_ids = c->as_root,
                                    .uid = NOBODY,
                                    .gid = NOBODY,
                                    .connects = c->connects};
        struct sandbox_report report;
        if (sandbox_enter(&spec, &report) != ERR_OK)
            _exit(78);
        if (!report.has_seccomp)
            _exit(EXIT_SECCOMP_MISSING);
        _exit(c->inside(&report, root_fd));
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    remove_temporary(path);
    return status;
}

static void
expect_inside(const struct confined *c)
{
    int status = run_confined(c);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SECCOMP_MISSING)
        skip();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s as_root=%d connects=%d: status %x", c->role, c->as_root, c->connects, (unsigned)status);
}

static bool
is_root(void)
{
    return geteuid() == 0;
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static int
expect_refusals(const struct sandbox_report *report, const char *role, bool connects)
{
    unsigned expected = sandbox_expected_refusals(span_from_cstr(role), connects);
    if (report->landlock_abi == 0 && report->root == SANDBOX_ROOT_MACHINE && sandbox_has_data_dir(span_from_cstr(role)))
        expected &= ~(unsigned)SANDBOX_REFUSES_PASSWD;
    unsigned refused = sandbox_self_test();
    if (refused != expected)
        fprintf(stderr, "%s: refused %x, expected %x\n", role, refused, expected);
    return refused == expected ? 0 : 1;
}

#define ROLE_INSIDE(name, connects) \
    static int inside_##name(const struct sandbox_report *report, int root_fd) \
    { \
        (void)root_fd; \
        return expect_refusals(report, #name, connects); \
    }

ROLE_INSIDE(edge, false)
ROLE_INSIDE(queue, false)
ROLE_INSIDE(local, false)
ROLE_INSIDE(resolver, false)
ROLE_INSIDE(directory, false)
ROLE_INSIDE(control, false)
ROLE_INSIDE(relay, false)
ROLE_INSIDE(keys, false)
ROLE_INSIDE(drop, false)

static int
inside_local_connecting(const struct sandbox_report *report, int root_fd)
{
    (void)root_fd;
    return expect_refusals(report, "local", true);
}

static void
each_role_is_refused_what_its_row_does_not_grant(void **state)
{
    (void)state;
    static const struct {
        const char *role;
        bool connects;
        inside_fn *inside;
    } cases[] = {
        {"edge", false, inside_edge},         {"queue", false, inside_queue},
        {"local", false, inside_local},       {"local", true, inside_local_connecting},
        {"resolver", false, inside_resolver}, {"directory", false, inside_directory},
        {"control", false, inside_control},   {"relay", false, inside_relay},
        {"keys", false, inside_keys},         {"drop", false, inside_drop},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int as_root = 0; as_root <= (is_root() ? 1 : 0); as_root++)
            expect_inside(&(struct confined){cases[i].role, as_root != 0, cases[i].connects, cases[i].inside});
}

static void
edge_and_queue_are_refused_all_five(void **state)
{
    (void)state;
    unsigned all = SANDBOX_REFUSES_SOCKET | SANDBOX_REFUSES_CONNECT | SANDBOX_REFUSES_EXECVE | SANDBOX_REFUSES_PTRACE |
                   SANDBOX_REFUSES_PASSWD;
    assert_int_equal(sandbox_expected_refusals(SPAN("edge"), true), all);
    assert_int_equal(sandbox_expected_refusals(SPAN("queue"), true), all);
    assert_int_equal(sandbox_expected_refusals(SPAN("resolver"), false),
                     all & ~(unsigned)(SANDBOX_REFUSES_SOCKET | SANDBOX_REFUSES_CONNECT));
}

static void
outside_nothing_is_refused(void **state)
{
    (void)state;
    /* The same probes without a sandbox: they can tell the difference. */
    assert_int_equal(sandbox_self_test(), 0);
}

static void
a_role_without_a_row_is_an_error(void **state)
{
    (void)state;
    struct sandbox_spec spec = {.role = SPAN("deliver"), .root_fd = -1};
    struct sandbox_report report;
    assert_int_equal(sandbox_enter(&spec, &report), ERR_NOT_FOUND);
    assert_int_equal(sandbox_expected_refusals(SPAN("parent"), false), 0);
}

static int
inside_forbidden_details(const struct sandbox_report *report, int root_fd)
{
    (void)root_fd;
    (void)report;
    if (mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        return 1;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0)
        return 2;
    if (fork() != -1 || errno != EPERM)
        return 3;
    if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
        return 4;
    if (kill(getppid(), 0) == 0)
        return 5;
    if (socket(AF_NETLINK, SOCK_RAW, 0) != -1 || errno != EPERM)
        return 6;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != -1) /* not in the list either */
        return 7;
    return 0;
}

static void
written_memory_never_runs_and_no_process_is_made(void **state)
{
    (void)state;
    expect_inside(&(struct confined){"edge", false, false, inside_forbidden_details});
    expect_inside(&(struct confined){"resolver", false, false, inside_forbidden_details});
}

static int
inside_network(const struct sandbox_report *report, int root_fd)
{
    (void)report;
    (void)root_fd;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(here);
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0), pair[2];
    if (a < 0 || b < 0 || bind(a, (struct sockaddr *)&here, sizeof(here)) != 0)
        return 1;
    if (getsockname(a, (struct sockaddr *)&here, &len) != 0 || connect(b, (struct sockaddr *)&here, len) != 0)
        return 2;
    char got;
    if (send(b, "x", 1, 0) != 1 || recv(a, &got, 1, 0) != 1)
        return 3;
    int listening = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (struct sockaddr *)&here, len) == 0 || errno != ECONNREFUSED) /* by nobody, not by the filter */
        return 4;
    if (listen(listening, 1) == 0 || errno != EPERM) /* it asks, it does not serve */
        return 5;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 ? 0 : 6;
}

static void
the_resolver_reaches_the_network(void **state)
{
    (void)state;
    expect_inside(&(struct confined){"resolver", false, false, inside_network});
    expect_inside(&(struct confined){"resolver", is_root(), false, inside_network});
}

static int
inside_absurd(const struct sandbox_report *report, int root_fd)
{
    (void)report;
    (void)root_fd;
    syscall(SYS_bpf, 0, NULL, 0);
    return 1;
}

static void
an_absurd_call_kills(void **state)
{
    (void)state;
    int status = run_confined(&(struct confined){"queue", false, false, inside_absurd});
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SECCOMP_MISSING)
        skip();
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* --- ids and root ------------------------------------------------------------------------------------------------- */

static int
inside_as_nobody(const struct sandbox_report *report, int root_fd)
{
    struct stat root, given;
    if (report->uid != NOBODY || report->gid != NOBODY || report->root != SANDBOX_ROOT_DATA)
        return 1;
    if (getuid() != NOBODY || geteuid() != NOBODY || getgid() != NOBODY)
        return 2;
    if (stat("/", &root) != 0 || fstat(root_fd, &given) != 0)
        return 3;
    if (root.st_ino != given.st_ino || root.st_dev != given.st_dev)
        return 3;
    int fd = open("made-below", O_CREAT | O_WRONLY | O_EXCL, 0600);
    return fd >= 0 && access("/made-below", F_OK) == 0 ? 0 : 4;
}

static void
as_root_the_role_becomes_another_user_in_its_directory(void **state)
{
    (void)state;
    if (!is_root())
        skip();
    expect_inside(&(struct confined){"queue", true, false, inside_as_nobody});
}

static int
inside_as_ordinary_user(const struct sandbox_report *report, int root_fd)
{
    (void)root_fd;
    if (report->root != SANDBOX_ROOT_MACHINE || report->uid != geteuid())
        return 1;
    int fd = open("made-below", O_CREAT | O_RDWR | O_EXCL, 0600);
    if (fd < 0 || ftruncate(fd, 10) != 0 || rename("made-below", "renamed") != 0)
        return 2;
    if (report->landlock_abi == 0)
        return EXIT_LANDLOCK_MISSING;
    return open("/tmp/godwit-sandbox-outside", O_CREAT | O_WRONLY, 0600) < 0 && errno == EACCES ? 0 : 3;
}

static void
as_ordinary_user_landlock_keeps_it_in_its_directory(void **state)
{
    (void)state;
    int status = run_confined(&(struct confined){"queue", false, false, inside_as_ordinary_user});
    if (WIFEXITED(status) && WEXITSTATUS(status) >= EXIT_LANDLOCK_MISSING)
        skip();
    assert_int_equal(status, 0);
}

/* --- what must go on working -------------------------------------------------------------------------------------- */

static void
job_create_file(void *arg)
{
    struct disk_dir *dir = arg;
    struct disk_file *file;
    if (disk_open(dir, "from-pool", DISK_READ | DISK_WRITE | DISK_CREATE, &file) != ERR_OK ||
        disk_allocate(file, 0, 65536) != ERR_OK || disk_pwrite(file, 0, SPAN("bytes")) != ERR_OK ||
        disk_sync_data(file) != ERR_OK || disk_truncate(file, 5) != ERR_OK || disk_dir_sync(dir) != ERR_OK)
        abort();
    disk_close(file);
    if (disk_rename_new(dir, "from-pool", dir, "renamed") != ERR_OK || disk_unlink(dir, "renamed") != ERR_OK)
        abort();
}

struct works {
    int root_fd;
    bool has_files;
    int status;
};

static enum err
talk(struct fiber *f)
{
    /* A pair cannot be made inside, so the test made it before. */
    struct stream *a, *b;
    TRY(stream_open_fd(fiber_rt(f), PAIR_FD, &a));
    TRY(stream_open_fd(fiber_rt(f), PAIR_FD + 1, &b));
    char got[8];
    size_t n = 0;
    TRY(stream_write(f, deadline_in(fiber_rt(f), NS_PER_S), a, SPAN("hello")));
    TRY(stream_read(f, deadline_in(fiber_rt(f), NS_PER_S), b, got, sizeof(got), &n));
    stream_close(a);
    stream_close(b);
    return n == 5 ? ERR_OK : ERR_DAMAGED;
}

static void
works_run(struct fiber *f, void *arg)
{
    struct works *w = arg;
    uint8_t chance[64];
    rt_random(fiber_rt(f), chance, sizeof(chance));
    w->status = 10;
    if (fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_MS)) != ERR_OK || talk(f) != ERR_OK)
        return;
    w->status = 11;
    struct disk *disk = rt_disk(fiber_rt(f));
    int memory = -1;
    if (disk_memory_fd(disk, SPAN("text"), &memory) != ERR_OK)
        return;
    rt_fd_close(fiber_rt(f), memory);
    w->status = 12;
    struct disk_dir *dir = NULL;
    if (disk_dir_open_fd(disk, dup(w->root_fd), &dir) != ERR_OK)
        return;
    w->status = 13;
    for (int i = 0; i < 20 && w->has_files; i++)
        if (rt_pool_run(f, job_create_file, dir) != ERR_OK)
            return;
    disk_dir_close(dir);
    w->status = 0;
}

static int
runtime_works(int root_fd, bool has_files)
{
    struct works w = {.root_fd = root_fd, .has_files = has_files, .status = 1};
    struct rt *rt;
    struct rt_real_options options = {.log_fd = 2, .catches_signals = true};
    if (rt_real_new(&options, &rt) != ERR_OK || rt_real_run(rt, works_run, &w) != ERR_OK)
        return 2;
    rt_real_free(rt);
    return w.status;
}

static int
inside_runtime(const struct sandbox_report *report, int root_fd)
{
    (void)report;
    return runtime_works(root_fd, false);
}

static int
inside_runtime_with_files(const struct sandbox_report *report, int root_fd)
{
    (void)report;
    return runtime_works(root_fd, true);
}

static void
the_runtime_works_inside(void **state)
{
    (void)state;
    static const struct {
        const char *role;
        inside_fn *inside;
    } cases[] = {
        {"edge", inside_runtime},
        {"queue", inside_runtime_with_files},
        {"local", inside_runtime_with_files},
        {"resolver", inside_runtime},
        {"directory", inside_runtime_with_files},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int as_root = 0; as_root <= (is_root() ? 1 : 0); as_root++) {
            int pair[2];
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
            assert_int_equal(dup2(pair[0], PAIR_FD), PAIR_FD);
            assert_int_equal(dup2(pair[1], PAIR_FD + 1), PAIR_FD + 1);
            expect_inside(&(struct confined){cases[i].role, as_root != 0, false, cases[i].inside});
            close(pair[0]);
            close(pair[1]);
            close(PAIR_FD);
            close(PAIR_FD + 1);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_is_refused_what_its_row_does_not_grant),
        cmocka_unit_test(edge_and_queue_are_refused_all_five),
        cmocka_unit_test(outside_nothing_is_refused),
        cmocka_unit_test(a_role_without_a_row_is_an_error),
        cmocka_unit_test(written_memory_never_runs_and_no_process_is_made),
        cmocka_unit_test(the_resolver_reaches_the_network),
        cmocka_unit_test(an_absurd_call_kills),
        cmocka_unit_test(as_root_the_role_becomes_another_user_in_its_directory),
        cmocka_unit_test(as_ordinary_user_landlock_keeps_it_in_its_directory),
        cmocka_unit_test(the_runtime_works_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
