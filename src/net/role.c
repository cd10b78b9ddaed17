/*
 * role.c - the life of a role's process, from the descriptors it inherits to its exit status.
 *
 * The order is the point: the start record is read, the sandbox is entered, and only then is there a thread, a socket
 * or a byte that somebody else wrote. After that it is wiring: the channel to the parent, stop and reconfigure, the
 * log.
 */
#include "net/role.h"

#include "base/assert.h"
#include "config/config.h"
#include "ipc/ipc_messages.h"
#include "rt/disk.h"
#include "rt/rt_real.h"
#include "rt/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    EXIT_ENDED_UNASKED = 70,
    EXIT_SYSTEM = 71,
    EXIT_NOT_UNDERSTOOD = 78,
    EXIT_SKIPPED = 77,
    START_BYTES_MAX = IPC_START_CONFIG_MAX + 1024 * 1024,
    START_MEM_BYTES = 1024 * 1024,
};

/* A configuration that was replaced, kept for those who began under it. */
struct old_config {
    struct list node;
    struct config *config;
    int64_t replaced_at_ns;
};

/* Everything of one role's process; lives in role_main(). */
struct process {
    const struct role_desc *desc;
    struct buf start_bytes; /* what `start` borrows from */
    struct arena mem;
    struct ipc_start start;
    struct sandbox_report sandbox;
    struct rt *rt;
    struct config *config;
    struct list old_configs;
    struct ipc_link *parent;
    struct log log;
    struct role_env env;
    int exit_status;
};

enum { COMMAND_NAME_MAX = 16 /* of the kernel, NUL included */ };

/* The log does not exist yet, or no longer: one line in its style on standard error. */
static int
give_up(const struct role_desc *desc, int status, const char *phase, const char *detail)
{
    fprintf(stderr, "event=internal-fault severity=error origin=%s phase=%s detail=\"%s\"\n",
            ipc_role_name(desc->role), phase, detail);
    return status;
}

/* --- what the parent left for us -------------------------------------------------------------------------------- */

static enum err
read_file(int fd, struct buf *to)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > START_BYTES_MAX)
        return ERR_IO;
    size_t size = (size_t)st.st_size;
    uint8_t *at = buf_reserve(to, size);
    if (at == NULL)
        return ERR_LIMIT;
    while (to->len < size) {
        ssize_t n = pread(fd, to->data + to->len, size - to->len, (off_t)to->len);
        if (n <= 0)
            return ERR_IO;
        buf_advance(to, (size_t)n);
    }
    return ERR_OK;
}

static const char *
read_start(struct process *p)
{
    if (read_file(ROLE_FD_START, &p->start_bytes) != ERR_OK)
        return "no start record: started by hand, not by the parent?";
    (void)close(ROLE_FD_START);
    if (ipc_start_decode(buf_span(&p->start_bytes), &p->mem, &p->start) != ERR_OK || p->start.protocol != ipc_protocol)
        return "the start record is from another build";
    if (p->start.role != (uint8_t)p->desc->role)
        return "the start record is for another role";
    return NULL;
}

static const char *
read_config(struct process *p)
{
    struct config_sources sources;
    struct config_problems problems;
    config_sources_init(&sources);
    config_problems_init(&problems);
    enum err e = config_sources_unpack(p->start.config, &sources);
    if (e == ERR_OK)
        e = config_parse(&sources, &problems, &p->config);
    config_problems_done(&problems);
    config_sources_done(&sources);
    return e == ERR_OK ? NULL : "the configuration does not parse, though it did for the parent";
}

/* --- the sandbox ------------------------------------------------------------------------------------------------ */

/* For a debugger (docs/debugging.md): an ordinary user may run without filters. As root the sandbox is not optional. */
static bool
is_sandbox_unwanted(void)
{
    return geteuid() != 0 && getenv("GODWIT_NO_SANDBOX") != NULL;
}

static enum err
enter_sandbox(struct process *p)
{
    if (is_sandbox_unwanted()) {
        p->sandbox = (struct sandbox_report){.uid = geteuid(), .gid = getegid()};
        return ERR_OK;
    }
    struct span role = span_from_cstr(ipc_role_name(p->desc->role));
    uint16_t root = p->start.data_dir != ROLE_FD_NONE ? p->start.data_dir : p->start.empty_dir;
    struct sandbox_spec spec = {
        .role = role,
        .root_fd = root == ROLE_FD_NONE ? -1 : root,
        .changes_ids = p->start.uid != 0,
        .uid = p->start.uid,
        .gid = p->start.gid,
        .death_signal = SIGKILL,
        .connects = p->start.connects,
    };
    return sandbox_enter(&spec, &p->sandbox);
}

