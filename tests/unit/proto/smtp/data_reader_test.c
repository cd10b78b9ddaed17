/*
 * data_reader_test.c - RFC 5321 §4.1.1.4 and §4.5.2: where data ends, what it says, whatever pieces it comes in.
 *
 * Requirements 7, 46 to 50, 56 to 58; every row is read whole, split at every octet, octet by octet, and by the slow
 * reference.
 */
#include "check.h"

#include "content_reference.h"
#include "proto/smtp/data_reader.h"

#include <stdlib.h>

struct outcome {
    struct buf content;
    struct smtp_content seen;
    size_t consumed;
    bool has_ended;
};

/* Feed in[from, to) to the reader. */
static void
feed(struct smtp_data_reader *r, struct span in, size_t from, size_t to, struct outcome *o)
{
    struct span piece = span_of(in.data + from, to - from), content;
    while (piece.len > 0 && !o->has_ended) {
        o->has_ended = smtp_data_reader_take(r, &piece, &content);
        assert_int_equal(buf_append(&o->content, content), ERR_OK);
    }
    o->consumed = to - piece.len;
}

/* Read `in` in pieces of `step` octets after a first one of `first`. */
static void
read_in_pieces(struct span in, const struct smtp_content_limits *limits, size_t first, size_t step, struct outcome *o)
{
    struct smtp_data_reader r;
    smtp_data_reader_init(&r, limits);
    buf_init(&o->content, 1 << 20);
    o->has_ended = false;
    o->consumed = 0;
    size_t at = 0, to = first;
    while (at < in.len && !o->has_ended) {
        to = to > in.len ? in.len : to;
        feed(&r, in, at, to, o);
        at = to;
        to += step;
    }
    o->seen = *smtp_data_reader_content(&r);
}

static void
check_outcome(const char *name, const struct outcome *o, const struct content_reference *wanted)
{
    CHECK(name, o->has_ended == wanted->has_ended);
    CHECK(name, o->consumed == wanted->consumed);
    CHECK(name, o->seen.flaws == wanted->seen.flaws);
    CHECK(name, o->seen.size_bytes == wanted->seen.size_bytes);
    CHECK_SPAN(name, buf_span(&o->content), buf_span(&wanted->content));
}

/* Every split into two, and octet by octet, against the reference, which the caller has compared with the row. */
static void
check_all_splits(const char *name, struct span in, const struct smtp_content_limits *limits,
                 struct content_reference *reference)
{
    *reference = (struct content_reference){0};
    buf_init(&reference->content, 1 << 20);
    reference_read_data(reference, in, limits);
    for (size_t first = 1; first <= in.len; first++) {
        struct outcome o;
        read_in_pieces(in, limits, first, in.len, &o);
        check_outcome(name, &o, reference);
        buf_done(&o.content);
    }
    for (size_t step = 1; step <= 3; step++) {
        struct outcome o;
        read_in_pieces(in, limits, step, step, &o);
        check_outcome(name, &o, reference);
        buf_done(&o.content);
    }
}

