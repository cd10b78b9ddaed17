/* accounts_test.c - keys of addresses, and the tables of accounts and aliases. Requirement 77. */
#include "check.h"

#include "directory/accounts.h"

static const uint64_t seed[2] = {1, 2};

static void
test_keys(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span local, domain;
        bool is_case_sensitive;
        const char *key; /* NULL: none */
    } rows[] = {
        {"plain", SPAN("alice"), SPAN("example.test"), false, "alice@example.test"},
        {"folded (77)", SPAN("Alice"), SPAN("Example.TEST"), false, "alice@example.test"},
        {"case counts", SPAN("Alice"), SPAN("Example.TEST"), true, "Alice@example.test"},
        {"at sign in the local part", SPAN("a@b"), SPAN("c"), false, "a@b@c"},
        {"octets above 127 are not folded", SPAN("\xc3\x84"), SPAN("c"), false, "\xc3\x84@c"},
        {"no local part", SPAN(""), SPAN("c"), false, NULL},
        {"no domain", SPAN("a"), SPAN(""), false, NULL},
        {"64 octets", SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), SPAN("c"), false,
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@c"},
        {"65 octets", SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), SPAN("c"), false,
         NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address_key key;
        bool made = address_key_make(rows[i].local, rows[i].domain, rows[i].is_case_sensitive, &key);
        CHECK(rows[i].name, made == (rows[i].key != NULL));
        if (made)
            CHECK_SPAN(rows[i].name, address_key_span(&key), span_from_cstr(rows[i].key));
    }
}

static void
test_accounts(void **state)
{
    (void)state;
    struct accounts a;
    accounts_init(&a, seed);
    assert_null(accounts_find(&a, SPAN("alice@example.test")));
    struct account account = {
        .address = SPAN("Alice@example.test"), .class = SPAN("bulk"), .quota_bytes = 5, .has_quota = true};
    assert_int_equal(accounts_put(&a, SPAN("alice@example.test"), &account), ERR_OK);
    const struct account *found = accounts_find(&a, SPAN("alice@example.test"));
    assert_non_null(found);
    CHECK_SPAN("address", found->address, SPAN("Alice@example.test"));
    CHECK_SPAN("class", found->class, SPAN("bulk"));
    assert_int_equal(found->quota_bytes, 5);
    /* Put again, with texts of the entry that is replaced. */
    struct account changed = *found;
    changed.is_suspended = true;
    assert_int_equal(accounts_put(&a, SPAN("alice@example.test"), &changed), ERR_OK);
    found = accounts_find(&a, SPAN("alice@example.test"));
    assert_true(found->is_suspended);
    CHECK_SPAN("address", found->address, SPAN("Alice@example.test"));
    assert_int_equal(a.accounts.count, 1);
    accounts_remove(&a, SPAN("alice@example.test"));
    accounts_remove(&a, SPAN("alice@example.test"));
    assert_null(accounts_find(&a, SPAN("alice@example.test")));
    accounts_done(&a);
    accounts_done(NULL);
}

static void
test_aliases(void **state)
{
    (void)state;
    struct accounts a;
    const struct span targets[] = {SPAN("alice@example.test"), SPAN("\"b c\"@example.org"), SPAN("d@e")};
    accounts_init(&a, seed);
    struct alias alias = {.address = SPAN("all@example.test"), .targets = targets, .target_count = 3};
    assert_int_equal(accounts_put_alias(&a, SPAN("all@example.test"), &alias), ERR_OK);
    const struct alias *found = accounts_find_alias(&a, SPAN("all@example.test"));
    assert_non_null(found);
    assert_int_equal(found->target_count, 3);
    for (size_t i = 0; i < 3; i++)
        CHECK_SPAN("target", found->targets[i], targets[i]);
    assert_null(accounts_find(&a, SPAN("all@example.test")));
    struct alias shorter = *found;
    shorter.target_count = 1;
    assert_int_equal(accounts_put_alias(&a, SPAN("all@example.test"), &shorter), ERR_OK);
    CHECK_SPAN("target", accounts_find_alias(&a, SPAN("all@example.test"))->targets[0], targets[0]);
    accounts_remove_alias(&a, SPAN("all@example.test"));
    assert_null(accounts_find_alias(&a, SPAN("all@example.test")));
    accounts_done(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_aliases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
