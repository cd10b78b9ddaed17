/*
 * disk_sim_test.c - what the simulated disk keeps and what it loses.
 *
 * Each promise of disk_sim.h has a test that looks at many seeds: what must survive survives under all of them, what
 * may be lost is lost under some. A random run compares the disk with a plain model of files in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "rt/disk_sim.h"
#include "rt/sim_random.h"

enum { SEEDS = 200 };

#define ok(call) assert_int_equal((call), ERR_OK)

static struct disk_dir *
open_dir(struct disk_sim *sim, const char *name)
{
    struct disk_dir *dir = NULL;
    ok(disk_dir_open(disk_sim_disk(sim), NULL, name, &dir));
    return dir;
}

static struct disk_file *
open_file(struct disk_dir *dir, const char *name, unsigned flags)
{
    struct disk_file *file = NULL;
    ok(disk_open(dir, name, flags, &file));
    return file;
}

static void
write_at(struct disk_file *file, uint64_t offset, uint8_t octet, size_t len)
{
    uint8_t *data = malloc(len);
    memset(data, octet, len);
    ok(disk_pwrite(file, offset, span_of(data, len)));
    free(data);
}

static uint8_t
octet_at(struct disk_file *file, uint64_t offset)
{
    uint8_t octet = 0;
    size_t n = 0;
    ok(disk_pread(file, offset, &octet, 1, &n));
    assert_int_equal(n, 1);
    return octet;
}

static uint64_t
size_of(struct disk_file *file)
{
    struct disk_stat st;
    ok(disk_stat_file(file, &st));
    return st.size_bytes;
}

static bool
exists(struct disk_dir *dir, const char *name)
{
    struct disk_stat st;
    enum err e = disk_stat_name(dir, name, &st);
    assert_true(e == ERR_OK || e == ERR_NOT_FOUND);
    return e == ERR_OK;
}

/* A file of `len` bytes, durable with its entry. */
static struct disk_file *
durable_file(struct disk_dir *dir, const char *name, uint8_t octet, size_t len)
{
    struct disk_file *file = open_file(dir, name, DISK_READ | DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE);
    write_at(file, 0, octet, len);
    ok(disk_sync_data(file));
    ok(disk_dir_sync(dir));
    return file;
}