enum { CR = SMTP_CONTENT_BARE_CR, LF = SMTP_CONTENT_BARE_LF };

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span in;
        bool has_ended;
        struct span content;
        unsigned flaws;
        struct span rest;
    } rows[] = {
        {"empty message", SPAN(".\r\n"), true, SPAN(""), 0, SPAN("")},
        {"one line", SPAN("a\r\n.\r\n"), true, SPAN("a\r\n"), 0, SPAN("")},
        {"what follows is kept, requirement 58", SPAN("a\r\n.\r\nMAIL FROM:<>\r\n"), true, SPAN("a\r\n"), 0,
         SPAN("MAIL FROM:<>\r\n")},
        {"no line is added, requirement 49", SPAN("\r\n\r\n.\r\n"), true, SPAN("\r\n\r\n"), 0, SPAN("")},
        {"stuffed dot", SPAN("..a\r\n...\r\n.\r\n"), true, SPAN(".a\r\n..\r\n"), 0, SPAN("")},
        {"dot not at a line's start", SPAN("a.\r\n .\r\n.\r\n"), true, SPAN("a.\r\n .\r\n"), 0, SPAN("")},
        {"dot and text, not stuffed by the sender", SPAN(".a\r\n.\r\n"), true, SPAN("a\r\n"), 0, SPAN("")},
        {"header and body", SPAN("A: b\r\n\r\nc\r\n.\r\n"), true, SPAN("A: b\r\n\r\nc\r\n"), 0, SPAN("")},
        {"unfinished", SPAN("a\r\n"), false, SPAN("a\r\n"), 0, SPAN("")},
        {"unfinished after a dot", SPAN("a\r\n."), false, SPAN("a\r\n"), 0, SPAN("")},
        {"unfinished after dot CR", SPAN("a\r\n.\r"), false, SPAN("a\r\n"), 0, SPAN("")},
        {"unfinished after CR", SPAN("a\r"), false, SPAN("a\r"), 0, SPAN("")},
        /* Requirement 46: sequences that other servers took for the end, each followed by the true one. */
        {"LF.LF", SPAN("a\n.\nb\r\n.\r\n"), true, SPAN("a\n.\nb\r\n"), LF, SPAN("")},
        {"LF.CRLF", SPAN("a\n.\r\nb\r\n.\r\n"), true, SPAN("a\n.\r\nb\r\n"), LF, SPAN("")},
        {"CR.CR", SPAN("a\r.\rb\r\n.\r\n"), true, SPAN("a\r.\rb\r\n"), CR, SPAN("")},
        {"CR.LF", SPAN("a\r.\nb\r\n.\r\n"), true, SPAN("a\r.\nb\r\n"), CR | LF, SPAN("")},
        {"LF.CR", SPAN("a\n.\rb\r\n.\r\n"), true, SPAN("a\n.\rb\r\n"), CR | LF, SPAN("")},
        {"CRLF.CR", SPAN("a\r\n.\rb\r\n.\r\n"), true, SPAN("a\r\n\rb\r\n"), CR, SPAN("")},
        {"CRLF.LF", SPAN("a\r\n.\nb\r\n.\r\n"), true, SPAN("a\r\n\nb\r\n"), LF, SPAN("")},
        {"CR.CRLF", SPAN("a\r.\r\nb\r\n.\r\n"), true, SPAN("a\r.\r\nb\r\n"), CR, SPAN("")},
        {"CRLF.NUL CRLF", SPAN("a\r\n.\0\r\nb\r\n.\r\n"), true, SPAN("a\r\n\0\r\nb\r\n"), SMTP_CONTENT_NUL_IN_HEADER,
         SPAN("")},
        {"CRLF NUL.CRLF", SPAN("a\r\n\0.\r\nb\r\n.\r\n"), true, SPAN("a\r\n\0.\r\nb\r\n"), SMTP_CONTENT_NUL_IN_HEADER,
         SPAN("")},
        {"CRCRLF.CRCRLF", SPAN("a\r\r\n.\r\r\nb\r\n.\r\n"), true, SPAN("a\r\r\n\r\r\nb\r\n"), CR, SPAN("")},
        {"CRLF..CRLF", SPAN("a\r\n..\r\nb\r\n.\r\n"), true, SPAN("a\r\n.\r\nb\r\n"), 0, SPAN("")},
        {"CRLF.space CRLF", SPAN("a\r\n. \r\nb\r\n.\r\n"), true, SPAN("a\r\n \r\nb\r\n"), 0, SPAN("")},
        {"LFLF.CRLF", SPAN("a\n\n.\r\nb\r\n.\r\n"), true, SPAN("a\n\n.\r\nb\r\n"), LF, SPAN("")},
        {"CRLF.CRCRLF", SPAN("a\r\n.\r\r\nb\r\n.\r\n"), true, SPAN("a\r\n\r\r\nb\r\n"), CR, SPAN("")},
        {"LFCR.CRLF", SPAN("a\n\r.\r\nb\r\n.\r\n"), true, SPAN("a\n\r.\r\nb\r\n"), CR | LF, SPAN("")},
        {"CRLF.CR CRLF.CRLF", SPAN("a\r\n.\r\r\n.\r\n"), true, SPAN("a\r\n\r\r\n"), CR, SPAN("")},
        {".LF at the very start", SPAN(".\nb\r\n.\r\n"), true, SPAN("\nb\r\n"), LF, SPAN("")},
        {".CR at the very start", SPAN(".\rb\r\n.\r\n"), true, SPAN("\rb\r\n"), CR, SPAN("")},
        /* Requirements 56, 57: where octets stand. */
        {"8 bit in the header", SPAN("S: \xc3\xa4\r\n\r\nb\r\n.\r\n"), true, SPAN("S: \xc3\xa4\r\n\r\nb\r\n"),
         SMTP_CONTENT_8BIT_IN_HEADER, SPAN("")},
        {"8 bit in the body", SPAN("S: a\r\n\r\n\xc3\xa4 \xff\r\n.\r\n"), true, SPAN("S: a\r\n\r\n\xc3\xa4 \xff\r\n"),
         SMTP_CONTENT_8BIT_IN_BODY, SPAN("")},
        {"8 bit in both", SPAN("\x80\r\n\r\n\x80\r\n.\r\n"), true, SPAN("\x80\r\n\r\n\x80\r\n"),
         SMTP_CONTENT_8BIT_IN_HEADER | SMTP_CONTENT_8BIT_IN_BODY, SPAN("")},
        {"NUL in the body", SPAN("S: a\r\n\r\n\0\r\n.\r\n"), true, SPAN("S: a\r\n\r\n\0\r\n"), SMTP_CONTENT_NUL_IN_BODY,
         SPAN("")},
        {"NUL first", SPAN("\0\r\n.\r\n"), true, SPAN("\0\r\n"), SMTP_CONTENT_NUL_IN_HEADER, SPAN("")},
        {"CRCRLF is no empty line", SPAN("a\r\n\r\r\n\0\r\n.\r\n"), true, SPAN("a\r\n\r\r\n\0\r\n"),
         CR | SMTP_CONTENT_NUL_IN_HEADER, SPAN("")},
        {"LFCRLF is no empty line", SPAN("a\n\r\n\0\r\n.\r\n"), true, SPAN("a\n\r\n\0\r\n"),
         LF | SMTP_CONTENT_NUL_IN_HEADER, SPAN("")},
        {"other control octets are content", SPAN("\t\x01\x0b\x0c\x0e\x1b\x7f\r\n.\r\n"), true,
         SPAN("\t\x01\x0b\x0c\x0e\x1b\x7f\r\n"), 0, SPAN("")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct smtp_content_limits limits = {0};
        struct content_reference reference;
        check_all_splits(rows[i].name, rows[i].in, &limits, &reference);
        CHECK(rows[i].name, reference.has_ended == rows[i].has_ended);
        CHECK(rows[i].name, reference.seen.flaws == rows[i].flaws);
        CHECK(rows[i].name, reference.seen.size_bytes == rows[i].content.len);
        CHECK_SPAN(rows[i].name, buf_span(&reference.content), rows[i].content);
        CHECK_SPAN(rows[i].name, span_skip(rows[i].in, reference.consumed), rows[i].rest);
        buf_done(&reference.content);
    }
}

