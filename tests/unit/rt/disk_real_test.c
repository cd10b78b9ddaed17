/*
 * disk_real_test.c - disk.h over a real directory: names that try to leave it, what calls promise, both ways to open.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt/disk.h"
#include "rt/rt_real.h"

#define OK(expression) assert_int_equal((expression), ERR_OK)

struct fixture {
    char path[64];
    struct disk *disk;
    struct disk_dir *dir;
};

static int
set_up(void **state)
{
    static struct fixture x;
    x = (struct fixture){.path = "/var/tmp/godwit-disk-XXXXXX"};
    if (mkdtemp(x.path) == NULL || (x.disk = disk_real_new()) == NULL ||
        disk_dir_open(x.disk, NULL, x.path, &x.dir) != ERR_OK)
        return -1;
    *state = &x;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *x = *state;
    char command[128];
    disk_dir_close(x->dir);
    disk_real_free(x->disk);
    snprintf(command, sizeof(command), "rm -rf '%s'", x->path);
    return system(command);
}

/* Make something below the fixture with plain calls. */
static const char *
below(const struct fixture *x, const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", x->path, name);
    return path;
}

static void
put(struct disk_dir *dir, const char *name, struct span text)
{
    struct disk_file *file;
    OK(disk_open(dir, name, DISK_WRITE | DISK_CREATE, &file));
    OK(disk_pwrite(file, 0, text));
    disk_close(file);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static void
names_that_lead_out_are_refused(void **state)
{
    struct fixture *x = *state;
    OK(disk_mkdir(x->dir, "in"));
    put(x->dir, "in/file", SPAN("x"));
    assert_int_equal(symlink("/etc", below(x, "absolute")), 0);
    assert_int_equal(symlink("..", below(x, "up")), 0);
    assert_int_equal(symlink("in", below(x, "inside")), 0);
    assert_int_equal(symlink("in/file", below(x, "link")), 0);
    assert_int_equal(mkfifo(below(x, "fifo"), 0600), 0);
    static const struct {
        const char *name;
        enum err expected;
    } cases[] = {
        {"in/file", ERR_OK},
        {"./in/./file", ERR_OK},
        {"..", ERR_DENIED},
        {"../x", ERR_DENIED},
        {"in/../in/file", ERR_DENIED},
        {"/etc/passwd", ERR_DENIED},
        {"", ERR_DENIED},
        {"in//file", ERR_DENIED},
        {"in/", ERR_DENIED},
        {"absolute/passwd", ERR_DENIED},
        {"up/passwd", ERR_DENIED},
        {"inside/file", ERR_DENIED}, /* also a link that stays inside */
        {"link", ERR_DENIED},
        {"fifo", ERR_DENIED}, /* and does not wait for a writer */
        {"in/absent", ERR_NOT_FOUND},
        {"absent/file", ERR_NOT_FOUND},
        {"in/file/below", ERR_IO},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct disk_file *file;
        enum err e = disk_open(x->dir, cases[i].name, DISK_READ, &file);
        if (e == ERR_OK)
            disk_close(file);
        if (e != cases[i].expected)
            fail_msg("'%s': %s, not %s", cases[i].name, err_name(e), err_name(cases[i].expected));
    }
}

static void
no_call_follows_a_link(void **state)
{
    struct fixture *x = *state;
    struct disk_stat st;
    struct disk_dir *dir;
    struct disk_file *file;
    OK(disk_mkdir(x->dir, "in"));
    put(x->dir, "in/file", SPAN("x"));
    assert_int_equal(symlink("in", below(x, "link")), 0);
    assert_int_equal(disk_dir_open(x->disk, x->dir, "link", &dir), ERR_DENIED);
    assert_int_equal(disk_mkdir(x->dir, "link/new"), ERR_DENIED);
    assert_int_equal(disk_open(x->dir, "link/new", DISK_WRITE | DISK_CREATE, &file), ERR_DENIED);
    assert_int_equal(disk_unlink(x->dir, "link/file"), ERR_DENIED);
    assert_int_equal(disk_rmdir(x->dir, "link/file"), ERR_DENIED);
    assert_int_equal(disk_rename(x->dir, "link/file", x->dir, "moved"), ERR_DENIED);
    assert_int_equal(disk_rename_new(x->dir, "in/file", x->dir, "link/moved"), ERR_DENIED);
    assert_int_equal(disk_stat_name(x->dir, "link/file", &st), ERR_DENIED);
    OK(disk_stat_name(x->dir, "link", &st)); /* the link itself */
    assert_false(st.is_directory || st.is_regular);
    /* A dangling link is not created through. */
    assert_int_equal(symlink("target", below(x, "dangling")), 0);
    assert_int_equal(disk_open(x->dir, "dangling", DISK_WRITE | DISK_CREATE, &file), ERR_DENIED);
    assert_int_equal(disk_stat_name(x->dir, "target", &st), ERR_NOT_FOUND);
}

/* Both tests above again in a child whose kernel has no openat2, as in some containers. */
static void
the_same_without_openat2(void **state)
{
    static const struct {
        const char *name;
        int errnum;
    } refusals[] = {{"old kernel", ENOSYS}, {"container", EPERM}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        fflush(NULL);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
            if (filter == NULL ||
                seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)refusals[i].errnum), SCMP_SYS(openat2), 0) != 0 ||
                seccomp_load(filter) != 0)
                _exit(77);
            seccomp_release(filter);
            const struct CMUnitTest again[] = {
                cmocka_unit_test_setup_teardown(names_that_lead_out_are_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(no_call_follows_a_link, set_up, tear_down),
            };
            int failed = cmocka_run_group_tests_name(refusals[i].name, again, NULL, NULL);
            fflush(NULL);
            _exit(failed);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            skip();
        assert_int_equal(status, 0);
    }
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static void
files_are_created_read_and_written(void **state)
{
    struct fixture *x = *state;
    struct disk_file *file, *other;
    struct disk_stat st;
    char got[64];
    size_t n;
    umask(0);
    assert_int_equal(disk_open(x->dir, "f", DISK_READ | DISK_WRITE, &file), ERR_NOT_FOUND);
    OK(disk_open(x->dir, "f", DISK_READ | DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &file));
    assert_int_equal(disk_open(x->dir, "f", DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &other), ERR_EXISTS);
    struct stat raw;
    assert_int_equal(stat(below(x, "f"), &raw), 0);
    assert_int_equal(raw.st_mode & 07777, 0600);

    struct iovec parts[] = {{"abc", 3}, {"", 0}, {"defg", 4}, {"h", 1}};
    OK(disk_pwritev(file, 10, parts, ARRAY_LEN(parts)));
    OK(disk_pread(file, 0, got, sizeof(got), &n));
    assert_int_equal(n, 18);
    assert_memory_equal(got, "\0\0\0\0\0\0\0\0\0\0abcdefgh", 18);
    OK(disk_pread(file, 12, got, 3, &n));
    assert_memory_equal(got, "cde", 3);
    OK(disk_pread(file, 100, got, 3, &n));
    assert_int_equal(n, 0);
    OK(disk_sync_data(file));
    OK(disk_dir_sync(x->dir));
    OK(disk_truncate(file, 12));
    OK(disk_stat_file(file, &st));
    assert_int_equal(st.size_bytes, 12);
    assert_true(st.is_regular && !st.is_directory);
    assert_int_equal(st.uid, geteuid());
    assert_int_equal(st.link_count, 1);
    OK(disk_allocate(file, 0, 1 << 20));
    OK(disk_stat_file(file, &st));
    assert_int_equal(st.size_bytes, 1 << 20);
    OK(disk_pread(file, 0, got, 13, &n));
    assert_memory_equal(got, "\0\0\0\0\0\0\0\0\0\0ab\0", 13); /* what was there stays */
    disk_close(file);
    disk_close(NULL);

    OK(disk_open(x->dir, "f", DISK_READ, &file));
    assert_int_equal(disk_pwrite(file, 0, SPAN("x")), ERR_IO);
    disk_close(file);
}

