/* base64.c - four digits, three octets; the exact room is taken before a byte is written. */
#include "text/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
digit_value(uint8_t octet)
{
    if (octet >= 'A' && octet <= 'Z')
        return octet - 'A';
    if (octet >= 'a' && octet <= 'z')
        return octet - 'a' + 26;
    if (octet >= '0' && octet <= '9')
        return octet - '0' + 52;
    return octet == '+' ? 62 : octet == '/' ? 63 : -1;
}

enum err
base64_decode(struct span s, struct buf *to)
{
    if (s.len % 4 != 0)
        return ERR_SYNTAX;
    if (s.len == 0)
        return ERR_OK;
    size_t pads = s.data[s.len - 1] != '=' ? 0 : s.data[s.len - 2] != '=' ? 1 : 2;
    size_t out_len = s.len / 4 * 3 - pads;
    uint8_t *out = buf_reserve(to, out_len);
    if (out == NULL)
        return ERR_LIMIT;
    uint32_t bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < s.len - pads; i++) {
        int value = digit_value(s.data[i]);
        if (value < 0)
            return ERR_SYNTAX;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    /* What the last digit says beyond the last octet must be zero: one text for each value. */
    static const uint32_t stray[] = {0, 0x03, 0x0f};
    if ((bits & stray[pads]) != 0)
        return ERR_SYNTAX;
    buf_advance(to, out_len);
    return ERR_OK;
}

enum err
base64_encode(struct span s, struct buf *to)
{
    if (s.len == 0)
        return ERR_OK;
    size_t out_len = (s.len + 2) / 3 * 4;
    uint8_t *out = buf_reserve(to, out_len);
    if (out == NULL)
        return ERR_LIMIT;
    for (size_t i = 0, n = 0; i < s.len; i += 3) {
        size_t left = s.len - i;
        uint32_t bits = (uint32_t)s.data[i] << 16 | (left > 1 ? (uint32_t)s.data[i + 1] << 8 : 0) |
                        (left > 2 ? (uint32_t)s.data[i + 2] : 0);
        out[n++] = (uint8_t)digits[bits >> 18];
        out[n++] = (uint8_t)digits[bits >> 12 & 63];
        out[n++] = left > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=';
        out[n++] = left > 2 ? (uint8_t)digits[bits & 63] : '=';
    }
    buf_advance(to, out_len);
    return ERR_OK;
}
