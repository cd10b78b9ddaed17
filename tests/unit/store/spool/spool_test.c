/*
 * spool_test.c - the spool as the queue sees it: commit, read, change, remove, reopen; room, damage, compaction.
 *
 * What a crash leaves is the business of tests/crash; here every close is orderly or a kill with everything synced.
 */
#include "check.h"

#include "crash/spool_harness.h"

#define ok(call) assert_int_equal((call), ERR_OK)

static void
setup(struct harness *h)
{
    harness_init(h, disk_sim_new(7), 11);
    ok(harness_open(h));
    ok(harness_work(h));
}

static void
teardown(struct harness *h)
{
    struct disk_sim *sim = h->sim;
    harness_done(h);
    disk_sim_free(sim);
}

static void
reopen(struct harness *h)
{
    harness_kill(h);
    ok(harness_open(h));
    ok(harness_work(h));
}

static void
check_read(struct harness *h, struct message_id id, enum spool_kind kind, struct span wanted)
{
    struct buf got;
    buf_init(&got, 64 * 1024 * 1024);
    ok(harness_read(h, id, kind, &got));
    CHECK_SPAN("read", buf_span(&got), wanted);
    buf_done(&got);
}

static void
test_lives_of_a_message(void **state)
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
    reopen(&h);
    assert_false(h.report->is_created);
    assert_int_equal(h.report->messages, 1);
    assert_int_equal(h.report->damage_total, 0);
    check_read(&h, id, SPOOL_CONTENT, SPAN("Subject: x\r\n\r\nbody\r\n"));
    check_read(&h, id, SPOOL_STATE, SPAN("state 2"));
    ok(harness_remove(&h, id));
    assert_false(spool_has(h.spool, id));
    reopen(&h);
    assert_int_equal(h.report->messages, 0);
    assert_false(spool_has(h.spool, id));
    teardown(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lives_of_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
