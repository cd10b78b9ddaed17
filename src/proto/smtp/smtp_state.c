/* smtp_state.c - the order of commands, as two tables. */
#include "proto/smtp/smtp_state.h"

#include "base/assert.h"
#include "proto/smtp/extension.h"

/* Short names for the cells. */
#define OK REPLY_NONE
#define REFUSED REPLY_SESSION_REFUSED
#define HELLO REPLY_HELLO_FIRST
#define NESTED REPLY_MAIL_NESTED
#define CHUNKS REPLY_BDAT_UNDER_WAY
#define BROKEN REPLY_BDAT_BROKEN
#define NO_AUTH REPLY_AUTH_IN_TRANSACTION

static const enum reply_id order[SMTP_VERB_COUNT][SMTP_STATE_COUNT] = {
    /* columns: REFUSED, START, READY, MAIL, RCPT, BDAT, BDAT_FAILED */
    [SMTP_VERB_UNKNOWN] = {REFUSED, OK, OK, OK, OK, OK, OK},
    [SMTP_VERB_EHLO] = {REFUSED, OK, OK, OK, OK, OK, OK},
    [SMTP_VERB_HELO] = {REFUSED, OK, OK, OK, OK, OK, OK},
    [SMTP_VERB_LHLO] = {REFUSED, OK, OK, OK, OK, OK, OK},
    [SMTP_VERB_MAIL] = {REFUSED, HELLO, OK, NESTED, NESTED, CHUNKS, BROKEN},
    [SMTP_VERB_RCPT] = {REFUSED, HELLO, REPLY_MAIL_FIRST, OK, OK, CHUNKS, BROKEN},
    [SMTP_VERB_DATA] = {REFUSED, HELLO, REPLY_MAIL_FIRST, REPLY_RCPT_FIRST, OK, CHUNKS, BROKEN},
    [SMTP_VERB_BDAT] = {REFUSED, HELLO, REPLY_MAIL_FIRST, REPLY_RCPT_FIRST, OK, OK, BROKEN},
    [SMTP_VERB_RSET] = {REFUSED, OK, OK, OK, OK, OK, OK},
    [SMTP_VERB_NOOP] = {REFUSED, OK, OK, OK, OK, OK, OK},
    [SMTP_VERB_QUIT] = {OK, OK, OK, OK, OK, OK, OK},
    [SMTP_VERB_VRFY] = {REFUSED, OK, OK, OK, OK, OK, OK},
    [SMTP_VERB_EXPN] = {REFUSED, OK, OK, OK, OK, OK, OK},
    [SMTP_VERB_HELP] = {REFUSED, OK, OK, OK, OK, OK, OK},
    [SMTP_VERB_STARTTLS] = {REFUSED, HELLO, OK, OK, OK, OK, OK},
    [SMTP_VERB_AUTH] = {REFUSED, HELLO, OK, NO_AUTH, NO_AUTH, NO_AUTH, NO_AUTH},
    [SMTP_VERB_ETRN] = {REFUSED, HELLO, OK, NESTED, NESTED, CHUNKS, BROKEN},
    [SMTP_VERB_OBSOLETE] = {REFUSED, OK, OK, OK, OK, OK, OK},
};

/* Verbs that exist only where an extension is offered. */
static const unsigned needed_extension[SMTP_VERB_COUNT] = {
    [SMTP_VERB_BDAT] = SMTP_EXT_CHUNKING, [SMTP_VERB_STARTTLS] = SMTP_EXT_STARTTLS, [SMTP_VERB_AUTH] = SMTP_EXT_AUTH,
    [SMTP_VERB_ETRN] = SMTP_EXT_ETRN,     [SMTP_VERB_EXPN] = SMTP_EXT_EXPN,
};

