/* command_test.c - RFC 5321 §2.4, §4.1.1 and §4.3.2; requirements 1, 14, 16 to 19. */
#include "check.h"

#include "proto/smtp/command.h"

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span line;
        enum smtp_verb verb;
        enum reply_id reply;
        struct span argument;
    } rows[] = {
        {"verb alone", SPAN("NOOP"), SMTP_VERB_NOOP, REPLY_NONE, SPAN("")},
        {"any case, requirement 1", SPAN("eHlO x"), SMTP_VERB_EHLO, REPLY_NONE, SPAN("x")},
        {"argument", SPAN("MAIL FROM:<a@b> SIZE=1"), SMTP_VERB_MAIL, REPLY_NONE, SPAN("FROM:<a@b> SIZE=1")},
        {"blanks before the end", SPAN("QUIT  \t "), SMTP_VERB_QUIT, REPLY_NONE, SPAN("")},
        {"blanks after the argument", SPAN("NOOP x \t"), SMTP_VERB_NOOP, REPLY_NONE, SPAN("x")},
        {"spaces before the argument", SPAN("HELO   x"), SMTP_VERB_HELO, REPLY_NONE, SPAN("x")},
        {"HELP with an argument", SPAN("HELP MAIL"), SMTP_VERB_HELP, REPLY_NONE, SPAN("MAIL")},
        {"BDAT", SPAN("BDAT 10 LAST"), SMTP_VERB_BDAT, REPLY_NONE, SPAN("10 LAST")},
        {"LHLO", SPAN("LHLO x"), SMTP_VERB_LHLO, REPLY_NONE, SPAN("x")},
        {"STARTTLS", SPAN("starttls"), SMTP_VERB_STARTTLS, REPLY_NONE, SPAN("")},
        {"known for long, never on", SPAN("SOML FROM:<a@b>"), SMTP_VERB_OBSOLETE, REPLY_NONE, SPAN("FROM:<a@b>")},
        {"8 bit in an address", SPAN("RCPT TO:<\xc3\xbc@b>"), SMTP_VERB_RCPT, REPLY_NONE, SPAN("TO:<\xc3\xbc@b>")},
        {"8 bit for VRFY", SPAN("VRFY \xc3\xbc"), SMTP_VERB_VRFY, REPLY_NONE, SPAN("\xc3\xbc")},
        {"DATA with an argument", SPAN("DATA x"), SMTP_VERB_DATA, REPLY_ARGUMENT_UNWANTED, SPAN("x")},
        {"RSET with an argument", SPAN("RSET x"), SMTP_VERB_RSET, REPLY_ARGUMENT_UNWANTED, SPAN("x")},
        {"QUIT with an argument", SPAN("QUIT x"), SMTP_VERB_QUIT, REPLY_ARGUMENT_UNWANTED, SPAN("x")},
        {"STARTTLS with an argument", SPAN("STARTTLS x"), SMTP_VERB_STARTTLS, REPLY_ARGUMENT_UNWANTED, SPAN("x")},
        {"EHLO without", SPAN("EHLO"), SMTP_VERB_EHLO, REPLY_ARGUMENT_MISSING, SPAN("")},
        {"HELO with a blank", SPAN("HELO "), SMTP_VERB_HELO, REPLY_ARGUMENT_MISSING, SPAN("")},
        {"VRFY without", SPAN("VRFY"), SMTP_VERB_VRFY, REPLY_ARGUMENT_MISSING, SPAN("")},
        {"8 bit elsewhere", SPAN("EHLO \xc3\xbc"), SMTP_VERB_EHLO, REPLY_COMMAND_8BIT, SPAN("\xc3\xbc")},
        {"8 bit in NOOP", SPAN("NOOP \xff"), SMTP_VERB_NOOP, REPLY_COMMAND_8BIT, SPAN("\xff")},
        {"empty", SPAN(""), SMTP_VERB_UNKNOWN, REPLY_EMPTY_LINE, SPAN("")},
        {"blanks only", SPAN(" \t "), SMTP_VERB_UNKNOWN, REPLY_EMPTY_LINE, SPAN("")},
        {"unknown", SPAN("XYZZY a"), SMTP_VERB_UNKNOWN, REPLY_VERB_UNKNOWN, SPAN("a")},
        {"a verb's beginning", SPAN("MAI FROM:<a@b>"), SMTP_VERB_UNKNOWN, REPLY_VERB_UNKNOWN, SPAN("FROM:<a@b>")},
        {"a verb and more", SPAN("MAILFROM:<a@b>"), SMTP_VERB_UNKNOWN, REPLY_VERB_UNKNOWN, SPAN("")},
        {"space first", SPAN(" NOOP"), SMTP_VERB_UNKNOWN, REPLY_VERB_UNKNOWN, SPAN("NOOP")},
        {"8 bit verb", SPAN("\xff\xfe"), SMTP_VERB_UNKNOWN, REPLY_VERB_UNKNOWN, SPAN("")},
        {"NUL after the verb, requirement 14", SPAN("NOOP\0"), SMTP_VERB_UNKNOWN, REPLY_COMMAND_CONTROL, SPAN("")},
        {"NUL in an argument", SPAN("MAIL FROM:<a\0@b>"), SMTP_VERB_MAIL, REPLY_COMMAND_CONTROL, SPAN("FROM:<a\0@b>")},
        {"DEL", SPAN("NOOP \x7f"), SMTP_VERB_NOOP, REPLY_COMMAND_CONTROL, SPAN("\x7f")},
        {"tab for a space", SPAN("MAIL\tFROM:<a@b>"), SMTP_VERB_UNKNOWN, REPLY_COMMAND_CONTROL, SPAN("")},
        {"CR inside", SPAN("NOOP a\rb"), SMTP_VERB_NOOP, REPLY_COMMAND_CONTROL, SPAN("a\rb")},
        {"LF inside", SPAN("NOOP\nQUIT"), SMTP_VERB_UNKNOWN, REPLY_COMMAND_CONTROL, SPAN("")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_command c;
        struct reply r = smtp_command_parse(rows[i].line, &c);
        CHECK_SPAN(rows[i].name, smtp_reply_name(r.id), smtp_reply_name(rows[i].reply));
        CHECK(rows[i].name, c.verb == rows[i].verb);
        CHECK_SPAN(rows[i].name, c.argument, rows[i].argument);
    }
}

