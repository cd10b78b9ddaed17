/*
 * vanish_test.c - a client that goes away after any octet, in order or by a reset: only what was ended and
 * acknowledged is kept, nothing is left behind. Requirement 30; standards P34, P35.
 */
#include "wire_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A conversation cut into turns: what is sent, then the replies that are awaited. */
struct turn {
    const char *text;
    int replies;
};

static const struct turn small[] = {
    {"EHLO c.example\r\n", 1},
    {"MAIL FROM:<a@c.example>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n", 3},
    {"Subject: x\r\n\r\nbody\r\n..\r\n.\r\n", 1},
    {"MAIL FROM:<a@c.example>\r\nRCPT TO:<alice@example.test>\r\nBDAT 10\r\ns: x\r\n\r\nbo", 3},
    {"BDAT 4 LAST\r\ndy\r\n", 1},
    {"QUIT\r\n", 1},
};

struct visit {
    struct wire_world *world;
    const struct turn *turns;
    size_t turn_count;
    size_t octets; /* sent before the client goes */
    bool is_reset;
    size_t ended;  /* messages whose end was sent */
};

static void
visit_run(struct fiber *f, void *arg)
{
    struct visit *v = arg;
    struct wire_client c;
    size_t left = v->octets;
    wire_connect(&c, v->world, f, "mx");
    wire_expect(&c, 220, "greeting");
    for (size_t i = 0; i < v->turn_count && left > 0; i++) {
        size_t len = strlen(v->turns[i].text), n = len < left ? len : left;
        wire_send(&c, span_of(v->turns[i].text, n));
        left -= n;
        if (n < len)
            break;
        for (int r = 0; r < v->turns[i].replies && !wire_has_failed(v->world); r++)
            if (wire_take_reply(&c, NULL) == 0)
                wire_fail(v->world, "no reply in turn %zu", i);
    }
    (v->is_reset ? wire_abort : wire_close)(&c);
}

static void
visit_after_every_octet(const struct turn *turns, size_t turn_count, size_t step, const size_t *message_ends,
                        size_t message_end_count)
{
    size_t total = 0;
    for (size_t i = 0; i < turn_count; i++)
        total += strlen(turns[i].text);
    for (int is_reset = 0; is_reset < 2; is_reset++) {
        struct wire_world *w = wire_world_new(NULL, 7 + (uint64_t)is_reset, 0);
        for (size_t octets = 0; octets <= total; octets += step) {
            struct visit v = {w, turns, turn_count, octets, is_reset == 1, 0};
            size_t accepted = w->message_count;
            wire_run(w, visit_run, &v);
            wire_settle(w, 2 * NS_PER_S);
            assert_string_equal(w->failure, "");
            size_t ended = 0;
            for (size_t i = 0; i < message_end_count; i++)
                ended += octets >= message_ends[i];
            if (w->message_count - accepted != ended)
                fail_msg("after %zu octets %zu messages, not %zu", octets, w->message_count - accepted, ended);
            for (size_t i = 0; i < WIRE_UPLOADS_MAX; i++)
                assert_int_equal(w->uploads[i].number, 0);
        }
        assert_true(wire_world_free(w)); /* the edge asserts that nobody holds a buffer or a count */
    }
}

static void
test_small_messages(UNUSED void **unused)
{
    size_t ends[2] = {0, 0};
    for (size_t i = 0; i < 3; i++)
        ends[0] += strlen(small[i].text);
    for (size_t i = 0; i < 5; i++)
        ends[1] += strlen(small[i].text);
    visit_after_every_octet(small, ARRAY_LEN(small), 1, ends, 2);
}

static void
test_a_large_message(UNUSED void **unused)
{
    enum { LINES = 4000, LINE = 64 };
    char *text = malloc((size_t)LINES * LINE + 100);
    assert_non_null(text);
    size_t at = (size_t)sprintf(text, "s: x\r\n\r\n");
    for (int i = 0; i < LINES; i++) {
        memset(text + at, 'x', LINE - 2);
        memcpy(text + at + LINE - 2, "\r\n", 2);
        at += LINE;
    }
    at += (size_t)sprintf(text + at, ".\r\n");
    struct turn turns[] = {small[0], small[1], {text, 1}};
    size_t end = strlen(small[0].text) + strlen(small[1].text) + at;
    visit_after_every_octet(turns, ARRAY_LEN(turns), 9973, &end, 1);
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_small_messages), cmocka_unit_test(test_a_large_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
