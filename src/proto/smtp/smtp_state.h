/*
 * smtp_state.h - which command is allowed when: RFC 5321 §4.1.4 as a table, asked before any handler runs.
 *
 * The table is verb by state and says the reply of a command that is out of order; what may come next after an event is
 * a second table. The session keeps one enum smtp_state and nothing else about order. RFC 5321, 3030, 3207, 4954, 2033.
 */
#ifndef GODWIT_PROTO_SMTP_SMTP_STATE_H
#define GODWIT_PROTO_SMTP_SMTP_STATE_H

#include "proto/smtp/command.h"

enum smtp_state {
    SMTP_STATE_REFUSED,     /* greeted with 554: only QUIT is answered with other than 503 (requirement 21) */
    SMTP_STATE_START,       /* greeted, no EHLO, HELO or LHLO yet */
    SMTP_STATE_READY,       /* no transaction */
    SMTP_STATE_MAIL,        /* MAIL accepted, no recipient yet */
    SMTP_STATE_RCPT,        /* at least one recipient accepted */
    SMTP_STATE_BDAT,        /* chunks accepted, LAST not seen */
    SMTP_STATE_BDAT_FAILED, /* a chunk was refused: BDAT is refused (and its octets read) until RSET or a new EHLO */
    SMTP_STATE_COUNT,
};

enum smtp_event {
    SMTP_EVENT_HELLO,        /* EHLO, HELO or LHLO accepted */
    SMTP_EVENT_MAIL,         /* MAIL accepted */
    SMTP_EVENT_RCPT,         /* RCPT accepted */
    SMTP_EVENT_CHUNK,        /* BDAT accepted, not the last one */
    SMTP_EVENT_CHUNK_FAILED, /* BDAT refused */
    SMTP_EVENT_END,          /* the reply to the end of data, or to BDAT LAST, of any code */
    SMTP_EVENT_RESET,        /* RSET */
    SMTP_EVENT_TLS,          /* handshake done: as if just greeted (requirement 100) */
    SMTP_EVENT_COUNT,
};

/* What kind of session the commands are judged for. */
struct smtp_session_kind {
    bool is_lmtp;           /* LHLO instead of EHLO and HELO, RFC 2033 §4.1 */
    bool is_tls;            /* the connection is encrypted: STARTTLS again is 503 */
    bool is_authenticated;  /* AUTH again is 503 */
    unsigned extensions;    /* enum smtp_extension: BDAT, STARTTLS, AUTH, ETRN, EXPN outside it are 502 */
};

/*
 * The reply to a command that is out of order or not on, REPLY_NONE when its handler may run. A BDAT that is refused
 * still has octets to be read: see bdat_reader.h.
 */
struct reply smtp_state_check(enum smtp_state state, enum smtp_verb verb, const struct smtp_session_kind *kind);

/* The state after an event; the event must be possible there (smtp_state_check() allowed its command). */
enum smtp_state smtp_state_after(enum smtp_state state, enum smtp_event event);

/* For logs: "ready". */
struct span smtp_state_name(enum smtp_state state);

#endif
