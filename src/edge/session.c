/*
 * session.c - the life of a connection: greeting, one line after the other, the last words.
 *
 * Whatever ends a session ends in session_run(): there is one place that says the last reply, one that logs the end,
 * one that frees. Errors of suspending calls come up to it unchanged.
 */
#include "edge/session.h"

#include "base/assert.h"
#include "edge/commands.h"
#include "edge/judgement.h"
#include "edge/reverse_name.h"
#include "proto/msg/received.h"

#include <stdlib.h>

enum { TLS_RECORD_HANDSHAKE = 0x16, LAST_WORDS_BYTES = 1024 };

static const unsigned extensions_offered = SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_SMTPUTF8 |
                                           SMTP_EXT_CHUNKING | SMTP_EXT_ENHANCEDSTATUSCODES | SMTP_EXT_LIMITS |
                                           SMTP_EXT_HELP | SMTP_EXT_VRFY;

static struct span
client_span(const struct session *s)
{
    return span_of(s->client_text, s->client_len);
}

/* --- what handlers use ------------------------------------------------------------------------------------------- */

static bool
is_bad_command(unsigned code)
{
    return (code >= 500 && code <= 504) || code == 555;
}

void
session_reply(struct session *s, struct reply reply)
{
    ASSERT(!reply_is_none(reply));
    if (is_bad_command(smtp_reply_code(reply.id)))
        s->bad_commands++;
    /* A reply that does not fit is noticed by the next flush, which ends the session. */
    if (smtp_reply_format(&reply, wire_writer_pending(&s->writer)) != ERR_OK)
        s->end_reason = SPAN("memory");
}

struct reply
session_reply_from_host(const struct session *s, enum reply_id id, struct span text)
{
    return (struct reply){.id = id, .text = {s->edge->hostname, text}};
}

void
session_end(struct session *s, struct reply reply, struct span reason)
{
    session_reply(s, reply);
    s->is_ending = true;
    s->end_reason = reason;
}

void
session_refuse(struct session *s, struct reply reply, struct span reason)
{
    judgement_note(s, TRAIL_SESSION, SPAN_EMPTY, reason, &reply);
    session_end(s, reply, reason);
}

enum err
session_flush(struct fiber *f, struct session *s)
{
    if (s->writer.pending.len == 0 && !s->writer.pending.failed)
        return ERR_OK;
    return wire_writer_flush(f, deadline_in(s->edge->rt, config_duration_ns(s->edge->config->limits.idle_timeout_ms)),
                             &s->writer);
}

unsigned
session_parameters(const struct session *s)
{
    return s->is_extended ? s->extensions | SMTP_EXT_DSN : 0;
}

struct deadline
session_data_deadline(const struct session *s, int64_t began_ns, uint64_t bytes)
{
    const struct config_limits *limits = &s->edge->config->limits;
    struct deadline pace = wire_pace_deadline(rt_now_ns(s->edge->rt), began_ns, bytes,
                                              config_duration_ns(limits->data_timeout_ms), EDGE_DATA_RATE_MIN);
    return deadline_earlier(pace, (struct deadline){began_ns + config_duration_ns(limits->message_time_ms)});
}

struct access_client
session_access_client(const struct session *s)
{
    return (struct access_client){
        .kind = s->listener->is_local_submission ? ACCESS_CLIENT_LOCAL_USER : ACCESS_CLIENT_STRANGER,
        .address = s->client,
        .helo = s->helo,
    };
}

struct span
session_account(const struct session *s)
{
    return s->user.len > 0 ? s->user : span_of(s->account_text, s->account_len);
}

bool
session_discard(struct session *s, uint64_t bytes)
{
    s->discarded_bytes += bytes;
    s->edge->counters.octets_discarded += bytes;
    return s->discarded_bytes <= s->edge->config->limits.discard_size_bytes.value;
}

struct span
session_protocol(const struct session *s, bool is_smtputf8)
{
    return received_with(&(struct received_protocol){
        .is_lmtp = s->listener->is_lmtp,
        .is_extended = s->is_extended,
        .is_smtputf8 = is_smtputf8,
    });
}

/* --- the conversation -------------------------------------------------------------------------------------------- */

