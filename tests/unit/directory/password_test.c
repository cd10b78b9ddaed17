/* password_test.c - yescrypt hashes: made, checked, and refused where there is nothing to hash. */
#include "check.h"

#include "directory/password.h"

static const uint8_t salt[PASSWORD_SALT_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void
test_hash_and_check(void **state)
{
    (void)state;
    char text[400];
    struct buf hash;
    bool is_right = false;
    buf_init_fixed(&hash, text, sizeof(text));
    assert_int_equal(password_hash(SPAN("correct horse"), salt, &hash), ERR_OK);
    assert_true(span_has_prefix(buf_span(&hash), SPAN("$y$")));
    static const struct {
        const char *name;
        struct span password;
        bool is_right;
    } rows[] = {
        {"right", SPAN("correct horse"), true},
        {"wrong", SPAN("correct horsf"), false},
        {"shorter", SPAN("correct hors"), false},
        {"longer", SPAN("correct horse "), false},
        {"empty", SPAN(""), false},
        {"NUL behind the right one", {(const uint8_t *)"correct horse\0", 14}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(password_check(rows[i].password, buf_span(&hash), &is_right), ERR_OK);
        CHECK(rows[i].name, is_right == rows[i].is_right);
    }
}

static void
test_salts_make_hashes_differ(void **state)
{
    (void)state;
    char one_text[400], two_text[400];
    struct buf one, two;
    uint8_t other[PASSWORD_SALT_BYTES] = {9};
    buf_init_fixed(&one, one_text, sizeof(one_text));
    buf_init_fixed(&two, two_text, sizeof(two_text));
    assert_int_equal(password_hash(SPAN("x"), salt, &one), ERR_OK);
    assert_int_equal(password_hash(SPAN("x"), other, &two), ERR_OK);
    assert_false(span_equal(buf_span(&one), buf_span(&two)));
}

static void
test_what_cannot_be_hashed(void **state)
{
    (void)state;
    char text[400], longest[PASSWORD_OCTETS_MAX + 1];
    struct buf hash;
    buf_init_fixed(&hash, text, sizeof(text));
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(password_hash(SPAN(""), salt, &hash), ERR_SYNTAX);
    assert_int_equal(password_hash(span_of("a\0b", 3), salt, &hash), ERR_SYNTAX);
    assert_int_equal(password_hash(span_of(longest, sizeof(longest)), salt, &hash), ERR_SYNTAX);
    assert_int_equal(hash.len, 0);
    assert_int_equal(password_hash(span_of(longest, PASSWORD_OCTETS_MAX), salt, &hash), ERR_OK);
}

static void
test_hashes_of_other_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span hash;
        bool is_right;
    } rows[] = {
        /* glibc's and libxcrypt's own test vector */
        {"SHA-512",
         SPAN("$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"),
         true},
        {"no hash", SPAN(""), false},
        {"locked", SPAN("!"), false},
        {"star", SPAN("*"), false},
        {"plain text is no hash", SPAN("Hello world!"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_right = !rows[i].is_right;
        assert_int_equal(password_check(SPAN("Hello world!"), rows[i].hash, &is_right), ERR_OK);
        CHECK(rows[i].name, is_right == rows[i].is_right);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_and_check),
        cmocka_unit_test(test_salts_make_hashes_differ),
        cmocka_unit_test(test_what_cannot_be_hashed),
        cmocka_unit_test(test_hashes_of_other_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
