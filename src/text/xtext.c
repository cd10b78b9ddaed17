/* xtext.c - one octet in, one or three out, and back. */
#include "text/xtext.h"

#include "text/ascii.h"

static bool
is_hexchar_digit(uint8_t octet)
{
    return ascii_is(octet, ASCII_DIGIT) || (octet >= 'A' && octet <= 'F');
}

enum err
xtext_decode(struct span s, struct buf *to)
{
    while (s.len > 0) {
        size_t plain = ascii_run(s, ASCII_XCHAR);
        TRY(buf_append(to, span_first(s, plain)));
        s = span_skip(s, plain);
        if (s.len == 0)
            break;
        if (s.len < 3 || s.data[0] != '+' || !is_hexchar_digit(s.data[1]) || !is_hexchar_digit(s.data[2]))
            return ERR_SYNTAX;
        TRY(buf_append_octet(to, (uint8_t)(ascii_hex_value(s.data[1]) << 4 | ascii_hex_value(s.data[2]))));
        s = span_skip(s, 3);
    }
    return ERR_OK;
}

enum err
xtext_encode(struct span s, struct buf *to)
{
    static const char digits[] = "0123456789ABCDEF";
    while (s.len > 0) {
        size_t plain = ascii_run(s, ASCII_XCHAR);
        TRY(buf_append(to, span_first(s, plain)));
        s = span_skip(s, plain);
        if (s.len == 0)
            break;
        uint8_t coded[3] = {'+', (uint8_t)digits[s.data[0] >> 4], (uint8_t)digits[s.data[0] & 15]};
        TRY(buf_append(to, span_of(coded, sizeof(coded))));
        s = span_skip(s, 1);
    }
    return ERR_OK;
}
