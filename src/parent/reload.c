/*
 * reload.c - from one configuration to the next without losing a session.
 *
 * The new one is read, parsed, compared with what cannot change in a running server, and its sockets are bound; with
 * any mistake nothing changes and everything that is wrong is logged. Then a new generation of edges is started
 * beside the old one, which stops listening once the new one serves and whose sessions go on to their own end. The
 * other roles take the new configuration as they run, if they can (`reconfigure`), and are otherwise ended and
 * started again, one after the other; who calls them meanwhile waits.
 */
#include "parent/parent.h"

#include "rt/disk.h"

#include <stdlib.h>

enum {
    RELOAD_TEXT_MAX = IPC_PARENT_COMMAND_REPLY_TEXT_MAX,
    EDGE_DEATHS_MAX = 3, /* of a new edge, before the reload is taken back */
};

/* Reading, in the thread pool. */
struct reading {
    const char *path;
    uint32_t number;
    struct config_problems *problems;
    struct generation generation;
    bool is_good;
};

static void
reading_job(void *arg)
{
    struct reading *r = arg;
    r->is_good = generation_read(r->path, r->number, r->problems, &r->generation);
}

/* --- judging ---------------------------------------------------------------------------------------------------- */

static void
check_same(const struct config_text *now, const struct config_text *wanted, const char *key,
           struct config_problems *problems)
{
    if (!span_equal(now->value, wanted->value))
        config_problem_add(problems, 0, wanted->pos,
                           "%s cannot change while the server runs ('" SPAN_FMT "' is in use); restart it",
                           key, SPAN_ARG(now->value));
}

/* Directories and users are fixed with the first process that has them. */
static bool
check_unchangeable(const struct config *now, const struct config *wanted, struct config_problems *problems)
{
    check_same(&now->spool.directory, &wanted->spool.directory, "spool { directory }", problems);
    check_same(&now->mail.directory, &wanted->mail.directory, "mail { directory }", problems);
    check_same(&now->state_directory, &wanted->state_directory, "state-directory", problems);
    check_same(&now->run_directory, &wanted->run_directory, "run-directory", problems);
    check_same(&now->control.socket, &wanted->control.socket, "control { socket }", problems);
    check_same(&now->users.edge, &wanted->users.edge, "users { edge }", problems);
    check_same(&now->users.queue, &wanted->users.queue, "users { queue }", problems);
    check_same(&now->users.local, &wanted->users.local, "users { local }", problems);
    check_same(&now->users.resolver, &wanted->users.resolver, "users { resolver }", problems);
    check_same(&now->users.directory, &wanted->users.directory, "users { directory }", problems);
    check_same(&now->users.control, &wanted->users.control, "users { control }", problems);
    return problems->count == 0;
}

/* --- edges ------------------------------------------------------------------------------------------------------ */

static bool
is_edge_of(const struct child *child, uint32_t generation)
{
    return child->role == ROLE_EDGE && child->generation == generation && !child->is_unwanted;
}

static size_t
edges_ready(struct parent *parent, uint32_t generation)
{
    size_t count = 0;
    LIST_FOR_EACH(node, &parent->children) {
        const struct child *child = CONTAINER_OF(node, struct child, node);
        count += is_edge_of(child, generation) && child->state == CHILD_READY;
    }
    return count;
}

/* Whether an edge of that generation ends as soon as it is started, again and again. */
static bool
is_any_edge_failing(struct parent *parent, uint32_t generation)
{
    LIST_FOR_EACH(node, &parent->children) {
        const struct child *child = CONTAINER_OF(node, struct child, node);
        if (is_edge_of(child, generation) && child->quick_deaths >= EDGE_DEATHS_MAX)
            return true;
    }
    return false;
}

/* End the edges that are, or are not, of that generation. */
static void
stop_edges(struct parent *parent, uint32_t generation, bool is_of_it, uint64_t grace_ms)
{
    LIST_FOR_EACH(node, &parent->children) {
        struct child *child = CONTAINER_OF(node, struct child, node);
        if (child->role == ROLE_EDGE && !child->is_unwanted && (child->generation == generation) == is_of_it)
            child_stop(child, grace_ms, true, true);
    }
}

