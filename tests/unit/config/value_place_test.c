/* value_place_test.c - endpoints, stub zones, sources of recipients, deliveries. */
#include "parsing.h"

#include <stdio.h>

static void
test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *written;
        enum config_endpoint_kind kind;
        const char *canonical;
        bool is_public;
    } rows[] = {
        {"127.0.0.1:25", CONFIG_ENDPOINT_IPV4, "127.0.0.1:25", false},
        {"127.5.6.7:65535", CONFIG_ENDPOINT_IPV4, "127.5.6.7:65535", false},
        {"0.0.0.0:25", CONFIG_ENDPOINT_IPV4, "0.0.0.0:25", true},
        {"192.0.2.1:25", CONFIG_ENDPOINT_IPV4, "192.0.2.1:25", true},
        {"[::1]:25", CONFIG_ENDPOINT_IPV6, "[::1]:25", false},
        {"[::]:25", CONFIG_ENDPOINT_IPV6, "[::]:25", true},
        {"[2001:DB8:0:0::1]:025", CONFIG_ENDPOINT_IPV6, "[2001:db8::1]:25", true},
        {"unix:/run/x.sock", CONFIG_ENDPOINT_UNIX, "unix:/run/x.sock", false},
        {"unix:x.sock", CONFIG_ENDPOINT_UNIX, "unix:/etc/godwit/x.sock", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[500];
        struct parsing p;
        snprintf(text, sizeof(text), "hostname a.example;\nlistener x { address %s; }", rows[i].written);
        parsing_valid(&p, rows[i].written, text);
        const struct config_endpoint *e = &p.config->listeners.items[0].addresses.items[0];
        CHECK(rows[i].written, e->kind == rows[i].kind);
        CHECK_SPAN(rows[i].written, e->text, span_from_cstr(rows[i].canonical));
        CHECK(rows[i].written, config_endpoint_is_public(e) == rows[i].is_public);
        CHECK(rows[i].written, (e->port == 0) == (e->kind == CONFIG_ENDPOINT_UNIX));
        parsing_done(&p);
    }
}

static void
test_addresses_refused(void **state)
{
    (void)state;
    static const struct {
        const char *written;
        const char *hint;
    } rows[] = {
        {"25", "; all of IPv4 is 0.0.0.0:PORT, all of IPv6 is [::]:PORT"},
        {":25", "; all of IPv4 is 0.0.0.0:PORT, all of IPv6 is [::]:PORT"},
        {"*:25", "; all of IPv4 is 0.0.0.0:PORT, all of IPv6 is [::]:PORT"},
        {"127.0.0.1", "; the port is missing"},
        {"::1", "; an IPv6 address with a port is [ADDRESS]:PORT"},
        {"2001:db8::1:25", "; an IPv6 address with a port is [ADDRESS]:PORT"},
        {"localhost:25", "; names are not looked up here, write the address"},
        {"/run/x", "; a socket in the file system is unix:/PATH"},
        {"unix:", ""},
        {"mail", ""},
        {"127.0.0.1:0", "; a port is a number from 1 to 65535"},
        {"127.0.0.1:65536", "; a port is a number from 1 to 65535"},
        {"127.0.0.1:", ""},
        {"[127.0.0.1]:25", ""},
        {"[::1]", ""},
        {"[::1]:", ""},
        {"[::1]25", ""},
        {"[::1:25", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[500], wanted[500];
        snprintf(text, sizeof(text), "hostname a.example;\nlistener x { address %s; }", rows[i].written);
        snprintf(wanted, sizeof(wanted),
                 "2:22: 'address' wants an address and port such as 192.0.2.1:25, [2001:db8::1]:25 or unix:/path, not "
                 "'%s'%s\n",
                 rows[i].written, rows[i].hint);
        parsing_says(rows[i].written, text, wanted);
    }
    parsing_says("empty", "hostname a.example;\nlistener x { address ''; }",
                 "2:22: 'address' wants an address and port such as 192.0.2.1:25, [2001:db8::1]:25 or unix:/path, not "
                 "''\n");
    parsing_says("long path",
                 "hostname a.example;\nlistener x { address unix:/"
                 "01234567890123456789012345678901234567890123456789"
                 "01234567890123456789012345678901234567890123456789/012345; }",
                 "2:22: the path of a socket has at most 107 octets\n");
}

static void
test_resolver(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "resolver",
                  "hostname a.example;\n"
                  "resolver { servers 192.0.2.53 127.0.0.1:5353 ::1 [2001:db8::53]:53;\n"
                  "           stub Example.TEST 127.0.0.1:5300 [::1]:5300; stub . 127.0.0.2; trust-anchor none; }\n");
    const struct config_resolver *r = &p.config->resolver;
    assert_int_equal(r->servers.count, 4);
    CHECK_SPAN("port left out", r->servers.items[0].text, SPAN("192.0.2.53:53"));
    CHECK_SPAN("port given", r->servers.items[1].text, SPAN("127.0.0.1:5353"));
    CHECK_SPAN("IPv6 without port", r->servers.items[2].text, SPAN("[::1]:53"));
    assert_int_equal(r->stubs.count, 2);
    CHECK_SPAN("zone", domain_span(&r->stubs.items[0].zone), SPAN("example.test"));
    assert_int_equal(r->stubs.items[0].servers.count, 2);
    CHECK_SPAN("server", r->stubs.items[0].servers.items[1].text, SPAN("[::1]:5300"));
    assert_int_equal(r->stubs.items[1].zone.len, 0);
    assert_true(span_is_empty(r->trust_anchor.value));
    parsing_done(&p);
    parsing_says("stub without a server", "hostname a.example;\nresolver { stub example.test; }",
                 "2:12: 'stub' has no value; it wants a zone and its servers\n");
    parsing_says("stub without a zone", "hostname a.example;\nresolver { stub a..b 127.0.0.1; }",
                 "2:17: 'stub' wants a zone and its servers, not 'a..b'\n");
}

