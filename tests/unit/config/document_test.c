/*
 * document_test.c - docs/configuration.md is what the schema says, and its examples are valid.
 *
 * usage: config_document_test SOURCE-ROOT
 */
#include "parsing.h"

#include <stdio.h>

static const char *source_root;

static void
file_read(const char *path, struct buf *to)
{
    char full[4096];
    assert_true((size_t)snprintf(full, sizeof(full), "%s/%s", source_root, path) < sizeof(full));
    FILE *file = fopen(full, "rb");
    if (file == NULL)
        fail_msg("%s: cannot be read", full);
    uint8_t *at = buf_reserve(to, 1024 * 1024);
    assert_non_null(at);
    buf_advance(to, fread(at, 1, 1024 * 1024, file));
    assert_int_equal(fclose(file), 0);
}

static void
test_is_current(void **state)
{
    (void)state;
    struct buf committed, made;
    buf_init(&committed, 2 * 1024 * 1024);
    buf_init(&made, 4 * 1024 * 1024);
    file_read("docs/configuration.md", &committed);
    file_read("tools/configdoc.head.md", &made);
    assert_int_equal(config_document(&made), ERR_OK);
    if (!span_equal(buf_span(&committed), buf_span(&made)))
        fail_msg("docs/configuration.md is not current: run `ninja docs-configuration`");
    buf_done(&committed);
    buf_done(&made);
}

/* Take the text of the next ```nginx block. */
static bool
example_take(struct span *rest, struct span *ret)
{
    struct span line, fence = SPAN("```nginx");
    while (span_cut(*rest, '\n', &line, rest)) {
        if (!span_equal(line, fence))
            continue;
        const uint8_t *start = rest->data;
        while (span_cut(*rest, '\n', &line, rest) && !span_equal(line, SPAN("```"))) {
        }
        *ret = span_of(start, (size_t)(line.data - start));
        return true;
    }
    return false;
}

static void
test_examples(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 2 * 1024 * 1024);
    file_read("docs/configuration.md", &text);
    struct span rest = buf_span(&text), example;
    unsigned count = 0;
    for (; example_take(&rest, &example); count++) {
        char copy[10000], name[40];
        assert_true(span_to_cstr(example, copy, sizeof(copy)));
        snprintf(name, sizeof(name), "example %u", count + 1);
        struct parsing p;
        struct config_problems warnings;
        parsing_valid(&p, name, copy);
        config_problems_init(&warnings);
        assert_int_equal(config_check(p.config, &(struct config_circumstances){.is_root = true}, &warnings), ERR_OK);
        CHECK(name, warnings.count == 0);
        config_problems_done(&warnings);
        parsing_done(&p);
    }
    assert_int_equal(count, 2);
    buf_done(&text);
}

int
main(int argc, char **argv)
{
    source_root = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_is_current), cmocka_unit_test(test_examples)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
