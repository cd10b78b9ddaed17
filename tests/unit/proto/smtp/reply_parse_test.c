/* reply_parse_test.c - RFC 5321 §4.2 and §4.2.1, RFC 2034 §4; requirement 114,
    pitfall P7: servers that lie or break. */
#include "check.h"

#include "proto/smtp/reply_parse.h"

static enum smtp_reply_status
read_in_pieces(struct smtp_reply_parser *p, struct span in, size_t step, size_t *ret_consumed)
{
    enum smtp_reply_status status = SMTP_REPLY_MORE;
    size_t at = 0;
    while (at < in.len && status == SMTP_REPLY_MORE) {
        struct span piece = span_of(in.data + at, in.len - at < step ? in.len - at : step), rest = piece;
        status = smtp_reply_parser_take(p, &rest);
        at += piece.len - rest.len;
    }
    *ret_consumed = at;
    return status;
}

static void
test_rows(void **state)
{
    (void)state;
    enum { MORE = SMTP_REPLY_MORE, WHOLE = SMTP_REPLY_WHOLE, BROKEN = SMTP_REPLY_BROKEN };
    static const struct {
        const char *name;
        struct span in;
        int status;
        unsigned code;
        unsigned enhanced[3];
        struct span text;
        size_t left; /* octets after the reply */
    } rows[] = {
        {"one line", SPAN("250 OK\r\n"), WHOLE, 250, {0}, SPAN("OK"), 0},
        {"enhanced", SPAN("550 5.1.1 No such user\r\n"), WHOLE, 550, {5, 1, 1}, SPAN("No such user"), 0},
        {"many lines", SPAN("250-mx\r\n250-SIZE 1\r\n250 HELP\r\n"), WHOLE, 250, {0}, SPAN("mx\nSIZE 1\nHELP"), 0},
        {"enhanced on every line", SPAN("550-5.7.1 a\r\n550 5.7.1 b\r\n"), WHOLE, 550, {5, 7, 1}, SPAN("a\nb"), 0},
        {"enhanced on a later line", SPAN("550-a\r\n550 5.7.1 b\r\n"), WHOLE, 550, {5, 7, 1}, SPAN("a\nb"), 0},
        {"first enhanced counts", SPAN("550-5.7.1 a\r\n550 5.7.2 b\r\n"), WHOLE, 550, {5, 7, 1}, SPAN("a\nb"), 0},
        {"code and enhanced alone", SPAN("550 5.7.1\r\n"), WHOLE, 550, {5, 7, 1}, SPAN(""), 0},
        {"code alone", SPAN("250\r\n"), WHOLE, 250, {0}, SPAN(""), 0},
        {"code and space", SPAN("250 \r\n"), WHOLE, 250, {0}, SPAN(""), 0},
        {"three digits", SPAN("450 4.7.650 x\r\n"), WHOLE, 450, {4, 7, 650}, SPAN("x"), 0},
        {"enhanced of another class is text", SPAN("550 4.7.1 x\r\n"), WHOLE, 550, {0}, SPAN("4.7.1 x"), 0},
        {"no enhanced, an address", SPAN("250 5.1.1.1 x\r\n"), WHOLE, 250, {0}, SPAN("5.1.1.1 x"), 0},
        {"enhanced with too many digits", SPAN("550 5.1.1000 x\r\n"), WHOLE, 550, {0}, SPAN("5.1.1000 x"), 0},
        {"enhanced cut off", SPAN("550 5.1.\r\n"), WHOLE, 550, {0}, SPAN("5.1."), 0},
        {"text after enhanced without space", SPAN("550 5.1.1x\r\n"), WHOLE, 550, {0}, SPAN("5.1.1x"), 0},
        {"unknown code", SPAN("299 x\r\n"), WHOLE, 299, {0}, SPAN("x"), 0},
        {"LF alone", SPAN("250 OK\n"), WHOLE, 250, {0}, SPAN("OK"), 0},
        {"NUL and 8 bit are text", SPAN("250 a\0\xff\r\n"), WHOLE, 250, {0}, SPAN("a\0\xff"), 0},
        {"second reply waits", SPAN("250 OK\r\n354 go\r\n"), WHOLE, 250, {0}, SPAN("OK"), 8},
        {"unfinished line", SPAN("250 O"), MORE, 0, {0}, SPAN(""), 0},
        {"unfinished reply", SPAN("250-OK\r\n"), MORE, 250, {0}, SPAN("OK"), 0},
        {"empty line", SPAN("\r\n"), BROKEN, 0, {0}, SPAN(""), 0},
        {"two digits", SPAN("25 OK\r\n"), BROKEN, 0, {0}, SPAN(""), 0},
        {"letters", SPAN("2x0 OK\r\n"), BROKEN, 0, {0}, SPAN(""), 0},
        {"class 1", SPAN("150 OK\r\n"), BROKEN, 0, {0}, SPAN(""), 0},
        {"class 6", SPAN("650 OK\r\n"), BROKEN, 0, {0}, SPAN(""), 0},
        {"class 0", SPAN("050 OK\r\n"), BROKEN, 0, {0}, SPAN(""), 0},
        {"four digits", SPAN("2500 OK\r\n"), BROKEN, 0, {0}, SPAN(""), 0},
        {"other separator", SPAN("250_OK\r\n"), BROKEN, 0, {0}, SPAN(""), 0},
        {"codes differ", SPAN("250-a\r\n251 b\r\n"), BROKEN, 250, {0}, SPAN("a"), 0},
        {"classes differ", SPAN("250-a\r\n550 b\r\n"), BROKEN, 250, {0}, SPAN("a"), 0},
        {"garbage inside", SPAN("250-a\r\nb\r\n"), BROKEN, 250, {0}, SPAN("a"), 0},
        {"short continuation", SPAN("250-a\r\n25\r\n"), BROKEN, 250, {0}, SPAN("a"), 0},
        {"HTTP", SPAN("HTTP/1.1 400 Bad Request\r\n"), BROKEN, 0, {0}, SPAN(""), 0},
        {"TLS", SPAN("\x16\x03\x01\x00\xa5\x01\x00\n"), BROKEN, 0, {0}, SPAN(""), 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t step = 1; step <= rows[i].in.len; step++) {
            struct smtp_reply_parser p;
            size_t consumed;
            smtp_reply_parser_init(&p);
            CHECK(rows[i].name, (int)read_in_pieces(&p, rows[i].in, step, &consumed) == rows[i].status);
            CHECK(rows[i].name, rows[i].status == BROKEN || consumed + rows[i].left == rows[i].in.len);
            CHECK(rows[i].name, p.code == rows[i].code);
            CHECK(rows[i].name, memcmp(p.status, rows[i].enhanced, sizeof(p.status)) == 0);
            CHECK_SPAN(rows[i].name, buf_span(&p.text), rows[i].text);
            smtp_reply_parser_done(&p);
        }
    smtp_reply_parser_done(NULL);
}

static void
test_lines(void **state)
{
    (void)state;
    struct smtp_reply_parser p;
    struct span in = SPAN("250-mx\r\n250-SIZE 1\r\n250-\r\n250 HELP\r\n221 bye\r\n");
    smtp_reply_parser_init(&p);
    assert_int_equal(smtp_reply_parser_take(&p, &in), SMTP_REPLY_WHOLE);
    assert_int_equal(p.lines, 4);
    CHECK_SPAN("0", smtp_reply_parser_line(&p, 0), SPAN("mx"));
    CHECK_SPAN("1", smtp_reply_parser_line(&p, 1), SPAN("SIZE 1"));
    CHECK_SPAN("2", smtp_reply_parser_line(&p, 2), SPAN(""));
    CHECK_SPAN("3", smtp_reply_parser_line(&p, 3), SPAN("HELP"));
    CHECK_SPAN("4", smtp_reply_parser_line(&p, 4), SPAN(""));
    smtp_reply_parser_clear(&p);
    assert_int_equal(smtp_reply_parser_take(&p, &in), SMTP_REPLY_WHOLE);
    assert_int_equal(p.code, 221);
    CHECK_SPAN("next", smtp_reply_parser_line(&p, 0), SPAN("bye"));
    smtp_reply_parser_done(&p);
}

static void
test_bounds(void **state)
{
    (void)state;
    static uint8_t octets[SMTP_PEER_LINE_MAX + 1];
    struct smtp_reply_parser p;
    memset(octets, 'x', sizeof(octets));
    memcpy(octets, "250 ", 4);
    /* The longest line, and one octet more. */
    memcpy(octets + SMTP_PEER_LINE_MAX - 2, "\r\n", 2);
    struct span in = span_of(octets, SMTP_PEER_LINE_MAX);
    smtp_reply_parser_init(&p);
    assert_int_equal(smtp_reply_parser_take(&p, &in), SMTP_REPLY_WHOLE);
    assert_int_equal(p.text.len, SMTP_PEER_LINE_MAX - 6);
    smtp_reply_parser_clear(&p);
    memcpy(octets + SMTP_PEER_LINE_MAX - 2, "x\r\n", 3);
    in = span_of(octets, sizeof(octets));
    assert_int_equal(smtp_reply_parser_take(&p, &in), SMTP_REPLY_BROKEN);
    smtp_reply_parser_clear(&p);
    /* A line that never ends. */
    enum smtp_reply_status status = SMTP_REPLY_MORE;
    int pieces = 0;
    for (; status == SMTP_REPLY_MORE && pieces < 1000; pieces++) {
        in = SPAN("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        status = smtp_reply_parser_take(&p, &in);
    }
    assert_int_equal(status, SMTP_REPLY_BROKEN);
    assert_int_equal(pieces, SMTP_PEER_LINE_MAX / 64 + 1);
    smtp_reply_parser_clear(&p);
    /* A reply that never ends: a million lines would be refused at the thousandth. */
    status = SMTP_REPLY_MORE;
    for (pieces = 0; status == SMTP_REPLY_MORE && pieces < 1000000; pieces++) {
        in = SPAN("250-some text that fills the memory kept for it\r\n");
        status = smtp_reply_parser_take(&p, &in);
    }
    assert_int_equal(status, SMTP_REPLY_BROKEN);
    assert_int_equal(pieces, SMTP_PEER_LINES_MAX);
    assert_true(p.is_text_cut);
    assert_true(p.text.len <= SMTP_PEER_TEXT_MAX);
    smtp_reply_parser_done(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
