/* submission.c - ask once, remember for the session, judge each sender. */
#include "edge/submission.h"

#include "edge/judgement.h"
#include "ipc/ipc_messages.h"
#include "store/local_user.h"

/* Ask the directory for the name of the peer's user id; what could not be found out is asked again at the next MAIL. */
static void
gather_user(struct fiber *f, struct session *s)
{
    struct edge *edge = s->edge;
    struct arena mem;
    struct ipc_local_user question = {.uid = stream_peer(s->stream)->uid};
    struct ipc_local_user_reply answer;
    arena_init(&mem, edge->config->limits.command_memory_bytes.value);
    struct deadline by = deadline_in(edge->rt, config_duration_ns(edge->config->limits.lookup_timeout_ms));
    enum err e = ipc_local_user(f, by, edge->directory, &question, &mem, &answer);
    bool is_known = e == ERR_OK && (answer.status == LOCAL_USER_KNOWN || answer.status == LOCAL_USER_NAMELESS);
    struct span name = is_known && answer.status == LOCAL_USER_KNOWN ? answer.name : SPAN_EMPTY;
    if (is_known && arena_copy(&s->mem, name, &s->user)) {
        s->user_state = FACT_STATE_KNOWN;
        s->is_user_trusted = answer.is_trusted;
    } else {
        s->user_state = FACT_STATE_FAILED;
    }
    arena_clear(&mem);
}

static void
note(struct session *s, const struct path *sender, const struct verdict *verdict)
{
    struct judgement j;
    judgement_init(&j, s, TRAIL_MAIL, LOG_SENDER_REFUSED, sender->text);
    judgement_text(&j, FACT_SENDER, sender->text);
    if (s->user_state == FACT_STATE_KNOWN)
        judgement_text(&j, FACT_CLIENT_USER, s->user);
    else if (s->user_state == FACT_STATE_FAILED)
        judgement_failed(&j, FACT_CLIENT_USER, SPAN("no answer"));
    judgement_record(s, &j, verdict);
}

struct verdict
submission_judge(struct fiber *f, struct session *s, const struct path *sender)
{
    if (!s->listener->is_local_submission)
        return (struct verdict){.action = VERDICT_ACCEPT};
    const struct config_text_list *trusted = &s->edge->config->trusted_users;
    struct access_submission_facts facts = {
        .user_state = s->user_state == FACT_STATE_FAILED ? FACT_STATE_UNKNOWN : s->user_state,
        .user = s->user,
        .is_trusted = s->is_user_trusted,
        .sender = sender,
        .trusted_users = trusted->count > 0 ? trusted->items[0].pos : SOURCE_POS_DEFAULT,
    };
    struct verdict verdict = access_submission(&s->listener->policy, &facts);
    if (verdict.action == VERDICT_NEED_FACTS) {
        gather_user(f, s);
        facts.user_state = s->user_state;
        facts.user = s->user;
        facts.is_trusted = s->is_user_trusted;
        verdict = access_submission(&s->listener->policy, &facts);
    }
    if (verdict.action != VERDICT_ACCEPT)
        note(s, sender, &verdict);
    return verdict;
}
