/*
 * escape.h - foreign bytes made harmless for one line of a log, a terminal or a reply.
 *
 * Every octet that is not printable ASCII, and every backslash, becomes \xNN with lower-case digits: the result is
 * printable ASCII without line ends and can be read back. Length is the caller's to cap.
 */
#ifndef GODWIT_TEXT_ESCAPE_H
#define GODWIT_TEXT_ESCAPE_H

#include "base/buf.h"
#include "base/span.h"

/* Append `s` for a log value: quotes (") are escaped as well. ERR_LIMIT when `to` is full, cut at an octet's end. */
enum err escape_append_log(struct span s, struct buf *to);

/* Append `s` for the text of an SMTP reply: quotes stay. ERR_LIMIT as above. */
enum err escape_append_reply(struct span s, struct buf *to);

/* Append what an escaped text stands for. ERR_SYNTAX for a backslash without xNN, ERR_LIMIT. */
NODISCARD enum err escape_decode(struct span s, struct buf *to);

#endif