static void
test_names(void **state)
{
    (void)state;
    for (int verb = SMTP_VERB_UNKNOWN + 1; verb < SMTP_VERB_COUNT; verb++) {
        struct smtp_command c;
        struct span name = smtp_verb_name((enum smtp_verb)verb);
        struct reply r = smtp_command_parse(name, &c);
        (void)r;
        assert_true(c.verb == (enum smtp_verb)verb || verb == SMTP_VERB_OBSOLETE);
    }
    CHECK_SPAN("unknown", smtp_verb_name(SMTP_VERB_UNKNOWN), SPAN("unknown"));
}

static void
test_foreign(void **state)
{
    (void)state;
    static const struct {
        struct span start;
        enum smtp_foreign_protocol protocol;
        const char *name;
    } rows[] = {
        {SPAN("\x16\x03"), SMTP_FOREIGN_TLS, "tls"},
        {SPAN("\x16\x03\x01\x02\x00\x01"), SMTP_FOREIGN_TLS, "tls"},
        {SPAN("\x16\x02"), SMTP_FOREIGN_NONE, "none"},
        {SPAN("\x16"), SMTP_FOREIGN_NONE, "none"},
        {SPAN("GET / HTTP/1.1"), SMTP_FOREIGN_HTTP, "http"},
        {SPAN("POST /x HTTP/1.0"), SMTP_FOREIGN_HTTP, "http"},
        {SPAN("CONNECT a:25 HTTP/1.1"), SMTP_FOREIGN_HTTP, "http"},
        {SPAN("PRI * HTTP/2.0"), SMTP_FOREIGN_HTTP, "http"},
        {SPAN("Host: mx.example"), SMTP_FOREIGN_HTTP, "http"},
        {SPAN("SSH-2.0-x"), SMTP_FOREIGN_SSH, "ssh"},
        {SPAN("GETX"), SMTP_FOREIGN_NONE, "none"},
        {SPAN("EHLO x"), SMTP_FOREIGN_NONE, "none"},
        {SPAN(""), SMTP_FOREIGN_NONE, "none"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CHECK(rows[i].name, smtp_foreign_detect(rows[i].start) == rows[i].protocol);
        CHECK_SPAN(rows[i].name, smtp_foreign_name(rows[i].protocol), span_from_cstr(rows[i].name));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
