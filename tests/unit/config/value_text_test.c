/* value_text_test.c - names, users, paths, choices, domains, addresses. */
#include "parsing.h"

#include <stdio.h>

static void
test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *wanted;
    } rows[] = {
        {"users { edge 'a b'; }", "2:14: 'edge' wants a name or number, not 'a b'\n"},
        {"users { edge 4294967295; }", "2:14: 'edge' wants a name or number, not '4294967295'\n"},
        {"users { edge 12x; }", "2:14: 'edge' wants a name or number, not '12x'\n"},
        {"run-directory '';", "2:15: 'run-directory' wants a path, not ''\n"},
        {"log { format xml; }", "2:14: 'format' wants one of text, json, not 'xml'\n"},
        {"log { level warn; }",
         "2:13: 'level' wants one of debug, info, notice, warning, error, critical, not 'warn'\n"},
        {"log { level notise; }",
         "2:13: 'level' wants one of debug, info, notice, warning, error, critical, not 'notise'; did you mean "
         "'notice'?\n"},
        {"domain -.com { }", "2:8: 'domain' wants a domain name such as example.com, not '-.com'\n"},
        {"domain a..com { }", "2:8: 'domain' wants a domain name such as example.com, not 'a..com'\n"},
        {"domain aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com { }",
         "2:8: 'domain' wants a domain name such as example.com, not "
         "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com' (more than 255 octets, or 63 between "
         "two dots)\n"},
        {"postmaster @example.com;", "2:12: 'postmaster' wants an address such as alice@example.com, not "
         "'@example.com'\n"},
        {"domain x.example { subaddress ab; }", "2:31: 'subaddress' wants one of + - = _ # % ~ !, not 'ab'\n"},
        {"domain x.example { subaddress @; }", "2:31: 'subaddress' wants one of + - = _ # % ~ !, not '@'\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[500];
        assert_true((size_t)snprintf(text, sizeof(text), "hostname a.example;\n%s", rows[i].text) < sizeof(text));
        parsing_says(rows[i].text, text, rows[i].wanted);
    }
}

static void
test_values(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "texts",
                  "hostname m\xc3\xbcller.example;\n"
                  "postmaster '\"Strange One\"@Example.ORG';\n"
                  "run-directory ./run/;\n"
                  "state-directory /var//x/;\n"
                  "users { edge 61000; queue _mail-queue; }\n"
                  "log { format json; level critical; }\n"
                  "local { maildir 'My Mail'; }\n"
                  "domain x.example { subaddress off; }\n"
                  "domain y.example { subaddress -; }\n");
    const struct config *c = p.config;
    CHECK_SPAN("U-label (144)", domain_span(&c->hostname.value), SPAN("xn--mller-kva.example"));
    CHECK_SPAN("quoted local part", mailbox_local(&c->postmaster.value), SPAN("Strange One"));
    CHECK_SPAN("its domain", domain_span(&c->postmaster.value.domain), SPAN("example.org"));
    CHECK_SPAN("./ and final /", c->run_directory.value, SPAN("/etc/godwit/run"));
    CHECK_SPAN("absolute", c->state_directory.value, SPAN("/var//x"));
    CHECK_SPAN("number", c->users.edge.value, SPAN("61000"));
    CHECK_SPAN("underscore", c->users.queue.value, SPAN("_mail-queue"));
    assert_int_equal(c->log.format.value, CONFIG_LOG_JSON);
    assert_int_equal(c->log.level.value, 5);
    CHECK_SPAN("text", c->local.maildir.value, SPAN("My Mail"));
    assert_true(span_is_empty(config_domain_find(c, SPAN("x.example"))->subaddress.value));
    CHECK_SPAN("separator", config_domain_find(c, SPAN("y.example"))->subaddress.value, SPAN("-"));
    parsing_done(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused), cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
