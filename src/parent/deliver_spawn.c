/*
 * deliver_spawn.c - a delivery to a user of this machine, by a process that becomes that user.
 *
 * The request names a user, or an entry of the aliases file, and never a path or a command. Who that is, as whom it may
 * be done and where the home is are the machine's and the configuration's word, looked up in the thread pool. The
 * process is told in a memory file (store/user_delivery.h) and answers in another one, which is believed no further
 * than its bounds: it is the user's. It is killed when it has not ended in time, some seconds after its own limit.
 */
#include "parent/parent.h"

#include "rt/disk.h"
#include "store/message_id.h"
#include "store/recipient.h"
#include "store/user_delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PASSWD_BYTES_MAX = 64 * 1024,
    USER_NAME_MAX = 64,
    PLACE_WAIT_S = 30,
    KILL_SLACK_S = 10,  /* what the process gets beyond its own limit */
    DEATH_WAIT_S = 5,
};

/* What the thread pool finds out. */
struct lookup {
    bool is_root;             /* the parent is */
    bool is_number;           /* `name` is a user id */
    uint64_t min_uid;         /* 1 for command-user */
    char name[USER_NAME_MAX + 1];
    char aliases[PARENT_PATH_MAX]; /* to be opened; empty: none */

    const char *status;       /* NULL: found */
    const char *why;
    enum delivery_class class;
    uint32_t uid, gid;
    gid_t groups[USER_DELIVERY_GROUPS_MAX];
    int group_count;
    struct passwd entry;      /* its texts lie in `bytes` */
    int aliases_fd;           /* -1: none */
    char bytes[PASSWD_BYTES_MAX];
};

/* One delivery. */
struct spawn {
    struct parent *parent;
    const struct ipc_deliver_user *request;
    struct arena *mem;
    struct ipc_deliver_user_reply *ret;
    struct lookup *lookup;
    struct deadline by;      /* for all of it */
    uint64_t time_ms;        /* for the process */
};

static void
answer(struct spawn *s, enum delivery_class class, const char *status, const char *text)
{
    *s->ret = (struct ipc_deliver_user_reply){
        .class = (uint8_t)class, .status = span_from_cstr(status), .text = span_from_cstr(text)};
}

/* --- who it is -------------------------------------------------------------------------------------------------- */

static bool
refuse(struct lookup *l, enum delivery_class class, const char *status, const char *why)
{
    l->class = class;
    l->status = status;
    l->why = why;
    return false;
}

static bool
find_entry(struct lookup *l)
{
    struct passwd *found = NULL;
    uint64_t number = 0;
    int error;
    if (l->is_number && span_to_u64(span_from_cstr(l->name), UINT32_MAX - 1, &number))
        error = getpwuid_r((uid_t)number, &l->entry, l->bytes, sizeof(l->bytes), &found);
    else
        error = getpwnam_r(l->name, &l->entry, l->bytes, sizeof(l->bytes), &found);
    if (found != NULL)
        return true;
    if (error == 0 || error == ENOENT || error == ESRCH)
        return refuse(l, DELIVERY_FAILED, "5.1.1", "no such user");
    return refuse(l, DELIVERY_DEFERRED, "4.3.0", "the users of the machine cannot be looked up");
}

static bool
judge_entry(struct lookup *l)
{
    if (l->entry.pw_uid == 0 || l->entry.pw_uid < l->min_uid)
        return refuse(l, DELIVERY_FAILED, "5.1.1", "no user who receives mail");
    if (!l->is_root && l->entry.pw_uid != geteuid())
        return refuse(l, DELIVERY_DEFERRED, "4.3.5",
                      "the server runs without root and can deliver to its own user alone");
    l->uid = l->entry.pw_uid;
    l->gid = l->is_root ? l->entry.pw_gid : getegid();
    l->group_count = USER_DELIVERY_GROUPS_MAX;
    if (l->is_root && getgrouplist(l->entry.pw_name, l->gid, l->groups, &l->group_count) < 0)
        return refuse(l, DELIVERY_DEFERRED, "4.3.0", "the user is in too many groups");
    if (!l->is_root)
        l->group_count = 0; /* it keeps those of the server */
    return true;
}

