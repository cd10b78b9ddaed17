/*
 * envelope_decode_fuzz.c - any bytes as an envelope: what is decoded is encoded to something that decodes to the same.
 */
#include <stdint.h>

#include "base/assert.h"
#include "store/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena mem;
    struct envelope first, second;
    arena_init(&mem, 8 * 1024 * 1024);
    if (envelope_decode(span_of(data, size), &mem, &first) == ERR_OK) {
        struct buf one, two;
        buf_init(&one, ENVELOPE_BYTES_MAX);
        buf_init(&two, ENVELOPE_BYTES_MAX);
        enum err e = envelope_encode(&first, &one);
        ASSERT(e == ERR_OK && one.len <= size); /* defaults are left out */
        e = envelope_decode(buf_span(&one), &mem, &second);
        ASSERT(e == ERR_OK && second.recipient_count == first.recipient_count);
        e = envelope_encode(&second, &two);
        ASSERT(e == ERR_OK && span_equal(buf_span(&one), buf_span(&two)));
        buf_done(&one);
        buf_done(&two);
    }
    arena_clear(&mem);
    return 0;
}
