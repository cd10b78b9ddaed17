/* problem_test.c - collected, sorted, bounded, printable. */
#include "check.h"

#include "config/problem.h"

static struct source_pos
place(const char *file, uint32_t line, uint32_t column)
{
    return (struct source_pos){span_from_cstr(file), line, column};
}

static void
test_sorted_and_printed(void **state)
{
    (void)state;
    struct config_problems p;
    struct buf text;
    config_problems_init(&p);
    config_problem_add(&p, 1, place("b", 1, 1), "fifth");
    config_problem_add(&p, 0, place("a", 9, 2), "third");
    config_problem_add(&p, 0, place("a", 9, 2), "fourth, at the same %s", "place");
    config_problem_add(&p, 0, place("a", 2, 7), "second");
    config_problem_add(&p, 0, place("a", 0, 0), "first, of the whole file");
    config_problem_add(&p, 2, SOURCE_POS_DEFAULT, "sixth, of no file");
    config_problems_sort(&p);
    buf_init(&text, 10000);
    assert_int_equal(config_problems_print(&p, &text), ERR_OK);
    CHECK_SPAN("all", buf_span(&text),
               SPAN("a: first, of the whole file\na:2:7: second\na:9:2: third\na:9:2: fourth, at the same place\n"
                    "b:1:1: fifth\nsixth, of no file\n"));
    buf_done(&text);
    config_problems_done(&p);
}

static void
test_bounded(void **state)
{
    (void)state;
    struct config_problems p;
    struct buf text;
    config_problems_init(&p);
    for (uint32_t i = 0; i < CONFIG_PROBLEMS_MAX + 3; i++)
        config_problem_add(&p, 0, place("a", i + 1, 1), "%*s", 2 * CONFIG_PROBLEM_TEXT_MAX, "x");
    assert_int_equal(p.count, CONFIG_PROBLEMS_MAX);
    assert_int_equal(p.dropped, 3);
    assert_int_equal(p.items[0].text.len, CONFIG_PROBLEM_TEXT_MAX - 1);
    buf_init(&text, 1024 * 1024);
    assert_int_equal(config_problems_print(&p, &text), ERR_OK);
    assert_true(span_has_suffix_nocase(buf_span(&text), SPAN("\n... and 3 more\n")));
    buf_done(&text);
    config_problems_done(&p);
}

static void
test_quote(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span raw;
        const char *quoted;
    } rows[] = {
        {"plain", SPAN("message-size"), "message-size"},
        {"line end and escape", SPAN("a\r\n\x1b[1m"), "a\\x0d\\x0a\\x1b[1m"},
        {"NUL", SPAN("a\0b"), "a\\x00b"},
        {"not ASCII", SPAN("\xc3\xbc"), "\\xc3\\xbc"},
        {"long", SPAN("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"),
         "01234567890123456789012345678901234567890123456789012345678901234567890123456..."},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CHECK_SPAN(rows[i].name, span_from_cstr(config_quote(rows[i].raw).text), span_from_cstr(rows[i].quoted));
    uint8_t worst[100];
    memset(worst, 0xff, sizeof(worst));
    assert_true(strlen(config_quote(span_of(worst, sizeof(worst))).text) < sizeof(struct config_quoted));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted_and_printed), cmocka_unit_test(test_bounded), cmocka_unit_test(test_quote)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
