/*
 * data_reader_fuzz.c - any stream after 354, cut as the first octet says, against the slow reference.
 *
 * Where the data ends, the content, its size and its flaws must be the same (requirements 46 to 50).
 */
#include "base/assert.h"
#include "proto/smtp/data_reader.h"
#include "unit/proto/smtp/content_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_cut(struct span in, const struct smtp_content_limits *limits, size_t step, const struct content_reference *wanted)
{
    struct smtp_data_reader r;
    struct buf content;
    bool has_ended = false;
    size_t at = 0;
    buf_init(&content, in.len);
    smtp_data_reader_init(&r, limits);
    while (at < in.len && !has_ended) {
        struct span piece = span_of(in.data + at, in.len - at < step ? in.len - at : step), got;
        at += piece.len;
        while (piece.len > 0 && !has_ended) {
            has_ended = smtp_data_reader_take(&r, &piece, &got);
            ASSERT(buf_append(&content, got) == ERR_OK);
        }
        at -= piece.len;
    }
    ASSERT(has_ended == wanted->has_ended);
    ASSERT(at == wanted->consumed);
    ASSERT(smtp_data_reader_content(&r)->flaws == wanted->seen.flaws);
    ASSERT(smtp_data_reader_content(&r)->size_bytes == wanted->seen.size_bytes);
    ASSERT(span_equal(buf_span(&content), buf_span(&wanted->content)));
    buf_done(&content);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct span in = span_of(data + 2, size - 2);
    const struct smtp_content_limits limits = {.size_max_bytes = data[1] & 15, .line_max_bytes = data[1] >> 4};
    struct content_reference wanted = {0};
    buf_init(&wanted.content, in.len);
    reference_read_data(&wanted, in, &limits);
    check_cut(in, &limits, in.len + 1, &wanted);
    check_cut(in, &limits, 1, &wanted);
    check_cut(in, &limits, 2 + data[0] % 64, &wanted);
    buf_done(&wanted.content);
    return 0;
}