static void
test_domains(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "domains",
                  "hostname a.example;\n"
                  "domain plain.example { }\n"
                  "domain many.example { recipients accounts file list; recipients socketmap unix:/run/sm.sock "
                  "virtual;\n"
                  "                      deliver lmtp unix:/run/dovecot/lmtp; }\n"
                  "domain local.example { recipients local; deliver lmtp [::1]:24; }\n");
    const struct config_domain *plain = config_domain_find(p.config, SPAN("plain.example"));
    assert_true(plain->recipients.has_accounts && !plain->recipients.has_local && !plain->recipients.has_socketmap);
    assert_true(span_is_empty(plain->recipients.file));
    assert_int_equal(plain->deliver.kind, CONFIG_DELIVER_MAILDIR);

    const struct config_domain *many = config_domain_find(p.config, SPAN("many.example"));
    assert_true(many->recipients.has_accounts && !many->recipients.has_local && many->recipients.has_socketmap);
    CHECK_SPAN("file", many->recipients.file, SPAN("/etc/godwit/list"));
    CHECK_SPAN("socketmap", many->recipients.socketmap.path, SPAN("/run/sm.sock"));
    CHECK_SPAN("map", many->recipients.socketmap_name, SPAN("virtual"));
    assert_int_equal(many->recipients.pos.line, 3);
    assert_int_equal(many->deliver.kind, CONFIG_DELIVER_LMTP);
    CHECK_SPAN("lmtp", many->deliver.lmtp.text, SPAN("unix:/run/dovecot/lmtp"));

    const struct config_domain *local = config_domain_find(p.config, SPAN("local.example"));
    assert_true(!local->recipients.has_accounts && local->recipients.has_local);
    assert_int_equal(local->deliver.lmtp.port, 24);
    parsing_done(&p);
}

static void
test_domains_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* inside of domain x.example { } */
        const char *wanted;
    } rows[] = {
        {"recipients all;", "2:31: 'recipients' wants accounts, local, file PATH or socketmap ADDRESS MAP, not "
         "'all'\n"},
        {"recipients file;", "2:20: 'recipients' has no value; it wants accounts, local, file PATH or socketmap "
         "ADDRESS MAP\n"},
        {"recipients file a file b;", "2:38: a second file of recipients; the first stands in line 2\n"},
        {"recipients socketmap unix:/s;", "2:20: 'recipients' has no value; it wants accounts, local, file PATH or "
         "socketmap ADDRESS MAP\n"},
        {"deliver mbox;", "2:28: 'deliver' wants maildir or lmtp ADDRESS, not 'mbox'\n"},
        {"deliver lmtp;", "2:20: 'deliver' has no value; it wants maildir or lmtp ADDRESS\n"},
        {"deliver maildir /var/mail;", "2:36: 'deliver' takes no further '/var/mail'\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[500];
        snprintf(text, sizeof(text), "hostname a.example;\ndomain x.example { %s }", rows[i].text);
        parsing_says(rows[i].text, text, rows[i].wanted);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_addresses_refused), cmocka_unit_test(test_resolver),
        cmocka_unit_test(test_domains),   cmocka_unit_test(test_domains_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