/* The aliases file names commands: nobody but root and ourselves may have written it. */
static bool
open_aliases(struct lookup *l)
{
    struct stat st;
    l->aliases_fd = open(l->aliases, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (l->aliases_fd < 0)
        return refuse(l, DELIVERY_DEFERRED, "4.3.5", "the aliases file cannot be opened");
    if (fstat(l->aliases_fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) ||
        (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return refuse(l, DELIVERY_DEFERRED, "4.3.5", "others may have written the aliases file");
    return true;
}

static void
lookup_run(void *arg)
{
    struct lookup *l = arg;
    if (find_entry(l) && judge_entry(l) && l->aliases[0] != '\0')
        (void)open_aliases(l);
}

static struct lookup *
lookup_new(void)
{
    struct lookup *l = calloc(1, sizeof(*l)); /* too large for the stack of a fiber */
    if (l != NULL)
        l->aliases_fd = -1;
    return l;
}

static void
lookup_free(struct lookup *l)
{
    if (l->aliases_fd >= 0)
        close(l->aliases_fd);
    free(l);
}

static bool
is_alias(const struct ipc_deliver_user *request)
{
    return request->user.len > 1 && request->user.data[0] == ':';
}

/* Say who is asked for. False: answered already. */
static bool
lookup_prepare(struct spawn *s)
{
    const struct config_local *config = &s->parent->now.config->local;
    struct lookup *l = s->lookup;
    bool is_good;
    l->is_root = s->parent->is_root;
    if (is_alias(s->request)) {
        uint64_t number;
        l->min_uid = 1;
        l->is_number = span_to_u64(config->command_user.value, UINT32_MAX - 1, &number);
        is_good = span_to_cstr(config->command_user.value, l->name, sizeof(l->name)) &&
                  !span_is_empty(config->aliases.value) &&
                  span_to_cstr(config->aliases.value, l->aliases, sizeof(l->aliases));
    } else {
        l->min_uid = config->min_uid.value;
        is_good = config->system_users.value && !span_is_empty(s->request->user) &&
                  span_to_cstr(s->request->user, l->name, sizeof(l->name));
    }
    if (!is_good)
        answer(s, DELIVERY_FAILED, "5.1.1", "users of this machine do not receive mail");
    return is_good;
}

static bool
look_up(struct fiber *f, struct spawn *s)
{
    if (!lookup_prepare(s))
        return false;
    const struct lookup *l = s->lookup;
    if (rt_pool_run(f, lookup_run, s->lookup) != ERR_OK)
        return false;
    if (l->status != NULL)
        answer(s, l->class, l->status, l->why);
    return l->status == NULL;
}

/* --- what the process is told ----------------------------------------------------------------------------------- */

/* The recipient as an address: a name without a domain is of the hostname, an entry of the aliases file its name. */
static bool
recipient_make(const struct spawn *s, struct buf *to)
{
    struct span recipient = s->request->recipient;
    bool is_entry = recipient.len > 1 && recipient.data[0] == ':';
    buf_append(to, is_entry ? span_skip(recipient, 1) : recipient);
    if (span_find(recipient, '@') == recipient.len) {
        buf_append_octet(to, '@');
        buf_append(to, domain_span(&s->parent->now.config->hostname.value));
    }
    return !to->failed;
}

static struct span
separator_of(const struct spawn *s, struct span recipient)
{
    const struct config *config = s->parent->now.config;
    struct span name = span_skip(recipient, span_find_last(recipient, '@') + 1);
    const struct config_domain *domain = config_domain_find(config, name);
    return domain == NULL ? SPAN("+") : domain->subaddress.value;
}

static enum err
record_make(const struct spawn *s, struct buf *to)
{
    const struct config *config = s->parent->now.config;
    const struct ipc_deliver_user *request = s->request;
    const struct lookup *l = s->lookup;
    uint8_t octets[1024];
    char id[MESSAGE_ID_TEXT];
    struct buf recipient;
    buf_init_fixed(&recipient, octets, sizeof(octets));
    if (!recipient_make(s, &recipient) || request->id.len != MESSAGE_ID_BYTES)
        return ERR_LIMIT;
    message_id_format(message_id_decode(request->id.data), id);
    const struct user_delivery d = {
        .parent_pid = (uint64_t)getpid(),
        .uid = l->uid,
        .gid = l->gid,
        .groups = span_of(l->groups, (size_t)l->group_count * sizeof(l->groups[0])),
        .user = span_from_cstr(l->entry.pw_name),
        .home = span_from_cstr(l->entry.pw_dir),
        .shell = l->entry.pw_shell[0] == '\0' ? SPAN("/bin/sh") : span_from_cstr(l->entry.pw_shell),
        .hostname = domain_span(&config->hostname.value),
        .alias = is_alias(request) ? span_skip(request->user, 1) : SPAN_EMPTY,
        .maildir = config->local.maildir.value,
        .separator = separator_of(s, buf_span(&recipient)),
        .reads_forward = config->local.forward.value,
        .runs_commands = config->local.commands.value,
        .time_ms = s->time_ms,
        .memory_bytes = config->local.command_memory_bytes.value,
        .has_file = request->file >= 0,
        .id = span_of(id, sizeof(id)),
        .detail = request->detail,
        .recipient = buf_span(&recipient),
        .original = request->original,
        .sender = request->sender,
        .client_address = request->client_address,
        .envid = request->envid,
    };
    return user_delivery_encode(&d, to);
}

static enum err
record_fd(const struct spawn *s, int *ret)
{
    struct buf bytes;
    buf_init(&bytes, USER_DELIVERY_BYTES_MAX);
    enum err e = record_make(s, &bytes);
    if (e == ERR_OK)
        e = disk_memory_fd(rt_disk(s->parent->rt), buf_span(&bytes), ret);
    buf_done(&bytes);
    return e;
}

/* --- the process ------------------------------------------------------------------------------------------------ */

/* Descriptors of the parent's own for one process, -1: none. */
struct own_fds {
    int null;
    int record;
    int result;
};

static void
own_fds_close(struct own_fds *fds)
{
    const int all[] = {fds->null, fds->record, fds->result};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i] >= 0)
            close(all[i]);
}

static enum err
own_fds_open(const struct spawn *s, struct own_fds *fds)
{
    TRY(record_fd(s, &fds->record));
    fds->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    fds->result = memfd_create("delivered", MFD_CLOEXEC);
    return fds->null < 0 || fds->result < 0 ? err_from_errno(errno) : ERR_OK;
}

static enum err
start(const struct spawn *s, const struct own_fds *own, struct process **ret)
{
    static const char *const argv[] = {"godwit-deliver", NULL};
    struct process_fd fds[] = {
        {own->null, STDIN_FILENO},
        {own->null, STDOUT_FILENO},
        {STDERR_FILENO, STDERR_FILENO},
        {own->record, USER_DELIVERY_FD_RECORD},
        {own->result, USER_DELIVERY_FD_RESULT},
        {s->request->content, USER_DELIVERY_FD_CONTENT},
        {s->request->file, USER_DELIVERY_FD_FILE},
        {s->lookup->aliases_fd, USER_DELIVERY_FD_ALIASES},
    };
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i].from >= 0)
            fds[count++] = fds[i];
    const struct process_spec spec = {
        .executable_fd = s->parent->executables[ROLE_DELIVER],
        .argv = argv,
        .envp = s->parent->environment,
        .fds = fds,
        .fd_count = count,
        .death_signal = SIGKILL,
    };
    return process_start(s->parent->rt, &spec, NULL, NULL, ret);
}

