/*
 * supervise.c - every process of every role kept alive, connected to those it talks to, and ended in order.
 *
 * One fiber a child: start, wait for its end, wait a little, start again. An edge is back within a second however
 * often it dies; the waits of the others grow to BACKOFF_MAX_NS. With each start the process and all that talk to it
 * get new ends of a channel.
 */
#include "parent/parent.h"

#include "base/assert.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUICK_DEATH_NS (10 * NS_PER_S)
#define BACKOFF_FIRST_NS (50 * NS_PER_MS)
#define BACKOFF_EDGE_MAX_NS (500 * NS_PER_MS)
#define BACKOFF_MAX_NS (5 * NS_PER_S)

/* --- channels between children ---------------------------------------------------------------------------------- */

static struct ipc_link *
link_of(const struct child *child)
{
    return ipc_hub_link_to(child->parent->hub, child->role, child->instance);
}

static enum err
give_end(const struct child *to, const struct child *peer, int fd)
{
    struct ipc_endpoint endpoint = {.role = (uint8_t)peer->role, .instance = peer->instance, .channel = fd};
    struct ipc_link *link = link_of(to);
    return link == NULL ? ERR_LIMIT : ipc_post_endpoint(link, &endpoint);
}

static enum err
connect_children(const struct child *a, const struct child *b)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return err_from_errno(errno);
    enum err e = give_end(a, b, pair[0]);
    if (e == ERR_OK)
        e = give_end(b, a, pair[1]);
    close(pair[0]);
    close(pair[1]);
    return e;
}

static bool
is_running(const struct child *child)
{
    return child->process != NULL && !child->has_ended;
}

/*
 * Connect a child that has just been started with all that run. One that cannot be connected is killed, and tried
 * again.
 */
static void
connect_to_all(struct child *child)
{
    struct parent *parent = child->parent;
    LIST_FOR_EACH(node, &parent->children) {
        struct child *other = CONTAINER_OF(node, struct child, node);
        if (other == child || !is_running(other) || !ipc_role_talks_to(child->role, other->role))
            continue;
        enum err e = connect_children(child, other);
        if (e == ERR_OK)
            continue;
        log_write(&parent->log, LOG_INTERNAL_FAULT, LOG_CSTR(KEY_PHASE, "connect"),
                  LOG_CSTR(KEY_ROLE, ipc_role_name(child->role)),
                  LOG_U64(KEY_INSTANCE, child->instance), LOG_ERR(KEY_ERROR, e));
        process_signal(child->process, SIGKILL);
        return;
    }
}

/* --- the life of one child -------------------------------------------------------------------------------------- */

static int64_t
backoff_ns(const struct child *child)
{
    int64_t max_ns = child->role == ROLE_EDGE ? BACKOFF_EDGE_MAX_NS : BACKOFF_MAX_NS;
    if (child->quick_deaths == 0)
        return 0;
    int64_t wait_ns = BACKOFF_FIRST_NS;
    for (uint32_t i = 1; i < child->quick_deaths && wait_ns < max_ns; i++)
        wait_ns *= 2;
    return wait_ns < max_ns ? wait_ns : max_ns;
}

static void
log_child(struct child *child, enum log_event event)
{
    log_write(&child->parent->log, event, LOG_CSTR(KEY_ROLE, ipc_role_name(child->role)),
              LOG_U64(KEY_INSTANCE, child->instance), LOG_I64(KEY_PID, process_pid(child->process)),
              LOG_U64(KEY_GENERATION, child->generation));
}

/* Start it; false when that failed, which counts as a quick death. */
static bool
begin(struct child *child)
{
    struct parent *parent = child->parent;
    child->state = CHILD_STARTING;
    child->kill_at = DEADLINE_NEVER;
    child->generation = parent->now.number;
    child->started_at_ns = rt_now_ns(parent->rt);
    enum err e = child_start(child);
    if (e != ERR_OK) {
        log_write(&parent->log, LOG_INTERNAL_FAULT, LOG_CSTR(KEY_PHASE, "start"),
                  LOG_CSTR(KEY_ROLE, ipc_role_name(child->role)),
                  LOG_U64(KEY_INSTANCE, child->instance), LOG_ERR(KEY_ERROR, e));
        child->quick_deaths++;
        return false;
    }
    log_child(child, LOG_CHILD_STARTED);
    connect_to_all(child);
    return true;
}

/* Wait for its end; kill it when it was asked to end and did not. */
static void
await_end(struct fiber *f, struct child *child)
{
    while (!child->has_ended) {
        enum err e = cond_wait(f, child->kill_at, &child->event);
        if (e == ERR_TIMEOUT || e == ERR_CANCELED)
            process_signal(child->process, SIGKILL);
        if (e == ERR_TIMEOUT)
            child->kill_at = DEADLINE_NEVER;
        if (e == ERR_CANCELED)
            return; /* the runtime ends: nobody waits any more */
    }
}

static void
note_end(struct child *child)
{
    struct parent *parent = child->parent;
    bool was_asked = child->state == CHILD_STOPPING;
    if (!was_asked || child->exit.signal != 0)
        log_write(&parent->log, was_asked ? LOG_CHILD_KILLED : LOG_CHILD_DIED,
                  LOG_CSTR(KEY_ROLE, ipc_role_name(child->role)),
                  LOG_U64(KEY_INSTANCE, child->instance), LOG_I64(KEY_PID, child->exit.pid),
                  LOG_I64(KEY_EXIT_STATUS, child->exit.code), LOG_I64(KEY_SIGNAL, child->exit.signal));
    process_free(child->process);
    child->process = NULL;
    bool was_quick = rt_now_ns(parent->rt) - child->started_at_ns < QUICK_DEATH_NS;
    child->quick_deaths = was_asked || !was_quick ? 0 : child->quick_deaths + 1;
    child->state = CHILD_WAITING;
    cond_broadcast(&parent->changed);
}

