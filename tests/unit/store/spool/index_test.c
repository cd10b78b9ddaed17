/* index_test.c - the index against a plain model, its growth, its memory. */
#include "check.h"

#include <stdlib.h>

#include "rt/sim_random.h"
#include "store/spool/index.h"

enum { IDS = 5000, ROUNDS = 60000 };

static struct message_id
id_of(uint64_t n)
{
    /* Ids of one busy edge differ in few bits. */
    return (struct message_id){.time_us = 1700000000000000 + n / 3, .counter = (uint16_t)(n % 3), .process = 1};
}

static void
test_against_a_model(void **state)
{
    (void)state;
    struct spool_index x;
    struct sim_random random = {9};
    uint32_t *numbers = malloc(IDS * sizeof(*numbers)), count = 0;
    assert_non_null(numbers);
    for (size_t i = 0; i < IDS; i++)
        numbers[i] = SPOOL_ENTRY_NONE;
    assert_int_equal(spool_index_init(&x), ERR_OK);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t n = sim_random_below(&random, IDS);
        assert_int_equal(spool_index_find(&x, id_of(n)), numbers[n]);
        if (numbers[n] == SPOOL_ENTRY_NONE) {
            assert_int_equal(spool_index_insert(&x, id_of(n), &numbers[n]), ERR_OK);
            struct spool_entry *e = spool_index_entry(&x, numbers[n]);
            assert_int_equal(e->flags, 0);
            assert_true(message_id_equal(spool_entry_id(e), id_of(n)));
            e->place[0].offset = (uint32_t)n;
            count++;
        } else {
            assert_int_equal(spool_index_entry(&x, numbers[n])->place[0].offset, n);
            spool_index_remove(&x, numbers[n]);
            numbers[n] = SPOOL_ENTRY_NONE;
            count--;
        }
        assert_int_equal(x.count, count);
    }
    for (uint64_t n = 0; n < IDS; n++)
        assert_int_equal(spool_index_find(&x, id_of(n)), numbers[n]);
    assert_int_equal(spool_index_find(&x, id_of(IDS)), SPOOL_ENTRY_NONE);
    spool_index_done(&x);
    free(numbers);
}

/* The design allows the spool's part of a message 100 bytes. */
static void
test_memory(void **state)
{
    (void)state;
    struct spool_index x;
    assert_int_equal(spool_index_init(&x), ERR_OK);
    for (uint64_t n = 0; n < 100000; n++) {
        uint32_t number;
        assert_int_equal(spool_index_insert(&x, id_of(n), &number), ERR_OK);
    }
    assert_in_range(x.bytes / x.count, 40, 100);
    assert_in_range(spool_index_used_bytes(&x), x.bytes / 2, x.bytes);
    /* Freed entries are used again. */
    uint64_t bytes = x.bytes;
    for (uint32_t number = 0; number < 50000; number++)
        spool_index_remove(&x, number);
    for (uint64_t n = 100000; n < 150000; n++) {
        uint32_t number;
        assert_int_equal(spool_index_insert(&x, id_of(n), &number), ERR_OK);
    }
    assert_int_equal(x.bytes, bytes);
    spool_index_done(&x);
}

/* Buckets stay short whatever the number of entries, so that no look-up takes long. */
static void
test_chains(void **state)
{
    (void)state;
    struct spool_index x;
    assert_int_equal(spool_index_init(&x), ERR_OK);
    uint32_t longest = 0;
    for (uint64_t n = 0; n < 50000; n++) {
        uint32_t number, length = 1;
        assert_int_equal(spool_index_insert(&x, id_of(n), &number), ERR_OK);
        for (uint32_t at = number; (at = spool_index_entry(&x, at)->next) != SPOOL_ENTRY_NONE;)
            length++;
        longest = length > longest ? length : longest;
    }
    assert_in_range(longest, 2, 16);
    spool_index_done(&x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
