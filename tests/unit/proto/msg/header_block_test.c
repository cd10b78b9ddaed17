/* header_block_test.c - RFC 5322 §2.1, §2.2, §4.5: where the header section ends and what fields it has. */
#include "check.h"

#include "proto/msg/header_block.h"

struct result {
    enum header_block_status status;
    struct buf header, body;
};

/* Stream `in` in pieces of `step` octets; the body is all that is not header. */
static void
stream(struct span in, size_t step, size_t bytes_max, struct result *r)
{
    struct header_block h;
    struct span body_start = SPAN_EMPTY;
    header_block_init(&h, bytes_max);
    buf_init(&r->header, 1 << 20);
    buf_init(&r->body, 1 << 20);
    r->status = HEADER_BLOCK_MORE;
    for (size_t at = 0; at < in.len; at += step) {
        struct span piece = span_of(in.data + at, in.len - at < step ? in.len - at : step);
        if (r->status == HEADER_BLOCK_MORE) {
            r->status = header_block_take(&h, &piece, &body_start);
            assert_true(r->status != HEADER_BLOCK_MORE || piece.len == 0);
            assert_int_equal(buf_append(&r->body, body_start), ERR_OK);
        }
        assert_int_equal(buf_append(&r->body, piece), ERR_OK);
    }
    if (r->status == HEADER_BLOCK_MORE) {
        header_block_end(&h, &body_start);
        r->status = h.status;
        assert_int_equal(buf_append(&r->body, body_start), ERR_OK);
    }
    assert_int_equal(buf_append(&r->header, header_block_span(&h)), ERR_OK);
    header_block_done(&h);
}