static int
sandbox_test(const struct role_desc *desc)
{
    if (desc->warm_up != NULL)
        desc->warm_up();
    struct span role = span_from_cstr(ipc_role_name(desc->role));
    struct sandbox_spec spec = {.role = role, .root_fd = -1};
    struct sandbox_report report;
    if (sandbox_enter(&spec, &report) != ERR_OK)
        return give_up(desc, EXIT_SYSTEM, "sandbox", "it cannot be entered");
    unsigned refused = sandbox_self_test(), expected = sandbox_expected_refusals(role, false);
    printf("role=%s seccomp=%d landlock=%u socket=%d connect=%d execve=%d ptrace=%d passwd=%d\n",
           ipc_role_name(desc->role),
           report.has_seccomp, report.landlock_abi, (refused & SANDBOX_REFUSES_SOCKET) != 0,
           (refused & SANDBOX_REFUSES_CONNECT) != 0, (refused & SANDBOX_REFUSES_EXECVE) != 0,
           (refused & SANDBOX_REFUSES_PTRACE) != 0, (refused & SANDBOX_REFUSES_PASSWD) != 0);
    fflush(stdout);
    if (!report.has_seccomp || report.landlock_abi == 0)
        return EXIT_SKIPPED;
    return (refused & expected) == expected ? 0 : 1;
}

/* --- the parent's wishes ---------------------------------------------------------------------------------------- */

static void
on_stop(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_stop *message, struct arena *mem)
{
    struct process *p = ctx;
    (void)f, (void)from, (void)mem;
    p->env.stop_by = deadline_in(p->rt, message->grace_ms * NS_PER_MS);
    p->env.is_superseded = message->is_superseded;
    if (rt_is_stopping(p->rt) && p->env.on_stop != NULL)
        p->env.on_stop(p->env.on_stop_ctx);
    rt_stop(p->rt);
}

/* One reading of a new configuration, done in the thread pool. */
struct reading {
    struct rt *rt;
    int fd;
    struct config *config;
    enum err result;
};

static enum err
read_new_config(struct reading *r, struct buf *bytes, struct config_sources *sources, struct config_problems *problems)
{
    struct disk_file *file;
    struct disk_stat stat;
    TRY(disk_open_fd(rt_disk(r->rt), r->fd, &file));
    r->fd = -1;
    enum err e = disk_stat_file(file, &stat);
    if (e == ERR_OK && stat.size_bytes > START_BYTES_MAX)
        e = ERR_LIMIT;
    uint8_t *at = e == ERR_OK ? buf_reserve(bytes, (size_t)stat.size_bytes) : NULL;
    size_t n = 0;
    if (e == ERR_OK)
        e = at == NULL ? ERR_LIMIT : disk_pread(file, 0, at, (size_t)stat.size_bytes, &n);
    disk_close(file);
    TRY(e);
    buf_advance(bytes, n);
    TRY(config_sources_unpack(buf_span(bytes), sources));
    return config_parse(sources, problems, &r->config);
}

static void
reading_job(void *arg)
{
    struct reading *r = arg;
    struct config_sources sources;
    struct config_problems problems;
    struct buf bytes;
    config_sources_init(&sources);
    config_problems_init(&problems);
    buf_init(&bytes, START_BYTES_MAX);
    r->result = read_new_config(r, &bytes, &sources, &problems);
    buf_done(&bytes);
    config_problems_done(&problems);
    config_sources_done(&sources);
}

static void
free_old_configs(struct process *p, int64_t replaced_before_ns)
{
    LIST_FOR_EACH(node, &p->old_configs) {
        struct old_config *old = CONTAINER_OF(node, struct old_config, node);
        if (old->replaced_at_ns > replaced_before_ns)
            continue;
        list_unlink(&old->node);
        config_free(old->config);
        free(old);
    }
}

static enum err
use_config(struct process *p, struct config *config, uint32_t generation)
{
    struct old_config *old = malloc(sizeof(*old));
    if (old == NULL)
        return ERR_LIMIT;
    int64_t now_ns = rt_now_ns(p->rt);
    *old = (struct old_config){.config = p->config, .replaced_at_ns = now_ns};
    list_append(&p->old_configs, &old->node);
    p->config = config;
    p->env.config = config;
    p->env.generation = generation;
    p->log.options = role_log_options(config);
    if (p->env.on_reconfigure != NULL)
        p->env.on_reconfigure(p->env.on_reconfigure_ctx);
    free_old_configs(p, now_ns - ROLE_CONFIG_KEEP_S * NS_PER_S);
    log_write(&p->log, LOG_CONFIG_LOADED, LOG_U64(KEY_GENERATION, generation));
    return ERR_OK;
}

