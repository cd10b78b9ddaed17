/*
 * trail_test.c - what was decided comes back as it was noted, in a bounded space, and hostile bytes are only refused.
 */
#include "net/trail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct trail_fact facts[] = {
    {TRAIL_FACT_KNOWN, SPAN("client.address"), SPAN("192.0.2.1")},
    {TRAIL_FACT_UNKNOWN, SPAN("client.name"), SPAN("")},
    {TRAIL_FACT_FAILED, SPAN("recipient.status"), SPAN("timeout \xff")},
};

static const struct trail_step full_step = {
    .time_us = INT64_C(1795557583000123),
    .phase = TRAIL_RCPT,
    .action = TRAIL_REFUSED,
    .subject = SPAN("bob@example.test"),
    .reason = SPAN("unknown-user"),
    .reply = SPAN("550 5.1.1 No such user here"),
    .source = {SPAN("/etc/godwit/godwit.conf"), 12, 3},
    .facts = facts,
    .fact_count = ARRAY_LEN(facts),
};

static void
assert_span(struct span is, struct span should)
{
    assert_int_equal(is.len, should.len);
    assert_true(span_equal(is, should));
}

static void
test_round_trip(UNUSED void **state)
{
    struct buf trail;
    struct arena mem;
    buf_init(&trail, TRAIL_BYTES_MAX);
    arena_init(&mem, 4096);
    struct trail_step bare = {.phase = TRAIL_CONNECT, .action = TRAIL_NOTED};
    trail_append(&trail, &bare);
    trail_append(&trail, &full_step);

    struct span rest = buf_span(&trail);
    struct trail_step step;
    assert_int_equal(trail_take(&rest, &mem, &step), ERR_OK);
    assert_int_equal(step.phase, TRAIL_CONNECT);
    assert_int_equal(step.action, TRAIL_NOTED);
    assert_int_equal(step.fact_count, 0);
    assert_int_equal(trail_take(&rest, &mem, &step), ERR_OK);
    assert_int_equal(step.time_us, full_step.time_us);
    assert_int_equal(step.phase, TRAIL_RCPT);
    assert_int_equal(step.action, TRAIL_REFUSED);
    assert_span(step.subject, full_step.subject);
    assert_span(step.reason, full_step.reason);
    assert_span(step.reply, full_step.reply);
    assert_span(step.source.file, full_step.source.file);
    assert_int_equal(step.source.line, 12);
    assert_int_equal(step.source.column, 3);
    assert_int_equal(step.fact_count, ARRAY_LEN(facts));
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        assert_int_equal(step.facts[i].state, facts[i].state);
        assert_span(step.facts[i].name, facts[i].name);
        assert_span(step.facts[i].value, facts[i].value);
    }
    assert_int_equal(trail_take(&rest, &mem, &step), ERR_NOT_FOUND);
    assert_int_equal(rest.len, 0);
    arena_clear(&mem);
    buf_done(&trail);
}

/* Once a step did not fit, later ones are left out too, the reader is told, and the cap holds. */
static void
test_a_full_trail_says_so(UNUSED void **state)
{
    for (size_t cap = 2; cap < 700; cap++) {
        struct buf trail;
        struct arena mem;
        buf_init(&trail, cap);
        arena_init(&mem, 16384);
        for (int i = 0; i < 5; i++)
            trail_append(&trail, &full_step);
        trail_append(&trail, &(struct trail_step){.phase = TRAIL_CONNECT, .action = TRAIL_NOTED});
        assert_true(trail.len <= cap);
        struct span rest = buf_span(&trail);
        struct trail_step step;
        enum err e;
        int whole = 0, full = 0;
        while ((e = trail_take(&rest, &mem, &step)) == ERR_OK) {
            assert_int_equal(full, 0);
            if (span_equal(step.reason, SPAN("trail-full")))
                full++;
            else
                whole++;
        }
        assert_int_equal(e, ERR_NOT_FOUND);
        assert_int_equal(full, 1);
        assert_true(whole < 5);
        arena_clear(&mem);
        buf_done(&trail);
    }
}

