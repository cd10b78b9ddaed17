/* escape_test.c - no foreign byte reaches a log, a terminal or a reply as itself (requirement 20, pitfall P29). */
#include "codec_rows.h"

#include "text/ascii.h"
#include "text/escape.h"

static void
test_rows(void **state)
{
    (void)state;
    static const struct codec_row log_rows[] = {
        {"plain", SPAN("a b@c"), ERR_OK, SPAN("a b@c"), true},
        {"line end", SPAN("a\\x0d\\x0ab"), ERR_OK, SPAN("a\r\nb"), true},
        {"NUL", SPAN("\\x00"), ERR_OK, SPAN("\0"), true},
        {"terminal escape", SPAN("\\x1b[31m"), ERR_OK, SPAN("\x1b[31m"), true},
        {"UTF-8", SPAN("\\xc3\\xa4"), ERR_OK, SPAN("\xc3\xa4"), true},
        {"quote", SPAN("a=\\x22b\\x22"), ERR_OK, SPAN("a=\"b\""), true},
        {"backslash", SPAN("\\x5cx41"), ERR_OK, SPAN("\\x41"), true},
        {"lone backslash", SPAN("a\\"), ERR_SYNTAX, SPAN(""), false},
        {"cut off", SPAN("\\x4"), ERR_SYNTAX, SPAN(""), false},
    };
    codec_check(log_rows, ARRAY_LEN(log_rows), escape_decode, escape_append_log);
    static const struct codec_row reply_rows[] = {
        {"quote stays", SPAN("<\"a b\"@c>"), ERR_OK, SPAN("<\"a b\"@c>"), true},
        {"line end", SPAN("\\x0d\\x0a"), ERR_OK, SPAN("\r\n"), true},
    };
    codec_check(reply_rows, ARRAY_LEN(reply_rows), escape_decode, escape_append_reply);
}

static void
test_every_octet_is_printable(void **state)
{
    (void)state;
    for (unsigned octet = 0; octet < 256; octet++) {
        uint8_t one = (uint8_t)octet, array[8];
        struct buf b;
        buf_init_fixed(&b, array, sizeof(array));
        assert_int_equal(escape_append_log(span_of(&one, 1), &b), ERR_OK);
        assert_true(ascii_all(buf_span(&b), ASCII_PRINT));
        assert_int_equal(span_find(buf_span(&b), '"'), b.len);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_every_octet_is_printable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
