/*
 * lmtp_deliver.c - one message for one recipient to an LMTP store. RFC 2033 §4.2.
 *
 * One recipient a transaction, so a reply that got lost repeats nothing for anybody else (requirement 71). The store's
 * reply is the verdict, word for word. A store that cannot be reached, refuses the session or breaks the protocol
 * defers the mail.
 */
#include <stdlib.h>

#include "local/lmtp_body.h"
#include "local/lmtp_session.h"
#include "text/ascii.h"
#include "text/escape.h"

enum {
    COMMAND_OCTETS_MAX = 2048,
    COMMAND_S = 300,            /* RFC 5321 §4.5.3.2 */
    DATA_END_S = 600,
    SERVICE_CLOSING = 421,
    CHUNK_BYTES = 64 * 1024,
    CHUNK_WIRE_MAX = 3 * CHUNK_BYTES + 64,
};

/* --- verdicts --- */

/* The reply is the verdict. Codes of neither 2, 4 nor 5 are no answer to the command asked. */
static void
verdict_from_reply(struct delivery *d, const struct smtp_reply_parser *reply)
{
    unsigned first = reply->code / 100;
    enum delivery_class class = first == 2 ? DELIVERY_DONE : first == 5 ? DELIVERY_FAILED : DELIVERY_DEFERRED;
    char status[LOCAL_STATUS_MAX];
    struct buf text;
    buf_init_fixed(&text, status, sizeof(status) - 1);
    if (reply->status[0] == first && (first == 2 || first == 4 || first == 5))
        buf_printf(&text, "%u.%u.%u", reply->status[0], reply->status[1], reply->status[2]);
    if (text.len == 0 || text.failed) {
        buf_clear(&text);
        buf_printf(&text, "%u.0.0", class == DELIVERY_DONE ? 2u : class == DELIVERY_FAILED ? 5u : 4u);
    }
    status[text.len] = '\0';
    verdict_set(&d->verdict, class, status, "%u ", reply->code);
    escape_append_reply(buf_span(&reply->text), &d->verdict.text);
}

static void
verdict_from_error(struct delivery *d, enum err e, const char *phase)
{
    struct span target = d->request->name;
    log_write(d->local->log, LOG_LMTP_FAILED, LOG_TEXT(KEY_TARGET, target), LOG_CSTR(KEY_PHASE, phase),
              LOG_ERR(KEY_ERROR, e));
    if (e == ERR_NOT_FOUND)
        verdict_set(&d->verdict, DELIVERY_DEFERRED, "4.3.5", "the store is no longer in the configuration");
    else if (e == ERR_PROTOCOL)
        verdict_set(&d->verdict, DELIVERY_DEFERRED, "4.5.0",
                    "the store at " SPAN_FMT " refused the session or broke the protocol (%s)", SPAN_ARG(target),
                    phase);
    else
        verdict_set(&d->verdict, DELIVERY_DEFERRED, "4.4.2", "no conversation with the store at " SPAN_FMT " (%s: %s)",
                    SPAN_ARG(target), phase, err_name(e));
}

/* --- the message --- */

/* A piece of the message's file, read in the pool. */
struct file_read {
    struct disk_file *file;
    uint64_t offset;
    uint8_t *octets;
    size_t len;
    enum err status;
};

static void
file_read_run(void *arg)
{
    struct file_read *r = arg;
    r->status = disk_pread(r->file, r->offset, r->octets, CHUNK_BYTES, &r->len);
}

/* What is written of the message, and the room for it. */
struct sending {
    struct lmtp_session *session;
    struct lmtp_body body;
    struct buf wire; /* owned */
};

static enum err
piece_send(struct fiber *f, struct delivery *d, struct sending *s, struct span piece)
{
    while (!span_is_empty(piece)) {
        size_t len = piece.len < CHUNK_BYTES ? piece.len : CHUNK_BYTES;
        buf_clear(&s->wire);
        TRY(lmtp_body_append(&s->body, span_first(piece, len), &s->wire));
        TRY(stream_write(f, d->by, s->session->stream, buf_span(&s->wire)));
        piece = span_skip(piece, len);
    }
    return ERR_OK;
}

static enum err
file_send(struct fiber *f, struct delivery *d, struct sending *s)
{
    struct file_read r = {.file = d->file, .octets = malloc(CHUNK_BYTES)};
    enum err e = r.octets == NULL ? ERR_LIMIT : ERR_OK;
    while (e == ERR_OK) {
        e = rt_pool_run(f, file_read_run, &r);
        if (e == ERR_OK)
            e = r.status;
        if (e != ERR_OK || r.len == 0)
            break;
        r.offset += r.len;
        e = piece_send(f, d, s, span_of(r.octets, r.len));
    }
    free(r.octets);
    return e;
}

static enum err
message_send(struct fiber *f, struct delivery *d, struct lmtp_session *session)
{
    struct sending s = {.session = session};
    buf_init(&s.wire, CHUNK_WIRE_MAX);
    enum err e = piece_send(f, d, &s, d->request->content);
    if (e == ERR_OK && d->file != NULL)
        e = file_send(f, d, &s);
    buf_clear(&s.wire);
    if (e == ERR_OK)
        e = lmtp_body_end(&s.body, &s.wire);
    if (e == ERR_OK)
        e = stream_write(f, d->by, session->stream, buf_span(&s.wire));
    buf_done(&s.wire);
    return e;
}

/* --- the transaction --- */

/* Addresses of an envelope were parsed where they came in; here only what would break the line is kept out. */
static bool
is_line_safe(struct span address)
{
    for (size_t i = 0; i < address.len; i++)
        if (ascii_is(address.data[i], ASCII_CONTROL))
            return false;
    return true;
}

