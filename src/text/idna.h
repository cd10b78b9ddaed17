/*
 * idna.h - internationalised domain names as DNS and the envelope want them: A-labels, lower case (RFC 5890 to 5892).
 *
 * A pure function over libidn2. Only here, so that one place decides how names are mapped: IDNA2008 with the
 * non-transitional mapping of UTS 46 (case, width), NFC first.
 */
#ifndef GODWIT_TEXT_IDNA_H
#define GODWIT_TEXT_IDNA_H

#include "base/buf.h"
#include "base/span.h"

enum { IDNA_INPUT_MAX = 1020 /* octets of UTF-8: 255 characters of 4 */ };

/*
 * Append the A-label form of `name`, valid UTF-8 with dots between labels. ERR_SYNTAX when a label is not allowed or
 * becomes too long, ERR_LIMIT without memory or room. The result is to be checked like any ASCII name.
 */
NODISCARD enum err idna_to_ascii(struct span name, struct buf *to);

#endif
