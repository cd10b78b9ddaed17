/* xtext_test.c - RFC 3461 §4. */
#include "codec_rows.h"

#include "text/xtext.h"

static void
test_rows(void **state)
{
    (void)state;
    static const struct codec_row rows[] = {
        {"empty", SPAN(""), ERR_OK, SPAN(""), true},
        {"plain", SPAN("QQ314159"), ERR_OK, SPAN("QQ314159"), true},
        {"plus and equals are encoded", SPAN("a+2Bb+3Dc"), ERR_OK, SPAN("a+b=c"), true},
        {"space", SPAN("a+20b"), ERR_OK, SPAN("a b"), true},
        {"NUL, CR and LF come out: the caller judges", SPAN("+00+0D+0A"), ERR_OK, SPAN("\0\r\n"), true},
        {"8 bit", SPAN("+C3+A4"), ERR_OK, SPAN("\xc3\xa4"), true},
        {"needless but allowed", SPAN("+41"), ERR_OK, SPAN("A"), false},
        {"lower-case digits", SPAN("+c3"), ERR_SYNTAX, SPAN(""), false},
        {"equals", SPAN("a=b"), ERR_SYNTAX, SPAN(""), false},
        {"space itself", SPAN("a b"), ERR_SYNTAX, SPAN(""), false},
        {"raw 8 bit", SPAN("\xc3\xa4"), ERR_SYNTAX, SPAN(""), false},
        {"cut off", SPAN("a+"), ERR_SYNTAX, SPAN(""), false},
        {"cut off after a digit", SPAN("a+4"), ERR_SYNTAX, SPAN(""), false},
        {"no digit", SPAN("+4G"), ERR_SYNTAX, SPAN(""), false},
        {"DEL", SPAN("\x7f"), ERR_SYNTAX, SPAN(""), false},
        {"NUL itself", SPAN("a\0"), ERR_SYNTAX, SPAN(""), false},
    };
    codec_check(rows, ARRAY_LEN(rows), xtext_decode, xtext_encode);
}

static void
test_every_octet(void **state)
{
    (void)state;
    uint8_t all[256], coded_array[768], back_array[256];
    struct buf coded, back;
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    buf_init_fixed(&coded, coded_array, sizeof(coded_array));
    buf_init_fixed(&back, back_array, sizeof(back_array));
    assert_int_equal(xtext_encode(span_of(all, 256), &coded), ERR_OK);
    assert_int_equal(xtext_decode(buf_span(&coded), &back), ERR_OK);
    CHECK_SPAN("there and back", buf_span(&back), span_of(all, 256));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_every_octet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