static void
test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span in;
        struct smtp_content_limits limits;
        unsigned flaws;
    } rows[] = {
        {"line at its limit, requirement 7", SPAN("12345678\r\n.\r\n"), {.line_max_bytes = 10}, 0},
        {"line over it", SPAN("123456789\r\n.\r\n"), {.line_max_bytes = 10}, SMTP_CONTENT_LINE_TOO_LONG},
        {"the stuffed dot does not count, requirement 48", SPAN("..2345678\r\n.\r\n"), {.line_max_bytes = 10}, 0},
        {"the dot after it does", SPAN("..23456789\r\n.\r\n"), {.line_max_bytes = 10}, SMTP_CONTENT_LINE_TOO_LONG},
        {"size at its limit, requirement 50", SPAN("12345678\r\n.\r\n"), {.size_max_bytes = 10}, 0},
        {"size over it", SPAN("123456789\r\n.\r\n"), {.size_max_bytes = 10}, SMTP_CONTENT_TOO_LARGE},
        {"stuffing is no size", SPAN("..234567\r\n.\r\n"), {.size_max_bytes = 9}, 0},
        {"bare LF starts no new line", SPAN("12345\n789\r\n.\r\n"), {.line_max_bytes = 10},
         LF | SMTP_CONTENT_LINE_TOO_LONG},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct content_reference reference;
        check_all_splits(rows[i].name, rows[i].in, &rows[i].limits, &reference);
        CHECK(rows[i].name, reference.has_ended && reference.seen.flaws == rows[i].flaws);
        buf_done(&reference.content);
    }
}

