/* plan_test.c - what ~/.forward and an entry of the aliases file have done with a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "deliver_parts.h"

static const struct row {
    const char *what;
    const char *text;
    const char *status;   /* of a refusal, NULL: a plan */
    bool to_mailbox;
    size_t commands;
    const char *forwards;
} rows[] = {
    {"an empty file", "", NULL, true, 0, ""},
    {"a comment", "# nothing\n\n", NULL, true, 0, ""},
    {"an address", "alice@example.org\n", NULL, false, 0, "alice@example.org"},
    {"several, on one line and more", "a@example.org, b@example.org\ncarol\n", NULL, false, 0,
     "a@example.org\nb@example.org\ncarol"},
    {"the user himself", "bob", NULL, true, 0, ""},
    {"the user, final", "\\bob", NULL, true, 0, ""},
    {"the user in capitals", "\\BOB", NULL, true, 0, ""},
    {"the recipient", "bob+shop@example.test", NULL, true, 0, ""},
    {"the user's address", "bob@EXAMPLE.test", NULL, true, 0, ""},
    {"with another detail", "bob+away@example.test", NULL, true, 0, ""},
    {"his namesake elsewhere", "bob@example.org", NULL, false, 0, "bob@example.org"},
    {"somebody who begins like him", "bobby", NULL, false, 0, "bobby"},
    {"himself and another", "\\bob, alice@example.org", NULL, true, 0, "alice@example.org"},
    {"another user, final", "\\carol", NULL, false, 0, "carol"},
    {"a command", "|/bin/true", NULL, false, 1, ""},
    {"a command in quotes", "\"|/bin/true a, b\"", NULL, false, 1, ""},
    {"a command and himself", "\"|/bin/true\", bob", NULL, true, 1, ""},
    {"nowhere", "/dev/null", NULL, false, 0, ""},
    {"a file", "/home/bob/mbox", "5.7.1", false, 0, ""},
    {"an include", ":include:/etc/shadow", "5.7.1", false, 0, ""},
    {"a file after an address", "alice@example.org\n/home/bob/mbox", "5.7.1", false, 0, ""},
    {"a quote that does not end", "\"|/bin/true", "4.3.5", false, 0, ""},
    {"no address", "a@b@c@", "4.3.5", false, 0, ""},
    {"a line break within", "alice@example.org\x01", "4.3.5", false, 0, ""},
    {"a mark of the aliases file", ":list", "4.3.5", false, 0, ""},
};

static void
test_forward_files(void **state)
{
    (void)state;
    const struct user_delivery bob = delivery_to_bob();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct deliver_verdict v = {.class = DELIVERY_DONE};
        struct deliver_plan plan;
        struct arena mem;
        arena_init(&mem, DELIVER_MEMORY_MAX);
        bool is_planned = deliver_plan_from_forward(&bob, span_from_cstr(row->text), &mem, &plan, &v);
        if (is_planned != (row->status == NULL))
            fail_msg("%s: got %s", row->what, is_planned ? "a plan" : v.status);
        if (!is_planned && (strcmp(v.status, row->status) != 0 || v.class == DELIVERY_DONE))
            fail_msg("%s: got %s", row->what, v.status);
        if (is_planned && (plan.to_mailbox != row->to_mailbox || plan.command_count != row->commands ||
                           !span_equal(buf_span(&plan.forwards), span_from_cstr(row->forwards))))
            fail_msg("%s: got mailbox %d, %zu commands, \"" SPAN_FMT "\"", row->what, plan.to_mailbox,
                     plan.command_count, SPAN_ARG(buf_span(&plan.forwards)));
        deliver_plan_done(&plan);
        arena_clear(&mem);
    }
}

static void
test_commands_switched_off(void **state)
{
    (void)state;
    struct user_delivery bob = delivery_to_bob();
    struct deliver_verdict v;
    struct deliver_plan plan;
    struct arena mem;
    bob.runs_commands = 0;
    arena_init(&mem, DELIVER_MEMORY_MAX);
    assert_false(deliver_plan_from_forward(&bob, SPAN("bob, |/bin/true"), &mem, &plan, &v));
    assert_int_equal(v.class, DELIVERY_FAILED);
    assert_string_equal(v.status, "5.7.1");
    deliver_plan_done(&plan);
    arena_clear(&mem);
}

