/*
 * command.h - one command line cut into verb and argument, and peers recognised that do not speak SMTP at all.
 *
 * The line reader has removed the CRLF; a line here never has one. Nothing is decided: what a verb may do in which
 * state is smtp_state.h. RFC 5321 §4.1.1, requirements 14, 16 to 19.
 */
#ifndef GODWIT_PROTO_SMTP_COMMAND_H
#define GODWIT_PROTO_SMTP_COMMAND_H

#include "base/span.h"
#include "proto/smtp/reply.h"

enum {
    /* Longest command line we read, CRLF included: 512 and the growth of every extension we know (requirement 3). */
    SMTP_COMMAND_LINE_MAX = 2048,
    SMTP_AUTH_LINE_MAX = 12288, /* RFC 4954 §4 */
};

enum smtp_verb {
    SMTP_VERB_UNKNOWN,
    SMTP_VERB_EHLO,
    SMTP_VERB_HELO,
    SMTP_VERB_LHLO,
    SMTP_VERB_MAIL,
    SMTP_VERB_RCPT,
    SMTP_VERB_DATA,
    SMTP_VERB_BDAT,
    SMTP_VERB_RSET,
    SMTP_VERB_NOOP,
    SMTP_VERB_QUIT,
    SMTP_VERB_VRFY,
    SMTP_VERB_EXPN,
    SMTP_VERB_HELP,
    SMTP_VERB_STARTTLS,
    SMTP_VERB_AUTH,
    SMTP_VERB_ETRN,
    SMTP_VERB_OBSOLETE, /* SEND SOML SAML TURN ATRN BURL: known, never on */
    SMTP_VERB_COUNT,
};

struct smtp_command {
    enum smtp_verb verb;
    struct span name;     /* as written, for the log */
    struct span argument; /* what follows the first space, blanks at its end removed; empty when there is none */
};

/*
 * Cut `line`. REPLY_NONE and *ret set, or the reply to give: an empty line and an unknown verb are 500, control octets
 * 501, octets of 0x80 and above 501 except in the argument of MAIL, RCPT, VRFY and EXPN, whose readers judge them; an
 * argument where none is allowed 501 (DATA, RSET, QUIT, STARTTLS). *ret->verb is set in every case, for counting.
 */
NODISCARD struct reply smtp_command_parse(struct span line, struct smtp_command *ret);

/* The name of a verb in upper case, "unknown" for SMTP_VERB_UNKNOWN: for logs and counters. */
struct span smtp_verb_name(enum smtp_verb verb);

/* Who is speaking, judged by the first bytes on a plain port. */
enum smtp_foreign_protocol { SMTP_FOREIGN_NONE, SMTP_FOREIGN_TLS, SMTP_FOREIGN_HTTP, SMTP_FOREIGN_SSH };

/*
 * Recognise another protocol in the start of what a client sent, at any point of a plain-text session (requirement
 * 19): TLS by its record header (0x16 0x03), HTTP by a method and a space or by the field "Host:", SSH by "SSH-". Two
 * octets are enough for TLS; for the others pass what stands at the start of a line, nine octets are enough.
 */
enum smtp_foreign_protocol smtp_foreign_detect(struct span start);

/* "tls", "http", "ssh" or "none", for logs. */
struct span smtp_foreign_name(enum smtp_foreign_protocol protocol);

#endif
