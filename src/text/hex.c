/* hex.c - see hex.h. */
#include "text/hex.h"

#include "text/ascii.h"

enum err
hex_decode(struct span s, struct buf *to)
{
    if (s.len % 2 != 0 || !ascii_all(s, ASCII_HEX))
        return ERR_SYNTAX;
    if (s.len == 0)
        return ERR_OK;
    uint8_t *out = buf_reserve(to, s.len / 2);
    if (out == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < s.len; i += 2)
        out[i / 2] = (uint8_t)(ascii_hex_value(s.data[i]) << 4 | ascii_hex_value(s.data[i + 1]));
    buf_advance(to, s.len / 2);
    return ERR_OK;
}

enum err
hex_encode(struct span s, struct buf *to)
{
    static const char digits[] = "0123456789abcdef";
    if (s.len == 0)
        return ERR_OK;
    uint8_t *out = buf_reserve(to, s.len * 2);
    if (out == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < s.len; i++) {
        out[2 * i] = (uint8_t)digits[s.data[i] >> 4];
        out[2 * i + 1] = (uint8_t)digits[s.data[i] & 15];
    }
    buf_advance(to, s.len * 2);
    return ERR_OK;
}