static void
on_reconfigure(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_reconfigure *message,
               struct arena *mem)
{
    struct process *p = ctx;
    (void)from, (void)mem;
    struct reading reading = {.rt = p->rt, .fd = message->config, .result = ERR_LIMIT};
    enum err e = rt_pool_run(f, reading_job, &reading);
    if (e == ERR_OK)
        e = reading.result;
    rt_fd_close(p->rt, reading.fd);
    if (e == ERR_OK)
        e = use_config(p, reading.config, message->generation);
    if (e != ERR_OK)
        config_free(reading.config);
    struct ipc_reconfigured answer = {.generation = message->generation,
                                      .reason = e == ERR_OK ? SPAN_EMPTY : span_from_cstr(err_name(e))};
    (void)!ipc_post_reconfigured(p->parent, &answer);
}

static const struct ipc_system_service system_service = {.stop = on_stop, .reconfigure = on_reconfigure};

static void
on_channel_closed(void *ctx, const struct ipc_closed *closed)
{
    struct process *p = ctx;
    struct span role = span_from_cstr(ipc_role_name(closed->role));
    if (closed->why == ERR_PROTOCOL)
        log_write(&p->log, LOG_PEER_PROTOCOL, LOG_TEXT(KEY_ROLE, role), LOG_U64(KEY_INSTANCE, closed->instance),
                  LOG_CSTR(KEY_NAME, closed->message_name));
    else if (!closed->was_orderly && !closed->was_replaced && !rt_is_stopping(p->rt))
        log_write(&p->log, LOG_PEER_LOST, LOG_TEXT(KEY_ROLE, role), LOG_U64(KEY_INSTANCE, closed->instance),
                  LOG_ERR(KEY_ERROR, closed->why));
    if (closed->role == ROLE_PARENT && closed->why != ERR_CANCELED) {
        p->env.stop_by = (struct deadline){rt_now_ns(p->rt)};
        p->env.is_superseded = false;
        rt_stop(p->rt);
    }
}

/* --- running ---------------------------------------------------------------------------------------------------- */

/* Tell the parent when the role serves. */
static void
report_ready(struct fiber *f, void *arg)
{
    struct process *p = arg;
    if (ipc_hub_wait_served(f, DEADLINE_NEVER, p->env.hub) != ERR_OK)
        return;
    struct ipc_ready ready = {.has_seccomp = p->sandbox.has_seccomp, .landlock_abi = p->sandbox.landlock_abi,
                              .root = (uint8_t)p->sandbox.root, .uid = p->sandbox.uid,
                              .reconfigures = p->env.on_reconfigure != NULL};
    if (ipc_post_ready(p->parent, &ready) == ERR_OK)
        log_write(&p->log, LOG_ROLE_READY, LOG_U64(KEY_GENERATION, p->env.generation), LOG_U64(KEY_UID, p->sandbox.uid),
                  LOG_U64(KEY_SECCOMP, p->sandbox.has_seccomp), LOG_U64(KEY_LANDLOCK, p->sandbox.landlock_abi));
}

/* A stop that came as a signal has the configured grace. */
static void
watch_stop(struct fiber *f, void *arg)
{
    struct process *p = arg;
    if (rt_wait_stop(f, DEADLINE_NEVER) != ERR_OK)
        return;
    if (p->env.stop_by.at_ns == DEADLINE_NEVER.at_ns)
        p->env.stop_by = deadline_in(p->rt, config_duration_ns(p->config->stop_grace_ms));
    log_write(&p->log, LOG_ROLE_STOPPING);
}

static enum err
open_channel(struct process *p)
{
    struct packet_socket *socket;
    TRY(ipc_hub_new(p->rt, p->desc->role, p->start.instance, &p->env.hub));
    ipc_hub_on_closed(p->env.hub, on_channel_closed, p);
    ipc_hub_serve(p->env.hub, &system_service, p);
    p->parent = ipc_hub_link(p->env.hub, ROLE_PARENT);
    TRY(packet_socket_open(p->rt, ROLE_FD_CHANNEL, &socket));
    return ipc_hub_attach(p->env.hub, ROLE_PARENT, 0, socket);
}

static enum err
open_descriptors(struct process *p)
{
    if (p->start.data_dir != ROLE_FD_NONE)
        TRY(disk_dir_open_fd(rt_disk(p->rt), p->start.data_dir, &p->env.data_dir));
    p->env.listeners = arena_alloc(&p->mem, p->start.listeners_count * sizeof(*p->env.listeners));
    if (p->env.listeners == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < p->start.listeners_count; i++) {
        struct role_listener *listener = &p->env.listeners[i];
        TRY(listener_open(p->rt, p->start.listeners[i].descriptor, &listener->listener));
        listener->name = p->start.listeners[i].name;
        p->env.listener_count++;
    }
    return ERR_OK;
}

