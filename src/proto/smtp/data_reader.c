/* data_reader.c - dots at line starts, around the scan of the lines between. */
#include "proto/smtp/data_reader.h"

#include "base/assert.h"
#include "proto/smtp/content_scan.h"

void
smtp_data_reader_init(struct smtp_data_reader *r, const struct smtp_content_limits *limits)
{
    *r = (struct smtp_data_reader){.scan = {.limits = *limits}, .position = SMTP_DATA_AT_LINE_START};
}

/* The octet after ".CR" at a line's start. True for LF, the end of data. Otherwise the CR held back is content. */
static bool
take_after_dot_cr(struct smtp_data_reader *r, struct span *in, struct span *ret_content)
{
    static const struct span cr = SPAN("\r");
    if (in->data[0] == '\n') {
        *in = span_skip(*in, 1);
        r->position = SMTP_DATA_ENDED;
        return true;
    }
    bool line_ended;
    content_scan_line(&r->scan, cr.data, cr.len, &line_ended);
    r->position = SMTP_DATA_IN_LINE;
    if (content_scan_count(&r->scan, cr.len))
        *ret_content = cr;
    return false;
}

/* How much of `in` is content that can be handed out as it is: up to a dot at a line's start. */
static size_t
scan_lines(struct smtp_data_reader *r, struct span in)
{
    size_t at = 0;
    while (at < in.len) {
        if (r->position == SMTP_DATA_AT_LINE_START && in.data[at] == '.')
            break;
        bool line_ended;
        at += content_scan_line(&r->scan, in.data + at, in.len - at, &line_ended);
        r->position = line_ended ? SMTP_DATA_AT_LINE_START : SMTP_DATA_IN_LINE;
    }
    return at;
}

bool
smtp_data_reader_take(struct smtp_data_reader *r, struct span *in, struct span *ret_content)
{
    ASSERT(r->position != SMTP_DATA_ENDED);
    *ret_content = SPAN_EMPTY;
    if (in->len == 0)
        return false;
    if (r->position == SMTP_DATA_AFTER_DOT_CR)
        return take_after_dot_cr(r, in, ret_content);
    if (r->position == SMTP_DATA_AFTER_DOT) {
        if (in->data[0] == '\r') {
            r->position = SMTP_DATA_AFTER_DOT_CR;
            *in = span_skip(*in, 1);
            return false;
        }
        r->position = SMTP_DATA_IN_LINE; /* the dot was stuffing */
    }
    size_t n = scan_lines(r, *in);
    if (content_scan_count(&r->scan, n))
        *ret_content = span_first(*in, n);
    *in = span_skip(*in, n);
    if (in->len > 0) {
        r->position = SMTP_DATA_AFTER_DOT;
        *in = span_skip(*in, 1);
    }
    return false;
}

const struct smtp_content *
smtp_data_reader_content(const struct smtp_data_reader *r)
{
    return &r->scan.content;
}
