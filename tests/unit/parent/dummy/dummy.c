/*
 * dummy.c - roles that do nothing but show that the parent does its work: DUMMY_ROLE is the role this executable plays.
 *
 * An edge answers each connection with "edge INSTANCE generation GENERATION listener NAME" and then obeys single
 * octets: c asks directory (answer "status N"), x aborts, q ends the connection. Its sessions outlive a reload.
 * Control passes a line "VERB" to the parent and prints "STATUS" and the text. Directory takes a new configuration
 * while it runs, queue does not. With a listener named crash an edge aborts as soon as it runs.
 */
#include "net/role.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "config/config.h"
#include "ipc/ipc_messages.h"
#include "store/recipient.h"

struct dummy {
    struct role_env *env;
    struct fiber_group sessions;
    uint32_t generations_seen;
};

struct acceptor {
    struct dummy *dummy;
    struct role_listener *listener;
};

struct session {
    struct dummy *dummy;
    struct span listener_name;
    struct stream *stream;
};

static struct deadline
soon(struct dummy *d)
{
    return deadline_in(d->env->rt, 20 * NS_PER_S);
}

static enum err
say(struct fiber *f, struct session *s, struct buf *text)
{
    enum err e = stream_write(f, soon(s->dummy), s->stream, buf_span(text));
    buf_clear(text);
    return e;
}

/* --- edge ------------------------------------------------------------------------------------------------------- */

static enum err
ask_directory(struct fiber *f, struct session *s, struct buf *text)
{
    struct arena mem;
    arena_init(&mem, 64 * 1024);
    struct ipc_recipient_check check = {.local_part = SPAN("alice"), .domain = SPAN("example.test")};
    struct ipc_recipient_check_reply reply;
    enum err e = ipc_recipient_check(f, soon(s->dummy), ipc_hub_link(s->dummy->env->hub, ROLE_DIRECTORY), &check, &mem,
                                     &reply);
    if (e == ERR_OK)
        buf_printf(text, "status %u\n", reply.status);
    else
        buf_printf(text, "error %s\n", err_name(e));
    arena_clear(&mem);
    return say(f, s, text);
}

static void
edge_session(struct fiber *f, struct session *s, struct buf *text)
{
    struct role_env *env = s->dummy->env;
    buf_printf(text, "edge %u generation %u listener " SPAN_FMT "\n", env->instance, env->generation,
               SPAN_ARG(s->listener_name));
    enum err e = say(f, s, text);
    char octet;
    size_t n;
    while (e == ERR_OK && (e = stream_read(f, DEADLINE_NEVER, s->stream, &octet, 1, &n)) == ERR_OK) {
        if (octet == 'c')
            e = ask_directory(f, s, text);
        else if (octet == 'x')
            abort();
        else if (octet == 'q')
            break;
    }
}

/* --- control ---------------------------------------------------------------------------------------------------- */

static void
control_session(struct fiber *f, struct session *s, struct buf *text)
{
    struct arena mem;
    char verb[64];
    size_t n;
    if (stream_read(f, soon(s->dummy), s->stream, verb, sizeof(verb), &n) != ERR_OK)
        return;
    arena_init(&mem, 256 * 1024);
    struct ipc_parent_command command = {.verb = span_trim(span_of(verb, span_find(span_of(verb, n), '\n')))};
    struct ipc_parent_command_reply reply = {0};
    enum err e = ipc_parent_command(f, soon(s->dummy), ipc_hub_link(s->dummy->env->hub, ROLE_PARENT), &command, &mem,
                                    &reply);
    buf_printf(text, "%d\n", e == ERR_OK ? reply.status : -1);
    buf_append(text, e == ERR_OK ? reply.text : span_from_cstr(err_name(e)));
    (void)!say(f, s, text);
    arena_clear(&mem);
}

/* --- all -------------------------------------------------------------------------------------------------------- */

static void
session_run(struct fiber *f, void *arg)
{
    struct session *s = arg;
    struct buf text;
    buf_init(&text, 64 * 1024);
    if (DUMMY_ROLE == ROLE_CONTROL)
        control_session(f, s, &text);
    else
        edge_session(f, s, &text);
    buf_done(&text);
    stream_close(s->stream);
    free(s);
}

static void
accept_run(struct fiber *f, void *arg)
{
    struct acceptor *a = arg;
    struct stream *stream;
    while (stream_accept(f, DEADLINE_NEVER, a->listener->listener, &stream) == ERR_OK) {
        struct session *s = malloc(sizeof(*s));
        ASSERT(s != NULL);
        *s = (struct session){a->dummy, a->listener->name, stream};
        if (fiber_group_spawn(&a->dummy->sessions, "dummy.session", session_run, s) != ERR_OK)
            abort();
    }
}

static void
serve_check(const void *service, struct fiber *f, void *ctx, struct ipc_peer *from, const void *request,
            struct arena *mem, void *reply)
{
    struct ipc_recipient_check_reply *ret = reply;
    (void)service, (void)f, (void)ctx, (void)from, (void)request, (void)mem;
    ret->status = RECIPIENT_STATUS_SUSPENDED;
}

static void
on_reconfigure(void *ctx)
{
    struct dummy *d = ctx;
    d->generations_seen++;
}

static void
dummy_run(struct fiber *f, struct role_env *env)
{
    static ipc_serve_fn *const table[IPC_TYPE_COUNT] = {[IPC_TYPE_RECIPIENT_CHECK] = serve_check};
    struct dummy dummy = {.env = env};
    if (DUMMY_ROLE == ROLE_EDGE && config_listener_find(env->config, SPAN("crash")) != NULL)
        abort();
    if (DUMMY_ROLE == ROLE_DIRECTORY || DUMMY_ROLE == ROLE_CONTROL) {
        env->on_reconfigure = on_reconfigure;
        env->on_reconfigure_ctx = &dummy;
    }
    struct acceptor acceptors[64];
    struct fiber_group accepting;
    fiber_group_init(&accepting, f);
    fiber_group_init(&dummy.sessions, f);
    ipc_hub_serve_table(env->hub, DUMMY_ROLE, table, NULL, &dummy);
    for (size_t i = 0; i < env->listener_count && i < ARRAY_LEN(acceptors); i++) {
        acceptors[i] = (struct acceptor){&dummy, &env->listeners[i]};
        if (fiber_group_spawn(&accepting, "dummy.accept", accept_run, &acceptors[i]) != ERR_OK)
            abort();
    }
    (void)!rt_wait_stop(f, DEADLINE_NEVER);
    fiber_group_end(f, &accepting);
    role_listeners_close(env);
    if (env->is_superseded)
        (void)!fiber_group_join(f, env->stop_by, &dummy.sessions);
    else
        fiber_group_end(f, &dummy.sessions);
    ipc_hub_free(f, env->hub);
    env->hub = NULL;
}

int
main(int argc, char **argv)
{
    static const struct role_desc desc = {.role = DUMMY_ROLE, .run = dummy_run};
    return role_main(argc, argv, &desc);
}
