/*
 * control.c - the command socket: one fiber a connection, one command a connection.
 *
 * The socket's permissions say who may connect (control { group }); who did is known from the kernel and logged with each
 * command that changes something. A client that sends no whole request within REQUEST_TIME_S is dropped.
 */
#include "control/control.h"

#include "base/assert.h"
#include "config/config.h"
#include "control/command.h"
#include "control/history.h"
#include "ipc/ipc_messages.h"
#include "net/log.h"
#include "text/utf8.h"

#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>

enum {
    COMMANDS_MAX = 64,
    REQUEST_TIME_S = 10,
    COMMAND_TIME_S = 600,
    COMMANDS_GRACE_S = 5, /* at the end of the process */
    REQUEST_BYTES_MAX = COMMAND_ARGUMENTS_MAX * (COMMAND_FRAME_MAX + COMMAND_FRAME_HEADER),
    COMMAND_MEMORY_MAX = 16 * 1024 * 1024,
    OUTPUT_FLUSH_BYTES = 32 * 1024,
};

struct connection {
    struct control *control;
    struct stream *stream;
};

/* --- printing ----------------------------------------------------------------------------------------------------- */

/* Send everything printed so far. After a failure nothing is sent any more. */
static void
flush_output(struct command *c)
{
    if (c->failed == ERR_OK && c->text.len > 0)
        c->failed = stream_write(c->f, c->by, c->stream, buf_span(&c->text));
    buf_clear(&c->text);
}

static void
print_as(struct command *c, enum command_frame_kind kind, struct span text)
{
    if (command_text_append(&c->text, kind, text) != ERR_OK) {
        flush_output(c);
        if (command_text_append(&c->text, kind, text) != ERR_OK)
            c->failed = ERR_LIMIT;
    }
    if (c->text.len >= OUTPUT_FLUSH_BYTES)
        flush_output(c);
}

void
command_print(struct command *c, struct span text)
{
    print_as(c, COMMAND_OUTPUT, text);
}

void
command_printf(struct command *c, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    ASSERT(n >= 0);
    command_print(c, span_of(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1));
}

void
command_print_escaped(struct command *c, struct span text)
{
    struct buf escaped;
    buf_init(&escaped, 4 * text.len + 16);
    log_append_escaped(&escaped, text, text.len, LOG_ESCAPE_QUOTE);
    command_print(c, buf_span(&escaped));
    buf_done(&escaped);
}

void
command_print_json_string(struct command *c, struct span text)
{
    struct buf json;
    buf_init(&json, 6 * text.len + 16);
    bool is_text = utf8_is_valid(text); /* else its octets are shown one by one */
    buf_append_octet(&json, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t octet = text.data[i];
        if (octet == '"' || octet == '\\')
            buf_printf(&json, "\\%c", octet);
        else if (octet < 0x20 || octet == 0x7f || (octet > 0x7f && !is_text))
            buf_printf(&json, "\\u%04x", octet);
        else
            buf_append_octet(&json, octet);
    }
    buf_append_octet(&json, '"');
    command_print(c, buf_span(&json));
    buf_done(&json);
}

int
command_fail(struct command *c, int status, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    ASSERT(n >= 0);
    size_t len = (size_t)n < sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;
    line[len++] = '\n';
    print_as(c, COMMAND_ERROR, span_of(line, len));
    return status;
}

int
command_fail_call(struct command *c, enum ipc_role role, enum err e)
{
    return command_fail(c, EX_TEMPFAIL, "The %s process gave no answer (%s); see the log, and try again.",
                        ipc_role_name(role), err_name(e));
}

/* --- one connection ----------------------------------------------------------------------------------------------- */

/* Read the whole request into c->arguments. ERR_PROTOCOL for what is no request. */
static enum err
read_request(struct command *c, struct buf *input)
{
    struct deadline by = deadline_in(fiber_rt(c->f), REQUEST_TIME_S * NS_PER_S);
    size_t taken = 0;
    for (;;) {
        struct span rest = span_skip(buf_span(input), taken);
        struct command_frame frame;
        enum err e = command_frame_take(&rest, &frame);
        if (e == ERR_OK) {
            taken = input->len - rest.len;
            if (frame.kind == COMMAND_GO)
                return c->argument_count == 0 ? ERR_PROTOCOL : ERR_OK;
            if (frame.kind != COMMAND_ARGUMENT || c->argument_count == COMMAND_ARGUMENTS_MAX)
                return ERR_PROTOCOL;
            if (!arena_copy(c->mem, frame.data, &c->arguments[c->argument_count++]))
                return ERR_LIMIT;
            continue;
        }
        if (e != ERR_AGAIN)
            return e;
        uint8_t *room = buf_reserve(input, 4096);
        size_t n = 0;
        if (room == NULL)
            return ERR_LIMIT;
        TRY(stream_read(c->f, by, c->stream, room, 4096, &n));
        buf_advance(input, n);
    }
}

/* Take "--json" out of the arguments. */
static void
take_options(struct command *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->argument_count; i++) {
        if (i > 0 && span_equal(c->arguments[i], SPAN("--json")))
            c->is_json = true;
        else
            c->arguments[kept++] = c->arguments[i];
    }
    c->argument_count = kept;
}