/* A peer's text that looks like the mark of a full trail does not stop the trail. */
static void
test_peer_text_cannot_end_a_trail(UNUSED void **state)
{
    struct buf trail;
    buf_init(&trail, TRAIL_BYTES_MAX);
    struct trail_fact fact = TRAIL_FACT(SPAN("helo"), SPAN("\x02\0"));
    struct trail_step step = {
        .phase = TRAIL_HELO, .action = TRAIL_NOTED, .reply = SPAN("\x02\0"), .facts = &fact, .fact_count = 1};
    trail_append(&trail, &step);
    size_t one = trail.len;
    trail_append(&trail, &step);
    assert_int_equal(trail.len, 2 * one);
    buf_done(&trail);
}

static void
test_long_texts_are_cut(UNUSED void **state)
{
    struct buf trail;
    struct arena mem;
    uint8_t text[TRAIL_TEXT_MAX + 500];
    memset(text, 'x', sizeof(text));
    struct trail_fact many[TRAIL_FACTS_MAX + 4];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = TRAIL_FACT(SPAN("n"), SPAN("v"));
    many[0].value = span_of(text, sizeof(text));
    buf_init(&trail, TRAIL_BYTES_MAX);
    arena_init(&mem, 4096);
    trail_append(&trail, &(struct trail_step){.time_us = -1,
                                              .phase = TRAIL_HELO,
                                              .action = TRAIL_NOTED,
                                              .reply = span_of(text, sizeof(text)),
                                              .facts = many,
                                              .fact_count = ARRAY_LEN(many)});
    struct span rest = buf_span(&trail);
    struct trail_step step;
    assert_int_equal(trail_take(&rest, &mem, &step), ERR_OK);
    assert_int_equal(step.reply.len, TRAIL_TEXT_MAX);
    assert_int_equal(step.fact_count, TRAIL_FACTS_MAX);
    assert_int_equal(step.facts[0].value.len, TRAIL_TEXT_MAX);
    assert_int_equal(step.time_us, 0);
    arena_clear(&mem);
    buf_done(&trail);
}

/* Every prefix and every changed octet of a trail is read without harm, and a cut-off step is damage, not an end. */
static void
test_damage(UNUSED void **state)
{
    struct buf trail;
    buf_init(&trail, TRAIL_BYTES_MAX);
    trail_append(&trail, &full_step);
    for (size_t len = 1; len < trail.len; len++) {
        uint8_t *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, trail.data, len);
        struct arena mem;
        arena_init(&mem, 4096);
        struct span rest = span_of(copy, len);
        struct trail_step step;
        assert_int_equal(trail_take(&rest, &mem, &step), ERR_DAMAGED);
        assert_int_equal(rest.len, len);
        arena_clear(&mem);
        free(copy);
    }
    for (size_t at = 0; at < trail.len; at++)
        for (unsigned octet = 0; octet < 256; octet++) {
            uint8_t was = trail.data[at];
            trail.data[at] = (uint8_t)octet;
            struct arena mem;
            arena_init(&mem, 4096);
            struct span rest = buf_span(&trail);
            struct trail_step step;
            enum err e;
            while ((e = trail_take(&rest, &mem, &step)) == ERR_OK)
                assert_true(step.fact_count <= TRAIL_FACTS_MAX);
            assert_true(e == ERR_DAMAGED || e == ERR_NOT_FOUND);
            arena_clear(&mem);
            trail.data[at] = was;
        }
    buf_done(&trail);
}

static void
test_format(UNUSED void **state)
{
    struct buf trail, text;
    buf_init(&trail, TRAIL_BYTES_MAX);
    buf_init(&text, 64 * 1024);
    trail_append(&trail, &full_step);
    buf_append(&trail, SPAN("\x07\x01z")); /* an item of a newer program */
    buf_append(&trail, SPAN("\x01\x7f"));  /* damage */
    trail_format(buf_span(&trail), &text);
    assert_span(buf_span(&text), SPAN("2026-11-24T21:59:43.000123Z  rcpt refused: bob@example.test\n"
                                      "    reply    550 5.1.1 No such user here\n"
                                      "    reason   unknown-user\n"
                                      "    decided  /etc/godwit/godwit.conf:12:3\n"
                                      "    fact     client.address = 192.0.2.1\n"
                                      "    fact     client.name unknown \n"
                                      "    fact     recipient.status failed: timeout \\xFF\n"
                                      "(the rest of this trail cannot be read)\n"));
    buf_done(&trail);
    buf_done(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_a_full_trail_says_so),
        cmocka_unit_test(test_peer_text_cannot_end_a_trail),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
