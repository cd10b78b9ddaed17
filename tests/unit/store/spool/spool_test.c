/*
 * spool_test.c - the spool as the queue sees it: commit, read, change, remove, reopen; groups, room, body files,
 * compaction.
 *
 * What a crash leaves is the business of tests/crash; here every close is orderly or a kill with everything synced.
 * Damage has a file of its own, damage_test.c.
 */
#include "spool_fixture.h"

static void
test_life_of_a_message(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    assert_true(h.report->is_created);
    struct message_id id = harness_id(1);
    assert_false(spool_has(h.spool, id));
    ok(harness_put(&h, id, SPAN("Subject: x\r\n\r\nbody\r\n"), SPAN("state 1")));
    assert_true(spool_has(h.spool, id));
    check_read(&h, id, SPOOL_CONTENT, SPAN("Subject: x\r\n\r\nbody\r\n"));
    check_read(&h, id, SPOOL_STATE, SPAN("state 1"));
    ok(harness_state(&h, id, SPAN("state 2")));
    check_read(&h, id, SPOOL_STATE, SPAN("state 2"));
    restart(&h);
    assert_false(h.report->is_created);
    assert_int_equal(h.report->messages, 1);
    assert_int_equal(h.report->damage_total, 0);
    check_read(&h, id, SPOOL_CONTENT, SPAN("Subject: x\r\n\r\nbody\r\n"));
    check_read(&h, id, SPOOL_STATE, SPAN("state 2"));
    ok(harness_work(&h));
    ok(harness_remove(&h, id));
    assert_false(spool_has(h.spool, id));
    check_read_fails(&h, id, SPOOL_CONTENT, ERR_NOT_FOUND);
    restart(&h);
    assert_int_equal(h.report->messages, 0);
    assert_false(spool_has(h.spool, id));
    teardown(&h);
}

static void
test_empty_payloads(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    ok(harness_put(&h, harness_id(1), SPAN_EMPTY, SPAN_EMPTY));
    check_read(&h, harness_id(1), SPOOL_CONTENT, SPAN_EMPTY);
    restart_sealed(&h);
    check_read(&h, harness_id(1), SPOOL_STATE, SPAN_EMPTY);
    teardown(&h);
}

/* The parts of a change are concatenated. */
static void
test_parts(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    struct span parts[] = {SPAN("header\r\n"), SPAN_EMPTY, SPAN("\r\n"), SPAN("body")};
    struct spool_op op = {.verb = SPOOL_PUT_CONTENT, .id = harness_id(1), .parts = parts, .part_count = 4};
    ok(harness_commit(&h, SPOOL_USE_ACCEPT, &op, 1));
    check_read(&h, harness_id(1), SPOOL_CONTENT, SPAN("header\r\n\r\nbody"));
    check_read_fails(&h, harness_id(1), SPOOL_STATE, ERR_NOT_FOUND);
    teardown(&h);
}

