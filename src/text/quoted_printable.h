/*
 * quoted_printable.h - RFC 2045 §6.7: text that survives seven bits and short lines.
 */
#ifndef GODWIT_TEXT_QUOTED_PRINTABLE_H
#define GODWIT_TEXT_QUOTED_PRINTABLE_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Append `s` encoded, lines of at most 76 characters. CRLF in `s` is a line end and stays one; a bare CR or LF is
 * encoded. ERR_LIMIT when `to` is full.
 */
NODISCARD enum err quoted_printable_encode(struct span s, struct buf *to);

/*
 * Append what `s` encodes. Tolerant as readers must be: an "=" that begins no escape stays as it is, white space at
 * the end of a line is dropped. ERR_LIMIT when `to` is full.
 */
NODISCARD enum err quoted_printable_decode(struct span s, struct buf *to);

#endif
