/* envelope_test.c - the tagged envelope: round trip, unknown tags kept on both levels, strictness, limits. */
#include "check.h"

#include <stdlib.h>

#include "base/arena.h"
#include "store/envelope.h"

enum { MEM = 4 * 1024 * 1024 };

static const struct message_id some_id = {.time_us = 1700000000000000, .counter = 5, .process = 6, .node = 0};

static struct span
encoded(const struct envelope *e, struct buf *to)
{
    buf_init(to, ENVELOPE_BYTES_MAX * 2);
    assert_int_equal(envelope_encode(e, to), ERR_OK);
    return buf_span(to);
}

static void
test_round_trip(void **state)
{
    (void)state;
    struct envelope_recipient recipients[] = {
        {.address = SPAN("bob@example.test"), .orcpt = SPAN("rfc822;Bob@example.test"),
         .notify = ENVELOPE_NOTIFY_SUCCESS | ENVELOPE_NOTIFY_DELAY, .state = RECIPIENT_HELD, .target = TARGET_LMTP,
         .target_name = SPAN("/run/lmtp"), .target_detail = SPAN("detail"), .depth = 3, .attempts = 4,
         .next_attempt_us = -5,
         .status = SPAN("4.2.2"), .reason = SPAN("full\r\n\0nul"), .unknown = SPAN("\0\x63\0\0\0\1x")},
        {.address = SPAN("carol@example.test")},
    };
    struct envelope e = {.id = some_id, .arrival_us = 1700000000000001, .sender = SPAN("alice@example.test"),
        .body = ENVELOPE_BODY_8BITMIME, .is_smtputf8 = true, .ret = ENVELOPE_RET_HDRS, .envid = SPAN("env 1"),
        .size_bytes = UINT64_C(1) << 40, .client_address = SPAN("192.0.2.1"), .client_name = SPAN("unknown"),
        .helo = SPAN("[192.0.2.1]"), .protocol = SPAN("ESMTP"), .listener = SPAN("mx"), .account = SPAN("alice"),
        .generation = 17, .trail = SPAN("trail"), .unknown = SPAN("\x01\x00\0\0\0\2yz"), .recipients = recipients,
        .recipient_count = 2};
    struct buf first, second;
    struct arena mem;
    struct envelope got;
    arena_init(&mem, MEM);
    assert_int_equal(envelope_decode(encoded(&e, &first), &mem, &got), ERR_OK);
    assert_true(message_id_equal(got.id, some_id));
    assert_true(got.arrival_us == e.arrival_us && got.body == e.body && got.is_smtputf8 && got.ret == e.ret &&
                got.size_bytes == e.size_bytes && got.generation == 17 && got.recipient_count == 2);
    CHECK_SPAN("sender", got.sender, e.sender);
    CHECK_SPAN("envid", got.envid, e.envid);
    CHECK_SPAN("client address", got.client_address, e.client_address);
    CHECK_SPAN("client name", got.client_name, e.client_name);
    CHECK_SPAN("helo", got.helo, e.helo);
    CHECK_SPAN("protocol", got.protocol, e.protocol);
    CHECK_SPAN("listener", got.listener, e.listener);
    CHECK_SPAN("account", got.account, e.account);
    CHECK_SPAN("trail", got.trail, e.trail);
    CHECK_SPAN("unknown", got.unknown, e.unknown);
    const struct envelope_recipient *r = &got.recipients[0], *w = &recipients[0];
    assert_true(r->notify == w->notify && r->state == w->state && r->target == w->target && r->depth == 3 &&
                r->attempts == 4 &&
                r->next_attempt_us == -5);
    CHECK_SPAN("address", r->address, w->address);
    CHECK_SPAN("orcpt", r->orcpt, w->orcpt);
    CHECK_SPAN("target name", r->target_name, w->target_name);
    CHECK_SPAN("target detail", r->target_detail, w->target_detail);
    CHECK_SPAN("status", r->status, w->status);
    CHECK_SPAN("reason", r->reason, w->reason);
    CHECK_SPAN("unknown of a recipient", r->unknown, w->unknown);
    CHECK_SPAN("second recipient", got.recipients[1].address, SPAN("carol@example.test"));
    CHECK_SPAN("encoded again", encoded(&got, &second), buf_span(&first));
    arena_clear(&mem);
    buf_done(&first);
    buf_done(&second);
}

/* Tags of a newer program, in the middle and apart: kept word for word, behind the known ones. */
static void
test_unknown_tags(void **state)
{
    (void)state;
    struct span bytes = SPAN("\x7f\x01\0\0\0\1A"                               /* unknown */
                             "\0\1\0\0\0\x0d" "\x06\x0a\x24\x18\x1e\x40\0\0\5\0\6\0\0" /* id */
                             "\x7f\x02\0\0\0\0"                                /* unknown, empty */
                             "\0\x11\0\0\0\x16" "\0\x7e\0\0\0\1r" "\0\1\0\0\0\1b" "\0\x7d\0\0\0\2st" /* recipient */
                             "\x7f\x01\0\0\0\1B");                             /* the first unknown tag again */
    struct arena mem;
    struct envelope e;
    arena_init(&mem, MEM);
    assert_int_equal(envelope_decode(bytes, &mem, &e), ERR_OK);
    CHECK_SPAN("scattered", e.unknown, SPAN("\x7f\x01\0\0\0\1A\x7f\x02\0\0\0\0\x7f\x01\0\0\0\1B"));
    CHECK_SPAN("of the recipient", e.recipients[0].unknown, SPAN("\0\x7e\0\0\0\1r\0\x7d\0\0\0\2st"));
    CHECK_SPAN("address", e.recipients[0].address, SPAN("b"));
    struct buf out;
    struct envelope again;
    assert_int_equal(envelope_decode(encoded(&e, &out), &mem, &again), ERR_OK);
    CHECK_SPAN("kept", again.unknown, e.unknown);
    CHECK_SPAN("kept with the recipient", again.recipients[0].unknown, e.recipients[0].unknown);
    buf_done(&out);
    arena_clear(&mem);
}

