/*
 * wire_reader_test.c - lines end with CRLF and nothing else, however the bytes arrive; what is thrown away is bounded.
 *
 * Requirements 2, 4, 14, 58, 59; RFC 5321 §2.3.8 and 4.5.3.1.9.
 */
#include "net/wire_reader.h"
#include "net/wire_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Stand-ins for the runtime: a stream is a text that arrives in pieces and then ends. */
struct stream {
    struct span input;
    size_t piece;      /* octets each read gives at most */
    struct buf output;
    unsigned writes;
    unsigned yields;
};

enum err
stream_read(UNUSED struct fiber *f, UNUSED struct deadline by, struct stream *s, void *dst, size_t cap, size_t *ret_n)
{
    size_t n = s->input.len < s->piece ? s->input.len : s->piece;
    if (n > cap)
        n = cap;
    if (n == 0)
        return ERR_CLOSED;
    memcpy(dst, s->input.data, n);
    s->input = span_skip(s->input, n);
    *ret_n = n;
    return ERR_OK;
}

enum err
stream_write(UNUSED struct fiber *f, UNUSED struct deadline by, struct stream *s, struct span data)
{
    s->writes++;
    return buf_append(&s->output, data);
}

void
stream_post(struct stream *s, struct span data)
{
    assert_true(data.len <= 4096); /* the promise of stream.h */
    s->writes++;
    buf_append(&s->output, data);
}

static struct stream *yielding;

enum err
fiber_yield(UNUSED struct fiber *f)
{
    yielding->yields++;
    return ERR_OK;
}

static const struct span kind_names[] = {
    [WIRE_LINE_OK] = SPAN("ok"),
    [WIRE_LINE_TOO_LONG] = SPAN("too-long"),
    [WIRE_LINE_BARE_CR] = SPAN("bare-cr"),
    [WIRE_LINE_BARE_LF] = SPAN("bare-lf"),
    [WIRE_LINE_BARE_LF_AGAIN] = SPAN("again"),
    [WIRE_LINE_NUL] = SPAN("nul"),
};

struct line_row {
    const char *name;
    struct span input;
    const char *lines; /* "ok:TEXT|kind|..." and how the input ends */
};

#define TWENTY "abcdefghijklmnopqrst"

static const struct line_row line_rows[] = {
    {"one line", SPAN("NOOP\r\n"), "ok:NOOP|closed"},
    {"nothing", SPAN(""), "closed"},
    {"empty line", SPAN("\r\n"), "ok:|closed"},
    {"two lines", SPAN("a\r\nb\r\n"), "ok:a|ok:b|closed"},
    {"an unfinished line is not acted upon", SPAN("a\r\nQUIT"), "ok:a|closed"},
    {"nor one that ends with CR", SPAN("QUIT\r"), "closed"},
    {"bare LF: what follows up to CRLF is no command", SPAN("NOOP\nQUIT\r\nRSET\r\n"), "bare-lf|ok:RSET|closed"},
    {"bare LF then CRLF", SPAN("NOOP\n\r\nRSET\r\n"), "bare-lf|ok:RSET|closed"},
    {"bare LF twice", SPAN("a\nb\nc\r\nd\r\n"), "bare-lf|again|ok:d|closed"},
    {"LF LF", SPAN("\n\nx\r\ny\r\n"), "bare-lf|again|ok:y|closed"},
    {"LF CR LF LF", SPAN("\n\r\n\n"), "bare-lf|bare-lf|closed"},
    {"bare CR", SPAN("NOOP\rQUIT\r\nRSET\r\n"), "bare-cr|ok:RSET|closed"},
    {"CR CR LF", SPAN("NOOP\r\r\nRSET\r\n"), "bare-cr|ok:RSET|closed"},
    {"CR at the start", SPAN("\rNOOP\r\nRSET\r\n"), "bare-cr|ok:RSET|closed"},
    {"LF CR", SPAN("a\n\rb\r\nc\r\n"), "bare-lf|ok:c|closed"},
    {"NUL", SPAN("NO\0OP\r\nRSET\r\n"), "nul|ok:RSET|closed"},
    {"NUL before CRLF", SPAN("NOOP\0\r\nRSET\r\n"), "nul|ok:RSET|closed"},
    {"as long as allowed: 42 with CRLF", SPAN(TWENTY TWENTY "\r\nz\r\n"), "ok:" TWENTY TWENTY "|ok:z|closed"},
    {"one octet more", SPAN(TWENTY TWENTY "X\r\nz\r\n"), "too-long|ok:z|closed"},
    {"much longer", SPAN(TWENTY TWENTY TWENTY TWENTY TWENTY "\r\nz\r\n"), "too-long|ok:z|closed"},
    {"too long with an LF behind the limit", SPAN(TWENTY TWENTY TWENTY "\nQUIT\r\nz\r\n"), "too-long|ok:z|closed"},
    {"an LF just behind the limit", SPAN(TWENTY TWENTY "XY\nQUIT\r\nz\r\n"), "too-long|ok:z|closed"},
    {"an LF just within it", SPAN(TWENTY TWENTY "X\nQUIT\r\nz\r\n"), "bare-lf|ok:z|closed"},
    {"too long, no end", SPAN(TWENTY TWENTY TWENTY), "closed"},
};

