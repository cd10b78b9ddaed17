/* exit_status_test.c - what the end of a command means. sysexits.h, RFC 3463. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "deliver/deliver.h"

static const struct row {
    int code, signal;
    const char *output;
    enum delivery_class class;
    const char *status;
    const char *text; /* NULL: any */
} rows[] = {
    {0, 0, "", DELIVERY_DONE, "2.0.0", NULL},
    {0, 0, "5.1.1 a status counts only when the command failed", DELIVERY_DONE, "2.0.0", NULL},
    {64, 0, "", DELIVERY_FAILED, "5.3.0", NULL},
    {65, 0, "", DELIVERY_FAILED, "5.6.0", NULL},
    {66, 0, "", DELIVERY_FAILED, "5.3.0", NULL},
    {67, 0, "", DELIVERY_FAILED, "5.1.1", NULL},
    {68, 0, "", DELIVERY_FAILED, "5.1.2", NULL},
    {69, 0, "", DELIVERY_FAILED, "5.3.0", NULL},
    {70, 0, "", DELIVERY_FAILED, "5.3.0", NULL},
    {71, 0, "", DELIVERY_DEFERRED, "4.3.0", NULL},
    {72, 0, "", DELIVERY_FAILED, "5.3.0", NULL},
    {73, 0, "", DELIVERY_FAILED, "5.2.0", NULL},
    {74, 0, "", DELIVERY_FAILED, "5.3.0", NULL},
    {75, 0, "", DELIVERY_DEFERRED, "4.3.0", NULL},
    {76, 0, "", DELIVERY_FAILED, "5.5.0", NULL},
    {77, 0, "", DELIVERY_FAILED, "5.7.0", NULL},
    {78, 0, "", DELIVERY_FAILED, "5.3.5", NULL},
    {1, 0, "", DELIVERY_FAILED, "5.3.0", "the command failed (exit status 1)"},
    {1, 0, "why\n  not\r\n", DELIVERY_FAILED, "5.3.0", "the command failed (exit status 1): why not"},
    {126, 0, "", DELIVERY_DEFERRED, "4.3.0", NULL},
    {127, 0, "", DELIVERY_DEFERRED, "4.3.0", NULL},
    {128, 0, "", DELIVERY_FAILED, "5.3.0", NULL},
    {137, 0, "", DELIVERY_DEFERRED, "4.3.0", NULL},
    {-1, 9, "5.1.1 said before", DELIVERY_DEFERRED, "4.3.0", "the command was killed by signal 9: 5.1.1 said before"},
    {1, 0, "4.2.2 full\n", DELIVERY_DEFERRED, "4.2.2", "full"},
    {75, 0, "5.7.1 no", DELIVERY_FAILED, "5.7.1", "no"},
    {75, 0, "5.123.456\nno", DELIVERY_FAILED, "5.123.456", "no"},
    {67, 0, "4.2.2", DELIVERY_DEFERRED, "4.2.2", ""},
    {67, 0, "2.0.0 fine", DELIVERY_FAILED, "5.1.1", NULL},
    {67, 0, "5.1", DELIVERY_FAILED, "5.1.1", NULL},
    {67, 0, "5.1.", DELIVERY_FAILED, "5.1.1", NULL},
    {67, 0, "5..1 x", DELIVERY_FAILED, "5.1.1", NULL},
    {75, 0, "5.7.1x", DELIVERY_DEFERRED, "4.3.0", NULL},
    {75, 0, "5.7.1234 x", DELIVERY_DEFERRED, "4.3.0", NULL},
    {75, 0, " 5.7.1 x", DELIVERY_DEFERRED, "4.3.0", NULL},
};

static void
test_meanings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct deliver_verdict v;
        deliver_verdict_set(&v, DELIVERY_DONE, "2.0.0", "before");
        deliver_exit_eval(row->code, row->signal, span_from_cstr(row->output), &v);
        bool is_right = v.class == row->class && strcmp(v.status, row->status) == 0 &&
                        (row->text == NULL || span_equal(buf_span(&v.text), span_from_cstr(row->text)));
        if (!is_right)
            fail_msg("row %zu (%d \"%s\"): got %d %s \"" SPAN_FMT "\"", i, row->code, row->output, v.class, v.status,
                     SPAN_ARG(buf_span(&v.text)));
    }
}

static void
test_a_long_output_is_cut(void **state)
{
    (void)state;
    static const uint8_t noise[DELIVER_OUTPUT_BYTES_MAX] = {0xff, '\n', 0, 'x'};
    struct deliver_verdict v;
    deliver_exit_eval(69, 0, span_of(noise, sizeof(noise)), &v);
    assert_int_equal(v.class, DELIVERY_FAILED);
    assert_true(v.text.len <= USER_DELIVERY_TEXT_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_meanings), cmocka_unit_test(test_a_long_output_is_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