/* A client that talks before it was greeted is no mail server (requirement 22). True: the session ends. */
static enum err
check_early_talker(struct fiber *f, struct session *s)
{
    struct span start;
    if (s->listener->config->early_pipelining.value == CONFIG_ACCEPT)
        return ERR_OK;
    enum err e = wire_peek(f, (struct deadline){rt_now_ns(s->edge->rt)}, &s->reader, 1, false, &start);
    if (e == ERR_TIMEOUT)
        return ERR_OK;
    TRY(e);
    enum smtp_foreign_protocol protocol = smtp_foreign_detect(start);
    log_write(s->edge->log, protocol == SMTP_FOREIGN_NONE ? LOG_EARLY_TALKER : LOG_NOT_SMTP,
              LOG_U64(KEY_SESSION, s->number), LOG_TEXT(KEY_CLIENT, client_span(s)),
              LOG_TEXT(KEY_DETAIL, start.len > 64 ? span_first(start, 64) : start));
    if (protocol == SMTP_FOREIGN_NONE)
        session_refuse(s, session_reply_from_host(s, REPLY_EARLY_TALKER, SPAN_EMPTY), SPAN("early-talker"));
    else
        session_refuse(s, session_reply_from_host(s, REPLY_FOREIGN_PROTOCOL, smtp_foreign_name(protocol)),
                       SPAN("not-smtp"));
    return ERR_OK;
}

static struct deadline
command_deadline(const struct session *s)
{
    const struct config_limits *limits = &s->edge->config->limits;
    struct deadline idle = deadline_in(s->edge->rt, config_duration_ns(limits->idle_timeout_ms));
    if (s->tx != NULL)
        return idle;
    return deadline_earlier(idle, (struct deadline){s->began_ns + config_duration_ns(limits->session_time_ms)});
}

/* A TLS client sends no line end; its first two octets say what it is (requirement 19). */
static enum err
check_tls_record(struct fiber *f, struct deadline by, struct session *s)
{
    struct span start;
    TRY(wire_peek(f, by, &s->reader, 1, false, &start));
    if (start.data[0] != TLS_RECORD_HANDSHAKE)
        return ERR_OK;
    TRY(wire_peek(f, by, &s->reader, 2, false, &start));
    if (smtp_foreign_detect(start) != SMTP_FOREIGN_TLS)
        return ERR_OK;
    log_write(s->edge->log, LOG_NOT_SMTP, LOG_U64(KEY_SESSION, s->number), LOG_TEXT(KEY_CLIENT, client_span(s)),
              LOG_TEXT(KEY_PROTOCOL, SPAN("tls")));
    session_refuse(s, session_reply_from_host(s, REPLY_FOREIGN_PROTOCOL, SPAN("TLS")), SPAN("not-smtp"));
    return ERR_OK;
}

/* What is said to a line that is none (requirements 2, 4, 14). */
static void
refuse_broken_line(struct session *s, enum wire_line_kind kind, size_t max)
{
    switch (kind) {
    case WIRE_LINE_OK:
        break;
    case WIRE_LINE_TOO_LONG:
        session_reply(s, reply_with_number(REPLY_COMMAND_TOO_LONG, max));
        break;
    case WIRE_LINE_BARE_CR:
    case WIRE_LINE_BARE_LF:
        session_reply(s, reply_of(REPLY_COMMAND_LINE_END));
        break;
    case WIRE_LINE_BARE_LF_AGAIN:
        session_refuse(s, session_reply_from_host(s, REPLY_TOO_MANY_ERRORS, SPAN_EMPTY), SPAN("bare-newline"));
        break;
    case WIRE_LINE_NUL:
        session_reply(s, reply_of(REPLY_COMMAND_CONTROL));
        break;
    }
}

static enum err
converse(struct fiber *f, struct session *s)
{
    size_t max = s->edge->config->limits.command_length_bytes.value;
    if (edge_is_closing(s->edge))
        return ERR_CANCELED;
    TRY(check_early_talker(f, s));
    enum reply_id greeting = s->listener->is_lmtp ? REPLY_GREETING_LMTP : REPLY_GREETING;
    if (!s->is_ending)
        session_reply(s, session_reply_from_host(s, greeting, SPAN_EMPTY));
    TRY(session_flush(f, s));
    while (!s->is_ending) {
        struct wire_line line;
        struct deadline by = command_deadline(s);
        TRY(check_tls_record(f, by, s));
        if (s->is_ending)
            break;
        TRY(wire_read_line(f, by, &s->reader, max, &line));
        if (line.kind == WIRE_LINE_OK) {
            TRY(dispatch_line(f, s, line.text));
        } else {
            s->commands++;
            refuse_broken_line(s, line.kind, max);
            dispatch_judge(s);
            TRY(session_flush(f, s));
        }
        if (s->tx == NULL && edge_is_closing(s->edge))
            return ERR_CANCELED;
    }
    return session_flush(f, s);
}

/* --- beginning and end ------------------------------------------------------------------------------------------- */

