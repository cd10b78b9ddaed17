/* user_file_test.c - which files of a user are believed (P17): each row changes one thing about a good one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deliver/deliver.h"

struct scene {
    char home[64];
    int fd;
};

static void
run(const struct scene *s, const char *format)
{
    char command[512];
    int n = snprintf(command, sizeof(command), "cd %s && rm -rf .forward other && %s", s->home, format);
    assert_true(n > 0 && (size_t)n < sizeof(command));
    assert_int_equal(system(command), 0);
}

static int
scene_set(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    snprintf(s->home, sizeof(s->home), "/tmp/godwit-forward.XXXXXX");
    assert_non_null(mkdtemp(s->home));
    s->fd = open(s->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(s->fd >= 0);
    *state = s;
    return 0;
}

static int
scene_end(void **state)
{
    struct scene *s = *state;
    run(s, "true");
    close(s->fd);
    int status = rmdir(s->home);
    free(s);
    return status;
}

static const struct row {
    const char *what;
    const char *made_by;
    bool is_read;
    bool exists;
    bool is_others; /* judged for another user than the owner */
    const char *why;
} rows[] = {
    {"a good one", "echo x >.forward; chmod 600 .forward", true, true, false, NULL},
    {"one that others may read", "echo x >.forward; chmod 644 .forward", true, true, false, NULL},
    {"none", "true", true, false, false, NULL},
    {"one its group may write", "echo x >.forward; chmod 664 .forward", false, true, false, "may write"},
    {"one all may write", "echo x >.forward; chmod 646 .forward", false, true, false, "may write"},
    {"a link", "echo x >other; ln -s other .forward", false, true, false, "symbolic link"},
    {"a link to nothing", "ln -s other .forward", false, true, false, "symbolic link"},
    {"a second name of a file", "echo x >other; chmod 600 other; ln other .forward", false, true, false, "one name"},
    {"a directory", "mkdir .forward", false, true, false, "regular"},
    {"a FIFO", "mkfifo -m 600 .forward", false, true, false, "regular"},
    {"one that is too large", "head -c 65537 /dev/zero >.forward; chmod 600 .forward", false, true, false, "larger"},
    {"one as large as may be", "head -c 65536 /dev/zero >.forward; chmod 600 .forward", true, true, false, NULL},
    {"somebody else's", "echo x >.forward; chmod 600 .forward; [ $(id -u) != 0 ] || chown 7777 .forward", false, true,
     true, "somebody else"},
};

static void
test_forward(void **state)
{
    struct scene *s = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        bool exists = !row->exists;
        const char *why = NULL;
        struct buf text;
        run(s, row->made_by);
        buf_init(&text, 2 * DELIVER_FORWARD_BYTES_MAX);
        bool is_read = deliver_forward_read(s->fd, row->is_others ? 7776 : geteuid(), &text, &exists, &why);
        if (is_read != row->is_read || exists != row->exists || (row->why != NULL && strstr(why, row->why) == NULL))
            fail_msg("%s: read %d, exists %d, %s", row->what, is_read, exists, why == NULL ? "" : why);
        assert_true(!is_read || (text.len > 0) == exists);
        buf_done(&text);
    }
}

static void
test_home(void **state)
{
    struct scene *s = *state;
    static const struct {
        const char *what;
        mode_t mode;
        uint64_t uid_more;
        bool is_opened;
    } cases[] = {{"one's own", 0755, 0, true}, {"group-writable", 0775, 0, true}, {"open to all", 0777, 0, false},
                 {"somebody else's", 0755, 1, false}};
    const char *why = NULL;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(chmod(s->home, cases[i].mode), 0);
        int fd = deliver_home_open(s->home, geteuid() + cases[i].uid_more, &why);
        if ((fd >= 0) != cases[i].is_opened)
            fail_msg("%s: %d", cases[i].what, fd);
        if (fd >= 0)
            close(fd);
    }
    assert_int_equal(deliver_home_open("/nonexistent", geteuid(), &why), -1);
    assert_int_equal(deliver_home_open("tmp", geteuid(), &why), -1);
    assert_int_equal(deliver_home_open("/etc/passwd", geteuid(), &why), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_forward, scene_set, scene_end),
        cmocka_unit_test_setup_teardown(test_home, scene_set, scene_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
