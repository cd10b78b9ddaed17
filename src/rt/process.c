/*
 * process.c - fork, arrange descriptors, run the executable, reap.
 *
 * Between fork and exec the child of a process with threads may use async-signal-safe calls only. What fails in it
 * travels back through a pipe that the exec closes. Ends are learned from SIGCHLD and one waitpid(2) for each child of
 * ours, never for "any": libuv or a library may have children too.
 */
#include "rt/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "rt/rt_real_body.h"

struct process {
    struct rt_real *real;
    struct list link;
    int32_t pid;
    bool has_ended;
    bool is_forgotten;
    struct process_exit exit;
    void (*on_exit)(void *arg, struct process *p, const struct process_exit *exit);
    void *arg;
    struct cond ended;
};

enum err
executable_open(const char *path, int *ret_fd)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno);
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
        close(fd);
        return ERR_DENIED;
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* --- the child's side --------------------------------------------------------------------------------------------- */

/* Move every descriptor out of the way of the numbers that are wanted, then to them. Returns false with errno set. */
static bool
child_arrange_fds(const struct process_spec *spec, int *executable_fd, int *error_fd)
{
    int moved[PROCESS_FD_MAX];
    for (size_t i = 0; i < spec->fd_count; i++)
        if ((moved[i] = fcntl(spec->fds[i].from, F_DUPFD_CLOEXEC, PROCESS_FD_MAX)) < 0)
            return false;
    if ((*executable_fd = fcntl(*executable_fd, F_DUPFD_CLOEXEC, PROCESS_FD_MAX)) < 0 ||
        (*error_fd = fcntl(*error_fd, F_DUPFD_CLOEXEC, PROCESS_FD_MAX)) < 0)
        return false;
    for (size_t i = 0; i < spec->fd_count; i++)
        if (dup2(moved[i], spec->fds[i].to) < 0)
            return false;
    return true;
}

static bool
is_wanted(const struct process_spec *spec, int fd)
{
    for (size_t i = 0; i < spec->fd_count; i++)
        if (spec->fds[i].to == fd)
            return true;
    return false;
}

/* Everything else of ours is close-on-exec; what is not (a library's) would be inherited, so mark all. */
static void
child_hide_fds(const struct process_spec *spec)
{
    for (int fd = 0; fd < PROCESS_FD_MAX; fd++)
        if (!is_wanted(spec, fd))
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)syscall(SYS_close_range, (unsigned)PROCESS_FD_MAX, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
}

static void
child_reset_signals(void)
{
    /* The system call itself: the C library keeps two signals to itself, which may be ignored by inheritance all the same. */
    static const struct {
        void *handler; /* SIG_DFL */
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } by_default = {0};
    for (int number = 1; number < NSIG; number++)
        (void)syscall(SYS_rt_sigaction, number, &by_default, NULL, sizeof(by_default.mask));
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

NORETURN static void
child_run(const struct process_spec *spec, int error_fd, pid_t parent)
{
    int executable_fd = spec->executable_fd;
    child_reset_signals();
    bool ok = child_arrange_fds(spec, &executable_fd, &error_fd);
    if (ok && spec->death_signal != 0) {
        ok = prctl(PR_SET_PDEATHSIG, spec->death_signal) == 0;
        if (getppid() != parent)
            _exit(0); /* it died before we asked to be told */
    }
    if (ok) {
        child_hide_fds(spec);
        fexecve(executable_fd, (char *const *)(uintptr_t)spec->argv, (char *const *)(uintptr_t)spec->envp);
    }
    int error = errno;
    ssize_t n = write(error_fd, &error, sizeof(error));
    _exit(n == (ssize_t)sizeof(error) ? 127 : 126);
}

/* --- the parent's side -------------------------------------------------------------------------------------------- */

static void
process_ended(struct process *p, int status)
{
    list_unlink(&p->link);
    p->has_ended = true;
    p->exit = (struct process_exit){.pid = p->pid, .code = -1};
    if (WIFEXITED(status))
        p->exit.code = WEXITSTATUS(status);
    else if (WIFSIGNALED(status))
        p->exit.signal = WTERMSIG(status);
    if (p->is_forgotten) {
        free(p);
        return;
    }
    cond_broadcast(&p->ended);
    if (p->on_exit != NULL)
        p->on_exit(p->arg, p, &p->exit);
}

static void
children_reap(struct rt_real *r)
{
    /* on_exit may free or start other processes, so no pointer is kept across it: begin anew after each. */
    bool found = true;
    while (found) {
        found = false;
        LIST_FOR_EACH(link, &r->processes) {
            struct process *p = CONTAINER_OF(link, struct process, link);
            int status;
            if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
                process_ended(p, status);
                found = true;
                break;
            }
        }
    }
}

