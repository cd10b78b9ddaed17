/* domain_test.c - RFC 5321 §4.1.2 and §4.5.3.1.2, RFC 6531 §3.3; requirements 6 and 144. */
#include "check.h"

#include "proto/addr/domain.h"

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10
#define LABEL_63 A60 "aaa"

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span text;
        bool utf8;
        enum addr_fault fault;
        const char *domain;
    } rows[] = {
        {"plain", SPAN("example.org"), false, ADDR_OK, "example.org"},
        {"lower case", SPAN("EXAMPLE.Org"), false, ADDR_OK, "example.org"},
        {"single label", SPAN("localhost"), false, ADDR_OK, "localhost"},
        {"digits", SPAN("1.2.3.4"), false, ADDR_OK, "1.2.3.4"},
        {"inner hyphens", SPAN("c--n.com"), false, ADDR_OK, "c--n.com"},
        {"label of 63", SPAN(LABEL_63 ".org"), false, ADDR_OK, LABEL_63 ".org"},
        {"label of 64", SPAN(LABEL_63 "a.org"), false, ADDR_DOMAIN_TOO_LONG, NULL},
        {"255 octets", SPAN(LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63), false, ADDR_OK,
         LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63},
        {"256 octets", SPAN(LABEL_63 "." LABEL_63 "." LABEL_63 "." A60 "aa.a"), false, ADDR_DOMAIN_TOO_LONG, NULL},
        {"too long and no domain", SPAN(LABEL_63 LABEL_63 LABEL_63 LABEL_63 "a!"), false, ADDR_SYNTAX, NULL},
        {"empty", SPAN(""), false, ADDR_SYNTAX, NULL},
        {"dot", SPAN("."), false, ADDR_SYNTAX, NULL},
        {"dot first", SPAN(".org"), false, ADDR_SYNTAX, NULL},
        {"dot last", SPAN("example.org."), false, ADDR_SYNTAX, NULL},
        {"two dots", SPAN("example..org"), false, ADDR_SYNTAX, NULL},
        {"hyphen first", SPAN("-example.org"), false, ADDR_SYNTAX, NULL},
        {"hyphen last in a label", SPAN("example-.org"), false, ADDR_SYNTAX, NULL},
        {"hyphen last", SPAN("example.org-"), false, ADDR_SYNTAX, NULL},
        {"underscore", SPAN("a_b.org"), false, ADDR_SYNTAX, NULL},
        {"space", SPAN("example.org "), false, ADDR_SYNTAX, NULL},
        {"NUL", SPAN("example.org\0"), false, ADDR_SYNTAX, NULL},
        {"line end", SPAN("example.org\r\n"), false, ADDR_SYNTAX, NULL},
        {"slash", SPAN("iana/icann.org"), false, ADDR_SYNTAX, NULL},
        {"U-label not allowed", SPAN("b\xc3\xbc" "cher.example"), false, ADDR_UTF8_NOT_ALLOWED, NULL},
        {"U-label", SPAN("b\xc3\xbc" "cher.example"), true, ADDR_OK, "xn--bcher-kva.example"},
        {"U-label, capital", SPAN("B\xc3\x9c" "cher.example"), true, ADDR_OK, "xn--bcher-kva.example"},
        {"A-label", SPAN("XN--bcher-KVA.example"), true, ADDR_OK, "xn--bcher-kva.example"},
        {"broken UTF-8", SPAN("b\xc3.example"), true, ADDR_UTF8_INVALID, NULL},
        {"symbol", SPAN("\xe2\x98\x83.example"), true, ADDR_UTF8_INVALID, NULL},
        {"U-label beside what is no label", SPAN("b\xc3\xbc" "cher.a_b"), true, ADDR_UTF8_INVALID, NULL},
        {"U-label and NUL", SPAN("b\xc3\xbc" "cher\0.org"), true, ADDR_UTF8_INVALID, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct domain d = {.len = 77};
        CHECK(rows[i].name, domain_parse(rows[i].text, rows[i].utf8, &d) == rows[i].fault);
        if (rows[i].fault == ADDR_OK)
            CHECK_SPAN(rows[i].name, domain_span(&d), span_from_cstr(rows[i].domain));
        else
            CHECK(rows[i].name, d.len == 77); /* untouched */
    }
}

static struct domain
domain_of(const char *text)
{
    struct domain d;
    assert_int_equal(domain_parse(span_from_cstr(text), true, &d), ADDR_OK);
    return d;
}

static void
test_relations(void **state)
{
    (void)state;
    struct domain example = domain_of("example.org"), mail = domain_of("mail.example.org");
    struct domain other = domain_of("anexample.org"), org = domain_of("org");
    assert_true(domain_is_within(&example, &example));
    assert_true(domain_is_within(&mail, &example));
    assert_true(domain_is_within(&mail, &org));
    assert_false(domain_is_within(&other, &example));
    assert_false(domain_is_within(&example, &mail));
    assert_true(domain_is_qualified(&example));
    assert_false(domain_is_qualified(&org));
    struct domain u = domain_of("b\xc3\xbc" "cher.example"), a = domain_of("xn--bcher-kva.EXAMPLE");
    assert_true(domain_equal(&u, &a));
    assert_false(domain_equal(&u, &example));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_relations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
