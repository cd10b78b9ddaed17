/* judgement.c - from a verdict and its facts to a step of a trail and a line of the log. */
#include "edge/judgement.h"

#include "ipc/ipc_messages.h"

enum { REPLY_TEXT_BYTES = 700, NUMBERS_BYTES = 20 * FACT_COUNT, REFUSED_TRAIL_BYTES = 8 * 1024 };

void
judgement_init(struct judgement *j, const struct session *s, enum trail_phase phase, enum log_event refusal,
               struct span subject)
{
    *j = (struct judgement){.phase = phase, .refusal = refusal, .subject = subject};
    judgement_text(j, FACT_CLIENT_ADDRESS, span_of(s->client_text, s->client_len));
    judgement_text(j, FACT_CLIENT_KIND, s->listener->is_local_submission ? SPAN("local-user") : SPAN("stranger"));
    judgement_text(j, FACT_HELO, s->helo);
    judgement_number(j, FACT_BAD_COMMANDS, s->bad_commands);
    judgement_number(j, FACT_RCPT_FAILURES, s->refused_recipients);
    judgement_number(j, FACT_TRANSACTIONS, s->transactions);
}

void
judgement_number(struct judgement *j, enum fact_id fact, uint64_t number)
{
    j->facts[fact] = (struct judgement_fact){.state = FACT_STATE_KNOWN, .is_number = true, .number = number};
}

void
judgement_text(struct judgement *j, enum fact_id fact, struct span text)
{
    j->facts[fact] = (struct judgement_fact){.state = FACT_STATE_KNOWN, .text = text};
}

void
judgement_failed(struct judgement *j, enum fact_id fact, struct span reason)
{
    j->facts[fact] = (struct judgement_fact){.state = FACT_STATE_FAILED, .text = reason};
}

/* "550 5.1.1 text" as it was said, on one line. */
static struct span
reply_text(const struct reply *reply, struct buf *to)
{
    if (reply_is_none(*reply))
        return SPAN_EMPTY;
    buf_append_u64(to, smtp_reply_code(reply->id));
    buf_append_octet(to, ' ');
    struct span status = smtp_reply_status(reply->id);
    if (status.len > 0) {
        buf_append(to, status);
        buf_append_octet(to, ' ');
    }
    if (smtp_reply_format_text(reply, to) != ERR_OK)
        buf_append(to, SPAN("..."));
    return buf_span(to);
}

/* The facts of `j` that `used` names, for a trail; numbers are written into `numbers`. */
static size_t
used_facts(const struct judgement *j, uint64_t used, struct trail_fact facts[FACT_COUNT], struct buf *numbers)
{
    size_t count = 0;
    for (unsigned i = 0; i < FACT_COUNT; i++) {
        const struct judgement_fact *fact = &j->facts[i];
        if ((used & UINT64_C(1) << i) == 0)
            continue;
        struct trail_fact *to = &facts[count++];
        *to = (struct trail_fact){TRAIL_FACT_KNOWN, fact_name((enum fact_id)i), fact->text};
        if (fact->state == FACT_STATE_UNKNOWN)
            to->state = TRAIL_FACT_UNKNOWN;
        else if (fact->state == FACT_STATE_FAILED)
            to->state = TRAIL_FACT_FAILED;
        else if (fact->is_number) {
            size_t at = numbers->len;
            buf_append_u64(numbers, fact->number);
            to->value = span_skip(buf_span(numbers), at);
        }
    }
    return count;
}

static void
log_refusal(struct session *s, const struct judgement *j, const struct verdict *verdict, struct span reply)
{
    struct message_id id = s->tx == NULL ? (struct message_id){0} : s->tx->id;
    struct span sender = j->facts[FACT_SENDER].text;
    log_write(s->edge->log, j->refusal, LOG_ID(KEY_ID, id), LOG_U64(KEY_SESSION, s->number),
              LOG_TEXT(KEY_CLIENT, span_of(s->client_text, s->client_len)), LOG_TEXT(KEY_HELO, s->helo),
              LOG_TEXT(KEY_FROM, sender), LOG_TEXT(KEY_TO, j->subject),
              LOG_TEXT(KEY_REASON, reason_code(verdict->reason)), LOG_TEXT(KEY_REPLY, reply),
              LOG_POS(KEY_RULE, verdict->rule));
}

/* Where a step goes: the transaction's trail, or a fresh one in `own` that is posted at once. */
static void
append_step(struct session *s, const struct trail_step *step)
{
    bool is_refusal = step->action == TRAIL_REFUSED || step->action == TRAIL_DEFERRED;
    if (s->tx != NULL) {
        trail_append(&s->tx->trail, step);
        s->tx->has_refusal = s->tx->has_refusal || is_refusal;
        return;
    }
    if (!is_refusal)
        return;
    struct buf own;
    buf_init(&own, REFUSED_TRAIL_BYTES);
    judgement_trail_begin(s, &own);
    trail_append(&own, step);
    judgement_trail_post(s->edge, (struct message_id){0}, buf_span(&own));
    buf_done(&own);
}