static void
calls_behave_like_a_file_system(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    struct disk_file *file = NULL;
    struct disk_stat st;
    assert_int_equal(disk_open(root, "a", DISK_READ, &file), ERR_NOT_FOUND);
    file = open_file(root, "a", DISK_READ | DISK_WRITE | DISK_CREATE);
    write_at(file, 5000, 'x', 10);
    assert_int_equal(size_of(file), 5010);
    assert_int_equal(octet_at(file, 0), 0);
    assert_int_equal(octet_at(file, 5009), 'x');
    uint8_t some[64];
    size_t n = 99;
    ok(disk_pread(file, 5005, some, sizeof some, &n));
    assert_int_equal(n, 5);
    ok(disk_pread(file, 6000, some, sizeof some, &n));
    assert_int_equal(n, 0);
    ok(disk_truncate(file, 5001));
    ok(disk_truncate(file, 5010));
    assert_int_equal(octet_at(file, 5000), 'x');
    assert_int_equal(octet_at(file, 5001), 0);
    disk_close(file);

    static const struct {
        const char *name;
        enum err e;
    } names[] = {{"../a", ERR_DENIED}, {"/a", ERR_DENIED}, {"", ERR_DENIED}, {"b//a", ERR_DENIED}, {"b/", ERR_DENIED},
                 {"b/../a", ERR_DENIED}, {"b/a", ERR_NOT_FOUND}, {"a/b", ERR_IO}, {"a", ERR_OK}, {"./a", ERR_OK}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(disk_stat_name(root, names[i].name, &st), names[i].e);

    ok(disk_mkdir(root, "d"));
    assert_int_equal(disk_mkdir(root, "d"), ERR_EXISTS);
    assert_int_equal(disk_mkdir(root, "e/f"), ERR_NOT_FOUND);
    struct disk_dir *d = NULL;
    ok(disk_dir_open(disk_sim_disk(sim), root, "d", &d));
    assert_int_equal(disk_dir_open(disk_sim_disk(sim), root, "a", &(struct disk_dir *){NULL}), ERR_IO);
    assert_int_equal(disk_open(root, "d", DISK_READ, &file), ERR_IO);
    assert_int_equal(disk_open(root, "a", DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &file), ERR_EXISTS);
    ok(disk_rename(root, "a", d, "b"));
    assert_false(exists(root, "a"));
    assert_true(exists(root, "d/b"));
    assert_int_equal(disk_rename(root, "a", d, "b"), ERR_NOT_FOUND);
    disk_close(open_file(root, "c", DISK_WRITE | DISK_CREATE));
    assert_int_equal(disk_rename_new(root, "c", d, "b"), ERR_EXISTS);
    assert_int_equal(disk_rename(root, "c", root, "d"), ERR_IO);
    assert_int_equal(disk_rename(root, "d", d, "x"), ERR_IO);
    assert_int_equal(disk_rmdir(root, "d"), ERR_IO);
    assert_int_equal(disk_unlink(root, "d"), ERR_IO);
    ok(disk_rename(root, "c", d, "b"));
    ok(disk_unlink(d, "b"));
    assert_int_equal(disk_unlink(d, "b"), ERR_NOT_FOUND);
    ok(disk_rmdir(root, "d"));
    assert_int_equal(disk_open(d, "late", DISK_WRITE | DISK_CREATE, &file), ERR_NOT_FOUND);
    disk_dir_close(d);
    disk_dir_close(root);
    disk_sim_free(sim);
}

static void
append_writes_at_the_end(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    struct disk_file *file = open_file(root, "log", DISK_READ | DISK_WRITE | DISK_CREATE | DISK_APPEND);
    write_at(file, 0, 'a', 3);
    write_at(file, 0, 'b', 3);
    assert_int_equal(size_of(file), 6);
    assert_int_equal(octet_at(file, 2), 'a');
    assert_int_equal(octet_at(file, 3), 'b');
    disk_close(file);
    disk_dir_close(root);
    disk_sim_free(sim);
}

static bool
name_count(void *arg, const char *name)
{
    unsigned *seen = arg;
    assert_true(name[0] >= 'a' && name[0] <= 'e' && name[1] == '\0');
    assert_int_equal(*seen & (1u << (name[0] - 'a')), 0);
    *seen |= 1u << (name[0] - 'a');
    return *seen != 0x1f;
}

static void
list_gives_every_name_once(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(7);
    struct disk_dir *root = open_dir(sim, "/");
    static const char *const names[] = {"c", "a", "e", "b", "d"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        disk_close(open_file(root, names[i], DISK_WRITE | DISK_CREATE));
    unsigned seen = 0;
    ok(disk_dir_list(root, name_count, &seen));
    assert_int_equal(seen, 0x1f);
    disk_dir_close(root);
    disk_sim_free(sim);
}

/* Reboot a copy of `sim` with a seed; the root of it. */
struct life {
    struct disk_sim *sim;
    struct disk_dir *root;
};

static struct life
life_after(struct disk_sim *sim, uint64_t seed)
{
    struct disk_sim *copy = disk_sim_clone(sim);
    disk_sim_reboot(copy, seed);
    return (struct life){copy, open_dir(copy, "/")};
}

static void
life_end(struct life *life)
{
    disk_dir_close(life->root);
    disk_sim_free(life->sim);
}

static void
synced_survives_every_crash(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    struct disk_file *file = durable_file(root, "a", 'x', 10000);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct life life = life_after(sim, seed);
        struct disk_file *again = open_file(life.root, "a", DISK_READ);
        assert_int_equal(size_of(again), 10000);
        for (uint64_t at = 0; at < 10000; at += 500)
            assert_int_equal(octet_at(again, at), 'x');
        disk_close(again);
        life_end(&life);
    }
    disk_close(file);
    disk_dir_close(root);
    disk_sim_free(sim);
}

/* Counts over many seeds what an overwritten and extended, unsynced file looks like. */
static void
unsynced_sectors_survive_in_any_subset(void **state)
{
    (void)state;
    enum { OLD = 8, ALL = 16 };
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    struct disk_file *file = durable_file(root, "a", 'o', OLD * 512);
    write_at(file, 0, 'n', ALL * 512);
    unsigned torn = 0, none = 0, all = 0, grown = 0, reordered = 0, holes = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct life life = life_after(sim, seed);
        struct disk_file *again = open_file(life.root, "a", DISK_READ);
        uint64_t size = size_of(again), fresh = 0;
        assert_true(size >= OLD * 512 && size <= ALL * 512 && size % 512 == 0);
        grown += size > OLD * 512 && size < ALL * 512;
        for (uint64_t s = 0; s < size / 512; s++) {
            uint8_t octet = octet_at(again, s * 512);
            assert_int_equal(octet, octet_at(again, s * 512 + 511)); /* a sector never tears */
            assert_true(octet == 'n' || octet == (s < OLD ? 'o' : 0));
            fresh += octet == 'n';
            holes += octet == 0;
            reordered += octet == 'n' && s > 0 && octet_at(again, s * 512 - 1) != 'n';
        }
        none += fresh == 0 && size == OLD * 512;
        all += fresh == ALL;
        torn += fresh > 0 && fresh < size / 512;
        disk_close(again);
        life_end(&life);
    }
    assert_true(none > 0 && all > 0 && torn > SEEDS / 4 && grown > 0 && reordered > 0 && holes > 0);
    disk_close(file);
    disk_dir_close(root);
    disk_sim_free(sim);
}

