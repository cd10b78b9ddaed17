/* sim_cluster.c - see the header: processes, channels between them, restarts. */
#include "sim_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/assert.h"
#include "config/config.h"
#include "control/control.h"
#include "directory/directory.h"
#include "edge/edge.h"
#include "ipc/ipc_messages.h"
#include "local/local.h"
#include "net/command_socket.h"
#include "net/dns_client.h"
#include "net/log.h"
#include "queue/queue.h"
#include "store/maildir/maildir.h"
#include "store/parent_open.h"
#include "store/recipient.h"

enum { MEMBERS_MAX = 16 };

#define CONTROL_PATH "/run/godwit/control.sock"
#define RESTART_NS (200 * NS_PER_MS)
#define BOOT_NS (2 * NS_PER_S)

const struct stream_address sim_cluster_address = {.family = ADDRESS_IPV4, .ip = {192, 0, 2, 1}, .port = 25};

/* One process of the machine. */
struct member {
    struct sim_cluster *cluster;
    struct sim_process *process;
    enum ipc_role role;
    uint16_t instance;
    void (*run)(struct fiber *f, struct role_env *env);
    const char *data_dir;                               /* NULL: none */
    const char *listener;                               /* NULL: none */
    int channel_fd;                                     /* to the parent, of the life that begins */
    int listener_fd;                                    /* likewise, -1: none */
    bool is_up;
    bool is_stopping;
};

struct sim_cluster {
    struct sim_world *world;
    struct disk_sim *disk;
    struct config *config;
    const char *const *accounts;
    struct sim_random chance; /* of restarts and boots */
    struct sim_process *parent;
    struct ipc_hub *parent_hub; /* while the parent runs */
    int mx_fd;                  /* descriptors of the world: the sockets; made at each boot */
    int control_fd;
    bool is_down;
    bool is_over;
    bool has_accounts;
    unsigned deaths;
    unsigned power_cuts;
    unsigned unasked_ends;
    struct member members[MEMBERS_MAX];
    size_t member_count;
};

/* --- a role's process --------------------------------------------------------------------------------------------- */

/* What role_main() of src/net/role.c keeps, as far as the simulation needs it. */
struct life {
    struct member *member;
    struct log log;
    struct role_env env;
    struct role_listener listener;
};

static void
on_stop(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_stop *message, struct arena *mem)
{
    struct life *life = ctx;
    (void)from, (void)mem;
    life->env.stop_by = deadline_in(fiber_rt(f), message->grace_ms * NS_PER_MS);
    rt_stop(fiber_rt(f));
}

static void
on_reconfigure(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_reconfigure *message,
               struct arena *mem)
{
    (void)ctx, (void)from, (void)mem;
    rt_fd_close(fiber_rt(f), message->config);
}

static const struct ipc_system_service system_service = {.stop = on_stop, .reconfigure = on_reconfigure};

static void
on_channel_closed(void *ctx, const struct ipc_closed *closed)
{
    struct life *life = ctx;
    if (closed->role == ROLE_PARENT && closed->why != ERR_CANCELED)
        rt_stop(life->env.rt);
}

static enum err
life_open(struct life *life)
{
    struct member *m = life->member;
    struct rt *rt = life->env.rt;
    struct packet_socket *socket;
    TRY(ipc_hub_new(rt, m->role, m->instance, &life->env.hub));
    ipc_hub_on_closed(life->env.hub, on_channel_closed, life);
    ipc_hub_serve(life->env.hub, &system_service, life);
    TRY(packet_socket_open(rt, m->channel_fd, &socket));
    TRY(ipc_hub_attach(life->env.hub, ROLE_PARENT, 0, socket));
    if (m->data_dir != NULL)
        TRY(disk_dir_open(rt_disk(rt), NULL, m->data_dir, &life->env.data_dir));
    if (m->listener_fd < 0)
        return ERR_OK;
    TRY(listener_open(rt, m->listener_fd, &life->listener.listener));
    life->listener.name = span_from_cstr(m->listener);
    life->env.listeners = &life->listener;
    life->env.listener_count = 1;
    return ERR_OK;
}

