/* bdat_reader.c - counting octets, and judging those that are kept. */
#include "proto/smtp/bdat_reader.h"

#include "base/assert.h"
#include "proto/smtp/content_scan.h"

void
smtp_bdat_reader_init(struct smtp_bdat_reader *r, const struct smtp_content_limits *limits)
{
    *r = (struct smtp_bdat_reader){.scan = {.limits = *limits}};
}

void
smtp_bdat_reader_begin(struct smtp_bdat_reader *r, const struct smtp_bdat_args *args, bool is_discarded)
{
    ASSERT(r->chunk_left_bytes == 0);
    r->chunk_left_bytes = args->size_bytes;
    r->is_last = args->is_last;
    r->is_discarding = is_discarded;
    r->chunks++;
}

static void
finish_message(struct smtp_bdat_reader *r)
{
    if (r->scan.after_cr)
        content_scan_flaw(&r->scan, SMTP_CONTENT_BARE_CR);
    if (r->scan.line_bytes > 0)
        content_scan_flaw(&r->scan, SMTP_CONTENT_NO_FINAL_CRLF);
}

bool
smtp_bdat_reader_take(struct smtp_bdat_reader *r, struct span *in, struct span *ret_content)
{
    struct span piece = span_first(*in, in->len < r->chunk_left_bytes ? in->len : (size_t)r->chunk_left_bytes);
    *in = span_skip(*in, piece.len);
    *ret_content = SPAN_EMPTY;
    r->chunk_left_bytes -= piece.len;
    bool is_whole = r->chunk_left_bytes == 0;
    if (r->is_discarding) {
        r->discarded_bytes += piece.len;
        return is_whole;
    }
    bool line_ended;
    for (size_t at = 0; at < piece.len;)
        at += content_scan_line(&r->scan, piece.data + at, piece.len - at, &line_ended);
    if (is_whole && r->is_last)
        finish_message(r);
    if (content_scan_count(&r->scan, piece.len))
        *ret_content = piece;
    return is_whole;
}

const struct smtp_content *
smtp_bdat_reader_content(const struct smtp_bdat_reader *r)
{
    return &r->scan.content;
}
