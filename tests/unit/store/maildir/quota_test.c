/* quota_test.c - maildirsize as the Maildir++ specification and Dovecot read it. */
#include "check.h"

#include "rt/disk_sim.h"
#include "store/maildir/quota.h"

#define ok(call) assert_int_equal((call), ERR_OK)

static void
test_size_file(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        uint64_t limit, message;
        int64_t age_s;
        enum maildir_size_verdict verdict;
        int64_t bytes, count;
    } rows[] = {
        {"fresh", "1000S\n100 1\n", 1000, 10, 0, MAILDIR_SIZE_TRUSTED, 100, 1},
        {"changes add up", "1000S\n100 1\n200 1\n-50 -1\n", 1000, 10, 0, MAILDIR_SIZE_TRUSTED, 250, 1},
        {"a limit of messages beside ours", "1000S,50C\n100 1\n", 1000, 10, 0, MAILDIR_SIZE_TRUSTED, 100, 1},
        {"the other order", "50C,1000S\n100 1\n", 1000, 10, 0, MAILDIR_SIZE_TRUSTED, 100, 1},
        {"old but not full", "1000S\n100 1\n", 1000, 10, 86400, MAILDIR_SIZE_TRUSTED, 100, 1},
        {"no line end at the end", "1000S\n100 1", 1000, 10, 0, MAILDIR_SIZE_TRUSTED, 100, 1},
        {"blanks, as Courier pads", "1000S\n         100            1\n", 1000, 10, 0, MAILDIR_SIZE_TRUSTED, 100, 1},
        {"exactly full", "1000S\n990 1\n", 1000, 10, 0, MAILDIR_SIZE_TRUSTED, 990, 1},
        {"full, one fresh line", "1000S\n995 1\n", 1000, 10, 60, MAILDIR_SIZE_TRUSTED, 995, 1},
        {"full and older than 15 min", "1000S\n995 1\n", 1000, 10, 901, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"full and more than one line", "1000S\n900 1\n95 1\n", 1000, 10, 60, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"another limit", "2000S\n100 1\n", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"no limit in it", "50C\n100 1\n", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"no lines", "1000S\n", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"no line end", "1000S", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"empty", "", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"negative sum", "1000S\n100 1\n-200 -1\n", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"a word", "1000S\n100 one\n", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"one number", "1000S\n100\n", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"three numbers", "1000S\n100 1 1\n", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"empty line inside", "1000S\n100 1\n\n100 1\n", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"too many digits", "1000S\n1000000000000000000000 1\n", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
        {"bad limit", "S\n100 1\n", 1000, 10, 0, MAILDIR_SIZE_RECOUNT, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct maildir_usage usage = {0, 0};
        struct maildir_quota quota = {rows[i].limit, rows[i].message};
        CHECK(rows[i].name,
              maildir_size_eval(span_from_cstr(rows[i].text), quota, rows[i].age_s, &usage) == rows[i].verdict);
        CHECK(rows[i].name, usage.bytes == rows[i].bytes && usage.count == rows[i].count);
    }
}

static void
test_a_long_size_file_is_counted_anew(void **state)
{
    (void)state;
    char text[5121] = "1000000S\n";
    struct maildir_usage usage;
    memset(text + 9, '0', sizeof(text) - 9);
    assert_int_equal(maildir_size_eval(span_of(text, 5120), (struct maildir_quota){1000000, 1}, 0, &usage),
                     MAILDIR_SIZE_RECOUNT);
}

static void
test_sizes_in_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool has_size;
        uint64_t size;
    } rows[] = {
        {"1.M2.host,S=123,W=130:2,S", true, 123},
        {"1.M2.host,W=130,S=9", true, 9},
        {"1.M2.host,S=5", true, 5},
        {"1.M2.host", false, 0},
        {"1.M2.host:2,S=4", false, 0},
        {"1.M2.host,S=", false, 0},
        {"1.M2.host,S=x", false, 0},
        {"1.M2.host,S=99999999999999999999", false, 0},
        {"", false, 0},
        {",S=", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t size = 0;
        CHECK(rows[i].name, maildir_name_size(span_from_cstr(rows[i].name), &size) == rows[i].has_size);
        CHECK(rows[i].name, size == rows[i].size);
    }
}