/* Whether the verb exists in this kind of session at all. */
static enum reply_id
check_kind(enum smtp_verb verb, const struct smtp_session_kind *kind)
{
    if (verb == SMTP_VERB_UNKNOWN)
        return REPLY_VERB_UNKNOWN;
    if (kind->is_lmtp && (verb == SMTP_VERB_EHLO || verb == SMTP_VERB_HELO))
        return REPLY_LHLO_WANTED;
    if (!kind->is_lmtp && verb == SMTP_VERB_LHLO)
        return REPLY_EHLO_WANTED;
    if (verb == SMTP_VERB_STARTTLS && kind->is_tls)
        return REPLY_TLS_ALREADY;
    if (verb == SMTP_VERB_AUTH && kind->is_authenticated)
        return REPLY_AUTH_ALREADY;
    if (verb == SMTP_VERB_OBSOLETE || (needed_extension[verb] & ~kind->extensions) != 0)
        return REPLY_VERB_OFF;
    return REPLY_NONE;
}

struct reply
smtp_state_check(enum smtp_state state, enum smtp_verb verb, const struct smtp_session_kind *kind)
{
    ASSERT((unsigned)state < SMTP_STATE_COUNT && (unsigned)verb < SMTP_VERB_COUNT);
    enum reply_id out_of_kind = check_kind(verb, kind), out_of_order = order[verb][state];
    if (out_of_order == REPLY_SESSION_REFUSED || out_of_kind == REPLY_NONE)
        return reply_of(out_of_order);
    return reply_of(out_of_kind);
}

#define NEVER SMTP_STATE_COUNT

enum smtp_state
smtp_state_after(enum smtp_state state, enum smtp_event event)
{
    static const enum smtp_state after[SMTP_EVENT_COUNT][SMTP_STATE_COUNT] = {
        [SMTP_EVENT_HELLO] = {NEVER, SMTP_STATE_READY, SMTP_STATE_READY, SMTP_STATE_READY, SMTP_STATE_READY,
                              SMTP_STATE_READY, SMTP_STATE_READY},
        [SMTP_EVENT_MAIL] = {NEVER, NEVER, SMTP_STATE_MAIL, NEVER, NEVER, NEVER, NEVER},
        [SMTP_EVENT_RCPT] = {NEVER, NEVER, NEVER, SMTP_STATE_RCPT, SMTP_STATE_RCPT, NEVER, NEVER},
        [SMTP_EVENT_CHUNK] = {NEVER, NEVER, NEVER, NEVER, SMTP_STATE_BDAT, SMTP_STATE_BDAT, NEVER},
        /* A chunk that was out of order changes nothing. */
        [SMTP_EVENT_CHUNK_FAILED] = {SMTP_STATE_REFUSED, SMTP_STATE_START, SMTP_STATE_READY, SMTP_STATE_MAIL,
                                     SMTP_STATE_BDAT_FAILED, SMTP_STATE_BDAT_FAILED, SMTP_STATE_BDAT_FAILED},
        [SMTP_EVENT_END] = {NEVER, NEVER, NEVER, NEVER, SMTP_STATE_READY, SMTP_STATE_READY, NEVER},
        [SMTP_EVENT_RESET] = {NEVER, SMTP_STATE_START, SMTP_STATE_READY, SMTP_STATE_READY, SMTP_STATE_READY,
                              SMTP_STATE_READY, SMTP_STATE_READY},
        [SMTP_EVENT_TLS] = {NEVER, SMTP_STATE_START, SMTP_STATE_START, SMTP_STATE_START, SMTP_STATE_START,
                            SMTP_STATE_START, SMTP_STATE_START},
    };
    ASSERT((unsigned)state < SMTP_STATE_COUNT && (unsigned)event < SMTP_EVENT_COUNT);
    ASSERT(after[event][state] != NEVER);
    return after[event][state];
}

struct span
smtp_state_name(enum smtp_state state)
{
    switch (state) {
    case SMTP_STATE_REFUSED: return SPAN("refused");
    case SMTP_STATE_START: return SPAN("start");
    case SMTP_STATE_READY: return SPAN("ready");
    case SMTP_STATE_MAIL: return SPAN("mail");
    case SMTP_STATE_RCPT: return SPAN("rcpt");
    case SMTP_STATE_BDAT: return SPAN("bdat");
    case SMTP_STATE_BDAT_FAILED: return SPAN("bdat-failed");
    case SMTP_STATE_COUNT: break;
    }
    return SPAN("unknown");
}
