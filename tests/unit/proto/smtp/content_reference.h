/*
 * content_reference.h - a second, slow reading of message content, written from the RFC over the whole text at once.
 *
 * The readers under test see pieces and keep states; this sees everything and searches for CRLF. Both must agree on
 * where the data ends, on content, size and flaws. Used by unit tests and fuzz targets.
 */
#ifndef GODWIT_TESTS_UNIT_PROTO_SMTP_CONTENT_REFERENCE_H
#define GODWIT_TESTS_UNIT_PROTO_SMTP_CONTENT_REFERENCE_H

#include "base/buf.h"
#include "proto/smtp/content.h"

struct content_reference {
    struct buf content;
    struct smtp_content seen;
    size_t consumed; /* octets of the input up to and with the end of data; all when it did not end */
    bool has_ended;
    bool is_body;
};

/* Where the first CRLF of `s` begins, s.len when there is none. */
static inline size_t
reference_find_crlf(struct span s)
{
    for (size_t i = 0; i + 1 < s.len; i++)
        if (s.data[i] == '\r' && s.data[i + 1] == '\n')
            return i;
    return s.len;
}

/* One line of content, with its CRLF if it has one; `is_final` when nothing can follow. */
static inline void
reference_judge_line(struct content_reference *r, struct span line, bool has_crlf, bool is_final,
                     const struct smtp_content_limits *limits)
{
    size_t text = has_crlf ? line.len - 2 : line.len;
    for (size_t i = 0; i < text; i++) {
        uint8_t c = line.data[i];
        if (c == '\r' && (i + 1 < line.len || is_final))
            r->seen.flaws |= SMTP_CONTENT_BARE_CR;
        if (c == '\n')
            r->seen.flaws |= SMTP_CONTENT_BARE_LF;
        if (c == 0)
            r->seen.flaws |= r->is_body ? SMTP_CONTENT_NUL_IN_BODY : SMTP_CONTENT_NUL_IN_HEADER;
        if (c >= 0x80)
            r->seen.flaws |= r->is_body ? SMTP_CONTENT_8BIT_IN_BODY : SMTP_CONTENT_8BIT_IN_HEADER;
    }
    if (limits->line_max_bytes > 0 && line.len > limits->line_max_bytes)
        r->seen.flaws |= SMTP_CONTENT_LINE_TOO_LONG;
    if (has_crlf && line.len == 2)
        r->is_body = true;
    r->seen.size_bytes += line.len;
    if (limits->size_max_bytes > 0 && r->seen.size_bytes > limits->size_max_bytes)
        r->seen.flaws |= SMTP_CONTENT_TOO_LARGE;
    (void)buf_append(&r->content, line);
}

/* Read what follows 354. r->content must be initialised. */
static inline void
reference_read_data(struct content_reference *r, struct span in, const struct smtp_content_limits *limits)
{
    size_t at = 0;
    while (at < in.len) {
        struct span rest = span_skip(in, at);
        if (span_has_prefix(rest, SPAN(".\r\n"))) {
            r->has_ended = true;
            at += 3;
            break;
        }
        bool is_dot_or_dot_cr = span_equal(rest, SPAN(".")) || span_equal(rest, SPAN(".\r"));
        if (is_dot_or_dot_cr) {
            at = in.len;
            break; /* nobody knows yet */
        }
        if (rest.data[0] == '.') {
            rest = span_skip(rest, 1);
            at++;
        }
        size_t crlf = reference_find_crlf(rest);
        bool has_crlf = crlf < rest.len;
        struct span line = span_first(rest, has_crlf ? crlf + 2 : rest.len);
        reference_judge_line(r, line, has_crlf, false, limits);
        at += line.len;
    }
    r->consumed = at;
}

/* Read the octets of all chunks of a message. r->content must be initialised. */
static inline void
reference_read_chunks(struct content_reference *r, struct span in, const struct smtp_content_limits *limits)
{
    r->consumed = in.len;
    r->has_ended = true;
    while (in.len > 0) {
        size_t crlf = reference_find_crlf(in);
        bool has_crlf = crlf < in.len;
        struct span line = span_first(in, has_crlf ? crlf + 2 : in.len);
        reference_judge_line(r, line, has_crlf, true, limits);
        if (!has_crlf)
            r->seen.flaws |= SMTP_CONTENT_NO_FINAL_CRLF;
        in = span_skip(in, line.len);
    }
}

#endif
