/*
 * verdict.h - what policy answers: accept, refuse, defer, or "first find this out", and what that rests on.
 *
 * A verdict is a value. It carries the reply to give, a stable reason code (reasons.def), the configuration line that
 * decided and the facts it used (facts.def), so that the caller can act on it, log it and leave it in the trail without
 * knowing the rules. Policy is pure: the same facts and the same policy give the same verdict, at rehearsal too.
 */
#ifndef GODWIT_POLICY_VERDICT_H
#define GODWIT_POLICY_VERDICT_H

#include "base/compiler.h"
#include "base/source_pos.h"
#include "proto/smtp/reply.h"

enum reason {
#define REASON(id, code, sentence) REASON_##id,
#include "policy/reasons.def"
#undef REASON
    REASON_COUNT
};

enum fact_id {
#define FACT(id, name, sentence) FACT_##id,
#include "policy/facts.def"
#undef FACT
    FACT_COUNT
};

/* How far a fact that has to be asked for is known. */
enum fact_state {
    FACT_STATE_UNKNOWN, /* nobody has asked */
    FACT_STATE_KNOWN,
    FACT_STATE_FAILED,  /* asked, and there was no answer */
};

struct fact_u64 {
    enum fact_state state;
    uint64_t value; /* when known */
};

enum verdict_action {
    VERDICT_ACCEPT,
    VERDICT_REFUSE,     /* for good: 5yz */
    VERDICT_DEFER,      /* for now: 4yz */
    VERDICT_NEED_FACTS, /* gather `facts_needed` and ask again */
};

struct verdict {
    enum verdict_action action;
    bool ends_session;      /* close the connection after the reply */
    enum reason reason;
    struct reply reply;     /* REPLY_NONE for ACCEPT (the caller knows its 250) and NEED_FACTS; texts borrowed */
    struct source_pos rule; /* the configuration line that decided; SOURCE_POS_DEFAULT when none or a default did */
    uint64_t facts_used;    /* 1 << enum fact_id, or-ed */
    uint64_t facts_needed;  /* likewise, for VERDICT_NEED_FACTS */
};

static inline uint64_t
fact_bit(enum fact_id fact)
{
    return UINT64_C(1) << fact;
}

/* The stable code, "relay-denied", and a sentence for people. */
struct span reason_code(enum reason reason);
struct span reason_sentence(enum reason reason);

/* Find a reason by its code. False, *ret untouched, when there is none. */
bool reason_find(struct span code, enum reason *ret);

/* The stable name, "client.address", and a sentence for people. */
struct span fact_name(enum fact_id fact);
struct span fact_sentence(enum fact_id fact);

#endif
