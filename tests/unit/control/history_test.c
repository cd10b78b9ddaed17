/* history_test.c - what was remembered is found again, newest first; damage costs one record; old files go. */
#include "control/history.h"

#include "rt/rt_real.h"
#include "store/message_id.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
    struct rt *rt;
    struct log log;
    struct disk_dir *dir;
    char path[64];
};

typedef void body_fn(struct fiber *f, struct fixture *fixture);

struct run {
    struct fixture *fixture;
    body_fn *body;
};

static void
run_main(struct fiber *f, void *arg)
{
    struct run *run = arg;
    run->body(f, run->fixture);
}

static void
run_in_fiber(body_fn *body)
{
    struct fixture fixture = {.path = "/tmp/godwit-history.XXXXXX"};
    assert_non_null(mkdtemp(fixture.path));
    const struct rt_real_options options = {.log_fd = -1};
    assert_int_equal(rt_real_new(&options, &fixture.rt), ERR_OK);
    log_init(&fixture.log, fixture.rt, SPAN("test"), 0, (struct log_options){.min_severity = LOG_CRITICAL});
    assert_int_equal(disk_dir_open(rt_disk(fixture.rt), NULL, fixture.path, &fixture.dir), ERR_OK);
    struct run run = {&fixture, body};
    assert_int_equal(rt_real_run(fixture.rt, run_main, &run), ERR_OK);
    disk_dir_close(fixture.dir);
    rt_real_free(fixture.rt);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", fixture.path);
    assert_int_equal(system(command), 0);
}

static void
append(struct history *history, uint8_t n, const char *trail)
{
    uint8_t id[MESSAGE_ID_BYTES] = {[11] = n};
    history_append(history, &(struct history_entry){.time_us = n, .kind = 2, .id = span_of(id, sizeof(id)), .trail = span_from_cstr(trail)});
}

static size_t
find(struct fiber *f, struct history *history, const char *needle, struct arena *mem, struct history_entry *entries, size_t max)
{
    size_t count = 99;
    assert_int_equal(history_search(f, history, span_from_cstr(needle), false, mem, entries, max, &count), ERR_OK);
    return count;
}

static void
finds_newest_first(struct fiber *f, struct fixture *x)
{
    struct history *history;
    struct history_entry entries[2];
    struct arena mem;
    arena_init(&mem, 1 << 20);
    assert_int_equal(history_new(x->rt, &x->log, x->dir, 1 << 30, INT64_C(1) << 50, &history), ERR_OK);
    append(history, 1, "to Alice@example.test");
    append(history, 2, "to bob@example.test");
    append(history, 3, "to alice@example.test");
    append(history, 4, "to ALICE@example.test again");
    assert_int_equal(find(f, history, "alice@example.test", &mem, entries, 2), 2);
    assert_int_equal(entries[0].time_us, 4);
    assert_int_equal(entries[1].time_us, 3);
    assert_int_equal(find(f, history, "carol@example.test", &mem, entries, 2), 0);
    uint8_t id[MESSAGE_ID_BYTES] = {[11] = 2};
    size_t count;
    assert_int_equal(history_search(f, history, span_of(id, sizeof(id)), true, &mem, entries, 2, &count), ERR_OK);
    assert_int_equal(count, 1);
    assert_true(span_equal(entries[0].trail, SPAN("to bob@example.test")));
    history_free(f, history);

    /* A new process finds what the old one wrote. */
    assert_int_equal(history_new(x->rt, &x->log, x->dir, 1 << 30, INT64_C(1) << 50, &history), ERR_OK);
    append(history, 5, "alice@example.test");
    assert_int_equal(find(f, history, "alice@example.test", &mem, entries, 2), 2);
    assert_int_equal(entries[0].time_us, 5);
    assert_int_equal(entries[1].time_us, 4);
    history_free(f, history);
    arena_clear(&mem);
}

static void
damage_costs_one_record(struct fiber *f, struct fixture *x)
{
    struct history *history;
    struct history_entry entries[4];
    struct arena mem;
    arena_init(&mem, 1 << 20);
    assert_int_equal(history_new(x->rt, &x->log, x->dir, 1 << 30, INT64_C(1) << 50, &history), ERR_OK);
    append(history, 1, "needle one");
    append(history, 2, "needle two");
    append(history, 3, "needle three");
    assert_int_equal(find(f, history, "needle", &mem, entries, 4), 3);
    char name[128];
    snprintf(name, sizeof(name), "%s/history-%010u", x->path, 1u);
    int fd = open(name, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "X", 1, 12 + 10 + MESSAGE_ID_BYTES + 10 + 30), 1); /* inside the second record */
    close(fd);
    assert_int_equal(find(f, history, "needle", &mem, entries, 4), 2);
    assert_int_equal(entries[0].time_us, 3);
    assert_int_equal(entries[1].time_us, 1);
    history_free(f, history);
    arena_clear(&mem);
}

static void
without_a_directory_nothing_is_kept(struct fiber *f, struct fixture *x)
{
    struct history *history;
    struct history_entry entries[1];
    struct arena mem;
    arena_init(&mem, 1 << 20);
    assert_int_equal(history_new(x->rt, &x->log, NULL, 1 << 30, 1, &history), ERR_OK);
    append(history, 1, "needle");
    assert_int_equal(find(f, history, "needle", &mem, entries, 1), 0);
    assert_int_equal(history_dropped(history), 1);
    history_free(f, history);
    arena_clear(&mem);
}

static void
test_search(void **state)
{
    (void)state;
    run_in_fiber(finds_newest_first);
}

static void
test_damage(void **state)
{
    (void)state;
    run_in_fiber(damage_costs_one_record);
}

static void
test_no_directory(void **state)
{
    (void)state;
    run_in_fiber(without_a_directory_nothing_is_kept);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_search), cmocka_unit_test(test_damage), cmocka_unit_test(test_no_directory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
