/* ascii_test.c - every class, octet by octet, against the characters the RFCs list. */
#include "check.h"

#include "text/ascii.h"

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static void
test_classes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned class;
        struct span members;
    } rows[] = {
        {"alpha", ASCII_ALPHA, SPAN(UPPER LOWER)},
        {"digit", ASCII_DIGIT, SPAN(DIGITS)},
        {"alnum", ASCII_ALNUM, SPAN(UPPER LOWER DIGITS)},
        {"hex", ASCII_HEX, SPAN(DIGITS "ABCDEFabcdef")},
        {"blank", ASCII_BLANK, SPAN(" \t")},
        {"ldh", ASCII_LDH, SPAN(UPPER LOWER DIGITS "-")},
        {"control", ASCII_CONTROL,
         SPAN("\0\1\2\3\4\5\6\7\x08\t\n\x0b\x0c\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d"
              "\x1e\x1f\x7f")},
        {"atext, RFC 5322 §3.2.3", ASCII_ATEXT, SPAN(UPPER LOWER DIGITS "!#$%&'*+-/=?^_`{|}~")},
        {"qtextSMTP, RFC 5321 §4.1.2", ASCII_QTEXT, SPAN(UPPER LOWER DIGITS " !#$%&'()*+,-./:;<=>?@[]^_`{|}~")},
        {"ftext, RFC 5322 §3.6.8", ASCII_FTEXT, SPAN(UPPER LOWER DIGITS "!\"#$%&'()*+,-./;<=>?@[\\]^_`{|}~")},
        {"xchar, RFC 3461 §4", ASCII_XCHAR, SPAN(UPPER LOWER DIGITS "!\"#$%&'()*,-./:;<>?@[\\]^_`{|}~")},
        {"esmtp-value, RFC 5321 §4.1.2", ASCII_ESMTP, SPAN(UPPER LOWER DIGITS "!\"#$%&'()*+,-./:;<>?@[\\]^_`{|}~")},
        {"ctext, RFC 5322 §3.2.2", ASCII_CTEXT, SPAN(UPPER LOWER DIGITS " !\"#$%&'*+,-./:;<=>?@[]^_`{|}~")},
        {"dtext, RFC 5322 §3.4.1", ASCII_DTEXT, SPAN(UPPER LOWER DIGITS "!\"#$%&'()*+,-./:;<=>?@^_`{|}~")},
        {"graph", ASCII_GRAPH, SPAN(UPPER LOWER DIGITS "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")},
        {"print", ASCII_PRINT, SPAN(UPPER LOWER DIGITS " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned octet = 0; octet < 256; octet++) {
            bool is_member = span_find(rows[i].members, (uint8_t)octet) < rows[i].members.len;
            if (ascii_is((uint8_t)octet, rows[i].class) != is_member)
                fail_msg("%s: octet 0x%02x", rows[i].name, octet);
        }
}

static void
test_runs(void **state)
{
    (void)state;
    assert_int_equal(ascii_run(SPAN("abc1"), ASCII_ALPHA), 3);
    assert_int_equal(ascii_run(SPAN_EMPTY, ASCII_ALPHA), 0);
    assert_true(ascii_all(SPAN_EMPTY, ASCII_ALPHA));
    assert_true(ascii_all(SPAN("a1"), ASCII_ALPHA | ASCII_DIGIT));
    assert_false(ascii_all(SPAN("a\0"), ASCII_ALPHA));
    assert_true(ascii_is_7bit(SPAN("a\0\x7f")));
    assert_false(ascii_is_7bit(SPAN("a\x80")));
}

static void
test_cases_and_hex(void **state)
{
    (void)state;
    for (unsigned octet = 0; octet < 256; octet++) {
        size_t upper = span_find(SPAN(UPPER), (uint8_t)octet), lower = span_find(SPAN(LOWER), (uint8_t)octet);
        assert_int_equal(ascii_lower((uint8_t)octet), upper < 26 ? (uint8_t)LOWER[upper] : octet);
        assert_int_equal(ascii_upper((uint8_t)octet), lower < 26 ? (uint8_t)UPPER[lower] : octet);
        size_t value = span_find(SPAN("0123456789abcdef"), ascii_lower((uint8_t)octet));
        assert_int_equal(ascii_hex_value((uint8_t)octet), value < 16 ? (int)value : -1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_cases_and_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