static void
member_main(struct fiber *f, void *arg)
{
    struct member *m = arg;
    struct life *life = calloc(1, sizeof(*life));
    ASSERT(life != NULL);
    life->member = m;
    struct log_options options = {.min_severity = LOG_DEBUG, .has_time = true};
    log_init(&life->log, fiber_rt(f), span_from_cstr(ipc_role_name(m->role)), m->instance, options);
    life->env = (struct role_env){.rt = fiber_rt(f), .config = m->cluster->config, .generation = 1, .log = &life->log,
                                  .instance = m->instance, .stop_by = DEADLINE_NEVER};
    if (life_open(life) == ERR_OK) {
        m->run(f, &life->env);
        m->cluster->unasked_ends += sim_process_is_alive(m->process) && !rt_is_stopping(fiber_rt(f));
    }
    ipc_hub_free(f, life->env.hub);
    listener_close(life->listener.listener);
    disk_dir_close(life->env.data_dir);
    free(life);
}

/* --- the stand-ins ------------------------------------------------------------------------------------------------ */

static void
on_role_status(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_role_status *request,
               struct arena *mem, struct ipc_role_status_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;
}

static void
on_dns_lookup(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_dns_lookup *request,
              struct arena *mem, struct ipc_dns_lookup_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem;
    ret->status = DNS_STATUS_NO_NAME;
}

static const struct ipc_resolver_service resolver_service = {
    .dns_lookup = on_dns_lookup, .role_status = on_role_status};

static void
resolver_run(struct fiber *f, struct role_env *env)
{
    ipc_hub_serve(env->hub, &resolver_service, NULL);
    (void)!rt_wait_stop(f, DEADLINE_NEVER);
}

/* --- the operator ------------------------------------------------------------------------------------------------- */

static enum err
request_send(struct fiber *f, struct stream *s, const struct sim_command *command)
{
    struct buf b;
    buf_init(&b, 100000);
    for (size_t i = 0; command->arguments[i] != NULL; i++)
        (void)command_frame_append(&b, COMMAND_ARGUMENT, span_from_cstr(command->arguments[i]));
    enum err e = command_frame_append(&b, COMMAND_GO, SPAN_EMPTY);
    if (e == ERR_OK)
        e = stream_write(f, DEADLINE_NEVER, s, buf_span(&b));
    buf_done(&b);
    return e;
}

static enum err
answer_take(struct sim_command *command, struct span *rest)
{
    struct command_frame frame;
    TRY(command_frame_take(rest, &frame));
    if (frame.kind == COMMAND_OUTPUT)
        return buf_append(&command->output, frame.data);
    if (frame.kind == COMMAND_ERROR)
        return buf_append(&command->errors, frame.data);
    command->status = frame.data.len == 1 ? frame.data.data[0] : EX_PROTOCOL;
    return ERR_OK;
}

static enum err
answer_read(struct fiber *f, struct stream *s, struct sim_command *command)
{
    struct buf input;
    enum err e = ERR_OK;
    buf_init(&input, 1024 * 1024);
    while (e == ERR_OK && command->status < 0) {
        size_t n = 0;
        uint8_t *at = buf_reserve(&input, 4096);
        struct span rest;
        e = at == NULL ? ERR_LIMIT : stream_read(f, deadline_in(fiber_rt(f), 60 * NS_PER_S), s, at, 4096, &n);
        buf_advance(&input, n);
        rest = buf_span(&input);
        while (e == ERR_OK && rest.len > 0)
            e = answer_take(command, &rest);
        buf_consume(&input, input.len - rest.len);
        e = e == ERR_AGAIN ? ERR_OK : e;
    }
    buf_done(&input);
    return e;
}

