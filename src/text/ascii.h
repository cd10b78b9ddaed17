/*
 * ascii.h - what kind of character an octet is, by table; never by locale.
 *
 * One bit per class of the grammars we read, so that a parser asks one question per octet. Octets of 0x80 and above
 * are in no class.
 */
#ifndef GODWIT_TEXT_ASCII_H
#define GODWIT_TEXT_ASCII_H

#include "base/span.h"

enum ascii_class {
    ASCII_ALPHA = 1 << 0,   /* A-Z a-z */
    ASCII_DIGIT = 1 << 1,   /* 0-9 */
    ASCII_HEX = 1 << 2,     /* 0-9 A-F a-f */
    ASCII_CONTROL = 1 << 3, /* 0x00-0x1f and 0x7f */
    ASCII_BLANK = 1 << 4,   /* space and tab */
    ASCII_GRAPH = 1 << 5,   /* 0x21-0x7e */
    ASCII_ATEXT = 1 << 6,   /* RFC 5322 §3.2.3 */
    ASCII_QTEXT = 1 << 7,   /* qtextSMTP, RFC 5321 §4.1.2: space to ~ without " and backslash */
    ASCII_LDH = 1 << 8,     /* letter, digit, hyphen */
    ASCII_FTEXT = 1 << 9,   /* field name, RFC 5322 §3.6.8: 0x21-0x7e without colon */
    ASCII_XCHAR = 1 << 10,  /* RFC 3461 §4: 0x21-0x7e without + and = */
    ASCII_ESMTP = 1 << 11,  /* esmtp-value, RFC 5321 §4.1.2: 0x21-0x7e without = */
    ASCII_CTEXT = 1 << 12,  /* RFC 5322 §3.2.2: space to ~ without ( ) and backslash */
    ASCII_DTEXT = 1 << 13,  /* RFC 5322 §3.4.1: 0x21-0x7e without [ ] and backslash */
    ASCII_ALNUM = ASCII_ALPHA | ASCII_DIGIT,
    ASCII_PRINT = 1 << 14,  /* space to ~ */
};

extern const uint16_t ascii_classes[256];

/* Whether `octet` is in any of `classes` (enum ascii_class, or-ed). */
static inline bool
ascii_is(uint8_t octet, unsigned classes)
{
    return (ascii_classes[octet] & classes) != 0;
}

/* Whether every octet of `s` is in one of `classes`; true for an empty `s`. */
bool ascii_all(struct span s, unsigned classes);

/* How many octets at the start of `s` are in one of `classes`. */
size_t ascii_run(struct span s, unsigned classes);

/* Whether no octet of `s` is 0x80 or above. */
bool ascii_is_7bit(struct span s);

static inline uint8_t
ascii_lower(uint8_t octet)
{
    return octet >= 'A' && octet <= 'Z' ? (uint8_t)(octet | 0x20) : octet;
}

static inline uint8_t
ascii_upper(uint8_t octet)
{
    return octet >= 'a' && octet <= 'z' ? (uint8_t)(octet & ~0x20) : octet;
}

/* The value 0-15 of a hexadecimal digit, either case; -1 for any other octet. */
int ascii_hex_value(uint8_t octet);

#endif
