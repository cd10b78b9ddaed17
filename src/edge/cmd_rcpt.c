/* cmd_rcpt.c - RCPT: one recipient, asked of the directory. RFC 5321 §4.1.1.3, requirements 9, 37 to 41. */
#include "edge/commands.h"
#include "edge/judgement.h"
#include "ipc/ipc_messages.h"
#include "store/recipient.h"

enum { DOMAIN_TEXT_MAX = DOMAIN_OCTETS_MAX + 2 };

/* Ask the directory. A question that gets no answer is a failed fact, never a "no such user" (requirement 40). */
static void
gather_status(struct fiber *f, struct session *s, const struct path *recipient, struct arena *mem,
              struct access_recipient_fact *to)
{
    struct edge *edge = s->edge;
    uint8_t domain_bytes[DOMAIN_TEXT_MAX];
    struct buf domain;
    buf_init_fixed(&domain, domain_bytes, sizeof(domain_bytes));
    to->state = FACT_STATE_FAILED;
    if (mailbox_format_domain(&recipient->mailbox, &domain) != ERR_OK)
        return;
    struct ipc_recipient_check check = {
        .local_part = mailbox_local(&recipient->mailbox),
        .domain = buf_span(&domain),
        .sender = s->tx->sender,
        .size_bytes = s->tx->mail.has_size ? s->tx->mail.size_bytes : 0,
    };
    struct ipc_recipient_check_reply answer;
    struct deadline by = deadline_in(edge->rt, config_duration_ns(edge->config->limits.lookup_timeout_ms));
    enum err e = ipc_recipient_check(f, by, edge->directory, &check, mem, &answer);
    if (e != ERR_OK || answer.status > RECIPIENT_STATUS_UNAVAILABLE) {
        if (e != ERR_CANCELED)
            log_write(edge->log, LOG_RECIPIENT_CHECK_FAILED, LOG_ID(KEY_ID, s->tx->id),
                      LOG_TEXT(KEY_TO, recipient->text), LOG_ERR(KEY_ERROR, e == ERR_OK ? ERR_PROTOCOL : e));
        return;
    }
    to->state = FACT_STATE_KNOWN;
    to->value = (enum access_recipient)answer.status;
    if (answer.rule_count > 0)
        to->rule = (struct source_pos){answer.rule[0].file, answer.rule[0].line, answer.rule[0].column};
}

static struct span
status_name(enum access_recipient status)
{
    static const struct span names[] = {
        [ACCESS_RECIPIENT_OK] = {(const uint8_t *)"ok", 2},
        [ACCESS_RECIPIENT_UNKNOWN] = {(const uint8_t *)"unknown", 7},
        [ACCESS_RECIPIENT_NOT_LOCAL] = {(const uint8_t *)"not-local", 9},
        [ACCESS_RECIPIENT_SUSPENDED] = {(const uint8_t *)"suspended", 9},
        [ACCESS_RECIPIENT_OVER_QUOTA] = {(const uint8_t *)"over-quota", 10},
        [ACCESS_RECIPIENT_TOO_BIG] = {(const uint8_t *)"too-big", 7},
        [ACCESS_RECIPIENT_UNAVAILABLE] = {(const uint8_t *)"unavailable", 11},
    };
    return names[status];
}

static void
note(struct session *s, const struct smtp_rcpt_args *args, const struct access_rcpt_facts *facts,
     const struct verdict *verdict)
{
    struct judgement j;
    judgement_init(&j, s, TRAIL_RCPT, LOG_RECIPIENT_REFUSED, args->forward_path.text);
    judgement_text(&j, FACT_SENDER, s->tx->sender);
    judgement_text(&j, FACT_RECIPIENT, args->forward_path.text);
    judgement_number(&j, FACT_RECIPIENT_COUNT, s->tx->recipient_count);
    if (facts->status.state == FACT_STATE_KNOWN)
        judgement_text(&j, FACT_RECIPIENT_STATUS, status_name(facts->status.value));
    else if (facts->status.state == FACT_STATE_FAILED)
        judgement_failed(&j, FACT_RECIPIENT_STATUS, SPAN("no answer"));
    judgement_record(s, &j, verdict);
}

/* Gather facts, judge, act. REPLY_RCPT_OK or the refusal, whose texts borrow from `args` and the configuration. */
static struct reply
admit(struct fiber *f, struct session *s, const struct smtp_rcpt_args *args, struct arena *mem)
{
    struct access_rcpt_facts facts = {
        .client = session_access_client(s),
        .sender = &s->tx->mail.reverse_path,
        .recipient = &args->forward_path,
        .recipient_count = s->tx->recipient_count,
    };
    struct verdict verdict = access_rcpt(&s->listener->policy, &facts);
    if (verdict.action == VERDICT_NEED_FACTS) {
        gather_status(f, s, &args->forward_path, mem, &facts.status);
        verdict = access_rcpt(&s->listener->policy, &facts);
    }
    note(s, args, &facts, &verdict);
    if (verdict.action != VERDICT_ACCEPT) {
        /* Not those put off: one too many leaves the others alone however many come behind it (requirement 9). */
        s->refused_recipients += verdict.action == VERDICT_REFUSE;
        s->edge->counters.recipients_refused++;
        return verdict.reply;
    }
    if (!tx_add_recipient(s, args))
        return reply_of(REPLY_MEMORY);
    s->edge->counters.recipients_accepted++;
    session_event(s, SMTP_EVENT_RCPT);
    return reply_of(REPLY_RCPT_OK);
}

enum err
cmd_rcpt(struct fiber *f, struct session *s, const struct smtp_command *command)
{
    struct arena mem;
    struct smtp_rcpt_args args;
    arena_init(&mem, s->edge->config->limits.command_memory_bytes.value);
    struct reply reply =
        smtp_rcpt_args_parse(command->argument, session_parameters(s), s->tx->mail.is_smtputf8, &mem, &args);
    if (reply_is_none(reply))
        reply = admit(f, s, &args, &mem);
    session_reply(s, reply);
    arena_clear(&mem);
    return fiber_is_canceled(f) ? ERR_CANCELED : ERR_OK;
}
