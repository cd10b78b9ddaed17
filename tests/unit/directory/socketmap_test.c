/* socketmap_test.c - the wire form of socketmap_table(5), whole, in pieces and broken. */
#include "check.h"

#include "directory/socketmap.h"

static void
test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span map, key;
        enum err e;
        const char *wire;
    } rows[] = {
        {"plain", SPAN("users"), SPAN("alice@example.test"), ERR_OK, "24:users alice@example.test,"},
        {"blank in the key", SPAN("m"), SPAN("a b"), ERR_OK, "5:m a b,"},
        {"no map", SPAN(""), SPAN("a"), ERR_SYNTAX, ""},
        {"blank in the map", SPAN("a b"), SPAN("c"), ERR_SYNTAX, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf wire;
        buf_init(&wire, 4096);
        CHECK(rows[i].name, socketmap_request_format(rows[i].map, rows[i].key, &wire) == rows[i].e);
        CHECK_SPAN(rows[i].name, buf_span(&wire), span_from_cstr(rows[i].wire));
        buf_done(&wire);
    }
}

static void
test_replies(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span wire;
        enum err e;
        enum socketmap_status status;
        const char *text;
    } rows[] = {
        {"found", SPAN("8:OK alice,"), ERR_OK, SOCKETMAP_FOUND, "alice"},
        {"found, no data", SPAN("3:OK ,"), ERR_OK, SOCKETMAP_FOUND, ""},
        {"found, not even a blank", SPAN("2:OK,"), ERR_OK, SOCKETMAP_FOUND, ""},
        {"not found", SPAN("9:NOTFOUND ,"), ERR_OK, SOCKETMAP_NOT_FOUND, ""},
        {"for now", SPAN("14:TEMP try later,"), ERR_OK, SOCKETMAP_FAILED, "try later"},
        {"time-out", SPAN("10:TIMEOUT ab,"), ERR_OK, SOCKETMAP_FAILED, "ab"},
        {"for good is a failure of the look-up", SPAN("7:PERM no,"), ERR_OK, SOCKETMAP_FAILED, "no"},
        {"comma in the data", SPAN("6:OK a,b,"), ERR_OK, SOCKETMAP_FOUND, "a,b"},
        {"unknown word", SPAN("5:MAYBE,"), ERR_PROTOCOL, 0, ""},
        {"lower case", SPAN("3:ok ,"), ERR_PROTOCOL, 0, ""},
        {"empty", SPAN("0:,"), ERR_PROTOCOL, 0, ""},
        {"no length", SPAN(":OK ,"), ERR_PROTOCOL, 0, ""},
        {"no number", SPAN("x"), ERR_PROTOCOL, 0, ""},
        {"leading zero", SPAN("03:OK ,"), ERR_PROTOCOL, 0, ""},
        {"no colon", SPAN("3 OK ,"), ERR_PROTOCOL, 0, ""},
        {"no comma", SPAN("3:OK ;"), ERR_PROTOCOL, 0, ""},
        {"too long", SPAN("100001:OK "), ERR_PROTOCOL, 0, ""},
        {"very long", SPAN("99999999999999999999:"), ERR_PROTOCOL, 0, ""},
        {"negative", SPAN("-1:"), ERR_PROTOCOL, 0, ""},
        {"an HTTP server", SPAN("HTTP/1.1 400 Bad Request\r\n"), ERR_PROTOCOL, 0, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct socketmap_reply reply = {.text = SPAN_EMPTY};
        size_t len = 0;
        CHECK(rows[i].name, socketmap_reply_parse(rows[i].wire, &len, &reply) == rows[i].e);
        if (rows[i].e != ERR_OK)
            continue;
        CHECK(rows[i].name, len == rows[i].wire.len && reply.status == rows[i].status);
        CHECK_SPAN(rows[i].name, reply.text, span_from_cstr(rows[i].text));
        /* Every beginning of it wants more. */
        for (size_t n = 0; n < rows[i].wire.len; n++)
            CHECK(rows[i].name, socketmap_reply_parse(span_first(rows[i].wire, n), &len, &reply) == ERR_AGAIN);
    }
}

static void
test_what_follows_is_not_taken(void **state)
{
    (void)state;
    struct socketmap_reply reply;
    size_t len = 0;
    assert_int_equal(socketmap_reply_parse(SPAN("3:OK ,9:NOTFOUND ,"), &len, &reply), ERR_OK);
    assert_int_equal(len, 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_what_follows_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
