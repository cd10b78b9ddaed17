/*
 * drop.c - mail that sendmail left while the server was down, taken up at the start and every few seconds after.
 *
 * The parent opens each file and looks at what fstat(2) says of it, and never reads it: a process of its own does
 * (cli/drop_main.c), which hands the message to the server in the owner's name and tells by its exit status what became
 * of it. A file is removed only when the server has made the message durable for every recipient; what is refused is
 * renamed and reported; what the server does not take now is tried again, less and less often, for some days.
 */
#include "parent/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    SWEEP_S = 10,
    PROCESS_TIME_S = 31 * 60,       /* the process itself gives up after 30 minutes */
    PAUSE_MIN_S = 10,               /* between two attempts at one file: half its age, within these */
    PAUSE_MAX_S = 30 * 60,
    AGE_MAX_S = 5 * 24 * 60 * 60,   /* then it is refused */
    DEFERRALS_MAX = 3,              /* in a row: the server takes nothing now */
    REPORT_MAX = 1024,
};

/* When the file of a slot may be tried again. */
struct pause {
    uint64_t inode;
    int64_t until_ns;
};

/* The work, for as long as the parent runs. */
struct dropbox {
    struct parent *parent;
    struct fiber *f;
    struct pause *pauses;     /* owned; one a slot, NULL until there is one */
    bool is_trouble_told;
    char socket[PARENT_PATH_MAX];
    struct drop_sweep sweep;
};

/* --- the process -------------------------------------------------------------------------------------------------- */

/* One attempt at one file. */
struct attempt {
    struct drop_file file;
    int report_fd;
    struct process_exit exit;
    char report[REPORT_MAX];
    size_t report_len;
};

static enum err
start(struct dropbox *d, const struct attempt *a, struct process **ret)
{
    struct parent *parent = d->parent;
    const struct identity *id = &parent->ids[ROLE_EDGE];
    char owner[16], uid[16], gid[16];
    snprintf(owner, sizeof(owner), "%u", a->file.uid);
    snprintf(uid, sizeof(uid), "%u", parent->is_root ? id->uid : 0);
    snprintf(gid, sizeof(gid), "%u", parent->is_root ? id->gid : 0);
    const char *argv[] = {"godwit-drop", d->socket, owner, uid, gid, NULL};
    const struct process_fd fds[] = {
        {a->file.fd, STDIN_FILENO},
        {a->report_fd, STDOUT_FILENO},
        {STDERR_FILENO, STDERR_FILENO},
        {parent->directories.empty, 3},
    };
    const struct process_spec spec = {
        .executable_fd = parent->drop_executable,
        .argv = argv,
        .envp = parent->environment,
        .fds = fds,
        .fd_count = ARRAY_LEN(fds),
        .death_signal = SIGKILL,
    };
    return process_start(parent->rt, &spec, NULL, NULL, ret);
}

/* Run the process to its end. If anything goes wrong with it that is as if the server took nothing now. */
static enum err
run(struct dropbox *d, struct attempt *a)
{
    struct process *process;
    a->exit.code = EX_TEMPFAIL;
    a->report_fd = memfd_create("report", MFD_CLOEXEC);
    enum err e = a->report_fd < 0 ? err_from_errno(errno) : start(d, a, &process);
    if (e == ERR_OK) {
        e = process_wait(d->f, deadline_in(d->parent->rt, PROCESS_TIME_S * NS_PER_S), process, &a->exit);
        if (e != ERR_OK)
            process_signal(process, SIGKILL);
        process_free(process);
    }
    ssize_t n = a->report_fd < 0 ? 0 : pread(a->report_fd, a->report, sizeof(a->report), 0);
    a->report_len = n > 0 ? (size_t)n : 0;
    if (a->report_fd >= 0)
        close(a->report_fd);
    if (e != ERR_OK || a->exit.code < 0)
        a->exit.code = EX_TEMPFAIL;
    return e;
}

/* --- what becomes of a file --------------------------------------------------------------------------------------- */

static struct span
report_of(const struct attempt *a)
{
    return span_of(a->report, a->report_len);
}

static void
tell_refusal(struct dropbox *d, const struct drop_refusal *refusal, struct span report)
{
    log_write(&d->parent->log, LOG_DROP_REFUSED, LOG_CSTR(KEY_FILE, refusal->name),
              LOG_CSTR(KEY_NAME, refusal->new_name), LOG_U64(KEY_UID, refusal->uid),
              LOG_CSTR(KEY_REASON, refusal->why), LOG_TEXT(KEY_DETAIL, report));
}

static void
tell(struct dropbox *d, enum log_event event, const struct attempt *a)
{
    char name[DROP_NAME_MAX];
    drop_slot_name(a->file.slot, name);
    log_write(&d->parent->log, event, LOG_CSTR(KEY_FILE, name), LOG_U64(KEY_UID, a->file.uid),
              LOG_U64(KEY_SIZE, a->file.size_bytes), LOG_TEXT(KEY_DETAIL, report_of(a)));
}

static int64_t
age_s(const struct dropbox *d, const struct attempt *a)
{
    int64_t age = (rt_wall_us(d->parent->rt) - a->file.mtime_us) / 1000000;
    return age < 0 ? 0 : age;
}

/* Do a job with the file in the thread pool. */
static void
in_pool(struct dropbox *d, void (*job)(void *arg), struct attempt *a)
{
    if (rt_pool_run(d->f, job, &a->file) != ERR_OK)
        log_write(&d->parent->log, LOG_OUT_OF_MEMORY, LOG_CSTR(KEY_PHASE, "drop"));
}