static void
older_unsynced_content_may_come_back(void **state)
{
    (void)state;
    unsigned seen[256] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct disk_sim *sim = disk_sim_new(seed);
        struct disk_dir *root = open_dir(sim, "/");
        struct disk_file *file = durable_file(root, "a", '1', 512);
        write_at(file, 0, '2', 512);
        write_at(file, 0, '3', 512);
        disk_close(file);
        disk_dir_close(root);
        disk_sim_reboot(sim, seed);
        root = open_dir(sim, "/");
        file = open_file(root, "a", DISK_READ);
        seen[octet_at(file, 0)]++;
        disk_close(file);
        disk_dir_close(root);
        disk_sim_free(sim);
    }
    assert_true(seen['1'] > 0 && seen['2'] > 0 && seen['3'] > 0);
    assert_int_equal(seen['1'] + seen['2'] + seen['3'], SEEDS);
}

static void
entries_need_a_sync_of_their_directory(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    disk_close(durable_file(root, "kept", 'k', 10));
    disk_close(durable_file(root, "gone", 'g', 10));
    struct disk_file *file = open_file(root, "new", DISK_READ | DISK_WRITE | DISK_CREATE);
    write_at(file, 0, 'n', 600);
    ok(disk_sync_data(file)); /* content without an entry */
    ok(disk_unlink(root, "gone"));
    unsigned with_new = 0, with_gone = 0, both_old = 0, both_new = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct life life = life_after(sim, seed);
        assert_true(exists(life.root, "kept"));
        bool has_new = exists(life.root, "new"), has_gone = exists(life.root, "gone");
        if (has_new) {
            struct disk_file *again = open_file(life.root, "new", DISK_READ);
            assert_int_equal(size_of(again), 600);
            assert_int_equal(octet_at(again, 599), 'n');
            disk_close(again);
        }
        with_new += has_new;
        with_gone += has_gone;
        both_old += !has_new && has_gone;
        both_new += has_new && !has_gone;
        life_end(&life);
    }
    assert_true(with_new > 0 && with_new < SEEDS && with_gone > 0 && with_gone < SEEDS && both_old > 0 && both_new > 0);
    ok(disk_dir_sync(root));
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct life life = life_after(sim, seed);
        assert_true(exists(life.root, "new") && !exists(life.root, "gone"));
        life_end(&life);
    }
    disk_close(file);
    disk_dir_close(root);
    disk_sim_free(sim);
}

/* A directory's own entry belongs to its parent: syncing the directory does not make it reachable. */
static void
a_new_directory_needs_a_sync_of_its_parent(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    ok(disk_mkdir(root, "d"));
    struct disk_dir *d = open_dir(sim, "/d");
    disk_close(durable_file(d, "a", 'a', 100));
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct life life = life_after(sim, seed);
        lost += !exists(life.root, "d");
        assert_true(!exists(life.root, "d") || exists(life.root, "d/a"));
        life_end(&life);
    }
    assert_true(lost > 0 && lost < SEEDS);
    ok(disk_dir_sync(root));
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct life life = life_after(sim, seed);
        assert_true(exists(life.root, "d/a"));
        life_end(&life);
    }
    disk_dir_close(d);
    disk_dir_close(root);
    disk_sim_free(sim);
}

static void
a_rename_survives_whole_or_not_at_all(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    ok(disk_mkdir(root, "tmp"));
    ok(disk_mkdir(root, "new"));
    ok(disk_dir_sync(root));
    struct disk_dir *tmp = open_dir(sim, "/tmp"), *new = open_dir(sim, "/new");
    disk_close(durable_file(tmp, "a", 'a', 10));
    disk_close(durable_file(new, "b", 'b', 10));
    ok(disk_rename(tmp, "a", new, "a"));
    ok(disk_rename(new, "a", new, "b"));                           /* replaces */
    disk_close(open_file(tmp, "a", DISK_WRITE | DISK_CREATE)); /* the old name again, for another file */
    unsigned replaced = 0, between = 0, before = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct life life = life_after(sim, seed);
        struct disk_file *b = open_file(life.root, "new/b", DISK_READ);
        bool is_replaced = octet_at(b, 0) == 'a', is_between = exists(life.root, "new/a"), is_before = false;
        if (exists(life.root, "tmp/a")) {
            struct disk_file *a = open_file(life.root, "tmp/a", DISK_READ);
            is_before = size_of(a) == 10;
            disk_close(a);
        }
        assert_int_equal(is_replaced + is_between + is_before, 1);
        replaced += is_replaced;
        between += is_between;
        before += is_before;
        disk_close(b);
        life_end(&life);
    }
    assert_true(replaced > 0 && between > 0 && before > 0);
    ok(disk_dir_sync(new));
    struct life life = life_after(sim, 3);
    struct disk_file *b = open_file(life.root, "new/b", DISK_READ);
    assert_int_equal(octet_at(b, 0), 'a');
    disk_close(b);
    life_end(&life);
    disk_dir_close(tmp);
    disk_dir_close(new);
    disk_dir_close(root);
    disk_sim_free(sim);
}

