/* escape.c - runs of harmless octets are copied, the others spelt. */
#include "text/escape.h"

#include "text/ascii.h"

static bool
is_harmless(uint8_t octet, bool is_quote_harmless)
{
    return ascii_is(octet, ASCII_QTEXT) || (octet == '"' && is_quote_harmless);
}

static enum err
append(struct span s, bool is_quote_harmless, struct buf *to)
{
    static const char digits[] = "0123456789abcdef";
    while (s.len > 0) {
        size_t run = 0;
        while (run < s.len && is_harmless(s.data[run], is_quote_harmless))
            run++;
        TRY(buf_append(to, span_first(s, run)));
        s = span_skip(s, run);
        if (s.len == 0)
            break;
        uint8_t spelt[4] = {'\\', 'x', (uint8_t)digits[s.data[0] >> 4], (uint8_t)digits[s.data[0] & 15]};
        TRY(buf_append(to, span_of(spelt, sizeof(spelt))));
        s = span_skip(s, 1);
    }
    return ERR_OK;
}

enum err
escape_append_log(struct span s, struct buf *to)
{
    return append(s, false, to);
}

enum err
escape_append_reply(struct span s, struct buf *to)
{
    return append(s, true, to);
}

enum err
escape_decode(struct span s, struct buf *to)
{
    while (s.len > 0) {
        size_t run = span_find(s, '\\');
        TRY(buf_append(to, span_first(s, run)));
        s = span_skip(s, run);
        if (s.len == 0)
            break;
        if (s.len < 4 || s.data[1] != 'x' || !ascii_all(span_of(s.data + 2, 2), ASCII_HEX))
            return ERR_SYNTAX;
        TRY(buf_append_octet(to, (uint8_t)(ascii_hex_value(s.data[2]) << 4 | ascii_hex_value(s.data[3]))));
        s = span_skip(s, 4);
    }
    return ERR_OK;
}
