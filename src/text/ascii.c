/* ascii.c - the table of classes, computed by the compiler from their definitions. */
#include "text/ascii.h"

/* c is a constant in all of these. */
#define IN(c, low, high) ((c) >= (low) && (c) <= (high))
#define IS_ALPHA(c) (IN(c, 'A', 'Z') || IN(c, 'a', 'z'))
#define IS_DIGIT(c) IN(c, '0', '9')
#define IS_GRAPH(c) IN(c, 0x21, 0x7e)
#define IS_ATEXT_MARK(c) \
    ((c) == '!' || IN(c, '#', '\'') || (c) == '*' || (c) == '+' || (c) == '-' || (c) == '/' || (c) == '=' || \
     (c) == '?' || IN(c, '^', '`') || IN(c, '{', '~'))

#define CLASSES(c) \
    (uint16_t)((IS_ALPHA(c) ? ASCII_ALPHA : 0) | (IS_DIGIT(c) ? ASCII_DIGIT : 0) | \
               (IS_DIGIT(c) || IN(c, 'A', 'F') || IN(c, 'a', 'f') ? ASCII_HEX : 0) | \
               ((c) < 0x20 || (c) == 0x7f ? ASCII_CONTROL : 0) | ((c) == ' ' || (c) == '\t' ? ASCII_BLANK : 0) | \
               (IS_GRAPH(c) ? ASCII_GRAPH : 0) | \
               (IS_ALPHA(c) || IS_DIGIT(c) || IS_ATEXT_MARK(c) ? ASCII_ATEXT : 0) | \
               (IN(c, 0x20, 0x7e) && (c) != '"' && (c) != '\\' ? ASCII_QTEXT : 0) | \
               (IS_ALPHA(c) || IS_DIGIT(c) || (c) == '-' ? ASCII_LDH : 0) | \
               (IS_GRAPH(c) && (c) != ':' ? ASCII_FTEXT : 0) | \
               (IS_GRAPH(c) && (c) != '+' && (c) != '=' ? ASCII_XCHAR : 0) | \
               (IS_GRAPH(c) && (c) != '=' ? ASCII_ESMTP : 0) | \
               (IN(c, 0x20, 0x7e) && (c) != '(' && (c) != ')' && (c) != '\\' ? ASCII_CTEXT : 0) | \
               (IS_GRAPH(c) && (c) != '[' && (c) != ']' && (c) != '\\' ? ASCII_DTEXT : 0) | \
               (IN(c, 0x20, 0x7e) ? ASCII_PRINT : 0))

#define CLASSES_4(c) CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define CLASSES_16(c) CLASSES_4(c), CLASSES_4((c) + 4), CLASSES_4((c) + 8), CLASSES_4((c) + 12)

const uint16_t ascii_classes[256] = {
    CLASSES_16(0x00), CLASSES_16(0x10), CLASSES_16(0x20), CLASSES_16(0x30),
    CLASSES_16(0x40), CLASSES_16(0x50), CLASSES_16(0x60), CLASSES_16(0x70),
};

bool
ascii_all(struct span s, unsigned classes)
{
    return ascii_run(s, classes) == s.len;
}

size_t
ascii_run(struct span s, unsigned classes)
{
    size_t n = 0;
    while (n < s.len && ascii_is(s.data[n], classes))
        n++;
    return n;
}

bool
ascii_is_7bit(struct span s)
{
    uint8_t all = 0;
    for (size_t i = 0; i < s.len; i++)
        all |= s.data[i];
    return all < 0x80;
}

int
ascii_hex_value(uint8_t octet)
{
    if (!ascii_is(octet, ASCII_HEX))
        return -1;
    return ascii_is(octet, ASCII_DIGIT) ? octet - '0' : ascii_lower(octet) - 'a' + 10;
}
