/* err_test.c - names are stable and distinct; what errno means to a caller. */
#include "check.h"

#include <errno.h>

static void
test_names(void **state)
{
    (void)state;
    for (int a = ERR_OK; a <= ERR_IO; a++)
        for (int b = a + 1; b <= ERR_IO; b++)
            assert_string_not_equal(err_name((enum err)a), err_name((enum err)b));
    assert_string_equal(err_name(ERR_TIMEOUT), "timeout");
    assert_string_equal(err_name((enum err)99), "unknown");
}

static void
test_from_errno(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        enum err e;
    } rows[] = {
        {0, ERR_OK},         {ENOSPC, ERR_FULL},     {EDQUOT, ERR_FULL}, {ENOENT, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS},
        {EACCES, ERR_DENIED}, {EPIPE, ERR_CLOSED},   {EMFILE, ERR_LIMIT}, {EAGAIN, ERR_AGAIN},    {EIO, ERR_IO},
        {ETIMEDOUT, ERR_TIMEOUT}, {9999, ERR_IO},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(err_from_errno(rows[i].errnum), rows[i].e);
}

static enum err
pass_on(enum err e)
{
    TRY(e);
    return ERR_AGAIN;
}

static void
test_try(void **state)
{
    (void)state;
    assert_int_equal(pass_on(ERR_FULL), ERR_FULL);
    assert_int_equal(pass_on(ERR_OK), ERR_AGAIN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_from_errno),
        cmocka_unit_test(test_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
