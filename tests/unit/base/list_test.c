/* list_test.c - order, unlinking, and walking while unlinking. */
#include "check.h"

#include "base/list.h"

struct item {
    int value;
    struct list node;
};

static int
value_of(struct list *node)
{
    return CONTAINER_OF(node, struct item, node)->value;
}

static void
test_order(void **state)
{
    (void)state;
    struct list head;
    struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_null(list_take_first(&head));
    list_append(&head, &items[1].node);
    list_append(&head, &items[2].node);
    list_prepend(&head, &items[0].node);
    int expected = 1;
    LIST_FOR_EACH(it, &head)
        assert_int_equal(value_of(it), expected++);
    assert_int_equal(expected, 4);
    assert_int_equal(value_of(list_take_first(&head)), 1);
    list_unlink(&items[0].node); /* harmless: it points to itself */
    assert_int_equal(value_of(list_take_first(&head)), 2);
    assert_int_equal(value_of(list_take_first(&head)), 3);
    assert_true(list_is_empty(&head));
}

static void
test_unlink_while_walking(void **state)
{
    (void)state;
    struct list head;
    struct item items[5];
    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_append(&head, &items[i].node);
    }
    LIST_FOR_EACH(it, &head)
        if (value_of(it) % 2 == 0)
            list_unlink(it);
    assert_int_equal(value_of(list_take_first(&head)), 1);
    assert_int_equal(value_of(list_take_first(&head)), 3);
    assert_true(list_is_empty(&head));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_unlink_while_walking)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
