/* newline_fix.c - runs of ordinary octets pass as they are; each CR, LF or CRLF becomes one CRLF. */
#include "edge/newline_fix.h"

#include "net/wire_writer.h"

void
newline_fix_take(struct newline_fix *n, struct span *in, struct span *ret)
{
    if (!n->is_on) {
        *ret = *in;
        *in = SPAN_EMPTY;
        return;
    }
    if (n->after_cr) {
        n->after_cr = false;
        if (in->len > 0 && in->data[0] == '\n')
            *in = span_skip(*in, 1);
        *ret = WIRE_CRLF;
        return;
    }
    size_t cr = span_find(*in, '\r');
    size_t end = span_find(span_first(*in, cr), '\n');
    if (end > 0) {
        *ret = span_first(*in, end);
        *in = span_skip(*in, end);
        return;
    }
    *ret = SPAN_EMPTY;
    if (in->len == 0)
        return;
    if (in->data[0] == '\n')
        *ret = WIRE_CRLF;
    else
        n->after_cr = true;
    *in = span_skip(*in, 1);
}

struct span
newline_fix_end(struct newline_fix *n)
{
    bool was_cr = n->after_cr;
    n->after_cr = false;
    return was_cr ? WIRE_CRLF : SPAN_EMPTY;
}