static void
many_parts_are_written_in_order(void **state)
{
    struct fixture *x = *state;
    enum { PARTS = 2500 };
    static uint32_t numbers[PARTS], got[PARTS];
    static struct iovec parts[PARTS];
    struct disk_file *file;
    size_t n;
    for (uint32_t i = 0; i < PARTS; i++) {
        numbers[i] = i * 2654435761u;
        parts[i] = (struct iovec){&numbers[i], sizeof(numbers[i])};
    }
    OK(disk_open(x->dir, "f", DISK_READ | DISK_WRITE | DISK_CREATE, &file));
    OK(disk_pwritev(file, 0, parts, PARTS));
    OK(disk_pread(file, 0, got, sizeof(got), &n));
    assert_int_equal(n, sizeof(got));
    assert_memory_equal(got, numbers, sizeof(got));
    disk_close(file);
}

static void
reads_past_the_cache_see_the_same(void **state)
{
    struct fixture *x = *state;
    enum { SIZE = 700001 };
    uint8_t *data = malloc(SIZE), *got = malloc(SIZE + 10);
    assert_true(data != NULL && got != NULL);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 31 + i / 4096);
    put(x->dir, "f", span_of(data, SIZE));
    static const struct {
        uint64_t offset;
        size_t len;
        size_t expected;
    } cases[] = {{0, SIZE + 10, SIZE}, {1, 1, 1}, {4095, 2, 2}, {4096, 4096, 4096}, {123456, 500000, 500000},
                 {SIZE - 1, 10, 1}, {SIZE, 10, 0}, {SIZE + 5000, 10, 0}};
    static const unsigned flags[] = {DISK_READ, DISK_READ | DISK_NO_CACHE, DISK_READ | DISK_WRITE | DISK_NO_CACHE};
    for (size_t k = 0; k < ARRAY_LEN(flags); k++) {
        struct disk_file *file;
        OK(disk_open(x->dir, "f", flags[k], &file));
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            size_t n = 99;
            OK(disk_pread(file, cases[i].offset, got, cases[i].len, &n));
            assert_int_equal(n, cases[i].expected);
            assert_memory_equal(got, data + (n > 0 ? cases[i].offset : 0), n);
        }
        disk_close(file);
    }
    free(data);
    free(got);
}

