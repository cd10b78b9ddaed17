/*
 * command.c - a command with the message on its standard input: no shell, a process group of its own, limits, and an
 * end in time.
 *
 * The message is passed on while the command's output is taken, so neither waits for the other. A command that does not
 * read its input is fine. Whatever is left of its process group when it ends is killed.
 */
#include "deliver/deliver.h"

#include "store/maildir/content.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 1024, CPU_SLACK_S = 5, MS_PER_S = 1000, NS_PER_MS = 1000000 };

/* A command that runs. */
struct running {
    struct deliver_job *job;
    pid_t pid;
    int input;    /* its standard input, not blocking; -1: closed */
    int output;   /* what it writes, not blocking; -1: ended */
    int end;      /* readable when it has ended */
    bool has_ended;
    bool is_late;
    size_t kept;
    uint8_t text[DELIVER_OUTPUT_BYTES_MAX];
};

static void
fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* --- the side of the command ------------------------------------------------------------------------------------ */

/* Run argv[0]: where it stands if it names a path, otherwise along DELIVER_PATH. Returns with errno set. */
static void
exec_along_path(char *const argv[], char *const envp[])
{
    static const char *const directories[] = {"/usr/local/bin", "/usr/bin", "/bin"};
    char path[PATH_BYTES_MAX];
    int error = ENOENT;
    if (strchr(argv[0], '/') != NULL) {
        execve(argv[0], argv, envp);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        size_t len = strlen(directories[i]), name_len = strlen(argv[0]);
        if (len + 1 + name_len >= sizeof(path))
            continue;
        memcpy(path, directories[i], len);
        path[len] = '/';
        memcpy(path + len + 1, argv[0], name_len + 1);
        execve(path, argv, envp);
        if (errno != ENOENT)
            error = errno;
    }
    errno = error;
}

static bool
limit_set(unsigned which, uint64_t most)
{
    struct rlimit limit = {.rlim_cur = most, .rlim_max = most};
    return setrlimit(which, &limit) == 0;
}

static bool
child_prepare(const struct deliver_job *job, int input, int output)
{
    /* Its parent is the delivery process, which is killed when the server goes. */
    if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR)
        return false;
    if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        return false;
    if ((job->home < 0 || fchdir(job->home) != 0) && chdir("/") != 0)
        return false;
    if (!limit_set(RLIMIT_CPU, job->d.time_ms / MS_PER_S + CPU_SLACK_S) || !limit_set(RLIMIT_AS, job->d.memory_bytes))
        return false;
    return syscall(SYS_close_range, (unsigned)STDERR_FILENO + 1, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) == 0;
}

NORETURN static void
child_run(const struct deliver_job *job, int input, int output, int start, char *const argv[], char *const envp[])
{
    if (child_prepare(job, input, output))
        exec_along_path(argv, envp);
    int error = errno;
    ssize_t n = write(start, &error, sizeof(error));
    _exit(n == (ssize_t)sizeof(error) ? 127 : 126);
}

/* --- passing the message ---------------------------------------------------------------------------------------- */

static int
time_left_ms(const struct deliver_job *job)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left = (job->deadline_ns - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec)) / NS_PER_MS;
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Take what the command has written; only the beginning is kept. */
static void
output_take(struct running *r)
{
    uint8_t chunk[4096];
    for (;;) {
        ssize_t n = read(r->output, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                fd_close(&r->output);
            return;
        }
        size_t keep = sizeof(r->text) - r->kept < (size_t)n ? sizeof(r->text) - r->kept : (size_t)n;
        memcpy(r->text + r->kept, chunk, keep);
        r->kept += keep;
        if (r->has_ended && r->kept == sizeof(r->text))
            return; /* somebody it left behind may write for ever */
    }
}

/* Wait until the command takes input, has written, or has ended. False: time is up. */
static bool
progress_wait(struct running *r)
{
    struct pollfd wait[] = {
        {.fd = r->end, .events = POLLIN}, {.fd = r->output, .events = POLLIN}, {.fd = r->input, .events = POLLOUT}};
    int n;
    do {
        n = poll(wait, ARRAY_LEN(wait), time_left_ms(r->job));
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        r->is_late = true;
        return false;
    }
    r->has_ended = r->has_ended || wait[0].revents != 0;
    if (wait[1].revents != 0)
        output_take(r);
    return true;
}

/* A sink of maildir_content_write(): pass octets on as the command takes them. */
static enum err
input_pass(void *ctx, struct span octets)
{
    struct running *r = ctx;
    while (!span_is_empty(octets) && r->input >= 0) {
        ssize_t n = write(r->input, octets.data, octets.len);
        if (n >= 0) {
            octets = span_skip(octets, (size_t)n);
        } else if (errno == EAGAIN) {
            if (!progress_wait(r))
                return ERR_TIMEOUT;
            if (r->has_ended)
                fd_close(&r->input);
        } else if (errno != EINTR) {
            fd_close(&r->input); /* it does not want any more */
        }
    }
    return ERR_OK;
}