static void
test_sections(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span in;
        enum header_block_status status;
        struct span header, body;
    } rows[] = {
        {"plain", SPAN("A: b\r\nC: d\r\n\r\nbody\r\n"), HEADER_BLOCK_ENDED, SPAN("A: b\r\nC: d\r\n\r\n"),
         SPAN("body\r\n")},
        {"no body", SPAN("A: b\r\n\r\n"), HEADER_BLOCK_ENDED, SPAN("A: b\r\n\r\n"), SPAN("")},
        {"no empty line", SPAN("A: b\r\n"), HEADER_BLOCK_ENDED, SPAN("A: b\r\n"), SPAN("")},
        {"no line end at all", SPAN("A: b"), HEADER_BLOCK_ENDED, SPAN("A: b"), SPAN("")},
        {"empty message", SPAN(""), HEADER_BLOCK_ENDED, SPAN(""), SPAN("")},
        {"empty header", SPAN("\r\nbody\r\n"), HEADER_BLOCK_ENDED, SPAN("\r\n"), SPAN("body\r\n")},
        {"fold", SPAN("A: b\r\n c\r\n\td\r\n\r\nx"), HEADER_BLOCK_ENDED, SPAN("A: b\r\n c\r\n\td\r\n\r\n"), SPAN("x")},
        {"fold of blanks only", SPAN("A: b\r\n \r\n\r\nx"), HEADER_BLOCK_ENDED, SPAN("A: b\r\n \r\n\r\n"), SPAN("x")},
        {"second empty line is body", SPAN("A: b\r\n\r\n\r\n"), HEADER_BLOCK_ENDED, SPAN("A: b\r\n\r\n"), SPAN("\r\n")},
        {"blank before the colon, §4.5", SPAN("A : b\r\n\r\nx"), HEADER_BLOCK_ENDED, SPAN("A : b\r\n\r\n"), SPAN("x")},
        {"text first", SPAN("hello world\r\nA: b\r\n"), HEADER_BLOCK_NO_HEADER, SPAN(""),
         SPAN("hello world\r\nA: b\r\n")},
        {"text after fields", SPAN("A: b\r\nhello world\r\nc\r\n"), HEADER_BLOCK_NO_HEADER, SPAN("A: b\r\n"),
         SPAN("hello world\r\nc\r\n")},
        {"text without line end after fields", SPAN("A: b\r\nhello"), HEADER_BLOCK_NO_HEADER, SPAN("A: b\r\n"),
         SPAN("hello")},
        {"continuation first", SPAN(" a: b\r\n\r\n"), HEADER_BLOCK_NO_HEADER, SPAN(""), SPAN(" a: b\r\n\r\n")},
        {"colon first", SPAN(": b\r\n\r\n"), HEADER_BLOCK_NO_HEADER, SPAN(""), SPAN(": b\r\n\r\n")},
        {"mailbox file's line", SPAN("From a Thu\r\nA: b\r\n\r\nx"), HEADER_BLOCK_ENDED,
         SPAN("From a Thu\r\nA: b\r\n\r\n"), SPAN("x")},
        {"quoted mailbox file's line", SPAN(">From a Thu\r\nA: b\r\n\r\nx"), HEADER_BLOCK_ENDED,
         SPAN(">From a Thu\r\nA: b\r\n\r\n"), SPAN("x")},
        {"mailbox file's line later", SPAN("A: b\r\nFrom a Thu\r\n"), HEADER_BLOCK_NO_HEADER, SPAN("A: b\r\n"),
         SPAN("From a Thu\r\n")},
        {"bare LF ends no line", SPAN("A: b\nC: d\r\n\n\r\nE"), HEADER_BLOCK_NO_HEADER, SPAN("A: b\nC: d\r\n"),
         SPAN("\n\r\nE")},
        {"bare CR ends no line", SPAN("A: b\rC: d\r\n\r\nE"), HEADER_BLOCK_ENDED, SPAN("A: b\rC: d\r\n\r\n"),
         SPAN("E")},
        {"8 bit in a value", SPAN("A: \xff\r\n\r\nE"), HEADER_BLOCK_ENDED, SPAN("A: \xff\r\n\r\n"), SPAN("E")},
        {"8 bit in a name", SPAN("\xff: b\r\n\r\nE"), HEADER_BLOCK_NO_HEADER, SPAN(""), SPAN("\xff: b\r\n\r\nE")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t step = 1; step <= rows[i].in.len + 1; step++) {
            struct result r;
            stream(rows[i].in, step, 1 << 16, &r);
            CHECK(rows[i].name, r.status == rows[i].status);
            CHECK_SPAN(rows[i].name, buf_span(&r.header), rows[i].header);
            CHECK_SPAN(rows[i].name, buf_span(&r.body), rows[i].body);
            buf_done(&r.header);
            buf_done(&r.body);
        }
}

static void
test_cap(void **state)
{
    (void)state;
    struct span in = SPAN("A: 123456789\r\n\r\nbody");
    for (size_t step = 1; step < 30; step++) {
        struct result r;
        stream(in, step, 16, &r);
        assert_int_equal(r.status, HEADER_BLOCK_ENDED);
        buf_done(&r.header);
        buf_done(&r.body);
        stream(in, step, 15, &r);
        assert_int_equal(r.status, HEADER_BLOCK_TOO_LARGE);
        buf_done(&r.header);
        buf_done(&r.body);
    }
}

static void
test_fields(void **state)
{
    (void)state;
    static const struct {
        const char *whole;
        const char *name;
        const char *value;
    } wanted[] = {
        {"From bob Thu\r\n", "", "From bob Thu"},
        {"A: b\r\n", "A", " b"},
        {"Subject:folded\r\n over\r\n\tlines\r\n", "Subject", "folded\r\n over\r\n\tlines"},
        {"Old \t: x:y\r\n", "Old", " x:y"},
        {"Empty:\r\n", "Empty", ""},
        {"Last: z", "Last", " z"},
    };
    struct span section = SPAN("From bob Thu\r\nA: b\r\nSubject:folded\r\n over\r\n\tlines\r\nOld \t: x:y\r\nEmpty:\r\n"
                               "Last: z");
    struct header_field field;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_true(header_field_take(&section, &field));
        CHECK_SPAN("whole", field.whole, span_from_cstr(wanted[i].whole));
        CHECK_SPAN("name", field.name, span_from_cstr(wanted[i].name));
        CHECK_SPAN("value", field.value, span_from_cstr(wanted[i].value));
    }
    assert_false(header_field_take(&section, &field));
    section = SPAN("A: b\r\n\r\nC: body, not a field\r\n");
    assert_true(header_field_take(&section, &field));
    assert_false(header_field_take(&section, &field));
}