/* --- directories -------------------------------------------------------------------------------------------------- */

static bool
count_names(void *arg, const char *name)
{
    size_t *count = arg;
    assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    return ++*count != 3;
}

static void
directories_are_listed_again_and_again(void **state)
{
    struct fixture *x = *state;
    size_t count = 0;
    OK(disk_dir_list(x->dir, count_names, &count));
    assert_int_equal(count, 0);
    put(x->dir, "a", SPAN("a"));
    OK(disk_mkdir(x->dir, "b"));
    for (int i = 0; i < 2; i++) {
        count = 0;
        OK(disk_dir_list(x->dir, count_names, &count));
        assert_int_equal(count, 2);
    }
    put(x->dir, "c", SPAN("c"));
    put(x->dir, "d", SPAN("d"));
    count = 0;
    OK(disk_dir_list(x->dir, count_names, &count));
    assert_int_equal(count, 3); /* stopped when told to */
}

static void
names_are_made_moved_and_removed(void **state)
{
    struct fixture *x = *state;
    struct disk_dir *sub, *again;
    struct disk_stat st;
    OK(disk_mkdir(x->dir, "sub"));
    assert_int_equal(disk_mkdir(x->dir, "sub"), ERR_EXISTS);
    OK(disk_dir_open(x->disk, x->dir, "sub", &sub));
    put(sub, "one", SPAN("1"));
    put(x->dir, "two", SPAN("22"));
    assert_int_equal(disk_rename_new(x->dir, "two", sub, "one"), ERR_EXISTS);
    OK(disk_rename_new(x->dir, "two", x->dir, "sub/three"));
    assert_int_equal(disk_stat_name(x->dir, "two", &st), ERR_NOT_FOUND);
    OK(disk_rename(sub, "three", sub, "one")); /* replaces */
    OK(disk_stat_name(x->dir, "sub/one", &st));
    assert_int_equal(st.size_bytes, 2);
    assert_int_equal(disk_rename(x->dir, "absent", sub, "one"), ERR_NOT_FOUND);
    assert_int_not_equal(disk_rmdir(x->dir, "sub"), ERR_OK); /* not empty */
    assert_int_not_equal(disk_unlink(x->dir, "sub"), ERR_OK);
    OK(disk_dir_sync(sub));
    OK(disk_unlink(sub, "one"));
    assert_int_equal(disk_unlink(sub, "one"), ERR_NOT_FOUND);
    disk_dir_close(sub);
    OK(disk_rmdir(x->dir, "sub"));
    assert_int_equal(disk_dir_open(x->disk, x->dir, "sub", &again), ERR_NOT_FOUND);
    put(x->dir, "file", SPAN("f"));
    assert_int_not_equal(disk_dir_open(x->disk, x->dir, "file", &again), ERR_OK);
    OK(disk_dir_open(x->disk, x->dir, ".", &again));
    OK(disk_stat_name(again, "file", &st));
    disk_dir_close(again);
    disk_dir_close(NULL);
}

