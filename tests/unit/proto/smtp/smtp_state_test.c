/*
 * smtp_state_test.c - every verb in every state (requirement 44).
 *
 * The expected codes are written by hand from RFC 5321 §4.1.4 and §4.3.2, RFC 3030 §2 and §3, RFC 3207 §4, RFC 4954 §4
 * and RFC 2033 §4; 0 stands for "its handler may run". Requirements 17, 18, 21, 23, 26, 27, 53, 70.
 */
#include "check.h"

#include "proto/smtp/extension.h"
#include "proto/smtp/smtp_state.h"

enum { EVERYTHING = SMTP_EXT_CHUNKING | SMTP_EXT_STARTTLS | SMTP_EXT_AUTH | SMTP_EXT_ETRN | SMTP_EXT_EXPN };

static void
test_every_verb_in_every_state(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum smtp_verb verb;
        unsigned codes[SMTP_STATE_COUNT];
    } rows[] = {
        /*                           refused start ready mail rcpt bdat bdat-failed */
        {"EHLO", SMTP_VERB_EHLO,         {503, 0, 0, 0, 0, 0, 0}},
        {"HELO", SMTP_VERB_HELO,         {503, 0, 0, 0, 0, 0, 0}},
        {"LHLO", SMTP_VERB_LHLO,         {503, 500, 500, 500, 500, 500, 500}},
        {"MAIL", SMTP_VERB_MAIL,         {503, 503, 0, 503, 503, 503, 503}},
        {"RCPT", SMTP_VERB_RCPT,         {503, 503, 503, 0, 0, 503, 503}},
        {"DATA", SMTP_VERB_DATA,         {503, 503, 503, 503, 0, 503, 503}},
        {"BDAT", SMTP_VERB_BDAT,         {503, 503, 503, 503, 0, 0, 503}},
        {"RSET", SMTP_VERB_RSET,         {503, 0, 0, 0, 0, 0, 0}},
        {"NOOP", SMTP_VERB_NOOP,         {503, 0, 0, 0, 0, 0, 0}},
        {"QUIT", SMTP_VERB_QUIT,         {0, 0, 0, 0, 0, 0, 0}},
        {"VRFY", SMTP_VERB_VRFY,         {503, 0, 0, 0, 0, 0, 0}},
        {"EXPN", SMTP_VERB_EXPN,         {503, 0, 0, 0, 0, 0, 0}},
        {"HELP", SMTP_VERB_HELP,         {503, 0, 0, 0, 0, 0, 0}},
        {"STARTTLS", SMTP_VERB_STARTTLS, {503, 503, 0, 0, 0, 0, 0}},
        {"AUTH", SMTP_VERB_AUTH,         {503, 503, 0, 503, 503, 503, 503}},
        {"ETRN", SMTP_VERB_ETRN,         {503, 503, 0, 503, 503, 503, 503}},
        {"SEND", SMTP_VERB_OBSOLETE,     {503, 502, 502, 502, 502, 502, 502}},
        {"XYZZY", SMTP_VERB_UNKNOWN,     {503, 500, 500, 500, 500, 500, 500}},
    };
    assert_int_equal(ARRAY_LEN(rows), SMTP_VERB_COUNT);
    const struct smtp_session_kind kind = {.extensions = EVERYTHING};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int s = 0; s < SMTP_STATE_COUNT; s++) {
            unsigned code = smtp_reply_code(smtp_state_check((enum smtp_state)s, rows[i].verb, &kind).id);
            if (code != rows[i].codes[s])
                fail_msg("%s in state %.*s: %u, wanted %u", rows[i].name,
                         SPAN_ARG(smtp_state_name((enum smtp_state)s)), code, rows[i].codes[s]);
        }
}

