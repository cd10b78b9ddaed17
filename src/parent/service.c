/*
 * service.c - what the parent's children say and ask. They are not trusted: each request is judged against the
 * configuration.
 */
#include "parent/parent.h"

#include <stdio.h>
#include <sysexits.h>

enum { RELOAD_WAIT_S = 300 };

/* --- what they say ---------------------------------------------------------------------------------------------- */

static struct child *
child_of(struct parent *parent, const struct ipc_peer *peer)
{
    return child_find(parent, peer->role, peer->instance);
}

static void
serve_ready(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_ready *message, struct arena *mem)
{
    struct parent *parent = ctx;
    struct child *child = child_of(parent, from);
    (void)f, (void)mem;
    if (child == NULL || child->state != CHILD_STARTING)
        return;
    child->report = *message;
    child->state = CHILD_READY;
    cond_broadcast(&parent->changed);
    if (parent->is_sandbox_told || (message->has_seccomp && message->landlock_abi > 0))
        return;
    parent->is_sandbox_told = true;
    log_write(&parent->log, LOG_SANDBOX_INCOMPLETE, LOG_CSTR(KEY_ROLE, ipc_role_name(child->role)),
              LOG_U64(KEY_SECCOMP, message->has_seccomp), LOG_U64(KEY_LANDLOCK, message->landlock_abi));
}

static void
serve_reconfigured(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_reconfigured *message,
                   struct arena *mem)
{
    struct parent *parent = ctx;
    struct child *child = child_of(parent, from);
    (void)f, (void)mem;
    if (child == NULL || child->state != CHILD_READY)
        return;
    if (span_is_empty(message->reason)) {
        child->generation = message->generation;
        cond_broadcast(&parent->changed);
        return;
    }
    log_write(&parent->log, LOG_INTERNAL_FAULT, LOG_CSTR(KEY_PHASE, "reconfigure"),
              LOG_CSTR(KEY_ROLE, ipc_role_name(from->role)), LOG_TEXT(KEY_DETAIL, message->reason));
    child_stop(child, parent->now.config->stop_grace_ms.value, true, false);
}

/* --- what they ask ---------------------------------------------------------------------------------------------- */

static void
serve_deliver_user(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_deliver_user *request,
                   struct arena *mem, struct ipc_deliver_user_reply *ret)
{
    struct parent *parent = ctx;
    (void)from;
    deliver_spawn(f, parent, request, mem, ret);
    rt_fd_close(parent->rt, request->content);
    rt_fd_close(parent->rt, request->file);
}

static void
serve_parent_open(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_parent_open *request,
                  struct arena *mem, struct ipc_parent_open_reply *ret)
{
    parent_open(f, ctx, from, request, mem, ret);
}

static void
serve_user_name(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_user_name *request, struct arena *mem,
                struct ipc_user_name_reply *ret)
{
    (void)from;
    user_name_find(f, ctx, request->uid, mem, ret);
}

static void
serve_role_status(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_role_status *request,
                  struct arena *mem, struct ipc_role_status_reply *ret)
{
    struct parent *parent = ctx;
    struct buf text;
    (void)f, (void)from;
    if (request->cursor != 0 || status_count(parent, mem, ret) != ERR_OK)
        return;
    buf_init(&text, IPC_ROLE_STATUS_REPLY_TEXT_MAX);
    status_print(parent, &text);
    if (!arena_copy(mem, buf_span(&text), &ret->text))
        ret->text = SPAN_EMPTY;
    buf_done(&text);
}

/* --- what operators ask, through control ------------------------------------------------------------------------ */

typedef uint8_t verb_fn(struct fiber *f, struct parent *parent, struct buf *to);

static uint8_t
verb_reload(struct fiber *f, struct parent *parent, struct buf *to)
{
    uint64_t number = reload_request(parent);
    enum err e = reload_await(f, deadline_in(parent->rt, RELOAD_WAIT_S * NS_PER_S), parent, number);
    if (e != ERR_OK) {
        buf_printf(to, "the reload was begun and has not ended: %s\n", err_name(e));
        return EX_TEMPFAIL;
    }
    buf_append(to, buf_span(&parent->reload_text));
    return parent->reload_outcome == RELOAD_REFUSED ? EX_CONFIG : EX_OK;
}

static uint8_t
verb_status(struct fiber *f, struct parent *parent, struct buf *to)
{
    (void)f;
    status_print(parent, to);
    return EX_OK;
}

static uint8_t
verb_stop(struct fiber *f, struct parent *parent, struct buf *to)
{
    (void)f;
    buf_append_cstr(to, "stopping\n");
    rt_stop(parent->rt);
    return EX_OK;
}

static const struct {
    struct span name;
    verb_fn *fn;
} verbs[] = {
    {{(const uint8_t *)"reload", 6}, verb_reload},
    {{(const uint8_t *)"status", 6}, verb_status},
    {{(const uint8_t *)"stop", 4}, verb_stop},
};

static void
serve_parent_command(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_parent_command *request,
                     struct arena *mem, struct ipc_parent_command_reply *ret)
{
    struct parent *parent = ctx;
    struct buf text;
    (void)from;
    buf_init(&text, IPC_PARENT_COMMAND_REPLY_TEXT_MAX);
    ret->status = EX_USAGE;
    size_t i = 0;
    while (i < ARRAY_LEN(verbs) && !span_equal(verbs[i].name, request->verb))
        i++;
    if (i < ARRAY_LEN(verbs))
        ret->status = verbs[i].fn(f, parent, &text);
    else
        buf_append_cstr(&text, "reload, status and stop are what the parent can do\n");
    if (!arena_copy(mem, buf_span(&text), &ret->text))
        ret->text = SPAN_EMPTY;
    buf_done(&text);
}

const struct ipc_parent_service parent_service = {
    .ready = serve_ready,
    .reconfigured = serve_reconfigured,
    .deliver_user = serve_deliver_user,
    .parent_open = serve_parent_open,
    .user_name = serve_user_name,
    .role_status = serve_role_status,
    .parent_command = serve_parent_command,
};