/*
 * An edge of the old generation that died while the new one came up was started again as one of the new: with two
 * edges for one slot the later one goes.
 */
static void
stop_surplus_edges(struct parent *parent)
{
    bool has_edge[PARENT_EDGES_MAX] = {false};
    LIST_FOR_EACH(node, &parent->children) {
        struct child *child = CONTAINER_OF(node, struct child, node);
        if (!is_edge_of(child, parent->now.number))
            continue;
        if (child->slot >= parent->now.edges || has_edge[child->slot])
            child_stop(child, parent->now.config->limits.session_time_ms.value, true, true);
        else
            has_edge[child->slot] = true;
    }
}

/*
 * Start a set of edges for the configuration that is in use now, and wait until all of them serve. ERR_TIMEOUT,
     or ERR_CLOSED
 * when they only die.
 */
static enum err
start_edges(struct fiber *f, struct parent *parent)
{
    struct child *child;
    for (size_t slot = 0; slot < parent->now.edges; slot++)
        TRY(child_new(parent, ROLE_EDGE, (uint16_t)slot, &child));
    struct deadline by = deadline_in(parent->rt, PARENT_NEW_EDGES_WAIT_S * NS_PER_S);
    while (edges_ready(parent, parent->now.number) < parent->now.edges) {
        if (is_any_edge_failing(parent, parent->now.number))
            return ERR_CLOSED;
        TRY(cond_wait(f, by, &parent->changed));
    }
    return ERR_OK;
}

/* --- the other roles -------------------------------------------------------------------------------------------- */

static enum err
give_config(struct parent *parent, struct child *child)
{
    int fd;
    TRY(disk_memory_fd(rt_disk(parent->rt), buf_span(&parent->now.packed), &fd));
    struct ipc_reconfigure message = {.generation = parent->now.number, .config = fd};
    enum err e = ipc_post_reconfigure(ipc_hub_link_to(parent->hub, child->role, child->instance), &message);
    rt_fd_close(parent->rt, fd);
    return e;
}

/*
 * The next child, of the roles with one process, that has an older configuration and was not looked at yet; NULL when
 * all have.
 */
static struct child *
next_outdated(struct parent *parent, unsigned seen)
{
    LIST_FOR_EACH(node, &parent->children) {
        struct child *child = CONTAINER_OF(node, struct child, node);
        if (child->role != ROLE_EDGE && child->generation != parent->now.number && (seen & ROLE_BIT(child->role)) == 0)
            return child;
    }
    return NULL;
}

/* Wait until the one process of a role serves with the present configuration, started again. */
static enum err
await_restart(struct fiber *f, struct parent *parent, enum ipc_role role)
{
    for (;;) {
        const struct child *child = child_find(parent, role, 0);
        if (child == NULL || (child->generation == parent->now.number && child->state == CHILD_READY))
            return ERR_OK;
        TRY(cond_wait(f, DEADLINE_NEVER, &parent->changed));
    }
}

static enum err
update_others(struct fiber *f, struct parent *parent)
{
    unsigned seen = 0;
    for (struct child *child; (child = next_outdated(parent, seen)) != NULL;) {
        enum ipc_role role = child->role;
        seen |= ROLE_BIT(role);
        bool takes_it = child->state == CHILD_READY && child->report.reconfigures &&
                        child->connects == role_connects(parent->now.config, role);
        if (takes_it && give_config(parent, child) == ERR_OK)
            continue; /* `reconfigured` will say that it has it */
        child_stop(child, parent->now.config->stop_grace_ms.value, true, false);
        TRY(await_restart(f, parent, role));
    }
    return ERR_OK;
}

/* --- the reload ------------------------------------------------------------------------------------------------- */

