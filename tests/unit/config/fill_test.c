/*
 * fill_test.c - tree to struct: defaults, places, and everything that is wrong said in one run.
 */
#include "parsing.h"

#include <stdio.h>

static void
test_ten_errors_in_one_run(void **state)
{
    (void)state;
    parsing_says("ten errors",
                 "hostnme mail.example.org;\n"                       /* 1: unknown key */
                 "postmaster alice;\n"                               /* 2: bad value */
                 "listener mx {\n"
                 "    address 0.0.0.0:25 localhost:587;\n"           /* 3: bad address */
                 "    protocol smpt;\n"                              /* 4: bad choice */
                 "}\n"
                 "domain example.com { }\n"
                 "domain Example.COM { }\n"                          /* 5: duplicate */
                 "limits {\n"
                 "    message-size 50;\n"                            /* 6: no unit */
                 "    idle-timeout 5 m;\n"                           /* 7: not a unit */
                 "    recipients 5;\n"                               /* 8: under its floor */
                 "    recipients 500;\n"                             /* 9: given twice */
                 "}\n"
                 "include missing.conf;\n"                           /* 10: missing file */
                 "mail {\n",                                         /* 11: not closed; and the hostname is missing */
                 " 'hostname' is missing; it wants a domain name such as example.com\n"
                 "1:1: unknown key 'hostnme'; did you mean 'hostname'?\n"
                 "2:12: 'postmaster' wants an address such as alice@example.com, not 'alice'\n"
                 "4:24: 'address' wants an address and port such as 192.0.2.1:25, [2001:db8::1]:25 or unix:/path, not "
                 "'localhost:587'; names are not looked up here, write the address\n"
                 "5:14: 'protocol' wants one of smtp, lmtp, not 'smpt'; did you mean 'smtp'?\n"
                 "8:8: domain 'example.com' stands here again; the first is at /etc/godwit/godwit.conf:7:8\n"
                 "10:18: 'message-size' needs a unit: write '50 MiB' (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)\n"
                 "11:18: 'm' is not a unit; did you mean '5 min'? (units: ms, s, min, h, d)\n"
                 "12:16: 'recipients' is 5; it must be at least 100\n"
                 "13:5: 'recipients' stands here again; the first is at /etc/godwit/godwit.conf:12:5\n"
                 "15:9: cannot include 'missing.conf': no such file\n"
                 "16:1: block 'mail' opened here is not closed before the end of the file\n");
}

static void
test_problems(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text; /* without the hostname */
        const char *wanted;
    } rows[] = {
        {"key of another block", "message-size 1 MiB;", "1:21: 'message-size' belongs into 'limits { ... }'\n"},
        {"key of the file in a block", "mail { postmaster a@b.example; }",
         "1:28: 'postmaster' stands outside of 'mail'; is a '}' missing before it?\n"},
        {"block inside of a block", "mail { limits { } }", "1:28: 'limits' stands outside of 'mail'; is a '}' missing "
         "before it?\n"},
        {"unknown in a block", "mail { directry x; }", "1:28: unknown key 'directry' in mail; did you mean "
         "'directory'?\n"},
        {"unknown and like nothing", "frobnicate on;", "1:21: unknown key 'frobnicate'\n"},
        {"underscores of elsewhere", "run_directory /run/x;",
         "1:21: unknown key 'run_directory'; did you mean 'run-directory'?\n"},
        {"directive as a block", "edges { }", "1:21: 'edges' is no block; write 'edges VALUE;'\n"},
        {"block as a directive", "mail /var/mail;", "1:21: 'mail' is a block: write 'mail { ... }'\n"},
        {"block without its title", "listener { address 127.0.0.1:25; }",
         "1:21: 'listener' is a block: write 'listener NAME { ... }'\n"},
        {"block with a title too many", "mail box { }", "1:21: 'mail' is a block: write 'mail { ... }'\n"},
        {"block twice", "mail { }\nmail { }",
         "2:1: 'mail' stands here again; the first is at /etc/godwit/godwit.conf:1:21\n"},
        {"bad title", "listener -x { address 127.0.0.1:25; }",
         "1:30: 'listener' wants a name of letters, digits, '-', '_', '.', not '-x'\n"},
        {"required key missing", "listener mx { protocol smtp; }",
         "1:21: 'address' is missing; it wants addresses such as 127.0.0.1:25\n"},
        {"no value", "edges;", "1:21: 'edges' has no value; it wants a number\n"},
        {"a value too many", "edges 2 3;", "1:29: 'edges' takes no further '3'\n"},
        {"missing ; swallows the next line", "edges 2\nstop-grace 5 s;",
         "2:1: is a ';' missing before this line? 'edges' of line 1 takes no 'stop-grace'\n"},
        {"every directive of a list is looked at", "trusted-users a *;\ntrusted-users ?;",
         "1:37: 'trusted-users' wants names of users, not '*'\n2:15: 'trusted-users' wants names of users, not '?'\n"},
        {"a list that takes one directive", "delivery { schedule 1 min; schedule 2 min; }",
         "1:48: 'schedule' stands here again; the first is at /etc/godwit/godwit.conf:1:32\n"},
        {"a foreign octet is not repeated to the terminal", "\x1b[2J on;", /* ESC */
         "1:21: a control octet, 0x1b\n1:21: unknown key '\\x1b[2J'\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[500];
        assert_true((size_t)snprintf(text, sizeof(text), "hostname a.example; %s", rows[i].text) < sizeof(text));
        parsing_says(rows[i].name, text, rows[i].wanted);
    }
}