static void
space_and_kind_are_told(void **state)
{
    struct fixture *x = *state;
    struct disk_space space;
    OK(disk_space(x->dir, &space));
    assert_true(space.total_bytes > 0 && space.free_bytes <= space.total_bytes && space.free_inodes > 0);
    enum disk_kind kind = disk_kind(x->dir);
    assert_in_range(kind, DISK_KIND_LOCAL, DISK_KIND_BTRFS);
    OK(disk_set_nocow(x->dir));
    struct disk_dir *memory;
    if (disk_dir_open(x->disk, NULL, "/dev/shm", &memory) == ERR_OK) {
        assert_int_equal(disk_kind(memory), DISK_KIND_TMPFS);
        disk_dir_close(memory);
    }
}

/* --- descriptors -------------------------------------------------------------------------------------------------- */

static void
descriptors_for_others_cannot_write(void **state)
{
    struct fixture *x = *state;
    struct disk_file *file;
    char got[16];
    size_t n;
    put(x->dir, "f", SPAN("content"));
    OK(disk_open(x->dir, "f", DISK_READ | DISK_WRITE, &file));
    assert_int_equal(disk_file_reopen_read(file), -1);
    disk_close(file);
    OK(disk_open(x->dir, "f", DISK_READ, &file));
    int fd = disk_file_reopen_read(file);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(write(fd, "x", 1), -1);
    disk_close(file);
    OK(disk_open_fd(x->disk, fd, &file));
    OK(disk_pread(file, 0, got, sizeof(got), &n));
    assert_memory_equal(got, "content", 7);
    disk_close(file);

    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(disk_open_fd(x->disk, ends[0], &file), ERR_DENIED);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1); /* taken over and closed */
    close(ends[1]);
    struct disk_dir *dir;
    int null = open("/dev/null", O_RDONLY);
    assert_int_equal(disk_dir_open_fd(x->disk, null, &dir), ERR_DENIED);
    OK(disk_dir_open_fd(x->disk, open(x->path, O_RDONLY | O_DIRECTORY), &dir));
    disk_dir_close(dir);
}

static void
memory_descriptors_never_change(void **state)
{
    struct fixture *x = *state;
    char got[16];
    size_t n;
    int fd;
    struct disk_file *file;
    OK(disk_memory_fd(x->disk, SPAN("fixed"), &fd));
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 100), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), -1);
    OK(disk_open_fd(x->disk, fd, &file));
    OK(disk_pread(file, 0, got, sizeof(got), &n));
    assert_int_equal(n, 5);
    assert_memory_equal(got, "fixed", 5);
    disk_close(file);
    OK(disk_memory_fd(x->disk, SPAN_EMPTY, &fd));
    close(fd);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(names_that_lead_out_are_refused),
        TEST(no_call_follows_a_link),
        TEST(files_are_created_read_and_written),
        TEST(many_parts_are_written_in_order),
        TEST(reads_past_the_cache_see_the_same),
        TEST(directories_are_listed_again_and_again),
        TEST(names_are_made_moved_and_removed),
        TEST(space_and_kind_are_told),
        TEST(descriptors_for_others_cannot_write),
        TEST(memory_descriptors_never_change),
        cmocka_unit_test(the_same_without_openat2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