/*
 * Moving a durable file into a directory that is not durable itself, and removing the one it came from, loses
 * nothing.
 */
static void
a_move_never_loses_what_had_a_durable_name(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 3; variant++) {
        struct disk_sim *sim = disk_sim_new(1);
        struct disk_dir *root = open_dir(sim, "/");
        ok(disk_mkdir(root, "old"));
        ok(disk_dir_sync(root));
        struct disk_dir *old = open_dir(sim, "/old");
        disk_close(durable_file(old, "a", 'a', 10));
        ok(disk_mkdir(root, "new"));
        ok(disk_mkdir(root, "new/er"));
        struct disk_dir *newer = open_dir(sim, "/new/er");
        ok(disk_rename(old, "a", newer, "a"));
        ok(disk_rmdir(root, "old"));
        if (variant == 1)
            ok(disk_dir_sync(newer));
        if (variant == 2)
            ok(disk_dir_sync(root));
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct life life = life_after(sim, seed);
            assert_true(exists(life.root, "new/er/a") || exists(life.root, "old/a"));
            life_end(&life);
        }
        disk_dir_close(newer);
        disk_dir_close(old);
        disk_dir_close(root);
        disk_sim_free(sim);
    }
}

static void
crash_stops_everything_at_its_step(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    struct disk_file *file = durable_file(root, "a", 'a', 100); /* create, write, sync, dir-sync */
    assert_int_equal(disk_sim_steps(sim), 4);
    disk_sim_crash_at(sim, 6);
    write_at(file, 0, 'b', 1);
    assert_false(disk_sim_is_crashed(sim));
    assert_int_equal(disk_sync_data(file), ERR_IO);
    assert_true(disk_sim_is_crashed(sim));
    uint8_t octet;
    size_t n;
    struct disk_stat st;
    struct disk_file *other = NULL;
    assert_int_equal(disk_pread(file, 0, &octet, 1, &n), ERR_IO);
    assert_int_equal(disk_pwrite(file, 0, SPAN("x")), ERR_IO);
    assert_int_equal(disk_stat_file(file, &st), ERR_IO);
    assert_int_equal(disk_unlink(root, "a"), ERR_IO);
    assert_int_equal(disk_dir_sync(root), ERR_IO);
    assert_int_equal(disk_open(root, "a", DISK_READ, &other), ERR_IO);
    assert_int_equal(disk_sim_steps(sim), 5);
    disk_sim_reboot(sim, 1);
    assert_false(disk_sim_is_crashed(sim));
    assert_int_equal(disk_pread(file, 0, &octet, 1, &n), ERR_IO); /* a handle of the former life */
    disk_close(file);
    disk_dir_close(root);
    root = open_dir(sim, "/");
    assert_true(exists(root, "a"));
    disk_dir_close(root);
    disk_sim_free(sim);
}

static void
a_failed_sync_marks_pages_clean_that_never_arrived(void **state)
{
    (void)state;
    unsigned lost = 0, arrived = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct disk_sim *sim = disk_sim_new(seed);
        struct disk_dir *root = open_dir(sim, "/");
        struct disk_file *file = durable_file(root, "a", 'o', 4 * 512);
        write_at(file, 0, 'n', 4 * 512);
        disk_sim_fail_data_sync(sim, 0);
        assert_int_equal(disk_sync_data(file), ERR_IO);
        ok(disk_sync_data(file)); /* says so, and writes nothing */
        struct disk_file *direct = open_file(root, "a", DISK_READ | DISK_NO_CACHE);
        uint8_t on_disk[4];
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(octet_at(file, i * 512), 'n');
            on_disk[i] = octet_at(direct, i * 512);
            lost += on_disk[i] == 'o';
            arrived += on_disk[i] == 'n';
        }
        struct life life = life_after(sim, seed);
        struct disk_file *again = open_file(life.root, "a", DISK_READ);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(octet_at(again, i * 512), on_disk[i]);
        disk_close(again);
        life_end(&life);
        if (seed % 2 == 0) { /* written again it is dirty again */
            write_at(file, 0, 'n', 4 * 512);
            ok(disk_sync_data(file));
            assert_int_equal(octet_at(direct, 0), 'n');
        } else {
            disk_sim_drop_caches(sim);
            for (size_t i = 0; i < 4; i++)
                assert_int_equal(octet_at(file, i * 512), on_disk[i]);
        }
        disk_close(direct);
        disk_close(file);
        disk_dir_close(root);
        disk_sim_free(sim);
    }
    assert_true(lost > SEEDS && arrived > SEEDS);
    assert_int_equal(lost + arrived, 4 * SEEDS);
}

