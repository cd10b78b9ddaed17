/* reply_test.c - RFC 5321 §4.2.1 and §4.5.3.1.5, RFC 2034 §4; requirements 5, 20, 24. */
#include "check.h"

#include "proto/smtp/extension.h"
#include "proto/smtp/reply.h"
#include "text/ascii.h"

static void
check_wire(const char *name, struct reply r, const char *wanted)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    CHECK(name, smtp_reply_format(&r, &b) == ERR_OK);
    CHECK_SPAN(name, buf_span(&b), span_from_cstr(wanted));
    buf_done(&b);
}

static void
test_format(void **state)
{
    (void)state;
    check_wire("no enhanced status", reply_with_text(REPLY_GREETING, SPAN("mx.example")),
               "220 mx.example ESMTP Godwit\r\n");
    check_wire("enhanced status", reply_of(REPLY_MAIL_OK), "250 2.1.0 Sender accepted\r\n");
    check_wire("text", reply_with_text(REPLY_USER_UNKNOWN, SPAN("a@b")), "550 5.1.1 <a@b>: no such user\r\n");
    check_wire("number", reply_with_number(REPLY_MESSAGE_TOO_LARGE, UINT64_MAX),
               "552 5.3.4 Message is larger than 18446744073709551615 octets\r\n");
    check_wire("two texts", (struct reply){.id = REPLY_LMTP_ACCEPTED, .text = {SPAN("a@b"), SPAN("X1")}},
               "250 2.1.5 <a@b> Accepted, id X1\r\n");
    check_wire("text and number", (struct reply){.id = REPLY_SENDER_TOO_LONG, .text = {SPAN("path")}, .number = 256},
               "501 5.1.7 Sender's path is longer than 256 octets\r\n");
    check_wire("lines", reply_with_text(REPLY_HELP, SPAN("HELO EHLO")),
               "214-2.0.0 Godwit speaks SMTP as in RFC 5321.\r\n214 2.0.0 Commands: HELO EHLO\r\n");
    check_wire("empty text", reply_of(REPLY_POLICY_REFUSED), "550 5.7.1 \r\n");
}

static void
test_foreign_text(void **state)
{
    (void)state;
    check_wire("line end", reply_with_text(REPLY_USER_UNKNOWN, SPAN("a\r\n250 OK\r\n@b")),
               "550 5.1.1 <a\\x0d\\x0a250 OK\\x0d\\x0a@b>: no such user\r\n");
    check_wire("8 bit, NUL, escape", reply_with_text(REPLY_USER_UNKNOWN, SPAN("\xc3\xa4\0\x1b")),
               "550 5.1.1 <\\xc3\\xa4\\x00\\x1b>: no such user\r\n");
    check_wire("template characters", reply_with_text(REPLY_USER_UNKNOWN, SPAN("{#x}{y}\\n")),
               "550 5.1.1 <{#x}{y}\\x5cn>: no such user\r\n");
}

/* Every line of every reply, with the worst texts, is a reply line. */
static void
check_lines(const char *name, struct span lines, unsigned code, struct span status)
{
    while (lines.len > 0) {
        size_t lf = span_find(lines, '\n');
        CHECK(name, lf < lines.len && lf + 1 <= SMTP_REPLY_LINE_MAX && lf >= 4 && lines.data[lf - 1] == '\r');
        struct span line = span_first(lines, lf - 1);
        lines = span_skip(lines, lf + 1);
        CHECK(name, ascii_all(line, ASCII_PRINT));
        uint64_t line_code = 0;
        CHECK(name, span_to_u64(span_first(line, 3), 599, &line_code) && line_code == code);
        CHECK(name, line.data[3] == (lines.len > 0 ? '-' : ' '));
        CHECK(name, status.len == 0 || span_has_prefix(span_skip(line, 4), status));
    }
}

static void
test_every_reply(void **state)
{
    (void)state;
    uint8_t worst[3000];
    memset(worst, 0xff, sizeof(worst));
    memset(worst + 10, 'x', 400);
    for (int id = REPLY_NONE + 1; id < REPLY_COUNT; id++) {
        struct span name = smtp_reply_name((enum reply_id)id), status = smtp_reply_status((enum reply_id)id);
        unsigned code = smtp_reply_code((enum reply_id)id);
        assert_true(ascii_all(name, ASCII_LDH));
        assert_true(code >= 200 && code <= 599);
        /* The class of the enhanced status is that of the code, RFC 2034 §4 and RFC 3463 §2. */
        assert_true(status.len == 0 || (unsigned)(status.data[0] - '0') == code / 100);
        assert_int_equal(smtp_reply_is_positive((enum reply_id)id), code < 400);
        assert_int_equal(smtp_reply_is_transient((enum reply_id)id), code >= 400 && code < 500);
        for (int other = id + 1; other < REPLY_COUNT; other++)
            assert_false(span_equal(name, smtp_reply_name((enum reply_id)other)));
        struct reply r = {.id = (enum reply_id)id, .number = UINT64_MAX,
                          .text = {span_of(worst, sizeof(worst)), span_of(worst, 500)}};
        char label[64];
        assert_true(span_to_cstr(name, label, sizeof(label)));
        struct buf b;
        buf_init(&b, 1 << 16);
        CHECK(label, smtp_reply_format(&r, &b) == ERR_OK);
        check_lines(label, buf_span(&b), code, status);
        buf_clear(&b);
        CHECK(label, smtp_reply_format_text(&r, &b) == ERR_OK);
        CHECK(label, ascii_all(buf_span(&b), ASCII_PRINT));
        buf_done(&b);
    }
    CHECK_SPAN("none", smtp_reply_name(REPLY_NONE), SPAN("none"));
    assert_int_equal(smtp_reply_code(REPLY_NONE), 0);
}

