/*
 * message.c - the verdict about a whole message, its Received field, its envelope and its commit.
 *
 * The promise of the whole program is one line here: REPLY_ACCEPTED is said only when the queue has said
 * COMMIT_DURABLE.
 */
#include "edge/message.h"

#include "base/assert.h"
#include "edge/judgement.h"
#include "proto/msg/header_mend.h"
#include "proto/msg/received.h"
#include "store/envelope.h"

enum { RECEIVED_BYTES_MAX = 4096, RECEIVED_BYTES_USUAL = 512, ENVELOPE_BYTES_USUAL = 2048, FLAWS_TEXT_MAX = 128 };

static const struct {
    unsigned flaw;
    const char *name;
} flaw_names[] = {
    {SMTP_CONTENT_BARE_CR, "bare-cr"},
    {SMTP_CONTENT_BARE_LF, "bare-lf"},
    {SMTP_CONTENT_NUL_IN_HEADER, "nul-in-header"},
    {SMTP_CONTENT_NUL_IN_BODY, "nul-in-body"},
    {SMTP_CONTENT_LINE_TOO_LONG, "line-too-long"},
    {SMTP_CONTENT_TOO_LARGE, "too-large"},
};

static struct span
flaws_text(unsigned flaws, struct buf *to)
{
    for (size_t i = 0; i < ARRAY_LEN(flaw_names); i++) {
        if ((flaws & flaw_names[i].flaw) == 0)
            continue;
        if (to->len > 0)
            buf_append_octet(to, ' ');
        buf_append_cstr(to, flaw_names[i].name);
    }
    return to->len == 0 ? SPAN("none") : buf_span(to);
}

/* Ask policy about what is known of the content now, and note the answer when it refuses or is final. */
static struct verdict
judge(struct session *s, bool is_final)
{
    const struct intake *in = &s->tx->intake;
    const struct smtp_content *content = intake_content(in);
    struct access_data_facts facts = {
        .content = content,
        .is_header_too_large = in->is_header_too_large,
        .hops = is_final && !in->is_dropped ? header_count(header_block_span(&in->header), SPAN("Received")) : 0,
    };
    struct verdict verdict = access_data(&s->listener->policy, &facts);
    bool is_refusal = verdict.action != VERDICT_ACCEPT;
    if (!is_refusal && !is_final)
        return verdict;

    struct judgement j;
    uint8_t text_bytes[FLAWS_TEXT_MAX];
    struct buf text;
    buf_init_fixed(&text, text_bytes, sizeof(text_bytes));
    judgement_init(&j, s, TRAIL_DATA, verdict.reason == REASON_BARE_NEWLINE ? LOG_BARE_NEWLINE : LOG_MESSAGE_REFUSED,
                   SPAN_EMPTY);
    judgement_text(&j, FACT_SENDER, s->tx->sender);
    judgement_number(&j, FACT_SIZE, content->size_bytes);
    judgement_text(&j, FACT_CONTENT_FLAWS, flaws_text(content->flaws, &text));
    judgement_text(&j, FACT_HEADER_SIZE, in->is_header_too_large ? SPAN("too large") : SPAN("within limits"));
    judgement_number(&j, FACT_HOPS, facts.hops);
    struct header_field field;
    if (is_final && !in->is_dropped && header_find(header_block_span(&in->header), SPAN("Message-ID"), &field)) {
        judgement_text(&j, FACT_MESSAGE_ID, span_trim(field.value));
        verdict.facts_used |= UINT64_C(1) << FACT_MESSAGE_ID; /* so that `godwit why` finds it by that name */
    }
    judgement_record(s, &j, &verdict);
    return verdict;
}

struct reply
message_judge_chunk(struct session *s)
{
    const struct intake *in = &s->tx->intake;
    struct verdict verdict = judge(s, false);
    if (verdict.action != VERDICT_ACCEPT)
        return verdict.reply;
    if (in->trouble == REPLY_NONE)
        return reply_of(REPLY_NONE);
    struct reply reply = reply_of(in->trouble);
    judgement_note(s, TRAIL_COMMIT, SPAN_EMPTY, smtp_reply_name(in->trouble), &reply);
    return reply;
}

static bool
is_multipart_or_message(struct span section)
{
    struct header_field field;
    if (!header_find(section, SPAN("Content-Type"), &field))
        return false;
    struct span value = span_trim(field.value);
    return span_has_prefix_nocase(value, SPAN("multipart/")) || span_has_prefix_nocase(value, SPAN("message/"));
}

/*
 * Whether the next hop has to know SMTPUTF8: only when an address or a header field needs it, whatever the client
 * said (requirement 142). Header fields of body parts are not read: 8-bit octets in a body with parts count as if
 * they were there.
 */
