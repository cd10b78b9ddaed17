/* lmtp_session.c - connecting to a store, its greeting and capabilities, and the sessions kept for reuse. */
#include "local/lmtp_session.h"

#include <stdlib.h>

#include "store/parent_open.h"

enum {
    GREETING_S = 60,
    CONNECT_S = 30,
    IDLE_MAX_S = 20,
    IDLE_SESSIONS_MAX = 16,
    COMMAND_MAX = 512,
    PATH_MAX_OCTETS = 108,
};

/* --- connecting --- */

static const struct config_endpoint *
endpoint_find(const struct local *local, struct span target)
{
    const struct config *config = local->env->config;
    for (size_t i = 0; i < config->domains.count; i++) {
        const struct config_deliver *deliver = &config->domains.items[i].deliver;
        if (deliver->kind == CONFIG_DELIVER_LMTP && span_equal(deliver->lmtp.text, target))
            return &deliver->lmtp;
    }
    return NULL;
}

static enum err
connect_directly(struct fiber *f, struct deadline by, const struct config_endpoint *endpoint, struct stream **ret)
{
    char path[PATH_MAX_OCTETS];
    struct stream_address to = {.port = endpoint->port};
    switch (endpoint->kind) {
    case CONFIG_ENDPOINT_UNIX:
        if (!span_to_cstr(endpoint->path, path, sizeof(path)))
            return ERR_NOT_FOUND;
        return stream_connect_unix(f, by, path, ret);
    case CONFIG_ENDPOINT_IPV4:
        to.family = ADDRESS_IPV4;
        break;
    case CONFIG_ENDPOINT_IPV6:
        to.family = ADDRESS_IPV6;
        break;
    }
    memcpy(to.ip, endpoint->ip, sizeof(to.ip));
    return stream_connect(f, by, &to, NULL, ret);
}

/* The parent opens the path of a socket that this role's root directory does not show. */
static enum err
connect_by_parent(struct fiber *f, struct deadline by, struct local *local, struct span target, struct stream **ret)
{
    struct arena mem;
    arena_init(&mem, 16 * 1024);
    const struct ipc_parent_open request = {.kind = PARENT_OPEN_LMTP, .name = target};
    struct ipc_parent_open_reply reply = {.file = -1};
    enum err e = ipc_parent_open(f, by, ipc_hub_link(local->env->hub, ROLE_PARENT), &request, &mem, &reply);
    if (e == ERR_OK && reply.status == PARENT_OPEN_OK)
        e = stream_open_fd(local->rt, reply.file, ret);
    else if (e == ERR_OK)
        e = ERR_CLOSED;
    arena_clear(&mem);
    return e;
}

static enum err
store_connect(struct fiber *f, struct deadline by, struct local *local, struct span target, struct stream **ret)
{
    const struct config_endpoint *endpoint = endpoint_find(local, target);
    if (endpoint == NULL)
        return ERR_NOT_FOUND;
    enum err e = connect_directly(f, by, endpoint, ret);
    if (e == ERR_OK || e == ERR_CANCELED || e == ERR_TIMEOUT || endpoint->kind != CONFIG_ENDPOINT_UNIX)
        return e == ERR_NOT_FOUND || e == ERR_DENIED ? ERR_CLOSED : e;
    return connect_by_parent(f, by, local, target, ret);
}

/* --- talking --- */

static enum err
reply_read(struct fiber *f, struct deadline by, struct lmtp_session *s)
{
    smtp_reply_parser_clear(&s->reply);
    for (;;) {
        struct span in = span_of(s->input + s->input_start, s->input_end - s->input_start);
        enum smtp_reply_status status = smtp_reply_parser_take(&s->reply, &in);
        s->input_start = s->input_end - in.len;
        if (status != SMTP_REPLY_MORE)
            return status == SMTP_REPLY_WHOLE ? ERR_OK : ERR_PROTOCOL;
        size_t n = 0;
        TRY(stream_read(f, by, s->stream, s->input, sizeof(s->input), &n));
        s->input_start = 0;
        s->input_end = n;
    }
}

enum err
lmtp_session_ask(struct fiber *f, struct deadline by, struct lmtp_session *s, struct span command)
{
    if (!span_is_empty(command))
        TRY(stream_write(f, by, s->stream, command));
    return reply_read(f, by, s);
}

