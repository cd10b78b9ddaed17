/* check_test.c - warnings: what is allowed and yet probably not meant. */
#include "parsing.h"

static void
test_warnings(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        bool is_root;
        const char *wanted; /* without "/etc/godwit/godwit.conf" */
    } rows[] = {
        {"nothing to say", "hostname a.example; postmaster x@b.example; domain b.example { } listener l { address "
         "0.0.0.0:25; }", true, ""},
        {"postmaster unset (37)", "hostname a.example; domain b.example { } listener l { address 0.0.0.0:25; }", true,
         ": 'postmaster' is not set: mail to postmaster, abuse and root is refused, and RFC 5321 asks for a reader; "
         "write "
         "'postmaster you@your.domain;'\n"},
        {"postmaster elsewhere", "hostname a.example; postmaster x@c.example; domain b.example { } listener l { "
         "address 0.0.0.0:25; }", true,
         ":1:32: the postmaster's domain is none of ours, and this server sends no mail elsewhere\n"},
        {"low port without root", "hostname a.example; postmaster x@a.example;\ndomain b.example { } listener l { "
         "address 0.0.0.0:25 unix:/s; }", false,
         ":2:43: port 25 is for root: start Godwit as root or use a port from 1024 on\n"},
        {"high port without root", "hostname a.example; postmaster x@a.example; domain b.example { } listener l { "
         "address 127.0.0.1:2525; }", false, ""},
        {"nothing but the hostname", "hostname a.example; postmaster x@a.example;", true,
         ": no 'listener' block: only programs on this machine can connect, to 127.0.0.1:25\n"
         ": no 'domain' block: mail is taken for a.example alone\n"},
        {"impatient (32)", "hostname a.example; postmaster x@a.example; domain b.example { } listener l { address "
         "0.0.0.0:25; }\n"
         "limits { idle-timeout 1 min; }", true, ":2:23: 'idle-timeout' is under the 5 minutes that RFC 5321 asks "
         "for\n"},
        {"memory too small", "hostname a.example; postmaster x@a.example; domain b.example { } listener l { address "
         "0.0.0.0:25; }\n"
         "limits { recipients 10000; }", true,
         ":2:21: 'transaction-memory' is too small for 'header-size' and 'recipients' at once: about 10257 KiB are "
         "needed\n"},
        {"spool may be lost", "hostname a.example; postmaster x@a.example; domain b.example { } listener l { address "
         "0.0.0.0:25; }\n"
         "spool { may-be-lost on; }", true, ":2:21: 'may-be-lost' is on: accepted mail need not survive a power "
         "loss\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct parsing p;
        struct config_problems warnings;
        struct buf said, wanted;
        parsing_valid(&p, rows[i].name, rows[i].text);
        config_problems_init(&warnings);
        buf_init(&said, 10000);
        buf_init(&wanted, 10000);
        struct config_circumstances where = {.is_root = rows[i].is_root};
        assert_int_equal(config_check(p.config, &where, &warnings), ERR_OK);
        assert_int_equal(config_problems_print(&warnings, &said), ERR_OK);
        for (struct span rest = span_from_cstr(rows[i].wanted), line; span_cut(rest, '\n', &line, &rest);)
            (void)buf_printf(&wanted, "/etc/godwit/godwit.conf%.*s\n", SPAN_ARG(line));
        CHECK_SPAN(rows[i].name, buf_span(&said), buf_span(&wanted));
        buf_done(&said);
        buf_done(&wanted);
        config_problems_done(&warnings);
        parsing_done(&p);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_warnings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
