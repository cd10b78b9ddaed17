/*
 * role_world.h - one real role in the simulation, with a test that plays everybody who talks to it.
 *
 * Three processes: the role, run by its own x_run(); the parent, played by the test's service table; and the client, in
 * which the test's script runs as a fiber and calls the role through hubs of any role it likes. All on one simulated
 * disk.
 */
#ifndef GODWIT_TESTS_UNIT_ROLE_WORLD_H
#define GODWIT_TESTS_UNIT_ROLE_WORLD_H

#include "check.h"

#include "config/config.h"
#include "ipc/ipc_messages.h"
#include "net/log.h"
#include "net/role.h"
#include "rt/rt_sim.h"

enum { ROLE_WORLD_HUBS_MAX = 4 };

#define ok(call) assert_int_equal((call), ERR_OK)

struct role_world {
    /* The test's. */
    const char *config_text;
    enum ipc_role role;
    void (*run)(struct fiber *f, struct role_env *env);
    struct ipc_parent_service parent_service; /* what is not set does nothing */
    void *parent_ctx;
    void (*script)(struct fiber *f, struct role_world *w);
    void *script_ctx;
    uint64_t seed;

    struct sim_world *world;
    struct disk_sim *disk;      /* kept between runs of one role_world unless NULL at the start */
    struct sim_process *role_process, *parent_process, *client_process;
    struct config *config;
    struct log log;
    struct role_env env;
    struct ipc_hub *parent_hub;
    struct ipc_hub *client_hubs[ROLE_WORLD_HUBS_MAX];
    size_t client_hub_count;
    bool is_done;
    bool has_role_ended;
};

static inline void
role_world_on_ready(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_ready *message,
                    struct arena *mem)
{
    (void)f, (void)ctx, (void)from, (void)message, (void)mem;
}

static inline void
role_world_on_reconfigured(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_reconfigured *message,
                           struct arena *mem)
{
    (void)f, (void)ctx, (void)from, (void)message, (void)mem;
}

static inline void
role_world_on_deliver_user(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_deliver_user *request,
                           struct arena *mem, struct ipc_deliver_user_reply *ret)
{
    (void)ctx, (void)from, (void)mem, (void)ret;
    rt_fd_close(fiber_rt(f), request->content);
    rt_fd_close(fiber_rt(f), request->file);
}

static inline void
role_world_on_parent_open(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_parent_open *request,
                          struct arena *mem, struct ipc_parent_open_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem;
    ret->status = 1; /* not found */
}

static inline void
role_world_on_role_status(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_role_status *request,
                          struct arena *mem, struct ipc_role_status_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;
}

static inline void
role_world_on_user_name(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_user_name *request,
                        struct arena *mem, struct ipc_user_name_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;
}

static inline void
role_world_on_parent_command(struct fiber *f, void *ctx, struct ipc_peer *from,
                             const struct ipc_parent_command *request, struct arena *mem,
                             struct ipc_parent_command_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;
}

static inline void
role_world_parent_fill(struct ipc_parent_service *s)
{
    s->ready = s->ready != NULL ? s->ready : role_world_on_ready;
    s->reconfigured = s->reconfigured != NULL ? s->reconfigured : role_world_on_reconfigured;
    s->deliver_user = s->deliver_user != NULL ? s->deliver_user : role_world_on_deliver_user;
    s->parent_open = s->parent_open != NULL ? s->parent_open : role_world_on_parent_open;
    s->user_name = s->user_name != NULL ? s->user_name : role_world_on_user_name;
    s->role_status = s->role_status != NULL ? s->role_status : role_world_on_role_status;
    s->parent_command = s->parent_command != NULL ? s->parent_command : role_world_on_parent_command;
}

static inline struct config *
role_world_config(const char *text)
{
    struct config_sources sources;
    struct config_problems problems;
    struct config *config = NULL;
    config_sources_init(&sources);
    config_problems_init(&problems);
    ok(config_sources_from_text(&sources, SPAN("/etc/godwit/godwit.conf"), span_from_cstr(text)));
    ok(config_parse(&sources, &problems, &config));
    config_problems_done(&problems);
    config_sources_done(&sources);
    return config;
}

/* Join two hubs of two processes by a channel. */
static inline void
role_world_join(struct role_world *w, struct sim_process *a, struct ipc_hub *hub_a, enum ipc_role role_a,
                struct sim_process *b, struct ipc_hub *hub_b, enum ipc_role role_b)
{
    int fd_a, fd_b;
    struct packet_socket *socket_a, *socket_b;
    sim_packet_pair(w->world, a, &fd_a, b, &fd_b);
    ok(packet_socket_open(sim_rt(a), fd_a, &socket_a));
    ok(packet_socket_open(sim_rt(b), fd_b, &socket_b));
    ok(ipc_hub_attach(hub_a, role_b, 0, socket_a));
    ok(ipc_hub_attach(hub_b, role_a, 0, socket_b));
}

