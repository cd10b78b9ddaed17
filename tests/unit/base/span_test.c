/* span_test.c - comparing, finding, cutting and reading text with a length. */
#include "check.h"

static void
test_equal_nocase(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span a, b;
        bool equal;
    } rows[] = {
        {"both empty", SPAN(""), SPAN(""), true},
        {"case", SPAN("MaIl"), SPAN("mAiL"), true},
        {"length", SPAN("mail"), SPAN("mai"), false},
        {"@ is not `", SPAN("@"), SPAN("`"), false},
        {"[ is not {", SPAN("["), SPAN("{"), false},
        {"NUL counts", SPAN("a\0b"), SPAN("A\0B"), true},
        {"after a NUL", SPAN("a\0b"), SPAN("a\0c"), false},
        {"8 bit is exact", SPAN("\xc3\xa4"), SPAN("\xc3\x84"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CHECK(rows[i].name, span_equal_nocase(rows[i].a, rows[i].b) == rows[i].equal);
    assert_true(span_equal(SPAN("a"), SPAN("a")));
    assert_false(span_equal(SPAN("a"), SPAN("A")));
}

static void
test_affixes(void **state)
{
    (void)state;
    assert_true(span_has_prefix(SPAN("FROM:<>"), SPAN("FROM:")));
    assert_false(span_has_prefix(SPAN("from:<>"), SPAN("FROM:")));
    assert_true(span_has_prefix_nocase(SPAN("from:<>"), SPAN("FROM:")));
    assert_false(span_has_prefix(SPAN("FR"), SPAN("FROM:")));
    assert_true(span_has_suffix_nocase(SPAN("a.EXAMPLE"), SPAN(".example")));
    assert_false(span_has_suffix_nocase(SPAN("example"), SPAN(".example")));
    assert_true(span_has_prefix(SPAN("x"), SPAN_EMPTY));
}

static void
test_find_and_cut(void **state)
{
    (void)state;
    struct span before = SPAN("untouched"), after = SPAN("untouched");
    assert_int_equal(span_find(SPAN("a@b@c"), '@'), 1);
    assert_int_equal(span_find(SPAN("abc"), '@'), 3);
    assert_int_equal(span_find(SPAN_EMPTY, '@'), 0);
    assert_int_equal(span_find_last(SPAN("a@b@c"), '@'), 3);
    assert_int_equal(span_find_last(SPAN("abc"), '@'), 3);
    assert_false(span_cut(SPAN("abc"), '=', &before, &after));
    CHECK_SPAN("cut nothing", before, SPAN("untouched"));
    assert_true(span_cut(SPAN("k=v=w"), '=', &before, &after));
    CHECK_SPAN("before", before, SPAN("k"));
    CHECK_SPAN("after", after, SPAN("v=w"));
    assert_true(span_cut(SPAN("="), '=', &before, &after));
    assert_true(before.len == 0 && after.len == 0);
    struct span whole = SPAN("a:b");
    assert_true(span_cut(whole, ':', &whole, &after)); /* an output may be the input */
    CHECK_SPAN("aliased before", whole, SPAN("a"));
    CHECK_SPAN("aliased after", after, SPAN("b"));
}

static void
test_compare_and_trim(void **state)
{
    (void)state;
    assert_true(span_compare(SPAN("a"), SPAN("b")) < 0);
    assert_true(span_compare(SPAN("ab"), SPAN("a")) > 0);
    assert_true(span_compare(SPAN("a"), SPAN("ab")) < 0);
    assert_int_equal(span_compare(SPAN_EMPTY, SPAN_EMPTY), 0);
    assert_true(span_compare(SPAN("\x80"), SPAN("a")) > 0);
    CHECK_SPAN("trim", span_trim(SPAN(" \t a b\t ")), SPAN("a b"));
    CHECK_SPAN("trim to nothing", span_trim(SPAN(" \t ")), SPAN(""));
}

static void
test_to_u64(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span text;
        uint64_t max;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"zero", SPAN("0"), 10, true, 0},
        {"leading zeros", SPAN("00000000000000000007"), 10, true, 7},
        {"21 digits", SPAN("000000000000000000007"), 10, false, 0},
        {"largest", SPAN("18446744073709551615"), UINT64_MAX, true, UINT64_MAX},
        {"one more", SPAN("18446744073709551616"), UINT64_MAX, false, 0},
        {"far more", SPAN("99999999999999999999"), UINT64_MAX, false, 0},
        {"at max", SPAN("10"), 10, true, 10},
        {"over max", SPAN("11"), 10, false, 0},
        {"empty", SPAN(""), 10, false, 0},
        {"sign", SPAN("+1"), 10, false, 0},
        {"negative", SPAN("-1"), 10, false, 0},
        {"space", SPAN(" 1"), 10, false, 0},
        {"hex", SPAN("0x1"), 10, false, 0},
        {"NUL", SPAN("1\0"), 10, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 0xdead;
        CHECK(rows[i].name, span_to_u64(rows[i].text, rows[i].max, &value) == rows[i].ok);
        CHECK(rows[i].name, value == (rows[i].ok ? rows[i].value : 0xdead));
    }
}

static void
test_to_cstr(void **state)
{
    (void)state;
    char text[4] = "xyz";
    assert_true(span_to_cstr(SPAN("abc"), text, sizeof(text)));
    assert_string_equal(text, "abc");
    assert_false(span_to_cstr(SPAN("abcd"), text, sizeof(text)));
    assert_string_equal(text, "");
    assert_false(span_to_cstr(SPAN("a\0c"), text, sizeof(text)));
    assert_true(span_to_cstr(SPAN_EMPTY, text, sizeof(text)));
    assert_false(span_to_cstr(SPAN_EMPTY, text, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_nocase), cmocka_unit_test(test_affixes),
        cmocka_unit_test(test_find_and_cut), cmocka_unit_test(test_compare_and_trim),
        cmocka_unit_test(test_to_u64),       cmocka_unit_test(test_to_cstr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
