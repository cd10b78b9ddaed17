/* utf8_test.c - RFC 3629 §3 and §4: every code point, every pair of first octets, and the classic forgeries. */
#include "check.h"

#include "text/utf8.h"

static void
test_every_code_point(void **state)
{
    (void)state;
    uint8_t array[4];
    struct buf b;
    for (uint32_t c = 0; c <= 0x110000; c++) {
        buf_init_fixed(&b, array, sizeof(array));
        bool is_allowed = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
        if (utf8_append(&b, c) != (is_allowed ? ERR_OK : ERR_SYNTAX))
            fail_msg("append U+%04X", c);
        uint32_t back = 0;
        if (is_allowed && (utf8_take(buf_span(&b), &back) != b.len || back != c))
            fail_msg("take U+%04X", c);
    }
}

/* The definition by value: the shortest form of an allowed code point. */
static bool
is_one_sequence(const uint8_t *o, size_t len)
{
    static const uint8_t marks[5] = {0, 0, 0xc0, 0xe0, 0xf0}, masks[5] = {0, 0, 0xe0, 0xf0, 0xf8};
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 1)
        return o[0] < 0x80;
    if ((o[0] & masks[len]) != marks[len])
        return false;
    uint32_t c = o[0] & (uint8_t)~masks[len];
    for (size_t i = 1; i < len; i++) {
        if ((o[i] & 0xc0) != 0x80)
            return false;
        c = c << 6 | (o[i] & 0x3f);
    }
    return c >= least[len] && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
}

static void
test_against_definition(void **state)
{
    (void)state;
    static const uint8_t later[] = {0x00, 0x7f, 0x80, 0x8f, 0xbf, 0xc0, 0xff};
    for (unsigned first = 0; first < 256; first++)
        for (unsigned second = 0; second < 256; second++)
            for (size_t i = 0; i < sizeof(later); i++) {
                uint8_t o[4] = {(uint8_t)first, (uint8_t)second, later[i], 0x80};
                size_t wanted = 0;
                for (size_t len = 1; len <= 4 && wanted == 0; len++)
                    wanted = is_one_sequence(o, len) ? len : 0;
                if (utf8_take(span_of(o, 4), NULL) != wanted)
                    fail_msg("%02x %02x %02x 80", first, second, later[i]);
            }
}

static void
test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span text;
        bool valid;
    } rows[] = {
        {"empty", SPAN(""), true},
        {"ASCII with NUL", SPAN("a\0b"), true},
        {"mixed", SPAN("j\xc3\xbcrgen \xe5\xbe\x90 \xf0\x9f\x90\xa6"), true},
        {"overlong slash, 2", SPAN("\xc0\xaf"), false},
        {"overlong slash, 3", SPAN("\xe0\x80\xaf"), false},
        {"overlong slash, 4", SPAN("\xf0\x80\x80\xaf"), false},
        {"overlong NUL", SPAN("\xc0\x80"), false},
        {"surrogate", SPAN("\xed\xa0\x80"), false},
        {"surrogate pair", SPAN("\xed\xa0\xbd\xed\xb0\xa6"), false},
        {"above U+10FFFF", SPAN("\xf4\x90\x80\x80"), false},
        {"five octets", SPAN("\xf8\x88\x80\x80\x80"), false},
        {"cut off", SPAN("ab\xe5\xbe"), false},
        {"lone continuation", SPAN("\x80"), false},
        {"Latin-1", SPAN("j\xfcrgen"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CHECK(rows[i].name, utf8_is_valid(rows[i].text) == rows[i].valid);
    assert_int_equal(utf8_take(SPAN_EMPTY, NULL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_against_definition),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
