/* received_test.c - RFC 5321 §4.4, RFC 3848, RFC 6531 §4.3, RFC 8314 §4.3; requirements 63 to 66. */
#include "check.h"

#include "proto/msg/header_block.h"
#include "proto/msg/received.h"

static const int64_t WALL_US = INT64_C(1793606705000000); /* 2026-11-02 08:05:05 UTC */

static struct address_literal
ip_of(const char *text)
{
    struct address_literal a = {0};
    assert_true(address_literal_parse_ip(span_from_cstr(text), &a));
    return a;
}

static void
check(const char *name, const struct received *r, const char *wanted)
{
    struct buf b;
    buf_init(&b, 4096);
    CHECK(name, received_format(r, &b) == ERR_OK);
    CHECK_SPAN(name, buf_span(&b), span_from_cstr(wanted));
    buf_done(&b);
}

static void
test_fields(void **state)
{
    (void)state;
    struct mailbox bob;
    assert_int_equal(mailbox_parse(SPAN("\"b b\"@example.org"), false, &bob), ADDR_OK);
    struct received r = {
        .helo = SPAN("client.example"), .client_name = SPAN("host.client.example"), .client = ip_of("192.0.2.1"),
        .by = SPAN("mx.example.org"), .with = SPAN("ESMTP"), .id = SPAN("01HZY"), .wall_us = WALL_US,
    };
    check("plain", &r, "Received: from client.example (host.client.example [192.0.2.1])\r\n"
                       "\tby mx.example.org with ESMTP id 01HZY;\r\n"
                       "\tMon, 2 Nov 2026 08:05:05 +0000\r\n");
    r.client_name = SPAN_EMPTY;
    r.client = ip_of("2001:db8::1");
    r.zone_minutes = 60;
    r.for_recipient = &bob;
    check("IPv6, no reverse name, for", &r,
          "Received: from client.example (unknown [IPv6:2001:db8::1])\r\n"
          "\tby mx.example.org with ESMTP id 01HZY for <\"b b\"@example.org>;\r\n"
          "\tMon, 2 Nov 2026 09:05:05 +0100\r\n");
    r.for_recipient = NULL;
    r.with = SPAN("ESMTPS");
    r.tls_version = SPAN("TLSv1.3");
    r.tls_cipher = SPAN("TLS_AES_256_GCM_SHA384");
    r.helo = SPAN("[192.0.2.9]");
    check("TLS as a comment, literal", &r,
          "Received: from [192.0.2.9] (unknown [IPv6:2001:db8::1])\r\n"
          "\tby mx.example.org with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id\r\n"
          "\t01HZY;\r\n"
          "\tMon, 2 Nov 2026 09:05:05 +0100\r\n");
    r.has_tls_clause = true;
    check("TLS as a clause", &r,
          "Received: from [192.0.2.9] (unknown [IPv6:2001:db8::1])\r\n"
          "\tby mx.example.org with ESMTPS (TLSv1.3) id 01HZY tls\r\n"
          "\tTLS_AES_256_GCM_SHA384;\r\n"
          "\tMon, 2 Nov 2026 09:05:05 +0100\r\n");
    struct received local = {.by = SPAN("mx.example.org"), .with = SPAN("LMTP"), .id = SPAN("X"), .wall_us = WALL_US};
    check("no client", &local, "Received: by mx.example.org with LMTP id X;\r\n\tMon, 2 Nov 2026 08:05:05 +0000\r\n");
    local.helo = SPAN("localhost");
    check("not over IP", &local,
          "Received: from localhost\r\n\tby mx.example.org with LMTP id X;\r\n\tMon, 2 Nov 2026 08:05:05 +0000\r\n");
    local.helo = SPAN("a b");
    check("not over IP, no domain", &local,
          "Received: from unknown (helo=a?b)\r\n\tby mx.example.org with LMTP id X;\r\n"
          "\tMon, 2 Nov 2026 08:05:05 +0000\r\n");
    local.with = SPAN("ESMTP");
    local.local_user = SPAN("ann");
    check("a user of this machine, whatever it calls itself", &local,
          "Received: by mx.example.org (local user ann) with ESMTP id X;\r\n\tMon, 2 Nov 2026 08:05:05 +0000\r\n");
    local.local_user = SPAN("a) b;\r\n(");
    check("an odd name", &local,
          "Received: by mx.example.org (local user a?\?b?\?\?\?) with ESMTP id X;\r\n\tMon, 2 Nov 2026 08:05:05 +0000\r\n");
}

