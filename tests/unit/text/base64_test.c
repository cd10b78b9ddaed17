/* base64_test.c - the vectors of RFC 4648 §10 and everything requirement 84 refuses. */
#include "codec_rows.h"

#include "text/base64.h"

static void
test_rows(void **state)
{
    (void)state;
    static const struct codec_row rows[] = {
        {"RFC 4648 §10, 0", ROW_SPAN(""), ERR_OK, ROW_SPAN(""), true},
        {"RFC 4648 §10, 1", ROW_SPAN("Zg=="), ERR_OK, ROW_SPAN("f"), true},
        {"RFC 4648 §10, 2", ROW_SPAN("Zm8="), ERR_OK, ROW_SPAN("fo"), true},
        {"RFC 4648 §10, 3", ROW_SPAN("Zm9v"), ERR_OK, ROW_SPAN("foo"), true},
        {"RFC 4648 §10, 4", ROW_SPAN("Zm9vYg=="), ERR_OK, ROW_SPAN("foob"), true},
        {"RFC 4648 §10, 5", ROW_SPAN("Zm9vYmE="), ERR_OK, ROW_SPAN("fooba"), true},
        {"RFC 4648 §10, 6", ROW_SPAN("Zm9vYmFy"), ERR_OK, ROW_SPAN("foobar"), true},
        {"SASL PLAIN", ROW_SPAN("AHVzZXIAcGFzcw=="), ERR_OK, ROW_SPAN("\0user\0pass"), true},
        {"all bits", ROW_SPAN("////"), ERR_OK, ROW_SPAN("\xff\xff\xff"), true},
        {"no pad", ROW_SPAN("Zg"), ERR_SYNTAX, ROW_SPAN(""), false},
        {"one pad of two", ROW_SPAN("Zg="), ERR_SYNTAX, ROW_SPAN(""), false},
        {"pad alone", ROW_SPAN("="), ERR_SYNTAX, ROW_SPAN(""), false},
        {"pads alone", ROW_SPAN("===="), ERR_SYNTAX, ROW_SPAN(""), false},
        {"three pads", ROW_SPAN("Z==="), ERR_SYNTAX, ROW_SPAN(""), false},
        {"pad inside", ROW_SPAN("Zg==Zg=="), ERR_SYNTAX, ROW_SPAN(""), false},
        {"pad second", ROW_SPAN("Z=g="), ERR_SYNTAX, ROW_SPAN(""), false},
        {"space", ROW_SPAN("Zm9 "), ERR_SYNTAX, ROW_SPAN(""), false},
        {"line end", ROW_SPAN("Zm9v\r\n"), ERR_SYNTAX, ROW_SPAN(""), false},
        {"URL alphabet", ROW_SPAN("__--"), ERR_SYNTAX, ROW_SPAN(""), false},
        {"NUL", ROW_SPAN("Zm9\0"), ERR_SYNTAX, ROW_SPAN(""), false},
        {"8 bit", ROW_SPAN("Zm9\xff"), ERR_SYNTAX, ROW_SPAN(""), false},
        {"stray bits, two pads", ROW_SPAN("Zh=="), ERR_SYNTAX, ROW_SPAN(""), false},
        {"stray bits, one pad", ROW_SPAN("Zm9="), ERR_SYNTAX, ROW_SPAN(""), false},
        {"five digits", ROW_SPAN("Zm9vY"), ERR_SYNTAX, ROW_SPAN(""), false},
    };
    codec_check(rows, ARRAY_LEN(rows), base64_decode, base64_encode);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
