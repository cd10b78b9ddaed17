/* value_rule_test.c - access rules, from the text of a configuration to the types of policy. */
#include "parsing.h"

#include <stdio.h>

static void
test_in_order(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "rules",
                  "hostname a.example;\n"
                  "access {\n"
                  "    accept client 192.0.2.7;\n"
                  "    drop client 192.0.2.0/24;\n"
                  "    reject sender .spam.example \"No, thank you\";\n"
                  "    defer recipient list@a.example;\n"
                  "    reject sender <>;\n"
                  "    accept helo friend.example;\n"
                  "}\n");
    static const struct {
        enum access_rule_action action;
        enum access_rule_subject subject;
        enum access_pattern_kind kind;
        const char *text;
    } rows[] = {
        {ACCESS_RULE_ACCEPT, ACCESS_RULE_CLIENT, ACCESS_PATTERN_NETWORK, ""},
        {ACCESS_RULE_DROP, ACCESS_RULE_CLIENT, ACCESS_PATTERN_NETWORK, ""},
        {ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, ACCESS_PATTERN_BELOW, "No, thank you"},
        {ACCESS_RULE_DEFER, ACCESS_RULE_RECIPIENT, ACCESS_PATTERN_MAILBOX, ""},
        {ACCESS_RULE_REJECT, ACCESS_RULE_SENDER, ACCESS_PATTERN_NULL, ""},
        {ACCESS_RULE_ACCEPT, ACCESS_RULE_HELO, ACCESS_PATTERN_NAME, ""},
    };
    const struct access_rule_list *rules = &p.config->access.rules;
    assert_int_equal(rules->count, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(rules->items[i].action, rows[i].action);
        assert_int_equal(rules->items[i].subject, rows[i].subject);
        assert_int_equal(rules->items[i].pattern.kind, rows[i].kind);
        assert_int_equal(rules->items[i].pos.line, 3 + i);
        assert_int_equal(rules->items[i].pos.column, 5);
        CHECK_SPAN("text", rules->items[i].text, span_from_cstr(rows[i].text));
    }
    parsing_done(&p);
}

static void
test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* inside of access { } */
        const char *wanted;
    } rows[] = {
        {"reject;", "2:10: 'reject' has no value; it wants client, helo, sender or recipient, and a pattern\n"},
        {"reject sendr x.example;",
         "2:17: 'reject' wants client, helo, sender or recipient, not 'sendr'; did you mean 'sender'?\n"},
        {"reject 192.0.2.1;", "2:17: 'reject' wants client, helo, sender or recipient, not '192.0.2.1'\n"},
        {"reject client;", "2:10: 'reject' has no value; it wants client, helo, sender or recipient, and a pattern\n"},
        {"reject client x.example;", "2:24: 'client' wants an address or network such as 192.0.2.0/24, not "
         "'x.example'\n"},
        {"reject client 192.0.2.1/24;",
         "2:24: '192.0.2.1/24' has bits set beyond its prefix; write the first address of the network\n"},
        {"reject recipient <>;", "2:27: 'recipient' wants user@example.com, example.com or .example.com, not '<>'\n"},
        {"drop sender x.example;",
         "2:15: 'drop' acts before the greeting, when only the client is known; did you mean 'reject sender'?\n"},
        {"accept client 192.0.2.1 hello;", "2:34: 'accept' takes no text: the client is told nothing\n"},
        {"reject client 192.0.2.1 no thanks;", "2:37: 'reject' takes no further 'thanks'\n"},
        {"reject client 192.0.2.1 'caf\xc3\xa9';", "2:34: the text for the client is 1 to 200 printable ASCII "
         "characters\n"},
        {"rejct client 192.0.2.1;", "2:10: unknown key 'rejct' in access; did you mean 'reject'?\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[500];
        snprintf(text, sizeof(text), "hostname a.example;\naccess { %s }", rows[i].text);
        parsing_says(rows[i].text, text, rows[i].wanted);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_in_order), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
