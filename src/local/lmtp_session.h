/*
 * lmtp_session.h - one connection to an LMTP store: greeting, LHLO, then commands and replies. RFC 2033. Private to
 * src/local.
 *
 * The store is the operator's, yet its replies are read with the parser that trusts nothing. A session is used by one
 * fiber at a time and kept for the next delivery to the same store when the last one left it in order.
 */
#ifndef GODWIT_LOCAL_LMTP_SESSION_H
#define GODWIT_LOCAL_LMTP_SESSION_H

#include "local/local_state.h"
#include "proto/smtp/reply_parse.h"
#include "rt/stream.h"

enum { LMTP_INPUT_BYTES = 4096 };

struct lmtp_session {
    struct list node;            /* in local->idle_sessions */
    struct stream *stream;       /* owned */
    char target[160];            /* the store, with a NUL */
    int64_t idle_since_ns;
    bool is_reused;              /* it served a delivery before */
    bool has_size, has_8bitmime, has_smtputf8;
    struct smtp_reply_parser reply; /* the last reply */
    size_t input_start, input_end;
    uint8_t input[LMTP_INPUT_BYTES];
};

/*
 * A session with the store of that name, kept or new, ready for MAIL. The store is looked up in the configuration:
 * ERR_NOT_FOUND when none of that name is there. ERR_CLOSED: it cannot be reached; ERR_PROTOCOL: it refused or does not
 * speak LMTP; ERR_TIMEOUT, ERR_CANCELED, ERR_LIMIT. With `is_fresh` never a kept one.
 */
NODISCARD enum err lmtp_session_get(struct fiber *f, struct deadline by, struct local *local, struct span target,
                                    bool is_fresh, struct lmtp_session **ret);

/* Keep the session for later. */
void lmtp_session_keep(struct local *local, struct lmtp_session *s);

/* End it: QUIT as last words, no wait. NULL is accepted. */
void lmtp_session_end(struct lmtp_session *s);

/*
 * Send `command` (whole lines with CRLF; empty: nothing) and read one reply into s->reply. ERR_PROTOCOL when it is
 * broken.
 */
NODISCARD enum err lmtp_session_ask(struct fiber *f, struct deadline by, struct lmtp_session *s, struct span command);

#endif