static void
test_long_text_is_broken_at_spaces(void **state)
{
    (void)state;
    uint8_t words[500];
    for (size_t i = 0; i < sizeof(words); i++)
        words[i] = i % 10 == 9 ? ' ' : 'w';
    struct reply r = reply_with_text(REPLY_POLICY_REFUSED, span_of(words, sizeof(words)));
    struct buf b;
    buf_init(&b, 2000);
    assert_int_equal(smtp_reply_format(&r, &b), ERR_OK);
    check_lines("words", buf_span(&b), 550, SPAN("5.7.1"));
    size_t first_line = span_find(buf_span(&b), '\n');
    assert_true(first_line > 400 && first_line < 420);
    assert_int_equal(b.data[first_line - 2], 'w');
    buf_done(&b);
}

static void
test_text_alone(void **state)
{
    (void)state;
    struct reply r = reply_with_text(REPLY_HELP, SPAN("HELO"));
    struct buf b;
    buf_init(&b, 200);
    assert_int_equal(smtp_reply_format_text(&r, &b), ERR_OK);
    CHECK_SPAN("one line", buf_span(&b), SPAN("Godwit speaks SMTP as in RFC 5321. Commands: HELO"));
    buf_done(&b);
}

static void
test_full_buffer(void **state)
{
    (void)state;
    uint8_t room[32];
    struct reply r = reply_with_text(REPLY_HELP, SPAN("HELO"));
    for (size_t cap = 3; cap < sizeof(room); cap++) {
        struct buf b;
        buf_init_fixed(&b, room, cap);
        assert_int_equal(buf_append(&b, SPAN("abc")), ERR_OK);
        assert_int_equal(smtp_reply_format(&r, &b), ERR_LIMIT);
        CHECK_SPAN("nothing half-written", buf_span(&b), SPAN("abc"));
    }
}

static void
test_ehlo(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct smtp_ehlo_reply reply;
        const char *wanted;
    } rows[] = {
        {"nothing offered", {.host = SPAN("mx.example"), .client = SPAN("c")}, "250 mx.example greets c\r\n"},
        {"one keyword", {.host = SPAN("mx.example"), .client = SPAN("c"), .extensions = SMTP_EXT_HELP},
         "250-mx.example greets c\r\n250 HELP\r\n"},
        {"SIZE without a maximum", {.host = SPAN("mx.example"), .client = SPAN("c"), .extensions = SMTP_EXT_SIZE},
         "250-mx.example greets c\r\n250 SIZE\r\n"},
        {"one keyword a line, requirement 24",
         {.host = SPAN("mx.example"), .client = SPAN("c"), .size_max_bytes = 52428800, .recipients_max = 1000,
          .extensions = SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_SMTPUTF8 |
                        SMTP_EXT_CHUNKING | SMTP_EXT_ENHANCEDSTATUSCODES | SMTP_EXT_LIMITS | SMTP_EXT_HELP |
                        SMTP_EXT_VRFY},
         "250-mx.example greets c\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-VRFY\r\n250-ENHANCEDSTATUSCODES\r\n"
         "250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-LIMITS RCPTMAX=1000\r\n250 HELP\r\n"},
        {"parameters", {.host = SPAN("mx.example"), .client = SPAN("c"), .recipients_max = 5, .transactions_max = 7,
          .auth_mechanisms = SPAN("PLAIN SCRAM-SHA-256"), .extensions = SMTP_EXT_AUTH | SMTP_EXT_LIMITS},
         "250-mx.example greets c\r\n250-AUTH PLAIN SCRAM-SHA-256\r\n250 LIMITS MAILMAX=7 RCPTMAX=5\r\n"},
        {"client's bytes", {.host = SPAN("mx.example"), .client = SPAN("a\r\nb"), .extensions = SMTP_EXT_HELP},
         "250-mx.example greets a\\x0d\\x0ab\r\n250 HELP\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 2000);
        CHECK(rows[i].name, buf_append(&b, SPAN("x\r\n")) == ERR_OK);
        CHECK(rows[i].name, smtp_ehlo_reply_format(&rows[i].reply, &b) == ERR_OK);
        CHECK_SPAN(rows[i].name, span_skip(buf_span(&b), 3), span_from_cstr(rows[i].wanted));
        size_t whole = b.len;
        for (size_t cap = 0; cap < whole - 3; cap += 5) {
            uint8_t room[1000];
            struct buf small;
            buf_init_fixed(&small, room, cap);
            CHECK(rows[i].name, smtp_ehlo_reply_format(&rows[i].reply, &small) == ERR_LIMIT && small.len == 0);
        }
        buf_done(&b);
    }
    uint8_t longest[255];
    memset(longest, 0xff, sizeof(longest));
    struct smtp_ehlo_reply r = {.host = SPAN("mx"), .client = span_of(longest, 255), .extensions = SMTP_EXT_HELP};
    struct buf b;
    buf_init(&b, 4000);
    assert_int_equal(smtp_ehlo_reply_format(&r, &b), ERR_OK);
    check_lines("longest client", buf_span(&b), 250, SPAN_EMPTY);
    buf_done(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),       cmocka_unit_test(test_foreign_text),
        cmocka_unit_test(test_every_reply),  cmocka_unit_test(test_long_text_is_broken_at_spaces),
        cmocka_unit_test(test_text_alone),   cmocka_unit_test(test_full_buffer),
        cmocka_unit_test(test_ehlo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