/* Whatever a client calls itself or its reverse zone says, it is one field of ours and nothing else. */
static void
test_hostile(void **state)
{
    (void)state;
    static const struct {
        struct span helo, client_name;
        const char *from;
    } rows[] = {
        {SPAN("my_pc"), SPAN("x"), "Received: from [192.0.2.1] (x [192.0.2.1] helo=my_pc)\r\n"},
        {SPAN("a) by evil with (b"), SPAN("x"),
         "Received: from [192.0.2.1] (x [192.0.2.1] helo=a??by?evil?with??b)\r\n"},
        {SPAN("a\r\nBcc: x"), SPAN("x"), "Received: from [192.0.2.1] (x [192.0.2.1] helo=a??Bcc:?x)\r\n"},
        {SPAN("a\\"), SPAN("x"), "Received: from [192.0.2.1] (x [192.0.2.1] helo=a?)\r\n"},
        {SPAN("a;b\"<c>\0\xc3\xa4"), SPAN("x"), "Received: from [192.0.2.1] (x [192.0.2.1] helo=a?b??c???\?)\r\n"},
        {SPAN("good.example"), SPAN("evil) x"), "Received: from good.example (unknown [192.0.2.1])\r\n"},
        {SPAN("good.example"), SPAN("a_b.example"), "Received: from good.example (unknown [192.0.2.1])\r\n"},
        {SPAN("[IPv6:::1]"), SPAN("x"), "Received: from [IPv6:::1] (x [192.0.2.1])\r\n"},
        {SPAN("[evil]"), SPAN("x"), "Received: from [192.0.2.1] (x [192.0.2.1] helo=[evil])\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct received r = {.helo = rows[i].helo, .client_name = rows[i].client_name, .client = ip_of("192.0.2.1"),
                             .by = SPAN("mx.example"), .with = SPAN("SMTP"), .id = SPAN("I"), .wall_us = WALL_US};
        struct buf b;
        buf_init(&b, 4096);
        assert_int_equal(received_format(&r, &b), ERR_OK);
        CHECK(rows[i].from, span_has_prefix(buf_span(&b), span_from_cstr(rows[i].from)));
        struct span section = buf_span(&b);
        struct header_field field;
        CHECK(rows[i].from, header_field_take(&section, &field) && section.len == 0);
        CHECK_SPAN(rows[i].from, field.name, SPAN("Received"));
        buf_done(&b);
    }
}

static void
test_lines_are_short(void **state)
{
    (void)state;
    uint8_t longest[1000];
    memset(longest, 'x', sizeof(longest));
    struct received r = {.helo = span_of(longest, sizeof(longest)), .client_name = SPAN("x"),
        .client = ip_of("192.0.2.1"),
                         .by = span_of(longest, 255), .with = SPAN("ESMTPS"), .id = SPAN("I"),
                         .tls_version = span_of(longest, 300), .tls_cipher = span_of(longest, 300), .wall_us = WALL_US};
    struct buf b;
    buf_init(&b, 8192);
    assert_int_equal(received_format(&r, &b), ERR_OK);
    for (struct span left = buf_span(&b); left.len > 0;) {
        size_t line = span_find(left, '\n');
        assert_true(line < left.len && line + 1 <= 998 + 2);
        left = span_skip(left, line + 1);
    }
    buf_done(&b);
    uint8_t room[64];
    buf_init_fixed(&b, room, sizeof(room));
    assert_int_equal(buf_append(&b, SPAN("kept")), ERR_OK);
    assert_int_equal(received_format(&r, &b), ERR_LIMIT);
    CHECK_SPAN("nothing half-written", buf_span(&b), SPAN("kept"));
}

static void
test_with(void **state)
{
    (void)state;
    static const struct {
        struct received_protocol p;
        const char *with;
    } rows[] = {
        {{.is_extended = false}, "SMTP"},
        {{.is_extended = true}, "ESMTP"},
        {{.is_extended = true, .is_tls = true}, "ESMTPS"},
        {{.is_extended = true, .is_authenticated = true}, "ESMTPA"},
        {{.is_extended = true, .is_tls = true, .is_authenticated = true}, "ESMTPSA"},
        {{.is_tls = true}, "ESMTPS"}, /* HELO after STARTTLS: no keyword of its own */
        {{.is_lmtp = true, .is_extended = true}, "LMTP"},
        {{.is_lmtp = true, .is_extended = true, .is_tls = true}, "LMTPS"},
        {{.is_lmtp = true, .is_extended = true, .is_authenticated = true}, "LMTPA"},
        {{.is_lmtp = true, .is_extended = true, .is_tls = true, .is_authenticated = true}, "LMTPSA"},
        {{.is_extended = true, .is_smtputf8 = true}, "UTF8SMTP"},
        {{.is_extended = true, .is_smtputf8 = true, .is_tls = true}, "UTF8SMTPS"},
        {{.is_extended = true, .is_smtputf8 = true, .is_authenticated = true}, "UTF8SMTPA"},
        {{.is_extended = true, .is_smtputf8 = true, .is_tls = true, .is_authenticated = true}, "UTF8SMTPSA"},
        {{.is_lmtp = true, .is_smtputf8 = true}, "UTF8LMTP"},
        {{.is_lmtp = true, .is_smtputf8 = true, .is_tls = true}, "UTF8LMTPS"},
        {{.is_lmtp = true, .is_smtputf8 = true, .is_authenticated = true}, "UTF8LMTPA"},
        {{.is_lmtp = true, .is_smtputf8 = true, .is_tls = true, .is_authenticated = true}, "UTF8LMTPSA"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CHECK_SPAN(rows[i].with, received_with(&rows[i].p), span_from_cstr(rows[i].with));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_lines_are_short),
        cmocka_unit_test(test_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