/* Kill it and what is in its group; a command has a group of its own and dies with it. */
static void
kill_all(struct process *process)
{
    if (process_has_ended(process))
        return;
    (void)kill(-process_pid(process), SIGKILL);
    process_signal(process, SIGKILL);
}

static void
result_read(struct spawn *s, int fd)
{
    struct user_delivery_result result;
    uint8_t *bytes = malloc(USER_DELIVERY_RESULT_BYTES_MAX);
    struct span copy;
    ssize_t n = bytes == NULL ? -1 : pread(fd, bytes, USER_DELIVERY_RESULT_BYTES_MAX, 0);
    if (n > 0 && arena_copy(s->mem, span_of(bytes, (size_t)n), &copy) &&
        user_delivery_result_parse(copy, &result) == ERR_OK)
        *s->ret = (struct ipc_deliver_user_reply){
            .class = (uint8_t)result.class, .status = result.status, .text = result.text, .forwards = result.forwards};
    free(bytes);
}

static void
wait_for_end(struct fiber *f, struct spawn *s, struct process *process, int result_fd)
{
    struct process_exit exit;
    struct deadline by = deadline_in(s->parent->rt, (int64_t)s->time_ms * NS_PER_MS + KILL_SLACK_S * NS_PER_S);
    enum err e = process_wait(f, by, process, &exit);
    if (e == ERR_TIMEOUT) {
        kill_all(process);
        answer(s, DELIVERY_DEFERRED, "4.3.0", "the delivery took longer than command-time allows");
        e = process_wait(f, deadline_in(s->parent->rt, DEATH_WAIT_S * NS_PER_S), process, &exit);
    } else if (e == ERR_OK && exit.code == 0) {
        result_read(s, result_fd);
    } else if (e == ERR_OK) {
        answer(s, DELIVERY_DEFERRED, "4.3.0", "the delivery process ended without an answer");
        log_write(&s->parent->log, LOG_INTERNAL_FAULT, LOG_CSTR(KEY_PHASE, "deliver"),
                  LOG_TEXT(KEY_USER, s->request->user), LOG_I64(KEY_EXIT_STATUS, exit.code),
                  LOG_I64(KEY_SIGNAL, exit.signal));
    }
    kill_all(process); /* the parent stops */
}

