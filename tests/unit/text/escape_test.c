/* escape_test.c - no foreign byte reaches a log, a terminal or a reply as itself (requirement 20, pitfall P29). */
#include "codec_rows.h"

#include "text/ascii.h"
#include "text/escape.h"

static void
test_rows(void **state)
{
    (void)state;
    static const struct codec_row log_rows[] = {
        {"plain", ROW_SPAN("a b@c"), ERR_OK, ROW_SPAN("a b@c"), true},
        {"line end", ROW_SPAN("a\\x0d\\x0ab"), ERR_OK, ROW_SPAN("a\r\nb"), true},
        {"NUL", ROW_SPAN("\\x00"), ERR_OK, ROW_SPAN("\0"), true},
        {"terminal escape", ROW_SPAN("\\x1b[31m"), ERR_OK, ROW_SPAN("\x1b[31m"), true},
        {"UTF-8", ROW_SPAN("\\xc3\\xa4"), ERR_OK, ROW_SPAN("\xc3\xa4"), true},
        {"quote", ROW_SPAN("a=\\x22b\\x22"), ERR_OK, ROW_SPAN("a=\"b\""), true},
        {"backslash", ROW_SPAN("\\x5cx41"), ERR_OK, ROW_SPAN("\\x41"), true},
        {"lone backslash", ROW_SPAN("a\\"), ERR_SYNTAX, ROW_SPAN(""), false},
        {"cut off", ROW_SPAN("\\x4"), ERR_SYNTAX, ROW_SPAN(""), false},
    };
    codec_check(log_rows, ARRAY_LEN(log_rows), escape_decode, escape_append_log);
    static const struct codec_row reply_rows[] = {
        {"quote stays", ROW_SPAN("<\"a b\"@c>"), ERR_OK, ROW_SPAN("<\"a b\"@c>"), true},
        {"line end", ROW_SPAN("\\x0d\\x0a"), ERR_OK, ROW_SPAN("\r\n"), true},
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
