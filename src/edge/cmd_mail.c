/* cmd_mail.c - MAIL: a transaction begins. RFC 5321 §4.1.1.2, RFC 1870 §6.1, requirements 26, 33, 51. */
#include "edge/commands.h"
#include "edge/judgement.h"
#include "edge/reverse_name.h"
#include "edge/submission.h"

static struct verdict
judge(struct session *s, const struct smtp_mail_args *args)
{
    struct access_mail_facts facts = {
        .transactions = s->transactions,
        .has_declared_size = args->has_size,
        .declared_size_bytes = args->size_bytes,
    };
    struct judgement j;
    judgement_init(&j, s, TRAIL_MAIL, LOG_SENDER_REFUSED, args->reverse_path.text);
    judgement_text(&j, FACT_SENDER, args->reverse_path.text);
    judgement_number(&j, FACT_TRANSACTIONS, s->transactions + 1);
    if (args->has_size)
        judgement_number(&j, FACT_DECLARED_SIZE, args->size_bytes);
    if (rt_now_ns(s->edge->rt) < s->edge->disk_full_until_ns) {
        facts.free_space = (struct fact_u64){FACT_STATE_KNOWN, 0};
        judgement_number(&j, FACT_FREE_SPACE, 0);
    }
    struct verdict verdict = access_mail(&s->listener->policy, &facts);
    if (verdict.action != VERDICT_ACCEPT) {
        judgement_record(s, &j, &verdict);
    } else if (!tx_begin(s, args)) {
        verdict = (struct verdict){.action = VERDICT_DEFER, .reply = reply_of(REPLY_MEMORY)};
        judgement_note(s, TRAIL_MAIL, args->reverse_path.text, smtp_reply_name(REPLY_MEMORY), &verdict.reply);
    } else {
        judgement_record(s, &j, &verdict);
    }
    return verdict;
}

/* Gather, judge and act; says the reply. */
static enum err
admit(struct fiber *f, struct session *s, const struct smtp_mail_args *args)
{
    TRY(reverse_name_await(f, s));
    struct verdict verdict = submission_judge(f, s, &args->reverse_path);
    if (fiber_is_canceled(f))
        return ERR_CANCELED;
    if (verdict.action == VERDICT_ACCEPT)
        verdict = judge(s, args);
    if (verdict.ends_session) {
        session_end(s, verdict.reply, reason_code(verdict.reason));
    } else if (verdict.action != VERDICT_ACCEPT) {
        session_reply(s, verdict.reply);
    } else {
        s->transactions++;
        session_event(s, SMTP_EVENT_MAIL);
        session_reply(s, reply_of(REPLY_MAIL_OK));
    }
    return ERR_OK;
}

enum err
cmd_mail(struct fiber *f, struct session *s, const struct smtp_command *command)
{
    struct arena mem;
    struct smtp_mail_args args;
    enum err e = ERR_OK;
    arena_init(&mem, s->edge->config->limits.command_memory_bytes.value);
    struct reply reply = smtp_mail_args_parse(command->argument, session_parameters(s), &mem, &args);
    if (reply_is_none(reply))
        e = admit(f, s, &args);
    else
        session_reply(s, reply);
    arena_clear(&mem);
    return e;
}
