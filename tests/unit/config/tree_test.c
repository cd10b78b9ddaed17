/* tree_test.c - directives, blocks, includes, and how reading goes on behind a mistake. */
#include "check.h"

#include "config/tree.h"

/* Write nodes as "name word{child ...};" each, with the file's letter before an included one. */
static void
nodes_write(const struct config_node *node, struct buf *to)
{
    for (; node != NULL; node = node->next) {
        (void)buf_printf(to, "%.*s:", SPAN_ARG(node->words->pos.file));
        for (const struct config_word *w = node->words; w != NULL; w = w->next)
            (void)buf_printf(to, w == node->words ? "%.*s" : " %.*s", SPAN_ARG(w->text));
        if (node->is_block) {
            (void)buf_append_octet(to, '{');
            nodes_write(node->children, to);
            (void)buf_append_octet(to, '}');
        }
        (void)buf_append_octet(to, ';');
    }
}

/* Read sources, write the tree and then the problems. */
static void
tree_write(const struct config_sources *sources, struct buf *to)
{
    struct config_problems problems;
    struct arena memory;
    struct config_node *tree;
    config_problems_init(&problems);
    arena_init(&memory, 1000000);
    assert_int_equal(config_tree_parse(sources, &memory, &problems, &tree), ERR_OK);
    nodes_write(tree, to);
    config_problems_sort(&problems);
    (void)buf_append_octet(to, '\n');
    assert_int_equal(config_problems_print(&problems, to), ERR_OK);
    config_problems_done(&problems);
    arena_clear(&memory);
}

static void
test_one_file(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        const char *wanted;
    } rows[] = {
        {"empty", "", "\n"},
        {"directive", "a b c;", "a:a b c;\n"},
        {"blocks", "a b { c d; e { f; } } g;", "a:a b{a:c d;a:e{a:f;};};a:g;\n"},
        {"empty block", "a { }", "a:a{};\n"},
        {"missing ; before }", "a { b c } d;", "a:a{a:b c;};a:d;\na:1:5: ';' is missing after 'b'\n"},
        {"missing ; at the end", "a; b", "a:a;a:b;\na:1:4: ';' is missing after 'b'\n"},
        {"stray ;", "a;; b;", "a:a;a:b;\na:1:3: ';' ends nothing; blocks end with '}' alone\n"},
        {"; after }", "a { };", "a:a{};\na:1:6: ';' ends nothing; blocks end with '}' alone\n"},
        {"stray }", "a; } b;", "a:a;a:b;\na:1:4: '}' closes nothing\n"},
        {"nameless block", "{ a; { b; } } c;", "a:c;\na:1:1: '{' opens a block without a name\n"},
        {"nameless block not closed", "a; { b;", "a:a;\na:1:4: '{' opens a block without a name\n"},
        {"block not closed", "a b {\n c;\n", "a:a b{a:c;};\na:1:1: block 'a b' opened here is not closed before the "
         "end of the file\n"},
        {"two blocks not closed", "a {\n b {\n c;",
         "a:a{a:b{a:c;};};\na:1:1: block 'a' opened here is not closed before the end of the file\n"
         "a:2:2: block 'b' opened here is not closed before the end of the file\n"},
        {"too deep", "a{a{a{a{a{a{a{a{a{b;}}}}}}}}} c;",
         "a:a{a:a{a:a{a:a{a:a{a:a{a:a{a:a{a:a{};};};};};};};};};a:c;\na:1:17: more than 8 blocks in one another\n"},
        {"include of nothing", "include;", "\na:1:1: include takes one path: 'include conf.d/*.conf;'\n"},
        {"include block", "include x { a; } b;", "a:b;\na:1:1: include takes one path: 'include conf.d/*.conf;'\n"},
        {"include missing", "include x.conf; b;", "a:b;\na:1:9: cannot include 'x.conf': no such file\n"},
        {"include pattern without a match", "include x/*.conf; b;", "a:b;\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config_sources sources;
        struct buf got;
        config_sources_init(&sources);
        buf_init(&got, 10000);
        assert_int_equal(config_sources_from_text(&sources, SPAN("a"), span_from_cstr(rows[i].text)), ERR_OK);
        tree_write(&sources, &got);
        CHECK_SPAN(rows[i].name, buf_span(&got), span_from_cstr(rows[i].wanted));
        buf_done(&got);
        config_sources_done(&sources);
    }
}

/* A source as tests write it. */
struct source_row {
    const char *name, *text, *fault;
    uint32_t includer, line, column;
};

enum { SOURCE_ROWS_MAX = 4 };

