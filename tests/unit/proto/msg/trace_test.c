/* trace_test.c - RFC 5321 §4.4 and RFC 9228; requirements 68 and 69. */
#include "check.h"

#include "proto/msg/trace.h"

typedef enum err format_function(struct span address, struct buf *to);

static void
test_format(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        format_function *format;
        struct span address;
        enum err e;
        const char *line;
    } rows[] = {
        {"sender", return_path_format, SPAN("a@b.example"), ERR_OK, "Return-Path: <a@b.example>\r\n"},
        {"null sender", return_path_format, SPAN(""), ERR_OK, "Return-Path: <>\r\n"},
        {"line end", return_path_format, SPAN("a@b\r\nX: y"), ERR_SYNTAX, ""},
        {"NUL", return_path_format, SPAN("a\0@b"), ERR_SYNTAX, ""},
        {"recipient", delivered_to_format, SPAN("a@b.example"), ERR_OK, "Delivered-To: a@b.example\r\n"},
        {"UTF-8", delivered_to_format, SPAN("j\xc3\xbc@b.example"), ERR_OK, "Delivered-To: j\xc3\xbc@b.example\r\n"},
        {"nobody", delivered_to_format, SPAN(""), ERR_SYNTAX, ""},
        {"LF", delivered_to_format, SPAN("a@b\nX: y"), ERR_SYNTAX, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 100);
        CHECK(rows[i].name, rows[i].format(rows[i].address, &b) == rows[i].e);
        CHECK_SPAN(rows[i].name, buf_span(&b), span_from_cstr(rows[i].line));
        buf_done(&b);
    }
}

static void
test_loop(void **state)
{
    (void)state;
    struct span section = SPAN("Received: x\r\ndelivered-to: Alice@Example.ORG\r\nDelivered-To: bob@example.org\r\n"
                               "To: carol@example.org\r\n\r\nDelivered-To: dave@example.org\r\n");
    static const struct {
        struct span address;
        bool is_loop;
    } rows[] = {
        {SPAN("bob@example.org"), true},
        {SPAN("Alice@example.org"), true},
        {SPAN("alice@example.org"), false}, /* local parts are compared exactly */
        {SPAN("carol@example.org"), false},
        {SPAN("dave@example.org"), false}, /* body */
        {SPAN("ob@example.org"), false},
        {SPAN(""), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(delivered_to_is_loop(section, rows[i].address), rows[i].is_loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_format), cmocka_unit_test(test_loop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
