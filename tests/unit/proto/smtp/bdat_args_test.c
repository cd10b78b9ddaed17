/* bdat_args_test.c - RFC 3030 §2; requirements 52 and 54. */
#include "check.h"

#include "proto/smtp/bdat_args.h"

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span argument;
        enum reply_id reply;
        uint64_t size;
        bool is_last;
    } rows[] = {
        {"size", SPAN("86"), REPLY_NONE, 86, false},
        {"last", SPAN("86 LAST"), REPLY_NONE, 86, true},
        {"any case", SPAN("0 lAsT"), REPLY_NONE, 0, true},
        {"spaces", SPAN("0  LAST"), REPLY_NONE, 0, true},
        {"largest", SPAN("9223372036854775807"), REPLY_NONE, INT64_MAX, false},
        {"2^63", SPAN("9223372036854775808"), REPLY_BDAT_SYNTAX, 0, false},
        {"2^64", SPAN("18446744073709551616"), REPLY_BDAT_SYNTAX, 0, false},
        {"negative", SPAN("-1"), REPLY_BDAT_SYNTAX, 0, false},
        {"sign", SPAN("+1"), REPLY_BDAT_SYNTAX, 0, false},
        {"hex", SPAN("0x10"), REPLY_BDAT_SYNTAX, 0, false},
        {"no size", SPAN("LAST"), REPLY_BDAT_SYNTAX, 0, false},
        {"empty", SPAN(""), REPLY_BDAT_SYNTAX, 0, false},
        {"another word", SPAN("1 FIRST"), REPLY_BDAT_SYNTAX, 0, false},
        {"more words", SPAN("1 LAST x"), REPLY_BDAT_SYNTAX, 0, false},
        {"glued", SPAN("1LAST"), REPLY_BDAT_SYNTAX, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_bdat_args args = {.size_bytes = 77};
        CHECK(rows[i].name, smtp_bdat_args_parse(rows[i].argument, &args).id == rows[i].reply);
        CHECK(rows[i].name, args.size_bytes == (rows[i].reply == REPLY_NONE ? rows[i].size : 77));
        CHECK(rows[i].name, args.is_last == rows[i].is_last);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