static void
test_defaults(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "least", "hostname mail.example.org;");
    const struct config *c = p.config;
    assert_int_equal(c->limits.message_size_bytes.value, 50 * 1024 * 1024);
    assert_int_equal(c->limits.recipients.value, 1000);
    assert_int_equal(c->limits.sessions_per_address.value, 100);
    assert_int_equal(c->limits.idle_timeout_ms.value, 5 * 60 * 1000);
    assert_int_equal(c->limits.bad_commands.value, 20);
    assert_int_equal(c->limits.free_space_factor.value, 3);
    assert_int_equal(c->limits.received_hops.value, 100);
    assert_int_equal(c->limits.header_size_bytes.value, 256 * 1024);
    assert_int_equal(c->limits.line_length_bytes.value, 64 * 1024);
    assert_int_equal(c->resolver.reverse_dns_wait_ms.value, 2000);
    assert_true(c->resolver.reverse_dns.value);
    assert_int_equal(c->edges.value, 0); /* auto */
    assert_int_equal(c->limits.recipients.pos.line, 0);
    assert_int_equal(c->postmaster.value.local_len, 0);
    assert_int_equal(c->delivery.schedule.count, 7);
    assert_int_equal(c->delivery.schedule.items[6].value, 3 * 60 * 60 * 1000);
    assert_int_equal(c->delivery.expansion_depth.value, 10);
    CHECK_SPAN("path below another", c->control.socket.value, SPAN("/run/godwit/control.sock"));
    CHECK_SPAN("aliases", c->local.aliases.value, SPAN("/etc/aliases"));
    CHECK_SPAN("user", c->users.edge.value, SPAN("godwit-edge"));
    assert_int_equal(c->trusted_users.count, 1);
    CHECK_SPAN("trusted user", c->trusted_users.items[0].value, SPAN("root"));
    parsing_done(&p);
}

static void
test_values_and_places(void **state)
{
    (void)state;
    struct parsing p;
    parsing_valid(&p, "values",
                  "hostname MAIL.example.org;\n"
                  "run-directory run;\n"
                  "edges auto;\n"
                  "trusted-users none;\n"
                  "listener mx {\n"
                  "    address 127.0.0.1:2525\n"
                  "            [::1]:2525;\n"
                  "    address unix:lmtp.sock;\n"
                  "}\n"
                  "limits { message-size 10MiB; idle-timeout 90 s; }\n"
                  "local { aliases none; }\n");
    const struct config *c = p.config;
    CHECK_SPAN("lower case", domain_span(&c->hostname.value), SPAN("mail.example.org"));
    assert_int_equal(c->hostname.pos.line, 1);
    assert_int_equal(c->hostname.pos.column, 10);
    CHECK_SPAN("file", c->hostname.pos.file, SPAN("/etc/godwit/godwit.conf"));
    CHECK_SPAN("relative to the file", c->run_directory.value, SPAN("/etc/godwit/run"));
    CHECK_SPAN("default below a value", c->control.socket.value, SPAN("/etc/godwit/run/control.sock"));
    assert_int_equal(c->control.socket.pos.line, 0);
    assert_int_equal(c->trusted_users.count, 0);
    assert_int_equal(c->limits.message_size_bytes.value, 10 * 1024 * 1024);
    assert_int_equal(c->limits.message_size_bytes.pos.column, 23);
    assert_int_equal(c->limits.idle_timeout_ms.value, 90 * 1000);
    assert_int_equal(c->limits.pos.line, 10);
    assert_true(span_is_empty(c->local.aliases.value));
    const struct config_listener *mx = &c->listeners.items[0];
    assert_int_equal(c->listeners.count, 1);
    assert_int_equal(mx->addresses.count, 3);
    CHECK_SPAN("first", mx->addresses.items[0].text, SPAN("127.0.0.1:2525"));
    CHECK_SPAN("second", mx->addresses.items[1].text, SPAN("[::1]:2525"));
    assert_int_equal(mx->addresses.items[1].pos.line, 7);
    CHECK_SPAN("third", mx->addresses.items[2].path, SPAN("/etc/godwit/lmtp.sock"));
    parsing_done(&p);
}

/* A hundred problems are kept, the rest counted. */
static void
test_many_problems(void **state)
{
    (void)state;
    struct parsing p;
    struct buf text;
    buf_init(&text, 100000);
    for (int i = 0; i < 150; i++)
        (void)buf_append_cstr(&text, "xyzzy on;\n");
    assert_int_equal(buf_append_octet(&text, '\0'), ERR_OK);
    parsing_of(&p, (const char *)text.data);
    assert_int_equal(p.problems.count, CONFIG_PROBLEMS_MAX);
    assert_int_equal(p.problems.dropped, 51); /* and the missing hostname */
    parsing_done(&p);
    buf_done(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_errors_in_one_run), cmocka_unit_test(test_problems),
            cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values_and_places),     cmocka_unit_test(test_many_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