static void
child_signaled(uv_signal_t *handle, int signal_number)
{
    (void)signal_number;
    children_reap(CONTAINER_OF(handle, struct rt_real, child_signal));
}

static enum err
children_watch(struct rt_real *r)
{
    if (r->watches_children)
        return ERR_OK;
    if (uv_signal_init(&r->loop, &r->child_signal) != 0)
        return ERR_LIMIT;
    r->watches_children = true;
    return uv_signal_start(&r->child_signal, child_signaled, SIGCHLD) == 0 ? ERR_OK : ERR_LIMIT;
}

/* Fork and wait for the exec: 0, or the errno that prevented it. */
static int
fork_and_exec(const struct process_spec *spec, pid_t *ret_pid)
{
    int errors[2];
    if (pipe2(errors, O_CLOEXEC) != 0)
        return errno;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child_run(spec, errors[1], parent);
    int error = pid < 0 ? errno : 0;
    close(errors[1]);
    ssize_t n = 0;
    while (pid > 0 && (n = read(errors[0], &error, sizeof(error))) < 0 && errno == EINTR)
        ;
    close(errors[0]);
    if (pid < 0)
        return error;
    if (n == (ssize_t)sizeof(error)) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return error == 0 ? EIO : error;
    }
    *ret_pid = pid;
    return 0;
}

enum err
process_start(struct rt *rt, const struct process_spec *spec,
              void (*on_exit)(void *arg, struct process *p, const struct process_exit *exit), void *arg,
              struct process **ret)
{
    struct rt_real *r = rt_real_of(rt);
    ASSERT(spec->fd_count <= PROCESS_FD_MAX);
    for (size_t i = 0; i < spec->fd_count; i++)
        ASSERT(spec->fds[i].to >= 0 && spec->fds[i].to < PROCESS_FD_MAX);
    TRY(children_watch(r));
    struct process *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_LIMIT;
    pid_t pid = -1;
    int error = fork_and_exec(spec, &pid);
    if (error != 0) {
        free(p);
        return error == EAGAIN ? ERR_LIMIT : err_from_errno(error);
    }
    p->real = r;
    p->pid = pid;
    p->on_exit = on_exit;
    p->arg = arg;
    cond_init(&p->ended);
    list_append(&r->processes, &p->link);
    *ret = p;
    return ERR_OK;
}

enum err
process_wait(struct fiber *f, struct deadline by, struct process *p, struct process_exit *ret)
{
    while (!p->has_ended)
        TRY(cond_wait(f, by, &p->ended));
    *ret = p->exit;
    return ERR_OK;
}

void
process_signal(struct process *p, int signal_number)
{
    if (!p->has_ended)
        (void)kill(p->pid, signal_number); /* not reaped yet, so the number is still its own */
}

int32_t
process_pid(const struct process *p)
{
    return p->pid;
}

bool
process_has_ended(const struct process *p)
{
    return p->has_ended;
}

void
process_free(struct process *p)
{
    if (p == NULL)
        return;
    if (p->has_ended)
        free(p);
    else
        p->is_forgotten = true;
}

void
real_processes_done(struct rt_real *real)
{
    while (!list_is_empty(&real->processes)) {
        struct process *p = CONTAINER_OF(list_take_first(&real->processes), struct process, link);
        if (p->is_forgotten)
            free(p);
        else
            p->has_ended = true; /* as far as we shall ever know; left to process_free() */
    }
}