/* The last reply of a session that ended without its own, and the name of that end. */
static void
say_last_words(struct session *s, enum err e)
{
    bool is_session_over = s->tx == NULL && rt_now_ns(s->edge->rt) - s->began_ns >=
                                                config_duration_ns(s->edge->config->limits.session_time_ms);
    switch (e) {
    case ERR_OK:
        return;
    case ERR_CLOSED:
        s->end_reason = SPAN("disconnected");
        return;
    case ERR_TIMEOUT: {
        enum reply_id words = s->last_words == REPLY_IDLE && is_session_over ? REPLY_SESSION_TOO_LONG : s->last_words;
        session_end(s, session_reply_from_host(s, words, SPAN_EMPTY), smtp_reply_name(words));
        break;
    }
    case ERR_CANCELED:
        session_end(s, session_reply_from_host(s, REPLY_STOPPING, SPAN_EMPTY), SPAN("stopping"));
        break;
    case ERR_LIMIT:
        session_end(s, session_reply_from_host(s, REPLY_TOO_MUCH_DISCARDED, SPAN_EMPTY), SPAN("discard-limit"));
        break;
    case ERR_AGAIN:
    case ERR_FULL:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_SYNTAX:
    case ERR_DENIED:
    case ERR_DAMAGED:
    case ERR_PROTOCOL:
    case ERR_IO:
        session_end(s, session_reply_from_host(s, REPLY_SERVICE_UNAVAILABLE, SPAN_EMPTY), span_from_cstr(err_name(e)));
        break;
    }
    wire_writer_post(&s->writer);
}

static void
log_end(struct session *s)
{
    struct edge *edge = s->edge;
    if (s->is_in_data && s->tx != NULL)
        log_write(edge->log, LOG_MESSAGE_ABORTED, LOG_ID(KEY_ID, s->tx->id), LOG_U64(KEY_SESSION, s->number),
                  LOG_TEXT(KEY_CLIENT, client_span(s)), LOG_TEXT(KEY_FROM, s->tx->sender),
                  LOG_TEXT(KEY_REASON, s->end_reason), LOG_U64(KEY_SIZE, intake_content(&s->tx->intake)->size_bytes));
    log_write(edge->log, LOG_SESSION_CLOSED, LOG_U64(KEY_SESSION, s->number), LOG_TEXT(KEY_CLIENT, client_span(s)),
              LOG_TEXT(KEY_CLIENT_NAME, s->client_name.len > 0 ? s->client_name : SPAN("unknown")),
              LOG_TEXT(KEY_HELO, s->helo), LOG_TEXT(KEY_LISTENER, s->listener->config->title.value),
              LOG_TEXT(KEY_REASON, s->end_reason), LOG_U64(KEY_COMMANDS, s->commands),
              LOG_U64(KEY_ERRORS, s->bad_commands), LOG_U64(KEY_MESSAGES, s->messages),
              LOG_I64(KEY_DURATION_MS, (rt_now_ns(edge->rt) - s->began_ns) / NS_PER_MS));
}

/* Everything of the session that can be freed without waiting. */
static void
release(struct session *s)
{
    struct edge *edge = s->edge;
    tx_abort(s);
    wire_reader_done(&s->reader);
    wire_writer_done(&s->writer);
    stream_close(s->stream);
    arena_clear(&s->mem);
    client_units_leave(&edge->units, s->unit);
    list_unlink(&s->link);
    edge->session_count--;
    cond_broadcast(&edge->session_ended);
    free(s);
}

static void
session_run(struct fiber *f, void *arg)
{
    struct session *s = arg;
    s->fiber = f;
    fiber_group_init(&s->children, f);
    reverse_name_begin(s);
    enum err e = converse(f, s);
    fiber_group_end(f, &s->children);
    say_last_words(s, e);
    log_end(s);
    release(s);
}

static void
describe_client(struct session *s)
{
    const struct stream_address *peer = stream_peer(s->stream);
    struct buf text;
    buf_init_fixed(&text, s->client_text, sizeof(s->client_text));
    if (peer->family == ADDRESS_UNIX) {
        buf_append(&text, SPAN("local"));
    } else {
        s->client.family = peer->family == ADDRESS_IPV4 ? ADDRESS_LITERAL_IPV4 : ADDRESS_LITERAL_IPV6;
        memcpy(s->client.ip, peer->ip, peer->family == ADDRESS_IPV4 ? 4 : 16);
        if (address_literal_format_ip(&s->client, &text) != ERR_OK)
            buf_clear(&text);
    }
    s->client_len = (uint8_t)text.len;
    if (!s->listener->is_local_submission || peer->family != ADDRESS_UNIX)
        return;
    buf_init_fixed(&text, s->account_text, sizeof(s->account_text));
    buf_append(&text, SPAN("uid:"));
    buf_append_u64(&text, peer->uid);
    s->account_len = (uint8_t)text.len;
}

