/* schedule_test.c - a message is in exactly one place, and comes out of it in its order. */
#include "queue/schedule.h"

#include "queue/fresh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const uint64_t seed[2] = {1, 2};

static struct message_id
id_of(uint64_t n)
{
    return (struct message_id){.time_us = n, .process = 7};
}

static void
ready_is_first_come_first_served(void **state)
{
    (void)state;
    struct schedule s;
    schedule_init(&s, 100, seed);
    for (uint64_t n = 1; n <= 3; n++)
        assert_non_null(schedule_add(&s, id_of(n)));
    assert_int_equal(s.ready_count, 3);
    for (uint64_t n = 1; n <= 3; n++) {
        struct queued *q = schedule_take(&s);
        assert_non_null(q);
        assert_true(message_id_equal(queued_id(q), id_of(n)));
        assert_int_equal(q->place, QUEUED_IN_HAND);
    }
    assert_null(schedule_take(&s));
    assert_int_equal(s.ready_count, 0);
    assert_int_equal(s.in_hand_count, 3);
    schedule_done(&s);
}

static void
later_becomes_ready_in_order_of_time(void **state)
{
    (void)state;
    struct schedule s;
    schedule_init(&s, 100, seed);
    static const int64_t due[] = {300, 100, 200};
    for (uint64_t n = 0; n < 3; n++)
        assert_int_equal(schedule_set_later(&s, schedule_add(&s, id_of(n + 1)), due[n]), ERR_OK);
    assert_int_equal(schedule_advance(&s, 99), 100);
    assert_null(schedule_take(&s));
    assert_int_equal(schedule_advance(&s, 200), 300);
    assert_true(message_id_equal(queued_id(schedule_take(&s)), id_of(2)));
    assert_true(message_id_equal(queued_id(schedule_take(&s)), id_of(3)));
    assert_null(schedule_take(&s));
    assert_int_equal(schedule_advance(&s, 1000), INT64_MAX);
    schedule_done(&s);
}

static void
held_waits_and_is_counted(void **state)
{
    (void)state;
    struct schedule s;
    schedule_init(&s, 100, seed);
    struct queued *q = schedule_add(&s, id_of(1));
    schedule_set_held(&s, q);
    assert_int_equal(s.held_count, 1);
    assert_null(schedule_take(&s));
    schedule_set_ready(&s, q);
    assert_int_equal(s.held_count, 0);
    assert_ptr_equal(schedule_take(&s), q);
    schedule_remove(&s, q);
    assert_int_equal(s.in_hand_count, 0);
    assert_null(schedule_find(&s, id_of(1)));
    schedule_done(&s);
}

static void
the_end_forgets_what_is_in_any_place(void **state)
{
    (void)state;
    struct schedule s;
    schedule_init(&s, 100, seed);
    for (uint64_t n = 1; n <= 4; n++)
        assert_non_null(schedule_add(&s, id_of(n)));
    schedule_set_held(&s, schedule_find(&s, id_of(1)));
    schedule_set_in_hand(&s, schedule_find(&s, id_of(2)));
    assert_int_equal(schedule_set_later(&s, schedule_find(&s, id_of(3)), 1000), ERR_OK);
    schedule_done(&s);
    assert_int_equal(s.later.count, 0);
    assert_int_equal(s.ready_count + s.in_hand_count + s.held_count, 0);
}

static void
the_cap_refuses_and_nothing_else_changes(void **state)
{
    (void)state;
    struct schedule s;
    schedule_init(&s, 2, seed);
    assert_non_null(schedule_add(&s, id_of(1)));
    assert_non_null(schedule_add(&s, id_of(2)));
    assert_null(schedule_add(&s, id_of(3)));
    assert_int_equal(s.ready_count, 2);
    schedule_done(&s);
}

static void
listing_goes_on_after_an_id(void **state)
{
    (void)state;
    struct schedule s;
    struct queued *items[4];
    schedule_init(&s, 100, seed);
    for (uint64_t n = 10; n > 0; n--)
        assert_non_null(schedule_add(&s, id_of(n)));
    struct message_id after = {0};
    uint64_t expected = 1;
    for (size_t count; (count = schedule_list_after(&s, after, items, 4)) > 0;) {
        for (size_t i = 0; i < count; i++)
            assert_true(message_id_equal(queued_id(items[i]), id_of(expected++)));
        after = queued_id(items[count - 1]);
    }
    assert_int_equal(expected, 11);
    schedule_done(&s);
}

static void
fresh_bytes_count_against_their_budget(void **state)
{
    (void)state;
    struct fresh_budget budget = {.max_bytes = sizeof(struct fresh_message) + 10};
    struct fresh_message *fresh = fresh_message_new(&budget, SPAN("env"), SPAN("head"), SPAN("bod"));
    assert_non_null(fresh);
    assert_true(span_equal(fresh->envelope, SPAN("env")));
    assert_true(span_equal(fresh->content, SPAN("headbod")));
    assert_null(fresh_message_new(&budget, SPAN_EMPTY, SPAN_EMPTY, SPAN_EMPTY));
    fresh_message_free(fresh);
    assert_int_equal(budget.used_bytes, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_is_first_come_first_served),    cmocka_unit_test(later_becomes_ready_in_order_of_time),
        cmocka_unit_test(held_waits_and_is_counted),           cmocka_unit_test(the_cap_refuses_and_nothing_else_changes),
        cmocka_unit_test(the_end_forgets_what_is_in_any_place),
        cmocka_unit_test(listing_goes_on_after_an_id),         cmocka_unit_test(fresh_bytes_count_against_their_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
