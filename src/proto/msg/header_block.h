/*
 * header_block.h - the header section of a message, kept while the body streams by. RFC 5322 §2.1 and 2.2.
 *
 * The collector gathers octets up to the end of the header section and says where the body begins; it caps what it
 * keeps. What it keeps is exactly what came, byte for byte, the empty line included. Fields are read from it without
 * being changed. Input is hostile; lines end with CRLF (a bare CR or LF is part of a line).
 */
#ifndef GODWIT_PROTO_MSG_HEADER_BLOCK_H
#define GODWIT_PROTO_MSG_HEADER_BLOCK_H

#include "base/buf.h"
#include "base/span.h"

enum { HEADER_BLOCK_BYTES_MAX = 256 * 1024 /* default cap */ };

enum header_block_status {
    HEADER_BLOCK_MORE,      /* the section has not ended */
    HEADER_BLOCK_ENDED,     /* ended by an empty line, which is its last line */
    HEADER_BLOCK_NO_HEADER, /* ended before a line that is neither a field nor its continuation: that is body already;
                               whoever prepends fields to an empty section must put an empty line between */
    HEADER_BLOCK_TOO_LARGE, /* past the cap: refuse the message, keep reading it */
};

struct header_block {
    struct buf bytes; /* owned; the section so far, every line whole once it has ended */
    size_t line_start; /* where the line begins that has no end yet */
    enum header_block_status status;
};

void header_block_init(struct header_block *h, size_t bytes_max);

/* Release what it owns. NULL is accepted. */
void header_block_done(struct header_block *h);

/*
 * Take the octets of *content that belong to the header section; *content is what is left: body, unless the result is
 * HEADER_BLOCK_MORE (then it is empty). At HEADER_BLOCK_NO_HEADER the body begins with *ret_body_start, octets of a
 * line that came in earlier pieces (borrowed from the block, else empty), then *content. To be called until the result
 * is not MORE; at TOO_LARGE nothing more is kept.
 */
NODISCARD enum header_block_status header_block_take(struct header_block *h, struct span *content,
                                                     struct span *ret_body_start);

/* Say that the message has ended: a section without an empty line is all there is. */
void header_block_end(struct header_block *h, struct span *ret_body_start);

/* The section, borrowed. */
static inline struct span
header_block_span(const struct header_block *h)
{
    return buf_span(&h->bytes);
}

/* One field, borrowed from the section it was read from. */
struct header_field {
    struct span whole; /* all lines with their ends */
    struct span name;  /* without blanks before the colon; empty where there is none, as in "From " of a mailbox file */
    struct span value; /* after the colon, folds and inner line ends included, without the last line end */
};

/* Take the first field from *section. False at the empty line or the end. */
bool header_field_take(struct span *section, struct header_field *ret);

/* How many fields are called `name`, any case (requirement 45: "Received"). */
size_t header_count(struct span section, struct span name);

/* Find the first field called `name`; false when there is none. */
bool header_find(struct span section, struct span name, struct header_field *ret);

/* Append `value` unfolded: CRLF before a blank goes, blanks at both ends go. ERR_LIMIT. */
NODISCARD enum err header_value_unfold(struct span value, struct buf *to);

/* Append the section without the fields called one of `names[count]` (requirement 68). ERR_LIMIT. */
NODISCARD enum err header_remove(struct span section, const struct span *names, size_t count, struct buf *to);

#endif
