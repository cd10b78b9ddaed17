/* mailbox_test.c - RFC 5321 §4.1.2, erratum 5414, RFC 6531 §3.3; requirements 1, 6, 13, 140, 141, 144. */
#include "check.h"

#include "proto/addr/mailbox.h"

#define A10 "aaaaaaaaaa"
#define LOCAL_64 A10 A10 A10 A10 A10 A10 "aaaa"
#define UE "\xc3\xbc"

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span text;
        bool utf8;
        enum addr_fault fault;
        struct span local;     /* unquoted */
        struct span canonical;
    } rows[] = {
        {"plain", SPAN("alice@example.org"), false, ADDR_OK, SPAN("alice"), SPAN("alice@example.org")},
        {"case of the local part stays", SPAN("Alice@EXAMPLE.org"), false, ADDR_OK, SPAN("Alice"),
         SPAN("Alice@example.org")},
        {"every mark", SPAN("!#$%&'*+-/=?^_`{|}~@x.y"), false, ADDR_OK, SPAN("!#$%&'*+-/=?^_`{|}~"),
         SPAN("!#$%&'*+-/=?^_`{|}~@x.y")},
        {"dots", SPAN("a.b.c@x.y"), false, ADDR_OK, SPAN("a.b.c"), SPAN("a.b.c@x.y")},
        {"percent and bang are ordinary", SPAN("a%b!c@x.y"), false, ADDR_OK, SPAN("a%b!c"), SPAN("a%b!c@x.y")},
        {"literal", SPAN("a@[192.0.2.1]"), false, ADDR_OK, SPAN("a"), SPAN("a@[192.0.2.1]")},
        {"IPv6 literal", SPAN("a@[IPv6:2001:DB8::1]"), false, ADDR_OK, SPAN("a"), SPAN("a@[IPv6:2001:db8::1]")},
        {"quoted needlessly", SPAN("\"alice\"@x.y"), false, ADDR_OK, SPAN("alice"), SPAN("alice@x.y")},
        {"quoted pair needlessly", SPAN("\"a\\b\"@x.y"), false, ADDR_OK, SPAN("ab"), SPAN("ab@x.y")},
        {"quoted space", SPAN("\"a b\"@x.y"), false, ADDR_OK, SPAN("a b"), SPAN("\"a b\"@x.y")},
        {"quoted at", SPAN("\"a@b\"@x.y"), false, ADDR_OK, SPAN("a@b"), SPAN("\"a@b\"@x.y")},
        {"quoted bracket", SPAN("\"a>b\"@x.y"), false, ADDR_OK, SPAN("a>b"), SPAN("\"a>b\"@x.y")},
        {"quoted quote", SPAN("\"a\\\"b\"@x.y"), false, ADDR_OK, SPAN("a\"b"), SPAN("\"a\\\"b\"@x.y")},
        {"quoted backslash", SPAN("\"\\\\\"@x.y"), false, ADDR_OK, SPAN("\\"), SPAN("\"\\\\\"@x.y")},
        {"quoted dot", SPAN("\".\"@x.y"), false, ADDR_OK, SPAN("."), SPAN("\".\"@x.y")},
        {"quoted two dots", SPAN("\"a..b\"@x.y"), false, ADDR_OK, SPAN("a..b"), SPAN("\"a..b\"@x.y")},
        {"quoted space alone", SPAN("\" \"@x.y"), false, ADDR_OK, SPAN(" "), SPAN("\" \"@x.y")},
        {"empty quoted, erratum 5414", SPAN("\"\"@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"64 octets", SPAN(LOCAL_64 "@x.y"), false, ADDR_OK, SPAN(LOCAL_64), SPAN(LOCAL_64 "@x.y")},
        {"65 octets", SPAN(LOCAL_64 "a@x.y"), false, ADDR_LOCAL_TOO_LONG, {0}, {0}},
        {"65 octets and no domain", SPAN(LOCAL_64 "a@"), false, ADDR_SYNTAX, {0}, {0}},
        {"62 octets in quotes", SPAN("\"" A10 A10 A10 A10 A10 A10 "a \"@x.y"), false, ADDR_OK,
         SPAN(A10 A10 A10 A10 A10 A10 "a "), SPAN("\"" A10 A10 A10 A10 A10 A10 "a \"@x.y")},
        {"63 octets in quotes", SPAN("\"" A10 A10 A10 A10 A10 A10 "aa \"@x.y"), false, ADDR_LOCAL_TOO_LONG, {0}, {0}},
        {"empty", SPAN(""), false, ADDR_SYNTAX, {0}, {0}},
        {"no at", SPAN("alice"), false, ADDR_SYNTAX, {0}, {0}},
        {"no local part", SPAN("@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"no domain", SPAN("a@"), false, ADDR_SYNTAX, {0}, {0}},
        {"two ats", SPAN("a@b@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"dot first", SPAN(".a@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"dot last", SPAN("a.@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"two dots", SPAN("a..b@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"space", SPAN("a b@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"comment", SPAN("(c)a@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"quote inside an atom", SPAN("a\"b\"@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"atom after a quoted string", SPAN("\"a\"b@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"dot between quoted strings", SPAN("\"a\".\"b\"@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"open quote", SPAN("\"a@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"escaped closing quote", SPAN("\"a\\\"@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"backslash last", SPAN("\"a\\"), false, ADDR_SYNTAX, {0}, {0}},
        {"backslash in an atom", SPAN("a\\b@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"NUL", SPAN("a\0@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"quoted NUL", SPAN("\"a\0\"@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"quoted pair of CR", SPAN("\"a\\\r\"@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"quoted LF", SPAN("\"a\n\"@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"quoted tab", SPAN("\"a\tb\"@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"DEL", SPAN("a\x7f@x.y"), false, ADDR_SYNTAX, {0}, {0}},
        {"UTF-8 not allowed", SPAN("j" UE "rgen@x.y"), false, ADDR_UTF8_NOT_ALLOWED, {0}, {0}},
        {"UTF-8 domain not allowed", SPAN("a@b" UE "cher.example"), false, ADDR_UTF8_NOT_ALLOWED, {0}, {0}},
        {"UTF-8", SPAN("j" UE "rgen@x.y"), true, ADDR_OK, SPAN("j" UE "rgen"), SPAN("j" UE "rgen@x.y")},
        {"UTF-8 quoted", SPAN("\"j" UE " r\"@x.y"), true, ADDR_OK, SPAN("j" UE " r"), SPAN("\"j" UE " r\"@x.y")},
        {"UTF-8 after a backslash", SPAN("\"j\\" UE "\"@x.y"), true, ADDR_SYNTAX, {0}, {0}},
        {"UTF-8 domain", SPAN("a@B" UE "cher.example"), true, ADDR_OK, SPAN("a"), SPAN("a@xn--bcher-kva.example")},
        {"overlong", SPAN("a\xc0\xaf@x.y"), true, ADDR_UTF8_INVALID, {0}, {0}},
        {"surrogate", SPAN("a\xed\xa0\x80@x.y"), true, ADDR_UTF8_INVALID, {0}, {0}},
        {"cut off in quotes", SPAN("\"a\xc3\"@x.y"), true, ADDR_UTF8_INVALID, {0}, {0}},
        {"64 octets of UTF-8", SPAN(A10 A10 A10 A10 A10 A10 UE UE "@x.y"), true, ADDR_OK,
         SPAN(A10 A10 A10 A10 A10 A10 UE UE), SPAN(A10 A10 A10 A10 A10 A10 UE UE "@x.y")},
        {"65 octets of UTF-8", SPAN(A10 A10 A10 A10 A10 A10 "a" UE UE "@x.y"), true, ADDR_LOCAL_TOO_LONG, {0}, {0}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mailbox m = {.local_len = 99};
        CHECK(rows[i].name, mailbox_parse(rows[i].text, rows[i].utf8, &m) == rows[i].fault);
        if (rows[i].fault != ADDR_OK) {
            CHECK(rows[i].name, m.local_len == 99); /* untouched */
            continue;
        }
        CHECK_SPAN(rows[i].name, mailbox_local(&m), rows[i].local);
        uint8_t array[MAILBOX_TEXT_MAX];
        struct buf b;
        buf_init_fixed(&b, array, sizeof(array));
        CHECK(rows[i].name, mailbox_format(&m, &b) == ERR_OK);
        CHECK_SPAN(rows[i].name, buf_span(&b), rows[i].canonical);
        /* What was written is read as the same, and so are the parts. */
        struct mailbox again, parts;
        CHECK(rows[i].name, mailbox_parse(buf_span(&b), rows[i].utf8, &again) == ADDR_OK && mailbox_equal(&m, &again));
        buf_clear(&b);
        CHECK(rows[i].name, mailbox_format_domain(&m, &b) == ERR_OK);
        CHECK(rows[i].name, mailbox_from_parts(mailbox_local(&m), buf_span(&b), &parts) == ADDR_OK);
        CHECK(rows[i].name, mailbox_equal(&m, &parts) && m.is_utf8 == parts.is_utf8);
    }
}

static struct mailbox
mailbox_of(const char *text)
{
    struct mailbox m;
    assert_int_equal(mailbox_parse(span_from_cstr(text), true, &m), ADDR_OK);
    return m;
}

static void
test_equal(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"a@x.y", "a@X.Y", true},
        {"a@x.y", "A@x.y", false},
        {"\"a\"@x.y", "a@x.y", true},
        {"\"\\a\\b\"@x.y", "\"ab\"@x.y", true},
        {"a@b" UE "cher.example", "a@xn--bcher-kva.example", true},
        {"a@[192.0.2.1]", "a@[192.0.2.2]", false},
        {"a@[IPv6:::1]", "a@[IPv6:0:0:0:0:0:0:0:1]", true},
        {"a@[192.0.2.1]", "a@x.y", false},
        {"a@x.y", "b@x.y", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mailbox a = mailbox_of(rows[i].a), b = mailbox_of(rows[i].b);
        CHECK(rows[i].a, mailbox_equal(&a, &b) == rows[i].equal);
    }
}

static void
test_is_utf8(void **state)
{
    (void)state;
    assert_true(mailbox_of("j" UE "rgen@x.y").is_utf8);
    assert_false(mailbox_of("a@x.y").is_utf8);
    assert_false(mailbox_of("a@b" UE "cher.example").is_utf8); /* requirement 143: the A-label needs no extension */
}

static void
test_from_parts(void **state)
{
    (void)state;
    struct mailbox m;
    assert_int_equal(mailbox_from_parts(SPAN("PostMaster"), SPAN_EMPTY, &m), ADDR_OK);
    assert_true(mailbox_is_postmaster(&m));
    struct buf b;
    buf_init(&b, 400);
    assert_int_equal(mailbox_format(&m, &b), ERR_OK);
    CHECK_SPAN("bare postmaster", buf_span(&b), SPAN("PostMaster"));
    buf_done(&b);
    assert_int_equal(mailbox_from_parts(SPAN("alice"), SPAN_EMPTY, &m), ADDR_SYNTAX);
    assert_int_equal(mailbox_from_parts(SPAN_EMPTY, SPAN("x.y"), &m), ADDR_SYNTAX);
    assert_int_equal(mailbox_from_parts(SPAN("a\r\nb"), SPAN("x.y"), &m), ADDR_SYNTAX);
    assert_int_equal(mailbox_from_parts(SPAN("a\0"), SPAN("x.y"), &m), ADDR_SYNTAX);
    assert_int_equal(mailbox_from_parts(SPAN("a"), SPAN("x y"), &m), ADDR_SYNTAX);
    assert_int_equal(mailbox_from_parts(SPAN("a\xff"), SPAN("x.y"), &m), ADDR_UTF8_INVALID);
    assert_int_equal(mailbox_from_parts(SPAN(LOCAL_64), SPAN("x.y"), &m), ADDR_OK);
    assert_int_equal(mailbox_from_parts(SPAN(LOCAL_64 "a"), SPAN("x.y"), &m), ADDR_LOCAL_TOO_LONG);
    /* 32 octets of which each needs a backslash are written with 66. */
    struct span quotes = SPAN("\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"");
    assert_int_equal(mailbox_from_parts(quotes, SPAN("x.y"), &m), ADDR_LOCAL_TOO_LONG);
    assert_int_equal(mailbox_from_parts(span_skip(quotes, 1), SPAN("x.y"), &m), ADDR_OK);
}

static void
test_is_postmaster(void **state)
{
    (void)state;
    struct mailbox m = mailbox_of("\"POSTmaster\"@x.y");
    assert_true(mailbox_is_postmaster(&m));
    m = mailbox_of("postmaster2@x.y");
    assert_false(mailbox_is_postmaster(&m));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),       cmocka_unit_test(test_equal),        cmocka_unit_test(test_is_utf8),
        cmocka_unit_test(test_from_parts), cmocka_unit_test(test_is_postmaster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
