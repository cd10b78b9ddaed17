/* lmtp_body.c - dot-stuffing by runs: octets between line ends are copied whole. */
#include "local/lmtp_body.h"

static void
line_end(struct lmtp_body *b, struct buf *to)
{
    buf_append_cstr(to, "\r\n");
    b->is_within_line = false;
    b->after_cr = false;
}

/* How many octets of `s` come before a CR or LF. */
static size_t
run_len(struct span s)
{
    size_t lf = span_find(s, '\n');
    return span_find(span_first(s, lf), '\r');
}

enum err
lmtp_body_append(struct lmtp_body *b, struct span content, struct buf *to)
{
    while (!span_is_empty(content)) {
        uint8_t first = content.data[0];
        if (b->after_cr || first == '\n') {
            line_end(b, to);
            content = span_skip(content, first == '\n' ? 1 : 0);
            continue;
        }
        if (first == '\r') {
            b->after_cr = true;
            content = span_skip(content, 1);
            continue;
        }
        if (!b->is_within_line && first == '.')
            buf_append_octet(to, '.');
        size_t len = run_len(content);
        buf_append(to, span_first(content, len));
        b->is_within_line = true;
        content = span_skip(content, len);
    }
    return buf_check(to);
}

enum err
lmtp_body_end(struct lmtp_body *b, struct buf *to)
{
    if (b->after_cr || b->is_within_line)
        line_end(b, to);
    buf_append_cstr(to, ".\r\n");
    return buf_check(to);
}