/* As the `godwit` program does it. */
static void
command_run(struct fiber *f, struct sim_command *command)
{
    struct stream *s = NULL;
    command->status = -1;
    buf_init(&command->output, 1024 * 1024);
    buf_init(&command->errors, 1024 * 1024);
    enum err e = stream_connect_unix(f, DEADLINE_NEVER, CONTROL_PATH, &s);
    if (e == ERR_OK)
        e = request_send(f, s, command);
    if (e == ERR_OK)
        e = answer_read(f, s, command);
    stream_close(s);
    if (command->status < 0)
        command->status = EX_TEMPFAIL;
}

void
sim_command_done(struct sim_command *command)
{
    buf_done(&command->output);
    buf_done(&command->errors);
}

/* True once the account is there. */
static bool
account_make(struct fiber *f, const char *address)
{
    struct sim_command command = {.arguments = {"account-add", address, ""}};
    command_run(f, &command);
    bool is_there = command.status == EX_OK || command.status == EX_CANTCREAT;
    sim_command_done(&command);
    return is_there;
}

static void
accounts_make(struct fiber *f, void *arg)
{
    struct sim_cluster *c = arg;
    for (size_t i = 0; c->accounts[i] != NULL; i++) {
        while (!account_make(f, c->accounts[i])) {
            if (fiber_sleep(f, deadline_in(fiber_rt(f), 100 * NS_PER_MS)) != ERR_OK)
                return;
        }
    }
    c->has_accounts = true;
}

static void
command_main(struct fiber *f, void *arg)
{
    struct sim_command *command = arg;
    command_run(f, command);
    command->is_done = true;
}

static bool
command_is_done(void *arg)
{
    return ((struct sim_command *)arg)->is_done;
}

void
sim_cluster_command(struct sim_cluster *c, struct sim_command *command)
{
    command->is_done = false;
    sim_process_start(sim_process_new(c->world, "operator", NULL), command_main, command);
    ASSERT(sim_run_until(c->world, command_is_done, command, 600 * NS_PER_S));
}

/* --- the parent --------------------------------------------------------------------------------------------------- */

static void
on_ready(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_ready *message, struct arena *mem)
{
    (void)f, (void)ctx, (void)from, (void)message, (void)mem;
}

static void
on_reconfigured(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_reconfigured *message,
                struct arena *mem)
{
    (void)f, (void)ctx, (void)from, (void)message, (void)mem;
}

static void
on_deliver_user(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_deliver_user *request,
                struct arena *mem, struct ipc_deliver_user_reply *ret)
{
    (void)ctx, (void)from, (void)mem;
    rt_fd_close(fiber_rt(f), request->content);
    rt_fd_close(fiber_rt(f), request->file);
    ret->class = DELIVERY_FAILED;
    ret->status = SPAN("5.1.1");
    ret->text = SPAN("no system users here");
}

static void
on_parent_open(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_parent_open *request,
               struct arena *mem, struct ipc_parent_open_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem;
    ret->status = PARENT_OPEN_NOT_FOUND;
}

static void
on_user_name(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_user_name *request, struct arena *mem,
             struct ipc_user_name_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;
}

static void
on_parent_command(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_parent_command *request,
                  struct arena *mem, struct ipc_parent_command_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;
}

static const struct ipc_parent_service parent_service = {
    .ready = on_ready,
    .reconfigured = on_reconfigured,
    .deliver_user = on_deliver_user,
    .parent_open = on_parent_open,
    .user_name = on_user_name,
    .role_status = on_role_status,
    .parent_command = on_parent_command,
};

static void
parent_main(struct fiber *f, void *arg)
{
    struct sim_cluster *c = arg;
    (void)!rt_wait_stop(f, DEADLINE_NEVER);
    struct ipc_hub *hub = c->parent_hub;
    c->parent_hub = NULL;
    ipc_hub_free(f, hub);
}