static void
a_started_sync_promises_nothing(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    struct disk_file *file = durable_file(root, "a", 'o', 16 * 512);
    write_at(file, 0, 'n', 16 * 512);
    disk_start_sync(file);
    unsigned fresh_least = 16, fresh_most = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct life life = life_after(sim, seed);
        struct disk_file *again = open_file(life.root, "a", DISK_READ);
        unsigned fresh = 0;
        for (uint64_t s = 0; s < 16; s++)
            fresh += octet_at(again, s * 512) == 'n';
        fresh_least = fresh < fresh_least ? fresh : fresh_least;
        fresh_most = fresh > fresh_most ? fresh : fresh_most;
        disk_close(again);
        life_end(&life);
    }
    assert_true(fresh_least > 0 && fresh_least < 16 && fresh_most == 16);
    disk_sim_fail_data_sync(sim, 0);
    assert_int_equal(disk_sync_data(file), ERR_IO);
    unsigned lost = 0;
    for (uint64_t s = 0; s < 16; s++)
        assert_int_equal(octet_at(file, s * 512), 'n');
    disk_forget_cached(file);
    for (uint64_t s = 0; s < 16; s++)
        lost += octet_at(file, s * 512) == 'o';
    assert_true(lost > 0 && lost <= 16 - fresh_least);
    disk_close(file);
    disk_dir_close(root);
    disk_sim_free(sim);
}

static void
faults_strike_where_they_were_told_to(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    struct disk_file *file = durable_file(root, "a", 'a', 100);
    disk_sim_fail_dir_sync(sim, 1);
    ok(disk_dir_sync(root));
    assert_int_equal(disk_dir_sync(root), ERR_IO);
    ok(disk_dir_sync(root));
    disk_sim_fail_at(sim, disk_sim_steps(sim) + 2, ERR_FULL);
    write_at(file, 0, 'b', 10);
    assert_int_equal(disk_pwrite(file, 0, SPAN("c")), ERR_FULL);
    assert_int_equal(octet_at(file, 0), 'b');
    write_at(file, 0, 'd', 10);

    ok(disk_sim_damage(sim, "/a", 2, 3, 0x01));
    assert_int_equal(octet_at(file, 1), 'd');
    assert_int_equal(octet_at(file, 2), 'd' ^ 1);
    assert_int_equal(octet_at(file, 4), 'd' ^ 1);
    assert_int_equal(octet_at(file, 5), 'd');
    assert_int_equal(disk_sim_damage(sim, "a", 99, 2, 1), ERR_LIMIT);
    assert_int_equal(disk_sim_damage(sim, "b", 0, 1, 1), ERR_NOT_FOUND);
    ok(disk_sync_data(file));
    ok(disk_sim_damage(sim, "a", 0, 1, 0x80));
    disk_close(file);
    disk_dir_close(root);
    disk_sim_reboot(sim, 1);
    root = open_dir(sim, "/");
    file = open_file(root, "a", DISK_READ);
    assert_int_equal(octet_at(file, 0), 'd' ^ 0x80);
    disk_close(file);
    disk_dir_close(root);
    disk_sim_free(sim);
}

static void
a_full_disk_refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    disk_sim_set_capacity(sim, 10 * 4096);
    struct disk_file *kept = open_file(root, "kept", DISK_READ | DISK_WRITE | DISK_CREATE);
    ok(disk_allocate(kept, 0, 4 * 4096));
    assert_int_equal(size_of(kept), 4 * 4096);
    struct disk_space space;
    ok(disk_space(root, &space));
    assert_int_equal(space.free_bytes, 6 * 4096);
    struct disk_file *file = open_file(root, "a", DISK_READ | DISK_WRITE | DISK_CREATE);
    uint8_t data[7 * 4096];
    memset(data, 'x', sizeof data);
    assert_int_equal(disk_pwrite(file, 0, span_of(data, sizeof data)), ERR_FULL);
    assert_int_equal(size_of(file), 6 * 4096); /* what fitted is there */
    assert_int_equal(disk_allocate(file, 0, sizeof data), ERR_FULL);
    ok(disk_pwrite(kept, 0, span_of(data, 4 * 4096))); /* allocated before: cannot meet a full disk */
    write_at(file, 0, 'y', 4096);                      /* nor can overwriting */
    ok(disk_truncate(file, 4096));
    assert_int_equal(disk_sim_used_bytes(sim), 5 * 4096);
    ok(disk_unlink(root, "a"));
    assert_int_equal(disk_sim_used_bytes(sim), 5 * 4096); /* still open */
    disk_close(file);
    assert_int_equal(disk_sim_used_bytes(sim), 4 * 4096);
    ok(disk_rename(root, "kept", root, "moved"));
    assert_int_equal(disk_sim_used_bytes(sim), 4 * 4096);
    disk_close(kept);
    disk_dir_close(root);
    disk_sim_free(sim);
}

