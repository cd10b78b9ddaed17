/*
 * dispatch.c - from a line to its handler: what is checked for every command alike, and when replies leave.
 */
#include "edge/commands.h"
#include "edge/judgement.h"

struct command_row {
    command_fn *handler;
    bool may_wait;   /* its reply may wait for those of the commands behind it (RFC 2920 §3.2, requirement 59) */
    bool is_sync;    /* the client has to wait for its reply before it sends more (RFC 2920 §3.1) */
    bool has_octets; /* octets follow whether or not it is in order: its handler checks the order */
};

static const struct command_row rows[SMTP_VERB_COUNT] = {
    [SMTP_VERB_EHLO] = {.handler = cmd_hello, .is_sync = true},
    [SMTP_VERB_HELO] = {.handler = cmd_hello, .is_sync = true},
    [SMTP_VERB_LHLO] = {.handler = cmd_hello, .is_sync = true},
    [SMTP_VERB_MAIL] = {.handler = cmd_mail, .may_wait = true},
    [SMTP_VERB_RCPT] = {.handler = cmd_rcpt, .may_wait = true},
    [SMTP_VERB_DATA] = {.handler = cmd_data, .is_sync = true},
    [SMTP_VERB_BDAT] = {.handler = cmd_bdat, .has_octets = true},
    [SMTP_VERB_RSET] = {.handler = cmd_rset, .may_wait = true},
    [SMTP_VERB_NOOP] = {.handler = cmd_noop},
    [SMTP_VERB_QUIT] = {.handler = cmd_quit},
    [SMTP_VERB_VRFY] = {.handler = cmd_vrfy},
    [SMTP_VERB_HELP] = {.handler = cmd_help},
    /* EXPN, STARTTLS, AUTH, ETRN and the obsolete ones are off: smtp_state_check() answers them. */
};

struct smtp_session_kind
session_kind(const struct session *s)
{
    return (struct smtp_session_kind){
        .is_lmtp = s->listener->is_lmtp,
        /* After HELO nothing was offered; before any hello the order decides, not the offer. */
        .extensions = s->state == SMTP_STATE_START || s->is_extended ? s->extensions
                                                                     : s->extensions & ~(unsigned)SMTP_EXT_CHUNKING,
    };
}

/* Whether the client has sent more than it may before the reply to this command (requirement 61). */
static bool
is_early(const struct session *s, enum smtp_verb verb)
{
    if (s->listener->config->early_pipelining.value == CONFIG_ACCEPT || !wire_has_input(&s->reader))
        return false;
    if (verb == SMTP_VERB_QUIT || rows[verb].has_octets) /* nobody waits for more; what is here may be the chunk */
        return false;
    return rows[verb].is_sync || !s->is_extended;
}

/* Another protocol on this port: no conversation (requirement 19). */
static bool
end_foreign(struct session *s, struct span start)
{
    enum smtp_foreign_protocol protocol = smtp_foreign_detect(start);
    if (protocol == SMTP_FOREIGN_NONE)
        return false;
    struct span name = smtp_foreign_name(protocol);
    log_write(s->edge->log, LOG_NOT_SMTP, LOG_U64(KEY_SESSION, s->number),
              LOG_TEXT(KEY_CLIENT, span_of(s->client_text, s->client_len)), LOG_TEXT(KEY_PROTOCOL, name));
    session_refuse(s, session_reply_from_host(s, REPLY_FOREIGN_PROTOCOL, name), SPAN("not-smtp"));
    return true;
}

static void
refuse_line(struct session *s, struct span line, struct reply reply)
{
    log_write(s->edge->log, LOG_COMMAND_REFUSED, LOG_U64(KEY_SESSION, s->number),
              LOG_TEXT(KEY_CLIENT, span_of(s->client_text, s->client_len)), LOG_TEXT(KEY_DETAIL, line),
              LOG_TEXT(KEY_REASON, smtp_reply_name(reply.id)));
    session_reply(s, reply);
}

static enum err
serve_command(struct fiber *f, struct session *s, struct span line, const struct smtp_command *command)
{
    const struct command_row *row = &rows[command->verb];
    if (is_early(s, command->verb)) {
        log_write(s->edge->log, LOG_PIPELINING_ABUSE, LOG_U64(KEY_SESSION, s->number),
                  LOG_TEXT(KEY_CLIENT, span_of(s->client_text, s->client_len)),
                  LOG_TEXT(KEY_VERB, smtp_verb_name(command->verb)));
        session_refuse(s, reply_of(REPLY_PIPELINING), SPAN("early-pipelining"));
        return ERR_OK;
    }
    if (!row->has_octets) {
        struct smtp_session_kind kind = session_kind(s);
        struct reply reply = smtp_state_check(s->state, command->verb, &kind);
        if (!reply_is_none(reply)) {
            refuse_line(s, line, reply);
            return ERR_OK;
        }
    }
    if (row->handler == NULL) {
        refuse_line(s, line, reply_of(REPLY_VERB_OFF));
        return ERR_OK;
    }
    return row->handler(f, s, command);
}

/*
 * How long the session has lasted, for its limit. A transaction under way may be finished, within the time of a message; it is
 * not a way to stay for ever.
 */
static uint64_t
judged_age_ms(const struct session *s)
{
    uint64_t age_ms = (uint64_t)((rt_now_ns(s->edge->rt) - s->began_ns) / NS_PER_MS);
    uint64_t grace_ms = s->tx == NULL ? 0 : s->edge->config->limits.message_time_ms.value;
    return age_ms > grace_ms ? age_ms - grace_ms : 0;
}

/* Whether the session has gone too far (requirement 33). */
void
dispatch_judge(struct session *s)
{
    if (s->is_ending)
        return;
    struct access_session_facts facts = {
        .age_ms = judged_age_ms(s),
        .bad_commands = s->bad_commands,
        .refused_recipients = s->refused_recipients,
    };
    struct verdict verdict = access_session(&s->listener->policy, &facts);
    if (verdict.action == VERDICT_ACCEPT)
        return;
    struct judgement j;
    judgement_init(&j, s, TRAIL_SESSION, LOG_SESSION_ABUSE, SPAN_EMPTY);
    judgement_number(&j, FACT_SESSION_AGE, facts.age_ms);
    judgement_record(s, &j, &verdict);
    session_end(s, verdict.reply, reason_code(verdict.reason));
}

enum err
dispatch_line(struct fiber *f, struct session *s, struct span line)
{
    struct smtp_command command;
    struct reply reply = smtp_command_parse(line, &command);
    s->commands++;
    s->edge->counters.commands++;
    if (reply_is_none(reply))
        TRY(serve_command(f, s, line, &command));
    else if (!end_foreign(s, line))
        refuse_line(s, line, reply);
    dispatch_judge(s);
    if (!rows[command.verb].may_wait || !reply_is_none(reply) || !wire_has_line(&s->reader) ||
        wire_writer_is_due(&s->writer))
        return session_flush(f, s);
    return ERR_OK;
}