void
judgement_record(struct session *s, const struct judgement *j, const struct verdict *verdict)
{
    bool is_refusal = verdict->action == VERDICT_REFUSE || verdict->action == VERDICT_DEFER;
    if (!is_refusal && s->tx == NULL)
        return;
    uint8_t reply_bytes[REPLY_TEXT_BYTES], number_bytes[NUMBERS_BYTES];
    struct buf reply, numbers;
    struct trail_fact facts[FACT_COUNT];
    buf_init_fixed(&reply, reply_bytes, sizeof(reply_bytes));
    buf_init_fixed(&numbers, number_bytes, sizeof(number_bytes));
    struct trail_step step = {
        .time_us = rt_wall_us(s->edge->rt),
        .phase = j->phase,
        .action = !is_refusal ? TRAIL_ACCEPTED : verdict->action == VERDICT_REFUSE ? TRAIL_REFUSED : TRAIL_DEFERRED,
        .subject = j->subject,
        .reason = reason_code(verdict->reason),
        .reply = reply_text(&verdict->reply, &reply),
        .source = verdict->rule,
        .facts = facts,
        .fact_count = used_facts(j, verdict->facts_used, facts, &numbers),
    };
    append_step(s, &step);
    if (is_refusal)
        log_refusal(s, j, verdict, step.reply);
}

void
judgement_note(struct session *s, enum trail_phase phase, struct span subject, struct span reason,
               const struct reply *reply)
{
    uint8_t reply_bytes[REPLY_TEXT_BYTES];
    struct buf text;
    buf_init_fixed(&text, reply_bytes, sizeof(reply_bytes));
    append_step(s, &(struct trail_step){
                       .time_us = rt_wall_us(s->edge->rt),
                       .phase = phase,
                       .action = smtp_reply_is_positive(reply->id)    ? TRAIL_ACCEPTED
                                 : smtp_reply_is_transient(reply->id) ? TRAIL_DEFERRED
                                                                      : TRAIL_REFUSED,
                       .subject = subject,
                       .reason = reason,
                       .reply = reply_text(reply, &text),
                   });
}

void
judgement_trail_begin(const struct session *s, struct buf *trail)
{
    uint8_t number_bytes[16];
    struct buf generation;
    buf_init_fixed(&generation, number_bytes, sizeof(number_bytes));
    buf_append_u64(&generation, s->edge->env->generation);
    struct trail_fact facts[] = {
        TRAIL_FACT(SPAN("client.address"), span_of(s->client_text, s->client_len)),
        {s->client_name.len > 0 ? TRAIL_FACT_KNOWN : TRAIL_FACT_UNKNOWN, SPAN("client.name"), s->client_name},
        TRAIL_FACT(SPAN("session.helo"), s->helo),
        TRAIL_FACT(SPAN("listener"), s->listener->config->title.value),
        TRAIL_FACT(SPAN("configuration.generation"), buf_span(&generation)),
        TRAIL_FACT(SPAN("client.account"), session_account(s)),
    };
    trail_append(trail, &(struct trail_step){
                            .time_us = rt_wall_us(s->edge->rt),
                            .phase = TRAIL_CONNECT,
                            .action = TRAIL_NOTED,
                            .facts = facts,
                            .fact_count = ARRAY_LEN(facts) - (s->account_len == 0 ? 1 : 0), /* the account comes last */
                        });
}

/* Say in the trail that comes how many did not. */
static void
append_skipped(struct edge *edge, uint64_t skipped, struct buf *trail)
{
    uint8_t number_bytes[20];
    struct buf number;
    buf_init_fixed(&number, number_bytes, sizeof(number_bytes));
    buf_append_u64(&number, skipped);
    struct trail_fact fact = TRAIL_FACT(SPAN("trails.skipped"), buf_span(&number));
    trail_append(trail, &(struct trail_step){
                            .time_us = rt_wall_us(edge->rt),
                            .phase = TRAIL_SESSION,
                            .action = TRAIL_NOTED,
                            .reason = SPAN("sampled"),
                            .facts = &fact,
                            .fact_count = 1,
                        });
    log_write(edge->log, LOG_TRAIL_SAMPLED, LOG_U64(KEY_COUNT, skipped));
}

void
judgement_trail_post(struct edge *edge, struct message_id id, struct span trail)
{
    uint64_t skipped;
    if (!trail_sampler_take(&edge->sampler, rt_now_ns(edge->rt), &skipped)) {
        edge->counters.trails_skipped++;
        return;
    }
    struct buf with_note;
    buf_init(&with_note, TRAIL_BYTES_MAX + 256);
    buf_append(&with_note, trail);
    if (skipped > 0)
        append_skipped(edge, skipped, &with_note);
    uint8_t id_bytes[MESSAGE_ID_BYTES];
    message_id_encode(id, id_bytes);
    struct ipc_trail post = {
        .kind = TRAIL_KIND_SESSION,
        .id = message_id_is_none(id) ? SPAN_EMPTY : span_of(id_bytes, sizeof(id_bytes)),
        .trail = buf_span(&with_note),
    };
    if (ipc_post_trail(edge->control, &post) == ERR_OK)
        edge->counters.trails_posted++;
    else
        edge->counters.trails_skipped++;
    buf_done(&with_note);
}
