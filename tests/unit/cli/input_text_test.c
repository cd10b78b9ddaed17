/* input_text_test.c - lines of programs become lines of messages. RFC 5321 §2.3.8. */
#include "check.h"

#include "cli/input_text.h"

static const struct {
    const char *name;
    bool ends_at_dot;
    struct span in;
    struct span out;
} rows[] = {
    {"LF", true, SPAN("a\nb\n"), SPAN("a\r\nb\r\n")},
    {"CRLF", true, SPAN("a\r\nb\r\n"), SPAN("a\r\nb\r\n")},
    {"CR CR LF", true, SPAN("a\r\r\n\r\r\nb\r\r\n"), SPAN("a\r\n\r\nb\r\n")},
    {"mixed", true, SPAN("a\nb\r\n\nc\n"), SPAN("a\r\nb\r\n\r\nc\r\n")},
    {"no end of the last line", true, SPAN("a\nb"), SPAN("a\r\nb\r\n")},
    {"a CR at the end", true, SPAN("a\r"), SPAN("a\r\n")},
    {"bare CR becomes a blank", true, SPAN("a\rb\n"), SPAN("a b\r\n")},
    {"several bare CR become one", true, SPAN("a\r\r\rb\n"), SPAN("a b\r\n")},
    {"a bare CR begins a line", true, SPAN("\rb\n"), SPAN(" b\r\n")},
    {"nothing", true, SPAN(""), SPAN("")},
    {"only an empty line", true, SPAN("\n"), SPAN("\r\n")},
    {"NUL and 8-bit stay", true, SPAN("a\0\xff\n"), SPAN("a\0\xff\r\n")},
    {"a dot ends it", true, SPAN("a\n.\nb\n"), SPAN("a\r\n")},
    {"a dot with CRLF ends it", true, SPAN("a\r\n.\r\nb\r\n"), SPAN("a\r\n")},
    {"a dot with CR CR LF ends it", true, SPAN("a\n.\r\r\nb\n"), SPAN("a\r\n")},
    {"a dot as the first line", true, SPAN(".\na\n"), SPAN("")},
    {"a dot without a line end", true, SPAN("a\n."), SPAN("a\r\n")},
    {"a dot and a CR at the end", true, SPAN("a\n.\r"), SPAN("a\r\n")},
    {"a dot is kept with -i", false, SPAN("a\n.\nb\n"), SPAN("a\r\n.\r\nb\r\n")},
    {"dots that begin a line", true, SPAN("..\n.a\n. \n"), SPAN("..\r\n.a\r\n. \r\n")},
    {"a dot, a CR and more", true, SPAN(".\rb\n"), SPAN(". b\r\n")},
    {"a dot inside a line", true, SPAN("a.\n"), SPAN("a.\r\n")},
    {"a dot after a bare CR is inside a line", true, SPAN("a\r.\nb\n"), SPAN("a .\r\nb\r\n")},
};

/* Cut into pieces of every size the result is the same. */
static void
test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t step = 1; step <= rows[i].in.len + 1; step++) {
            struct input_text t;
            struct buf out;
            buf_init(&out, 1000);
            input_text_init(&t, rows[i].ends_at_dot);
            for (size_t at = 0; at < rows[i].in.len; at += step) {
                size_t n = rows[i].in.len - at < step ? rows[i].in.len - at : step;
                CHECK(rows[i].name, input_text_take(&t, span_of(rows[i].in.data + at, n), &out) == ERR_OK);
            }
            CHECK(rows[i].name, input_text_end(&t, &out) == ERR_OK);
            CHECK_SPAN(rows[i].name, buf_span(&out), rows[i].out);
            buf_done(&out);
        }
}

/* Whatever comes in, every CR and LF that comes out is part of a CRLF, and the text ends with one. */
static void
test_any_octets(void **state)
{
    (void)state;
    static const uint8_t alphabet[] = {'\r', '\n', '.', 'a', '\r', '\n', '\0'};
    uint32_t random = 7;
    for (unsigned round = 0; round < 5000; round++) {
        uint8_t in[40];
        size_t len = round % sizeof(in);
        for (size_t i = 0; i < len; i++) {
            random = random * 1664525 + 1013904223;
            in[i] = alphabet[(random >> 20) % sizeof(alphabet)];
        }
        struct input_text t;
        struct buf out;
        buf_init(&out, 1000);
        input_text_init(&t, round % 2 == 0);
        assert_int_equal(input_text_take(&t, span_of(in, len), &out), ERR_OK);
        assert_int_equal(input_text_end(&t, &out), ERR_OK);
        for (size_t i = 0; i < out.len; i++) {
            assert_true(out.data[i] != '\n' || (i > 0 && out.data[i - 1] == '\r'));
            assert_true(out.data[i] != '\r' || (i + 1 < out.len && out.data[i + 1] == '\n'));
        }
        assert_true(out.len == 0 || out.data[out.len - 1] == '\n');
        buf_done(&out);
    }
}

static void
test_full(void **state)
{
    (void)state;
    struct input_text t;
    struct buf out;
    buf_init(&out, 3);
    input_text_init(&t, true);
    assert_int_equal(input_text_take(&t, SPAN("abcd\n"), &out), ERR_LIMIT);
    buf_done(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_any_octets),
                                       cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
