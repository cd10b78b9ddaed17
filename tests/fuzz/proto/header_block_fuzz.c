/* header_block_fuzz.c - any message: section and body are all of it,
    however it is cut; fields are all of the section. */
#include "base/assert.h"
#include "proto/msg/header_block.h"
#include "proto/msg/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SECTION_MAX = 4096 };

struct result {
    enum header_block_status status;
    struct buf header, body;
};

static void
stream(struct span in, size_t step, struct result *r)
{
    struct header_block h;
    struct span body_start = SPAN_EMPTY;
    header_block_init(&h, SECTION_MAX);
    buf_init(&r->header, SECTION_MAX);
    buf_init(&r->body, in.len);
    r->status = HEADER_BLOCK_MORE;
    for (size_t at = 0; at < in.len; at += step) {
        struct span piece = span_of(in.data + at, in.len - at < step ? in.len - at : step);
        if (r->status == HEADER_BLOCK_MORE) {
            r->status = header_block_take(&h, &piece, &body_start);
            buf_append(&r->body, body_start);
        }
        buf_append(&r->body, piece);
    }
    if (r->status == HEADER_BLOCK_MORE) {
        header_block_end(&h, &body_start);
        r->status = h.status;
        buf_append(&r->body, body_start);
    }
    buf_append(&r->header, header_block_span(&h));
    ASSERT(buf_check(&r->header) == ERR_OK && buf_check(&r->body) == ERR_OK);
    header_block_done(&h);
}

static void
check_fields(struct span section)
{
    static const struct span names[] = {SPAN("Received"), SPAN("A")};
    struct span left = section;
    struct header_field field;
    struct buf out, again;
    size_t total = 0;
    buf_init(&out, SECTION_MAX);
    buf_init(&again, SECTION_MAX);
    while (header_field_take(&left, &field)) {
        ASSERT(field.whole.len > 0 && field.name.len + field.value.len <= field.whole.len);
        total += field.whole.len;
        buf_clear(&out);
        ASSERT(header_value_unfold(field.value, &out) == ERR_OK && out.len <= field.value.len);
    }
    ASSERT(total + left.len == section.len);
    buf_clear(&out);
    ASSERT(header_remove(section, names, ARRAY_LEN(names), &out) == ERR_OK);
    ASSERT(header_count(buf_span(&out), names[0]) == 0 && header_count(buf_span(&out), names[1]) == 0);
    ASSERT(header_remove(buf_span(&out), names, ARRAY_LEN(names), &again) == ERR_OK);
    ASSERT(span_equal(buf_span(&out), buf_span(&again)));
    (void)delivered_to_is_loop(section, SPAN("a@b"));
    buf_done(&out);
    buf_done(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct span in = span_of(data + 1, size - 1);
    struct result whole, cut;
    stream(in, in.len + 1, &whole);
    stream(in, 1 + data[0] % 32, &cut);
    ASSERT(whole.status == cut.status && whole.status != HEADER_BLOCK_MORE);
    if (whole.status != HEADER_BLOCK_TOO_LARGE) {
        ASSERT(span_equal(buf_span(&whole.header), buf_span(&cut.header)));
        ASSERT(span_equal(buf_span(&whole.body), buf_span(&cut.body)));
        ASSERT(whole.header.len + whole.body.len == in.len);
        ASSERT(span_has_prefix(in, buf_span(&whole.header)));
        ASSERT(span_equal(span_skip(in, whole.header.len), buf_span(&whole.body)));
        check_fields(buf_span(&whole.header));
    }
    buf_done(&whole.header);
    buf_done(&whole.body);
    buf_done(&cut.header);
    buf_done(&cut.body);
    return 0;
}
