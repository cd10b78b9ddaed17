/* accounts_db_test.c - accounts and aliases on disk: what is put in comes out, survives reopening and crashes. */
#include "check.h"

#include <sqlite3.h>

#include "directory/accounts_db.h"
#include "rt/disk_sim.h"
#include "store/state/sqlite_disk.h"

#define ok(call) assert_int_equal((call), ERR_OK)

struct fixture {
    struct disk_sim *sim;
    struct disk_dir *dir;
    struct accounts_db *db;
};

static void
fixture_begin(struct fixture *f)
{
    f->sim = disk_sim_new(1);
    ok(disk_dir_open(disk_sim_disk(f->sim), NULL, "/", &f->dir));
    ok(accounts_db_open(f->dir, &f->db));
}

static void
fixture_end(struct fixture *f)
{
    accounts_db_close(f->db);
    disk_dir_close(f->dir);
    disk_sim_free(f->sim);
}

static void
fixture_reopen(struct fixture *f)
{
    accounts_db_close(f->db);
    ok(accounts_db_open(f->dir, &f->db));
}

static struct mailbox
address(const char *text)
{
    struct mailbox m;
    assert_int_equal(mailbox_parse(span_from_cstr(text), true, &m), ADDR_OK);
    return m;
}

static enum err
add(struct accounts_db *db, const char *text, struct span hash)
{
    struct mailbox m = address(text);
    const struct account account = {.class = SPAN("normal"), .created_us = 77, .has_quota = true, .quota_bytes = 1000};
    return accounts_db_add(db, &m, &account, hash);
}

/* What a read gives, as text. */
static bool
say_account(void *ctx, const struct mailbox *m, const struct account *account)
{
    struct buf *out = ctx;
    ok(mailbox_format(m, out));
    buf_append_cstr(out, "=");
    buf_append(out, account->address);
    buf_printf(out, " %llu/%d %d %d %lld ", (unsigned long long)account->quota_bytes, account->has_quota,
               account->has_password, account->is_suspended, (long long)account->created_us);
    buf_append(out, account->class);
    buf_append_cstr(out, "\n");
    return true;
}

static bool
say_alias(void *ctx, const struct mailbox *m, const struct alias *alias)
{
    struct buf *out = ctx;
    ok(mailbox_format(m, out));
    for (size_t i = 0; i < alias->target_count; i++) {
        buf_append_cstr(out, i == 0 ? ": " : ", ");
        buf_append(out, alias->targets[i]);
    }
    buf_append_cstr(out, "\n");
    return true;
}

static void
say_problem(void *ctx, struct span text, const char *what)
{
    struct buf *out = ctx;
    buf_append_cstr(out, "! ");
    buf_append(out, text);
    buf_printf(out, " %s\n", what);
}

static void
check_all(struct fixture *f, const char *name, struct accounts_db_range range, const char *wanted)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    const struct accounts_db_sink sink = {say_account, say_alias, say_problem, &out};
    ok(accounts_db_read(f->db, &range, &sink));
    CHECK_SPAN(name, buf_span(&out), span_from_cstr(wanted));
    buf_done(&out);
}

static const struct accounts_db_range all = {.limit = UINT64_MAX};

static void
test_accounts(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    check_all(&f, "empty", all, "");
    ok(add(f.db, "bob@example.test", SPAN("")));
    ok(add(f.db, "alice@example.test", SPAN("$y$hash")));
    ok(add(f.db, "\"a b\"@example.org", SPAN("")));
    assert_int_equal(add(f.db, "alice@example.test", SPAN("")), ERR_EXISTS);
    const char *wanted = "\"a b\"@example.org=a b@example.org 1000/1 0 0 77 normal\n"
                         "alice@example.test=alice@example.test 1000/1 1 0 77 normal\n"
                         "bob@example.test=bob@example.test 1000/1 0 0 77 normal\n";
    check_all(&f, "three", all, wanted);
    fixture_reopen(&f);
    check_all(&f, "reopened", all, wanted);
    check_all(&f, "one domain", (struct accounts_db_range){SPAN("example.org"), 0, 10},
              "\"a b\"@example.org=a b@example.org 1000/1 0 0 77 normal\n");
    check_all(&f, "a page", (struct accounts_db_range){SPAN_EMPTY, 1, 1},
              "alice@example.test=alice@example.test 1000/1 1 0 77 normal\n");
    fixture_end(&f);
}