static bool
needs_smtputf8(const struct transaction *tx)
{
    unsigned flaws = intake_content(&tx->intake)->flaws;
    if (!tx->mail.is_smtputf8)
        return false;
    if (tx->mail.reverse_path.mailbox.is_utf8 || (flaws & SMTP_CONTENT_8BIT_IN_HEADER) != 0)
        return true;
    for (const struct tx_recipient *r = tx->first; r != NULL; r = r->next)
        if (r->is_utf8)
            return true;
    return (flaws & SMTP_CONTENT_8BIT_IN_BODY) != 0 && is_multipart_or_message(header_block_span(&tx->intake.header));
}

/* The address for a From field that a program of this machine left out: its sender, or for the null sender its user. */
static struct span
own_address(const struct session *s, struct buf *to)
{
    struct mailbox own;
    if (s->tx->sender.len > 0)
        return s->tx->sender;
    if (mailbox_from_parts(s->user, s->edge->hostname, &own) != ADDR_OK || mailbox_format(&own, to) != ERR_OK)
        return SPAN_EMPTY;
    return buf_span(to);
}

/* The header section of a user of this machine, with what it lacks (RFC 6409 §8). Mail of others is never mended. */
static enum err
append_mended(struct session *s, struct span id, int64_t now_us, struct buf *to)
{
    uint8_t address_bytes[MAILBOX_TEXT_MAX], id_bytes[MESSAGE_ID_TEXT + 1 + DOMAIN_OCTETS_MAX];
    struct buf address, message_id;
    buf_init_fixed(&address, address_bytes, sizeof(address_bytes));
    buf_init_fixed(&message_id, id_bytes, sizeof(id_bytes));
    buf_append(&message_id, id);
    buf_append_octet(&message_id, '@');
    buf_append(&message_id, s->edge->hostname);
    return header_mend(header_block_span(&s->tx->intake.header),
                       &(struct header_mend){
                           .address = own_address(s, &address),
                           .message_id = buf_span(&message_id),
                           .wall_us = now_us,
                       },
                       to);
}

/*
 * Our Received field, then the header section as it came. A message that begins with its body gets an empty line, or
 * its text would continue our field. One whose header section ends at a line that is no field keeps its octets: what
 * it means is for its reader to say, and a line put in would break its signatures (RFC 5321 §6.4).
 */
static enum err
build_header(struct session *s, bool is_smtputf8, int64_t now_us, struct buf *to)
{
    const struct transaction *tx = s->tx;
    char id[MESSAGE_ID_TEXT];
    message_id_format(tx->id, id);
    struct received received = {
        .helo = s->helo,
        .client_name = s->client_name,
        .client = s->client,
        .by = s->edge->hostname,
        .local_user = session_account(s), /* empty for all others */
        .with = session_protocol(s, is_smtputf8),
        .id = span_of(id, sizeof(id)),
        .wall_us = now_us,
    };
    TRY(received_format(&received, to));
    if (s->listener->is_local_submission)
        TRY(append_mended(s, received.id, now_us, to));
    else
        TRY(buf_append(to, header_block_span(&tx->intake.header)));
    if (tx->intake.header.status == HEADER_BLOCK_NO_HEADER && header_block_span(&tx->intake.header).len == 0)
        TRY(buf_append(to, WIRE_CRLF));
    return ERR_OK;
}

/* The recipients as an envelope has them, in the transaction's arena; NULL without memory. */
static struct envelope_recipient *
build_recipients(struct session *s)
{
    struct transaction *tx = s->tx;
    struct envelope_recipient *all = arena_alloc(&s->tx_mem, tx->recipient_count * sizeof(*all));
    if (all == NULL)
        return NULL;
    size_t i = 0;
    for (const struct tx_recipient *r = tx->first; r != NULL; r = r->next)
        all[i++] = (struct envelope_recipient){.address = r->address, .orcpt = r->orcpt, .notify = r->notify};
    ASSERT(i == tx->recipient_count);
    return all;
}

static enum err
build_envelope(struct session *s, bool is_smtputf8, int64_t now_us, uint64_t size_bytes, struct buf *to)
{
    struct transaction *tx = s->tx;
    struct envelope envelope = {
        .id = tx->id,
        .arrival_us = now_us,
        .sender = tx->sender,
        .body = (enum envelope_body)tx->mail.body,
        .is_smtputf8 = is_smtputf8,
        .ret = (enum envelope_ret)tx->mail.ret,
        .envid = tx->mail.envid,
        .size_bytes = size_bytes,
        .client_address = span_of(s->client_text, s->client_len),
        .client_name = s->client_name.len > 0 ? s->client_name : SPAN("unknown"),
        .helo = s->helo,
        .protocol = session_protocol(s, is_smtputf8),
        .listener = s->listener->config->title.value,
        .account = session_account(s),
        .generation = s->edge->env->generation,
        .trail = buf_span(&tx->trail),
        .recipients = build_recipients(s),
        .recipient_count = tx->recipient_count,
    };
    return envelope.recipients == NULL ? ERR_LIMIT : envelope_encode(&envelope, to);
}

