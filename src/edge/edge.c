/*
 * edge.c - the process: its listeners, its sessions, its end.
 */
#include "edge/edge.h"

#include "base/assert.h"
#include "edge/session.h"
#include "edge/status.h"

#include <stdlib.h>

#define ACCEPT_PAUSE_NS (100 * NS_PER_MS) /* when descriptors run out */

static void
accept_run(struct fiber *f, void *arg)
{
    struct edge_listener *listener = arg;
    struct edge *edge = listener->edge;
    for (;;) {
        struct stream *stream;
        enum err e = stream_accept(f, DEADLINE_NEVER, listener->socket, &stream);
        if (e == ERR_CANCELED)
            return;
        if (e == ERR_OK) {
            session_start(listener, stream);
            continue;
        }
        log_write(edge->log, LOG_ACCEPT_FAILED, LOG_TEXT(KEY_LISTENER, listener->config->title.value),
                  LOG_ERR(KEY_ERROR, e));
        if (fiber_sleep(f, deadline_in(edge->rt, ACCEPT_PAUSE_NS)) != ERR_OK)
            return;
    }
}

/*
 * The socket of the sendmail command: strict about content like any other, lenient about waiting, for a program
 * writes there.
 */
static void
describe_sendmail(struct edge_listener *to)
{
    to->own = (struct config_listener){
        .pos = SOURCE_POS_DEFAULT,
        .title = {EDGE_SENDMAIL_LISTENER, SOURCE_POS_DEFAULT},
        .protocol = {CONFIG_PROTOCOL_SMTP, SOURCE_POS_DEFAULT},
        .bare_newline = {CONFIG_BARE_NEWLINE_REJECT, SOURCE_POS_DEFAULT},
        .early_pipelining = {CONFIG_ACCEPT, SOURCE_POS_DEFAULT},
        .nul_in_body = {CONFIG_REJECT, SOURCE_POS_DEFAULT},
    };
    to->config = &to->own;
    to->is_local_submission = true;
}

/* A listener of the environment, with what its sessions are judged by. False: the configuration does not know it. */
static bool
listener_init(struct edge_listener *to, struct edge *edge, const struct role_listener *from)
{
    *to = (struct edge_listener){
        .edge = edge,
        .socket = from->listener,
        .config = config_listener_find(edge->config, from->name),
    };
    if (to->config == NULL && span_equal(from->name, EDGE_SENDMAIL_LISTENER))
        describe_sendmail(to);
    if (to->config == NULL)
        return false;
    to->policy = config_access_policy(edge->config, to->config);
    to->is_lmtp = to->config->protocol.value == CONFIG_PROTOCOL_LMTP;
    return true;
}

static void
listeners_init(struct edge *edge)
{
    struct role_env *env = edge->env;
    edge->listeners = calloc(env->listener_count == 0 ? 1 : env->listener_count, sizeof(*edge->listeners));
    for (size_t i = 0; edge->listeners != NULL && i < env->listener_count; i++) {
        if (listener_init(&edge->listeners[edge->listener_count], edge, &env->listeners[i]))
            edge->listener_count++;
        else
            log_write(edge->log, LOG_INTERNAL_FAULT, LOG_TEXT(KEY_LISTENER, env->listeners[i].name),
                      LOG_TEXT(KEY_DETAIL, SPAN("this listener is not in the configuration")));
    }
}

static void
edge_init(struct edge *edge, struct role_env *env)
{
    uint64_t seed[2];
    uint16_t process;
    rt_random(env->rt, seed, sizeof(seed));
    rt_random(env->rt, &process, sizeof(process));
    *edge = (struct edge){
        .env = env,
        .rt = env->rt,
        .log = env->log,
        .config = env->config,
        .hostname = domain_span(&env->config->hostname.value),
        .directory = ipc_hub_link(env->hub, ROLE_DIRECTORY),
        .queue = ipc_hub_link(env->hub, ROLE_QUEUE),
        .resolver = ipc_hub_link(env->hub, ROLE_RESOLVER),
        .control = ipc_hub_link(env->hub, ROLE_CONTROL),
    };
    message_id_source_init(&edge->ids, 0, process);
    wire_pool_init(&edge->buffers);
    client_units_init(&edge->units, EDGE_UNITS_MAX, seed);
    list_init(&edge->sessions);
    cond_init(&edge->session_ended);
    trail_sampler_init(&edge->sampler, env->config->history.refused_per_second.value);
    listeners_init(edge);
}

/* End the sessions that have no transaction under way: each says 421 and unwinds. The others see for themselves. */
static void
end_idle_sessions(struct edge *edge)
{
    LIST_FOR_EACH (link, &edge->sessions) {
        struct session *s = CONTAINER_OF(link, struct session, link);
        if (s->fiber != NULL && s->tx == NULL)
            fiber_cancel(s->fiber);
    }
}

/* Asked to stop while sessions go on: sooner, or no longer for a reload. */
static void
on_stop(void *ctx)
{
    struct edge *edge = ctx;
    if (edge_is_closing(edge))
        end_idle_sessions(edge);
    cond_broadcast(&edge->session_ended);
}

/* Let the sessions go on until the last has ended or `stop_by` has passed, which may move. */
static void
await_sessions(struct fiber *f, struct edge *edge)
{
    struct role_env *env = edge->env;
    env->on_stop_ctx = edge;
    env->on_stop = on_stop;
    if (edge_is_closing(edge))
        end_idle_sessions(edge);
    while (edge->session_count > 0 && cond_wait(f, env->stop_by, &edge->session_ended) == ERR_OK)
        continue;
    if (edge->session_count > 0)
        log_write(edge->log, LOG_SESSIONS_CUT, LOG_U64(KEY_COUNT, edge->session_count));
    env->on_stop = NULL;
    fiber_group_end(f, &edge->session_fibers);
}

void
edge_run(struct fiber *f, struct role_env *env)
{
    struct edge edge;
    struct fiber_group acceptors;
    edge_init(&edge, env);
    fiber_group_init(&acceptors, f);
    fiber_group_init(&edge.session_fibers, f);
    ipc_hub_serve_edge(env->hub, &edge_service, &edge);
    for (size_t i = 0; i < edge.listener_count; i++)
        if (fiber_group_spawn(&acceptors, "edge.accept", accept_run, &edge.listeners[i]) != ERR_OK)
            log_write(edge.log, LOG_OUT_OF_MEMORY, LOG_TEXT(KEY_LISTENER, edge.listeners[i].config->title.value));

    while (rt_wait_stop(f, DEADLINE_NEVER) == ERR_TIMEOUT)
        continue;
    fiber_group_end(f, &acceptors);
    role_listeners_close(env);
    await_sessions(f, &edge);
    ipc_hub_serve_edge(env->hub, &edge_service, NULL);
    client_units_done(&edge.units);
    wire_pool_done(&edge.buffers);
    free(edge.listeners);
}
