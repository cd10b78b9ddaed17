/*
 * mail_args_test.c - RFC 5321 §3.3 and §4.1.1.2, RFC 1870 §6.1, RFC 3030 §3, RFC 3461 §4.3 and §4.4, RFC 4954 §5,
 * RFC 6531 §3.4; requirements 6, 10 to 12, 14, 15, 38, 51, 55, 86, 134, 140, 141.
 */
#include "check.h"

#include "proto/smtp/mail_args.h"

#define A10 "aaaaaaaaaa"
#define A50 A10 A10 A10 A10 A10
#define UE "\xc3\xbc"

enum {
    PLAIN = SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_SMTPUTF8 | SMTP_EXT_DSN,
    ALL = PLAIN | SMTP_EXT_BINARYMIME | SMTP_EXT_AUTH,
};

static void
test_replies(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span argument;
        unsigned offered;
        enum reply_id reply;
    } rows[] = {
        {"plain", SPAN("FROM:<a@b.example>"), 0, REPLY_NONE},
        {"any case", SPAN("from:<a@b.example>"), 0, REPLY_NONE},
        {"null sender, requirement 38", SPAN("FROM:<>"), 0, REPLY_NONE},
        {"source route, requirement 12", SPAN("FROM:<@a,@b:u@d>"), 0, REPLY_NONE},
        {"empty", SPAN(""), ALL, REPLY_MAIL_SYNTAX},
        {"no FROM", SPAN("<a@b>"), ALL, REPLY_MAIL_SYNTAX},
        {"TO", SPAN("TO:<a@b>"), ALL, REPLY_MAIL_SYNTAX},
        {"space before the colon, requirement 10", SPAN("FROM :<a@b>"), ALL, REPLY_MAIL_SYNTAX},
        {"space after the colon", SPAN("FROM: <a@b>"), ALL, REPLY_MAIL_SYNTAX},
        {"no brackets, requirement 11", SPAN("FROM:a@b"), ALL, REPLY_MAIL_SYNTAX},
        {"nothing after the colon", SPAN("FROM:"), ALL, REPLY_MAIL_SYNTAX},
        {"no closing bracket", SPAN("FROM:<a@b"), ALL, REPLY_SENDER_SYNTAX},
        {"parameter glued", SPAN("FROM:<a@b>SIZE=1"), ALL, REPLY_MAIL_SYNTAX},
        {"bad address", SPAN("FROM:<a b@c>"), ALL, REPLY_SENDER_SYNTAX},
        {"postmaster without domain is no sender", SPAN("FROM:<postmaster>"), ALL, REPLY_SENDER_SYNTAX},
        {"local part too long, requirement 6", SPAN("FROM:<" A50 A10 "aaaaa@b>"), ALL, REPLY_SENDER_TOO_LONG},
        {"label too long", SPAN("FROM:<a@" A50 A10 "aaaa>"), ALL, REPLY_SENDER_TOO_LONG},
        {"unknown parameter, requirement 15", SPAN("FROM:<a@b> FOO"), ALL, REPLY_PARAMETER_UNKNOWN},
        {"unknown with a value", SPAN("FROM:<a@b> FOO=1"), ALL, REPLY_PARAMETER_UNKNOWN},
        {"of RCPT", SPAN("FROM:<a@b> NOTIFY=NEVER"), ALL, REPLY_PARAMETER_UNKNOWN},
        {"known, never offered: HOLDFOR", SPAN("FROM:<a@b> HOLDFOR=10"), ALL, REPLY_PARAMETER_UNKNOWN},
        {"HOLDUNTIL", SPAN("FROM:<a@b> HOLDUNTIL=2026-11-24T00:00:00Z"), ALL, REPLY_PARAMETER_UNKNOWN},
        {"BY", SPAN("FROM:<a@b> BY=120;R"), ALL, REPLY_PARAMETER_UNKNOWN},
        {"MT-PRIORITY", SPAN("FROM:<a@b> MT-PRIORITY=3"), ALL, REPLY_PARAMETER_UNKNOWN},
        {"REQUIRETLS", SPAN("FROM:<a@b> REQUIRETLS"), ALL, REPLY_PARAMETER_UNKNOWN},
        {"after HELO nothing is offered", SPAN("FROM:<a@b> SIZE=1"), 0, REPLY_PARAMETER_UNKNOWN},
        {"keyword of other characters", SPAN("FROM:<a@b> SI_ZE=1"), ALL, REPLY_PARAMETER_SYNTAX},
        {"keyword begins with a hyphen", SPAN("FROM:<a@b> -X"), ALL, REPLY_PARAMETER_SYNTAX},
        {"no keyword", SPAN("FROM:<a@b> =1"), ALL, REPLY_PARAMETER_SYNTAX},
        {"8 bit keyword", SPAN("FROM:<a@b> S" UE "=1"), ALL, REPLY_PARAMETER_SYNTAX},
        {"spaces between", SPAN("FROM:<a@b>  SIZE=1   RET=FULL"), ALL, REPLY_NONE},
        {"SIZE", SPAN("FROM:<a@b> SIZE=0"), ALL, REPLY_NONE},
        {"20 digits, requirement 51", SPAN("FROM:<a@b> SIZE=18446744073709551615"), ALL, REPLY_NONE},
        {"overflow", SPAN("FROM:<a@b> SIZE=18446744073709551616"), ALL, REPLY_PARAMETER_VALUE},
        {"21 digits", SPAN("FROM:<a@b> SIZE=000000000000000000001"), ALL, REPLY_PARAMETER_VALUE},
        {"SIZE, no number", SPAN("FROM:<a@b> SIZE=1k"), ALL, REPLY_PARAMETER_VALUE},
        {"SIZE, negative", SPAN("FROM:<a@b> SIZE=-1"), ALL, REPLY_PARAMETER_VALUE},
        {"SIZE, empty", SPAN("FROM:<a@b> SIZE="), ALL, REPLY_PARAMETER_VALUE},
        {"SIZE alone", SPAN("FROM:<a@b> SIZE"), ALL, REPLY_PARAMETER_VALUE},
        {"SIZE twice", SPAN("FROM:<a@b> SIZE=1 size=1"), ALL, REPLY_PARAMETER_REPEATED},
        {"BODY", SPAN("FROM:<a@b> BODY=8bitmime"), ALL, REPLY_NONE},
        {"BODY, bad", SPAN("FROM:<a@b> BODY=9BIT"), ALL, REPLY_PARAMETER_VALUE},
        {"BODY alone", SPAN("FROM:<a@b> BODY"), ALL, REPLY_PARAMETER_VALUE},
        {"BODY twice", SPAN("FROM:<a@b> BODY=7BIT BODY=7BIT"), ALL, REPLY_PARAMETER_REPEATED},
        {"BINARYMIME, requirement 55", SPAN("FROM:<a@b> BODY=BINARYMIME"), ALL, REPLY_NONE},
        {"BINARYMIME not offered", SPAN("FROM:<a@b> BODY=BINARYMIME"), PLAIN, REPLY_PARAMETER_VALUE},
        {"BODY not offered", SPAN("FROM:<a@b> BODY=7BIT"), SMTP_EXT_SIZE, REPLY_PARAMETER_UNKNOWN},
        {"SMTPUTF8", SPAN("FROM:<a@b> SMTPUTF8"), ALL, REPLY_NONE},
        {"SMTPUTF8 with a value, requirement 140", SPAN("FROM:<a@b> SMTPUTF8=x"), ALL, REPLY_PARAMETER_VALUE},
        {"SMTPUTF8 with an empty value", SPAN("FROM:<a@b> SMTPUTF8="), ALL, REPLY_PARAMETER_VALUE},
        {"UTF-8 with SMTPUTF8", SPAN("FROM:<j" UE "@b" UE "cher.example> SMTPUTF8"), ALL, REPLY_NONE},
        {"SMTPUTF8 last", SPAN("FROM:<j" UE "@b> SIZE=1 SMTPUTF8"), ALL, REPLY_NONE},
        {"UTF-8 without", SPAN("FROM:<j" UE "@b> SIZE=1"), ALL, REPLY_SENDER_UTF8},
        {"UTF-8 domain without", SPAN("FROM:<a@b" UE "cher.example>"), ALL, REPLY_SENDER_UTF8},
        {"UTF-8 route without", SPAN("FROM:<@b" UE "cher.example:a@b>"), ALL, REPLY_SENDER_UTF8},
        {"UTF-8 not offered", SPAN("FROM:<j" UE "@b> SMTPUTF8"), SMTP_EXT_SIZE, REPLY_PARAMETER_UNKNOWN},
        {"overlong, requirement 141", SPAN("FROM:<a\xc0\xaf@b> SMTPUTF8"), ALL, REPLY_SENDER_UTF8_INVALID},
        {"surrogate", SPAN("FROM:<a\xed\xa0\x80@b> SMTPUTF8"), ALL, REPLY_SENDER_UTF8_INVALID},
        {"RET", SPAN("FROM:<a@b> RET=hdrs"), ALL, REPLY_NONE},
        {"RET, bad", SPAN("FROM:<a@b> RET=BODY"), ALL, REPLY_PARAMETER_VALUE},
        {"RET twice", SPAN("FROM:<a@b> RET=FULL RET=FULL"), ALL, REPLY_PARAMETER_REPEATED},
        {"ENVID of 100", SPAN("FROM:<a@b> ENVID=" A50 A50), ALL, REPLY_NONE},
        {"ENVID of 101", SPAN("FROM:<a@b> ENVID=" A50 A50 "a"), ALL, REPLY_PARAMETER_VALUE},
        {"ENVID twice", SPAN("FROM:<a@b> ENVID=a ENVID=a"), ALL, REPLY_PARAMETER_REPEATED},
        {"ENVID, empty", SPAN("FROM:<a@b> ENVID="), ALL, REPLY_PARAMETER_VALUE},
        {"ENVID, encoded CR, requirement 134", SPAN("FROM:<a@b> ENVID=a+0D"), ALL, REPLY_PARAMETER_VALUE},
        {"ENVID, encoded LF", SPAN("FROM:<a@b> ENVID=a+0Ab"), ALL, REPLY_PARAMETER_VALUE},
        {"ENVID, encoded NUL", SPAN("FROM:<a@b> ENVID=+00"), ALL, REPLY_PARAMETER_VALUE},
        {"ENVID, encoded 8 bit", SPAN("FROM:<a@b> ENVID=+C3+BC"), ALL, REPLY_PARAMETER_VALUE},
        {"ENVID, bad xtext", SPAN("FROM:<a@b> ENVID=+GG"), ALL, REPLY_PARAMETER_VALUE},
        {"ENVID, second equals", SPAN("FROM:<a@b> ENVID=a=b"), ALL, REPLY_PARAMETER_VALUE},
        {"AUTH", SPAN("FROM:<a@b> AUTH=<>"), ALL, REPLY_NONE},
        {"AUTH, address", SPAN("FROM:<a@b> AUTH=e+3Dmc2@example.com"), ALL, REPLY_NONE},
        {"AUTH, encoded CR", SPAN("FROM:<a@b> AUTH=a+0D@b"), ALL, REPLY_PARAMETER_VALUE},
        {"AUTH of 501", SPAN("FROM:<a@b> AUTH=" A50 A50 A50 A50 A50 A50 A50 A50 A50 A50 "a"), ALL,
         REPLY_PARAMETER_VALUE},
        {"AUTH of 500", SPAN("FROM:<a@b> AUTH=" A50 A50 A50 A50 A50 A50 A50 A50 A50 A50), ALL, REPLY_NONE},
        {"AUTH not offered", SPAN("FROM:<a@b> AUTH=<>"), PLAIN, REPLY_PARAMETER_UNKNOWN},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_mail_args args = {.size_bytes = 77, .body = (enum smtp_body)77};
        struct arena mem;
        arena_init(&mem, 4096);
        struct reply r = smtp_mail_args_parse(rows[i].argument, rows[i].offered, &mem, &args);
        CHECK_SPAN(rows[i].name, smtp_reply_name(r.id), smtp_reply_name(rows[i].reply));
        CHECK(rows[i].name, (args.body == (enum smtp_body)77) == (rows[i].reply != REPLY_NONE)); /* untouched */
        arena_clear(&mem);
    }
}