/* Give two processes the ends of a new channel. */
static void
members_connect(struct sim_cluster *c, struct member *a, struct member *b)
{
    int end_a, end_b;
    struct rt *rt = sim_rt(c->parent);
    struct ipc_link *to_a = ipc_hub_link_to(c->parent_hub, a->role, a->instance);
    struct ipc_link *to_b = ipc_hub_link_to(c->parent_hub, b->role, b->instance);
    sim_packet_pair(c->world, c->parent, &end_a, c->parent, &end_b);
    struct ipc_endpoint for_a = {.role = (uint8_t)b->role, .instance = b->instance, .channel = end_a};
    struct ipc_endpoint for_b = {.role = (uint8_t)a->role, .instance = a->instance, .channel = end_b};
    (void)!ipc_post_endpoint(to_a, &for_a); /* whoever has closed its channel is about to end */
    (void)!ipc_post_endpoint(to_b, &for_b);
    rt_fd_close(rt, end_a);
    rt_fd_close(rt, end_b);
}

static void
member_start(struct member *m)
{
    struct sim_cluster *c = m->cluster;
    struct packet_socket *socket;
    int parent_fd;
    sim_packet_pair(c->world, c->parent, &parent_fd, m->process, &m->channel_fd);
    ASSERT(packet_socket_open(sim_rt(c->parent), parent_fd, &socket) == ERR_OK);
    ASSERT(ipc_hub_attach(c->parent_hub, m->role, m->instance, socket) == ERR_OK);
    m->listener_fd = -1;
    if (m->listener != NULL)
        m->listener_fd = sim_fd_give(c->world, m->role == ROLE_EDGE ? c->mx_fd : c->control_fd, m->process);
    m->is_up = true;
    m->is_stopping = false;
    sim_process_start(m->process, member_main, m);
    for (size_t i = 0; i < c->member_count; i++) {
        struct member *other = &c->members[i];
        if (other != m && other->is_up && ipc_role_talks_to(m->role, other->role))
            members_connect(c, m, other);
    }
}

static void
member_restart(void *arg)
{
    struct member *m = arg;
    if (!m->cluster->is_down && !m->is_up)
        member_start(m);
}

static void
machine_boot(void *arg)
{
    struct sim_cluster *c = arg;
    c->is_down = false;
    c->mx_fd = sim_listener(c->world, "mx", &sim_cluster_address);
    c->control_fd = sim_listener(c->world, CONTROL_PATH, NULL);
    sim_process_start(c->parent, parent_main, c);
    ASSERT(ipc_hub_new(sim_rt(c->parent), ROLE_PARENT, 0, &c->parent_hub) == ERR_OK);
    ipc_hub_serve(c->parent_hub, &parent_service, c);
    for (size_t i = 0; i < c->member_count; i++)
        member_start(&c->members[i]);
}

static void
machine_reboot(void *arg)
{
    struct sim_cluster *c = arg;
    disk_sim_reboot(c->disk, sim_random_next(&c->chance));
    machine_boot(c);
}

/* --- deaths ------------------------------------------------------------------------------------------------------- */

static int64_t
delay_ns(struct sim_cluster *c, int64_t about_ns)
{
    return (int64_t)sim_random_below(&c->chance, (uint64_t)(2 * about_ns));
}

static void
on_member_exit(void *arg, struct sim_process *p, enum sim_exit how)
{
    struct member *m = arg;
    struct sim_cluster *c = m->cluster;
    (void)p;
    m->is_up = false;
    if (c->is_over || how == SIM_EXIT_POWER)
        return;
    c->deaths += how != SIM_EXIT_RETURNED || !m->is_stopping;
    m->is_stopping = false;
    sim_at(c->world, delay_ns(c, RESTART_NS), member_restart, m);
}

static void
on_parent_exit(void *arg, struct sim_process *p, enum sim_exit how)
{
    struct sim_cluster *c = arg;
    (void)p, (void)how;
    if (c->is_over)
        return;
    ASSERT(how == SIM_EXIT_POWER);
    c->power_cuts++;
    c->is_down = true;
    sim_fd_close(c->world, c->mx_fd);
    sim_fd_close(c->world, c->control_fd);
    sim_at(c->world, delay_ns(c, BOOT_NS), machine_reboot, c);
}

static struct member *
member_find(struct sim_cluster *c, enum ipc_role role, uint16_t instance)
{
    for (size_t i = 0; i < c->member_count; i++) {
        if (c->members[i].role == role && c->members[i].instance == instance)
            return &c->members[i];
    }
    return NULL;
}

