/*
 * reply_parse.h - a server's reply, read by our client: incremental, bounded, and trusting nothing.
 *
 * Only the first digit decides for unknown codes (requirement 114). A reply whose lines differ in code, a line that is
 * no reply line, one too long or too many of them are SMTP_REPLY_BROKEN: the caller treats the conversation as
 * failed for now (4xx class). A line ends at LF, with or without CR. RFC 5321 §4.2, RFC 2034 §4.
 */
#ifndef GODWIT_PROTO_SMTP_REPLY_PARSE_H
#define GODWIT_PROTO_SMTP_REPLY_PARSE_H

#include "base/buf.h"
#include "base/span.h"

enum {
    SMTP_PEER_LINE_MAX = 4096,       /* octets of one line, its end included */
    SMTP_PEER_LINES_MAX = 1000,      /* lines of one reply */
    SMTP_PEER_TEXT_MAX = 16 * 1024,  /* octets of text kept of one reply; more is read and dropped */
};

enum smtp_reply_status { SMTP_REPLY_MORE, SMTP_REPLY_WHOLE, SMTP_REPLY_BROKEN };

struct smtp_reply_parser {
    struct buf line;       /* owned; the part of a line that came without its end */
    struct buf text;       /* owned; texts of the lines, without codes, an LF between two */
    unsigned code;         /* 200 to 599 once a line was read */
    unsigned status[3];    /* enhanced status of the first line that has one of the code's class; or 0.0.0 */
    unsigned lines;
    bool is_text_cut;      /* text was dropped */
};

void smtp_reply_parser_init(struct smtp_reply_parser *p);

/* Release what it owns. NULL is accepted. */
void smtp_reply_parser_done(struct smtp_reply_parser *p);

/* Forget the reply; ready for the next. */
void smtp_reply_parser_clear(struct smtp_reply_parser *p);

/*
 * Take octets from the start of *in; *in is what is left. At SMTP_REPLY_WHOLE the reply is in `code`, `status` and
 * `text` and *in begins with the next reply: clear before going on. After SMTP_REPLY_BROKEN close the connection.
 */
NODISCARD enum smtp_reply_status smtp_reply_parser_take(struct smtp_reply_parser *p, struct span *in);

/* The text of line `n` (from 0), without code and enhanced status as far as one was there; empty past the last. */
struct span smtp_reply_parser_line(const struct smtp_reply_parser *p, unsigned n);

#endif
