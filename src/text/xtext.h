/*
 * xtext.h - the encoding of DSN parameters and AUTH=, RFC 3461 §4: "+HH" with upper-case digits, xchar as itself.
 */
#ifndef GODWIT_TEXT_XTEXT_H
#define GODWIT_TEXT_XTEXT_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Append what `s` encodes. ERR_SYNTAX when an octet is neither xchar nor a well-formed hexchar (lower-case digits are
 * not); ERR_LIMIT when `to` is full. `to` keeps what was appended so far. Any octet may come out, CR and NUL too: the
 * caller judges.
 */
NODISCARD enum err xtext_decode(struct span s, struct buf *to);

/* Append `s` as xtext. ERR_LIMIT when `to` is full. */
NODISCARD enum err xtext_encode(struct span s, struct buf *to);

#endif