void
sim_cluster_kill(struct sim_cluster *c, enum ipc_role role, uint16_t instance)
{
    struct member *m = member_find(c, role, instance);
    if (m != NULL && m->is_up)
        sim_process_kill(m->process);
}

void
sim_cluster_kill_after(struct sim_cluster *c, enum ipc_role role, uint16_t instance, uint64_t steps)
{
    struct member *m = member_find(c, role, instance);
    if (m != NULL && m->is_up)
        sim_process_kill_after(m->process, steps);
}

void
sim_cluster_stop(struct sim_cluster *c, enum ipc_role role, uint16_t instance, uint32_t grace_ms)
{
    struct member *m = member_find(c, role, instance);
    struct ipc_stop stop = {.grace_ms = grace_ms};
    if (m == NULL || !m->is_up)
        return;
    m->is_stopping = ipc_post_stop(ipc_hub_link_to(c->parent_hub, role, instance), &stop) == ERR_OK;
}

void
sim_cluster_cut_power(struct sim_cluster *c)
{
    if (!c->is_down)
        sim_power_cut(c->world, c->disk);
}

void
sim_cluster_cut_power_after(struct sim_cluster *c, uint64_t steps)
{
    disk_sim_crash_at(c->disk, disk_sim_steps(c->disk) + 1 + steps);
}

/* --- making and ending -------------------------------------------------------------------------------------------- */

static struct config *
config_of(const char *text)
{
    struct config_sources sources;
    struct config_problems problems;
    struct config *config = NULL;
    config_sources_init(&sources);
    config_problems_init(&problems);
    ASSERT(config_sources_from_text(&sources, SPAN("/sim.conf"), span_from_cstr(text)) == ERR_OK);
    if (config_parse(&sources, &problems, &config) != ERR_OK) {
        struct buf b;
        buf_init(&b, 100000);
        (void)!config_problems_print(&problems, &b);
        fprintf(stderr, SPAN_FMT, SPAN_ARG(buf_span(&b)));
        abort();
    }
    config_problems_done(&problems);
    config_sources_done(&sources);
    return config;
}

static void
member_add(struct sim_cluster *c, enum ipc_role role, uint16_t instance, void (*run)(struct fiber *, struct role_env *),
           const char *data_dir, const char *listener)
{
    ASSERT(c->member_count < MEMBERS_MAX);
    struct member *m = &c->members[c->member_count++];
    *m = (struct member){
        .cluster = c, .role = role, .instance = instance, .run = run, .data_dir = data_dir, .listener = listener};
    char name[32];
    (void)snprintf(name, sizeof(name), "%s.%u", ipc_role_name(role), instance);
    m->process = sim_process_new(c->world, name, c->disk);
    sim_process_on_exit(m->process, on_member_exit, m);
}

