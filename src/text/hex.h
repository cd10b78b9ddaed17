/*
 * hex.h - two digits an octet.
 */
#ifndef GODWIT_TEXT_HEX_H
#define GODWIT_TEXT_HEX_H

#include "base/buf.h"
#include "base/span.h"

/* Append the octets that `s` spells, digits of either case. ERR_SYNTAX, nothing appended; ERR_LIMIT. */
NODISCARD enum err hex_decode(struct span s, struct buf *to);

/* Append `s` in lower-case digits. ERR_LIMIT when `to` has no room. */
NODISCARD enum err hex_encode(struct span s, struct buf *to);

#endif
