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
        {"plain", ROW_SPAN("<a@x.y>"), 0, ADDR_OK, PATH_MAILBOX, ROW_SPAN("a@x.y"), ROW_SPAN("")},
        {"rest", ROW_SPAN("<a@x.y> SIZE=1>"), 0, ADDR_OK, PATH_MAILBOX, ROW_SPAN("a@x.y"), ROW_SPAN(" SIZE=1>")},
        {"text as written", ROW_SPAN("<\"a\"@X.y>"), 0, ADDR_OK, PATH_MAILBOX, ROW_SPAN("\"a\"@X.y"), ROW_SPAN("")},
        {"bracket in quotes", ROW_SPAN("<\"a>b\"@x.y>r"), 0, ADDR_OK, PATH_MAILBOX, ROW_SPAN("\"a>b\"@x.y"), ROW_SPAN("r")},
        {"quote and bracket in quotes", ROW_SPAN("<\"\\\">\"@x.y>"), 0, ADDR_OK, PATH_MAILBOX, ROW_SPAN("\"\\\">\"@x.y"), ROW_SPAN("")},
        {"null", ROW_SPAN("<> x"), BOTH, ADDR_OK, PATH_NULL, ROW_SPAN(""), ROW_SPAN(" x")},
        {"null not allowed", ROW_SPAN("<>"), PATH_ALLOW_POSTMASTER, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"postmaster", ROW_SPAN("<PostMaster>"), BOTH, ADDR_OK, PATH_POSTMASTER, ROW_SPAN("PostMaster"), ROW_SPAN("")},
        {"postmaster not allowed", ROW_SPAN("<postmaster>"), PATH_ALLOW_NULL, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"other without domain", ROW_SPAN("<root>"), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route", ROW_SPAN("<@a,@b:u@d>"), 0, ADDR_OK, PATH_MAILBOX, ROW_SPAN("u@d"), ROW_SPAN("")},
        {"source route of one", ROW_SPAN("<@a.example:u@d>"), 0, ADDR_OK, PATH_MAILBOX, ROW_SPAN("u@d"), ROW_SPAN("")},
        {"long source route", ROW_SPAN("<@" A50 ",@" A50 ",@" A50 ",@" A50 ",@" A50 ",@" A50 ":u@d>"), 0, ADDR_OK, PATH_MAILBOX, ROW_SPAN("u@d"), ROW_SPAN("")},
        {"source route without colon", ROW_SPAN("<@a,@b>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route with a bad domain", ROW_SPAN("<@a_b:u@d>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route with a space", ROW_SPAN("<@a, @b:u@d>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route with an empty domain", ROW_SPAN("<@:u@d>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route without at", ROW_SPAN("<@a,b:u@d>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route to nobody", ROW_SPAN("<@a:>"), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route to postmaster", ROW_SPAN("<@a:postmaster>"), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route alone", ROW_SPAN("<@a,"), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"source route, UTF-8 not allowed", ROW_SPAN("<@b\xc3\xbc:u@d>"), 0, ADDR_UTF8_NOT_ALLOWED, PATH_NULL, {0}, {0}},
        {"no brackets", ROW_SPAN("a@x.y"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"no closing bracket", ROW_SPAN("<a@x.y"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"open quote", ROW_SPAN("<\"a@x.y>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"backslash last", ROW_SPAN("<\"a\\"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"space first", ROW_SPAN("< a@x.y>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"two brackets", ROW_SPAN("<<a@x.y>>"), 0, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"empty", ROW_SPAN(""), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"bracket alone", ROW_SPAN("<"), BOTH, ADDR_SYNTAX, PATH_NULL, {0}, {0}},
        {"256 octets", ROW_SPAN("<" LOCAL_64 "@" DOMAIN_189 ">"), 0, ADDR_OK, PATH_MAILBOX, ROW_SPAN(LOCAL_64 "@" DOMAIN_189), ROW_SPAN("")},
        {"a label of 64 octets", ROW_SPAN("<" LOCAL_64 "@a" DOMAIN_189 ">"), 0, ADDR_DOMAIN_TOO_LONG, PATH_NULL, {0}, {0}},
        {"257 octets", ROW_SPAN("<" LOCAL_64 "@" DOMAIN_189 "a>"), 0, ADDR_PATH_TOO_LONG, PATH_NULL, {0}, {0}},
        {"UTF-8", ROW_SPAN("<j\xc3\xbcrgen@x.y>"), PATH_ALLOW_UTF8, ADDR_OK, PATH_MAILBOX, ROW_SPAN("j\xc3\xbcrgen@x.y"), ROW_SPAN("")},
        {"UTF-8 not allowed", ROW_SPAN("<j\xc3\xbcrgen@x.y>"), BOTH, ADDR_UTF8_NOT_ALLOWED, PATH_NULL, {0}, {0}},
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
