/* user_delivery_fuzz.c - what is read as a record is written as the same octets again. */
#include "base/assert.h"
#include "store/user_delivery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare(struct span in, const struct buf *out, enum err e)
{
    ASSERT(e == ERR_OK && span_equal(in, buf_span(out)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct user_delivery delivery;
    struct user_delivery_result result;
    struct buf out;
    buf_init(&out, 64 * 1024);
    if (user_delivery_parse(in, &delivery) == ERR_OK)
        compare(in, &out, user_delivery_encode(&delivery, &out));
    else if (user_delivery_result_parse(in, &result) == ERR_OK)
        compare(in, &out, user_delivery_result_encode(&result, &out));
    buf_done(&out);
    return 0;
}
