/* drop_directory_test.c - what users may find ways to put into the drop directory, and what becomes of it. */
#include "check.h"

#include "parent/drop.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SIZE_MAX_BYTES = 4096 };

struct scene {
    char top[64];
    struct drop_sweep sweep;
};

static const char *
path_in(const struct scene *s, const char *name, char path[512])
{
    snprintf(path, 512, "%s/drop/%s", s->top, name);
    return path;
}

static void
put(const struct scene *s, const char *name, mode_t mode, off_t size)
{
    char path[512];
    int fd = open(path_in(s, name, path), O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void
sweep(struct scene *s)
{
    s->sweep = (struct drop_sweep){.is_root = geteuid() == 0};
    snprintf(s->sweep.path, sizeof(s->sweep.path), "%s/drop", s->top);
    drop_sweep_job(&s->sweep);
}

static void
begin(struct scene *s)
{
    snprintf(s->top, sizeof(s->top), "/tmp/drop-test.XXXXXX");
    assert_non_null(mkdtemp(s->top));
    sweep(s);
    assert_true(s->sweep.dir >= 0);
}

static void
end(struct scene *s)
{
    char command[128];
    close(s->sweep.dir);
    snprintf(command, sizeof(command), "rm -rf '%s'", s->top);
    assert_int_equal(system(command), 0);
}

static bool
exists(const struct scene *s, const char *name)
{
    struct stat st;
    char path[512];
    return lstat(path_in(s, name, path), &st) == 0;
}

static void
test_directory(void **state)
{
    (void)state;
    struct scene s;
    struct stat st;
    char path[512];
    begin(&s);
    snprintf(path, sizeof(path), "%s/drop", s.top);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, geteuid() == 0 ? DROP_MODE : 0700);
    assert_int_equal(s.sweep.candidate_count + s.sweep.refusal_count, 0);

    /* One in which users could rename each other's files is closed to them; a stricter one stays as it is. */
    assert_int_equal(chmod(path, 0777), 0);
    close(s.sweep.dir);
    sweep(&s);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, geteuid() == 0 ? DROP_MODE : 0700);
    assert_int_equal(chmod(path, 0700), 0);
    close(s.sweep.dir);
    sweep(&s);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    end(&s);
}

static void
test_trouble(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    close(s.sweep.dir);
    char path[512];
    snprintf(path, sizeof(path), "%s/drop", s.top);
    assert_int_equal(rmdir(path), 0);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    close(fd);
    sweep(&s); /* a file in its place */
    assert_int_equal(s.sweep.dir, -1);
    assert_true(s.sweep.trouble[0] != '\0');
    if (geteuid() == 0) {
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0755), 0);
        assert_int_equal(chown(path, 65534, 65534), 0);
        sweep(&s); /* a directory of somebody else */
        assert_int_equal(s.sweep.dir, -1);
        assert_true(s.sweep.trouble[0] != '\0');
    }
    s.sweep.dir = open("/", O_RDONLY | O_DIRECTORY);
    end(&s);
}

