/* lmtp_body_test.c - dot-stuffing and line ends on the way to a store: nothing in a message ends the data. RFC 5321
 * §4.5.2. */
#include "check.h"

#include "local/lmtp_body.h"

static const struct {
    const char *name;
    struct span content;
    const char *wire;
} rows[] = {
    {"plain", SPAN("A: b\r\n\r\nx\r\n"), "A: b\r\n\r\nx\r\n.\r\n"},
    {"empty", SPAN(""), ".\r\n"},
    {"no final line end", SPAN("x"), "x\r\n.\r\n"},
    {"leading dot", SPAN(".x\r\n"), "..x\r\n.\r\n"},
    {"a dot alone", SPAN("a\r\n.\r\nb\r\n"), "a\r\n..\r\nb\r\n.\r\n"},
    {"two dots", SPAN("..\r\n"), "...\r\n.\r\n"},
    {"a dot inside", SPAN("a.b\r\n"), "a.b\r\n.\r\n"},
    {"bare LF around a dot", SPAN("a\n.\nb"), "a\r\n..\r\nb\r\n.\r\n"},
    {"bare CR around a dot", SPAN("a\r.\rb"), "a\r\n..\r\nb\r\n.\r\n"},
    {"LF dot CRLF", SPAN("a\n.\r\nb\r\n"), "a\r\n..\r\nb\r\n.\r\n"},
    {"CR CR LF", SPAN("a\r\r\nb"), "a\r\n\r\nb\r\n.\r\n"},
    {"LF CR", SPAN("a\n\rb"), "a\r\n\r\nb\r\n.\r\n"},
    {"CR at the end", SPAN("a\r"), "a\r\n.\r\n"},
    {"empty lines", SPAN("\r\n\r\n"), "\r\n\r\n.\r\n"},
};

/* Whole, and cut into two pieces at every place. */
static void
test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t cut = 0; cut <= rows[i].content.len; cut++) {
            struct lmtp_body body = {.after_cr = false};
            struct buf wire;
            buf_init(&wire, 4096);
            CHECK(rows[i].name, lmtp_body_append(&body, span_first(rows[i].content, cut), &wire) == ERR_OK);
            CHECK(rows[i].name, lmtp_body_append(&body, span_skip(rows[i].content, cut), &wire) == ERR_OK);
            CHECK(rows[i].name, lmtp_body_end(&body, &wire) == ERR_OK);
            CHECK_SPAN(rows[i].name, buf_span(&wire), span_from_cstr(rows[i].wire));
            buf_done(&wire);
        }
    }
}

/* The worst case for room: every octet a bare LF, or every line a dot. */
static void
test_room(void **state)
{
    (void)state;
    uint8_t octets[3 * 1000 + 5], content[1000];
    struct buf wire;
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = i % 2 == 0 ? '.' : '\n';
    struct lmtp_body body = {.after_cr = false};
    buf_init_fixed(&wire, octets, sizeof(octets));
    assert_int_equal(lmtp_body_append(&body, span_of(content, sizeof(content)), &wire), ERR_OK);
    assert_int_equal(lmtp_body_end(&body, &wire), ERR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bodies), cmocka_unit_test(test_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
