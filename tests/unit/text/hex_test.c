/* hex_test.c - two digits an octet. */
#include "codec_rows.h"

#include "text/hex.h"

static void
test_rows(void **state)
{
    (void)state;
    static const struct codec_row rows[] = {
        {"empty", ROW_SPAN(""), ERR_OK, ROW_SPAN(""), true},
        {"digits", ROW_SPAN("0123456789abcdef"), ERR_OK, ROW_SPAN("\x01\x23\x45\x67\x89\xab\xcd\xef"), true},
        {"upper case is read", ROW_SPAN("AbCD"), ERR_OK, ROW_SPAN("\xab\xcd"), false},
        {"odd", ROW_SPAN("abc"), ERR_SYNTAX, ROW_SPAN(""), false},
        {"no digit", ROW_SPAN("ag"), ERR_SYNTAX, ROW_SPAN(""), false},
    };
    codec_check(rows, ARRAY_LEN(rows), hex_decode, hex_encode);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