static void
test_changes(void **state)
{
    (void)state;
    struct fixture f;
    struct mailbox alice = address("alice@example.test"), nobody = address("nobody@example.test");
    char hash[PASSWORD_HASH_MAX];
    struct buf text;
    fixture_begin(&f);
    ok(add(f.db, "alice@example.test", SPAN("")));
    ok(accounts_db_set_password(f.db, &alice, SPAN("$y$new")));
    buf_init_fixed(&text, hash, sizeof(hash));
    ok(accounts_db_password(f.db, &alice, &text));
    CHECK_SPAN("hash", buf_span(&text), SPAN("$y$new"));
    ok(accounts_db_set_quota(f.db, &alice, true, UINT64_C(1) << 40));
    ok(accounts_db_set_suspended(f.db, &alice, true));
    check_all(&f, "changed", all, "alice@example.test=alice@example.test 1099511627776/1 1 1 77 normal\n");
    ok(accounts_db_set_password(f.db, &alice, SPAN("")));
    ok(accounts_db_set_quota(f.db, &alice, false, 0));
    ok(accounts_db_set_suspended(f.db, &alice, false));
    check_all(&f, "changed back", all, "alice@example.test=alice@example.test 0/0 0 0 77 normal\n");
    assert_int_equal(accounts_db_set_password(f.db, &nobody, SPAN("x")), ERR_NOT_FOUND);
    assert_int_equal(accounts_db_set_quota(f.db, &nobody, true, 1), ERR_NOT_FOUND);
    assert_int_equal(accounts_db_set_suspended(f.db, &nobody, true), ERR_NOT_FOUND);
    assert_int_equal(accounts_db_password(f.db, &nobody, &text), ERR_NOT_FOUND);
    assert_int_equal(accounts_db_remove(f.db, &nobody), ERR_NOT_FOUND);
    ok(accounts_db_remove(f.db, &alice));
    check_all(&f, "removed", all, "");
    fixture_end(&f);
}

static void
test_aliases(void **state)
{
    (void)state;
    struct fixture f;
    struct mailbox sales = address("sales@example.test"), quote = address("\"'; DROP TABLE account; --\"@example.test");
    const struct span two[] = {SPAN("bob@example.test"), SPAN("carol@example.org")},
                      one[] = {SPAN("dave@example.test")};
    fixture_begin(&f);
    ok(accounts_db_put_alias(f.db, &sales, two, 2));
    ok(accounts_db_put_alias(f.db, &quote, one, 1));
    check_all(&f, "two", all,
              "\"'; DROP TABLE account; --\"@example.test: dave@example.test\nsales@example.test: bob@example.test, "
              "carol@example.org\n");
    ok(accounts_db_put_alias(f.db, &sales, one, 1));
    ok(accounts_db_put_alias(f.db, &quote, NULL, 0));
    fixture_reopen(&f);
    check_all(&f, "changed", all, "sales@example.test: dave@example.test\n");
    assert_int_equal(accounts_db_put_alias(f.db, &quote, NULL, 0), ERR_NOT_FOUND);
    fixture_end(&f);
}