/* Whether the client may have a session (requirements 21, 33); if not, it has been told. */
static bool
admit(struct session *s)
{
    struct edge *edge = s->edge;
    struct access_connect_facts facts = {
        .client = session_access_client(s),
        .sessions_of_unit = s->unit == NULL ? 0 : s->unit->sessions,
        .sessions = edge->session_count,
    };
    struct verdict verdict = access_connect(&s->listener->policy, &facts);
    if (verdict.action == VERDICT_ACCEPT)
        return true;
    struct judgement j;
    judgement_init(&j, s, TRAIL_CONNECT, LOG_SESSION_REFUSED, client_span(s));
    judgement_number(&j, FACT_SESSIONS_OF_ADDRESS, facts.sessions_of_unit);
    judgement_number(&j, FACT_SESSIONS, facts.sessions);
    judgement_record(s, &j, &verdict);
    session_reply(s, verdict.reply);
    edge->counters.sessions_refused++;
    return false;
}

/*
 * What the sessions of this client are counted under: its address, or for a user of this machine an address that nobody
 * can have, in 0:1::/32, with the user id in it. Family NONE: they are not counted.
 */
static struct address_literal
counted_as(const struct session *s)
{
    if (!s->listener->is_local_submission)
        return s->client;
    struct address_literal unit = {.family = ADDRESS_LITERAL_IPV6, .ip = {[3] = 1}};
    uint32_t uid = stream_peer(s->stream)->uid;
    for (unsigned i = 0; i < 4; i++)
        unit.ip[4 + i] = (uint8_t)(uid >> (24 - 8 * i));
    return unit;
}

static struct session *
session_new(const struct edge_listener *listener, struct stream *stream)
{
    struct edge *edge = listener->edge;
    struct session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->edge = edge;
    s->listener = listener;
    s->stream = stream;
    s->number = ++edge->session_last;
    s->began_ns = rt_now_ns(edge->rt);
    s->state = SMTP_STATE_START;
    s->extensions = extensions_offered;
    s->last_words = REPLY_IDLE;
    s->end_reason = SPAN("quit");
    arena_init(&s->mem, edge->config->limits.session_memory_bytes.value);
    wire_reader_init(&s->reader, stream, &edge->buffers);
    wire_writer_init(&s->writer, stream);
    describe_client(s);
    struct address_literal unit = counted_as(s);
    if (unit.family != ADDRESS_LITERAL_NONE)
        s->unit = client_units_enter(&edge->units, &unit);
    list_append(&edge->sessions, &s->link);
    edge->session_count++;
    edge->counters.sessions++;
    return s;
}

static void
refuse_without_session(const struct edge_listener *listener, struct stream *stream)
{
    uint8_t bytes[LAST_WORDS_BYTES];
    struct buf words;
    struct reply reply = reply_with_text(REPLY_SERVER_BUSY, listener->edge->hostname);
    buf_init_fixed(&words, bytes, sizeof(bytes));
    if (smtp_reply_format(&reply, &words) == ERR_OK)
        stream_post(stream, buf_span(&words));
    stream_close(stream);
}

void
session_start(const struct edge_listener *listener, struct stream *stream)
{
    struct edge *edge = listener->edge;
    struct session *s = session_new(listener, stream);
    if (s == NULL) {
        log_write(edge->log, LOG_OUT_OF_MEMORY, LOG_TEXT(KEY_PHASE, SPAN("session")));
        refuse_without_session(listener, stream);
        return;
    }
    if (!admit(s)) {
        wire_writer_post(&s->writer);
        release(s);
        return;
    }
    if (fiber_group_spawn(&edge->session_fibers, "edge.session", session_run, s) != ERR_OK) {
        log_write(edge->log, LOG_OUT_OF_MEMORY, LOG_TEXT(KEY_PHASE, SPAN("fiber")));
        session_reply(s, session_reply_from_host(s, REPLY_SERVER_BUSY, SPAN_EMPTY));
        wire_writer_post(&s->writer);
        release(s);
        return;
    }
    log_write(edge->log, LOG_SESSION_OPENED, LOG_U64(KEY_SESSION, s->number), LOG_TEXT(KEY_CLIENT, client_span(s)),
              LOG_TEXT(KEY_LISTENER, listener->config->title.value));
}
