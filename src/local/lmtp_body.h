/*
 * lmtp_body.h - the content of a message as it goes behind DATA: dots stuffed, lines ended by CRLF. Pure.
 * RFC 5321 §4.5.2.
 *
 * A bare CR or LF becomes a CRLF, so that no line end of another reading can end the data early at the store.
 */
#ifndef GODWIT_LOCAL_LMTP_BODY_H
#define GODWIT_LOCAL_LMTP_BODY_H

#include "base/buf.h"
#include "base/span.h"

/* Where in the content the writer is. All zero at the start. */
struct lmtp_body {
    bool is_within_line; /* octets of a line went out whose end did not */
    bool after_cr;       /* the last octet was a CR, its line end is still to be written */
};

/* Append what `content`, the next octets of the message, becomes; at most three times its length. ERR_LIMIT. */
NODISCARD enum err lmtp_body_append(struct lmtp_body *b, struct span content, struct buf *to);

/* Append the end: the last line's CRLF if it is missing, and ".". ERR_LIMIT. */
NODISCARD enum err lmtp_body_end(struct lmtp_body *b, struct buf *to);

#endif