/* The directories that installation makes, durable. */
static void
directories_make(struct sim_cluster *c)
{
    static const char *const names[] = {"queue", "local", "directory", "control"};
    struct disk_dir *root;
    ASSERT(disk_dir_open(disk_sim_disk(c->disk), NULL, "/", &root) == ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        ASSERT(disk_mkdir(root, names[i]) == ERR_OK);
    ASSERT(disk_dir_sync(root) == ERR_OK);
    disk_dir_close(root);
}

struct sim_cluster *
sim_cluster_new(const struct sim_cluster_options *options)
{
    struct sim_cluster *c = calloc(1, sizeof(*c));
    ASSERT(c != NULL);
    c->world = sim_world_new(options->seed);
    c->disk = disk_sim_new(options->seed + 1);
    c->chance = (struct sim_random){options->seed + 2};
    c->config = config_of(options->config);
    c->accounts = options->accounts;
    const struct disk_sim_latency latency = {
        .call_ns = 2 * NS_PER_US, .byte_ps = 200, .sync_ns = 300 * NS_PER_US, .sync_byte_ps = 2000};
    disk_sim_set_latency(c->disk, &latency);
    directories_make(c);
    c->parent = sim_process_new(c->world, "parent", c->disk);
    sim_process_on_exit(c->parent, on_parent_exit, c);
    member_add(c, ROLE_RESOLVER, 0, resolver_run, NULL, NULL);
    member_add(c, ROLE_DIRECTORY, 0, directory_run, "/directory", NULL);
    member_add(c, ROLE_QUEUE, 0, queue_run, "/queue", NULL);
    member_add(c, ROLE_LOCAL, 0, local_run, "/local", NULL);
    member_add(c, ROLE_CONTROL, 0, control_run, "/control", "control");
    for (unsigned i = 0; i < options->edges; i++)
        member_add(c, ROLE_EDGE, (uint16_t)i, edge_run, NULL, "mx");
    machine_boot(c);
    sim_process_start(sim_process_new(c->world, "operator", NULL), accounts_make, c);
    return c;
}

void
sim_cluster_free(struct sim_cluster *c)
{
    c->is_over = true;
    sim_world_free(c->world);
    disk_sim_free(c->disk);
    config_free(c->config);
    free(c);
}

struct sim_world *
sim_cluster_world(struct sim_cluster *c)
{
    return c->world;
}

struct disk_sim *
sim_cluster_disk(struct sim_cluster *c)
{
    return c->disk;
}

static bool
has_accounts(void *arg)
{
    return ((struct sim_cluster *)arg)->has_accounts;
}

bool
sim_cluster_settle(struct sim_cluster *c)
{
    return sim_run_until(c->world, has_accounts, c, 60 * NS_PER_S);
}

unsigned
sim_cluster_deaths(const struct sim_cluster *c)
{
    return c->deaths;
}

unsigned
sim_cluster_power_cuts(const struct sim_cluster *c)
{
    return c->power_cuts;
}

unsigned
sim_cluster_unasked_ends(const struct sim_cluster *c)
{
    return c->unasked_ends;
}

void
sim_cluster_print_logs(struct sim_cluster *c)
{
    for (size_t i = 0; i < c->member_count; i++) {
        struct span log = sim_process_log(c->members[i].process);
        size_t skipped = log.len > 4000 ? log.len - 4000 : 0;
        const char *name = sim_process_name(c->members[i].process);
        fprintf(stderr, "--- %s\n" SPAN_FMT, name, SPAN_ARG(span_skip(log, skipped)));
    }
}

/* --- looking into mailboxes --------------------------------------------------------------------------------------- */

struct mailbox_walk {
    struct disk_dir *dir;
    void (*each)(void *arg, struct span content);
    void *arg;
};

static bool
mailbox_file(void *arg, const char *name)
{
    struct mailbox_walk *walk = arg;
    struct disk_file *file;
    struct disk_stat st;
    size_t n = 0;
    ASSERT(disk_open(walk->dir, name, DISK_READ, &file) == ERR_OK);
    ASSERT(disk_stat_file(file, &st) == ERR_OK);
    uint8_t *data = malloc(st.size_bytes + 1);
    ASSERT(data != NULL && disk_pread(file, 0, data, st.size_bytes, &n) == ERR_OK);
    walk->each(walk->arg, span_of(data, n));
    free(data);
    disk_close(file);
    return true;
}

void
sim_cluster_mailbox(struct sim_cluster *c, const char *address, void (*each)(void *arg, struct span content), void *arg)
{
    static const char *const folders[] = {"new", "cur"};
    char mailbox[MAILDIR_PATH_MAX], path[MAILDIR_PATH_MAX + 20];
    ASSERT(maildir_path_format(span_from_cstr(address), mailbox) == ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        struct mailbox_walk walk = {.each = each, .arg = arg};
        (void)snprintf(path, sizeof(path), "/local/%s/%s", mailbox, folders[i]);
        if (disk_dir_open(disk_sim_disk(c->disk), NULL, path, &walk.dir) != ERR_OK)
            continue;
        ASSERT(disk_dir_list(walk.dir, mailbox_file, &walk) == ERR_OK);
        disk_dir_close(walk.dir);
    }
}