static int
carry_out(struct command *c)
{
    const struct verb *verb = verb_find(c->arguments[0]);
    if (verb == NULL)
        return command_fail(c, EX_USAGE, "The server knows no such command; program and server may be of different versions.");
    size_t given = c->argument_count - 1;
    if (given < verb->arguments_min || given > verb->arguments_max)
        return command_fail(c, EX_USAGE, "usage: godwit %s", verb->usage);
    if (verb->changes_something) {
        const struct stream_address *peer = stream_peer(c->stream);
        log_write(c->control->env->log, LOG_OPERATOR_COMMAND, LOG_TEXT(KEY_VERB, c->arguments[0]),
                  LOG_TEXT(KEY_NAME, given > 0 ? c->arguments[1] : SPAN_EMPTY), LOG_U64(KEY_UID, peer->uid));
    }
    return verb->run(c);
}

static void
serve_connection(struct fiber *f, void *arg)
{
    struct connection *connection = arg;
    struct arena mem;
    arena_init(&mem, COMMAND_MEMORY_MAX);
    struct command c = {.f = f,
                        .by = deadline_in(fiber_rt(f), COMMAND_TIME_S * NS_PER_S),
                        .control = connection->control,
                        .stream = connection->stream,
                        .mem = &mem};
    struct buf input;
    buf_init(&input, REQUEST_BYTES_MAX);
    buf_init(&c.text, OUTPUT_FLUSH_BYTES + 4 * (COMMAND_FRAME_MAX + COMMAND_FRAME_HEADER));
    if (read_request(&c, &input) == ERR_OK) {
        take_options(&c);
        uint8_t status = (uint8_t)carry_out(&c);
        flush_output(&c);
        command_frame_append(&c.text, COMMAND_EXIT, span_of(&status, 1));
        flush_output(&c);
    }
    buf_done(&input);
    buf_done(&c.text);
    arena_clear(&mem);
    stream_close(connection->stream);
    connection->control->commands_open--;
    free(connection);
}

static void
accept_commands(struct fiber *f, struct control *control, struct listener *listener)
{
    while (!rt_is_stopping(fiber_rt(f))) {
        struct stream *stream;
        enum err e = stream_accept(f, DEADLINE_NEVER, listener, &stream);
        if (e == ERR_CANCELED)
            return;
        if (e != ERR_OK) {
            if (fiber_sleep(f, deadline_in(fiber_rt(f), 100 * NS_PER_MS)) != ERR_OK)
                return;
            continue;
        }
        struct connection *connection = control->commands_open < COMMANDS_MAX ? malloc(sizeof(*connection)) : NULL;
        if (connection == NULL) {
            stream_close(stream);
            continue;
        }
        *connection = (struct connection){control, stream};
        control->commands_open++;
        if (fiber_group_spawn(&control->commands, "control.command", serve_connection, connection) != ERR_OK) {
            control->commands_open--;
            free(connection);
            stream_close(stream);
        }
    }
}

struct acceptor {
    struct control *control;
    struct listener *listener;
};

static void
acceptor_main(struct fiber *f, void *arg)
{
    struct acceptor *acceptor = arg;
    accept_commands(f, acceptor->control, acceptor->listener);
}

/* --- trails ------------------------------------------------------------------------------------------------------- */

static void
on_trail(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_trail *message, struct arena *mem)
{
    (void)from;
    (void)mem;
    struct control *control = ctx;
    history_append(control->history, &(struct history_entry){.time_us = rt_wall_us(fiber_rt(f)),
                                                            .kind = message->kind,
                                                            .id = message->id,
                                                            .trail = message->trail});
}

static const struct ipc_control_service service = {.trail = on_trail};

static void
on_reconfigure(void *ctx)
{
    struct control *control = ctx;
    const struct config_history *history = &control->env->config->history;
    history_set_limits(control->history, history->size_bytes.value, (int64_t)history->keep_ms.value * 1000);
}

enum { LISTENERS_MAX = 8 };

void
control_run(struct fiber *f, struct role_env *env)
{
    struct control control = {.env = env};
    const struct config_history *config = &env->config->history;
    if (history_new(env->rt, env->log, env->data_dir, config->size_bytes.value, (int64_t)config->keep_ms.value * 1000,
                    &control.history) != ERR_OK) {
        log_write(env->log, LOG_OUT_OF_MEMORY, LOG_CSTR(KEY_PHASE, "start"));
        return;
    }
    env->on_reconfigure_ctx = &control;
    env->on_reconfigure = on_reconfigure;
    ipc_hub_serve(env->hub, &service, &control);

    struct fiber_group group;
    fiber_group_init(&group, f);
    fiber_group_init(&control.commands, f);
    struct acceptor acceptors[LISTENERS_MAX];
    for (size_t i = 0; i < env->listener_count && i < LISTENERS_MAX; i++) {
        acceptors[i] = (struct acceptor){&control, env->listeners[i].listener};
        if (fiber_group_spawn(&group, "control.accept", acceptor_main, &acceptors[i]) != ERR_OK)
            log_write(env->log, LOG_OUT_OF_MEMORY, LOG_CSTR(KEY_PHASE, "accept"));
    }
    if (fiber_group_spawn(&group, "control.history", history_writer, control.history) != ERR_OK)
        log_write(env->log, LOG_OUT_OF_MEMORY, LOG_CSTR(KEY_PHASE, "history"));

    enum err stopped = rt_wait_stop(f, DEADLINE_NEVER);
    (void)stopped;
    fiber_group_end(f, &group);
    /* Commands under way end by themselves, for the roles they ask are stopping too; those whose client does not read are cut. */
    enum err ended = fiber_group_join(f, deadline_in(env->rt, COMMANDS_GRACE_S * NS_PER_S), &control.commands);
    (void)ended;
    ipc_hub_free(f, env->hub); /* no trail comes in any more: `control` can go */
    env->hub = NULL;
    history_free(f, control.history);
}