static void
negative_controls_lose_what_was_synced(void **state)
{
    (void)state;
    unsigned data_lost = 0, entry_lost = 0;
    for (unsigned mode = 0; mode < 2; mode++) {
        struct disk_sim *sim = disk_sim_new(1);
        disk_sim_ignore_data_syncs(sim, mode == 0);
        disk_sim_ignore_dir_syncs(sim, mode == 1);
        struct disk_dir *root = open_dir(sim, "/");
        disk_close(durable_file(root, "a", 'a', 512));
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct life life = life_after(sim, seed);
            if (mode == 0) {
                struct disk_file *again = open_file(life.root, "a", DISK_READ);
                data_lost += size_of(again) < 512 || octet_at(again, 0) != 'a';
                disk_close(again);
            } else {
                entry_lost += !exists(life.root, "a");
            }
            life_end(&life);
        }
        disk_dir_close(root);
        disk_sim_free(sim);
    }
    assert_true(data_lost > 0 && entry_lost > 0);
}

static void
an_unmount_drops_handles_and_keeps_the_cache(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk *mount = disk_sim_mount(sim);
    struct disk_dir *theirs = NULL;
    ok(disk_dir_open(mount, NULL, "/", &theirs));
    struct disk_file *file = open_file(theirs, "a", DISK_WRITE | DISK_CREATE);
    write_at(file, 0, 'a', 5);
    disk_sim_unmount(mount); /* kill -9: `theirs` and `file` are gone with it */
    struct disk_dir *root = open_dir(sim, "/");
    file = open_file(root, "a", DISK_READ);
    assert_int_equal(octet_at(file, 4), 'a');
    disk_close(file);
    disk_dir_close(root);
    disk_sim_free(sim);
}

static void
a_mount_dies_alone_in_the_middle_of_its_work(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk *mount = disk_sim_mount(sim);
    struct disk_dir *theirs = NULL, *root = open_dir(sim, "/");
    ok(disk_dir_open(mount, NULL, "/", &theirs));
    disk_sim_mount_die(mount, 2);
    struct disk_file *file = open_file(theirs, "a", DISK_READ | DISK_WRITE | DISK_CREATE);
    write_at(file, 0, 'a', 5);
    assert_false(disk_sim_mount_is_dead(mount));
    uint64_t steps = disk_sim_steps(sim);
    assert_int_equal(disk_sync_data(file), ERR_IO);
    assert_true(disk_sim_mount_is_dead(mount));
    struct disk_stat st;
    assert_int_equal(disk_stat_file(file, &st), ERR_IO);
    assert_int_equal(disk_unlink(theirs, "a"), ERR_IO);
    assert_int_equal(disk_sim_steps(sim), steps);
    assert_true(exists(root, "a"));
    disk_close(file);
    disk_sim_unmount(mount);
    disk_dir_close(root);
    disk_sim_free(sim);
}

static void
calls_cost_time(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk *disk = disk_sim_disk(sim);
    struct disk_dir *root = open_dir(sim, "/");
    struct disk_file *file = open_file(root, "a", DISK_READ | DISK_WRITE | DISK_CREATE);
    assert_int_equal(disk_sim_take_cost_ns(disk), 0);
    disk_sim_set_latency(sim, &(struct disk_sim_latency){.call_ns = 1000, .byte_ps = 100, .sync_ns = 200000});
    write_at(file, 0, 'a', 10000);
    assert_int_equal(disk_sim_take_cost_ns(disk), 2000);
    ok(disk_sync_data(file));
    int64_t ns = disk_sim_take_cost_ns(disk);
    assert_true(ns >= 101000 && ns <= 401000);
    ok(disk_sync_data(file)); /* nothing to do */
    assert_int_equal(disk_sim_take_cost_ns(disk), 1000);
    disk_sim_set_wall_us(sim, 77);
    write_at(file, 0, 'b', 1);
    struct disk_stat st;
    ok(disk_stat_file(file, &st));
    assert_int_equal(st.mtime_us, 77);
    disk_close(file);
    disk_dir_close(root);
    disk_sim_free(sim);
}

/* --- descriptors --- */

struct table {
    struct disk_file *files[4];
};

static int
table_give(void *arg, struct disk_file *file)
{
    struct table *t = arg;
    for (int i = 0; i < 4; i++) {
        if (t->files[i] == NULL) {
            t->files[i] = file;
            return 100 + i;
        }
    }
    return -1;
}

static struct disk_file *
table_take(void *arg, int fd)
{
    struct table *t = arg;
    if (fd < 100 || fd > 103)
        return NULL;
    struct disk_file *file = t->files[fd - 100];
    t->files[fd - 100] = NULL;
    return file;
}

