/* forward_test.c - addresses of a ~/.forward file become recipients: which, how many, how deep. RFC 5321 §3.9.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "queue/queue_state.h"

static struct config *
config_make(const char *text)
{
    struct config_sources sources;
    struct config_problems problems;
    struct config *config = NULL;
    config_sources_init(&sources);
    config_problems_init(&problems);
    assert_int_equal(config_sources_from_text(&sources, SPAN("test"), span_from_cstr(text)), ERR_OK);
    if (config_parse(&sources, &problems, &config) != ERR_OK)
        fail_msg(SPAN_FMT, SPAN_ARG(problems.items[0].text));
    config_problems_done(&problems);
    config_sources_done(&sources);
    return config;
}

enum { BOB, CAROL, STAFF };

/* bob forwards; carol is served already, staff was replaced by others. */
static const struct row {
    const char *what;
    uint32_t depth; /* of bob */
    const char *forwards;
    const char *added; /* what stands at the end, one a line */
    const char *status; /* of a refusal, NULL: taken */
} rows[] = {
    {"one address", 0, "alice@example.org", "alice@example.org", NULL},
    {"several, and a bare name", 2, "a@example.org\nroot\nb@example.org", "a@example.org\nroot\nb@example.org", NULL},
    {"twice the same", 0, "a@example.org\nA@example.ORG", "a@example.org", NULL},
    {"one who has it anyway", 0, "carol@example.test", "", NULL},
    {"one who was replaced: he is asked for again", 0, "staff@example.test", "staff@example.test", NULL},
    {"himself: not lost", 0, "bob@example.test", "bob@example.test", NULL},
    {"the last permitted step", 2, "alice@example.org", "alice@example.org", NULL},
    {"one step too many", 3, "alice@example.org", NULL, "5.4.6"},
    {"no address", 0, "a@b@c@", NULL, "5.1.3"},
    {"no address behind one", 0, "alice@example.org\n:list", NULL, "5.1.3"},
    {"a blank in a name", 0, "a b", NULL, "5.1.3"},
    {"an empty line", 0, "a@example.org\n\nb@example.org", NULL, "5.1.3"},
};

struct scene {
    struct config *config;
    struct role_env env;
    struct queue queue;
    struct arena mem;
    struct envelope_recipient recipients[3];
    struct envelope envelope;
};

static void
scene_init(struct scene *s, uint32_t depth)
{
    *s = (struct scene){.config = config_make("hostname mx.example.test;\n"
                                              "delivery { expansion-depth 3; expansion-recipients 100; }\n")};
    s->env.config = s->config;
    s->queue.env = &s->env;
    arena_init(&s->mem, 1 << 20);
    s->recipients[BOB] = (struct envelope_recipient){
        .address = SPAN("bob@example.test"), .orcpt = SPAN("rfc822;bob@example.test"), .depth = depth};
    s->recipients[CAROL] =
        (struct envelope_recipient){.address = SPAN("carol@example.test"), .state = RECIPIENT_DELIVERED};
    s->recipients[STAFF] =
        (struct envelope_recipient){.address = SPAN("staff@example.test"), .state = RECIPIENT_EXPANDED};
    s->envelope = (struct envelope){.recipients = s->recipients, .recipient_count = ARRAY_LEN(s->recipients)};
}

static void
scene_done(struct scene *s)
{
    arena_clear(&s->mem);
    config_free(s->config);
}

static void
check_added(const struct scene *s, const struct row *row)
{
    struct buf added;
    buf_init(&added, 1024);
    for (size_t i = ARRAY_LEN(s->recipients); i < s->envelope.recipient_count; i++) {
        const struct envelope_recipient *recipient = &s->envelope.recipients[i];
        buf_append_cstr(&added, added.len > 0 ? "\n" : "");
        buf_append(&added, recipient->address);
        assert_int_equal(recipient->state, RECIPIENT_PENDING);
        assert_int_equal(recipient->target, TARGET_UNEXPANDED);
        assert_int_equal(recipient->depth, row->depth + 1);
        assert_true(span_equal(recipient->orcpt, SPAN("rfc822;bob@example.test")));
    }
    if (!span_equal(buf_span(&added), span_from_cstr(row->added)))
        fail_msg("%s: added \"" SPAN_FMT "\"", row->what, SPAN_ARG(buf_span(&added)));
    buf_done(&added);
}

static void
test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct scene s;
        struct span status = SPAN("untouched"), reason = SPAN_EMPTY;
        scene_init(&s, row->depth);
        struct span forwards = span_from_cstr(row->forwards);
        bool is_taken = queue_forward(&s.queue, &s.envelope, &s.mem, BOB, forwards, &status, &reason);
        if (is_taken != (row->status == NULL))
            fail_msg("%s: %d " SPAN_FMT, row->what, is_taken, SPAN_ARG(status));
        if (is_taken) {
            check_added(&s, row);
        } else {
            assert_true(span_equal(status, span_from_cstr(row->status)));
            assert_int_equal(s.envelope.recipient_count, ARRAY_LEN(s.recipients));
        }
        scene_done(&s);
    }
}

static void
test_too_many(void **state)
{
    (void)state;
    struct scene s;
    struct buf text;
    struct span status, reason;
    scene_init(&s, 0);
    buf_init(&text, 8192);
    for (unsigned i = 0; i < 97; i++)
        assert_int_equal(buf_printf(&text, "%suser%u@example.org", i > 0 ? "\n" : "", i), ERR_OK);
    assert_true(queue_forward(&s.queue, &s.envelope, &s.mem, BOB, buf_span(&text), &status, &reason));
    assert_int_equal(s.envelope.recipient_count, 100);
    assert_false(queue_forward(&s.queue, &s.envelope, &s.mem, BOB, SPAN("one@example.org"), &status, &reason));
    assert_int_equal(s.envelope.recipient_count, 100);
    buf_done(&text);
    scene_done(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_too_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