/* --- with a mailbox --- */

struct box {
    struct disk_sim *sim;
    struct disk *disk;
    struct disk_dir *dir;
};

static void
file_make(struct box *b, const char *name, const char *text)
{
    struct disk_file *file;
    ok(disk_open(b->dir, name, DISK_WRITE | DISK_CREATE, &file));
    ok(disk_truncate(file, 0));
    ok(disk_pwrite(file, 0, span_from_cstr(text)));
    disk_close(file);
}

static void
box_make(struct box *b)
{
    static const char *const dirs[] = {"cur", "new", "tmp", ".Sent", ".Sent/cur", ".Sent/new", ".Sent/tmp"};
    struct disk_dir *root;
    b->sim = disk_sim_new(3);
    b->disk = disk_sim_disk(b->sim);
    ok(disk_dir_open(b->disk, NULL, "/", &root));
    ok(disk_mkdir(root, "box"));
    ok(disk_dir_open(b->disk, root, "box", &b->dir));
    disk_dir_close(root);
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        ok(disk_mkdir(b->dir, dirs[i]));
}

static void
box_free(struct box *b)
{
    disk_dir_close(b->dir);
    disk_sim_free(b->sim);
}

static void
size_file_check(struct box *b, const char *wanted)
{
    struct disk_file *file;
    char text[512];
    size_t n = 0;
    ok(disk_open(b->dir, "maildirsize", DISK_READ, &file));
    ok(disk_pread(file, 0, text, sizeof(text), &n));
    disk_close(file);
    CHECK_SPAN("maildirsize", span_of(text, n), span_from_cstr(wanted));
}

static void
test_counting_and_appending(void **state)
{
    (void)state;
    struct box b;
    struct maildir_usage usage;
    const struct maildir_quota quota = {1000000, 10};
    box_make(&b);
    file_make(&b, "cur/1.M1.host,S=100,W=110:2,S", "content of another length");
    file_make(&b, "new/2.M1.host", "12345");
    file_make(&b, ".Sent/cur/3.M1.host,S=20:2,", "");
    file_make(&b, "tmp/4.M1.host,S=5000", "not counted");
    file_make(&b, "cur/.hidden,S=7000", "not counted");
    file_make(&b, "subscriptions", "not counted");
    ok(maildir_usage_load(b.disk, b.dir, quota, 0, "5.M1.host", &usage));
    assert_int_equal(usage.bytes, 125);
    assert_int_equal(usage.count, 3);
    size_file_check(&b, "1000000S\n125 3\n");
    maildir_usage_add(b.dir, (struct maildir_usage){75, 1});
    size_file_check(&b, "1000000S\n125 3\n75 1\n");
    /* No scan now: what is added behind the file's back does not show. */
    file_make(&b, "new/6.M1.host,S=5000", "");
    ok(maildir_usage_load(b.disk, b.dir, quota, 0, "7.M1.host", &usage));
    assert_int_equal(usage.bytes, 200);
    /* Another limit: counted anew. */
    ok(maildir_usage_load(b.disk, b.dir, (struct maildir_quota){2000000, 10}, 0, "8.M1.host", &usage));
    assert_int_equal(usage.bytes, 5125);
    size_file_check(&b, "2000000S\n5125 4\n");
    box_free(&b);
}

static void
test_without_a_size_file_nothing_is_appended(void **state)
{
    (void)state;
    struct box b;
    struct disk_stat st;
    box_make(&b);
    maildir_usage_add(b.dir, (struct maildir_usage){75, 1});
    assert_int_equal(disk_stat_name(b.dir, "maildirsize", &st), ERR_NOT_FOUND);
    box_free(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_file),
        cmocka_unit_test(test_a_long_size_file_is_counted_anew),
        cmocka_unit_test(test_sizes_in_names),
        cmocka_unit_test(test_counting_and_appending),
        cmocka_unit_test(test_without_a_size_file_nothing_is_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
