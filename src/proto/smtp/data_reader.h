/*
 * data_reader.h - the octets after 354: content without stuffing, and where it ends. RFC 5321 §4.1.1.4 and 4.5.2.
 *
 * The end is CR LF . CR LF and nothing else, or . CR LF right after the 354 (requirement 46). A dot is unstuffed only
 * after a true CRLF (48). A machine over single octets in effect: however the stream is cut, content, size and flaws
 * are the same; bare CR and LF never end a line, they are content and a flaw. Fast: ordinary octets are skipped eight
 * at a time, nothing is copied.
 */
#ifndef GODWIT_PROTO_SMTP_DATA_READER_H
#define GODWIT_PROTO_SMTP_DATA_READER_H

#include "proto/smtp/content.h"

enum smtp_data_position {
    SMTP_DATA_AT_LINE_START, /* just after 354 or a true CRLF */
    SMTP_DATA_IN_LINE,
    SMTP_DATA_AFTER_DOT,     /* a dot at a line's start, held back */
    SMTP_DATA_AFTER_DOT_CR,  /* that and a CR, both held back */
    SMTP_DATA_ENDED,
};

struct smtp_data_reader {
    struct smtp_content_scan scan;
    enum smtp_data_position position;
};

void smtp_data_reader_init(struct smtp_data_reader *r, const struct smtp_content_limits *limits);

/*
 * Take octets from the start of *in; *in is what is left. *ret_content is content to keep, in order, borrowed from *in
 * or from constants, perhaps empty. Call until *in is empty or the result is true: the end of data was read, and *in
 * begins with what follows it (requirement 58). Not to be called after that.
 */
bool smtp_data_reader_take(struct smtp_data_reader *r, struct span *in, struct span *ret_content);

/* What was seen so far. */
const struct smtp_content *smtp_data_reader_content(const struct smtp_data_reader *r);

#endif
