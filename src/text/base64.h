/*
 * base64.h - RFC 4648 §4, strict: no alien octet, no misplaced or missing pad, no stray bits (requirement 84).
 */
#ifndef GODWIT_TEXT_BASE64_H
#define GODWIT_TEXT_BASE64_H

#include "base/buf.h"
#include "base/span.h"

/* Append what `s` encodes. ERR_SYNTAX, nothing appended; ERR_LIMIT when `to` has no room. Empty gives empty. */
NODISCARD enum err base64_decode(struct span s, struct buf *to);

/* Append `s` encoded, padded, in one line. ERR_LIMIT when `to` has no room. */
NODISCARD enum err base64_encode(struct span s, struct buf *to);

#endif
