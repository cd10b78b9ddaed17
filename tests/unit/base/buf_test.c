/* buf_test.c - growth, the cap, and the append that is refused whole. */
#include "check.h"

static void
test_grows_to_cap(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_append_octet(&b, (uint8_t)i), ERR_OK);
    assert_int_equal(b.len, 1000);
    assert_int_equal(buf_check(&b), ERR_OK);
    assert_int_equal(buf_append_octet(&b, 0), ERR_LIMIT);
    assert_int_equal(buf_check(&b), ERR_LIMIT);
    assert_int_equal(b.len, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(b.data[i], i & 0xff);
    buf_clear(&b);
    assert_int_equal(buf_check(&b), ERR_OK);
    assert_int_equal(b.len, 0);
    buf_done(&b);
    buf_done(NULL);
}

static void
test_refused_whole(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    assert_int_equal(buf_append(&b, SPAN("abc")), ERR_OK);
    assert_int_equal(buf_append(&b, SPAN("de")), ERR_LIMIT);
    CHECK_SPAN("kept", buf_span(&b), SPAN("abc"));
    assert_int_equal(buf_append(&b, SPAN("d")), ERR_OK);
    assert_int_equal(buf_check(&b), ERR_LIMIT); /* the refusal is remembered */
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_int_equal(b.len, 4);
    buf_done(&b);
}

static void
test_fixed(void **state)
{
    (void)state;
    uint8_t array[8];
    struct buf b;
    buf_init_fixed(&b, array, sizeof(array));
    assert_int_equal(buf_append(&b, SPAN("12345678")), ERR_OK);
    assert_ptr_equal(b.data, array);
    assert_int_equal(buf_append(&b, SPAN("9")), ERR_LIMIT);
    assert_int_equal(buf_append(&b, SPAN("")), ERR_OK);
    buf_consume(&b, 3);
    CHECK_SPAN("consumed", buf_span(&b), SPAN("45678"));
    buf_consume(&b, 0);
    buf_consume(&b, 5);
    assert_int_equal(b.len, 0);
    buf_done(&b);
}

static void
test_numbers_and_printf(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 2000);
    assert_int_equal(buf_append_u64(&b, 0), ERR_OK);
    assert_int_equal(buf_append_octet(&b, ' '), ERR_OK);
    assert_int_equal(buf_append_u64(&b, UINT64_MAX), ERR_OK);
    assert_int_equal(buf_printf(&b, " %d-%s", -5, "x"), ERR_OK);
    CHECK_SPAN("numbers", buf_span(&b), SPAN("0 18446744073709551615 -5-x"));
    buf_clear(&b);
    assert_int_equal(buf_printf(&b, "%1500d", 7), ERR_OK); /* longer than the space on the stack */
    assert_int_equal(b.len, 1500);
    assert_int_equal(b.data[1499], '7');
    assert_int_equal(buf_printf(&b, "%600d", 7), ERR_LIMIT);
    assert_int_equal(b.len, 1500);
    buf_done(&b);
}

static void
test_printf_fills_exactly(void **state)
{
    (void)state;
    /* 600 octets fit a cap of 600, though vsnprintf wants one more for its NUL. */
    struct buf b;
    buf_init(&b, 600);
    assert_int_equal(buf_printf(&b, "%600d", 7), ERR_OK);
    assert_int_equal(b.len, 600);
    buf_done(&b);
}

/* Octet by octet up to the cap it moves a few times only: growth is by a factor, near the cap too. */
static void
test_grows_seldom(void **state)
{
    (void)state;
    static const size_t caps[] = {1, 100, 256, 257, 511, 1000, 1024, 3000, 100000};
    for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
        struct buf b;
        unsigned growths = 0;
        buf_init(&b, caps[i]);
        for (size_t n = 0; n < caps[i]; n++) {
            size_t before = b.size;
            assert_int_equal(buf_append_octet(&b, 'x'), ERR_OK);
            assert_true(b.size <= caps[i]);
            growths += b.size != before;
        }
        assert_true(growths <= 11);
        assert_int_equal(buf_append_octet(&b, 'x'), ERR_LIMIT);
        buf_done(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_cap),       cmocka_unit_test(test_refused_whole),
        cmocka_unit_test(test_fixed),              cmocka_unit_test(test_numbers_and_printf),
        cmocka_unit_test(test_printf_fills_exactly), cmocka_unit_test(test_grows_seldom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