/* Swap, and back again when the new edges do not come up. The old ones serve until then. */
static enum err
swap(struct fiber *f, struct parent *parent, struct generation *wanted, struct bound_set *bound,
     struct config_problems *problems)
{
    struct generation old = parent->now;
    struct bound_set old_bound = parent->bound;
    parent->now = *wanted;
    parent->bound = *bound;
    enum err e = start_edges(f, parent);
    if (e != ERR_OK) {
        stop_edges(parent, parent->now.number, true, 0);
        config_problem_add(problems, 0, SOURCE_POS_DEFAULT, "the new edges do not serve (%s); the old ones stay",
                           err_name(e));
        parent->now = old;
        parent->bound = old_bound;
        bound_set_close(bound, &old_bound);
        generation_done(wanted);
        return e == ERR_CANCELED ? e : ERR_OK;
    }
    stop_edges(parent, parent->now.number, false, wanted->config->limits.session_time_ms.value);
    stop_surplus_edges(parent);
    bound_set_close(&old_bound, bound);
    generation_done(&old);
    log_write(&parent->log, LOG_CONFIG_LOADED, LOG_U64(KEY_GENERATION, parent->now.number),
              LOG_CSTR(KEY_FILE, parent->config_path));
    parent->log.options = role_log_options(parent->now.config);
    return update_others(f, parent);
}

static enum err
reload_once(struct fiber *f, struct parent *parent, struct config_problems *problems)
{
    struct reading reading = {.path = parent->config_path, .number = parent->now.number + 1, .problems = problems};
    struct bound_set bound;
    enum err e = rt_pool_run(f, reading_job, &reading);
    if (e != ERR_OK || !reading.is_good)
        return e;
    struct config *wanted = reading.generation.config;
    if (!check_unchangeable(parent->now.config, wanted, problems) ||
        !bound_set_open(wanted, reading.generation.edges, &parent->bound, problems, &bound)) {
        generation_done(&reading.generation);
        return ERR_OK;
    }
    return swap(f, parent, &reading.generation, &bound, problems);
}

/* One reload, said to the service manager, the log and whoever asked. ERR_CANCELED when the server stops. */
static enum err
reload(struct fiber *f, struct parent *parent)
{
    struct config_problems *problems = malloc(sizeof(*problems));
    if (problems == NULL)
        return ERR_OK;
    config_problems_init(problems);
    notify_reloading(parent->rt);
    enum err e = reload_once(f, parent, problems);
    if (e != ERR_OK && e != ERR_CANCELED)
        config_problem_add(problems, 0, SOURCE_POS_DEFAULT, "the reload failed: %s", err_name(e));
    buf_clear(&parent->reload_text);
    parent_log_problems(parent, LOG_CONFIG_REFUSED, problems, &parent->reload_text);
    parent->reload_outcome = problems->count > 0 ? RELOAD_REFUSED : RELOAD_DONE;
    if (problems->count == 0)
        buf_printf(&parent->reload_text, "generation %u of the configuration is in use\n", parent->now.number);
    config_problems_done(problems);
    free(problems);
    notify_send("READY=1");
    return e == ERR_CANCELED ? e : ERR_OK;
}

void
reload_run(struct fiber *f, void *arg)
{
    struct parent *parent = arg;
    buf_init(&parent->reload_text, RELOAD_TEXT_MAX);
    enum err e = ERR_OK;
    while (e == ERR_OK) {
        while (e == ERR_OK && parent->reloads_begun == parent->reloads_wanted)
            e = cond_wait(f, DEADLINE_NEVER, &parent->reload_wanted);
        if (e != ERR_OK)
            break;
        parent->reloads_begun = parent->reloads_wanted;
        e = reload(f, parent);
        parent->reloads_ended = parent->reloads_begun;
        cond_broadcast(&parent->changed);
    }
    buf_done(&parent->reload_text);
}

uint64_t
reload_request(struct parent *parent)
{
    parent->reloads_wanted++;
    cond_signal(&parent->reload_wanted);
    return parent->reloads_wanted;
}

enum err
reload_await(struct fiber *f, struct deadline by, struct parent *parent, uint64_t number)
{
    while (parent->reloads_ended < number && !parent->is_stopping)
        TRY(cond_wait(f, by, &parent->changed));
    return parent->is_stopping ? ERR_CLOSED : ERR_OK;
}
