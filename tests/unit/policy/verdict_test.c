/* verdict_test.c - codes of reasons and names of facts are stable, distinct words. */
#include "check.h"

#include "policy/verdict.h"

static bool
is_word(struct span s, uint8_t extra)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(s.data[i] >= 'a' && s.data[i] <= 'z') && s.data[i] != '-' && s.data[i] != extra)
            return false;
    return s.len > 0;
}

static void
test_reasons(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        struct span code = reason_code((enum reason)i);
        enum reason found;
        assert_true(is_word(code, '-'));
        assert_true(reason_find(code, &found));
        assert_int_equal(found, i); /* so no code stands twice */
        assert_true(reason_sentence((enum reason)i).len > 10);
    }
    enum reason untouched = REASON_POSTMASTER;
    assert_false(reason_find(SPAN("no-such-reason"), &untouched));
    assert_int_equal(untouched, REASON_POSTMASTER);
    assert_true(span_equal(reason_code(REASON_RELAY_DENIED), SPAN("relay-denied")));
}

static void
test_facts(void **state)
{
    (void)state;
    uint64_t seen = 0;
    for (unsigned i = 0; i < FACT_COUNT; i++) {
        assert_true(is_word(fact_name((enum fact_id)i), '.'));
        assert_true(fact_sentence((enum fact_id)i).len > 10);
        for (unsigned j = 0; j < i; j++)
            assert_false(span_equal(fact_name((enum fact_id)i), fact_name((enum fact_id)j)));
        assert_true((seen & fact_bit((enum fact_id)i)) == 0);
        seen |= fact_bit((enum fact_id)i);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reasons), cmocka_unit_test(test_facts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
