/*
 * reply.h - the replies of our server: a value that says which, written out in one place.
 *
 * replies.def is the one table of them; a reply outside it cannot be made. Text of a reply never carries bytes of a
 * client unescaped (requirement 20), no line is longer than 512 octets, and every line of one reply has the same code
 * and the same enhanced status (RFC 5321 §4.2.1, RFC 2034 §4).
 */
#ifndef GODWIT_PROTO_SMTP_REPLY_H
#define GODWIT_PROTO_SMTP_REPLY_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/span.h"

enum { SMTP_REPLY_LINE_MAX = 512 /* CRLF included, RFC 5321 §4.5.3.1.5 */, SMTP_REPLY_TEXTS_MAX = 2 };

enum reply_id {
    REPLY_NONE = 0, /* nothing to say: the parse or the check succeeded */
#define REPLY(id, ...) REPLY_##id,
#include "proto/smtp/replies.def"
#undef REPLY
    REPLY_COUNT,
};

struct reply {
    enum reply_id id;
    struct span text[SMTP_REPLY_TEXTS_MAX]; /* for the {words} of the row's text, from left to right; borrowed */
    uint64_t number;                        /* for its {#word} */
};

/* The three ways to make one. */
static inline struct reply
reply_of(enum reply_id id)
{
    return (struct reply){.id = id};
}

static inline struct reply
reply_with_text(enum reply_id id, struct span text)
{
    return (struct reply){.id = id, .text = {text}};
}

static inline struct reply
reply_with_number(enum reply_id id, uint64_t number)
{
    return (struct reply){.id = id, .number = number};
}

static inline bool
reply_is_none(struct reply r)
{
    return r.id == REPLY_NONE;
}

/* The three-digit code; 0 for REPLY_NONE. */
unsigned smtp_reply_code(enum reply_id id);

/* The enhanced status code, "5.1.1"; empty where the reply has none (greeting, EHLO, 354). */
struct span smtp_reply_status(enum reply_id id);

/* A stable lower-case name for logs and trails, "user_unknown"; "none" for REPLY_NONE. */
struct span smtp_reply_name(enum reply_id id);

/* Whether the code begins with 2 or 3, or with 4. A 5 is neither. */
bool smtp_reply_is_positive(enum reply_id id);
bool smtp_reply_is_transient(enum reply_id id);

/*
 * Append the reply as it goes on the wire, CRLF at every line's end. Foreign text is escaped and cut at 500 octets.
 * ERR_LIMIT when `to` is full.
 */
NODISCARD enum err smtp_reply_format(const struct reply *r, struct buf *to);

/* Append the text alone, one line, without codes and CRLF: for logs and trails. ERR_LIMIT. */
NODISCARD enum err smtp_reply_format_text(const struct reply *r, struct buf *to);

#endif
