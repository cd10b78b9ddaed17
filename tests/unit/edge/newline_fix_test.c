/* newline_fix_test.c - each CR, LF or CRLF becomes one CRLF, however the content is cut (requirement 47). */
#include "edge/newline_fix.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
    struct span in;
    struct span out;
};

static const struct row rows[] = {
    {SPAN(""), SPAN("")},
    {SPAN("abc"), SPAN("abc")},
    {SPAN("a\r\nb\r\n"), SPAN("a\r\nb\r\n")},
    {SPAN("a\nb\n"), SPAN("a\r\nb\r\n")},
    {SPAN("a\rb\r"), SPAN("a\r\nb\r\n")},
    {SPAN("\r\r\n\n"), SPAN("\r\n\r\n\r\n")},
    {SPAN("\n\r"), SPAN("\r\n\r\n")},
    {SPAN("\r\n.\r\n\0"), SPAN("\r\n.\r\n\0")},
};

static void
test_rows_at_every_cut(UNUSED void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t cut = 1; cut <= rows[i].in.len + 1; cut++) {
            struct newline_fix n = {.is_on = true};
            struct buf out;
            struct span left = rows[i].in;
            buf_init(&out, 1000);
            while (left.len > 0) {
                struct span piece = span_first(left, cut < left.len ? cut : left.len), got;
                left = span_skip(left, piece.len);
                while (piece.len > 0) {
                    newline_fix_take(&n, &piece, &got);
                    buf_append(&out, got);
                }
            }
            buf_append(&out, newline_fix_end(&n));
            assert_int_equal(out.len, rows[i].out.len);
            assert_true(span_equal(buf_span(&out), rows[i].out));
            buf_done(&out);
        }
}

static void
test_off_passes_all(UNUSED void **state)
{
    struct newline_fix n = {.is_on = false};
    struct span in = SPAN("a\nb\rc"), got;
    newline_fix_take(&n, &in, &got);
    assert_int_equal(in.len, 0);
    assert_true(span_equal(got, SPAN("a\nb\rc")));
    assert_int_equal(newline_fix_end(&n).len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_at_every_cut), cmocka_unit_test(test_off_passes_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
