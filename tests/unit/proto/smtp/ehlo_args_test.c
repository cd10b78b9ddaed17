/* ehlo_args_test.c - RFC 5321 §4.1.1.1 and §4.1.4, RFC 6531 §3.7.1; requirements 14, 25, 144. */
#include "check.h"

#include "proto/smtp/ehlo_args.h"

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span argument;
        enum reply_id reply;
        enum smtp_ehlo_kind kind;
    } rows[] = {
        {"domain", SPAN("Client.example"), REPLY_NONE, SMTP_EHLO_DOMAIN},
        {"single label", SPAN("localhost"), REPLY_NONE, SMTP_EHLO_DOMAIN},
        {"IPv4 literal", SPAN("[192.0.2.1]"), REPLY_NONE, SMTP_EHLO_LITERAL},
        {"IPv6 literal", SPAN("[IPv6:2001:db8::1]"), REPLY_NONE, SMTP_EHLO_LITERAL},
        {"A-label", SPAN("xn--bcher-kva.example"), REPLY_NONE, SMTP_EHLO_DOMAIN},
        {"underscore, requirement 25", SPAN("my_pc"), REPLY_NONE, SMTP_EHLO_OTHER},
        {"dot at the end", SPAN("client.example."), REPLY_NONE, SMTP_EHLO_OTHER},
        {"bad literal", SPAN("[192.0.2]"), REPLY_NONE, SMTP_EHLO_OTHER},
        {"IPv6 without tag", SPAN("[2001:db8::1]"), REPLY_NONE, SMTP_EHLO_OTHER},
        {"255 octets", SPAN(A50 "_" A50 A50 A50 A50 "aaaa"), REPLY_NONE, SMTP_EHLO_OTHER},
        {"256 octets", SPAN(A50 "_" A50 A50 A50 A50 "aaaaa"), REPLY_EHLO_NAME, 0},
        {"two words", SPAN("my pc"), REPLY_EHLO_NAME, 0},
        {"U-label", SPAN("b\xc3\xbc" "cher.example"), REPLY_EHLO_NAME, 0},
        {"NUL", SPAN("a\0b"), REPLY_EHLO_NAME, 0},
        {"line end", SPAN("a\r\n"), REPLY_EHLO_NAME, 0},
        {"empty", SPAN(""), REPLY_EHLO_NAME, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_ehlo_args args = {.kind = (enum smtp_ehlo_kind)77};
        CHECK(rows[i].name, smtp_ehlo_args_parse(rows[i].argument, &args).id == rows[i].reply);
        if (rows[i].reply != REPLY_NONE) {
            CHECK(rows[i].name, args.kind == (enum smtp_ehlo_kind)77);
            continue;
        }
        CHECK(rows[i].name, args.kind == rows[i].kind);
        CHECK_SPAN(rows[i].name, args.name, rows[i].argument);
        CHECK(rows[i].name, (args.domain.len > 0) == (args.kind == SMTP_EHLO_DOMAIN));
        CHECK(rows[i].name, (args.literal.family != ADDRESS_LITERAL_NONE) == (args.kind == SMTP_EHLO_LITERAL));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
