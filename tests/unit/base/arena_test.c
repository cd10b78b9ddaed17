/* arena_test.c - alignment, zeroing, the cap, and life after a clear. */
#include "check.h"

#include "base/arena.h"

static void
test_alignment_and_zero(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    for (size_t size = 0; size < 2000; size += 7) {
        uint8_t *memory = arena_alloc(&a, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xff, size);
    }
    arena_clear(&a);
    assert_int_equal(a.used_bytes, 0);
}

static void
test_cap(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64);
    assert_non_null(arena_alloc(&a, 48));
    assert_null(arena_alloc(&a, 17));
    assert_non_null(arena_alloc(&a, 16));
    assert_null(arena_alloc(&a, 1));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 8));
    arena_clear(&a);
    assert_non_null(arena_alloc(&a, 64)); /* usable again */
    arena_clear(&a);
}

static void
test_copy(void **state)
{
    (void)state;
    struct arena a;
    struct span copy = SPAN("untouched");
    arena_init(&a, 32);
    assert_false(arena_copy(&a, SPAN("123456789012345678901234567890123"), &copy));
    CHECK_SPAN("refused", copy, SPAN("untouched"));
    struct span original = SPAN("abc");
    assert_true(arena_copy(&a, original, &copy));
    CHECK_SPAN("copied", copy, original);
    assert_ptr_not_equal(copy.data, original.data);
    assert_true(arena_copy(&a, SPAN_EMPTY, &copy));
    assert_int_equal(copy.len, 0);
    arena_clear(&a);
}

static void
test_large_blocks(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    uint8_t *large = arena_alloc(&a, 300000), *small = arena_alloc(&a, 10);
    assert_non_null(large);
    assert_non_null(small);
    large[299999] = 1;
    small[9] = 1;
    assert_int_equal(a.used_bytes, 300000 + 16);
    arena_clear(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_zero),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_large_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
