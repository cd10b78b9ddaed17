/* address_list_test.c - RFC 5322 §3.4, §4.4 and appendix A; RFC 6532. */
#include "check.h"

#include "proto/msg/address_list.h"

enum { MEMORY_MAX = 1024 * 1024 };

/* The addresses as "local|domain" with a comma between. */
static void
describe(const struct address_list *list, struct buf *to)
{
    for (const struct address_list_item *item = list->first; item != NULL; item = item->next) {
        if (item != list->first)
            buf_append_octet(to, ',');
        buf_append(to, item->local);
        buf_append_octet(to, '|');
        buf_append(to, item->domain);
    }
}

static const struct row {
    const char *name;
    const char *text;
    const char *wanted; /* NULL: ERR_SYNTAX */
} rows[] = {
    /* what people write */
    {"an address", "alice@example.test", "alice|example.test"},
    {"a bare name", "root", "root|"},
    {"in brackets", "<alice@example.test>", "alice|example.test"},
    {"with a name", "Alice Example <alice@example.test>", "alice|example.test"},
    {"with a quoted name", "\"Example, Alice\" <alice@example.test>", "alice|example.test"},
    {"with an initial (obs-phrase)", "John Q. Public <jqp@example.test>", "jqp|example.test"},
    {"an address as its own name", "a@b.test <a@b.test>", "a|b.test"},
    {"two", "a@b.test, c@d.test", "a|b.test,c|d.test"},
    {"several forms", "A <a@b.test>, root, \"C\" <c@d.test> (see)", "a|b.test,root|,c|d.test"},
    {"a bare name in brackets", "Root <root>", "root|"},
    {"encoded word as name (RFC 2047)", "=?utf-8?Q?J=C3=B6rg?= <j@b.test>", "j|b.test"},
    {"8-bit name (RFC 6532)", "J\xc3\xb6rg <j\xc3\xb6rg@b\xc3\xbc.test>", "j\xc3\xb6rg|b\xc3\xbc.test"},
    {"characters of atoms", "o'brien+x=y!z%u#1{}|~^`*/?$&-_@b.test", "o'brien+x=y!z%u#1{}|~^`*/?$&-_|b.test"},
    {"a name before a bare bracket", "undisclosed <>", "|"},
    {"the null address", "<>", "|"},
    {"nothing", "", ""},
    {"blanks", " \t ", ""},
    {"a comment alone", "(nobody)", ""},
    /* RFC 5322 appendix A */
    {"A.1.2", "\"Joe Q. Public\" <john.q.public@example.com>", "john.q.public|example.com"},
    {"A.1.2, To", "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
     "mary|x.test,jdoe|example.org,one|y.test"},
    {"A.1.2, Cc", "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
     "boss|nil.test,sysservices|example.net"},
    {"A.1.3, To", "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
     "c|a.test,joe|where.test,jdoe|one.test"},
    {"A.1.3, Cc", "Undisclosed recipients:;", ""},
    {"A.5, From", "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "pete|silly.test"},
    {"A.5, To",
     "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n"
                "  John <jdoe@one.test> (my dear friend); (the end of the group)",
     "c|public.example,joe|example.org,jdoe|one.test"},
    {"A.5, Cc", "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", ""},
    {"A.6.1, From", "Joe Q. Public <john.q.public@example.com>", "john.q.public|example.com"},
    {"A.6.1, To", "Mary Smith <@node.test:mary@example.net>, , jdoe@test   . example",
     "mary|example.net,jdoe|test.example"},
    {"A.6.3", "John Doe <jdoe@machine(comment).  example>", "jdoe|machine.example"},
    /* quoting */
    {"a quoted local part", "\"a b\"@c.test", "a b|c.test"},
    {"quoted where it need not be", "\"a\"@c.test", "a|c.test"},
    {"quoted pairs", "\"a\\\"\\\\b\"@c.test", "a\"\\b|c.test"},
    {"words and dots (obs-local-part)", "a . \"b\" . c @ d . test", "a.b.c|d.test"},
    {"a fold inside quotes", "\"a\r\n b\"@c.test", "a b|c.test"},
    {"a tab inside quotes", "\"a\tb\"@c.test", "a b|c.test"},
    {"specials inside quotes", "\",;:<>@()[]\"@c.test", ",;:<>@()[]|c.test"},
    {"quotes at the name", "\"<x@y>\" <a@b.test>", "a|b.test"},
    {"a literal", "a@[192.0.2.1]", "a|[192.0.2.1]"},
    {"a literal with blanks", "a@[ IPv6:2001:db8::1\r\n ]", "a|[IPv6:2001:db8::1]"},
    /* lists and groups */
    {"empty elements (obs-addr-list)", ",, a@b.test ,,", "a|b.test"},
    {"two groups", "g: a@b.test; , h: c@d.test;", "a|b.test,c|d.test"},
    {"groups without a comma between", "g: a@b.test; h: c@d.test;", "a|b.test,c|d.test"},
    {"a group of bare names", "staff: root, \"cron\";", "root|,cron|"},
    {"a long route (obs-route)", "<@a.test,@b.test,,@[192.0.2.1]:c@d.test>", "c|d.test"},
    {"LF folds", "a@b.test,\n c@d.test\n", "a|b.test,c|d.test"},
    /* what is none */
    {"two words", "alice bob", NULL},
    {"two addresses with a blank", "a@b.test c@d.test", NULL},
    {"an open bracket", "Alice <alice@b.test", NULL},
    {"a stray bracket", "alice@b.test>", NULL},
    {"two brackets", "<a@b.test> <c@d.test>", NULL},
    {"text after a bracket", "<a@b.test> Alice", NULL},
    {"brackets inside brackets", "<<a@b.test>>", NULL},
    {"an open quote", "\"alice@b.test", NULL},
    {"a quote ended by nothing", "\"alice\\", NULL},
    {"an open comment", "alice@b.test (", NULL},
    {"a closing parenthesis", "alice@b.test )", NULL},
    {"an open literal", "a@[192.0.2.1", NULL},
    {"a bracket inside a literal", "a@[192[.0.2.1]", NULL},
    {"an open group", "g: a@b.test", NULL},
    {"a group without a name", ": a@b.test;", NULL},
    {"a group inside a group", "g: h: a@b.test;;", NULL},
    {"a group inside a group, ended once", "g: h: a@b.test;", NULL},
    {"a stray semicolon", "a@b.test;", NULL},
    {"no local part", "@b.test", NULL},
    {"an empty quoted local part (erratum 5414)", "\"\"@b.test", NULL},
    {"no domain", "a@", NULL},
    {"two at signs", "a@b@c.test", NULL},
    {"dots at the ends", ".a@b.test", NULL},
    {"a dot before the at", "a.@b.test", NULL},
    {"two dots", "a..b@c.test", NULL},
    {"a dot at the end of the domain", "a@b.test.", NULL},
    {"two dots in the domain", "a@b..test", NULL},
    {"a quoted domain", "a@\"b.test\"", NULL},
    {"only a route", "<@a.test:>", NULL},
    {"a route without an end", "<@a.test,@b.test>", NULL},
    {"a backslash", "a\\b@c.test", NULL},
    {"a control octet", "a\x01@c.test", NULL},
    {"a control octet in quotes", "\"a\x01\"@c.test", NULL},
    {"a control octet in a comment", "a@c.test (\x7f)", NULL},
    {"an escaped control octet", "\"a\\\x01\"@c.test", NULL},
};

static void
test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena mem;
        struct address_list list = {.count = 99};
        struct buf text;
        arena_init(&mem, MEMORY_MAX);
        buf_init(&text, 4096);
        enum err e = address_list_parse(span_from_cstr(rows[i].text), &mem, &list);
        if (rows[i].wanted == NULL) {
            CHECK(rows[i].name, e == ERR_SYNTAX);
            CHECK(rows[i].name, list.count == 99);
        } else {
            CHECK(rows[i].name, e == ERR_OK);
            describe(&list, &text);
            CHECK_SPAN(rows[i].name, buf_span(&text), span_from_cstr(rows[i].wanted));
        }
        buf_done(&text);
        arena_clear(&mem);
    }
}