void
role_listeners_close(struct role_env *env)
{
    for (size_t i = 0; i < env->listener_count; i++) {
        listener_close(env->listeners[i].listener);
        env->listeners[i].listener = NULL;
    }
}

static void
run_role(struct fiber *f, struct process *p)
{
    struct fiber_group group;
    fiber_group_init(&group, f);
    if (fiber_group_spawn(&group, "role.stop", watch_stop, p) == ERR_OK &&
        fiber_group_spawn(&group, "role.ready", report_ready, p) == ERR_OK) {
        p->desc->run(f, &p->env);
        p->exit_status = rt_is_stopping(p->rt) ? 0 : EXIT_ENDED_UNASKED;
    }
    ipc_hub_free(f, p->env.hub);
    p->env.hub = NULL;
    fiber_group_end(f, &group);
    log_write(&p->log, LOG_ROLE_STOPPED, LOG_I64(KEY_EXIT_STATUS, p->exit_status));
}

static void
process_run(struct fiber *f, void *arg)
{
    struct process *p = arg;
    enum err e = open_channel(p);
    if (e == ERR_OK)
        e = open_descriptors(p);
    if (e == ERR_OK)
        run_role(f, p);
    else
        give_up(p->desc, EXIT_SYSTEM, "start", err_name(e));
    ipc_hub_free(f, p->env.hub);
    role_listeners_close(&p->env);
    if (p->env.data_dir != NULL)
        disk_dir_close(p->env.data_dir);
}

struct log_options
role_log_options(const struct config *config)
{
    bool has_journal = getenv("JOURNAL_STREAM") != NULL;
    return (struct log_options){
        .min_severity = (enum log_severity)config->log.level.value,
        .is_json = config->log.format.value == CONFIG_LOG_JSON,
        .has_time = !has_journal,
        .has_priority = has_journal,
    };
}

static int
start_and_run(struct process *p)
{
    const char *trouble = read_start(p);
    if (trouble != NULL)
        return give_up(p->desc, EXIT_NOT_UNDERSTOOD, "start", trouble);
    if (p->desc->warm_up != NULL)
        p->desc->warm_up();
    enum err e = enter_sandbox(p);
    if (e != ERR_OK)
        return give_up(p->desc, EXIT_SYSTEM, "sandbox", err_name(e));
    trouble = read_config(p);
    if (trouble != NULL)
        return give_up(p->desc, EXIT_NOT_UNDERSTOOD, "configuration", trouble);
    struct rt_real_options options = {.log_fd = STDERR_FILENO, .catches_signals = true};
    e = rt_real_new(&options, &p->rt);
    if (e != ERR_OK)
        return give_up(p->desc, EXIT_SYSTEM, "runtime", err_name(e));
    log_init(&p->log, p->rt, span_from_cstr(ipc_role_name(p->desc->role)), p->start.instance,
             role_log_options(p->config));
    p->env = (struct role_env){.rt = p->rt, .config = p->config, .generation = p->start.generation, .log = &p->log,
                               .instance = p->start.instance, .stop_by = DEADLINE_NEVER};
    p->exit_status = EXIT_SYSTEM;
    e = rt_real_run(p->rt, process_run, p);
    return e == ERR_OK ? p->exit_status : give_up(p->desc, EXIT_SYSTEM, "runtime", err_name(e));
}

int
role_main(int argc, char **argv, const struct role_desc *desc)
{
    if (argc == 2 && strcmp(argv[1], "--sandbox-test") == 0)
        return sandbox_test(desc);
    char name[COMMAND_NAME_MAX];
    snprintf(name, sizeof(name), "godwit-%.8s", ipc_role_name(desc->role));
    (void)prctl(PR_SET_NAME, name); /* run by descriptor, a process is named after that */
    /* Out of the terminal's reach: Ctrl-C is for the parent, which ends its children in order. */
    (void)setsid();
    (void)signal(SIGHUP, SIG_IGN);
    (void)umask(077);
    struct process p = {.desc = desc};
    buf_init(&p.start_bytes, START_BYTES_MAX);
    arena_init(&p.mem, START_MEM_BYTES);
    list_init(&p.old_configs);
    int status = start_and_run(&p);
    rt_real_free(p.rt);
    free_old_configs(&p, INT64_MAX);
    config_free(p.config);
    arena_clear(&p.mem);
    buf_done(&p.start_bytes);
    return status;
}