static void
test_includes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct source_row sources[SOURCE_ROWS_MAX];
        const char *wanted;
    } rows[] = {
        {"in place, in order",
         {{"a", "x;\n include *;\ny;", "", 0, 0, 0}, {"b", "p;", "", 0, 2, 2}, {"c", "q;", "", 0, 2, 2}},
         "a:x;b:p;c:q;a:y;\n"},
        {"inside of a block", {{"a", "x { include b; y; }", "", 0, 0, 0}, {"b", "p;", "", 0, 1, 5}},
         "a:x{b:p;a:y;};\n"},
        {"nested", {{"a", "include b; x;", "", 0, 0, 0}, {"b", "include c; p;", "", 0, 1, 1}, {"c", "q;", "", 1, 1, 1}},
         "c:q;b:p;a:x;\n"},
        {"fault", {{"a", "include b; x;", "", 0, 0, 0}, {"b", "", "Permission denied", 0, 1, 1}},
         "a:x;\na:1:9: cannot include 'b': Permission denied\n"},
        {"an included file closes only its own blocks",
         {{"a", "x { include b; y; }", "", 0, 0, 0}, {"b", "p; } q;", "", 0, 1, 5}},
         "a:x{b:p;b:q;a:y;};\nb:1:4: '}' closes a block that this file did not open\n"},
        {"an included file ends its own blocks", {{"a", "include b; y;", "", 0, 0, 0}, {"b", "p { q;", "", 0, 1, 1}},
         "b:p{b:q;};a:y;\nb:1:1: block 'p' opened here is not closed before the end of the file\n"},
        {"of another place", {{"a", "x;\ninclude b;", "", 0, 0, 0}, {"b", "p;", "", 0, 1, 1}},
         "a:x;\na:2:9: cannot include 'b': no such file\n"},
        {"main file unreadable", {{"a", "", "no such file", 0, 0, 0}}, "\na: cannot be read: no such file\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config_sources sources;
        struct buf got;
        config_sources_init(&sources);
        buf_init(&got, 10000);
        for (size_t j = 0; j < SOURCE_ROWS_MAX && rows[i].sources[j].name != NULL; j++) {
            const struct source_row *s = &rows[i].sources[j];
            struct config_source source = {.name = span_from_cstr(s->name), .text = span_from_cstr(s->text),
                                           .fault = span_from_cstr(s->fault), .includer = s->includer,
                                           .include_line = s->line, .include_column = s->column};
            assert_int_equal(config_sources_add(&sources, &source), ERR_OK);
        }
        tree_write(&sources, &got);
        CHECK_SPAN(rows[i].name, buf_span(&got), span_from_cstr(rows[i].wanted));
        buf_done(&got);
        config_sources_done(&sources);
    }
}

static void
test_include_depth(void **state)
{
    (void)state;
    struct config_sources sources;
    struct buf got;
    config_sources_init(&sources);
    buf_init(&got, 100000);
    for (uint32_t i = 0; i < CONFIG_INCLUDE_DEPTH_MAX + 2; i++) {
        struct config_source source = {.name = SPAN("a"), .text = SPAN("include b; x;"), .includer = i == 0 ? 0 : i - 1,
                                       .include_line = i == 0 ? 0 : 1, .include_column = i == 0 ? 0 : 1};
        assert_int_equal(config_sources_add(&sources, &source), ERR_OK);
    }
    tree_write(&sources, &got);
    assert_true(span_has_suffix_nocase(buf_span(&got), SPAN("\na:1:1: more than 10 files that include one another\n")));
    buf_done(&got);
    config_sources_done(&sources);
}

static void
test_memory_full(void **state)
{
    (void)state;
    struct config_sources sources;
    struct config_problems problems;
    struct config_node *tree;
    config_sources_init(&sources);
    config_problems_init(&problems);
    assert_int_equal(config_sources_from_text(&sources, SPAN("a"), SPAN("a b { c \"d\\\\e\"; f { g; } } h;")), ERR_OK);
    size_t cap = 0;
    for (enum err e = ERR_LIMIT; e != ERR_OK; cap += 16) {
        struct arena memory;
        arena_init(&memory, cap);
        e = config_tree_parse(&sources, &memory, &problems, &tree);
        assert_true(e == ERR_OK || e == ERR_LIMIT);
        arena_clear(&memory);
    }
    assert_true(cap > 500);
    assert_int_equal(problems.count, 0);
    config_sources_done(&sources);
    config_problems_done(&problems);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_file), cmocka_unit_test(test_includes),
                                       cmocka_unit_test(test_include_depth), cmocka_unit_test(test_memory_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