static void
describe(struct wire_reader *r, size_t max, struct buf *to)
{
    for (;;) {
        struct wire_line line;
        enum err e = wire_read_line(NULL, DEADLINE_NEVER, r, max, &line);
        if (e != ERR_OK) {
            buf_append_cstr(to, err_name(e));
            return;
        }
        buf_append(to, kind_names[line.kind]);
        if (line.kind == WIRE_LINE_OK) {
            buf_append_octet(to, ':');
            buf_append(to, line.text);
        } else {
            assert_int_equal(line.text.len, 0);
        }
        buf_append_octet(to, '|');
    }
}

/* Every row, delivered in pieces of every size, gives the same lines. */
static void
test_lines_at_every_split(UNUSED void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(line_rows); i++) {
        const struct line_row *row = &line_rows[i];
        for (size_t piece = 1; piece <= row->input.len + 1; piece++) {
            struct stream s = {.input = row->input, .piece = piece};
            struct wire_pool pool;
            struct wire_reader r;
            struct buf is;
            yielding = &s;
            wire_pool_init(&pool);
            wire_reader_init(&r, &s, &pool);
            buf_init(&is, 4096);
            describe(&r, 42, &is);
            if (!span_equal(buf_span(&is), span_from_cstr(row->lines)))
                fail_msg("%s in pieces of %zu: " SPAN_FMT ", not %s", row->name, piece, SPAN_ARG(buf_span(&is)),
                         row->lines);
            buf_done(&is);
            wire_reader_done(&r);
            wire_pool_done(&pool);
        }
    }
}

/*
 * A line larger than the small buffer takes a large one, which is given back once the reader waits with nothing left.
 */
static void
test_large_buffer_comes_and_goes(UNUSED void **state)
{
    static char text[WIRE_SMALL_BYTES * 2 + 4];
    memset(text, 'x', sizeof(text));
    memcpy(text + sizeof(text) - 4, "\r\na\r", 4);
    struct stream s = {.input = span_of(text, sizeof(text)), .piece = 100};
    struct wire_pool pool;
    struct wire_reader r;
    struct wire_line line;
    wire_pool_init(&pool);
    wire_reader_init(&r, &s, &pool);
    assert_int_equal(wire_read_line(NULL, DEADLINE_NEVER, &r, 4096, &line), ERR_OK);
    assert_int_equal(line.kind, WIRE_LINE_OK);
    assert_int_equal(line.text.len, WIRE_SMALL_BYTES * 2);
    assert_int_equal(pool.taken_count, 1);
    assert_true(wire_has_input(&r));
    assert_false(wire_has_line(&r));
    wire_consume(&r, 2);
    assert_int_equal(wire_read_line(NULL, DEADLINE_NEVER, &r, 4096, &line), ERR_CLOSED);
    assert_int_equal(pool.taken_count, 0);
    assert_int_equal(pool.free_count, 1);
    wire_reader_done(&r);
    wire_pool_done(&pool);
}

/* Bytes without a line end are thrown away up to a bound, then the reader gives up (requirement 4). */
static void
test_discard_is_bounded(UNUSED void **state)
{
    static char text[WIRE_DISCARD_MAX + 2 * WIRE_LARGE_BYTES];
    for (int with_lf = 0; with_lf < 2; with_lf++) {
        memset(text, 'x', sizeof(text));
        if (with_lf)
            text[3] = '\n';
        struct stream s = {.input = span_of(text, sizeof(text)), .piece = 1000};
        struct wire_pool pool;
        struct wire_reader r;
        struct wire_line line;
        wire_pool_init(&pool);
        wire_reader_init(&r, &s, &pool);
        if (with_lf) {
            assert_int_equal(wire_read_line(NULL, DEADLINE_NEVER, &r, 512, &line), ERR_OK);
            assert_int_equal(line.kind, WIRE_LINE_BARE_LF);
        }
        assert_int_equal(wire_read_line(NULL, DEADLINE_NEVER, &r, 512, &line), ERR_LIMIT);
        assert_true(s.input.len > 0);
        wire_reader_done(&r);
        wire_pool_done(&pool);
    }
}

/* A client that sends without pause lets others have their turn. */
static void
test_turns(UNUSED void **state)
{
    char text[WIRE_TURN_LINES * 3 * 3];
    for (size_t i = 0; i < sizeof(text); i += 3)
        memcpy(text + i, "x\r\n", 3);
    struct stream s = {.input = span_of(text, sizeof(text)), .piece = sizeof(text)};
    struct wire_pool pool;
    struct wire_reader r;
    struct wire_line line;
    yielding = &s;
    wire_pool_init(&pool);
    wire_reader_init(&r, &s, &pool);
    for (int i = 0; i < WIRE_TURN_LINES * 3; i++)
        assert_int_equal(wire_read_line(NULL, DEADLINE_NEVER, &r, 512, &line), ERR_OK);
    assert_int_equal(s.yields, 2);
    wire_reader_done(&r);
    wire_pool_done(&pool);
}

