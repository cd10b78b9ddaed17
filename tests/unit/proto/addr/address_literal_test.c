/* address_literal_test.c - RFC 5321 §4.1.3 and RFC 5952 §4; requirement 13. */
#include "check.h"

#include "proto/addr/address_literal.h"

#include <arpa/inet.h>
#include <stdlib.h>

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span text;
        const char *canonical; /* NULL: refused */
    } rows[] = {
        {"IPv4", SPAN("[192.0.2.1]"), "[192.0.2.1]"},
        {"largest", SPAN("[255.255.255.255]"), "[255.255.255.255]"},
        {"zeros before", SPAN("[192.000.02.1]"), "[192.0.2.1]"},
        {"256", SPAN("[192.0.2.256]"), NULL},
        {"four digits", SPAN("[0192.0.2.1]"), NULL},
        {"three numbers", SPAN("[192.0.2]"), NULL},
        {"five numbers", SPAN("[192.0.2.1.1]"), NULL},
        {"empty number", SPAN("[192..2.1]"), NULL},
        {"space", SPAN("[192.0.2.1 ]"), NULL},
        {"no bracket", SPAN("192.0.2.1"), NULL},
        {"open bracket", SPAN("[192.0.2.1"), NULL},
        {"bracket alone", SPAN("["), NULL},
        {"empty brackets", SPAN("[]"), NULL},
        {"empty", SPAN(""), NULL},
        {"IPv6 without tag", SPAN("[2001:db8::1]"), NULL},
        {"IPv6", SPAN("[IPv6:2001:db8::1]"), "[IPv6:2001:db8::1]"},
        {"tag in any case", SPAN("[ipV6:2001:DB8::1]"), "[IPv6:2001:db8::1]"},
        {"full", SPAN("[IPv6:1:2:3:4:5:6:7:8]"), "[IPv6:1:2:3:4:5:6:7:8]"},
        {"zeros before a group", SPAN("[IPv6:0001:2:3:4:5:6:7:00a8]"), "[IPv6:1:2:3:4:5:6:7:a8]"},
        {"five digits", SPAN("[IPv6:00001:2:3:4:5:6:7:8]"), NULL},
        {"seven groups", SPAN("[IPv6:1:2:3:4:5:6:7]"), NULL},
        {"nine groups", SPAN("[IPv6:1:2:3:4:5:6:7:8:9]"), NULL},
        {"all zero", SPAN("[IPv6:::]"), "[IPv6:::]"},
        {"loopback", SPAN("[IPv6:::1]"), "[IPv6:::1]"},
        {"gap last", SPAN("[IPv6:fe80::]"), "[IPv6:fe80::]"},
        {"gap for one group", SPAN("[IPv6:1:2:3:4:5:6::8]"), NULL},
        {"gap for two groups", SPAN("[IPv6:1:2:3:4:5::8]"), "[IPv6:1:2:3:4:5::8]"},
        {"two gaps", SPAN("[IPv6:1::2::3]"), NULL},
        {"three colons", SPAN("[IPv6:1:::2]"), NULL},
        {"colon first", SPAN("[IPv6::1:2:3:4:5:6:7]"), NULL},
        {"colon last", SPAN("[IPv6:1:2:3:4:5:6:7:]"), NULL},
        {"gap and colon last", SPAN("[IPv6:1::2:]"), NULL},
        {"IPv4 inside", SPAN("[IPv6:1:2:3:4:5:6:192.0.2.1]"), "[IPv6:1:2:3:4:5:6:c000:201]"},
        {"IPv4 inside, mapped", SPAN("[IPv6:::ffff:192.0.2.1]"), "[IPv6:::ffff:c000:201]"},
        {"IPv4 inside, four groups", SPAN("[IPv6:1:2:3:4::192.0.2.1]"), "[IPv6:1:2:3:4::c000:201]"},
        {"IPv4 inside, five groups", SPAN("[IPv6:1:2:3:4:5::192.0.2.1]"), NULL},
        {"IPv4 inside, first", SPAN("[IPv6:192.0.2.1::1]"), NULL},
        {"IPv4 inside, too many", SPAN("[IPv6:1:2:3:4:5:6:7:192.0.2.1]"), NULL},
        {"zone", SPAN("[IPv6:fe80::1%eth0]"), NULL},
        {"one zero group is written", SPAN("[IPv6:1:0:3:4:5:6:7:8]"), "[IPv6:1:0:3:4:5:6:7:8]"},
        {"longest run is elided", SPAN("[IPv6:1:0:0:4:0:0:0:8]"), "[IPv6:1:0:0:4::8]"},
        {"first of equal runs is elided", SPAN("[IPv6:1:0:0:4:0:0:7:8]"), "[IPv6:1::4:0:0:7:8]"},
        {"unknown tag", SPAN("[x25:1234]"), NULL},
        {"NUL", SPAN("[192.0.2.1\0]"), NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address_literal a = {0};
        const char *wanted = rows[i].canonical;
        CHECK(rows[i].name, address_literal_parse(rows[i].text, &a) == (wanted != NULL));
        CHECK(rows[i].name, (a.family == ADDRESS_LITERAL_NONE) == (wanted == NULL));
        if (wanted == NULL)
            continue;
        struct buf b;
        buf_init(&b, 100);
        CHECK(rows[i].name, address_literal_format(&a, &b) == ERR_OK);
        CHECK_SPAN(rows[i].name, buf_span(&b), span_from_cstr(wanted));
        struct address_literal again;
        CHECK(rows[i].name, address_literal_parse(buf_span(&b), &again));
        CHECK(rows[i].name, address_literal_equal(&a, &again));
        buf_done(&b);
    }
}

/* Without brackets: the same addresses as the C library reads and writes, for random ones with many zeros. */
static void
test_against_library(void **state)
{
    (void)state;
    srandom(5);
    for (int i = 0; i < 20000; i++) {
        struct address_literal a = {.family = ADDRESS_LITERAL_IPV6}, b = {0};
        for (int g = 0; g < 16; g++)
            a.ip[g] = random() % 3 == 0 ? (uint8_t)random() : 0;
        a.ip[0] = 0x20; /* away from the forms the library writes with an IPv4 address inside */
        char text[INET6_ADDRSTRLEN];
        assert_non_null(inet_ntop(AF_INET6, a.ip, text, sizeof(text)));
        assert_true(address_literal_parse_ip(span_from_cstr(text), &b));
        assert_true(address_literal_equal(&a, &b));
        struct buf ours;
        buf_init(&ours, 100);
        assert_int_equal(address_literal_format_ip(&a, &ours), ERR_OK);
        CHECK_SPAN("inet_ntop", buf_span(&ours), span_from_cstr(text));
        buf_done(&ours);
    }
    struct address_literal v4 = {0};
    assert_true(address_literal_parse_ip(SPAN("192.0.2.7"), &v4));
    assert_int_equal(v4.family, ADDRESS_LITERAL_IPV4);
    assert_memory_equal(v4.ip, "\xc0\x00\x02\x07", 4);
    assert_true(address_literal_parse_ip(SPAN("1:2:3:4:5:6::8"), &v4)); /* one group elided is fine here */
    assert_false(address_literal_parse_ip(SPAN("[192.0.2.7]"), &v4));
    assert_false(address_literal_parse_ip(SPAN("IPv6:::1"), &v4));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_against_library)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
