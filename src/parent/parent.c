/* parent.c - all of the parent together: from the first child to the last, with what happens in between. */
#include "parent/parent.h"

#include "rt/rt_real.h"

#include <signal.h>
#include <stdlib.h>
#include <uv.h>

enum { OUTSIDE_JOBS_AT_ONCE = 4 };

void
parent_log_problems(struct parent *parent, enum log_event event, const struct config_problems *problems, struct buf *to)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        log_write(&parent->log, event, LOG_POS(KEY_RULE, problem->pos), LOG_TEXT(KEY_DETAIL, problem->text));
    }
    if (to != NULL && config_problems_print(problems, to) != ERR_OK)
        log_write(&parent->log, LOG_OUT_OF_MEMORY, LOG_CSTR(KEY_PHASE, "problems"));
}

static void
on_hangup(uv_signal_t *handle, int signal_number)
{
    (void)signal_number;
    (void)reload_request(handle->data);
}

/* Say so when everything has been ready for the first time. */
static void
announce(struct fiber *f, void *arg)
{
    struct parent *parent = arg;
    while (!supervise_all_ready(parent))
        if (cond_wait(f, DEADLINE_NEVER, &parent->changed) != ERR_OK)
            return;
    log_write(&parent->log, LOG_SERVER_STARTED, LOG_U64(KEY_GENERATION, parent->now.number));
    notify_send("READY=1");
}

static void
on_channel_closed(void *ctx, const struct ipc_closed *closed)
{
    struct parent *parent = ctx;
    struct child *child = child_find(parent, closed->role, closed->instance);
    if (closed->why != ERR_PROTOCOL)
        return; /* its process has ended, and that is noticed */
    log_write(&parent->log, LOG_PEER_PROTOCOL, LOG_CSTR(KEY_ROLE, ipc_role_name(closed->role)),
              LOG_U64(KEY_INSTANCE, closed->instance), LOG_CSTR(KEY_NAME, closed->message_name));
    if (child != NULL && child->process != NULL)
        process_signal(child->process, SIGKILL); /* whoever it has become, it is not ours any more */
}

/* Run everything until a stop is asked for. */
static void
serve(struct fiber *f, struct parent *parent)
{
    struct fiber_group helpers;
    fiber_group_init(&helpers, f);
    enum err e = supervise_start(parent);
    if (e == ERR_OK)
        e = fiber_group_spawn(&helpers, "parent.announce", announce, parent);
    if (e == ERR_OK)
        e = fiber_group_spawn(&helpers, "parent.reload", reload_run, parent);
    if (e == ERR_OK)
        e = fiber_group_spawn(&helpers, "parent.drop", drop_run, parent);
    if (e == ERR_OK)
        e = rt_wait_stop(f, DEADLINE_NEVER);
    if (e != ERR_OK)
        log_write(&parent->log, LOG_INTERNAL_FAULT, LOG_CSTR(KEY_PHASE, "start"), LOG_ERR(KEY_ERROR, e));
    parent->is_stopping = true;
    cond_broadcast(&parent->changed);
    notify_send("STOPPING=1");
    fiber_group_end(f, &helpers);
    supervise_stop(f, parent);
}

static uv_signal_t *
hangup_watch(struct parent *parent)
{
    uv_signal_t *signal = calloc(1, sizeof(*signal));
    if (signal == NULL || uv_signal_init(rt_real_loop(parent->rt), signal) != 0) {
        free(signal);
        return NULL;
    }
    signal->data = parent;
    return uv_signal_start(signal, on_hangup, SIGHUP) == 0 ? signal : NULL;
}

static void
free_handle(uv_handle_t *handle)
{
    free(handle);
}

void
parent_run(struct fiber *f, void *arg)
{
    struct parent *parent = arg;
    if (ipc_hub_new(parent->rt, ROLE_PARENT, 0, &parent->hub) != ERR_OK)
        return;
    list_init(&parent->children);
    cond_init(&parent->changed);
    cond_init(&parent->reload_wanted);
    semaphore_init(&parent->outside_jobs, OUTSIDE_JOBS_AT_ONCE);
    cond_init(&parent->user_delivery_ended);
    fiber_group_init(&parent->fibers, f);
    ipc_hub_on_closed(parent->hub, on_channel_closed, parent);
    ipc_hub_serve(parent->hub, &parent_service, parent);
    uv_signal_t *hangup = hangup_watch(parent);
    serve(f, parent);
    fiber_group_end(f, &parent->fibers);
    ipc_hub_free(f, parent->hub);
    if (hangup != NULL)
        uv_close((uv_handle_t *)hangup, free_handle);
    log_write(&parent->log, LOG_SERVER_STOPPED);
}