static void
descriptors_lead_to_their_files(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk *disk = disk_sim_disk(sim);
    struct disk_dir *root = open_dir(sim, "/");
    struct disk_file *file = durable_file(root, "a", 'a', 10), *passed = NULL;
    assert_int_equal(disk_file_reopen_read(file), -1);
    int fd = -1;
    assert_int_equal(disk_memory_fd(disk, SPAN("hello"), &fd), ERR_LIMIT);
    struct table table = {{NULL}};
    struct disk *other = disk_sim_mount(sim);
    const struct disk_sim_fds fds = {table_give, table_take, &table};
    disk_sim_set_fds(disk, &fds);
    disk_sim_set_fds(other, &fds);
    assert_int_equal(disk_file_reopen_read(file), -1); /* it can write */
    disk_close(file);
    file = open_file(root, "a", DISK_READ);
    fd = disk_file_reopen_read(file);
    assert_int_equal(fd, 100);
    disk_close(file);
    ok(disk_unlink(root, "a"));
    ok(disk_open_fd(other, fd, &passed));
    assert_int_equal(octet_at(passed, 9), 'a');
    assert_int_equal(disk_pwrite(passed, 0, SPAN("x")), ERR_IO);
    disk_close(passed);
    assert_int_equal(disk_open_fd(other, fd, &passed), ERR_DENIED);
    ok(disk_memory_fd(disk, SPAN("hello"), &fd));
    ok(disk_open_fd(other, fd, &passed));
    assert_int_equal(size_of(passed), 5);
    assert_int_equal(octet_at(passed, 4), 'o');
    disk_close(passed);
    disk_dir_close(root);
    disk_sim_free(sim);
}

/* --- a random run against a plain model --- */

enum { MODEL_FILES = 6, MODEL_BYTES = 20000 };

struct model_file {
    bool exists;
    size_t size;
    uint8_t data[MODEL_BYTES];
};

static void
model_write(struct model_file *m, size_t at, const uint8_t *data, size_t len)
{
    memcpy(m->data + at, data, len);
    m->size = at + len > m->size ? at + len : m->size;
}

static void
model_truncate(struct model_file *m, size_t size)
{
    if (size < m->size)
        memset(m->data + size, 0, m->size - size);
    m->size = size;
}

static void
model_compare(struct disk_dir *root, const struct model_file *m, const char *name)
{
    assert_int_equal(exists(root, name), m->exists);
    if (!m->exists)
        return;
    uint8_t *bytes = malloc(MODEL_BYTES);
    struct disk_file *file = open_file(root, name, DISK_READ);
    size_t n = 0;
    ok(disk_pread(file, 0, bytes, MODEL_BYTES, &n));
    assert_int_equal(n, m->size);
    assert_memory_equal(bytes, m->data, n);
    disk_close(file);
    free(bytes);
}

struct model_run {
    struct model_file now[MODEL_FILES];
    struct model_file synced[MODEL_FILES]; /* content and entry durable: must be this or newer */
    struct sim_random random;
};

static void
name_of(size_t i, char name[2])
{
    name[0] = (char)('a' + i);
    name[1] = '\0';
}

static void
model_change(struct model_run *run, struct disk_dir *root)
{
    size_t i = (size_t)sim_random_below(&run->random, MODEL_FILES);
    struct model_file *m = &run->now[i];
    char name[2], other[2];
    name_of(i, name);
    uint64_t what = sim_random_below(&run->random, 20);
    if (what == 0 && m->exists) {
        ok(disk_unlink(root, name));
        *m = (struct model_file){0};
        return;
    }
    if (what == 1 && m->exists) {
        size_t j = (size_t)sim_random_below(&run->random, MODEL_FILES);
        name_of(j, other);
        ok(disk_rename(root, name, root, other));
        if (i != j) {
            run->now[j] = *m;
            *m = (struct model_file){0};
        }
        return;
    }
    struct disk_file *file = open_file(root, name, DISK_READ | DISK_WRITE | DISK_CREATE);
    m->exists = true;
    size_t at = (size_t)sim_random_below(&run->random, MODEL_BYTES), len = (size_t)sim_random_below(&run->random, 3000);
    if (what < 16) {
        uint8_t data[3000];
        memset(data, (int)sim_random_below(&run->random, 3), sizeof data); /* zeros often */
        len = len < MODEL_BYTES - at ? len : MODEL_BYTES - at;
        if (len > 0) {
            ok(disk_pwrite(file, at, span_of(data, len)));
            model_write(m, at, data, len);
        }
    } else if (what < 18) {
        ok(disk_truncate(file, at));
        model_truncate(m, at);
    } else {
        ok(disk_sync_data(file));
    }
    disk_close(file);
}

static void
everything_sync(struct disk_dir *root)
{
    for (size_t i = 0; i < MODEL_FILES; i++) {
        char name[2];
        name_of(i, name);
        struct disk_file *file = NULL;
        if (disk_open(root, name, DISK_READ | DISK_WRITE, &file) != ERR_OK)
            continue;
        ok(disk_sync_data(file));
        disk_close(file);
    }
    ok(disk_dir_sync(root));
}

