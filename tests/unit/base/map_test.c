/* map_test.c - the map against a plain array, its walk, its cap, its hash against another program's. */
#include "check.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t seed[2] = {1, 2};

static void
test_hash(void **state)
{
    (void)state;
    /* SipHash-1-3 with a key of zeros, as CPython 3.11 computes it with PYTHONHASHSEED=0. */
    static const uint64_t zeros[2] = {0, 0};
    assert_true(map_hash(SPAN("a"), zeros) == UINT64_C(0x407448d2b89b1813));
    assert_true(map_hash(SPAN("abcdefgh"), zeros) == UINT64_C(0x3f7b849c0b8e35ea));
    assert_true(map_hash(SPAN("abcdefghi"), zeros) == UINT64_C(0xf89b34a3d11eb6e5));
    assert_true(map_hash(SPAN("a"), seed) != map_hash(SPAN("a"), zeros));
}

enum { MODEL_KEYS = 300 };

struct model {
    char text[MODEL_KEYS][8];
    bool is_in[MODEL_KEYS];
    size_t count;
};

static void
model_check(const struct model *model, const struct map *m)
{
    size_t seen = 0;
    struct map_cursor cursor;
    struct span key;
    void *value;
    map_walk(m, &cursor);
    while (map_next(m, &cursor, &key, &value)) {
        seen++;
        assert_true(span_equal(key, span_from_cstr(value)));
    }
    assert_int_equal(seen, model->count);
    assert_int_equal(m->count, model->count);
    for (int i = 0; i < MODEL_KEYS; i++) {
        void *expected = model->is_in[i] ? (void *)(uintptr_t)model->text[i] : NULL;
        assert_ptr_equal(map_get(m, span_from_cstr(model->text[i])), expected);
    }
}

static void
test_against_model(void **state)
{
    (void)state;
    static struct model model;
    struct map m;
    map_init(&m, MODEL_KEYS, seed);
    for (int i = 0; i < MODEL_KEYS; i++)
        snprintf(model.text[i], sizeof(model.text[i]), "k%d", i);
    srandom(7);
    for (int step = 0; step < 20000; step++) {
        int i = (int)(random() % MODEL_KEYS);
        struct span key = span_from_cstr(model.text[i]);
        if (random() % 2 == 0) {
            void *old = &old;
            assert_int_equal(map_put(&m, key, model.text[i], &old), ERR_OK);
            assert_int_equal(old != NULL, model.is_in[i]);
            model.count += !model.is_in[i];
            model.is_in[i] = true;
        } else {
            assert_int_equal(map_remove(&m, key) != NULL, model.is_in[i]);
            model.count -= model.is_in[i];
            model.is_in[i] = false;
        }
        if (step % 500 == 0)
            model_check(&model, &m);
    }
    model_check(&model, &m);
    map_done(&m);
    assert_null(map_get(&m, SPAN("k1")));
    map_done(NULL);
}

static void
test_remove_while_walking(void **state)
{
    (void)state;
    char text[200][8];
    for (int round = 0; round < 50; round++) {
        struct map m;
        size_t seen = 0;
        map_init(&m, 200, (uint64_t[2]){(uint64_t)round, 9});
        for (int i = 0; i < 200; i++) {
            snprintf(text[i], sizeof(text[i]), "%d", i);
            assert_int_equal(map_put(&m, span_from_cstr(text[i]), text[i], NULL), ERR_OK);
        }
        struct map_cursor cursor;
        struct span key;
        void *value;
        map_walk(&m, &cursor);
        while (map_next(&m, &cursor, &key, &value)) {
            seen++;
            if (((char *)value)[0] % 2 == 0)
                assert_ptr_equal(map_remove(&m, key), value);
        }
        assert_int_equal(seen, 200); /* each once, whatever was removed */
        map_done(&m);
    }
}

static void
test_cap(void **state)
{
    (void)state;
    struct map m;
    map_init(&m, 2, seed);
    void *old;
    assert_int_equal(map_put(&m, SPAN("a"), "1", NULL), ERR_OK);
    assert_int_equal(map_put(&m, SPAN("b"), "2", NULL), ERR_OK);
    assert_int_equal(map_put(&m, SPAN("c"), "3", NULL), ERR_LIMIT);
    assert_int_equal(map_put(&m, SPAN("b"), "4", &old), ERR_OK); /* a change needs no room */
    assert_string_equal(old, "2");
    assert_string_equal(map_get(&m, SPAN("b")), "4");
    assert_int_equal(m.count, 2);
    map_done(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_remove_while_walking),
        cmocka_unit_test(test_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