static void
refuse(struct dropbox *d, struct attempt *a, const char *why)
{
    a->file.refusal.why = why;
    in_pool(d, drop_refuse_job, a);
    tell_refusal(d, &a->file.refusal, report_of(a));
}

static void
defer(struct dropbox *d, const struct attempt *a)
{
    int64_t pause_s = age_s(d, a) / 2;
    if (d->pauses == NULL)
        d->pauses = calloc(DROP_SLOTS_MAX, sizeof(*d->pauses));
    pause_s = pause_s < PAUSE_MIN_S ? PAUSE_MIN_S : pause_s > PAUSE_MAX_S ? PAUSE_MAX_S : pause_s;
    if (d->pauses != NULL) /* else the next sweep tries again */
        d->pauses[a->file.slot] = (struct pause){a->file.inode, rt_now_ns(d->parent->rt) + pause_s * NS_PER_S};
    tell(d, LOG_DROP_DEFERRED, a);
}

static bool
is_paused(const struct dropbox *d, const struct drop_file *file)
{
    const struct pause *pause = d->pauses == NULL ? NULL : &d->pauses[file->slot];
    return pause != NULL && pause->inode == file->inode && rt_now_ns(d->parent->rt) < pause->until_ns;
}

/* What its process says when the server, or the process itself, finds the message unacceptable. All else may pass. */
static bool
is_final(int code)
{
    static const int codes[] = {EX_DATAERR, EX_NOUSER, EX_NOHOST, EX_UNAVAILABLE, EX_NOPERM};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i] == code)
            return true;
    return false;
}

/* Try the file that is open. True: the server took nothing now. */
static bool
try_file(struct dropbox *d, struct attempt *a)
{
    if (run(d, a) == ERR_CANCELED)
        return true;
    if (a->exit.code == EX_OK) {
        in_pool(d, drop_remove_job, a);
        tell(d, LOG_DROP_TAKEN, a);
    } else if (is_final(a->exit.code)) {
        refuse(d, a, "the server refused it");
    } else if (age_s(d, a) > AGE_MAX_S) {
        refuse(d, a, "the server did not take it for days");
    } else {
        defer(d, a);
        return true;
    }
    return false;
}

/* Take one file. True: the server took nothing now. */
static bool
take(struct dropbox *d, unsigned slot)
{
    const struct config *config = d->parent->now.config;
    struct attempt *a = calloc(1, sizeof(*a));
    bool is_deferred = false;
    if (a == NULL)
        return true;
    a->file = (struct drop_file){.dir = d->sweep.dir,
                                 .is_root = d->parent->is_root,
                                 .slot = slot,
                                 .size_max_bytes = config->limits.message_size_bytes.value + DROP_HEAD_MAX,
                                 .fd = -1};
    in_pool(d, drop_open_job, a);
    if (a->file.is_refused)
        tell_refusal(d, &a->file.refusal, SPAN_EMPTY);
    else if (a->file.fd >= 0 && !is_paused(d, &a->file))
        is_deferred = try_file(d, a);
    if (a->file.fd >= 0)
        close(a->file.fd);
    free(a);
    return is_deferred;
}

/* --- sweeps ------------------------------------------------------------------------------------------------------- */

/* Copy what the configuration says; it may change while the sweep waits. False: there is no drop directory. */
static bool
prepare(struct dropbox *d)
{
    const struct config_sendmail *sendmail = &d->parent->now.config->sendmail;
    d->sweep.is_root = d->parent->is_root;
    d->sweep.candidate_count = d->sweep.refusal_count = 0;
    return d->parent->drop_executable >= 0 && !span_is_empty(sendmail->drop_directory.value) &&
           span_to_cstr(sendmail->drop_directory.value, d->sweep.path, sizeof(d->sweep.path)) &&
           span_to_cstr(sendmail->socket.value, d->socket, sizeof(d->socket));
}

static void
tell_trouble(struct dropbox *d)
{
    bool has_trouble = d->sweep.dir < 0;
    if (has_trouble && !d->is_trouble_told)
        log_write(&d->parent->log, LOG_DROP_UNAVAILABLE, LOG_CSTR(KEY_FILE, d->sweep.path),
                  LOG_CSTR(KEY_DETAIL, d->sweep.trouble));
    d->is_trouble_told = has_trouble;
}

static void
sweep(struct dropbox *d)
{
    if (!prepare(d) || rt_pool_run(d->f, drop_sweep_job, &d->sweep) != ERR_OK)
        return;
    tell_trouble(d);
    if (d->sweep.dir < 0)
        return;
    for (size_t i = 0; i < d->sweep.refusal_count; i++)
        tell_refusal(d, &d->sweep.refusals[i], SPAN_EMPTY);
    unsigned deferrals = 0;
    for (size_t i = 0; i < d->sweep.candidate_count && deferrals < DEFERRALS_MAX && !fiber_is_canceled(d->f); i++)
        deferrals = take(d, d->sweep.candidates[i].slot) ? deferrals + 1 : 0;
    close(d->sweep.dir);
}

void
drop_run(struct fiber *f, void *arg)
{
    struct parent *parent = arg;
    struct dropbox *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        log_write(&parent->log, LOG_OUT_OF_MEMORY, LOG_CSTR(KEY_PHASE, "drop"));
        return;
    }
    d->parent = parent;
    d->f = f;
    enum err e = ERR_OK;
    while (e == ERR_OK && !supervise_all_ready(parent))
        e = cond_wait(f, DEADLINE_NEVER, &parent->changed);
    while (e == ERR_OK) {
        sweep(d);
        e = fiber_sleep(f, deadline_in(parent->rt, SWEEP_S * NS_PER_S));
    }
    free(d->pauses);
    free(d);
}