/* Slots become candidates, oldest first; what sendmail does not make is put aside; what it is making is left alone. */
static void
test_names(void **state)
{
    (void)state;
    struct scene s;
    char path[512];
    const struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    begin(&s);
    close(s.sweep.dir);
    put(&s, "000007", 0600, 10);
    put(&s, "000003", 0600, 10);
    assert_int_equal(utimensat(AT_FDCWD, path_in(&s, "000007", path), old, 0), 0);
    put(&s, "new-0123", 0600, 10);
    put(&s, "new-old", 0600, 10);
    assert_int_equal(utimensat(AT_FDCWD, path_in(&s, "new-old", path), old, 0), 0);
    assert_int_equal(mkdir(path_in(&s, "new-dir", path), 0700), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    put(&s, "bad-1", 0600, 10);
    put(&s, "123456", 0600, 10);
    put(&s, "0000001", 0600, 10);
    put(&s, "x", 0600, 10);
    put(&s, "a\nb", 0600, 10);
    assert_int_equal(mkdir(path_in(&s, "dir", path), 0700), 0);
    sweep(&s);
    assert_int_equal(s.sweep.candidate_count, 2);
    assert_int_equal(s.sweep.candidates[0].slot, 7);
    assert_int_equal(s.sweep.candidates[1].slot, 3);
    assert_int_equal(s.sweep.refusal_count, 6);
    for (size_t i = 0; i < s.sweep.refusal_count; i++) {
        assert_false(exists(&s, s.sweep.refusals[i].name));
        assert_true(exists(&s, s.sweep.refusals[i].new_name));
    }
    assert_true(exists(&s, "new-0123"));
    assert_false(exists(&s, "new-old"));
    assert_true(exists(&s, "bad-1"));
    close(s.sweep.dir);
    sweep(&s); /* what was put aside stays aside */
    assert_int_equal(s.sweep.refusal_count, 0);
    end(&s);
}

/* However many there are, a sweep takes a bounded number, and those that waited longest. */
static void
test_crowd(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    close(s.sweep.dir);
    for (unsigned i = 0; i < DROP_TAKEN_AT_ONCE + 50; i++) {
        char name[DROP_NAME_MAX], path[512];
        drop_slot_name((i * 7919) % (DROP_TAKEN_AT_ONCE + 50), name);
        if (!exists(&s, name))
            put(&s, name, 0600, 1);
        const struct timespec at[2] = {{.tv_sec = 1000000 + i}, {.tv_sec = 1000000 + i}};
        assert_int_equal(utimensat(AT_FDCWD, path_in(&s, name, path), at, 0), 0);
    }
    for (unsigned i = 0; i < DROP_REFUSED_AT_ONCE + 50; i++) {
        char name[32];
        snprintf(name, sizeof(name), "junk%u", i);
        put(&s, name, 0600, 1);
    }
    sweep(&s);
    assert_int_equal(s.sweep.candidate_count, DROP_TAKEN_AT_ONCE);
    for (size_t i = 0; i < s.sweep.candidate_count; i++) {
        assert_true(s.sweep.candidates[i].mtime_us < (INT64_C(1000000) + DROP_TAKEN_AT_ONCE) * 1000000);
        assert_true(i == 0 || s.sweep.candidates[i - 1].mtime_us <= s.sweep.candidates[i].mtime_us);
    }
    assert_int_equal(s.sweep.refusal_count, DROP_REFUSED_AT_ONCE);
    close(s.sweep.dir);
    sweep(&s);
    assert_int_equal(s.sweep.refusal_count, 50);
    end(&s);
}

/* --- files of slots ----------------------------------------------------------------------------------------------- */

typedef void make_fn(const struct scene *s, const char *path);

static void
make_file(const struct scene *s, const char *path)
{
    (void)path;
    put(s, "000000", 0600, 100);
}

static void
make_largest(const struct scene *s, const char *path)
{
    (void)path;
    put(s, "000000", 0600, SIZE_MAX_BYTES);
}

static void
make_too_large(const struct scene *s, const char *path)
{
    (void)path;
    put(s, "000000", 0600, SIZE_MAX_BYTES + 1);
}

static void
make_readable(const struct scene *s, const char *path)
{
    (void)path;
    put(s, "000000", 0644, 100);
}

static void
make_setuid(const struct scene *s, const char *path)
{
    (void)path;
    put(s, "000000", 04600, 100);
}

static void
make_symlink(const struct scene *s, const char *path)
{
    (void)s;
    assert_int_equal(symlink("/etc/passwd", path), 0);
}

static void
make_dangling(const struct scene *s, const char *path)
{
    (void)s;
    assert_int_equal(symlink("/nonexistent", path), 0);
}

static void
make_link(const struct scene *s, const char *path)
{
    char other[512];
    snprintf(other, sizeof(other), "%s/other", s->top);
    int fd = open(other, O_WRONLY | O_CREAT, 0600);
    close(fd);
    assert_int_equal(link(other, path), 0);
}

static void
make_fifo(const struct scene *s, const char *path)
{
    (void)s;
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void
make_socket(const struct scene *s, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)s;
    snprintf(at.sun_path, sizeof(at.sun_path), "%.100s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
}

static void
make_directory(const struct scene *s, const char *path)
{
    (void)s;
    assert_int_equal(mkdir(path, 0600), 0);
}

static void
make_nothing(const struct scene *s, const char *path)
{
    (void)s, (void)path;
}

static void
test_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        make_fn *make;
        bool is_open, is_refused;
    } rows[] = {
        {"a file", make_file, true, false},
        {"the largest", make_largest, true, false},
        {"one octet larger", make_too_large, false, true},
        {"one that others may read", make_readable, false, true},
        {"one with a set-uid bit", make_setuid, false, true},
        {"a symbolic link", make_symlink, false, true},
        {"a symbolic link to nothing", make_dangling, false, true},
        {"a hard link", make_link, false, true},
        {"a FIFO", make_fifo, false, true},
        {"a socket", make_socket, false, true},
        {"a directory", make_directory, false, true},
        {"nothing", make_nothing, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scene s;
        char path[512];
        begin(&s);
        struct drop_file file = {.dir = s.sweep.dir, .is_root = true, .size_max_bytes = SIZE_MAX_BYTES};
        rows[i].make(&s, path_in(&s, "000000", path));
        drop_open_job(&file);
        CHECK(rows[i].name, (file.fd >= 0) == rows[i].is_open && file.is_refused == rows[i].is_refused);
        CHECK(rows[i].name, !file.is_refused || (file.refusal.why != NULL && exists(&s, file.refusal.new_name)));
        CHECK(rows[i].name, exists(&s, "000000") == rows[i].is_open);
        if (file.fd >= 0) {
            CHECK(rows[i].name, file.uid == geteuid());
            close(file.fd);
        }
        end(&s);
    }
}

/* The file itself is removed, and no other that has its name by then. */
static void
test_remove(void **state)
{
    (void)state;
    struct scene s;
    char path[512];
    begin(&s);
    struct drop_file file = {.dir = s.sweep.dir, .is_root = true, .size_max_bytes = SIZE_MAX_BYTES};
    put(&s, "000000", 0600, 100);
    drop_open_job(&file);
    assert_true(file.fd >= 0);
    /* Its owner replaces it; the old one stays open, so its inode cannot be used again. */
    put(&s, "other", 0600, 100);
    char other[512];
    assert_int_equal(rename(path_in(&s, "other", other), path_in(&s, "000000", path)), 0);
    drop_remove_job(&file);
    assert_true(exists(&s, "000000"));
    close(file.fd);
    file = (struct drop_file){.dir = s.sweep.dir, .is_root = true, .size_max_bytes = SIZE_MAX_BYTES};
    drop_open_job(&file);
    assert_true(file.fd >= 0);
    drop_remove_job(&file);
    assert_false(exists(&s, "000000"));
    close(file.fd);
    end(&s);
}

/* A server that is not root takes its own user's files and no others. */
static void
test_not_root(void **state)
{
    (void)state;
    struct scene s;
    char path[512];
    if (geteuid() != 0)
        skip();
    begin(&s);
    struct drop_file file = {.dir = s.sweep.dir, .is_root = false, .size_max_bytes = SIZE_MAX_BYTES};
    put(&s, "000000", 0600, 100);
    assert_int_equal(chown(path_in(&s, "000000", path), 65534, 65534), 0);
    drop_open_job(&file);
    assert_true(file.fd < 0 && file.is_refused && file.refusal.uid == 65534);
    end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory), cmocka_unit_test(test_trouble), cmocka_unit_test(test_names),
        cmocka_unit_test(test_crowd),     cmocka_unit_test(test_files),   cmocka_unit_test(test_remove),
        cmocka_unit_test(test_not_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