/* --- its life --------------------------------------------------------------------------------------------------- */

static bool
pipe_open(int ends[2])
{
    return pipe2(ends, O_CLOEXEC) == 0;
}

/* False: the verdict says why it could not be started. */
static bool
running_start(struct running *r, char *const argv[], char *const envp[])
{
    int input[2] = {-1, -1}, output[2] = {-1, -1}, start[2] = {-1, -1};
    int error = 0;
    bool is_ready = pipe_open(input) && pipe_open(output) && pipe_open(start);
    r->pid = is_ready ? fork() : -1;
    if (r->pid == 0)
        child_run(r->job, input[0], output[1], start[1], argv, envp);
    if (r->pid < 0)
        error = errno;
    fd_close(&input[0]);
    fd_close(&output[1]);
    fd_close(&start[1]);
    ssize_t n;
    while (r->pid > 0 && (n = read(start[0], &error, sizeof(error))) < 0 && errno == EINTR)
        ;
    fd_close(&start[0]);
    r->end = r->pid > 0 ? (int)syscall(SYS_pidfd_open, r->pid, 0) : -1;
    if (r->pid > 0 && r->end < 0 && error == 0)
        error = errno;
    r->input = input[1];
    r->output = output[0];
    if (error == 0 && fcntl(r->input, F_SETFL, O_NONBLOCK) == 0 && fcntl(r->output, F_SETFL, O_NONBLOCK) == 0)
        return true;
    deliver_verdict_set(&r->job->verdict, DELIVERY_DEFERRED, "4.3.5", "the command cannot be run: %s%s",
                        strerror(error), error == ENOEXEC ? " (a script begins with #! and the path of its interpreter)" : "");
    return false;
}

/* Kill what is left of it, take its last words, and learn how it ended. */
static int
running_end(struct running *r)
{
    int status = -1;
    fd_close(&r->input);
    if (r->pid > 0) {
        /* Not waited for yet, so the number is still its own. */
        if (kill(-r->pid, SIGKILL) != 0)
            (void)kill(r->pid, SIGKILL);
        while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    r->has_ended = true;
    if (r->output >= 0)
        output_take(r);
    fd_close(&r->output);
    fd_close(&r->end);
    return status;
}

static void
running_verdict(struct running *r, int status, enum err passed)
{
    struct deliver_verdict *v = &r->job->verdict;
    if (r->is_late) {
        deliver_verdict_set(v, DELIVERY_DEFERRED, "4.3.0", "the command took longer than command-time allows");
        return;
    }
    if (passed != ERR_OK) {
        deliver_verdict_set(v, DELIVERY_DEFERRED, "4.3.0", "the message cannot be passed to the command (%s)",
                            err_name(passed));
        return;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    deliver_exit_eval(code, WIFSIGNALED(status) ? WTERMSIG(status) : 0, span_of(r->text, r->kept), v);
}

static void
run_words(struct deliver_job *job, const struct maildir_content *content, char *const argv[], char *const envp[])
{
    struct running r = {.job = job, .pid = -1, .input = -1, .output = -1, .end = -1};
    if (!running_start(&r, argv, envp)) {
        (void)running_end(&r);
        return;
    }
    enum err e = maildir_content_write(content, input_pass, &r);
    fd_close(&r.input);
    while (e == ERR_OK && !r.has_ended && progress_wait(&r))
        ;
    int status = running_end(&r);
    running_verdict(&r, status, e);
}

void
deliver_command_run(struct deliver_job *job, struct span command)
{
    struct maildir_delivery m;
    struct maildir_content content;
    char *argv[DELIVER_WORDS_MAX + 1], *envp[DELIVER_VARIABLES_MAX + 1];
    size_t count;
    if (deliver_command_split(command, &job->mem, argv, &count) != ERR_OK) {
        deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.3.5",
                            "the command cannot be divided into words (a quote that does not end?)");
        return;
    }
    deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.3.0", "no memory");
    if (deliver_environment_make(&job->d, &job->mem, envp) != ERR_OK || !deliver_message_open(job, &m))
        return;
    enum err e = maildir_content_open(&m, &content);
    if (e != ERR_OK) {
        deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.3.0", "the message cannot be read (%s)", err_name(e));
    } else if (content.is_loop) {
        deliver_verdict_set(&job->verdict, DELIVERY_FAILED, "5.4.6",
                            "mail loop: the message was delivered to this address before");
        maildir_content_done(&content);
    } else {
        run_words(job, &content, argv, envp);
        maildir_content_done(&content);
    }
    disk_close(m.content_file);
}