static void
random_runs_match_a_plain_model(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct model_run *run = calloc(1, sizeof *run);
        struct disk_sim *sim = disk_sim_new(seed);
        struct disk_dir *root = open_dir(sim, "/");
        run->random.state = seed;
        for (unsigned i = 0; i < 400; i++) {
            model_change(run, root);
            uint64_t what = sim_random_below(&run->random, 40);
            if (what == 0) {
                everything_sync(root);
                disk_sim_reboot(sim, seed + i);
                disk_dir_close(root);
                root = open_dir(sim, "/");
            } else if (what == 1) {
                struct life life = life_after(sim, seed); /* shakes the sharing of pages */
                everything_sync(life.root);
                life_end(&life);
            }
            if (what < 6) {
                for (size_t f = 0; f < MODEL_FILES; f++) {
                    char name[2];
                    name_of(f, name);
                    model_compare(root, &run->now[f], name);
                }
            }
        }
        disk_dir_close(root);
        disk_sim_free(sim);
        free(run);
    }
}

/* --- determinism --- */

static void
trace_hash(void *arg, struct span what)
{
    uint64_t *hash = arg;
    for (size_t i = 0; i < what.len; i++)
        *hash = (*hash ^ what.data[i]) * UINT64_C(0x100000001b3);
}

static uint64_t
hash_of_run(uint64_t seed, uint64_t reboot_seed)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    struct model_run *run = calloc(1, sizeof *run);
    struct disk_sim *sim = disk_sim_new(seed);
    disk_sim_set_trace(sim, trace_hash, &hash);
    struct disk_dir *root = open_dir(sim, "/");
    run->random.state = 5;
    for (unsigned i = 0; i < 300; i++)
        model_change(run, root);
    disk_dir_close(root);
    disk_sim_reboot(sim, reboot_seed);
    root = open_dir(sim, "/");
    for (size_t i = 0; i < MODEL_FILES; i++) {
        uint8_t bytes[MODEL_BYTES];
        char name[2];
        size_t n = 0;
        struct disk_file *file = NULL;
        name_of(i, name);
        if (disk_open(root, name, DISK_READ, &file) != ERR_OK)
            continue;
        ok(disk_pread(file, 0, bytes, sizeof bytes, &n));
        trace_hash(&hash, span_of(bytes, n));
        disk_close(file);
    }
    disk_dir_close(root);
    disk_sim_free(sim);
    free(run);
    return hash;
}

static void
same_seeds_give_the_same_bytes(void **state)
{
    (void)state;
    assert_int_equal(hash_of_run(1, 2), hash_of_run(1, 2));
    unsigned different = 0;
    for (uint64_t seed = 0; seed < 10; seed++)
        different += hash_of_run(1, seed) != hash_of_run(1, seed + 1);
    assert_true(different > 5);
}

static void
old_operations_become_durable_by_age(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new(1);
    struct disk_dir *root = open_dir(sim, "/");
    char name[16];
    for (unsigned i = 0; i < 3 * DISK_SIM_PENDING_MAX; i++) {
        (void)snprintf(name, sizeof name, "f%u", i);
        disk_close(open_file(root, name, DISK_WRITE | DISK_CREATE));
    }
    disk_dir_close(root);
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct life life = life_after(sim, seed);
        assert_true(exists(life.root, "f0") && exists(life.root, "f2047"));
        life_end(&life);
    }
    disk_sim_free(sim);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_behave_like_a_file_system),
        cmocka_unit_test(append_writes_at_the_end),
        cmocka_unit_test(list_gives_every_name_once),
        cmocka_unit_test(synced_survives_every_crash),
        cmocka_unit_test(unsynced_sectors_survive_in_any_subset),
        cmocka_unit_test(older_unsynced_content_may_come_back),
        cmocka_unit_test(entries_need_a_sync_of_their_directory),
        cmocka_unit_test(a_new_directory_needs_a_sync_of_its_parent),
        cmocka_unit_test(a_rename_survives_whole_or_not_at_all),
        cmocka_unit_test(a_move_never_loses_what_had_a_durable_name),
        cmocka_unit_test(crash_stops_everything_at_its_step),
        cmocka_unit_test(a_failed_sync_marks_pages_clean_that_never_arrived),
        cmocka_unit_test(a_started_sync_promises_nothing),
        cmocka_unit_test(faults_strike_where_they_were_told_to),
        cmocka_unit_test(a_full_disk_refuses_what_does_not_fit),
        cmocka_unit_test(negative_controls_lose_what_was_synced),
        cmocka_unit_test(an_unmount_drops_handles_and_keeps_the_cache),
        cmocka_unit_test(a_mount_dies_alone_in_the_middle_of_its_work),
        cmocka_unit_test(calls_cost_time),
        cmocka_unit_test(descriptors_lead_to_their_files),
        cmocka_unit_test(random_runs_match_a_plain_model),
        cmocka_unit_test(same_seeds_give_the_same_bytes),
        cmocka_unit_test(old_operations_become_durable_by_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