static void
test_more_than_fits(void **state)
{
    (void)state;
    const struct user_delivery bob = delivery_to_bob();
    struct deliver_verdict v;
    struct deliver_plan plan;
    struct arena mem;
    struct buf text;
    arena_init(&mem, DELIVER_MEMORY_MAX);
    buf_init(&text, 2 * DELIVER_FORWARD_BYTES_MAX);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(buf_printf(&text, "somebody%u@example.org\n", i), ERR_OK);
    assert_false(deliver_plan_from_forward(&bob, buf_span(&text), &mem, &plan, &v));
    assert_int_equal(v.class, DELIVERY_DEFERRED);
    deliver_plan_done(&plan);
    buf_clear(&text);
    for (unsigned i = 0; i <= DELIVER_COMMANDS_MAX; i++)
        assert_int_equal(buf_append_cstr(&text, "|/bin/true\n"), ERR_OK);
    assert_false(deliver_plan_from_forward(&bob, buf_span(&text), &mem, &plan, &v));
    assert_int_equal(v.class, DELIVERY_DEFERRED);
    deliver_plan_done(&plan);
    buf_done(&text);
    arena_clear(&mem);
}

static void
test_aliases(void **state)
{
    (void)state;
    static const struct {
        const char *entry;
        size_t commands;
        const char *status;
    } cases[] = {
        {"list", 2, NULL},      {"LIST", 2, NULL},       {"twice", 1, NULL},  {"file", 0, "5.7.1"},
        {"people", 0, "4.3.5"}, {"broken", 0, "4.3.5"}, {"absent", 0, "4.3.5"},
    };
    const struct span text = SPAN("list: \"|/bin/a x\", bob, |/bin/b\ntwice: |/bin/first\ntwice: |/bin/a, |/bin/b\n"
                                  "file: |/bin/a, /tmp/mbox\npeople: bob, :include:/etc/people\nbroken: \"|/bin/a\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct user_delivery d = delivery_to_bob();
        struct deliver_verdict v;
        struct deliver_plan plan;
        struct arena mem;
        d.alias = span_from_cstr(cases[i].entry);
        d.runs_commands = 0; /* for ~/.forward only */
        arena_init(&mem, DELIVER_MEMORY_MAX);
        bool is_planned = deliver_plan_from_aliases(&d, text, &mem, &plan, &v);
        if (is_planned != (cases[i].status == NULL) || (is_planned && plan.command_count != cases[i].commands) ||
            (!is_planned && strcmp(v.status, cases[i].status) != 0))
            fail_msg("%s: %s, %zu commands", cases[i].entry, is_planned ? "planned" : v.status, plan.command_count);
        assert_false(plan.to_mailbox);
        assert_int_equal(plan.forwards.len, 0);
        deliver_plan_done(&plan);
        arena_clear(&mem);
    }
}

static void
test_environment(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "ORIGINAL_RECIPIENT=Bob+shop@example.test", "SENDER=____x_y__@example.org", "RECIPIENT=bob+shop@example.test",
        "EXTENSION=shop", "DOMAIN=example.test", "LOCAL=bob+shop", "ENVID=", "CLIENT_ADDRESS=", "MESSAGE_ID=",
        "USER=bob", "LOGNAME=bob", "HOME=/home/bob", "SHELL=/bin/sh", ("PATH=" DELIVER_PATH)};
    struct user_delivery d = delivery_to_bob();
    char *envp[DELIVER_VARIABLES_MAX + 1];
    struct arena mem;
    d.original = SPAN("rfc822;Bob+shop@example.test");
    d.sender = SPAN("() {x;y}\n@example.org");
    arena_init(&mem, 1 << 20);
    assert_int_equal(deliver_environment_make(&d, &mem, envp), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_string_equal(envp[i], expected[i]);
    assert_null(envp[ARRAY_LEN(expected)]);
    arena_clear(&mem);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward_files),  cmocka_unit_test(test_commands_switched_off),
        cmocka_unit_test(test_more_than_fits), cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
