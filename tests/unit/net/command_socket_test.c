/* command_socket_test.c - frames survive any split; what is none is refused. */
#include "net/command_socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void
frames_come_whole_or_not_at_all(void **state)
{
    (void)state;
    struct buf bytes;
    buf_init(&bytes, 4096);
    assert_int_equal(command_frame_append(&bytes, COMMAND_ARGUMENT, SPAN("why")), ERR_OK);
    assert_int_equal(command_frame_append(&bytes, COMMAND_GO, SPAN_EMPTY), ERR_OK);
    for (size_t n = 0; n < bytes.len; n++) {
        struct span rest = span_first(buf_span(&bytes), n);
        struct command_frame frame = {0};
        enum err e = command_frame_take(&rest, &frame);
        assert_int_equal(e, n < COMMAND_FRAME_HEADER + 3 ? ERR_AGAIN : ERR_OK);
        if (e == ERR_OK)
            assert_true(span_equal(frame.data, SPAN("why")));
    }
    struct span rest = buf_span(&bytes);
    struct command_frame frame;
    assert_int_equal(command_frame_take(&rest, &frame), ERR_OK);
    assert_int_equal(command_frame_take(&rest, &frame), ERR_OK);
    assert_int_equal(frame.kind, COMMAND_GO);
    assert_int_equal(rest.len, 0);
    buf_done(&bytes);
}

static void
hostile_frames_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t bytes[6];
    } rows[] = {
        {"unknown kind", {'Z', 0, 0, 0, 0}},
        {"length beyond the cap", {'A', 0, 1, 0, 1}},
        {"length of all ones", {'A', 0xff, 0xff, 0xff, 0xff}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct span rest = span_of(rows[i].bytes, sizeof(rows[i].bytes));
        struct command_frame frame;
        if (command_frame_take(&rest, &frame) != ERR_PROTOCOL)
            fail_msg("%s was taken", rows[i].name);
        assert_int_equal(rest.len, sizeof(rows[i].bytes));
    }
}

static void
long_text_becomes_several_frames(void **state)
{
    (void)state;
    static uint8_t text[COMMAND_FRAME_MAX + 10];
    struct buf bytes;
    buf_init(&bytes, 4 * (size_t)COMMAND_FRAME_MAX);
    assert_int_equal(command_text_append(&bytes, COMMAND_OUTPUT, span_of(text, sizeof(text))), ERR_OK);
    struct span rest = buf_span(&bytes);
    struct command_frame frame;
    assert_int_equal(command_frame_take(&rest, &frame), ERR_OK);
    assert_int_equal(frame.data.len, COMMAND_FRAME_MAX);
    assert_int_equal(command_frame_take(&rest, &frame), ERR_OK);
    assert_int_equal(frame.data.len, 10);
    buf_done(&bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(frames_come_whole_or_not_at_all), cmocka_unit_test(hostile_frames_are_refused),
                                       cmocka_unit_test(long_text_becomes_several_frames)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