/* What the store said it can do, one keyword a line behind the first. */
static void
capabilities_read(struct lmtp_session *s)
{
    for (unsigned i = 1; i < s->reply.lines; i++) {
        struct span line = smtp_reply_parser_line(&s->reply, i), keyword = line, rest;
        span_cut(line, ' ', &keyword, &rest);
        s->has_size |= span_equal_nocase(keyword, SPAN("SIZE"));
        s->has_8bitmime |= span_equal_nocase(keyword, SPAN("8BITMIME"));
        s->has_smtputf8 |= span_equal_nocase(keyword, SPAN("SMTPUTF8"));
    }
}

static enum err
session_greet(struct fiber *f, struct deadline by, struct local *local, struct lmtp_session *s)
{
    uint8_t text[COMMAND_MAX];
    struct buf command;
    buf_init_fixed(&command, text, sizeof(text));
    buf_append_cstr(&command, "LHLO ");
    buf_append(&command, domain_span(&local->env->config->hostname.value));
    buf_append_cstr(&command, "\r\n");
    TRY(lmtp_session_ask(f, by, s, SPAN_EMPTY));
    if (s->reply.code / 100 != 2)
        return ERR_PROTOCOL;
    TRY(lmtp_session_ask(f, by, s, buf_span(&command)));
    if (s->reply.code / 100 != 2)
        return ERR_PROTOCOL;
    capabilities_read(s);
    return ERR_OK;
}

static enum err
session_open(struct fiber *f, struct deadline by, struct local *local, struct span target, struct lmtp_session **ret)
{
    struct lmtp_session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_LIMIT;
    list_init(&s->node);
    smtp_reply_parser_init(&s->reply);
    struct deadline connect_by = deadline_earlier(by, deadline_in(local->rt, CONNECT_S * NS_PER_S));
    enum err e = span_to_cstr(target, s->target, sizeof(s->target)) ? ERR_OK : ERR_NOT_FOUND;
    if (e == ERR_OK)
        e = store_connect(f, connect_by, local, target, &s->stream);
    if (e == ERR_OK)
        e = session_greet(f, deadline_earlier(by, deadline_in(local->rt, GREETING_S * NS_PER_S)), local, s);
    if (e != ERR_OK) {
        lmtp_session_end(s);
        return e;
    }
    *ret = s;
    return ERR_OK;
}

/* --- keeping --- */

/* A session kept for the store, NULL when there is none. Those idle for long are ended on the way. */
static struct lmtp_session *
idle_take(struct local *local, struct span target)
{
    struct lmtp_session *found = NULL;
    int64_t now_ns = rt_now_ns(local->rt);
    LIST_FOR_EACH(node, &local->idle_sessions)
    {
        struct lmtp_session *s = CONTAINER_OF(node, struct lmtp_session, node);
        bool is_stale = now_ns - s->idle_since_ns > IDLE_MAX_S * NS_PER_S;
        if (!is_stale && (found != NULL || !span_equal(span_from_cstr(s->target), target)))
            continue;
        list_unlink(&s->node);
        if (is_stale)
            lmtp_session_end(s);
        else
            found = s;
    }
    return found;
}

enum err
lmtp_session_get(struct fiber *f, struct deadline by, struct local *local, struct span target, bool is_fresh,
                 struct lmtp_session **ret)
{
    struct lmtp_session *kept = is_fresh ? NULL : idle_take(local, target);
    if (kept == NULL)
        return session_open(f, by, local, target, ret);
    kept->is_reused = true;
    *ret = kept;
    return ERR_OK;
}

void
lmtp_session_keep(struct local *local, struct lmtp_session *s)
{
    size_t count = 0;
    LIST_FOR_EACH(node, &local->idle_sessions)
        count++;
    if (count >= IDLE_SESSIONS_MAX) {
        lmtp_session_end(s);
        return;
    }
    s->idle_since_ns = rt_now_ns(local->rt);
    list_prepend(&local->idle_sessions, &s->node);
}

void
lmtp_session_end(struct lmtp_session *s)
{
    if (s == NULL)
        return;
    if (s->stream != NULL)
        stream_post(s->stream, SPAN("QUIT\r\n"));
    stream_close(s->stream);
    smtp_reply_parser_done(&s->reply);
    free(s);
}

void
local_sessions_done(struct local *local)
{
    for (struct list *node; (node = list_take_first(&local->idle_sessions)) != NULL;)
        lmtp_session_end(CONTAINER_OF(node, struct lmtp_session, node));
}
