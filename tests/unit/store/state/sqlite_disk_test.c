/* sqlite_disk_test.c - SQLite over disk.h: it works, it follows no path, and a commit survives a crash at every step.
 */
#include "check.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "rt/disk_sim.h"
#include "rt/rt_real.h"
#include "store/state/sqlite_disk.h"

#define ok(call) assert_int_equal((call), ERR_OK)

static int
run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int64_t
count(sqlite3 *db)
{
    sqlite3_stmt *s;
    int64_t n = -1;
    if (sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

static void
test_on_a_real_disk(void **state)
{
    (void)state;
    char path[] = "/tmp/godwit-state-XXXXXX", command[64];
    struct disk *disk = disk_real_new();
    struct disk_dir *dir;
    struct sqlite_disk *s;
    sqlite3 *db;
    assert_non_null(mkdtemp(path));
    ok(disk_dir_open(disk, NULL, path, &dir));
    for (int life = 0; life < 3; life++) {
        ok(sqlite_disk_open(dir, "x.db", &s, &db));
        assert_int_equal(run(db, "CREATE TABLE IF NOT EXISTS t (x)"), SQLITE_OK);
        assert_int_equal(run(db, "INSERT INTO t VALUES (zeroblob(10000))"), SQLITE_OK);
        assert_int_equal(count(db), life + 1);
        assert_int_equal(run(db, "VACUUM"), SQLITE_OK);
        sqlite_disk_close(s);
    }
    disk_dir_close(dir);
    disk_real_free(disk);
    snprintf(command, sizeof(command), "rm -r %s", path);
    assert_int_equal(system(command), 0);
}

static void
test_what_is_no_database(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *dir;
    struct disk_file *file;
    struct sqlite_disk *s;
    sqlite3 *db;
    ok(disk_dir_open(disk_sim_disk(sim), NULL, "/", &dir));
    ok(disk_open(dir, "x.db", DISK_WRITE | DISK_CREATE, &file));
    ok(disk_pwrite(file, 0,
                   SPAN("this is no database, and long enough that SQLite looks at all of its header, which has 100 "
                        "octets..........")));
    disk_close(file);
    assert_int_equal(sqlite_disk_open(dir, "x.db", &s, &db), ERR_DAMAGED);
    assert_int_equal(sqlite_disk_open(dir, "../x.db", &s, &db), ERR_DENIED);
    disk_dir_close(dir);
    disk_sim_free(sim);
}

enum { ROWS = 8 };

/* Insert rows, one transaction each; how many commits were reported, -1 when not even the table was. */
static int
work_run(struct disk_sim *sim)
{
    struct disk *disk = disk_sim_mount(sim);
    struct disk_dir *dir = NULL;
    struct sqlite_disk *s = NULL;
    sqlite3 *db;
    int done = -1;
    if (disk_dir_open(disk, NULL, "/", &dir) == ERR_OK && sqlite_disk_open(dir, "x.db", &s, &db) == ERR_OK &&
        run(db, "CREATE TABLE t (x, y)") == SQLITE_OK) {
        done = 0;
        for (int i = 0; i < ROWS; i++)
            if (run(db, "INSERT INTO t VALUES (randomblob(700), 1)") == SQLITE_OK && done == i)
                done = i + 1;
    }
    sqlite_disk_close(s);
    disk_dir_close(dir);
    disk_sim_unmount(disk);
    return done;
}

/* After the crash: as many rows as were reported, or one more (the commit under way), and the file is sound. */
static bool
rows_are_there(struct disk_sim *sim, int reported)
{
    struct disk *disk = disk_sim_mount(sim);
    struct disk_dir *dir;
    struct sqlite_disk *s = NULL;
    sqlite3 *db;
    bool are_there = false;
    ok(disk_dir_open(disk, NULL, "/", &dir));
    if (sqlite_disk_open(dir, "x.db", &s, &db) == ERR_OK) {
        int64_t n = count(db);
        are_there = (n == reported || n == reported + 1) && run(db, "PRAGMA integrity_check") == SQLITE_OK &&
                    (n < 0 || run(db, "INSERT INTO t VALUES (1, 2)") == SQLITE_OK);
    }
    sqlite_disk_close(s);
    disk_dir_close(dir);
    disk_sim_unmount(disk);
    return are_there;
}

static unsigned
crash_everywhere(void (*prepare)(struct disk_sim *sim, bool is_ignoring))
{
    struct disk_sim *whole = disk_sim_new(9);
    unsigned broken = 0;
    assert_int_equal(work_run(whole), ROWS);
    uint64_t steps = disk_sim_steps(whole);
    disk_sim_free(whole);
    assert_true(steps > 100);
    for (uint64_t step = 1; step <= steps; step++) {
        struct disk_sim *sim = disk_sim_new(9);
        if (prepare != NULL)
            prepare(sim, true);
        disk_sim_crash_at(sim, step);
        int reported = work_run(sim);
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct disk_sim *after = disk_sim_clone(sim);
            disk_sim_reboot(after, seed);
            broken += !rows_are_there(after, reported);
            disk_sim_free(after);
        }
        disk_sim_free(sim);
    }
    return broken;
}

static void
test_crash_at_every_step(void **state)
{
    (void)state;
    assert_int_equal(crash_everywhere(NULL), 0);
}

static void
test_without_syncs_rows_are_lost(void **state)
{
    (void)state;
    assert_true(crash_everywhere(disk_sim_ignore_data_syncs) > 0);
    assert_true(crash_everywhere(disk_sim_ignore_dir_syncs) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_a_real_disk),
        cmocka_unit_test(test_what_is_no_database),
        cmocka_unit_test(test_crash_at_every_step),
        cmocka_unit_test(test_without_syncs_rows_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
