/* status.c - the parent's part of `godwit status`: processes, their sandboxes, restarts, the configuration in use. */
#include "parent/parent.h"

#include "rt/sandbox.h"

static const char *
state_name(const struct child *child)
{
    switch (child->state) {
    case CHILD_STARTING: return "starting";
    case CHILD_READY: return "ready";
    case CHILD_STOPPING: return "stopping";
    case CHILD_WAITING: return "waiting";
    }
    return "?";
}

static const char *
root_name(uint8_t root)
{
    switch ((enum sandbox_root)root) {
    case SANDBOX_ROOT_MACHINE: return "machine";
    case SANDBOX_ROOT_DATA: return "data";
    case SANDBOX_ROOT_EMPTY: return "empty";
    }
    return "?";
}

static void
child_print(struct parent *parent, const struct child *child, struct buf *to)
{
    bool is_known = child->state == CHILD_READY || child->state == CHILD_STOPPING;
    buf_printf(to, "%s.%u state=%s pid=%d generation=%u restarts=%u age_s=%lld", ipc_role_name(child->role),
               child->instance,
               state_name(child), child->process == NULL ? 0 : (int)process_pid(child->process), child->generation,
               child->restarts, (long long)((rt_now_ns(parent->rt) - child->started_at_ns) / NS_PER_S));
    if (is_known)
        buf_printf(to, " uid=%u root=%s seccomp=%s landlock=%u", child->report.uid, root_name(child->report.root),
                   child->report.has_seccomp ? "yes" : "no", child->report.landlock_abi);
    buf_append_octet(to, '\n');
}

void
status_print(struct parent *parent, struct buf *to)
{
    LIST_FOR_EACH(node, &parent->children) {
        size_t before = to->len;
        child_print(parent, CONTAINER_OF(node, struct child, node), to);
        if (buf_check(to) != ERR_OK) {
            to->len = before; /* a whole line or none */
            return;
        }
    }
}

enum err
status_count(struct parent *parent, struct arena *mem, struct ipc_role_status_reply *ret)
{
    uint64_t ready = 0, all = 0;
    LIST_FOR_EACH(node, &parent->children) {
        all++;
        ready += CONTAINER_OF(node, struct child, node)->state == CHILD_READY;
    }
    struct ipc_counters ipc = ipc_hub_counters(parent->hub);
    const struct ipc_counter counters[] = {
        {SPAN("generation"), parent->now.number},
        {SPAN("processes"), all},
        {SPAN("processes_ready"), ready},
        {SPAN("restarts_total"), parent->restarts},
        {SPAN("reloads_total"), parent->reloads_ended},
        {SPAN("listening_sockets"), parent->bound.count},
        {SPAN("ipc_calls_served_total"), ipc.calls_served},
        {SPAN("ipc_posts_dropped_total"), ipc.posts_dropped},
        {SPAN("ipc_peer_errors_total"), ipc.peer_errors},
    };
    struct ipc_counter *copy = arena_alloc(mem, sizeof(counters));
    if (copy == NULL)
        return ERR_LIMIT;
    memcpy(copy, counters, sizeof(counters));
    ret->counters = copy;
    ret->counters_count = ARRAY_LEN(counters);
    return ERR_OK;
}
