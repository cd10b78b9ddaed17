/*
 * rcpt_args_test.c - RFC 5321 §3.3 and §4.1.1.3, RFC 3461 §4.1, §4.2 and §5.4, RFC 6533 §3; requirements 6, 10, 11, 15,
 * 37, 132, 134, 140, 145.
 */
#include "check.h"

#include "proto/smtp/rcpt_args.h"

#define A10 "aaaaaaaaaa"
#define A50 A10 A10 A10 A10 A10
#define A450 A50 A50 A50 A50 A50 A50 A50 A50 A50
#define UE "\xc3\xbc"

static void
test_replies(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span argument;
        bool utf8;
        enum reply_id reply;
    } rows[] = {
        {"plain", SPAN("TO:<a@b.example>"), false, REPLY_NONE},
        {"any case", SPAN("to:<a@b.example>"), false, REPLY_NONE},
        {"postmaster without domain, requirement 37", SPAN("TO:<POSTMASTER>"), false, REPLY_NONE},
        {"null is no recipient", SPAN("TO:<>"), false, REPLY_RECIPIENT_SYNTAX},
        {"space before the colon, requirement 10", SPAN("TO :<a@b>"), false, REPLY_RCPT_SYNTAX},
        {"space after the colon", SPAN("TO: <a@b>"), false, REPLY_RCPT_SYNTAX},
        {"no brackets, requirement 11", SPAN("TO:a@b"), false, REPLY_RCPT_SYNTAX},
        {"FROM", SPAN("FROM:<a@b>"), false, REPLY_RCPT_SYNTAX},
        {"empty", SPAN(""), false, REPLY_RCPT_SYNTAX},
        {"parameter glued", SPAN("TO:<a@b>NOTIFY=NEVER"), false, REPLY_RCPT_SYNTAX},
        {"bad address", SPAN("TO:<a@b_c>"), false, REPLY_RECIPIENT_SYNTAX},
        {"local part too long, requirement 6", SPAN("TO:<" A50 A10 "aaaaa@b>"), false, REPLY_RECIPIENT_TOO_LONG},
        {"UTF-8 without SMTPUTF8, requirement 140", SPAN("TO:<j" UE "@b>"), false, REPLY_RECIPIENT_UTF8},
        {"UTF-8", SPAN("TO:<j" UE "@b" UE "cher.example>"), true, REPLY_NONE},
        {"broken UTF-8", SPAN("TO:<j\xc3@b>"), true, REPLY_RECIPIENT_UTF8_INVALID},
        {"unknown parameter, requirement 15", SPAN("TO:<a@b> FOO=1"), false, REPLY_PARAMETER_UNKNOWN},
        {"of MAIL", SPAN("TO:<a@b> SIZE=1"), false, REPLY_PARAMETER_UNKNOWN},
        {"NOTIFY", SPAN("TO:<a@b> NOTIFY=SUCCESS,failure,DELAY"), false, REPLY_NONE},
        {"NOTIFY=NEVER", SPAN("TO:<a@b> NOTIFY=NEVER"), false, REPLY_NONE},
        {"NEVER and another, requirement 132", SPAN("TO:<a@b> NOTIFY=NEVER,DELAY"), false, REPLY_PARAMETER_VALUE},
        {"another and NEVER", SPAN("TO:<a@b> NOTIFY=DELAY,NEVER"), false, REPLY_PARAMETER_VALUE},
        {"NOTIFY, bad", SPAN("TO:<a@b> NOTIFY=ALWAYS"), false, REPLY_PARAMETER_VALUE},
        {"NOTIFY, empty word", SPAN("TO:<a@b> NOTIFY=DELAY,"), false, REPLY_PARAMETER_VALUE},
        {"NOTIFY, empty", SPAN("TO:<a@b> NOTIFY="), false, REPLY_PARAMETER_VALUE},
        {"NOTIFY alone", SPAN("TO:<a@b> NOTIFY"), false, REPLY_PARAMETER_VALUE},
        {"NOTIFY over 28 octets", SPAN("TO:<a@b> NOTIFY=DELAY,DELAY,DELAY,DELAY,DELAY"), false, REPLY_PARAMETER_VALUE},
        {"NOTIFY twice", SPAN("TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY"), false, REPLY_PARAMETER_REPEATED},
        {"ORCPT", SPAN("TO:<a@b> ORCPT=rfc822;a@b"), false, REPLY_NONE},
        {"ORCPT of another type", SPAN("TO:<a@b> ORCPT=x400;/c=x"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT of another type, encoded", SPAN("TO:<a@b> ORCPT=x400;/c+3Dx"), false, REPLY_NONE},
        {"ORCPT without type", SPAN("TO:<a@b> ORCPT=a@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT with an empty type", SPAN("TO:<a@b> ORCPT=;a@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT without address", SPAN("TO:<a@b> ORCPT=rfc822;"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT alone", SPAN("TO:<a@b> ORCPT"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT, encoded CR, requirement 134", SPAN("TO:<a@b> ORCPT=rfc822;a+0D@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT, encoded LF", SPAN("TO:<a@b> ORCPT=rfc822;a+0A@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT, encoded NUL", SPAN("TO:<a@b> ORCPT=rfc822;a+00@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT, bad xtext", SPAN("TO:<a@b> ORCPT=rfc822;a+0@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT, 8 bit for rfc822", SPAN("TO:<a@b> ORCPT=rfc822;j+C3+BC@b"), true, REPLY_PARAMETER_VALUE},
        {"ORCPT of 500", SPAN("TO:<a@b> ORCPT=rfc822;" A450 A10 A10 A10 A10 "aaa"), false, REPLY_NONE},
        {"ORCPT of 501", SPAN("TO:<a@b> ORCPT=rfc822;" A450 A10 A10 A10 A10 "aaaa"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT twice", SPAN("TO:<a@b> ORCPT=rfc822;a@b ORCPT=rfc822;a@b"), false, REPLY_PARAMETER_REPEATED},
        {"ORCPT utf-8, ASCII", SPAN("TO:<a@b> ORCPT=utf-8;a@b"), false, REPLY_NONE},
        {"ORCPT utf-8, embedded, requirement 145", SPAN("TO:<a@b> ORCPT=utf-8;j\\x{FC}rgen@b"), false, REPLY_NONE},
        {"ORCPT utf-8, raw", SPAN("TO:<a@b> ORCPT=utf-8;j" UE "rgen@b"), true, REPLY_NONE},
        {"ORCPT utf-8, raw without SMTPUTF8", SPAN("TO:<a@b> ORCPT=utf-8;j" UE "rgen@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, broken", SPAN("TO:<a@b> ORCPT=utf-8;j\xc3@b"), true, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, embedded surrogate", SPAN("TO:<a@b> ORCPT=utf-8;\\x{D800}@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, embedded too high", SPAN("TO:<a@b> ORCPT=utf-8;\\x{110000}@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, embedded CR", SPAN("TO:<a@b> ORCPT=utf-8;a\\x{0D}@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, embedded NUL", SPAN("TO:<a@b> ORCPT=utf-8;a\\x{00}@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, hexchar of CR", SPAN("TO:<a@b> ORCPT=utf-8;a+0D@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, hexchars", SPAN("TO:<a@b> ORCPT=utf-8;a+2Bb@c"), false, REPLY_NONE},
        {"ORCPT utf-8, plus alone", SPAN("TO:<a@b> ORCPT=utf-8;a+b@c"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, one digit", SPAN("TO:<a@b> ORCPT=utf-8;\\x{F}@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, seven digits", SPAN("TO:<a@b> ORCPT=utf-8;\\x{00000FC}@b"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, no closing brace", SPAN("TO:<a@b> ORCPT=utf-8;\\x{FC"), false, REPLY_PARAMETER_VALUE},
        {"ORCPT utf-8, empty", SPAN("TO:<a@b> ORCPT=utf-8;"), false, REPLY_PARAMETER_VALUE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_rcpt_args args = {.notify = 77};
        struct arena mem;
        arena_init(&mem, 4096);
        struct reply r = smtp_rcpt_args_parse(rows[i].argument, SMTP_EXT_DSN, rows[i].utf8, &mem, &args);
        CHECK_SPAN(rows[i].name, smtp_reply_name(r.id), smtp_reply_name(rows[i].reply));
        CHECK(rows[i].name, (args.notify == 77) == (rows[i].reply != REPLY_NONE)); /* untouched */
        arena_clear(&mem);
    }
}

static void
test_values(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span argument;
        enum path_kind kind;
        unsigned notify;
        struct span text, orcpt;
    } rows[] = {
        {"plain", SPAN("TO:<A@B>"), PATH_MAILBOX, 0, SPAN("A@B"), SPAN("")},
        {"postmaster", SPAN("TO:<PostMaster>"), PATH_POSTMASTER, 0, SPAN("PostMaster"), SPAN("")},
        {"all words", SPAN("TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY"), PATH_MAILBOX,
         SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY, SPAN("a@b"), SPAN("")},
        {"never, ORCPT", SPAN("TO:<a@b> ORCPT=RFC822;Bob+2Bx@c NOTIFY=NEVER"), PATH_MAILBOX, SMTP_NOTIFY_NEVER,
         SPAN("a@b"),
         SPAN("RFC822;Bob+x@c")},
        {"utf-8", SPAN("TO:<a@b> ORCPT=utf-8;j\\x{FC}rgen\\x{1F426}\\x{2B}@c"), PATH_MAILBOX, 0, SPAN("a@b"),
         SPAN("utf-8;j\xc3\xbcrgen\xf0\x9f\x90\xa6+@c")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_rcpt_args args;
        struct arena mem;
        arena_init(&mem, 4096);
        struct reply r = smtp_rcpt_args_parse(rows[i].argument, SMTP_EXT_DSN, false, &mem, &args);
        CHECK(rows[i].name, reply_is_none(r));
        CHECK(rows[i].name, args.forward_path.kind == rows[i].kind && args.notify == rows[i].notify);
        CHECK_SPAN(rows[i].name, args.forward_path.text, rows[i].text);
        CHECK_SPAN(rows[i].name, args.orcpt, rows[i].orcpt);
        arena_clear(&mem);
    }
}

static void
test_limits(void **state)
{
    (void)state;
    struct smtp_rcpt_args args;
    struct arena mem;
    arena_init(&mem, 16);
    struct reply r = smtp_rcpt_args_parse(SPAN("TO:<a@b> ORCPT=rfc822;" A50), SMTP_EXT_DSN, false, &mem, &args);
    assert_int_equal(r.id, REPLY_MEMORY);
    r = smtp_rcpt_args_parse(SPAN("TO:<a@b> ORCPT=utf-8;" A50), SMTP_EXT_DSN, false, &mem, &args);
    assert_int_equal(r.id, REPLY_MEMORY);
    r = smtp_rcpt_args_parse(SPAN("TO:<a@b> NOTIFY=NEVER"), 0, false, &mem, &args);
    assert_int_equal(r.id, REPLY_PARAMETER_UNKNOWN); /* DSN is not offered */
    arena_clear(&mem);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
