/* bdat_reader_test.c - RFC 3030 §2: exactly the octets announced, judged over chunk borders; requirements 49, 52,
    54. */
#include "check.h"

#include "content_reference.h"
#include "proto/smtp/bdat_reader.h"

#include <stdlib.h>

/* Send `in` as chunks of `chunk` octets, each fed in pieces of `piece`. */
static void
read_chunks(struct smtp_bdat_reader *r, struct span in, size_t chunk, size_t piece, struct buf *content)
{
    size_t at = 0;
    bool is_last;
    do {
        size_t size = in.len - at < chunk ? in.len - at : chunk;
        is_last = at + size == in.len;
        smtp_bdat_reader_begin(r, &(struct smtp_bdat_args){.size_bytes = size, .is_last = is_last}, false);
        bool is_whole = false;
        for (size_t from = at; !is_whole;) {
            size_t n = in.len - from < piece ? in.len - from : piece;
            struct span rest = span_of(in.data + from, n), got;
            is_whole = smtp_bdat_reader_take(r, &rest, &got);
            assert_int_equal(buf_append(content, got), ERR_OK);
            from += n - rest.len;
            assert_true(is_whole == (from == at + size)); /* never one octet more or less */
        }
        at += size;
    } while (!is_last);
}

static void
check_all_chunkings(const char *name, struct span in, unsigned flaws)
{
    const struct smtp_content_limits limits = {.line_max_bytes = 12, .size_max_bytes = 60};
    struct content_reference reference = {0};
    buf_init(&reference.content, 4096);
    reference_read_chunks(&reference, in, &limits);
    CHECK(name, reference.seen.flaws == flaws);
    for (size_t chunk = 1; chunk <= in.len + 1; chunk++)
        for (size_t piece = 1; piece <= 4; piece++) {
            struct smtp_bdat_reader r;
            struct buf content;
            buf_init(&content, 4096);
            smtp_bdat_reader_init(&r, &limits);
            read_chunks(&r, in, chunk, piece, &content);
            CHECK(name, smtp_bdat_reader_content(&r)->flaws == flaws);
            CHECK(name, smtp_bdat_reader_content(&r)->size_bytes == in.len);
            CHECK_SPAN(name, buf_span(&content), in); /* bit-exact, dots are nothing special */
            buf_done(&content);
        }
    buf_done(&reference.content);
}

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span in;
        unsigned flaws;
    } rows[] = {
        {"text", SPAN("a: b\r\n\r\nc\r\n"), 0},
        {"dots", SPAN(".\r\n..\r\n.\r\n"), 0},
        {"CRLF over a border", SPAN("a\r\nb\r\n"), 0},
        {"bare CR", SPAN("a\rb\r\n"), SMTP_CONTENT_BARE_CR},
        {"bare LF", SPAN("a\nb\r\n"), SMTP_CONTENT_BARE_LF},
        {"CR last", SPAN("a\r\nb\r"), SMTP_CONTENT_BARE_CR | SMTP_CONTENT_NO_FINAL_CRLF},
        {"LF last", SPAN("a\n"), SMTP_CONTENT_BARE_LF | SMTP_CONTENT_NO_FINAL_CRLF},
        {"no line end", SPAN("a\r\nb"), SMTP_CONTENT_NO_FINAL_CRLF},
        {"NUL and 8 bit", SPAN("a\0\r\n\r\n\0\xff\r\n"),
         SMTP_CONTENT_NUL_IN_HEADER | SMTP_CONTENT_NUL_IN_BODY | SMTP_CONTENT_8BIT_IN_BODY},
        {"long line", SPAN("1234567890123\r\n"), SMTP_CONTENT_LINE_TOO_LONG},
        {"large", SPAN("1234567890\r\n1234567890\r\n1234567890\r\n1234567890\r\n1234567890\r\n1\r\n"),
         SMTP_CONTENT_TOO_LARGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_all_chunkings(rows[i].name, rows[i].in, rows[i].flaws);
}

static void
test_every_octet(void **state)
{
    (void)state;
    /* Requirement 49: all 256 octets arrive as they were sent. */
    uint8_t all[256];
    struct smtp_bdat_reader r;
    struct buf content;
    buf_init(&content, 4096);
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    smtp_bdat_reader_init(&r, &(struct smtp_content_limits){0});
    read_chunks(&r, span_of(all, 256), 7, 3, &content);
    CHECK_SPAN("all octets", buf_span(&content), span_of(all, 256));
    buf_done(&content);
}

static void
test_empty_last(void **state)
{
    (void)state;
    /* Requirement 52: BDAT 0 LAST ends the message, without taking what follows. */
    struct smtp_bdat_reader r;
    struct span in = SPAN("a\rQUIT\r\n"), got;
    smtp_bdat_reader_init(&r, &(struct smtp_content_limits){0});
    smtp_bdat_reader_begin(&r, &(struct smtp_bdat_args){.size_bytes = 2}, false);
    assert_true(smtp_bdat_reader_take(&r, &in, &got));
    CHECK_SPAN("chunk", got, SPAN("a\r"));
    assert_int_equal(smtp_bdat_reader_content(&r)->flaws, 0); /* an LF may follow in the next chunk */
    smtp_bdat_reader_begin(&r, &(struct smtp_bdat_args){.size_bytes = 0, .is_last = true}, false);
    assert_true(smtp_bdat_reader_take(&r, &in, &got));
    assert_int_equal(got.len, 0);
    CHECK_SPAN("left", in, SPAN("QUIT\r\n"));
    assert_int_equal(smtp_bdat_reader_content(&r)->flaws, SMTP_CONTENT_BARE_CR | SMTP_CONTENT_NO_FINAL_CRLF);
    assert_int_equal(r.chunks, 2);
}

static void
test_discarded(void **state)
{
    (void)state;
    /* Requirements 52 and 54: a refused chunk of any size is read to its end in constant memory. */
    struct smtp_bdat_reader r;
    static const uint8_t junk[4096];
    smtp_bdat_reader_init(&r, &(struct smtp_content_limits){0});
    smtp_bdat_reader_begin(&r, &(struct smtp_bdat_args){.size_bytes = INT64_MAX, .is_last = true}, true);
    for (int i = 0; i < 1000; i++) {
        struct span in = span_of(junk, sizeof(junk)), got;
        assert_false(smtp_bdat_reader_take(&r, &in, &got));
        assert_int_equal(in.len + got.len, 0);
    }
    assert_int_equal(r.discarded_bytes, 1000 * sizeof(junk));
    assert_int_equal(smtp_bdat_reader_content(&r)->size_bytes, 0);
    assert_int_equal(smtp_bdat_reader_content(&r)->flaws, 0);
}

static void
test_stop(void **state)
{
    (void)state;
    struct smtp_bdat_reader r;
    struct span in = SPAN("a\nb\r\nc\r\n"), got;
    smtp_bdat_reader_init(&r, &(struct smtp_content_limits){.stop_flaws = SMTP_CONTENT_BARE_LF});
    smtp_bdat_reader_begin(&r, &(struct smtp_bdat_args){.size_bytes = in.len, .is_last = true}, false);
    struct span first = span_first(in, 1), rest = span_skip(in, 1);
    assert_false(smtp_bdat_reader_take(&r, &first, &got));
    CHECK_SPAN("before", got, SPAN("a"));
    assert_true(smtp_bdat_reader_take(&r, &rest, &got));
    assert_int_equal(got.len, 0);
    assert_int_equal(smtp_bdat_reader_content(&r)->size_bytes, 8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),      cmocka_unit_test(test_every_octet), cmocka_unit_test(test_empty_last),
        cmocka_unit_test(test_discarded), cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