static void
test_nul(void **state)
{
    (void)state;
    struct arena mem;
    struct address_list list;
    arena_init(&mem, MEMORY_MAX);
    assert_int_equal(address_list_parse(SPAN("a\0@b.test"), &mem, &list), ERR_SYNTAX);
    assert_int_equal(address_list_parse(SPAN("a@b.test, \0"), &mem, &list), ERR_SYNTAX);
    assert_int_equal(address_list_parse(SPAN("\"a\\\0\"@b.test"), &mem, &list), ERR_SYNTAX);
    arena_clear(&mem);
}

/* Comments may be nested so deep and no deeper; a million parentheses take no stack. */
static void
test_depth(void **state)
{
    (void)state;
    static const struct {
        size_t depth;
        enum err e;
    } depths[] = {{1, ERR_OK},
                  {ADDRESS_LIST_COMMENT_DEPTH_MAX, ERR_OK},
                  {ADDRESS_LIST_COMMENT_DEPTH_MAX + 1, ERR_SYNTAX},
                  {1000000, ERR_SYNTAX}};
    for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
        struct arena mem;
        struct address_list list;
        struct buf text;
        arena_init(&mem, 8 * MEMORY_MAX);
        buf_init(&text, 8 * MEMORY_MAX);
        buf_append(&text, SPAN("a@b.test "));
        for (size_t j = 0; j < depths[i].depth; j++)
            buf_append_octet(&text, '(');
        for (size_t j = 0; j < depths[i].depth; j++)
            buf_append_octet(&text, ')');
        assert_int_equal(address_list_parse(buf_span(&text), &mem, &list), depths[i].e);
        buf_done(&text);
        arena_clear(&mem);
    }
}

/* Without memory it is ERR_LIMIT, whatever was read so far. */
static void
test_memory(void **state)
{
    (void)state;
    struct span text = SPAN("a@b.test, c@d.test, e@f.test");
    for (size_t cap = 0; cap < 400; cap++) {
        struct arena mem;
        struct address_list list = {.count = 99};
        arena_init(&mem, cap);
        enum err e = address_list_parse(text, &mem, &list);
        assert_true(e == ERR_LIMIT ? list.count == 99 : e == ERR_OK && list.count == 3);
        arena_clear(&mem);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