/* After a flaw that stops it nothing more is handed out, but all is read, counted and judged. */
static void
test_stop(void **state)
{
    (void)state;
    const struct smtp_content_limits limits = {.size_max_bytes = 4, .stop_flaws = SMTP_CONTENT_TOO_LARGE | LF};
    struct smtp_data_reader r;
    struct outcome o = {0};
    buf_init(&o.content, 1000);
    smtp_data_reader_init(&r, &limits);
    struct span in = SPAN("ab\r\ncd\r\nef\r\n\n.\n\r\n.\r\nQUIT");
    feed(&r, in, 0, 4, &o);
    CHECK_SPAN("before", buf_span(&o.content), SPAN("ab\r\n"));
    feed(&r, in, 4, in.len, &o);
    CHECK_SPAN("nothing after", buf_span(&o.content), SPAN("ab\r\n"));
    assert_true(o.has_ended);
    assert_int_equal(in.len - o.consumed, 4);
    assert_int_equal(smtp_data_reader_content(&r)->flaws, SMTP_CONTENT_TOO_LARGE | LF);
    assert_int_equal(smtp_data_reader_content(&r)->size_bytes, 17);
    buf_done(&o.content);
}

/* Random streams of the octets that matter, in random pieces. */
static void
test_random(void **state)
{
    (void)state;
    static const char alphabet[] = "..\r\r\n\n\r\n\0a\xc3\tb";
    srandom(3);
    for (int round = 0; round < 20000; round++) {
        uint8_t octets[64];
        size_t len = (size_t)(random() % (long)sizeof(octets));
        for (size_t i = 0; i < len; i++)
            octets[i] = (uint8_t)alphabet[random() % (long)(sizeof(alphabet) - 1)];
        const struct smtp_content_limits limits = {.line_max_bytes = 12, .size_max_bytes = 40};
        struct content_reference reference = {0};
        buf_init(&reference.content, 1000);
        reference_read_data(&reference, span_of(octets, len), &limits);
        struct outcome o;
        read_in_pieces(span_of(octets, len), &limits, 1 + (size_t)(random() % 20), 1 + (size_t)(random() % 9), &o);
        if (len > 0)
            check_outcome("random", &o, &reference);
        buf_done(&o.content);
        buf_done(&reference.content);
    }
}

/* Long ordinary runs, so that the scan by words is exercised at every alignment and length. */
static void
test_words(void **state)
{
    (void)state;
    for (size_t run = 0; run < 40; run++)
        for (size_t special = 0; special < 5; special++) {
            static const uint8_t specials[5] = {0, 0x0d, 0x0a, 0x80, 0x0e};
            uint8_t octets[100];
            memset(octets, 'x', sizeof(octets));
            octets[run] = specials[special];
            memcpy(octets + 60, "\r\n\r\nyyyyyyyyy\r\n.\r\n", 18);
            struct content_reference reference;
            check_all_splits("words", span_of(octets, 78), &(struct smtp_content_limits){0}, &reference);
            CHECK("words", reference.has_ended);
            buf_done(&reference.content);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_limits), cmocka_unit_test(test_stop),
        cmocka_unit_test(test_random), cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