/* Raw octets and lines alternate without loss: content, then the next command (requirement 58). */
static void
test_chunks_and_lines(UNUSED void **state)
{
    struct span text = SPAN("BDAT 5 LAST\r\nab\ncdMAIL\r\n");
    for (size_t piece = 1; piece <= text.len; piece++) {
        struct stream s = {.input = text, .piece = piece};
        struct wire_pool pool;
        struct wire_reader r;
        struct wire_line line;
        struct span chunk;
        wire_pool_init(&pool);
        wire_reader_init(&r, &s, &pool);
        assert_int_equal(wire_read_line(NULL, DEADLINE_NEVER, &r, 512, &line), ERR_OK);
        assert_true(span_equal(line.text, SPAN("BDAT 5 LAST")));
        assert_int_equal(wire_peek(NULL, DEADLINE_NEVER, &r, 5, true, &chunk), ERR_OK);
        assert_true(chunk.len >= 5);
        assert_true(span_equal(span_first(chunk, 5), SPAN("ab\ncd")));
        wire_consume(&r, 5);
        assert_int_equal(wire_read_line(NULL, DEADLINE_NEVER, &r, 512, &line), ERR_OK);
        assert_true(span_equal(line.text, SPAN("MAIL")));
        assert_int_equal(r.total_bytes, text.len);
        wire_reader_done(&r);
        wire_pool_done(&pool);
    }
}

struct pace_row {
    const char *name;
    int64_t now_s, began_s;
    uint64_t bytes;
    int64_t idle_s;
    uint64_t min_rate;
    int64_t by_s;
};

static const struct pace_row pace_rows[] = {
    {"at the start the idle time counts", 100, 100, 0, 180, 100, 280},
    {"a trickle has earned little", 400, 100, 3000, 180, 100, 310},
    {"a good rate is only bound by silence", 400, 100, 1000000, 180, 100, 580},
    {"no least rate", 400, 100, 1, 180, 0, 580},
    {"no overflow", 400, 100, UINT64_MAX, 180, 1, 580},
};

static void
test_pace(UNUSED void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(pace_rows); i++) {
        const struct pace_row *row = &pace_rows[i];
        struct deadline by = wire_pace_deadline(row->now_s * NS_PER_S, row->began_s * NS_PER_S, row->bytes,
                                                row->idle_s * NS_PER_S, row->min_rate);
        if (by.at_ns != row->by_s * NS_PER_S)
            fail_msg("%s: %lld", row->name, (long long)(by.at_ns / NS_PER_S));
    }
}

/* Replies gather, leave in one write and in order, and nothing is held without need. */
static void
test_writer(UNUSED void **state)
{
    struct stream s = {0};
    struct wire_writer w;
    buf_init(&s.output, 64 * 1024);
    wire_writer_init(&w, &s);
    assert_int_equal(wire_writer_flush(NULL, DEADLINE_NEVER, &w), ERR_OK);
    assert_int_equal(s.writes, 0);
    buf_append(wire_writer_pending(&w), SPAN("one"));
    buf_append(wire_writer_pending(&w), SPAN("two"));
    assert_false(wire_writer_is_due(&w));
    assert_int_equal(wire_writer_flush(NULL, DEADLINE_NEVER, &w), ERR_OK);
    assert_int_equal(s.writes, 1);
    assert_true(span_equal(buf_span(&s.output), SPAN("onetwo")));
    for (int i = 0; i < WIRE_PENDING_FLUSH + 1; i++)
        buf_append_octet(wire_writer_pending(&w), 'x');
    assert_true(wire_writer_is_due(&w));
    wire_writer_post(&w);
    assert_int_equal(s.writes, 3);
    assert_int_equal(s.output.len, 6 + WIRE_PENDING_FLUSH + 1);
    assert_int_equal(w.total_bytes, 6 + WIRE_PENDING_FLUSH + 1);
    assert_int_equal(w.pending.size, 0);
    for (int i = 0; i <= WIRE_PENDING_MAX; i++)
        buf_append_octet(wire_writer_pending(&w), 'x');
    assert_int_equal(wire_writer_flush(NULL, DEADLINE_NEVER, &w), ERR_LIMIT);
    wire_writer_done(&w);
    buf_done(&s.output);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_at_every_split), cmocka_unit_test(test_large_buffer_comes_and_goes),
        cmocka_unit_test(test_discard_is_bounded),   cmocka_unit_test(test_turns),
        cmocka_unit_test(test_chunks_and_lines),     cmocka_unit_test(test_pace),
        cmocka_unit_test(test_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
