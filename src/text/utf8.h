/*
 * utf8.h - strict UTF-8, RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF, nothing cut off.
 */
#ifndef GODWIT_TEXT_UTF8_H
#define GODWIT_TEXT_UTF8_H

#include "base/buf.h"
#include "base/span.h"

/* Whether all of `s` is UTF-8. ASCII is, and so is an empty `s`. */
bool utf8_is_valid(struct span s);

/*
 * The length (1 to 4) of the sequence at the start of `s`, its code point in *ret (which may be NULL); 0 when there is
 * no valid one or `s` is empty.
 */
size_t utf8_take(struct span s, uint32_t *ret);

/* Append the sequence of `code_point`. ERR_SYNTAX for surrogates and above U+10FFFF, ERR_LIMIT when `to` is full. */
NODISCARD enum err utf8_append(struct buf *to, uint32_t code_point);

#endif
