/* crc32c_test.c - CRC-32C against the examples of RFC 3720 B.4, and both ways of computing it against each other. */
#include "check.h"

#include "rt/sim_random.h"
#include "store/spool/crc32c.h"

static void
test_examples(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    for (uint8_t i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = i;
        down[i] = (uint8_t)(31 - i);
    }
    const struct {
        const char *name;
        struct span bytes;
        uint32_t crc;
    } rows[] = {
        {"empty", SPAN_EMPTY, 0},
        {"32 octets of zeros, RFC 3720 B.4", span_of(zeros, 32), 0x8a9136aa},
        {"32 octets of ones, RFC 3720 B.4", span_of(ones, 32), 0x62a8ab43},
        {"32 octets counting up, RFC 3720 B.4", span_of(up, 32), 0x46dd794e},
        {"32 octets counting down, RFC 3720 B.4", span_of(down, 32), 0x113fdb5c},
        {"123456789", SPAN("123456789"), 0xe3069283},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CHECK(rows[i].name, crc32c_update(0, rows[i].bytes) == rows[i].crc);
        CHECK(rows[i].name, crc32c_update_portable(0, rows[i].bytes) == rows[i].crc);
    }
}

static void
test_both_ways_agree(void **state)
{
    (void)state;
    struct sim_random random = {5};
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)sim_random_next(&random);
    for (int round = 0; round < 2000; round++) {
        size_t from = (size_t)sim_random_below(&random, 40), len = (size_t)sim_random_below(&random, 260);
        struct span s = span_of(bytes + from, len);
        uint32_t start = (uint32_t)sim_random_next(&random);
        assert_int_equal(crc32c_update(start, s), crc32c_update_portable(start, s));
        size_t cut = len == 0 ? 0 : (size_t)sim_random_below(&random, len);
        assert_int_equal(crc32c_update(crc32c_update(start, span_first(s, cut)), span_skip(s, cut)),
                         crc32c_update(start, s));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_both_ways_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
