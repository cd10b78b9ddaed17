/* hex_test.c - two digits an octet. */
#include "codec_rows.h"

#include "text/hex.h"

static void
test_rows(void **state)
{
    (void)state;
    static const struct codec_row rows[] = {
        {"empty", SPAN(""), ERR_OK, SPAN(""), true},
        {"digits", SPAN("0123456789abcdef"), ERR_OK, SPAN("\x01\x23\x45\x67\x89\xab\xcd\xef"), true},
        {"upper case is read", SPAN("AbCD"), ERR_OK, SPAN("\xab\xcd"), false},
        {"odd", SPAN("abc"), ERR_SYNTAX, SPAN(""), false},
        {"no digit", SPAN("ag"), ERR_SYNTAX, SPAN(""), false},
    };
    codec_check(rows, ARRAY_LEN(rows), hex_decode, hex_encode);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
