/* recipients_file_test.c - recipients of a domain from a file. */
#include "check.h"

#include "directory/recipients_file.h"

static const uint64_t seed[2] = {3, 4};

static void
on_problem(void *ctx, uint32_t line, const char *what)
{
    buf_printf(ctx, "%u! %s\n", line, what);
}

static const char text[] = "# people\n"
                           "alice\n"
                           "Bob   # comment\n"
                           "\n"
                           "carol@example.test OK\r\n"
                           "dave@EXAMPLE.TEST\n"
                           "eve@example.org\n"
                           "\"f g\"\n"
                           "\"h@i\"\n"
                           "not an@address\n"
                           "bad..dots\n"
                           "last";

static void
test_lines(void **state)
{
    (void)state;
    struct buf said;
    struct recipients_set *set;
    buf_init(&said, 4096);
    const struct recipients_file_spec spec = {SPAN("example.test"), false, on_problem, &said};
    assert_int_equal(recipients_file_parse(span_of(text, sizeof(text) - 1), seed, &spec, &set), ERR_OK);
    static const struct {
        const char *key;
        bool is_there;
    } rows[] = {
        {"alice@example.test", true}, {"bob@example.test", true},  {"Bob@example.test", false},
        {"carol@example.test", true}, {"dave@example.test", true}, {"eve@example.test", false},
        {"eve@example.org", false},   {"f g@example.test", true},  {"h@i@example.test", true},
        {"not@example.test", true},   {"an@address", false},       {"last@example.test", true},
        {"#@example.test", false},    {"OK@example.test", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CHECK(rows[i].key, recipients_set_has(set, span_from_cstr(rows[i].key)) == rows[i].is_there);
    CHECK_SPAN("problems", buf_span(&said), SPAN("11! not an address or local part\n"));
    assert_int_equal(recipients_set_count(set), 8);
    recipients_set_free(set);
    buf_done(&said);
}

static void
test_everybody_and_case(void **state)
{
    (void)state;
    struct buf said;
    struct recipients_set *set;
    buf_init(&said, 4096);
    struct recipients_file_spec spec = {SPAN("example.test"), true, on_problem, &said};
    assert_int_equal(recipients_file_parse(SPAN("@example.org\nAlice\n"), seed, &spec, &set), ERR_OK);
    assert_true(recipients_set_has(set, SPAN("Alice@example.test")));
    assert_false(recipients_set_has(set, SPAN("alice@example.test")));
    recipients_set_free(set);
    assert_int_equal(recipients_file_parse(SPAN("@Example.Test\n"), seed, &spec, &set), ERR_OK);
    assert_true(recipients_set_has(set, SPAN("anybody@example.test")));
    recipients_set_free(set);
    recipients_set_free(NULL);
    assert_int_equal(said.len, 0);
    /* NUL and control octets make no recipient. */
    assert_int_equal(recipients_file_parse(span_of("a\0b\nc\x01\n", 7), seed, &spec, &set), ERR_OK);
    CHECK_SPAN("problems", buf_span(&said), SPAN("1! not an address or local part\n2! not an address or local part\n"));
    assert_int_equal(recipients_set_count(set), 0);
    recipients_set_free(set);
    buf_done(&said);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_everybody_and_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