/* The link to the role, as a process of role `self` has it. From the script. */
static inline struct ipc_link *
role_world_link(struct role_world *w, enum ipc_role self)
{
    struct ipc_hub *hub;
    assert_true(w->client_hub_count < ROLE_WORLD_HUBS_MAX);
    ok(ipc_hub_new(sim_rt(w->client_process), self, 0, &hub));
    w->client_hubs[w->client_hub_count++] = hub;
    role_world_join(w, w->client_process, hub, self, w->role_process, w->env.hub, w->role);
    return ipc_hub_link(hub, w->role);
}

static inline void
role_world_role_main(struct fiber *f, void *arg)
{
    struct role_world *w = arg;
    ok(disk_dir_open(rt_disk(fiber_rt(f)), NULL, "/data", &w->env.data_dir));
    w->run(f, &w->env);
    ipc_hub_free(f, w->env.hub);
    disk_dir_close(w->env.data_dir);
    w->has_role_ended = true;
}

static inline void
role_world_parent_main(struct fiber *f, void *arg)
{
    struct role_world *w = arg;
    (void)!rt_wait_stop(f, DEADLINE_NEVER);
    ipc_hub_free(f, w->parent_hub);
}

static inline void
role_world_client_main(struct fiber *f, void *arg)
{
    struct role_world *w = arg;
    w->script(f, w);
    for (size_t i = 0; i < w->client_hub_count; i++)
        ipc_hub_free(f, w->client_hubs[i]);
    w->is_done = true;
}

static inline bool
role_world_is_done(void *arg)
{
    const struct role_world *w = arg;
    return w->is_done;
}

static inline bool
role_world_has_ended(void *arg)
{
    const struct role_world *w = arg;
    return w->has_role_ended;
}

/*
 * Run the script against the role, then stop the role. Fails when the script does not end within `for_s` of virtual
 * time, when the role does not end, or when descriptors or fibers are left.
 */
static inline void
role_world_run(struct role_world *w, int64_t for_s)
{
    struct disk_dir *root;
    w->world = sim_world_new(w->seed);
    if (w->disk == NULL)
        w->disk = disk_sim_new(w->seed);
    w->is_done = w->has_role_ended = false;
    w->client_hub_count = 0;
    w->role_process = sim_process_new(w->world, "role", w->disk);
    w->parent_process = sim_process_new(w->world, "parent", w->disk);
    w->client_process = sim_process_new(w->world, "client", w->disk);
    ok(disk_dir_open(disk_sim_disk(w->disk), NULL, "/", &root));
    enum err e = disk_mkdir(root, "data");
    assert_true(e == ERR_OK || e == ERR_EXISTS);
    ok(disk_dir_sync(root));
    disk_dir_close(root);
    w->config = role_world_config(w->config_text);
    struct rt *rt = sim_rt(w->role_process);
    log_init(&w->log, rt, span_from_cstr(ipc_role_name(w->role)), 0, (struct log_options){.min_severity = LOG_DEBUG});
    w->env =
        (struct role_env){.rt = rt, .config = w->config, .generation = 1, .log = &w->log, .stop_by = DEADLINE_NEVER};
    ok(ipc_hub_new(rt, w->role, 0, &w->env.hub));
    ok(ipc_hub_new(sim_rt(w->parent_process), ROLE_PARENT, 0, &w->parent_hub));
    role_world_parent_fill(&w->parent_service);
    ipc_hub_serve(w->parent_hub, &w->parent_service, w->parent_ctx);
    role_world_join(w, w->parent_process, w->parent_hub, ROLE_PARENT, w->role_process, w->env.hub, w->role);
    sim_process_start(w->role_process, role_world_role_main, w);
    sim_process_start(w->parent_process, role_world_parent_main, w);
    sim_process_start(w->client_process, role_world_client_main, w);
    if (!sim_run_until(w->world, role_world_is_done, w, for_s * NS_PER_S))
        fail_msg("the script did not end; log of the role:\n%.*s", SPAN_ARG(sim_process_log(w->role_process)));
    w->env.stop_by = deadline_in(rt, NS_PER_S);
    rt_stop(rt);
    assert_true(sim_run_until(w->world, role_world_has_ended, w, 60 * NS_PER_S));
    rt_stop(sim_rt(w->parent_process));
    sim_run_for(w->world, NS_PER_S);
    assert_int_equal(sim_fd_count(w->world), 0);
    assert_int_equal(sim_dropped_fibers(w->world), 0);
    sim_world_free(w->world);
    config_free(w->config);
}

static inline void
role_world_done(struct role_world *w)
{
    disk_sim_free(w->disk);
    w->disk = NULL;
}

#endif