static void
test_values(void **state)
{
    (void)state;
    struct smtp_mail_args args;
    struct arena mem;
    arena_init(&mem, 4096);
    struct reply r = smtp_mail_args_parse(
        SPAN("FROM:<@x:Bob@EXAMPLE.org> size=123 body=BINARYMIME SMTPUTF8 RET=HDRS ENVID=Q+2BQ "
             "AUTH=e+3Dmc2@example.com"),
        ALL, &mem, &args);
    assert_true(reply_is_none(r));
    assert_int_equal(args.reverse_path.kind, PATH_MAILBOX);
    CHECK_SPAN("as written", args.reverse_path.text, SPAN("Bob@EXAMPLE.org"));
    CHECK_SPAN("domain", domain_span(&args.reverse_path.mailbox.domain), SPAN("example.org"));
    assert_true(args.has_size && args.size_bytes == 123);
    assert_true(args.has_body && args.body == SMTP_BODY_BINARYMIME);
    assert_true(args.is_smtputf8);
    assert_int_equal(args.ret, SMTP_RET_HDRS);
    CHECK_SPAN("envid", args.envid, SPAN("Q+Q"));
    assert_true(args.has_auth);
    CHECK_SPAN("auth", args.auth, SPAN("e=mc2@example.com"));
    r = smtp_mail_args_parse(SPAN("FROM:<> AUTH=<>"), ALL, &mem, &args);
    assert_true(reply_is_none(r));
    assert_int_equal(args.reverse_path.kind, PATH_NULL);
    assert_true(!args.has_size && !args.has_body && !args.is_smtputf8 && args.ret == SMTP_RET_UNSET);
    assert_int_equal(args.body, SMTP_BODY_7BIT);
    assert_true(args.has_auth && args.auth.len == 0 && args.envid.len == 0);
    arena_clear(&mem);
}

static void
test_reply_arguments(void **state)
{
    (void)state;
    struct smtp_mail_args args;
    struct arena mem;
    arena_init(&mem, 16);
    struct reply r = smtp_mail_args_parse(SPAN("FROM:<a@b> foo=1"), ALL, &mem, &args);
    CHECK_SPAN("keyword", r.text[0], SPAN("foo"));
    r = smtp_mail_args_parse(SPAN("FROM:<a@" A50 A10 "aaaa>"), ALL, &mem, &args);
    assert_int_equal(r.number, 255);
    r = smtp_mail_args_parse(SPAN("FROM:<a@b> ENVID=" A50), ALL, &mem, &args); /* the arena is too small */
    assert_int_equal(r.id, REPLY_MEMORY);
    arena_clear(&mem);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_reply_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
