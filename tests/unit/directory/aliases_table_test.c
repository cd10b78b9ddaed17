/* aliases_table_test.c - the aliases file in memory: names, includes, and what cannot be used. */
#include "check.h"

#include "directory/aliases_table.h"

static const uint64_t seed[2] = {7, 8};

static void
report(void *ctx, struct span file, uint32_t line, const char *what)
{
    struct buf *said = ctx;
    buf_append(said, file);
    buf_printf(said, ":%u %s\n", line, what);
}

struct fixture {
    struct buf said;
    struct aliases_problems problems;
    struct aliases_table *table;
};

static void
begin(struct fixture *x)
{
    buf_init(&x->said, 1 << 16);
    x->problems = (struct aliases_problems){report, &x->said};
    x->table = aliases_table_new(seed, &x->problems);
    assert_non_null(x->table);
}

static void
end(struct fixture *x)
{
    aliases_table_free(x->table);
    buf_done(&x->said);
}

static void
test_names(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x);
    assert_int_equal(aliases_table_read(x.table, SPAN("Root: alice\nroot: bob\nx: a@b..c\ny: \"q r\"@b.c\n")), ERR_OK);
    assert_int_equal(aliases_table_finish(x.table), ERR_OK);
    CHECK_SPAN("said", buf_span(&x.said), SPAN(":2 this name stands further up already; the first entry counts\n"
                                               ":3 a target is not an address; mail for this name waits\n"));
    const struct aliases_entry *root = aliases_table_find(x.table, SPAN("root"));
    assert_non_null(root);
    assert_int_equal(root->target_count, 1);
    CHECK_SPAN("first counts", root->targets[0].text, SPAN("alice"));
    assert_null(aliases_table_find(x.table, SPAN("Root")));
    assert_true(aliases_table_find(x.table, SPAN("x"))->is_unavailable);
    assert_false(aliases_table_find(x.table, SPAN("y"))->is_unavailable);
    assert_int_equal(aliases_table_count(x.table), 3);
    end(&x);
}

static void
test_includes(void **state)
{
    (void)state;
    struct fixture x;
    begin(&x);
    assert_int_equal(
        aliases_table_read(
            x.table, SPAN("a: one, :include:/l, two\nb: :include:/l\nc: :include:/gone, x\nd: :include:/empty\n")),
        ERR_OK);
    CHECK_SPAN("path", aliases_table_include_path(x.table, 0), SPAN("/l"));
    CHECK_SPAN("path", aliases_table_include_path(x.table, 1), SPAN("/gone"));
    CHECK_SPAN("path", aliases_table_include_path(x.table, 2), SPAN("/empty"));
    assert_true(span_is_empty(aliases_table_include_path(x.table, 3)));
    assert_int_equal(aliases_table_include(x.table, 0, SPAN("p, q\n:include:/more\nbad one\nr@s..t\nz\n")), ERR_OK);
    assert_int_equal(aliases_table_include(x.table, 2, SPAN("# nobody yet\n|/bin/x, /tmp/f\n")), ERR_OK);
    assert_int_equal(aliases_table_finish(x.table), ERR_OK);
    CHECK_SPAN("said", buf_span(&x.said), SPAN("/l:2 an included file cannot include another one\n"
                                               "/l:3 not an address (a command or file name with blanks needs quotes)\n"
                                               "/l:4 not an address; this line is left out\n"
                                               "/empty:2 an included file cannot name commands or files; "
                                               "this target is left out\n"
                                               "/empty:2 an included file cannot name commands or files; "
                                               "this target is left out\n"));
    static const char *const wanted[] = {"one", "p", "q", "z", "two"};
    const struct aliases_entry *a = aliases_table_find(x.table, SPAN("a"));
    assert_int_equal(a->target_count, ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        CHECK_SPAN(wanted[i], a->targets[i].text, span_from_cstr(wanted[i]));
    assert_int_equal(aliases_table_find(x.table, SPAN("b"))->target_count, 3);
    assert_true(aliases_table_find(x.table, SPAN("c"))->is_unavailable);
    const struct aliases_entry *d = aliases_table_find(x.table, SPAN("d"));
    assert_true(!d->is_unavailable && d->target_count == 0);
    end(&x);
}

/* Includes that together are too long make their entry wait, and no other. */
static void
test_too_many_targets(void **state)
{
    (void)state;
    struct fixture x;
    struct buf half;
    begin(&x);
    buf_init(&half, 1 << 20);
    for (unsigned i = 0; i < 6000; i++)
        buf_printf(&half, "u%u\n", i);
    assert_int_equal(aliases_table_read(x.table, SPAN("a: :include:/1, :include:/2\nb: :include:/1\n")), ERR_OK);
    assert_int_equal(aliases_table_include(x.table, 0, buf_span(&half)), ERR_OK);
    assert_int_equal(aliases_table_include(x.table, 1, buf_span(&half)), ERR_OK);
    assert_int_equal(aliases_table_finish(x.table), ERR_OK);
    assert_true(aliases_table_find(x.table, SPAN("a"))->is_unavailable);
    assert_int_equal(aliases_table_find(x.table, SPAN("b"))->target_count, 6000);
    /* One include that alone is too long is not taken. */
    for (unsigned i = 0; i < 6000; i++)
        buf_printf(&half, "v%u\n", i);
    end(&x);
    begin(&x);
    assert_int_equal(aliases_table_read(x.table, SPAN("a: :include:/1\n")), ERR_OK);
    assert_int_equal(aliases_table_include(x.table, 0, buf_span(&half)), ERR_LIMIT);
    assert_int_equal(aliases_table_finish(x.table), ERR_OK);
    assert_true(aliases_table_find(x.table, SPAN("a"))->is_unavailable);
    end(&x);
    buf_done(&half);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_too_many_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
