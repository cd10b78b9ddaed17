/* client_units_test.c - sessions are counted per IPv4 address and per IPv6 network of 64 bits (requirement 33). */
#include "edge/client_units.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct address_literal
address(const char *text)
{
    struct address_literal a;
    assert_true(address_literal_parse_ip(span_from_cstr(text), &a));
    return a;
}

struct row {
    const char *name;
    const char *first;
    const char *second;
    bool is_same;
};

static const struct row rows[] = {
    {"the same IPv4 address", "192.0.2.1", "192.0.2.1", true},
    {"two IPv4 addresses", "192.0.2.1", "192.0.2.2", false},
    {"one IPv6 network", "2001:db8::1", "2001:db8::ffff:2", true},
    {"two IPv6 networks", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
    {"IPv6 that begins like an IPv4 address", "192.0.2.1", "c000:201::", false},
};

static void
test_units(UNUSED void **state)
{
    static const uint64_t seed[2] = {1, 2};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client_units units;
        struct address_literal first = address(rows[i].first), second = address(rows[i].second);
        client_units_init(&units, 10, seed);
        struct client_unit *a = client_units_enter(&units, &first), *b = client_units_enter(&units, &second);
        assert_non_null(a);
        assert_non_null(b);
        if ((a == b) != rows[i].is_same)
            fail_msg("%s", rows[i].name);
        assert_int_equal(a->sessions, rows[i].is_same ? 2 : 1);
        client_units_leave(&units, a);
        client_units_leave(&units, b);
        client_units_leave(&units, NULL);
        client_units_done(&units);
    }
}

static void
test_cap(UNUSED void **state)
{
    static const uint64_t seed[2] = {1, 2};
    struct client_units units;
    struct address_literal a = address("192.0.2.1"), b = address("192.0.2.2");
    client_units_init(&units, 1, seed);
    struct client_unit *unit = client_units_enter(&units, &a);
    assert_non_null(unit);
    assert_null(client_units_enter(&units, &b));
    client_units_leave(&units, unit);
    unit = client_units_enter(&units, &b);
    assert_non_null(unit);
    client_units_leave(&units, unit);
    client_units_done(&units);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_units), cmocka_unit_test(test_cap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