static void
test_find_and_count(void **state)
{
    (void)state;
    struct span section = SPAN("Received: 1\r\nRECEIVED: 2\r\n x\r\nReceived-SPF: 3\r\nreceived : 4\r\n"
                               "X: Received: 5\r\n\r\n");
    struct header_field field;
    assert_int_equal(header_count(section, SPAN("Received")), 3);
    assert_int_equal(header_count(section, SPAN("Bcc")), 0);
    assert_true(header_find(section, SPAN("received-spf"), &field));
    CHECK_SPAN("value", field.value, SPAN(" 3"));
    assert_false(header_find(section, SPAN("Receive"), &field));
}

static void
test_unfold(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span value, unfolded;
    } rows[] = {
        {"plain", SPAN(" a b "), SPAN("a b")},
        {"folds", SPAN(" a\r\n b\r\n\tc"), SPAN("a b\tc")},
        {"fold first", SPAN("\r\n a"), SPAN(" a")},
        {"empty", SPAN(""), SPAN("")},
        {"CRLF that folds nothing", SPAN("a\r\nb\r\n"), SPAN("a\r\nb\r\n")},
        {"bare CR and LF", SPAN("a\r b\n c"), SPAN("a\r b\n c")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 100);
        assert_int_equal(header_value_unfold(rows[i].value, &b), ERR_OK);
        CHECK_SPAN(rows[i].name, buf_span(&b), rows[i].unfolded);
        buf_done(&b);
    }
}

static void
test_remove(void **state)
{
    (void)state;
    /* Requirements 67, 68: what is not named stays byte for byte and in order. */
    static const struct span names[] = {SPAN("Return-Path"), SPAN("Bcc")};
    static const struct {
        const char *name;
        struct span section, left;
    } rows[] = {
        {"some", SPAN("return-path: <a>\r\nA: b\r\n c\r\nBCC : x,\r\n y\r\nD:e\r\nReturn-Path: <>\r\n\r\n"),
         SPAN("A: b\r\n c\r\nD:e\r\n\r\n")},
        {"none", SPAN("A: b\r\nBcc-X: c\r\n\r\n"), SPAN("A: b\r\nBcc-X: c\r\n\r\n")},
        {"all", SPAN("Bcc: x\r\n\r\n"), SPAN("\r\n")},
        {"without empty line", SPAN("A: b\r\nBcc: x"), SPAN("A: b\r\n")},
        {"mailbox file's line stays", SPAN("From x\r\nBcc: y\r\n"), SPAN("From x\r\n")},
        {"body is not touched", SPAN("A: b\r\n\r\nBcc: y\r\n"), SPAN("A: b\r\n\r\nBcc: y\r\n")},
        {"nothing", SPAN(""), SPAN("")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        assert_int_equal(header_remove(rows[i].section, names, ARRAY_LEN(names), &b), ERR_OK);
        CHECK_SPAN(rows[i].name, buf_span(&b), rows[i].left);
        buf_done(&b);
    }
    struct buf small;
    uint8_t room[4];
    buf_init_fixed(&small, room, sizeof(room));
    assert_int_equal(header_remove(SPAN("A: b\r\n"), names, ARRAY_LEN(names), &small), ERR_LIMIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections),       cmocka_unit_test(test_cap),    cmocka_unit_test(test_fields),
        cmocka_unit_test(test_find_and_count), cmocka_unit_test(test_unfold), cmocka_unit_test(test_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