static void
run(struct fiber *f, struct spawn *s)
{
    struct own_fds own = {-1, -1, -1};
    struct process *process = NULL;
    enum err e = own_fds_open(s, &own);
    if (e == ERR_OK)
        e = start(s, &own, &process);
    if (e == ERR_OK)
        wait_for_end(f, s, process, own.result);
    else
        log_write(&s->parent->log, LOG_INTERNAL_FAULT, LOG_CSTR(KEY_PHASE, "deliver"), LOG_ERR(KEY_ERROR, e));
    process_free(process);
    own_fds_close(&own);
}

/* --- one of few ------------------------------------------------------------------------------------------------- */

/* Wait for a place among the deliveries under way. */
static enum err
place_take(struct fiber *f, struct spawn *s)
{
    struct parent *parent = s->parent;
    struct deadline by = deadline_earlier(s->by, deadline_in(parent->rt, PLACE_WAIT_S * NS_PER_S));
    while (parent->user_deliveries >= parent->now.config->local.processes.value)
        TRY(cond_wait(f, by, &parent->user_delivery_ended));
    parent->user_deliveries++;
    return ERR_OK;
}

static void
place_give(struct parent *parent)
{
    parent->user_deliveries--;
    cond_signal(&parent->user_delivery_ended);
}

void
deliver_spawn(struct fiber *f, struct parent *parent, const struct ipc_deliver_user *request, struct arena *mem,
              struct ipc_deliver_user_reply *ret)
{
    const struct config *config = parent->now.config;
    struct spawn s = {.parent = parent, .request = request, .mem = mem, .ret = ret};
    /* The answer has to come before those who ask give up. */
    uint64_t most_ms = config->delivery.attempt_time_ms.value / 2;
    s.by = deadline_in(parent->rt, (int64_t)most_ms * NS_PER_MS);
    s.time_ms = config->local.command_time_ms.value < most_ms ? config->local.command_time_ms.value : most_ms;
    answer(&s, DELIVERY_DEFERRED, "4.3.0", "the delivery process could not be started");
    if (parent->executables[ROLE_DELIVER] < 0) {
        answer(&s, DELIVERY_DEFERRED, "4.3.5", "the executable godwit-deliver is not installed");
        return;
    }
    if (place_take(f, &s) != ERR_OK) {
        answer(&s, DELIVERY_DEFERRED, "4.3.2", "too many deliveries to users are under way");
        return;
    }
    s.lookup = lookup_new();
    if (s.lookup != NULL && look_up(f, &s))
        run(f, &s);
    if (s.lookup != NULL)
        lookup_free(s.lookup);
    place_give(parent);
}