/* Build header and envelope and commit them with the body. REPLY_ACCEPTED only when all of it is durable. */
static enum reply_id
submit(struct fiber *f, struct session *s, uint64_t *ret_size)
{
    const struct intake *in = &s->tx->intake;
    bool is_smtputf8 = needs_smtputf8(s->tx);
    int64_t now_us = rt_wall_us(s->edge->rt);
    struct buf header, envelope;
    buf_init(&header, in->header.bytes.len + RECEIVED_BYTES_MAX);
    buf_init(&envelope, ENVELOPE_BYTES_MAX);
    /* Room at once instead of growth in pieces; without memory the first append says so. */
    (void)buf_reserve(&header, in->header.bytes.len + RECEIVED_BYTES_USUAL);
    (void)buf_reserve(&envelope, ENVELOPE_BYTES_USUAL);
    buf_clear(&header);
    buf_clear(&envelope);
    enum err e = build_header(s, is_smtputf8, now_us, &header);
    if (e == ERR_OK)
        e = build_envelope(s, is_smtputf8, now_us, header.len + in->body_bytes, &envelope);
    *ret_size = header.len + in->body_bytes;
    enum reply_id reply = e == ERR_OK ? intake_commit(f, s, buf_span(&envelope), buf_span(&header)) : REPLY_MEMORY;
    buf_done(&header);
    buf_done(&envelope);
    return reply;
}

static void
log_accepted(struct session *s, uint64_t size)
{
    const struct transaction *tx = s->tx;
    s->messages++;
    s->edge->counters.messages_accepted++;
    s->edge->counters.octets_accepted += size;
    struct span first = tx->first == NULL ? SPAN_EMPTY : tx->first->address;
    log_write(s->edge->log, LOG_MESSAGE_ACCEPTED, LOG_ID(KEY_ID, tx->id), LOG_U64(KEY_SESSION, s->number),
              LOG_TEXT(KEY_CLIENT, span_of(s->client_text, s->client_len)), LOG_TEXT(KEY_HELO, s->helo),
              LOG_TEXT(KEY_PROTOCOL, session_protocol(s, tx->mail.is_smtputf8)), LOG_TEXT(KEY_FROM, tx->sender),
              LOG_TEXT(KEY_TO, first), LOG_U64(KEY_RECIPIENTS, tx->recipient_count), LOG_U64(KEY_SIZE, size),
              LOG_I64(KEY_DURATION_MS, (rt_now_ns(s->edge->rt) - tx->intake.began_ns) / NS_PER_MS));
}

/* Trouble of ours: the client keeps the message, and log and trail say why. */
static void
note_trouble(struct session *s, const struct reply *reply)
{
    log_write(s->edge->log, LOG_MESSAGE_REFUSED, LOG_ID(KEY_ID, s->tx->id), LOG_U64(KEY_SESSION, s->number),
              LOG_TEXT(KEY_CLIENT, span_of(s->client_text, s->client_len)), LOG_TEXT(KEY_FROM, s->tx->sender),
              LOG_U64(KEY_RECIPIENTS, s->tx->recipient_count), LOG_TEXT(KEY_REASON, smtp_reply_name(reply->id)),
              LOG_U64(KEY_CODE, smtp_reply_code(reply->id)));
    judgement_note(s, TRAIL_COMMIT, SPAN_EMPTY, smtp_reply_name(reply->id), reply);
}

/* Say it: once in SMTP, once for each recipient in LMTP (RFC 2033 §4.2). */
static enum err
reply_to_content(struct fiber *f, struct session *s, struct reply reply)
{
    char id[MESSAGE_ID_TEXT];
    message_id_format(s->tx->id, id);
    if (!s->listener->is_lmtp) {
        if (reply.id == REPLY_ACCEPTED)
            reply.text[0] = span_of(id, sizeof(id));
        session_reply(s, reply);
        return ERR_OK;
    }
    for (const struct tx_recipient *r = s->tx->first; r != NULL; r = r->next) {
        if (reply.id == REPLY_ACCEPTED || reply.id == REPLY_LMTP_ACCEPTED)
            reply = (struct reply){.id = REPLY_LMTP_ACCEPTED, .text = {r->address, span_of(id, sizeof(id))}};
        session_reply(s, reply);
        if (wire_writer_is_due(&s->writer))
            TRY(session_flush(f, s));
    }
    return ERR_OK;
}

enum err
message_finish(struct fiber *f, struct session *s)
{
    TRY(intake_end(f, s));
    struct verdict verdict = judge(s, true);
    struct reply reply = verdict.reply;
    if (verdict.action == VERDICT_ACCEPT) {
        uint64_t size = 0;
        enum reply_id trouble = s->tx->intake.trouble;
        reply = reply_of(trouble != REPLY_NONE ? trouble : submit(f, s, &size));
        if (fiber_is_canceled(f))
            return ERR_CANCELED;
        if (reply.id == REPLY_ACCEPTED)
            log_accepted(s, size);
        else
            note_trouble(s, &reply);
        s->tx->has_refusal = reply.id != REPLY_ACCEPTED; /* the message carries the trail now, or control gets it */
    }
    enum err e = reply_to_content(f, s, reply);
    session_event(s, SMTP_EVENT_END);
    tx_abort(s);
    return e;
}