static void
test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct smtp_session_kind kind;
        enum smtp_state state;
        enum smtp_verb verb;
        enum reply_id reply;
    } rows[] = {
        {"LHLO in LMTP", {.is_lmtp = true}, SMTP_STATE_START, SMTP_VERB_LHLO, REPLY_NONE},
        {"EHLO in LMTP, requirement 70", {.is_lmtp = true}, SMTP_STATE_START, SMTP_VERB_EHLO, REPLY_LHLO_WANTED},
        {"HELO in LMTP", {.is_lmtp = true}, SMTP_STATE_READY, SMTP_VERB_HELO, REPLY_LHLO_WANTED},
        {"LHLO in SMTP", {0}, SMTP_STATE_START, SMTP_VERB_LHLO, REPLY_EHLO_WANTED},
        {"BDAT not offered, requirement 18", {0}, SMTP_STATE_RCPT, SMTP_VERB_BDAT, REPLY_VERB_OFF},
        {"STARTTLS not offered", {0}, SMTP_STATE_READY, SMTP_VERB_STARTTLS, REPLY_VERB_OFF},
        {"STARTTLS again", {.is_tls = true}, SMTP_STATE_READY, SMTP_VERB_STARTTLS, REPLY_TLS_ALREADY},
        {"AUTH not offered", {0}, SMTP_STATE_READY, SMTP_VERB_AUTH, REPLY_VERB_OFF},
        {"AUTH again", {.is_authenticated = true, .extensions = EVERYTHING}, SMTP_STATE_READY, SMTP_VERB_AUTH,
         REPLY_AUTH_ALREADY},
        {"EXPN not offered", {0}, SMTP_STATE_READY, SMTP_VERB_EXPN, REPLY_VERB_OFF},
        {"refused session before anything else", {0}, SMTP_STATE_REFUSED, SMTP_VERB_BDAT, REPLY_SESSION_REFUSED},
        {"DATA without recipients, requirement 27", {0}, SMTP_STATE_MAIL, SMTP_VERB_DATA, REPLY_RCPT_FIRST},
        {"nested MAIL, requirement 26", {0}, SMTP_STATE_RCPT, SMTP_VERB_MAIL, REPLY_MAIL_NESTED},
        {"DATA after BDAT, requirement 53", {.extensions = EVERYTHING}, SMTP_STATE_BDAT, SMTP_VERB_DATA,
         REPLY_BDAT_UNDER_WAY},
        {"BDAT after a refused one, requirement 52", {.extensions = EVERYTHING}, SMTP_STATE_BDAT_FAILED, SMTP_VERB_BDAT,
         REPLY_BDAT_BROKEN},
        {"BDAT after LAST, requirement 53", {.extensions = EVERYTHING}, SMTP_STATE_READY, SMTP_VERB_BDAT,
         REPLY_MAIL_FIRST},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CHECK_SPAN(rows[i].name, smtp_reply_name(smtp_state_check(rows[i].state, rows[i].verb, &rows[i].kind).id),
                   smtp_reply_name(rows[i].reply));
}

#define CHUNK SMTP_EVENT_CHUNK
#define CHUNK_FAILED SMTP_EVENT_CHUNK_FAILED
#define END SMTP_EVENT_END
#define HELLO SMTP_EVENT_HELLO
#define MAIL SMTP_EVENT_MAIL
#define RCPT SMTP_EVENT_RCPT
#define RESET SMTP_EVENT_RESET
#define TLS SMTP_EVENT_TLS

static void
test_transactions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum smtp_event events[8];
        size_t count;
        enum smtp_state state;
    } rows[] = {
        {"hello", {HELLO}, 1, SMTP_STATE_READY},
        {"RSET before hello, requirement 23", {RESET}, 1, SMTP_STATE_START},
         {"DATA", {HELLO, MAIL, RCPT, RCPT, END}, 5, SMTP_STATE_READY},  {"one chunk", {HELLO, MAIL, RCPT, END}, 4,
         SMTP_STATE_READY},  {"chunks", {HELLO, MAIL, RCPT, CHUNK, CHUNK}, 5, SMTP_STATE_BDAT},  {"chunks and the last",
         {HELLO, MAIL, RCPT, CHUNK, END}, 5, SMTP_STATE_READY},  {"failed chunk", {HELLO, MAIL, RCPT, CHUNK_FAILED}, 4,
         SMTP_STATE_BDAT_FAILED},  {"and more of them", {HELLO, MAIL, RCPT, CHUNK, CHUNK_FAILED, CHUNK_FAILED}, 6,
         SMTP_STATE_BDAT_FAILED},  {"until RSET", {HELLO, MAIL, RCPT, CHUNK_FAILED, RESET}, 5, SMTP_STATE_READY},
         {"chunk out of order changes nothing", {HELLO, MAIL, CHUNK_FAILED}, 3, SMTP_STATE_MAIL},
         {"hello again resets, requirement 24", {HELLO, MAIL, RCPT, HELLO}, 4, SMTP_STATE_READY},
         {"TLS forgets the hello, requirement 100", {HELLO, MAIL, TLS}, 3, SMTP_STATE_START},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum smtp_state s = SMTP_STATE_START;
        for (size_t e = 0; e < rows[i].count; e++)
            s = smtp_state_after(s, rows[i].events[e]);
        CHECK_SPAN(rows[i].name, smtp_state_name(s), smtp_state_name(rows[i].state));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_verb_in_every_state),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_transactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
