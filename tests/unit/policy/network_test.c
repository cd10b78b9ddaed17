/* network_test.c - networks of rules, and the unit in which clients are counted. RFC 4291 §2.5.5.2, RFC 4632. */
#include "check.h"

#include "policy/network.h"

static void
test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span text;
        enum network_fault fault;
        const char *canonical;
    } rows[] = {
        {"IPv4 network", SPAN("192.0.2.0/24"), NETWORK_OK, "192.0.2.0/24"},
        {"IPv4 address", SPAN("192.0.2.1"), NETWORK_OK, "192.0.2.1"},
        {"IPv4 address with all bits", SPAN("192.0.2.1/32"), NETWORK_OK, "192.0.2.1"},
        {"all of IPv4", SPAN("0.0.0.0/0"), NETWORK_OK, "0.0.0.0/0"},
        {"odd prefix", SPAN("10.32.0.0/11"), NETWORK_OK, "10.32.0.0/11"},
        {"IPv6 network", SPAN("2001:db8::/32"), NETWORK_OK, "2001:db8::/32"},
        {"IPv6 address", SPAN("2001:db8::1"), NETWORK_OK, "2001:db8::1"},
        {"IPv4 mapped into IPv6", SPAN("::ffff:192.0.2.0/120"), NETWORK_OK, "192.0.2.0/24"},
        {"all of IPv4 mapped into IPv6", SPAN("::ffff:0.0.0.0/96"), NETWORK_OK, "0.0.0.0/0"},
        {"bits beyond the prefix", SPAN("192.0.2.1/24"), NETWORK_HOST_BITS, NULL},
        {"bits beyond an odd prefix", SPAN("10.48.0.0/11"), NETWORK_HOST_BITS, NULL},
        {"IPv6 bits beyond the prefix", SPAN("2001:db8::1/64"), NETWORK_HOST_BITS, NULL},
        {"prefix too long", SPAN("192.0.2.0/33"), NETWORK_SYNTAX, NULL},
        {"IPv6 prefix too long", SPAN("2001:db8::/129"), NETWORK_SYNTAX, NULL},
        {"no prefix", SPAN("192.0.2.0/"), NETWORK_SYNTAX, NULL},
        {"mask", SPAN("192.0.2.0/255.255.255.0"), NETWORK_SYNTAX, NULL},
        {"name", SPAN("example.com"), NETWORK_SYNTAX, NULL},
        {"empty", SPAN(""), NETWORK_SYNTAX, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct network network;
        CHECK(rows[i].name, network_parse(rows[i].text, &network) == rows[i].fault);
        if (rows[i].canonical == NULL)
            continue;
        struct buf text;
        buf_init(&text, 100);
        CHECK(rows[i].name, network_format(&network, &text) == ERR_OK);
        CHECK_SPAN(rows[i].name, buf_span(&text), span_from_cstr(rows[i].canonical));
        buf_done(&text);
    }
}

static struct address_literal
address_of(const char *text)
{
    struct address_literal address;
    assert_true(address_literal_parse_ip(span_from_cstr(text), &address));
    return address;
}

static void
test_contains(void **state)
{
    (void)state;
    static const struct {
        const char *network;
        const char *address;
        bool is_inside;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.0", true},      {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},     {"192.0.2.0/24", "::ffff:192.0.2.7", true},
        {"192.0.2.0/24", "::192.0.2.7", false},   {"10.32.0.0/11", "10.63.255.255", true},
        {"10.32.0.0/11", "10.64.0.0", false},     {"0.0.0.0/0", "203.0.113.1", true},
        {"0.0.0.0/0", "2001:db8::1", false},      {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.1", false},           {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false}, {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct network network;
        struct address_literal address = address_of(rows[i].address);
        assert_int_equal(network_parse(span_from_cstr(rows[i].network), &network), NETWORK_OK);
        CHECK(rows[i].address, network_contains(&network, &address) == rows[i].is_inside);
    }
}

static void
test_client_unit(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        const char *unit;
    } rows[] = {
        {"192.0.2.7", "192.0.2.7"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
        {"2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"},
        {"2001:db8:1:3::1", "2001:db8:1:3::"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address_literal address = address_of(rows[i].address), wanted = address_of(rows[i].unit);
        struct address_literal unit = network_client_unit(&address);
        CHECK(rows[i].address, address_literal_equal(&unit, &wanted));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_contains),
        cmocka_unit_test(test_client_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
