/*
 * bdat_fuzz.c - any content in chunks, and any pieces on the wire, against the slow reference.
 *
 * The first octets choose chunk and piece sizes; some chunks are refused and discarded (requirements 52, 54).
 */
#include "base/assert.h"
#include "proto/smtp/bdat_reader.h"
#include "unit/proto/smtp/content_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_chunk(struct smtp_bdat_reader *r, struct span chunk, bool is_last, bool is_discarded, size_t step,
           struct buf *content)
{
    smtp_bdat_reader_begin(r, &(struct smtp_bdat_args){.size_bytes = chunk.len, .is_last = is_last}, is_discarded);
    bool is_whole = false;
    for (size_t at = 0; !is_whole;) {
        struct span piece = span_of(chunk.data + at, chunk.len - at < step ? chunk.len - at : step), rest = piece, got;
        is_whole = smtp_bdat_reader_take(r, &rest, &got);
        ASSERT(rest.len == 0 && (got.len == 0 || (got.data == piece.data && got.len == piece.len)));
        ASSERT(buf_append(content, got) == ERR_OK);
        at += piece.len;
        ASSERT(is_whole == (at == chunk.len));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct span in = span_of(data + 3, size - 3);
    size_t chunk_size = 1 + data[0] % 40, step = 1 + data[1] % 40;
    const struct smtp_content_limits limits = {.size_max_bytes = data[2] & 15, .line_max_bytes = data[2] >> 4};
    struct smtp_bdat_reader r;
    struct buf content;
    struct content_reference wanted = {0};
    buf_init(&content, in.len);
    buf_init(&wanted.content, in.len);
    reference_read_chunks(&wanted, in, &limits);
    smtp_bdat_reader_init(&r, &limits);
    bool is_last = false;
    for (size_t at = 0; !is_last; at += chunk_size) {
        struct span chunk = span_of(in.data + at, in.len - at < chunk_size ? in.len - at : chunk_size);
        is_last = at + chunk.len == in.len;
        read_chunk(&r, chunk, is_last, false, step, &content);
    }
    ASSERT(smtp_bdat_reader_content(&r)->flaws == wanted.seen.flaws);
    ASSERT(smtp_bdat_reader_content(&r)->size_bytes == wanted.seen.size_bytes);
    ASSERT(span_equal(buf_span(&content), in));
    const struct smtp_content before = *smtp_bdat_reader_content(&r);
    read_chunk(&r, in, true, true, step, &content);
    ASSERT(r.discarded_bytes == in.len && content.len == in.len);
    ASSERT(smtp_bdat_reader_content(&r)->flaws == before.flaws);
    ASSERT(smtp_bdat_reader_content(&r)->size_bytes == before.size_bytes);
    buf_done(&content);
    buf_done(&wanted.content);
    return 0;
}
