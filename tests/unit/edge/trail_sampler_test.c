/* trail_sampler_test.c - so many trails a second, and the number of those left out is not lost. */
#include "edge/trail_sampler.h"

#include "rt/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
test_sampling(void **state)
{
    (void)state;
    struct trail_sampler t;
    uint64_t skipped = 99;
    trail_sampler_init(&t, 2);
    assert_true(trail_sampler_take(&t, 0, &skipped));
    assert_int_equal(skipped, 0);
    assert_true(trail_sampler_take(&t, 1, &skipped));
    for (int i = 0; i < 5; i++)
        assert_false(trail_sampler_take(&t, NS_PER_S - 1, &skipped));
    assert_true(trail_sampler_take(&t, NS_PER_S, &skipped));
    assert_int_equal(skipped, 5);
    assert_true(trail_sampler_take(&t, NS_PER_S, &skipped));
    assert_int_equal(skipped, 0);
    assert_false(trail_sampler_take(&t, 2 * NS_PER_S - 1, &skipped));
    assert_true(trail_sampler_take(&t, 9 * NS_PER_S, &skipped));
    assert_int_equal(skipped, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sampling)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
