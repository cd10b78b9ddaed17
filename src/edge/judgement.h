/*
 * judgement.h - a verdict with what it was about, written to the log and the trail in one go.
 *
 * Handlers gather facts, ask policy, and hand the verdict here: nothing is refused without a trace, and nothing is
 * noted that policy did not use. Refusals outside of a transaction leave a trail of their own, sampled when there are
 * too many.
 */
#ifndef GODWIT_EDGE_JUDGEMENT_H
#define GODWIT_EDGE_JUDGEMENT_H

#include "edge/session.h"
#include "net/trail.h"
#include "policy/verdict.h"

struct judgement_fact {
    enum fact_state state;
    bool is_number;
    uint64_t number;
    struct span text; /* borrowed; for FACT_STATE_FAILED the reason */
};

struct judgement {
    enum trail_phase phase;
    enum log_event refusal; /* what is logged when it is refused */
    struct span subject;    /* what is judged: an address, a name; may be empty; borrowed */
    struct judgement_fact facts[FACT_COUNT];
};

/* Begin: facts about the client and the session are filled in from `s`. */
void judgement_init(struct judgement *j, const struct session *s, enum trail_phase phase, enum log_event refusal,
                    struct span subject);

void judgement_number(struct judgement *j, enum fact_id fact, uint64_t number);
void judgement_text(struct judgement *j, enum fact_id fact, struct span text);
void judgement_failed(struct judgement *j, enum fact_id fact, struct span reason);

/*
 * Note the verdict in the transaction's trail, or in one of its own when there is no transaction and it refuses; log
 * refusals.
 */
void judgement_record(struct session *s, const struct judgement *j, const struct verdict *verdict);

/*
 * Note something that no rule decided: trouble of ours, a broken protocol. `reason` is a stable code; 4yz replies
 * count as deferred. Does not log.
 */
void judgement_note(struct session *s, enum trail_phase phase, struct span subject, struct span reason,
                    const struct reply *reply);

/* The first step of every trail: who the client is. */
void judgement_trail_begin(const struct session *s, struct buf *trail);

/* Hand a trail to control unless there are too many just now. `id` may be none. */
void judgement_trail_post(struct edge *edge, struct message_id id, struct span trail);

#endif
