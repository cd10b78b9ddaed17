/*
 * spawn.c - one process of a role started: its executable, descriptors, environment, start record and channel.
 *
 * Executables are opened once, before the first child: an upgrade underneath a running server never mixes two versions.
 */
#include "parent/parent.h"

#include "rt/disk.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const enum ipc_role started_roles[] = {ROLE_EDGE, ROLE_QUEUE, ROLE_LOCAL, ROLE_RESOLVER, ROLE_DIRECTORY,
                                              ROLE_CONTROL};

/* --- executables ------------------------------------------------------------------------------------------------ */

/* The directory of our own executable, without its final slash. */
static bool
own_directory(char *dst, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", dst, cap - 1);
    if (n <= 0)
        return false;
    dst[n] = '\0';
    char *slash = strrchr(dst, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

/* Installed, executables of roles are in ../libexec/godwit; where they were built, each in the folder of its role. */
static enum err
executable_find(const struct parent *parent, const char *folder, const char *role, char *path, size_t cap, int *ret)
{
    char own[PARENT_PATH_MAX];
    if (parent->libexec != NULL) {
        snprintf(path, cap, "%s/godwit-%s", parent->libexec, role);
        return executable_open(path, ret);
    }
    if (!own_directory(own, sizeof(own)))
        return ERR_NOT_FOUND;
    snprintf(path, cap, "%s/../%s/godwit-%s", own, folder, role);
    if (executable_open(path, ret) == ERR_OK)
        return ERR_OK;
    snprintf(path, cap, "%s/../libexec/godwit/godwit-%s", own, role);
    return executable_open(path, ret);
}

bool
executables_open(struct parent *parent)
{
    bool is_good = true;
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        parent->executables[i] = -1;
    for (size_t i = 0; i < ARRAY_LEN(started_roles); i++) {
        const char *role = ipc_role_name(started_roles[i]);
        char path[2 * PARENT_PATH_MAX];
        enum err e = executable_find(parent, role, role, path, sizeof(path), &parent->executables[started_roles[i]]);
        if (e == ERR_OK)
            continue;
        fprintf(stderr, "godwitd: %s: %s\n", path, e == ERR_NOT_FOUND ? "there is no such file" : "cannot be executed");
        is_good = false;
    }
    /* Run for each delivery to a user of the machine, and for each message in the drop directory; without them those wait. */
    char path[2 * PARENT_PATH_MAX];
    const char *deliver = ipc_role_name(ROLE_DELIVER);
    if (executable_find(parent, deliver, deliver, path, sizeof(path), &parent->executables[ROLE_DELIVER]) != ERR_OK)
        parent->executables[ROLE_DELIVER] = -1;
    if (executable_find(parent, "cli", "drop", path, sizeof(path), &parent->drop_executable) != ERR_OK)
        parent->drop_executable = -1;
    return is_good;
}

/* --- what a child inherits -------------------------------------------------------------------------------------- */

void
environment_choose(struct parent *parent)
{
    /* The zone of local time, the journal that collects standard error, and what sanitizers of test builds read. */
    static const char *const kept[] = {"TZ=", "JOURNAL_STREAM=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="};
    size_t count = 0;
    for (char **variable = environ; *variable != NULL && count < PARENT_ENVIRONMENT_MAX; variable++)
        for (size_t i = 0; i < ARRAY_LEN(kept); i++)
            if (strncmp(*variable, kept[i], strlen(kept[i])) == 0)
                parent->environment[count++] = *variable;
    parent->environment[count] = NULL;
}

/* The descriptors of a child while they are gathered. */
struct inheritance {
    struct process_fd fds[PROCESS_FD_MAX];
    size_t count;
    int next; /* the first free number on the other side */
    struct ipc_start_listener listeners[PROCESS_FD_MAX];
    size_t listener_count;
};

/* Pass `fd` under the next number; ROLE_FD_NONE for -1 and when there are too many. */
static uint16_t
pass(struct inheritance *in, int fd)
{
    if (fd < 0 || in->next == PROCESS_FD_MAX)
        return ROLE_FD_NONE;
    in->fds[in->count++] = (struct process_fd){fd, in->next};
    return (uint16_t)in->next++;
}

static void
pass_as(struct inheritance *in, int fd, int number)
{
    in->fds[in->count++] = (struct process_fd){fd, number};
}

static void
pass_listeners(struct inheritance *in, const struct child *child)
{
    const struct bound_set *set = &child->parent->bound;
    for (size_t i = 0; i < set->count; i++) {
        const struct bound *bound = &set->items[i];
        if (bound->role != child->role || (bound->slot != child->slot && bound->slot != BOUND_SHARED))
            continue;
        uint16_t number = pass(in, bound->fd);
        if (number != ROLE_FD_NONE)
            in->listeners[in->listener_count++] = (struct ipc_start_listener){span_from_cstr(bound->name), number};
    }
}

bool
role_connects(const struct config *config, enum ipc_role role)
{
    if (role == ROLE_RESOLVER)
        return true;
    for (size_t i = 0; role == ROLE_LOCAL && i < config->domains.count; i++)
        if (config->domains.items[i].deliver.kind == CONFIG_DELIVER_LMTP)
            return true;
    return false;
}

/* A memory file with the start record. */
static enum err
start_record(struct child *child, struct inheritance *in, int *ret)
{
    struct parent *parent = child->parent;
    child->connects = role_connects(parent->now.config, child->role);
    const struct identity *id = &parent->ids[child->role];
    int data = parent->directories.data[child->role];
    struct ipc_start start = {
        .protocol = ipc_protocol,
        .role = (uint8_t)child->role,
        .instance = child->instance,
        .generation = parent->now.number,
        .uid = parent->is_root ? id->uid : 0,
        .gid = parent->is_root ? id->gid : 0,
        .data_dir = pass(in, data),
        .empty_dir = data < 0 ? pass(in, parent->directories.empty) : ROLE_FD_NONE,
        .connects = child->connects,
        .config = buf_span(&parent->now.packed),
    };
    pass_listeners(in, child);
    if (child->role == ROLE_QUEUE)
        (void)pass(in, parent->directories.lock); /* held until the last queue is gone, even if the parent goes first */
    start.listeners = in->listeners;
    start.listeners_count = in->listener_count;
    struct buf bytes;
    buf_init(&bytes, IPC_START_CONFIG_MAX + 1024 * 1024);
    enum err e = ipc_start_encode(&start, &bytes);
    if (e == ERR_OK)
        e = disk_memory_fd(rt_disk(parent->rt), buf_span(&bytes), ret);
    buf_done(&bytes);
    return e;
}

/* --- the start -------------------------------------------------------------------------------------------------- */

static void
on_exit_of_child(void *arg, struct process *process, const struct process_exit *exit)
{
    struct child *child = arg;
    (void)process;
    child->has_ended = true;
    child->exit = *exit;
    cond_signal(&child->event);
}

static enum err
run(struct child *child, struct inheritance *in)
{
    char name[32];
    snprintf(name, sizeof(name), "godwit-%s", ipc_role_name(child->role));
    const char *argv[] = {name, NULL};
    struct process_spec spec = {
        .executable_fd = child->parent->executables[child->role],
        .argv = argv,
        .envp = child->parent->environment,
        .fds = in->fds,
        .fd_count = in->count,
        .death_signal = SIGKILL,
    };
    child->has_ended = false;
    return process_start(child->parent->rt, &spec, on_exit_of_child, child, &child->process);
}

/* Attach our end of the channel and start the process with the other one. */
static enum err
start_with_channel(struct child *child, struct inheritance *in, int ours, int theirs)
{
    struct parent *parent = child->parent;
    struct packet_socket *socket;
    enum err e = packet_socket_open(parent->rt, ours, &socket);
    if (e != ERR_OK) {
        close(ours);
        return e;
    }
    TRY(ipc_hub_attach(parent->hub, child->role, child->instance, socket));
    int record = -1;
    TRY(start_record(child, in, &record));
    pass_as(in, theirs, ROLE_FD_CHANNEL);
    pass_as(in, record, ROLE_FD_START);
    e = run(child, in);
    close(record);
    return e;
}

enum err
child_start(struct child *child)
{
    struct inheritance *in = calloc(1, sizeof(*in)); /* too large for the stack of a fiber */
    int pair[2];
    if (in == NULL)
        return ERR_LIMIT;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        free(in);
        return err_from_errno(errno);
    }
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        pass_as(in, fd, fd);
    in->next = ROLE_FD_FIRST;
    enum err e = start_with_channel(child, in, pair[0], pair[1]);
    close(pair[1]);
    if (e != ERR_OK)
        ipc_hub_detach(child->parent->hub, child->role, child->instance);
    free(in);
    return e;
}
