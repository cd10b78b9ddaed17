/*
 * local.c - the life of the local process: deliveries come in, each in a fiber of its own, and wait for their turn.
 *
 * A delivery that began is finished: at a stop the role waits for those in hand until the grace period is over, then
 * cancels what can be cancelled. What the queue got no answer for it tries again.
 */
#include "local/local.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/assert.h"
#include "local/local_state.h"
#include "store/envelope.h"

enum { FLUSH_S = 2 /* for the last answers at a stop */ };

/* --- verdicts --- */

void
verdict_set(struct delivery_verdict *v, enum delivery_class class, const char *status, const char *format, ...)
{
    char text[LOCAL_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ASSERT(n >= 0);
    v->class = class;
    snprintf(v->status, sizeof(v->status), "%s", status);
    buf_init_fixed(&v->text, v->text_octets, sizeof(v->text_octets));
    buf_append(&v->text, span_of(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1));
}

/* --- one delivery --- */

/* Take over the descriptor that came along. */
static enum err
file_take(struct delivery *d)
{
    if (d->request->file < 0)
        return ERR_OK;
    return disk_open_fd(rt_disk(d->local->rt), d->request->file, &d->file);
}

static void
deliver_by_kind(struct fiber *f, struct delivery *d)
{
    switch ((enum recipient_target)d->request->kind) {
    case TARGET_MAILBOX:
        local_deliver_mailbox(f, d);
        return;
    case TARGET_LMTP:
        local_deliver_lmtp(f, d);
        return;
    case TARGET_SYSTEM_USER:
        local_deliver_system_user(f, d);
        return;
    case TARGET_DISCARD:
        verdict_set(&d->verdict, DELIVERY_DONE, "2.0.0", "thrown away, as its alias says");
        return;
    case TARGET_UNEXPANDED:
    case TARGET_REMOTE:
        break;
    }
    verdict_set(&d->verdict, DELIVERY_DEFERRED, "4.3.5", "this kind of target is not delivered here");
}

/* Deliver with a place among those in hand. */
static void
deliver_in_hand(struct fiber *f, struct delivery *d)
{
    bool opens_file = d->request->kind == TARGET_MAILBOX || d->request->kind == TARGET_LMTP;
    enum err e = opens_file ? file_take(d) : ERR_OK;
    if (e != ERR_OK)
        verdict_set(&d->verdict, DELIVERY_DEFERRED, "4.3.0", "the message's file cannot be read (%s)", err_name(e));
    else
        deliver_by_kind(f, d);
    disk_close(d->file);
    if (!opens_file)
        rt_fd_close(d->local->rt, d->request->file);
}

static void
verdict_count(struct local *local, const struct delivery_verdict *v)
{
    local->done += v->class == DELIVERY_DONE;
    local->deferred += v->class == DELIVERY_DEFERRED;
    local->failed += v->class == DELIVERY_FAILED;
}

static void
reply_make(const struct delivery_verdict *v, struct arena *mem, struct ipc_deliver_reply *ret)
{
    ret->class = (uint8_t)v->class;
    ret->forwards = v->forwards; /* in `mem` already */
    if (arena_copy(mem, span_from_cstr(v->status), &ret->status) && arena_copy(mem, buf_span(&v->text), &ret->text))
        return;
    /* What was done stays done, whatever there is room to say about it. */
    ret->status = v->class == DELIVERY_DONE     ? SPAN("2.0.0")
                  : v->class == DELIVERY_FAILED ? SPAN("5.0.0")
                                                : SPAN("4.0.0");
    ret->text = SPAN_EMPTY;
}

static void
on_deliver(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_deliver *request, struct arena *mem,
           struct ipc_deliver_reply *ret)
{
    (void)from;
    struct local *local = ctx;
    struct delivery d = {.local = local, .request = request, .mem = mem};
    int64_t attempt_ns = config_duration_ns(local->env->config->delivery.attempt_time_ms);
    d.by = deadline_in(local->rt, attempt_ns / 10 * 9); /* so that the answer comes before the queue gives up */
    verdict_set(&d.verdict, DELIVERY_DEFERRED, "4.3.2", "too many deliveries are under way");
    if (semaphore_take(f, deadline_in(local->rt, LOCAL_WAIT_S * NS_PER_S), &local->places) == ERR_OK) {
        local->in_hand++;
        deliver_in_hand(f, &d);
        semaphore_give(&local->places);
        if (--local->in_hand == 0)
            cond_broadcast(&local->idle);
    } else {
        rt_fd_close(local->rt, request->file);
    }
    verdict_count(local, &d.verdict);
    reply_make(&d.verdict, mem, ret);
}

/* --- status --- */

static void
on_role_status(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_role_status *request,
               struct arena *mem, struct ipc_role_status_reply *ret)
{
    (void)f;
    (void)from;
    (void)request;
    const struct local *local = ctx;
    const struct ipc_counter counters[] = {
        {SPAN("in_hand"), local->in_hand},        {SPAN("waiting_writes"), local->waiting_count},
        {SPAN("delivered_total"), local->done},   {SPAN("deferred_total"), local->deferred},
        {SPAN("failed_total"), local->failed},    {SPAN("batches_total"), local->batches},
    };
    struct span copy;
    if (!arena_copy(mem, span_of(counters, sizeof(counters)), &copy))
        return;
    ret->counters = (const struct ipc_counter *)(const void *)copy.data;
    ret->counters_count = ARRAY_LEN(counters);
}

/* --- the life of the role --- */

static const struct ipc_local_service service = {
    .deliver = on_deliver,
    .role_status = on_role_status,
};

/* The configuration is asked for at each delivery, so a new one needs nothing but to be taken. */
static void
on_reconfigure(void *ctx)
{
    (void)ctx;
}

static void
local_init(struct local *local, struct role_env *env)
{
    uint64_t seed[3];
    *local = (struct local){.env = env, .rt = env->rt, .log = env->log};
    rt_random(local->rt, seed, sizeof(seed));
    semaphore_init(&local->places, LOCAL_DELIVERIES_MAX);
    cond_init(&local->idle);
    cond_init(&local->work);
    list_init(&local->waiting);
    list_init(&local->idle_sessions);
    map_init(&local->durable, LOCAL_DURABLE_MAX, seed);
    maildir_names_init(&local->names, domain_span(&env->config->hostname.value), (uint64_t)getpid(), seed[2]);
}

static enum err
writers_start(struct local *local)
{
    TRY(local_mailboxes_init(local));
    for (int i = 0; i < LOCAL_WRITERS; i++)
        TRY(fiber_group_spawn(&local->writers, "local.writer", local_writer_run, local));
    return ERR_OK;
}

/* Wait for what is in hand, until the grace period is over. */
static void
drain(struct fiber *f, struct local *local)
{
    while (local->in_hand > 0)
        if (cond_wait(f, local->env->stop_by, &local->idle) != ERR_OK)
            return;
}

/* The answers of what was finished; one that is lost would be delivered again. */
static void
flush(struct fiber *f, struct role_env *env)
{
    enum err e = ipc_hub_flush(f, deadline_in(env->rt, FLUSH_S * NS_PER_S), env->hub);
    if (e != ERR_OK && e != ERR_CANCELED)
        log_write(env->log, LOG_INTERNAL_FAULT, LOG_ERR(KEY_ERROR, e), LOG_CSTR(KEY_PHASE, "flush"));
}

void
local_run(struct fiber *f, struct role_env *env)
{
    struct local local;
    ASSERT(env->data_dir != NULL);
    local_init(&local, env);
    env->on_reconfigure_ctx = &local;
    env->on_reconfigure = on_reconfigure;
    fiber_group_init(&local.writers, f);
    enum err e = writers_start(&local);
    if (e == ERR_OK) {
        ipc_hub_serve(env->hub, &service, &local);
        e = rt_wait_stop(f, DEADLINE_NEVER);
        drain(f, &local);
        flush(f, env);
    }
    if (e != ERR_OK && e != ERR_CANCELED)
        log_write(env->log, LOG_INTERNAL_FAULT, LOG_ERR(KEY_ERROR, e), LOG_CSTR(KEY_PHASE, "serve"));
    env->on_reconfigure = NULL;
    ipc_hub_free(f, env->hub); /* deliveries that writers have taken are still finished by them */
    env->hub = NULL;
    local.is_ending = true;
    cond_broadcast(&local.work);
    fiber_group_end(f, &local.writers);
    local_sessions_done(&local);
    local_mailboxes_done(&local);
}
