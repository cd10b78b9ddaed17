/* path_test.c - RFC 5321 §4.1.2 and appendix C, §4.5.3.1.3; requirements 6, 12, 37, 38. */
#include "check.h"

#include "proto/addr/path.h"

#define A10 "aaaaaaaaaa"
#define A50 A10 A10 A10 A10 A10
#define LOCAL_64 A50 A10 "aaaa"
/* 64 + 1 + 189 octets and two brackets are 256. */
#define DOMAIN_189 A50 A10 "aaa." A50 A10 "aaa." A50 A10 "a"

enum { BOTH = PATH_ALLOW_NULL | PATH_ALLOW_POSTMASTER };

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span input;
        unsigned allow;
        enum addr_fault fault;
        enum path_kind kind;
        struct span text, rest;
    } rows[] = {
        {"plain", SPAN("<a@x.y>"), 0, ADDR_OK, PATH_MAILBOX, SPAN("a@x.y"), SPAN("")},
        {"rest", SPAN("<a@x.y> SIZE=1>"), 0, ADDR_OK, PATH_MAILBOX, SPAN("a@x.y"), SPAN(" SIZE=1>")},
        {"text as written", SPAN("<\"a\"@X.y>"), 0, ADDR_OK, PATH_MAILBOX, SPAN("\"a\"@X.y"), SPAN("")},
        {"bracket in quotes", SPAN("<\"a>b\"@x.y>r"), 0, ADDR_OK, PATH_MAILBOX, SPAN("\"a>b\"@x.y"), SPAN("r")},
        {"quote and bracket in quotes", SPAN("<\"\\\">\"@x.y>"), 0, ADDR_OK, PATH_MAILBOX, SPAN("\"\\\">\"@x.y"),
         SPAN("")},
        {"null", SPAN("<> x"), BOTH, ADDR_OK, PATH_NULL, SPAN(""), SPAN(" x")},
        {"null not allowed", SPAN("<>"), PATH_ALLOW_POSTMASTER, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"postmaster", SPAN("<PostMaster>"), BOTH, ADDR_OK, PATH_POSTMASTER, SPAN("PostMaster"), SPAN("")},
        {"postmaster not allowed", SPAN("<postmaster>"), PATH_ALLOW_NULL, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"other without domain", SPAN("<root>"), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route", SPAN("<@a,@b:u@d>"), 0, ADDR_OK, PATH_MAILBOX, SPAN("u@d"), SPAN("")},
        {"source route of one", SPAN("<@a.example:u@d>"), 0, ADDR_OK, PATH_MAILBOX, SPAN("u@d"), SPAN("")},
        {"long source route", SPAN("<@" A50 ",@" A50 ",@" A50 ",@" A50 ",@" A50 ",@" A50 ":u@d>"), 0, ADDR_OK,
         PATH_MAILBOX, SPAN("u@d"), SPAN("")},
        {"source route without colon", SPAN("<@a,@b>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route with a bad domain", SPAN("<@a_b:u@d>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route with a space", SPAN("<@a, @b:u@d>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route with an empty domain", SPAN("<@:u@d>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route without at", SPAN("<@a,b:u@d>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route to nobody", SPAN("<@a:>"), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route to postmaster", SPAN("<@a:postmaster>"), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route alone", SPAN("<@a,"), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route, UTF-8 not allowed", SPAN("<@b\xc3\xbc:u@d>"), 0, ADDR_UTF8_NOT_ALLOWED, PATH_NULL, {0}, {0}},
        {"no brackets", SPAN("a@x.y"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"no closing bracket", SPAN("<a@x.y"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"open quote", SPAN("<\"a@x.y>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"backslash last", SPAN("<\"a\\"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"space first", SPAN("< a@x.y>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"two brackets", SPAN("<<a@x.y>>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"empty", SPAN(""), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"bracket alone", SPAN("<"), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"256 octets", SPAN("<" LOCAL_64 "@" DOMAIN_189 ">"), 0, ADDR_OK, PATH_MAILBOX, SPAN(LOCAL_64 "@" DOMAIN_189),
         SPAN("")},
        {"a label of 64 octets", SPAN("<" LOCAL_64 "@a" DOMAIN_189 ">"), 0, ADDR_DOMAIN_TOO_LONG, PATH_NULL, {0}, {0}},
        {"257 octets", SPAN("<" LOCAL_64 "@" DOMAIN_189 "a>"), 0, ADDR_PATH_TOO_LONG, PATH_NULL, {0}, {0}},
        {"UTF-8", SPAN("<j\xc3\xbcrgen@x.y>"), PATH_ALLOW_UTF8, ADDR_OK, PATH_MAILBOX, SPAN("j\xc3\xbcrgen@x.y"),
         SPAN("")},
        {"UTF-8 not allowed", SPAN("<j\xc3\xbcrgen@x.y>"), BOTH, ADDR_UTF8_NOT_ALLOWED, PATH_NULL, {0}, {0}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct path p = {.kind = (enum path_kind)77};
        struct span rest = rows[i].input;
        CHECK(rows[i].name, path_take(&rest, rows[i].allow, &p) == rows[i].fault);
        if (rows[i].fault != ADDR_OK) {
            CHECK(rows[i].name, rest.len == rows[i].input.len && p.kind == (enum path_kind)77); /* untouched */
            continue;
        }
        CHECK(rows[i].name, p.kind == rows[i].kind);
        CHECK_SPAN(rows[i].name, p.text, rows[i].text);
        CHECK_SPAN(rows[i].name, rest, rows[i].rest);
    }
}

static void
test_format(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"<>", "<>"},
        {"<POSTmaster>", "<POSTmaster>"},
        {"<@a:\"Bob\"@EXAMPLE.org>", "<Bob@example.org>"},
        {"<\"a b\"@[IPv6:0::1]>", "<\"a b\"@[IPv6:::1]>"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct path p;
        struct span s = span_from_cstr(rows[i][0]);
        struct buf b;
        buf_init(&b, 400);
        CHECK(rows[i][0], path_take(&s, BOTH, &p) == ADDR_OK);
        CHECK(rows[i][0], path_format(&p, &b) == ERR_OK);
        CHECK_SPAN(rows[i][0], buf_span(&b), span_from_cstr(rows[i][1]));
        buf_done(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_format)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
