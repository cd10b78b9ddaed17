/* drop_store_test.c - whole files in slots, within limits, replacing nothing. */
#include "check.h"

#include "cli/drop_file.h"
#include "cli/drop_store.h"
#include "store/drop.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

struct scene {
    char directory[64];
    struct outgoing o;
    struct buf complaint;
};

static void
begin(struct scene *s)
{
    snprintf(s->directory, sizeof(s->directory), "/tmp/drop-test.XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    buf_init(&s->complaint, 4096);
    outgoing_init(&s->o);
    const char *recipients[] = {"a@b.test"};
    const struct sendmail_options options = {.recipients = recipients, .recipient_count = 1};
    assert_int_equal(outgoing_take_options(&s->o, &options, &s->complaint), EX_OK);
    assert_int_equal(outgoing_take_content(&s->o, SPAN("Subject: x\r\n\r\nbody\r\n"), false, &s->complaint), EX_OK);
}

static void
path_of(const struct scene *s, const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", s->directory, name);
}

/* How many entries there are; all are removed with `removes`. */
static size_t
entries(const struct scene *s, bool removes)
{
    DIR *dir = opendir(s->directory);
    size_t count = 0;
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (removes)
            assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    }
    closedir(dir);
    return count;
}

static void
end(struct scene *s)
{
    (void)entries(s, true);
    assert_int_equal(rmdir(s->directory), 0);
    outgoing_done(&s->o);
    buf_done(&s->complaint);
}

static int
store(struct scene *s, uint64_t messages, uint64_t size_bytes)
{
    const struct drop_limits limits = {.messages = messages, .size_bytes = size_bytes};
    buf_clear(&s->complaint);
    int status = drop_store(s->directory, &limits, &s->o, &s->complaint);
    assert_true((status == EX_OK) == (s->complaint.len == 0));
    return status;
}

static void
test_file(void **state)
{
    (void)state;
    struct scene s;
    struct stat st;
    struct buf text;
    char path[512];
    begin(&s);
    assert_int_equal(store(&s, 10, 1 << 20), EX_OK);
    assert_int_equal(entries(&s, false), 1);
    path_of(&s, "000000", path);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, DROP_FILE_MODE);
    assert_true(S_ISREG(st.st_mode) && st.st_nlink == 1);
    buf_init(&text, 4096);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, buf_reserve(&text, 4000), 4000);
    close(fd);
    assert_true(n > 0);
    buf_advance(&text, (size_t)n);
    CHECK_SPAN("the file", buf_span(&text), SPAN("godwit-drop 1\nto <a@b.test>\n\nSubject: x\r\n\r\nbody\r\n"));
    buf_done(&text);
    end(&s);
}

static void
test_count(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(store(&s, 3, 1 << 20), EX_OK);
    assert_int_equal(store(&s, 3, 1 << 20), EX_TEMPFAIL);
    assert_int_equal(entries(&s, false), 3); /* nothing half-written is left */
    /* A slot that became free is used again. */
    char path[512];
    path_of(&s, "000001", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store(&s, 3, 1 << 20), EX_OK);
    assert_int_equal(access(path, F_OK), 0);
    end(&s);
}

/* What others have put into slots, whatever it is, is counted and never replaced. */
static void
test_slots_of_others(void **state)
{
    (void)state;
    struct scene s;
    char path[512], target[512];
    struct stat st;
    begin(&s);
    path_of(&s, "000000", path);
    path_of(&s, "precious", target);
    assert_int_equal(symlink(target, path), 0);
    path_of(&s, "000001", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(store(&s, 3, 1 << 20), EX_OK);
    path_of(&s, "000002", path);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(access(target, F_OK), -1);
    assert_int_equal(store(&s, 3, 1 << 20), EX_TEMPFAIL);
    end(&s);
}

static void
test_size(void **state)
{
    (void)state;
    struct scene s;
    char path[512];
    begin(&s);
    assert_int_equal(store(&s, 10, 10), EX_TEMPFAIL); /* more than fits at all */
    assert_int_equal(entries(&s, false), 0);
    assert_int_equal(store(&s, 10, 1 << 20), EX_OK);
    path_of(&s, "000005", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    static const uint8_t zeros[256 * 1024];
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
    assert_int_equal(fsync(fd), 0);
    close(fd);
    assert_int_equal(store(&s, 10, 1 << 20), EX_TEMPFAIL);
    assert_int_equal(store(&s, 10, 1 << 22), EX_OK);
    /* A hole is no size. */
    path_of(&s, "000006", path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
    assert_int_equal(store(&s, 10, 1 << 22), EX_OK);
    end(&s);
}

static void
test_no_directory(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    const struct drop_limits limits = {10, 1 << 20};
    assert_int_equal(drop_store("/nonexistent/drop", &limits, &s.o, &s.complaint), EX_TEMPFAIL);
    assert_true(s.complaint.len > 0);
    end(&s);
}

/* A message that cannot be written whole leaves nothing behind. */
static void
test_no_room(void **state)
{
    (void)state;
    struct scene s;
    struct rlimit before, small;
    begin(&s);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 20;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int status = store(&s, 10, 1 << 20);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, EX_IOERR);
    assert_int_equal(entries(&s, false), 0);
    end(&s);
}

/* Only who still waits is kept. */
static void
test_waiting(void **state)
{
    (void)state;
    struct scene s;
    struct buf text;
    begin(&s);
    struct address_list_item other = {.local = SPAN("c"), .domain = SPAN("d.test")};
    assert_int_equal(outgoing_add(&s.o, &other, 0), ERR_OK);
    s.o.recipients[0].state = OUTGOING_DONE;
    buf_init(&text, 4096);
    assert_int_equal(drop_file_format(&s.o, &text), ERR_OK);
    CHECK_SPAN("head", buf_span(&text), SPAN("godwit-drop 1\nto <c@d.test>\n\nSubject: x\r\n\r\n"));
    buf_done(&text);
    end(&s);
}

static void
test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_slot;
    } rows[] = {{"000000", true}, {"099999", true}, {"012345", true}, {"100000", false}, {"00000", false}, {"0000000",
                                                                                                            false},
                {"00000a", false}, {"", false}, {"-00000", false}, {"0000 0", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CHECK(rows[i].name, drop_is_slot_name(rows[i].name) == rows[i].is_slot);
    for (unsigned slot = 0; slot < DROP_SLOTS_MAX; slot += 997) {
        char name[DROP_NAME_MAX];
        drop_slot_name(slot, name);
        assert_true(drop_is_slot_name(name));
        assert_int_equal(strtoul(name, NULL, 10), slot);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),         cmocka_unit_test(test_count),   cmocka_unit_test(test_slots_of_others),
        cmocka_unit_test(test_size),         cmocka_unit_test(test_no_directory),
        cmocka_unit_test(test_no_room),      cmocka_unit_test(test_waiting),      cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
