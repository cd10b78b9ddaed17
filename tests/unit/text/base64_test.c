/* base64_test.c - the vectors of RFC 4648 §10 and everything requirement 84 refuses. */
#include "codec_rows.h"

#include "text/base64.h"

static void
test_rows(void **state)
{
    (void)state;
    static const struct codec_row rows[] = {
        {"RFC 4648 §10, 0", SPAN(""), ERR_OK, SPAN(""), true},
        {"RFC 4648 §10, 1", SPAN("Zg=="), ERR_OK, SPAN("f"), true},
        {"RFC 4648 §10, 2", SPAN("Zm8="), ERR_OK, SPAN("fo"), true},
        {"RFC 4648 §10, 3", SPAN("Zm9v"), ERR_OK, SPAN("foo"), true},
        {"RFC 4648 §10, 4", SPAN("Zm9vYg=="), ERR_OK, SPAN("foob"), true},
        {"RFC 4648 §10, 5", SPAN("Zm9vYmE="), ERR_OK, SPAN("fooba"), true},
        {"RFC 4648 §10, 6", SPAN("Zm9vYmFy"), ERR_OK, SPAN("foobar"), true},
        {"SASL PLAIN", SPAN("AHVzZXIAcGFzcw=="), ERR_OK, SPAN("\0user\0pass"), true},
        {"all bits", SPAN("////"), ERR_OK, SPAN("\xff\xff\xff"), true},
        {"no pad", SPAN("Zg"), ERR_SYNTAX, SPAN(""), false},
        {"one pad of two", SPAN("Zg="), ERR_SYNTAX, SPAN(""), false},
        {"pad alone", SPAN("="), ERR_SYNTAX, SPAN(""), false},
        {"pads alone", SPAN("===="), ERR_SYNTAX, SPAN(""), false},
        {"three pads", SPAN("Z==="), ERR_SYNTAX, SPAN(""), false},
        {"pad inside", SPAN("Zg==Zg=="), ERR_SYNTAX, SPAN(""), false},
        {"pad second", SPAN("Z=g="), ERR_SYNTAX, SPAN(""), false},
        {"space", SPAN("Zm9 "), ERR_SYNTAX, SPAN(""), false},
        {"line end", SPAN("Zm9v\r\n"), ERR_SYNTAX, SPAN(""), false},
        {"URL alphabet", SPAN("__--"), ERR_SYNTAX, SPAN(""), false},
        {"NUL", SPAN("Zm9\0"), ERR_SYNTAX, SPAN(""), false},
        {"8 bit", SPAN("Zm9\xff"), ERR_SYNTAX, SPAN(""), false},
        {"stray bits, two pads", SPAN("Zh=="), ERR_SYNTAX, SPAN(""), false},
        {"stray bits, one pad", SPAN("Zm9="), ERR_SYNTAX, SPAN(""), false},
        {"five digits", SPAN("Zm9vY"), ERR_SYNTAX, SPAN(""), false},
    };
    codec_check(rows, ARRAY_LEN(rows), base64_decode, base64_encode);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
