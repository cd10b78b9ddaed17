/* heap_test.c - order after pushes, changes and removals in the middle, against a scan of all. */
#include "check.h"

#include "base/heap.h"

#include <stdlib.h>

struct timer {
    long due;
    struct heap_node node;
};

static bool
is_before(const struct heap_node *a, const struct heap_node *b)
{
    return CONTAINER_OF(a, struct timer, node)->due < CONTAINER_OF(b, struct timer, node)->due;
}

enum { TIMERS = 200 };

static void
check_first(const struct heap *h, const struct timer *timers)
{
    long least = -1;
    size_t count = 0;
    for (int i = 0; i < TIMERS; i++) {
        if (!heap_has(&timers[i].node))
            continue;
        count++;
        if (least < 0 || timers[i].due < least)
            least = timers[i].due;
    }
    assert_int_equal(h->count, count);
    struct heap_node *first = heap_first(h);
    assert_int_equal(first == NULL ? -1 : CONTAINER_OF(first, struct timer, node)->due, least);
}

static void
test_against_scan(void **state)
{
    (void)state;
    static struct timer timers[TIMERS];
    struct heap h;
    heap_init(&h, is_before);
    srandom(11);
    for (int step = 0; step < 20000; step++) {
        struct timer *t = &timers[random() % TIMERS];
        long due = random() % 1000;
        if (!heap_has(&t->node)) {
            t->due = due;
            assert_int_equal(heap_push(&h, &t->node), ERR_OK);
        } else if (random() % 2 == 0) {
            t->due = due;
            heap_update(&h, &t->node);
        } else {
            heap_remove(&h, &t->node);
            heap_remove(&h, &t->node); /* harmless */
        }
        check_first(&h, timers);
    }
    long last = -1;
    for (struct heap_node *n; (n = heap_take_first(&h)) != NULL;) {
        struct timer *t = CONTAINER_OF(n, struct timer, node);
        assert_true(t->due >= last);
        last = t->due;
    }
    assert_null(heap_first(&h));
    heap_done(&h);
    heap_done(NULL);
}

static void
test_done_frees_nodes(void **state)
{
    (void)state;
    struct timer t = {.due = 1};
    struct heap h;
    heap_init(&h, is_before);
    assert_int_equal(heap_push(&h, &t.node), ERR_OK);
    assert_true(heap_has(&t.node));
    heap_done(&h);
    assert_false(heap_has(&t.node));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_scan), cmocka_unit_test(test_done_frees_nodes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
