/* complete_test.c - what goes without saying, and what one value demands of another. */
#include "parsing.h"

static void
test_without_saying(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "least", "hostname mail.example.org;");
    assert_int_equal(p.config->listeners.count, 1);
    CHECK_SPAN("listener", p.config->listeners.items[0].title.value, SPAN("loopback"));
    CHECK_SPAN("loopback only", p.config->listeners.items[0].addresses.items[0].text, SPAN("127.0.0.1:25"));
    assert_false(config_endpoint_is_public(&p.config->listeners.items[0].addresses.items[0]));
    assert_int_equal(p.config->domains.count, 1);
    const struct config_domain *own = &p.config->domains.items[0];
    CHECK_SPAN("domain", domain_span(&own->title.value), SPAN("mail.example.org"));
    assert_int_equal(own->pos.line, 0);
    assert_true(own->recipients.has_accounts && own->recipients.has_local);
    parsing_done(&p);

    parsing_valid(&p, "hostname with a block", "hostname mail.example.org; domain mail.example.org { recipients "
        "accounts; }");
    assert_int_equal(p.config->domains.count, 1);
    assert_false(p.config->domains.items[0].recipients.has_local);
    parsing_done(&p);
}

static void
test_domains_in_order(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "order", "hostname m.example; domain z.example { } domain a.example { } domain b.example { }");
    static const char *const names[] = {"a.example", "b.example", "m.example", "z.example"};
    assert_int_equal(p.config->domains.count, ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        CHECK_SPAN("order", domain_span(&p.config->domains.items[i].title.value), span_from_cstr(names[i]));
    parsing_done(&p);
}

static void
test_demands(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *wanted;
    } rows[] = {
        {"single label, reachable", "hostname mail;\nlistener mx { address 0.0.0.0:25; }",
         "1:10: 'hostname' must be a full name such as mail.example.org, not 'mail': other servers can reach "
         "0.0.0.0:25 (line 2)\n"},
        {"localhost, reachable", "hostname localhost.localdomain;\nlistener mx { address [::]:25; }",
         "1:10: 'hostname' must be a full name such as mail.example.org, not 'localhost.localdomain': other servers "
         "can reach "
         "[::]:25 (line 2)\n"},
        {"single label, loopback", "hostname mail;\nlistener mx { address 127.0.0.1:25 [::1]:25 unix:/s; }", ""},
        {"full name, reachable", "hostname mail.example.org;\nlistener mx { address 0.0.0.0:25 [::]:25; }", ""},
        {"listener twice", "hostname a.example;\nlistener mx { address 127.0.0.1:25; }\nlistener mx { address "
         "127.0.0.1:26; }",
         "3:10: listener 'mx' stands here again; the first is at /etc/godwit/godwit.conf:2:10\n"},
        {"address twice", "hostname a.example;\nlistener a { address 127.0.0.1:25; }\nlistener b { address "
         "127.0.0.1:25; }",
         "3:22: '127.0.0.1:25' is taken by '127.0.0.1:25' at /etc/godwit/godwit.conf:2:22\n"},
        {"address within all", "hostname a.example;\nlistener a { address 0.0.0.0:25 127.0.0.1:25; }",
         "2:33: '127.0.0.1:25' is taken by '0.0.0.0:25' at /etc/godwit/godwit.conf:2:22\n"},
        {"two addresses of one port", "hostname a.example;\nlistener a { address 127.0.0.1:25 127.0.0.2:25; }", ""},
        {"other port", "hostname a.example;\nlistener a { address 0.0.0.0:25 127.0.0.1:26; }", ""},
        {"all of IPv4 and all of IPv6", "hostname a.example;\nlistener a { address 0.0.0.0:25 [::]:25; }", ""},
        {"unix socket twice", "hostname a.example;\nlistener a { address unix:/s unix:/s; }",
         "2:30: 'unix:/s' is taken by 'unix:/s' at /etc/godwit/godwit.conf:2:22\n"},
        {"lmtp on port 25 (70)", "hostname a.example;\nlistener a { address 127.0.0.1:25; protocol lmtp; }",
         "2:45: lmtp is not spoken on port 25 (RFC 2033); '127.0.0.1:25' is one\n"},
        {"normalize on port 25 (47)", "hostname a.example;\nlistener a { address 127.0.0.1:25; bare-newline "
         "normalize; }",
         "2:49: 'normalize' is not for port 25, where it would let smuggled messages in; '127.0.0.1:25' is one\n"},
        {"normalize on another port (47)", "hostname a.example;\nlistener a { address 127.0.0.1:2525; bare-newline "
         "normalize; }", ""},
        {"root", "hostname a.example;\nusers { edge root; queue 0; group root; }",
         "2:14: root is not allowed here: this process handles bytes of strangers\n"
         "2:26: root is not allowed here: this process handles bytes of strangers\n"},
        {"backlog upside down", "hostname a.example;\nspool { backlog-slow 5000; backlog-max 4000; }",
         "2:22: 'backlog-slow' (5000) is over 'backlog-max' (4000)\n"},
        {"backlog under the default", "hostname a.example;\nspool { backlog-max 4000; }",
         "2:21: 'backlog-slow' (10000) is over 'backlog-max' (4000)\n"},
        {"domain by U-label and A-label (144)", "hostname a.example;\ndomain b\xc3\xbc" "cher.example { }\ndomain "
         "xn--bcher-kva.example { }",
         "3:8: domain 'xn--bcher-kva.example' stands here again; the first is at /etc/godwit/godwit.conf:2:8\n"},
        {"demands are said beside other mistakes", "hostname mail;\nlistener mx { address 0.0.0.0:25; }\nfoo;",
         "1:10: 'hostname' must be a full name such as mail.example.org, not 'mail': other servers can reach "
         "0.0.0.0:25 (line 2)\n"
         "3:1: unknown key 'foo'\n"},
        {"what could not be read is not blamed again", "hostname a..b;\nlistener mx { address 0.0.0.0:25; }\nspool { "
         "backlog-max x; }",
         "1:10: 'hostname' wants a domain name such as example.com, not 'a..b'\n3:21: 'backlog-max' wants a number, "
         "not 'x'\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        parsing_says(rows[i].name, rows[i].text, rows[i].wanted);
}

/* "Again" is what is read later, whatever the order of names or lines. */
static void
test_again_across_files(void **state)
{
    (void)state;
    struct parsing p;
    config_sources_init(&p.sources);
    struct config_source first = {.name = SPAN("/a"), .text = SPAN("hostname h.example;\n\n\ndomain x.example { "
        "}\ninclude b;")};
    struct config_source second = {
        .name = SPAN("/b"), .text = SPAN("domain X.example { }"), .include_line = 5, .include_column = 1};
    assert_int_equal(config_sources_add(&p.sources, &first), ERR_OK);
    assert_int_equal(config_sources_add(&p.sources, &second), ERR_OK);
    parsing_read(&p);
    CHECK_SPAN("second file", buf_span(&p.said),
               SPAN("/b:1:8: domain 'x.example' stands here again; the first is at /a:4:8\n"));
    parsing_done(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_saying), cmocka_unit_test(test_domains_in_order), cmocka_unit_test(test_demands),
        cmocka_unit_test(test_again_across_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