#define ID "\0\1\0\0\0\x0d" "\x06\x0a\x24\x18\x1e\x40\0\0\5\0\6\0\0"

static void
test_damaged(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span bytes;
        enum err result;
    } rows[] = {
        {"only an id", SPAN(ID), ERR_OK},
        {"empty", SPAN(""), ERR_DAMAGED},
        {"no id", SPAN("\0\3\0\0\0\1a"), ERR_DAMAGED},
        {"id twice", SPAN(ID ID), ERR_DAMAGED},
        {"sender twice", SPAN(ID "\0\3\0\0\0\1a" "\0\3\0\0\0\1b"), ERR_DAMAGED},
        {"tag 0", SPAN(ID "\0\0\0\0\0\1a"), ERR_DAMAGED},
        {"item header cut off", SPAN(ID "\0\3\0\0\0"), ERR_DAMAGED},
        {"value cut off", SPAN(ID "\0\3\0\0\0\2a"), ERR_DAMAGED},
        {"length of 4 GiB", SPAN(ID "\0\3\xff\xff\xff\xff"), ERR_DAMAGED},
        {"id too short", SPAN("\0\1\0\0\0\1a"), ERR_DAMAGED},
        {"number too short", SPAN(ID "\0\2\0\0\0\1a"), ERR_DAMAGED},
        {"bool of 2", SPAN(ID "\0\5\0\0\0\1\2"), ERR_DAMAGED},
        {"body without a name", SPAN(ID "\0\4\0\0\0\1\3"), ERR_DAMAGED},
        {"state of a recipient without a name", SPAN(ID "\0\x11\0\0\0\7\0\4\0\0\0\1\4"), ERR_DAMAGED},
        {"address twice", SPAN(ID "\0\x11\0\0\0\x0e\0\1\0\0\0\1a\0\1\0\0\0\1b"), ERR_DAMAGED},
        {"recipient cut off", SPAN(ID "\0\x11\0\0\0\5\0\1\0\0\0"), ERR_DAMAGED},
        {"notify of all bits", SPAN(ID "\0\x11\0\0\0\7\0\3\0\0\0\1\x0f"), ERR_OK},
        {"notify of more bits", SPAN(ID "\0\x11\0\0\0\7\0\3\0\0\0\1\x10"), ERR_DAMAGED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena mem;
        struct envelope e;
        arena_init(&mem, MEM);
        CHECK(rows[i].name, envelope_decode(rows[i].bytes, &mem, &e) == rows[i].result);
        arena_clear(&mem);
    }
}

static void
test_limits(void **state)
{
    (void)state;
    struct arena mem;
    struct envelope got;
    struct buf out;
    struct envelope_recipient *many = calloc(ENVELOPE_RECIPIENTS_MAX + 1, sizeof(*many));
    assert_non_null(many);
    struct envelope e = {.id = some_id, .recipients = many, .recipient_count = ENVELOPE_RECIPIENTS_MAX};
    arena_init(&mem, MEM);
    assert_int_equal(envelope_decode(encoded(&e, &out), &mem, &got), ERR_OK);
    assert_int_equal(got.recipient_count, ENVELOPE_RECIPIENTS_MAX);
    /* One more, by hand. */
    assert_int_equal(buf_append(&out, SPAN("\0\x11\0\0\0\0")), ERR_OK);
    assert_int_equal(envelope_decode(buf_span(&out), &mem, &got), ERR_LIMIT);
    arena_clear(&mem);
    e.recipient_count++;
    buf_clear(&out);
    assert_int_equal(envelope_encode(&e, &out), ERR_LIMIT);
    assert_int_equal(out.len, 0);
    free(many);
    /* Memory of the caller, and a buffer that is too small. */
    struct envelope_recipient one = {.address = SPAN("a@b")};
    e = (struct envelope){.id = some_id, .recipients = &one, .recipient_count = 1};
    assert_int_equal(envelope_encode(&e, &out), ERR_OK);
    arena_init(&mem, 16);
    assert_int_equal(envelope_decode(buf_span(&out), &mem, &got), ERR_LIMIT);
    arena_clear(&mem);
    buf_done(&out);
    uint8_t little[30];
    buf_init_fixed(&out, little, sizeof(little));
    assert_int_equal(envelope_encode(&e, &out), ERR_LIMIT);
    assert_int_equal(out.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_unknown_tags),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