static bool
needs_smtputf8(const struct delivery *d)
{
    return !ascii_is_7bit(d->request->sender) || !ascii_is_7bit(d->request->recipient);
}

static enum err
mail_format(const struct delivery *d, const struct lmtp_session *s, struct buf *to)
{
    buf_append_cstr(to, "MAIL FROM:<");
    buf_append(to, d->request->sender);
    buf_append_octet(to, '>');
    if (s->has_size)
        buf_printf(to, " SIZE=%llu", (unsigned long long)d->request->size_bytes);
    if (s->has_8bitmime)
        buf_append_cstr(to, " BODY=8BITMIME");
    if (s->has_smtputf8 && needs_smtputf8(d))
        buf_append_cstr(to, " SMTPUTF8");
    buf_append_cstr(to, "\r\n");
    return buf_check(to);
}

static enum err
rcpt_format(const struct delivery *d, struct buf *to)
{
    buf_append_cstr(to, "RCPT TO:<");
    buf_append(to, d->request->recipient);
    buf_append_cstr(to, ">\r\n");
    return buf_check(to);
}

/* One conversation: where it stands when it ends early, and whether the session is still in order. */
struct transaction {
    struct lmtp_session *session;
    const char *phase;
    bool is_decided; /* the verdict is set */
    bool is_in_order;
};

/* Ask; a reply other than `wanted` hundred decides. */
static enum err
ask(struct fiber *f, struct delivery *d, struct transaction *t, struct span command, unsigned wanted, int64_t wait_s)
{
    struct deadline by = deadline_earlier(d->by, deadline_in(d->local->rt, wait_s * NS_PER_S));
    TRY(lmtp_session_ask(f, by, t->session, command));
    if (t->session->reply.code / 100 == wanted)
        return ERR_OK;
    t->is_decided = true;
    t->is_in_order = t->session->reply.code != SERVICE_CLOSING;
    verdict_from_reply(d, &t->session->reply);
    return ERR_OK;
}

static enum err
transaction_run(struct fiber *f, struct delivery *d, struct transaction *t)
{
    uint8_t text[COMMAND_OCTETS_MAX];
    struct buf command;
    buf_init_fixed(&command, text, sizeof(text));
    t->phase = "MAIL";
    TRY(mail_format(d, t->session, &command));
    TRY(ask(f, d, t, buf_span(&command), 2, COMMAND_S));
    if (t->is_decided)
        return ERR_OK;
    t->phase = "RCPT";
    buf_clear(&command);
    TRY(rcpt_format(d, &command));
    TRY(ask(f, d, t, buf_span(&command), 2, COMMAND_S));
    if (t->is_decided)
        return ERR_OK;
    t->phase = "DATA";
    TRY(ask(f, d, t, SPAN("DATA\r\n"), 3, COMMAND_S));
    if (t->is_decided)
        return ERR_OK;
    TRY(message_send(f, d, t->session));
    t->phase = "end of data";
    TRY(ask(f, d, t, SPAN_EMPTY, 2, DATA_END_S));
    if (t->is_decided)
        return ERR_OK;
    verdict_from_reply(d, &t->session->reply);
    t->is_decided = true;
    t->is_in_order = true;
    return ERR_OK;
}

/* After a refusal the transaction is still open at the store. */
static void
session_release(struct fiber *f, struct delivery *d, struct transaction *t, enum err e)
{
    if (e == ERR_OK && t->is_in_order && d->verdict.class != DELIVERY_DONE) {
        struct deadline by = deadline_earlier(d->by, deadline_in(d->local->rt, COMMAND_S * NS_PER_S));
        e = lmtp_session_ask(f, by, t->session, SPAN("RSET\r\n"));
        if (e == ERR_OK && t->session->reply.code / 100 != 2)
            e = ERR_PROTOCOL;
    }
    if (e == ERR_OK && t->is_in_order)
        lmtp_session_keep(d->local, t->session);
    else
        lmtp_session_end(t->session);
}

/* One try. False: the kept session had ended before MAIL was answered, a new one may do better. */
static bool
deliver_once(struct fiber *f, struct delivery *d, bool is_fresh)
{
    struct transaction t = {.phase = "connect"};
    enum err e = lmtp_session_get(f, d->by, d->local, d->request->name, is_fresh, &t.session);
    if (e != ERR_OK) {
        verdict_from_error(d, e, t.phase);
        return true;
    }
    bool was_kept = t.session->is_reused;
    if (needs_smtputf8(d) && !t.session->has_smtputf8) {
        verdict_set(&d->verdict, DELIVERY_FAILED, "5.6.7", "the store takes no address that is not ASCII");
        lmtp_session_keep(d->local, t.session);
        return true;
    }
    e = transaction_run(f, d, &t);
    bool has_ended = e == ERR_CLOSED || (e == ERR_OK && t.session->reply.code == SERVICE_CLOSING);
    bool ended_at_once = has_ended && was_kept && strcmp(t.phase, "MAIL") == 0;
    if (e != ERR_OK && !ended_at_once)
        verdict_from_error(d, e, t.phase);
    session_release(f, d, &t, e);
    return !ended_at_once;
}

void
local_deliver_lmtp(struct fiber *f, struct delivery *d)
{
    if (!is_line_safe(d->request->sender) || !is_line_safe(d->request->recipient)) {
        verdict_set(&d->verdict, DELIVERY_FAILED, "5.1.3", "an address of the message cannot stand in a command");
        return;
    }
    if (!deliver_once(f, d, false) && !deliver_once(f, d, true))
        verdict_from_error(d, ERR_CLOSED, "MAIL");
}
