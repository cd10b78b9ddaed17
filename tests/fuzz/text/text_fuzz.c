/* text_fuzz.c - any bytes through every decoder of text/: what is decoded is encoded to the same value again. */
#include "base/assert.h"
#include "text/ascii.h"
#include "text/base64.h"
#include "text/escape.h"
#include "text/hex.h"
#include "text/idna.h"
#include "text/utf8.h"
#include "text/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum err codec(struct span s, struct buf *to);

/* Encode and decode gives `s` back; decode of `s` itself, if it works, is encoded and decoded to the same. */
static void
check_codec(struct span s, codec *encode, codec *decode)
{
    struct buf coded, plain, again;
    buf_init(&coded, 8 * s.len + 8);
    buf_init(&plain, 8 * s.len + 8);
    buf_init(&again, 8 * s.len + 8);
    ASSERT(encode(s, &coded) == ERR_OK);
    ASSERT(ascii_all(buf_span(&coded), ASCII_PRINT));
    ASSERT(decode(buf_span(&coded), &plain) == ERR_OK && span_equal(buf_span(&plain), s));
    buf_clear(&plain);
    buf_clear(&coded);
    if (decode(s, &plain) == ERR_OK) {
        ASSERT(plain.len <= s.len);
        ASSERT(encode(buf_span(&plain), &coded) == ERR_OK && decode(buf_span(&coded), &again) == ERR_OK);
        ASSERT(span_equal(buf_span(&plain), buf_span(&again)));
    }
    buf_done(&coded);
    buf_done(&plain);
    buf_done(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_of(data, size);
    check_codec(s, base64_encode, base64_decode);
    check_codec(s, hex_encode, hex_decode);
    check_codec(s, xtext_encode, xtext_decode);
    check_codec(s, escape_append_log, escape_decode);
    check_codec(s, escape_append_reply, escape_decode);
    if (utf8_is_valid(s)) {
        struct buf again, ascii;
        buf_init(&again, size);
        buf_init(&ascii, 8 * size + 64);
        for (struct span left = s; left.len > 0;) {
            uint32_t code_point;
            left = span_skip(left, utf8_take(left, &code_point));
            ASSERT(utf8_append(&again, code_point) == ERR_OK);
        }
        ASSERT(span_equal(buf_span(&again), s));
        if (idna_to_ascii(s, &ascii) == ERR_OK)
            ASSERT(ascii_is_7bit(buf_span(&ascii)));
        buf_done(&again);
        buf_done(&ascii);
    }
    return 0;
}
