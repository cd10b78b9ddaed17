/* user_delivery_test.c - the records between the parent and a delivery process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/user_delivery.h"

static const struct user_delivery example = {
    .parent_pid = 77,
    .uid = 1000,
    .gid = 100,
    .groups = {(const uint8_t *)"\x64\x00\x00\x00\x00\x00\x00\x00", 8},
    .user = {(const uint8_t *)"bob", 3},
    .home = {(const uint8_t *)"/home/bob", 9},
    .shell = {(const uint8_t *)"/bin/sh", 7},
    .hostname = {(const uint8_t *)"mx.example.test", 15},
    .maildir = {(const uint8_t *)"Maildir", 7},
    .separator = {(const uint8_t *)"+", 1},
    .reads_forward = 1,
    .time_ms = 300000,
    .memory_bytes = 1 << 29,
    .recipient = {(const uint8_t *)"bob@mx.example.test", 19},
    .sender = {(const uint8_t *)"\"a\r\nb\"@example.org", 18},
};

static void
encode(const struct user_delivery *d, struct buf *to)
{
    buf_init(to, USER_DELIVERY_BYTES_MAX);
    assert_int_equal(user_delivery_encode(d, to), ERR_OK);
}

static void
test_a_record_comes_back(void **state)
{
    (void)state;
    struct user_delivery got;
    struct buf bytes;
    encode(&example, &bytes);
    assert_int_equal(user_delivery_parse(buf_span(&bytes), &got), ERR_OK);
    assert_int_equal(got.parent_pid, 77);
    assert_int_equal(got.uid, 1000);
    assert_int_equal(got.gid, 100);
    assert_int_equal(got.reads_forward, 1);
    assert_int_equal(got.runs_commands, 0);
    assert_int_equal(got.memory_bytes, 1 << 29);
    assert_true(span_equal(got.groups, example.groups));
    assert_true(span_equal(got.home, SPAN("/home/bob")));
    assert_true(span_equal(got.sender, example.sender));
    assert_true(span_is_empty(got.envid));
    buf_done(&bytes);
}

static void
test_a_cut_record_is_refused(void **state)
{
    (void)state;
    struct user_delivery got = {.uid = 5};
    struct buf bytes;
    encode(&example, &bytes);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(user_delivery_parse(span_of(bytes.data, len), &got), ERR_SYNTAX);
    assert_int_equal(buf_append_octet(&bytes, 0), ERR_OK);
    assert_int_equal(user_delivery_parse(buf_span(&bytes), &got), ERR_SYNTAX);
    assert_int_equal(got.uid, 5);
    buf_done(&bytes);
}

static void
test_what_must_not_be(void **state)
{
    (void)state;
    static const uint8_t long_name[300] = {'x'};
    const struct row {
        const char *what;
        struct user_delivery d;
        enum err encoded; /* ERR_OK: it is the parser that refuses */
    } rows[] = {
        {"root", {.uid = 0, .user = SPAN("root"), .recipient = SPAN("r@x")}, ERR_OK},
        {"nobody's name", {.uid = 9, .recipient = SPAN("r@x")}, ERR_OK},
        {"no recipient", {.uid = 9, .user = SPAN("bob")}, ERR_OK},
        {"half a group", {.uid = 9, .user = SPAN("bob"), .recipient = SPAN("r@x"), .groups = SPAN("abc")}, ERR_OK},
        {"a uid of 33 bits", {.uid = UINT64_C(1) << 32, .user = SPAN("bob"), .recipient = SPAN("r@x")}, ERR_LIMIT},
        {"a uid that means none", {.uid = UINT32_MAX, .user = SPAN("bob"), .recipient = SPAN("r@x")}, ERR_LIMIT},
        {"a NUL in a path", {.uid = 9, .user = SPAN("b"), .recipient = SPAN("r@x"), .home = SPAN("/a\0b")}, ERR_LIMIT},
        {"a long name", {.uid = 9, .user = {long_name, 300}, .recipient = SPAN("r@x")}, ERR_LIMIT},
        {"two separators", {.uid = 9, .user = SPAN("b"), .recipient = SPAN("r@x"), .separator = SPAN("+-")}, ERR_LIMIT},
        {"more than yes", {.uid = 9, .user = SPAN("bob"), .recipient = SPAN("r@x"), .has_file = 2}, ERR_LIMIT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct user_delivery got;
        struct buf bytes;
        buf_init(&bytes, USER_DELIVERY_BYTES_MAX);
        enum err e = user_delivery_encode(&rows[i].d, &bytes);
        if (e != rows[i].encoded || (e == ERR_OK && user_delivery_parse(buf_span(&bytes), &got) != ERR_SYNTAX))
            fail_msg("%s was taken (%s)", rows[i].what, err_name(e));
        buf_done(&bytes);
    }
}

static void
test_results(void **state)
{
    (void)state;
    const struct user_delivery_result result = {
        .class = 0, .status = SPAN("2.0.0"), .text = SPAN("in ~/Maildir \x01"), .forwards = SPAN("a@b\nc")};
    struct user_delivery_result got;
    struct buf bytes;
    buf_init(&bytes, USER_DELIVERY_RESULT_BYTES_MAX);
    assert_int_equal(user_delivery_result_encode(&result, &bytes), ERR_OK);
    assert_int_equal(user_delivery_result_parse(buf_span(&bytes), &got), ERR_OK);
    assert_true(span_equal(got.status, result.status));
    assert_true(span_equal(got.text, result.text));
    assert_true(span_equal(got.forwards, result.forwards));
    size_t class_at = sizeof("godwit delivered 1\n") - 1 + 4;
    bytes.data[class_at] = 3; /* no class */
    assert_int_equal(user_delivery_result_parse(buf_span(&bytes), &got), ERR_SYNTAX);
    assert_int_equal(user_delivery_result_parse(SPAN_EMPTY, &got), ERR_SYNTAX);
    buf_done(&bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_comes_back),
        cmocka_unit_test(test_a_cut_record_is_refused),
        cmocka_unit_test(test_what_must_not_be),
        cmocka_unit_test(test_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
