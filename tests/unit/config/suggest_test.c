/* suggest_test.c - distances and the nearest word. */
#include "check.h"

#include "config/suggest.h"

static void
test_distance(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned distance;
    } rows[] = {
        {"", "", 0},           {"same", "same", 0},       {"SAME", "same", 0},      {"message_size", "message-size", 0},
        {"mesage", "message", 1}, {"messsage", "message", 1}, {"massage", "message", 1}, {"emssage", "message", 1},
        {"abc", "", 3},        {"", "abc", 3},            {"abcd", "dcba", 3},      {"kitten", "sitting", 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CHECK(rows[i].a, config_edit_distance(span_from_cstr(rows[i].a), span_from_cstr(rows[i].b),
            9) == rows[i].distance);
        CHECK(rows[i].a, config_edit_distance(span_from_cstr(rows[i].b), span_from_cstr(rows[i].a),
            9) == rows[i].distance);
    }
    assert_int_equal(config_edit_distance(SPAN("abcdef"), SPAN("ghijkl"), 2), 2);
}

static void
test_suggest(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *candidates, *best;
    } rows[] = {
        {"mesage-size", "line-length|message-size|recipients", "message-size"},
        {"recipient", "recipients|received-hops", "recipients"},
        {"hostnme", "hostname|postmaster", "hostname"},
        {"reciever", "recipients|received-hops", ""},
        {"xyz", "log|mail", ""},
        {"lgo", "log|mail", "log"},
        {"Listener", "listener", "listener"},
        {"a", "b|c", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config_suggestion s = config_suggest(span_from_cstr(rows[i].wanted));
        config_suggest_offer(&s, span_from_cstr(rows[i].candidates));
        CHECK_SPAN(rows[i].wanted, s.best, span_from_cstr(rows[i].best));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_distance), cmocka_unit_test(test_suggest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
