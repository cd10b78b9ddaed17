/*
 * effective_test.c - the whole configuration written out reads back to the same, and says where each value came from.
 */
#include "parsing.h"

static const char everything[] =
    "hostname mail.example.org;\n"
    "postmaster '\"the boss\"@example.org';\n"
    "edges 3;\n"
    "trusted-users root www-data;\n"
    "stop-grace 0 s;\n"
    "run-directory '/run/my godwit';\n"
    "listener mx { address 0.0.0.0:25 [::]:25; }\n"
    "listener in { address unix:/run/lmtp; protocol lmtp; bare-newline normalize; socket-group mail; nul-in-body "
    "accept; }\n"
    "domain example.org { recipients accounts file /etc/list socketmap 127.0.0.1:99 map; quota 2 GiB; catch-all "
    "x@example.org; }\n"
    "domain b\xc3\xbc" "cher.example { recipients local; deliver lmtp unix:/run/d; subaddress off; case-sensitive on; "
    "}\n"
    "access { accept client 192.0.2.1; drop client 192.0.2.0/24 'Go; \"away\"'; reject sender <>; defer helo "
    ".x.example; "
    "reject recipient '\"a b\"@x.example'; }\n"
    "limits { message-size 1000000 B; idle-timeout 61 s; }\n"
    "delivery { schedule 1 s 2 min 3h; }\n"
    "local { aliases none; system-users on; }\n"
    "sendmail { drop-directory none; }\n"
    "resolver { servers 127.0.0.1:5353; stub . 127.0.0.1; stub x.example [::1]:5353 127.0.0.1:1; trust-anchor none; }\n"
    "log { format json; level debug; }\n";

/* The text without its comments: what must not change. */
static void
comments_drop(struct span text, struct buf *to)
{
    for (struct span line; span_cut(text, '\n', &line, &text);) {
        size_t comment = span_find_last(line, '#');
        while (comment > 0 && comment < line.len && line.data[comment - 1] == ' ')
            comment--;
        (void)buf_append(to, span_first(line, comment));
        (void)buf_append_octet(to, '\n');
    }
}

static void
effective_of(const char *name, const char *text, struct buf *to)
{
    struct parsing p;
    parsing_valid(&p, name, text);
    assert_int_equal(config_effective_print(p.config, to), ERR_OK);
    parsing_done(&p);
}

static void
test_round_trip(void **state)
{
    (void)state;
    static const char *const texts[] = {"hostname mail.example.org;", everything};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct buf first, second, first_plain, second_plain;
        struct buf *all[] = {&first, &second, &first_plain, &second_plain};
        for (size_t j = 0; j < ARRAY_LEN(all); j++)
            buf_init(all[j], 1024 * 1024);
        effective_of("first", texts[i], &first);
        comments_drop(buf_span(&first), &first_plain);
        assert_int_equal(buf_append_octet(&first, '\0'), ERR_OK);
        effective_of("second", (const char *)first.data, &second);
        comments_drop(buf_span(&second), &second_plain);
        CHECK_SPAN("round trip", buf_span(&second_plain), buf_span(&first_plain));
        assert_true(first.len > 4000);
        for (size_t j = 0; j < ARRAY_LEN(all); j++)
            buf_done(all[j]);
    }
}

/* Whether `text` has a line that begins and ends so. */
static bool
has_line(struct span text, struct span begin, struct span end)
{
    for (struct span line; span_cut(text, '\n', &line, &text);)
        if (span_has_prefix(line, begin) && span_has_suffix_nocase(line, end))
            return true;
    return false;
}

static void
test_origins(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1024 * 1024);
    effective_of("origins",
                 "hostname mail.example.org;\n"
                 "limits {\n"
                 "    recipients 500;\n"
                 "}\n"
                 "access { reject client 192.0.2.0/24 \"no\"; }\n"
                 "delivery { schedule 1 min 60 min; }\n",
                 &text);
    static const struct {
        struct span begin, end;
    } rows[] = {
        {SPAN("hostname mail.example.org;  "), SPAN("# /etc/godwit/godwit.conf:1")},
        {SPAN("limits {  "), SPAN("# /etc/godwit/godwit.conf:2")},
        {SPAN("    recipients 500;  "), SPAN("# /etc/godwit/godwit.conf:3")},
        {SPAN("    message-size 50 MiB;  "), SPAN("# default")},
        {SPAN("    reject client 192.0.2.0/24 no;  "), SPAN("# /etc/godwit/godwit.conf:5")},
        {SPAN("    schedule 1 min 1 h;  "), SPAN("# /etc/godwit/godwit.conf:6")},
        {SPAN("# postmaster  "), SPAN("# not set")},
        {SPAN("listener loopback {  "), SPAN("# default")},
        {SPAN("domain mail.example.org {  "), SPAN("# default")},
        {SPAN("    recipients accounts local;  "), SPAN("# default")},
        {SPAN("    socket /run/godwit/control.sock;  "), SPAN("# default")},
        {SPAN("edges auto;  "), SPAN("# default")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CHECK((const char *)rows[i].begin.data, has_line(buf_span(&text), rows[i].begin, rows[i].end));
    buf_done(&text);
}

static void
test_full(void **state)
{
    (void)state;
    struct parsing p;
    struct buf text;
    parsing_valid(&p, "full", "hostname mail.example.org;");
    buf_init(&text, 100);
    assert_int_equal(config_effective_print(p.config, &text), ERR_LIMIT);
    buf_done(&text);
    parsing_done(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_origins),
        cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
