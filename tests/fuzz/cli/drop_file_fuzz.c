/*
 * drop_file_fuzz.c - any file in the drop directory: what is read can be written and read again, and marks lie inside
 * it.
 */
#include "base/assert.h"
#include "cli/drop_file.h"

#include <sysexits.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COMPLAINT_MAX = 4096 };

static void
check_recipients(struct span file, const struct outgoing *o)
{
    ASSERT(o->recipient_count > 0);
    for (size_t i = 0; i < o->recipient_count; i++) {
        const struct outgoing_recipient *r = &o->recipients[i];
        struct span mark = drop_file_mark(r->state);
        ASSERT(r->address.local.len > 0 && r->mark_offset + mark.len < file.len);
        ASSERT(span_equal(span_first(span_skip(file, (size_t)r->mark_offset), mark.len), mark));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span file = span_of(data, size);
    struct outgoing o, again;
    struct buf complaint, text, once_more;
    outgoing_init(&o);
    outgoing_init(&again);
    buf_init(&complaint, COMPLAINT_MAX);
    buf_init(&text, 16 * size + 1024);
    buf_init(&once_more, 64 * size + 4096);
    int status = drop_file_parse(file, &o, &complaint);
    ASSERT(status == EX_OK || (status == EX_DATAERR && complaint.len > 0));
    if (status == EX_OK) {
        check_recipients(file, &o);
        ASSERT(drop_file_format(&o, &text) == ERR_OK);
        buf_append(&text, o.body);
        if (outgoing_count(&o, OUTGOING_WAITING) > 0) {
            ASSERT(drop_file_parse(buf_span(&text), &again, &complaint) == EX_OK);
            ASSERT(again.recipient_count == outgoing_count(&o, OUTGOING_WAITING));
            ASSERT(drop_file_format(&again, &once_more) == ERR_OK);
            buf_append(&once_more, again.body);
            ASSERT(span_equal(buf_span(&text), buf_span(&once_more)));
        }
    }
    buf_done(&once_more);
    buf_done(&text);
    buf_done(&complaint);
    outgoing_done(&again);
    outgoing_done(&o);
    return 0;
}
