/* utf8.c - the table of RFC 3629 §4: which second octet a first one allows. */
#include "text/utf8.h"

static const struct {
    uint8_t first_low, first_high;
    uint8_t second_low, second_high; /* later octets are 0x80 to 0xbf */
    uint8_t len;
    uint8_t bits;                    /* of the first octet that belong to the code point */
} forms[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2, 0x1f}, {0xe0, 0xe0, 0xa0, 0xbf, 3, 0x0f}, {0xe1, 0xec, 0x80, 0xbf, 3, 0x0f},
    {0xed, 0xed, 0x80, 0x9f, 3, 0x0f}, {0xee, 0xef, 0x80, 0xbf, 3, 0x0f}, {0xf0, 0xf0, 0x90, 0xbf, 4, 0x07},
    {0xf1, 0xf3, 0x80, 0xbf, 4, 0x07}, {0xf4, 0xf4, 0x80, 0x8f, 4, 0x07},
};

size_t
utf8_take(struct span s, uint32_t *ret)
{
    if (s.len == 0)
        return 0;
    uint32_t code_point = s.data[0];
    size_t len = 1;
    if (code_point >= 0x80) {
        size_t form = 0;
        while (form < ARRAY_LEN(forms) && s.data[0] > forms[form].first_high)
            form++;
        if (form == ARRAY_LEN(forms) || s.data[0] < forms[form].first_low || s.len < forms[form].len ||
            s.data[1] < forms[form].second_low || s.data[1] > forms[form].second_high)
            return 0;
        code_point &= forms[form].bits;
        for (; len < forms[form].len; len++) {
            if ((s.data[len] & 0xc0) != 0x80)
                return 0;
            code_point = code_point << 6 | (s.data[len] & 0x3f);
        }
    }
    if (ret != NULL)
        *ret = code_point;
    return len;
}

bool
utf8_is_valid(struct span s)
{
    while (s.len > 0) {
        size_t len = utf8_take(s, NULL);
        if (len == 0)
            return false;
        s = span_skip(s, len);
    }
    return true;
}

enum err
utf8_append(struct buf *to, uint32_t code_point)
{
    if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff))
        return ERR_SYNTAX;
    if (code_point < 0x80)
        return buf_append_octet(to, (uint8_t)code_point);
    uint8_t octets[4];
    size_t len = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; code_point >>= 6)
        octets[i] = (uint8_t)(0x80 | (code_point & 0x3f));
    octets[0] = (uint8_t)((0xf00u >> len) | code_point);
    return buf_append(to, span_of(octets, len));
}
