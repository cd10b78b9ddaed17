/* command_line_test.c - commands divided into words; nothing of a shell (P15). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "deliver/deliver.h"

/* `words` joined by "|", NULL: an error. */
static const struct row {
    const char *what;
    const char *text;
    const char *words;
    enum err expected;
} rows[] = {
    {"one word", "/usr/bin/procmail", "/usr/bin/procmail", ERR_OK},
    {"blanks and tabs", "  a \t b\tc ", "a|b|c", ERR_OK},
    {"single quotes", "a 'b \"c\" \\ $x'", "a|b \"c\" \\ $x", ERR_OK},
    {"double quotes", "a \"b 'c' \\\" \\\\ \\n\"", "a|b 'c' \" \\ \\n", ERR_OK},
    {"quotes within a word", "a'b c'd\"e f\"", "ab cde f", ERR_OK},
    {"an empty word", "a '' \"\"", "a||", ERR_OK},
    {"a backslash outside", "a\\ b \\'c", "a b|'c", ERR_OK},
    {"what a shell would do is text", "a $HOME `id` ;rm * >f <g &", "a|$HOME|`id`|;rm|*|>f|<g|&", ERR_OK},
    {"nothing", "", NULL, ERR_SYNTAX},
    {"blanks", "  ", NULL, ERR_SYNTAX},
    {"an empty program", "'' a", NULL, ERR_SYNTAX},
    {"a single quote that does not end", "a 'b", NULL, ERR_SYNTAX},
    {"a double quote that does not end", "a \"b\\\"", NULL, ERR_SYNTAX},
    {"a backslash at the end", "a \\", NULL, ERR_SYNTAX},
};

static void
join(char *const argv[], size_t count, char *to, size_t cap)
{
    to[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t at = strlen(to);
        snprintf(to + at, cap - at, "%s%s", i == 0 ? "" : "|", argv[i]);
    }
}

static void
test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena mem;
        char *argv[DELIVER_WORDS_MAX + 1], joined[256];
        size_t count = 0;
        arena_init(&mem, 1 << 20);
        enum err e = deliver_command_split(span_from_cstr(rows[i].text), &mem, argv, &count);
        join(argv, count, joined, sizeof(joined));
        if (e != rows[i].expected || (e == ERR_OK && strcmp(joined, rows[i].words) != 0))
            fail_msg("%s: got %s \"%s\"", rows[i].what, err_name(e), joined);
        if (e == ERR_OK)
            assert_null(argv[count]);
        arena_clear(&mem);
    }
}

static void
test_bounds(void **state)
{
    (void)state;
    struct arena mem;
    char *argv[DELIVER_WORDS_MAX + 1];
    char text[2 * DELIVER_WORDS_MAX + 4];
    size_t count;
    arena_init(&mem, 1 << 20);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 == 0 ? 'a' : ' ';
    assert_int_equal(deliver_command_split(span_of(text, 2 * DELIVER_WORDS_MAX), &mem, argv, &count), ERR_OK);
    assert_int_equal(count, DELIVER_WORDS_MAX);
    assert_int_equal(deliver_command_split(span_of(text, sizeof(text)), &mem, argv, &count), ERR_LIMIT);
    assert_int_equal(deliver_command_split(SPAN("a\0b"), &mem, argv, &count), ERR_SYNTAX);
    arena_clear(&mem);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
