/* config_test.c - finding things, what policy goes by, and the way of a configuration into another process. */
#include "parsing.h"

static void
test_find(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "find",
                  "hostname mail.example.org; postmaster boss@example.org;\n"
                  "listener one { address 127.0.0.1:25; } listener two { address 127.0.0.1:26; }\n"
                  "domain example.org { } domain example.com { postmaster me@example.com; }\n");
    const struct config *c = p.config;
    assert_ptr_equal(config_listener_find(c, SPAN("two")), &c->listeners.items[1]);
    assert_null(config_listener_find(c, SPAN("three")));

    const struct config_domain *com = config_domain_find(c, SPAN("Example.COM")), *org = config_domain_find(c,
        SPAN("example.org"));
    CHECK_SPAN("any case", domain_span(&com->title.value), SPAN("example.com"));
    assert_null(config_domain_find(c, SPAN("sub.example.com")));
    assert_null(config_domain_find(c, SPAN("")));
    assert_null(config_domain_find(c, SPAN("a..b")));
    assert_non_null(config_domain_find(c, SPAN("mail.example.org")));

    struct config_mailbox own = config_postmaster(c, com), all = config_postmaster(c, org), bare = config_postmaster(c,
        NULL);
    CHECK_SPAN("of its own", mailbox_local(&own.value), SPAN("me"));
    CHECK_SPAN("of all", mailbox_local(&all.value), SPAN("boss"));
    CHECK_SPAN("without a domain", mailbox_local(&bare.value), SPAN("boss"));
    parsing_done(&p);
}

static void
test_access_policy(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "policy",
                  "hostname mail.example.org;\n"
                  "listener in { address 127.0.0.1:26; bare-newline normalize; nul-in-body accept; }\n"
                  "access { reject sender spam.example; }\n"
                  "limits { recipients 200; message-size 1 MiB; }\n");
    struct access_policy policy = config_access_policy(p.config, &p.config->listeners.items[0]);
    CHECK_SPAN("host", policy.host, SPAN("mail.example.org"));
    assert_int_equal(policy.recipients.value, 200);
    assert_int_equal(policy.recipients.pos.line, 4);
    assert_int_equal(policy.message_size_bytes.value, 1024 * 1024);
    assert_int_equal(policy.received_hops.value, 100);
    assert_int_equal(policy.received_hops.pos.line, 0);
    assert_int_equal(policy.is_bare_newline_normalized.value, 1);
    assert_int_equal(policy.is_bare_newline_normalized.pos.line, 2);
    assert_int_equal(policy.is_nul_in_body_accepted.value, 1);
    assert_int_equal(policy.rules.count, 1);

    policy = config_access_policy(p.config, NULL);
    assert_int_equal(policy.is_bare_newline_normalized.value, 0);
    assert_int_equal(policy.is_nul_in_body_accepted.value, 0);
    assert_int_equal(policy.recipients.value, 200);
    parsing_done(&p);
}

/* What the parent sends in a memfd gives the role the same configuration, places included. */
static void
test_through_bytes(void **state)
{
    (void)state;
    struct parsing before, after;
    struct buf bytes, effective_before, effective_after;
    config_sources_init(&before.sources);
    struct config_source main_file = {.name = SPAN("/etc/a.conf"), .text = SPAN("hostname a.example;\ninclude b/*;\n")};
    struct config_source included = {.name = SPAN("/etc/b/x"), .text = SPAN("\n\nlimits { recipients 300; }"),
        .include_line = 2,
                                     .include_column = 1};
    assert_int_equal(config_sources_add(&before.sources, &main_file), ERR_OK);
    assert_int_equal(config_sources_add(&before.sources, &included), ERR_OK);
    parsing_read(&before);
    buf_init(&bytes, 10000);
    buf_init(&effective_before, 100000);
    buf_init(&effective_after, 100000);
    assert_int_equal(config_sources_pack(&before.sources, &bytes), ERR_OK);
    config_sources_init(&after.sources);
    assert_int_equal(config_sources_unpack(buf_span(&bytes), &after.sources), ERR_OK);
    parsing_read(&after);

    assert_int_equal(after.config->limits.recipients.value, 300);
    CHECK_SPAN("place", after.config->limits.recipients.pos.file, SPAN("/etc/b/x"));
    assert_int_equal(after.config->limits.recipients.pos.line, 3);
    assert_int_equal(config_effective_print(before.config, &effective_before), ERR_OK);
    assert_int_equal(config_effective_print(after.config, &effective_after), ERR_OK);
    CHECK_SPAN("the same", buf_span(&effective_after), buf_span(&effective_before));
    buf_done(&bytes);
    buf_done(&effective_before);
    buf_done(&effective_after);
    parsing_done(&before);
    parsing_done(&after);
}

static void
test_owns_itself(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "owned", "hostname a.example; run-directory \"/run/a \\\"b\\\"\";");
    config_sources_done(&p.sources); /* the configuration borrows nothing from them */
    CHECK_SPAN("text", p.config->run_directory.value, SPAN("/run/a \"b\""));
    CHECK_SPAN("file", p.config->run_directory.pos.file, SPAN("/etc/godwit/godwit.conf"));
    config_sources_init(&p.sources);
    parsing_done(&p);
    config_free(NULL);
}

static void
test_unreadable(void **state)
{
    (void)state;
    struct parsing p;
    config_sources_init(&p.sources);
    struct config_source missing = {.name = SPAN("/no/file"), .fault = SPAN("no such file")};
    assert_int_equal(config_sources_add(&p.sources, &missing), ERR_OK);
    parsing_read(&p);
    CHECK_SPAN("one problem", buf_span(&p.said), SPAN("/no/file: cannot be read: no such file\n"));
    parsing_done(&p);
}

/* Ten thousand domains are read and found. */
static void
test_many_domains(void **state)
{
    (void)state;
    struct parsing p;
    struct buf text;
    buf_init(&text, 1024 * 1024);
    (void)buf_append_cstr(&text, "hostname a.example;\n");
    for (int i = 0; i < 10000; i++)
        (void)buf_printf(&text, "domain d%d.example { catch-all a@d%d.example; }\n", i, i);
    assert_int_equal(buf_append_octet(&text, '\0'), ERR_OK);
    parsing_valid(&p, "many", (const char *)text.data);
    assert_int_equal(p.config->domains.count, 10001);
    assert_int_equal(config_domain_find(p.config, SPAN("d7777.example"))->pos.line, 7779);
    parsing_done(&p);
    buf_done(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),       cmocka_unit_test(test_access_policy), cmocka_unit_test(test_through_bytes),
        cmocka_unit_test(test_owns_itself), cmocka_unit_test(test_unreadable),   cmocka_unit_test(test_many_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