/* I3: a group counts whole or not at all, and what it refuses leaves no trace. */
static void
test_groups(void **state)
{
    (void)state;
    struct harness h;
    struct span text = SPAN("text");
    struct message_id known = harness_id(1), fresh = harness_id(2), other = harness_id(3);
    const struct {
        const char *name;
        struct spool_op ops[3];
        size_t count;
        enum err result;
    } rows[] = {
        {"content that is known", {harness_op(SPOOL_PUT_CONTENT, known, &text)}, 1, ERR_EXISTS},
        {"state of nothing", {harness_op(SPOOL_PUT_STATE, fresh, &text)}, 1, ERR_NOT_FOUND},
        {"removal of nothing", {harness_op(SPOOL_REMOVE, fresh, NULL)}, 1, ERR_NOT_FOUND},
        {"good, then bad", {harness_op(SPOOL_PUT_CONTENT, fresh, &text), harness_op(SPOOL_PUT_STATE, fresh, &text),
                            harness_op(SPOOL_REMOVE, other, NULL)}, 3, ERR_NOT_FOUND},
        {"removal, then bad", {harness_op(SPOOL_REMOVE, known, NULL), harness_op(SPOOL_PUT_STATE, known, &text)}, 2,
            ERR_NOT_FOUND},
        {"content twice", {harness_op(SPOOL_PUT_CONTENT, fresh, &text), harness_op(SPOOL_PUT_CONTENT, fresh, &text)}, 2,
            ERR_EXISTS},
        {"state before content", {harness_op(SPOOL_PUT_STATE, fresh, &text),
            harness_op(SPOOL_PUT_CONTENT, fresh, &text)}, 2,
         ERR_NOT_FOUND},
        {"result that creates mail", {harness_op(SPOOL_REMOVE, known, NULL),
            harness_op(SPOOL_PUT_CONTENT, other, &text),
                                      harness_op(SPOOL_PUT_STATE, other, &text)}, 3, ERR_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        setup(&h);
        ok(harness_put(&h, known, SPAN("content"), SPAN("state")));
        bool is_good = rows[i].result == ERR_OK;
        CHECK(rows[i].name, harness_commit(&h, SPOOL_USE_RESULT, rows[i].ops, rows[i].count) == rows[i].result);
        for (int again = 0; again < 2; again++) {
            CHECK(rows[i].name, spool_has(h.spool, known) == !is_good);
            CHECK(rows[i].name, !spool_has(h.spool, fresh));
            CHECK(rows[i].name, spool_has(h.spool, other) == is_good);
            restart(&h);
        }
        ok(harness_work(&h));
        if (!is_good) { /* what was refused may come later */
            ok(harness_state(&h, known, SPAN("later")));
            ok(harness_put(&h, fresh, SPAN("c"), SPAN("s")));
            ok(harness_remove(&h, known));
        }
        teardown(&h);
    }
}

/* What waits in a batch is known to later groups, and not yet to readers. */
static void
test_gathering(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    struct span text = SPAN("text"), late = SPAN("late");
    struct spool_op put[] = {harness_op(SPOOL_PUT_CONTENT, harness_id(1), &text),
        harness_op(SPOOL_PUT_STATE, harness_id(1), &text)};
    struct spool_op change = harness_op(SPOOL_PUT_STATE, harness_id(1), &late),
        drop = harness_op(SPOOL_REMOVE, harness_id(1), NULL);
    struct spool_batch *batch = spool_batch_new(h.spool);
    assert_true(spool_batch_is_empty(batch));
    ok(spool_batch_add(batch, SPOOL_USE_ACCEPT, put, 2));
    assert_false(spool_batch_is_empty(batch));
    assert_int_equal(spool_batch_add(batch, SPOOL_USE_ACCEPT, put, 2), ERR_EXISTS);
    ok(spool_batch_add(batch, SPOOL_USE_RESULT, &change, 1));
    assert_false(spool_has(h.spool, harness_id(1)));
    assert_int_equal(spool_batch_bytes(batch), 4096);
    ok(harness_write(batch));
    check_read(&h, harness_id(1), SPOOL_STATE, late); /* the later change of one key wins */
    restart(&h);
    check_read(&h, harness_id(1), SPOOL_STATE, late);
    ok(harness_work(&h));
    /* Given up without being written: as if never added. */
    batch = spool_batch_new(h.spool);
    ok(spool_batch_add(batch, SPOOL_USE_RESULT, &drop, 1));
    assert_int_equal(spool_batch_add(batch, SPOOL_USE_RESULT, &change, 1), ERR_NOT_FOUND);
    assert_int_equal(spool_batch_add(batch, SPOOL_USE_RESULT, &drop, 1), ERR_NOT_FOUND);
    spool_batch_end(batch);
    ok(harness_remove(&h, harness_id(1)));
    /* The next batch gathers while one is written. */
    batch = spool_batch_new(h.spool);
    ok(spool_batch_add(batch, SPOOL_USE_ACCEPT,
                       (struct spool_op[]){harness_op(SPOOL_PUT_CONTENT, harness_id(2), &text)}, 1));
    spool_batch_place(batch);
    struct spool_batch *next = spool_batch_new(h.spool);
    struct spool_op state_two = harness_op(SPOOL_PUT_STATE, harness_id(2), &late);
    ok(spool_batch_add(next, SPOOL_USE_RESULT, &state_two, 1));
    spool_batch_write(batch);
    ok(spool_batch_status(batch));
    spool_batch_end(batch);
    ok(harness_write(next));
    check_read(&h, harness_id(2), SPOOL_CONTENT, text);
    check_read(&h, harness_id(2), SPOOL_STATE, late);
    teardown(&h);
}

static void
test_sizes(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    uint8_t *big = calloc(1, 128 * 1024);
    assert_non_null(big);
    /* A segment of 64 KiB has 15 blocks less 1 for a table: 14, and a record costs 64 in a batch of 64. */
    const struct {
        const char *name;
        size_t len;
        enum err result;
    } rows[] = {
        {"largest", 13 * 4096 - 128 - 64 - 8 + 8, ERR_OK},
        {"one more", 13 * 4096 - 128 - 64 + 1, ERR_LIMIT},
        {"a segment", 65536, ERR_LIMIT},
        {"more than a segment", 65537, ERR_LIMIT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum err e = harness_put(&h, harness_id(i), span_of(big, rows[i].len), SPAN_EMPTY);
        CHECK(rows[i].name, e == rows[i].result);
        ok(harness_work(&h));
    }
    assert_int_equal(spool_can_accept(h.spool, 10000), ERR_OK);
    assert_int_equal(spool_can_accept(h.spool, 65536), ERR_LIMIT);
    assert_int_equal(spool_can_accept(h.spool, UINT64_MAX), ERR_LIMIT);
    /* A batch takes groups until it is full, not more. */
    struct spool_batch *batch = spool_batch_new(h.spool);
    struct span content = span_of(big, 20000);
    for (uint64_t n = 100; n < 102; n++)
        ok(spool_batch_add(batch, SPOOL_USE_ACCEPT,
                           (struct spool_op[]){harness_op(SPOOL_PUT_CONTENT, harness_id(n), &content)}, 1));
    struct spool_op third = harness_op(SPOOL_PUT_CONTENT, harness_id(102), &content);
    assert_int_equal(spool_batch_add(batch, SPOOL_USE_ACCEPT, &third, 1), ERR_AGAIN);
    ok(harness_write(batch));
    ok(harness_work(&h));
    ok(harness_commit(&h, SPOOL_USE_ACCEPT, &third, 1));
    free(big);
    teardown(&h);
}

/* Before maintenance has prepared a segment there is no room, and that is not "full". */
static void
test_before_maintenance(void **state)
{
    (void)state;
    struct harness h;
    harness_init(&h, disk_sim_new(7), 11);
    ok(harness_open(&h));
    assert_int_equal(spool_can_accept(h.spool, 100), ERR_AGAIN);
    assert_int_equal(harness_put(&h, harness_id(1), SPAN("c"), SPAN("s")), ERR_AGAIN);
    assert_false(spool_has(h.spool, harness_id(1)));
    ok(harness_work(&h));
    ok(spool_can_accept(h.spool, 100));
    ok(harness_put(&h, harness_id(1), SPAN("c"), SPAN("s")));
    teardown(&h);
}

/* I6: on a full disk new mail is refused, results are not, and what they free is used again. */
static void
test_full_disk(void **state)
{
    (void)state;
    struct harness h;
    harness_init(&h, disk_sim_new(7), 11);
    disk_sim_set_capacity(h.sim, 6 * 65536);
    ok(harness_open(&h));
    ok(harness_work(&h));
    uint64_t accepted = 0;
    enum err e;
    uint8_t bytes[8000];
    while ((e = harness_put(&h, harness_id(accepted), content_text(accepted, 8000, bytes), SPAN("s"))) == ERR_OK) {
        accepted++;
        ok(harness_work(&h));
    }
    assert_int_equal(e, ERR_FULL);
    assert_in_range(accepted, 5, 40);
    assert_int_equal(spool_can_accept(h.spool, 8000), ERR_FULL);
    struct spool_stats stats;
    spool_stats_get(h.spool, &stats);
    assert_true(stats.is_disk_full);
    assert_int_equal(stats.segments_ready, 2); /* the reserved ones */
    /* Results find room for as long as they come, though everything is live. */
    for (uint64_t n = 0; n < 500; n++) {
        e = harness_state(&h, harness_id(n * 7 % accepted), SPAN("deferred"));
        if (e == ERR_FULL) { /* maintenance makes room for it */
            ok(harness_work(&h));
            e = harness_state(&h, harness_id(n * 7 % accepted), SPAN("deferred"));
        }
        ok(e);
        ok(harness_work(&h));
        h.now_ns += HARNESS_SECOND;
    }
    for (uint64_t n = 0; n + 2 < accepted; n++) {
        ok(harness_remove(&h, harness_id(n)));
        ok(harness_work(&h));
    }
    /* Segments in which nothing lives are there for new mail again. */
    h.now_ns += 70 * HARNESS_SECOND;
    ok(harness_work(&h));
    ok(spool_can_accept(h.spool, 8000));
    put_text(&h, 1000, 8000);
    restart(&h);
    assert_int_equal(h.report->messages, 3);
    check_text(&h, 1000, 8000);
    check_text(&h, accepted - 1, 8000);
    teardown(&h);
}

/* A result that finds no room finds it after at most three rounds of maintenance. */
static void
persist(struct harness *h, const char *what, uint64_t seed, struct spool_op op)
{
    enum err e = ERR_FULL;
    for (int tries = 0; e != ERR_OK && tries < 4; tries++) {
        e = harness_commit(h, SPOOL_USE_RESULT, &op, 1);
        ok(harness_work(h));
        h->now_ns += 2 * HARNESS_SECOND;
    }
    if (e != ERR_OK)
        fail_msg("disk of seed %llu: %s: %s", (unsigned long long)seed, what, err_name(e));
}

/* The same on disks and with messages of many sizes: states are rewritten and messages end for ever. */
static void
test_full_disk_by_chance(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct harness h;
        struct sim_random random = {seed};
        harness_init(&h, disk_sim_new(seed), seed);
        disk_sim_set_capacity(h.sim, (5 + sim_random_below(&random, 8)) * 65536 + 20000);
        ok(harness_open(&h));
        ok(harness_work(&h));
        uint64_t messages = 0, largest = 100 + sim_random_below(&random, 12000), left = 0;
        uint8_t bytes[16 * 1024];
        enum err e = ERR_OK;
        for (; e == ERR_OK; messages++) {
            struct span content = content_text(messages, 50 + sim_random_below(&random, largest), bytes);
            e = harness_put(&h, harness_id(messages), content, SPAN("state"));
            ok(harness_work(&h));
            h.now_ns += (int64_t)sim_random_below(&random, 3) * HARNESS_SECOND;
            if (e == ERR_AGAIN)
                e = ERR_OK;
        }
        assert_int_equal(e, ERR_FULL);
        for (int i = 0; i < 300; i++) {
            uint64_t n = sim_random_below(&random, messages);
            if (!spool_has(h.spool, harness_id(n)))
                continue;
            struct span text = span_of(bytes, sim_random_below(&random, 300));
            if (sim_random_chance(&random, 1, 8))
                persist(&h, "removal", seed, harness_op(SPOOL_REMOVE, harness_id(n), NULL));
            else
                persist(&h, "state", seed, harness_op(SPOOL_PUT_STATE, harness_id(n), &text));
        }
        for (uint64_t n = 0; n < messages; n++)
            left += spool_has(h.spool, harness_id(n)) ? 1 : 0;
        restart(&h);
        assert_int_equal(h.report->messages, left);
        assert_int_equal(h.report->damage_total, 0);
        teardown(&h);
    }
}

static void
test_memory_budget(void **state)
{
    (void)state;
    struct harness h;
    harness_init(&h, disk_sim_new(7), 11);
    h.options.index_bytes_max = 5 * 60;
    ok(harness_open(&h));
    ok(harness_work(&h));
    uint64_t n = 0;
    enum err e;
    while ((e = harness_put(&h, harness_id(n), SPAN("c"), SPAN("s"))) == ERR_OK)
        n++;
    assert_int_equal(e, ERR_LIMIT);
    assert_in_range(n, 3, 10);
    assert_int_equal(spool_can_accept(h.spool, 1), ERR_LIMIT);
    /* Results that create mail are not held up by it. */
    struct span text = SPAN("bounce");
    struct spool_op bounce[] = {harness_op(SPOOL_REMOVE, harness_id(0), NULL),
        harness_op(SPOOL_PUT_CONTENT, harness_id(90), &text)};
    ok(harness_commit(&h, SPOOL_USE_RESULT, bounce, 2));
    teardown(&h);
}

/* A write that meets a full disk (file systems that do not write in place) is undone whole; the next one succeeds. */
static void
test_write_fails_for_want_of_room(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    put_text(&h, 1, 100);
    disk_sim_fail_at(h.sim, disk_sim_steps(h.sim) + 1, ERR_FULL);
    struct span text = SPAN("text");
    struct spool_op ops[] = {harness_op(SPOOL_REMOVE, harness_id(1), NULL),
        harness_op(SPOOL_PUT_CONTENT, harness_id(2), &text)};
    assert_int_equal(harness_commit(&h, SPOOL_USE_RESULT, ops, 2), ERR_FULL);
    assert_true(spool_has(h.spool, harness_id(1)));
    assert_false(spool_has(h.spool, harness_id(2)));
    ok(harness_commit(&h, SPOOL_USE_RESULT, ops, 2));
    assert_false(spool_has(h.spool, harness_id(1)));
    check_read(&h, harness_id(2), SPOOL_CONTENT, text);
    restart(&h);
    assert_int_equal(h.report->messages, 1);
    teardown(&h);
}

/* I5: a sync that fails is final, and said so. */
static void
test_failed_sync_is_final(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    put_text(&h, 1, 100);
    disk_sim_fail_data_sync(h.sim, 0);
    assert_int_equal(harness_put(&h, harness_id(2), SPAN("c"), SPAN("s")), ERR_IO);
    assert_false(spool_has(h.spool, harness_id(2)));
    restart(&h);
    assert_true(spool_has(h.spool, harness_id(1)));
    assert_int_equal(h.report->damage_total, 0);
    teardown(&h);
}

/* --- body files --------------------------------------------------------------------------------------------------- */

static bool
count_one(void *arg, const char *name)
{
    (void)name;
    ++*(size_t *)arg;
    return true;
}

static size_t
count_files(struct harness *h, const char *dir)
{
    struct disk_dir *d;
    size_t count = 0;
    ok(disk_dir_open(h->mount, h->dir, dir, &d));
    ok(disk_dir_list(d, count_one, &count));
    disk_dir_close(d);
    return count;
}

static void
test_body_files(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    uint8_t *data = malloc(300000);
    assert_non_null(data);
    for (size_t i = 0; i < 300000; i++)
        data[i] = (uint8_t)(i * 7 / 3);
    struct spool_body *body;
    struct message_id id = harness_id(1);
    ok(harness_body(&h, id, span_of(data, 300000), 65536, &body));
    assert_int_equal(spool_body_bytes(body), 300000);
    struct span header = SPAN("Subject: big\r\n\r\n"), text = SPAN("state");
    struct spool_op ops[] = {harness_op(SPOOL_PUT_CONTENT, id, &header), harness_op(SPOOL_PUT_STATE, id, &text)};
    ops[0].body = body;
    ok(harness_commit(&h, SPOOL_USE_ACCEPT, ops, 2));
    spool_body_free(body);
    struct buf wanted;
    buf_init(&wanted, 400000);
    buf_append(&wanted, header);
    buf_append(&wanted, span_of(data, 300000));
    check_read(&h, id, SPOOL_CONTENT, buf_span(&wanted));
    restart(&h);
    assert_int_equal(h.report->bodies, 1);
    check_read(&h, id, SPOOL_CONTENT, buf_span(&wanted));
    ok(harness_work(&h));
    /* Removed once nobody is about to open it. */
    struct spool_read read;
    ok(spool_read_prepare(h.spool, id, SPOOL_CONTENT, &read));
    ok(harness_remove(&h, id));
    ok(harness_work(&h));
    assert_int_equal(count_files(&h, "body"), 1);
    spool_read_run(&read);
    ok(read.status);
    assert_int_equal(read.body_bytes, 300000);
    spool_read_done(&read);
    ok(harness_work(&h));
    assert_int_equal(count_files(&h, "body"), 0);
    buf_done(&wanted);
    free(data);
    teardown(&h);
}

static void
test_body_not_committed(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    struct spool_body *body;
    put_text(&h, 1, 10);
    assert_int_equal(spool_body_new(h.spool, harness_id(1), &body), ERR_EXISTS);
    ok(harness_body(&h, harness_id(2), SPAN("body"), 3, &body));
    /* A second upload of the same id is refused by the file system. */
    struct spool_body *second;
    assert_int_equal(harness_body(&h, harness_id(2), SPAN("other"), 3, &second), ERR_EXISTS);
    assert_int_equal(count_files(&h, "body"), 1);
    spool_body_discard(body);
    spool_body_free(body);
    assert_int_equal(count_files(&h, "body"), 0);
    /* One that was forgotten is an orphan. */
    ok(harness_body(&h, harness_id(3), SPAN("body"), 3, &body));
    spool_body_free(body);
    restart(&h);
    assert_int_equal(h.report->orphans_removed, 1);
    assert_int_equal(count_files(&h, "body"), 0);
    /* An empty body is a body; a full disk refuses one. */
    ok(harness_work(&h));
    ok(harness_body(&h, harness_id(4), SPAN_EMPTY, 3, &body));
    spool_body_discard(body);
    spool_body_free(body);
    disk_sim_set_capacity(h.sim, disk_sim_used_bytes(h.sim));
    assert_int_equal(harness_body(&h, harness_id(5), SPAN("x"), 3, &body), ERR_FULL);
    assert_int_equal(count_files(&h, "body"), 0);
    teardown(&h);
}

/* --- segments ----------------------------------------------------------------------------------------------------- */

/* A start reads tables; it comes to the same as reading the batches. */
static void
test_sealed_and_not(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    for (uint64_t n = 0; n < 40; n++) {
        put_text(&h, n, 2000 + 100 * n);
        ok(harness_state(&h, harness_id(n), SPAN("changed")));
        if (n % 3 == 0)
            ok(harness_remove(&h, harness_id(n)));
        ok(harness_work(&h));
    }
    struct spool_stats before, after;
    spool_stats_get(h.spool, &before);
    struct disk_sim *copy = disk_sim_clone(h.sim);
    restart(&h);
    assert_true(h.report->segments_by_scan > 0);
    spool_stats_get(h.spool, &after);
    assert_int_equal(after.messages, before.messages);
    assert_int_equal(after.live_bytes, before.live_bytes);
    /* Now everything is sealed. */
    restart(&h);
    assert_int_equal(h.report->batches, 0);
    spool_stats_get(h.spool, &after);
    assert_int_equal(after.messages, before.messages);
    assert_int_equal(after.live_bytes, before.live_bytes);
    for (uint64_t n = 0; n < 40; n++)
        if (n % 3 != 0) {
            check_text(&h, n, 2000 + 100 * n);
            check_read(&h, harness_id(n), SPOOL_STATE, SPAN("changed"));
        }
    teardown(&h);
    /* The same from the copy, closed in order. */
    harness_init(&h, copy, 12);
    ok(harness_open(&h));
    ok(harness_work(&h));
    restart_sealed(&h);
    assert_int_equal(h.report->batches, 0);
    assert_int_equal(h.report->messages, before.messages);
    teardown(&h);
}

/* I4: a segment somebody reads is not released. */
static void
test_pinned_segment(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    put_text(&h, 0, 5000);
    struct spool_read read;
    ok(spool_read_prepare(h.spool, harness_id(0), SPOOL_CONTENT, &read));
    struct spool_stats stats;
    for (uint64_t n = 1; n < 60; n++) {
        put_text(&h, n, 5000);
        ok(harness_remove(&h, harness_id(n - 1)));
        ok(harness_work(&h));
    }
    spool_read_run(&read);
    ok(read.status);
    uint8_t bytes[5000];
    CHECK_SPAN("pinned", read.data, content_text(0, 5000, bytes));
    spool_read_done(&read);
    ok(harness_work(&h));
    spool_stats_get(h.spool, &stats);
    assert_in_range(stats.segments, 3, 10);
    teardown(&h);
}

/* I4: old segments are copied forward, mostly dead ones at once, and nothing is lost by it. */
static void
test_compaction(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    for (uint64_t n = 0; n < 60; n++) { /* one in ten stays */
        put_text(&h, n, 4000);
        ok(harness_state(&h, harness_id(n), SPAN("deferred")));
        if (n % 10 != 0)
            ok(harness_remove(&h, harness_id(n)));
        ok(harness_work(&h));
    }
    struct spool_stats stats;
    spool_stats_get(h.spool, &stats);
    assert_int_equal(stats.messages, 6);
    assert_true(stats.copied_bytes > 0);
    assert_in_range(stats.segments, 3, 9);
    /* What is left is younger than 60 s and stays; afterwards it moves. */
    for (uint64_t n = 100; n < 110; n++) {
        put_text(&h, n, 6000);
        ok(harness_work(&h));
    }
    spool_stats_get(h.spool, &stats);
    uint64_t copied = stats.copied_bytes;
    h.now_ns += 30 * HARNESS_SECOND;
    ok(harness_work(&h));
    spool_stats_get(h.spool, &stats);
    assert_int_equal(stats.copied_bytes, copied);
    h.now_ns += 31 * HARNESS_SECOND;
    ok(harness_work(&h));
    spool_stats_get(h.spool, &stats);
    assert_true(stats.copied_bytes > copied);
    for (int again = 0; again < 2; again++) {
        for (uint64_t n = 0; n < 60; n += 10) {
            check_text(&h, n, 4000);
            check_read(&h, harness_id(n), SPOOL_STATE, SPAN("deferred"));
        }
        for (uint64_t n = 100; n < 110; n++)
            check_text(&h, n, 6000);
        restart(&h);
        assert_int_equal(h.report->messages, 16);
        assert_int_equal(h.report->damage_total, 0);
    }
    teardown(&h);
}

/* A removal outlives every record it is about, however they were copied, and then goes itself: the spool gets empty. */
static void
test_removals_go_at_last(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    for (uint64_t n = 0; n < 80; n++) {
        put_text(&h, n, 3000);
        ok(harness_work(&h));
    }
    h.now_ns += 61 * HARNESS_SECOND;
    ok(harness_work(&h)); /* all of it in older generations now */
    for (uint64_t n = 0; n < 80; n++) {
        ok(harness_remove(&h, harness_id((n * 37) % 80)));
        ok(harness_work(&h));
        if (n % 20 == 0) {
            restart(&h);
            assert_int_equal(h.report->messages, 79 - n);
            ok(harness_work(&h));
        }
    }
    for (int i = 0; i < 4; i++) {
        h.now_ns += 61 * HARNESS_SECOND;
        ok(spool_seal(h.spool));
        ok(harness_work(&h));
    }
    struct spool_stats stats;
    spool_stats_get(h.spool, &stats);
    assert_int_equal(stats.messages, 0);
    assert_int_equal(stats.live_bytes, 0);
    assert_int_equal(h.spool->index.count, 0);
    assert_in_range(stats.segments, 3, 6); /* files of a backlog that has left are removed */
    restart(&h);
    assert_int_equal(h.report->records, 0);
    teardown(&h);
}

/* --- going through all messages ----------------------------------------------------------------------------------- */

static void
test_scan(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    enum { MESSAGES = 700 };
    for (uint64_t n = 0; n < MESSAGES; n++) {
        char text[40];
        snprintf(text, sizeof(text), "state %llu", (unsigned long long)n);
        ok(harness_put(&h, harness_id(n), SPAN("content"), span_from_cstr(text)));
        ok(harness_work(&h));
    }
    for (uint64_t n = 0; n < MESSAGES; n += 7) {
        ok(harness_remove(&h, harness_id(n)));
        ok(harness_work(&h));
    }
    restart(&h);
    bool seen[MESSAGES] = {false};
    struct spool_scan *scan = spool_scan_new(h.spool);
    while (spool_scan_plan(scan)) {
        spool_scan_run(scan);
        for (size_t i = 0; i < spool_scan_count(scan); i++) {
            const struct spool_message *m = spool_scan_message(scan, i);
            uint64_t n = m->id.time_us - 1700000000000000;
            char text[40];
            snprintf(text, sizeof(text), "state %llu", (unsigned long long)n);
            ok(m->state_status);
            CHECK_SPAN("state", m->state, span_from_cstr(text));
            assert_true(n < MESSAGES && n % 7 != 0 && !seen[n] && m->is_content_there && m->content_bytes == 7);
            seen[n] = true;
        }
    }
    spool_scan_free(scan);
    for (uint64_t n = 0; n < MESSAGES; n++)
        assert_int_equal(seen[n], n % 7 != 0);
    teardown(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_of_a_message),
        cmocka_unit_test(test_empty_payloads),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_gathering),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_before_maintenance),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_full_disk_by_chance),
        cmocka_unit_test(test_memory_budget),
        cmocka_unit_test(test_write_fails_for_want_of_room),
        cmocka_unit_test(test_failed_sync_is_final),
        cmocka_unit_test(test_body_files),
        cmocka_unit_test(test_body_not_committed),
        cmocka_unit_test(test_sealed_and_not),
        cmocka_unit_test(test_pinned_segment),
        cmocka_unit_test(test_compaction),
        cmocka_unit_test(test_removals_go_at_last),
        cmocka_unit_test(test_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
