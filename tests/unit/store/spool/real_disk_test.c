/*
 * real_disk_test.c - the spool on the file systems of this machine: reads past the cache, segment files, refusal of
 * tmpfs.
 */
#include "check.h"

#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "crash/spool_harness.h"
#include "rt/rt_real.h"

#define ok(call) assert_int_equal((call), ERR_OK)

struct place {
    char path[64];
    struct disk *disk;
    struct disk_dir *dir;
};

static bool
place_make(struct place *p, const char *under)
{
    snprintf(p->path, sizeof(p->path), "%s/godwit-spool-XXXXXX", under);
    if (mkdtemp(p->path) == NULL)
        return false;
    p->disk = disk_real_new();
    assert_non_null(p->disk);
    ok(disk_dir_open(p->disk, NULL, p->path, &p->dir));
    return true;
}

static bool
remove_one(void *arg, const char *name)
{
    return disk_unlink(arg, name) == ERR_OK;
}

static void
place_remove(struct place *p)
{
    static const char *const subdirs[] = {"body", "damaged"};
    for (size_t i = 0; i < ARRAY_LEN(subdirs); i++) {
        struct disk_dir *sub;
        if (disk_dir_open(p->disk, p->dir, subdirs[i], &sub) != ERR_OK)
            continue;
        ok(disk_dir_list(sub, remove_one, sub));
        disk_dir_close(sub);
        ok(disk_rmdir(p->dir, subdirs[i]));
    }
    ok(disk_dir_list(p->dir, remove_one, p->dir));
    disk_dir_close(p->dir);
    disk_real_free(p->disk);
    assert_int_equal(rmdir(p->path), 0);
}

static void
open_here(struct harness *h, const struct place *p, enum err wanted)
{
    assert_int_equal(spool_open(p->disk, p->dir, &h->options, h->report, &h->spool), wanted);
}

static void
test_life(void **state)
{
    (void)state;
    struct place p;
    struct harness h;
    if (!place_make(&p, "."))
        skip();
    harness_init(&h, NULL, 3);
    h.options.may_be_lost = true; /* wherever the tests run */
    open_here(&h, &p, ERR_OK);
    ok(harness_work(&h));
    uint8_t bytes[5000];
    for (uint64_t n = 0; n < 60; n++) {
        memset(bytes, (int)n + 1, sizeof(bytes));
        ok(harness_put(&h, harness_id(n), span_of(bytes, 4000 + n), SPAN("state")));
        if (n % 5 != 0)
            ok(harness_remove(&h, harness_id(n)));
        ok(harness_work(&h));
    }
    struct spool_body *body;
    struct span header = SPAN("header");
    ok(harness_body(&h, harness_id(100), span_of(bytes, 5000), 1000, &body));
    struct spool_op op = harness_op(SPOOL_PUT_CONTENT, harness_id(100), &header);
    op.body = body;
    ok(harness_commit(&h, SPOOL_USE_ACCEPT, &op, 1));
    spool_body_free(body);
    for (int again = 0; again < 2; again++) {
        if (again == 1)
            ok(spool_seal(h.spool));
        spool_close(h.spool);
        open_here(&h, &p, ERR_OK);
        assert_int_equal(h.report->messages, 13);
        assert_int_equal(h.report->bodies, 1);
        assert_true(again == 0 || h.report->batches == 0); /* by table */
        struct buf got;
        buf_init(&got, 10000);
        for (uint64_t n = 0; n < 60; n += 5) {
            buf_clear(&got);
            ok(harness_read(&h, harness_id(n), SPOOL_CONTENT, &got));
            assert_true(got.len == 4000 + n && got.data[0] == n + 1 && got.data[got.len - 1] == n + 1);
        }
        buf_clear(&got);
        ok(harness_read(&h, harness_id(100), SPOOL_CONTENT, &got));
        assert_true(got.len == 5006 && got.data[5005] == 60);
        buf_done(&got);
        ok(harness_work(&h));
    }
    spool_close(h.spool);
    h.spool = NULL;
    harness_done(&h);
    place_remove(&p);
}

/* I6: memory is no place for mail unless somebody says that it may be lost. */
static void
test_tmpfs_is_refused(void **state)
{
    (void)state;
    struct statfs fs;
    struct place p;
    if (statfs("/dev/shm", &fs) != 0 || fs.f_type != TMPFS_MAGIC || !place_make(&p, "/dev/shm"))
        skip();
    struct harness h;
    harness_init(&h, NULL, 3);
    open_here(&h, &p, ERR_DENIED);
    h.options.may_be_lost = true;
    open_here(&h, &p, ERR_OK);
    spool_close(h.spool);
    h.spool = NULL;
    harness_done(&h);
    place_remove(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_tmpfs_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