/* Wait before the next start, unless somebody says that there is none. */
static void
back_off(struct fiber *f, struct child *child)
{
    struct deadline until = deadline_in(child->parent->rt, backoff_ns(child));
    enum err e = ERR_OK;
    while (e == ERR_OK && !child->is_unwanted)
        e = cond_wait(f, until, &child->event);
    if (e == ERR_CANCELED)
        child->is_unwanted = true;
}

static void
child_run(struct fiber *f, void *arg)
{
    struct child *child = arg;
    struct parent *parent = child->parent;
    while (!child->is_unwanted) {
        if (begin(child)) {
            await_end(f, child);
            note_end(child);
        }
        if (child->is_unwanted)
            break;
        back_off(f, child);
        child->restarts++;
        parent->restarts++;
    }
    list_unlink(&child->node);
    free(child);
    cond_broadcast(&parent->changed);
}

/* --- children --------------------------------------------------------------------------------------------------- */

struct child *
child_find(struct parent *parent, enum ipc_role role, uint16_t instance)
{
    LIST_FOR_EACH(node, &parent->children) {
        struct child *child = CONTAINER_OF(node, struct child, node);
        if (child->role == role && child->instance == instance)
            return child;
    }
    return NULL;
}

/*
 * Edges of two generations live side by side, so their numbers are the lowest that nobody has; the other roles have
 * one process, 0.
 */
static uint16_t
instance_choose(struct parent *parent, enum ipc_role role)
{
    uint16_t instance = 0;
    while (role == ROLE_EDGE && child_find(parent, role, instance) != NULL)
        instance++;
    return instance;
}

enum err
child_new(struct parent *parent, enum ipc_role role, uint16_t slot, struct child **ret)
{
    struct child *child = calloc(1, sizeof(*child));
    if (child == NULL)
        return ERR_LIMIT;
    *child = (struct child){.parent = parent, .role = role, .instance = instance_choose(parent, role), .slot = slot,
                            .kill_at = DEADLINE_NEVER};
    ASSERT(child_find(parent, role, child->instance) == NULL);
    cond_init(&child->event);
    list_append(&parent->children, &child->node);
    enum err e = fiber_group_spawn(&parent->fibers, "parent.child", child_run, child);
    if (e != ERR_OK) {
        list_unlink(&child->node);
        free(child);
        return e;
    }
    *ret = child;
    return ERR_OK;
}

void
child_stop(struct child *child, uint64_t grace_ms, bool is_superseded, bool is_unwanted)
{
    struct parent *parent = child->parent;
    child->is_unwanted = child->is_unwanted || is_unwanted;
    cond_signal(&child->event); /* it may be waiting to be started */
    if (!is_running(child))
        return;
    child->state = CHILD_STOPPING;
    child->kill_at = deadline_in(parent->rt, (int64_t)grace_ms * NS_PER_MS + PARENT_KILL_AFTER_S * NS_PER_S);
    struct ipc_stop stop = {.grace_ms = grace_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)grace_ms,
                            .is_superseded = is_superseded};
    struct ipc_link *link = link_of(child);
    if (link == NULL || ipc_post_stop(link, &stop) != ERR_OK)
        process_signal(child->process, SIGTERM); /* no channel any more */
}

/* --- all of them ------------------------------------------------------------------------------------------------ */

enum err
supervise_start(struct parent *parent)
{
    static const enum ipc_role singles[] = {ROLE_DIRECTORY, ROLE_RESOLVER, ROLE_LOCAL, ROLE_QUEUE, ROLE_CONTROL};
    struct child *child;
    for (size_t i = 0; i < ARRAY_LEN(singles); i++)
        TRY(child_new(parent, singles[i], 0, &child));
    for (size_t slot = 0; slot < parent->now.edges; slot++)
        TRY(child_new(parent, ROLE_EDGE, (uint16_t)slot, &child));
    return ERR_OK;
}

bool
supervise_all_ready(struct parent *parent)
{
    LIST_FOR_EACH(node, &parent->children) {
        const struct child *child = CONTAINER_OF(node, struct child, node);
        if (child->state != CHILD_READY && !child->is_unwanted)
            return false;
    }
    return true;
}

static bool
is_any_left(struct parent *parent, unsigned roles)
{
    LIST_FOR_EACH(node, &parent->children)
        if ((roles & ROLE_BIT(CONTAINER_OF(node, struct child, node)->role)) != 0)
            return true;
    return false;
}

void
supervise_stop(struct fiber *f, struct parent *parent)
{
    /* First who takes work in, then who has it in hand, then who is asked. */
    static const unsigned steps[] = {
        ROLE_BIT(ROLE_EDGE),
        ROLE_BIT(ROLE_QUEUE),
        ROLE_BIT(ROLE_LOCAL),
        ROLE_BIT(ROLE_RESOLVER) | ROLE_BIT(ROLE_DIRECTORY),
        ROLE_BIT(ROLE_CONTROL),
    };
    uint64_t grace_ms = parent->now.config->stop_grace_ms.value;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        LIST_FOR_EACH(node, &parent->children) {
            struct child *child = CONTAINER_OF(node, struct child, node);
            if ((steps[i] & ROLE_BIT(child->role)) != 0)
                child_stop(child, grace_ms, false, true);
        }
        while (is_any_left(parent, steps[i]))
            if (cond_wait(f, DEADLINE_NEVER, &parent->changed) != ERR_OK)
                return;
    }
}