/* Rows somebody else wrote are input: passed over and told. */
static void
test_rows_that_are_no_addresses(void **state)
{
    (void)state;
    struct fixture f;
    struct sqlite_disk *s;
    sqlite3 *db;
    fixture_begin(&f);
    accounts_db_close(f.db);
    ok(sqlite_disk_open(f.dir, "accounts.db", &s, &db));
    assert_int_equal(sqlite3_exec(db,
                                  "INSERT INTO account (local_part, domain, created_us) VALUES ('', 'x', 0), "
                                  "('a'||char(10), 'x', 0), ('a', '', 0), ('ok', 'x', 0)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite_disk_close(s);
    ok(accounts_db_open(f.dir, &f.db));
    check_all(
        &f, "bad rows", all,
        "! a a row of the accounts database is not an address\n!  a row of the accounts database is not an address\n"
        "! a\n a row of the accounts database is not an address\nok@x=ok@x 0/0 0 0 0 normal\n");
    fixture_end(&f);
}

static void
test_a_newer_database_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct sqlite_disk *s;
    sqlite3 *db;
    fixture_begin(&f);
    accounts_db_close(f.db);
    ok(sqlite_disk_open(f.dir, "accounts.db", &s, &db));
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1000", NULL, NULL, NULL), SQLITE_OK);
    sqlite_disk_close(s);
    assert_int_equal(accounts_db_open(f.dir, &f.db), ERR_DENIED);
    f.db = NULL;
    fixture_end(&f);
}

/* --- crashes --- */

enum { CRASH_ACCOUNTS = 3 };

/* Changes in order; how many were reported, -1 when the database could not be opened. */
static int
work_run(struct disk_sim *sim)
{
    struct disk *disk = disk_sim_mount(sim);
    struct disk_dir *dir = NULL;
    struct accounts_db *db = NULL;
    struct mailbox sales = address("sales@example.test");
    const struct span targets[] = {SPAN("bob@example.test"), SPAN("carol@example.org")};
    int done = -1;
    if (disk_dir_open(disk, NULL, "/", &dir) == ERR_OK && accounts_db_open(dir, &db) == ERR_OK) {
        done = 0;
        done += add(db, "alice@example.test", SPAN("$y$hash")) == ERR_OK;
        done += done == 1 && accounts_db_put_alias(db, &sales, targets, 2) == ERR_OK;
        done += done == 2 && add(db, "bob@example.test", SPAN("")) == ERR_OK;
    }
    accounts_db_close(db);
    disk_dir_close(dir);
    disk_sim_unmount(disk);
    return done;
}

static bool
count_any(void *ctx, const struct mailbox *m, const struct account *account)
{
    (void)m;
    (void)account;
    ++*(int *)ctx;
    return true;
}

static bool
count_whole_alias(void *ctx, const struct mailbox *m, const struct alias *alias)
{
    (void)m;
    assert_int_equal(alias->target_count, 2);
    ++*(int *)ctx;
    return true;
}

/* What was reported is there, the change under way is there whole or not at all, and nothing else. */
static void
test_crash_at_every_step(void **state)
{
    (void)state;
    struct disk_sim *whole = disk_sim_new(4);
    assert_int_equal(work_run(whole), CRASH_ACCOUNTS);
    uint64_t steps = disk_sim_steps(whole);
    disk_sim_free(whole);
    for (uint64_t step = 1; step <= steps; step++) {
        struct disk_sim *sim = disk_sim_new(4);
        disk_sim_crash_at(sim, step);
        int reported = work_run(sim);
        for (uint64_t fate = 1; fate <= 3; fate++) {
            struct disk_sim *after = disk_sim_clone(sim);
            struct disk_dir *dir;
            struct accounts_db *db;
            int there = 0;
            const struct accounts_db_sink sink = {count_any, count_whole_alias, NULL, &there};
            disk_sim_reboot(after, fate);
            ok(disk_dir_open(disk_sim_disk(after), NULL, "/", &dir));
            ok(accounts_db_open(dir, &db));
            ok(accounts_db_read(db, &all, &sink));
            assert_true(there == reported || there == reported + 1 || (reported == -1 && there == 0));
            accounts_db_close(db);
            disk_dir_close(dir);
            disk_sim_free(after);
        }
        disk_sim_free(sim);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_rows_that_are_no_addresses),
        cmocka_unit_test(test_a_newer_database_is_refused),
        cmocka_unit_test(test_crash_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
