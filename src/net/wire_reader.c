/* wire_reader.c - one buffer, a window of it not consumed, and a search for LF that never looks at an octet twice. */
#include "net/wire_reader.h"

#include "base/assert.h"

#include <stdlib.h>

struct wire_pool_buffer {
    struct wire_pool_buffer *next;
};

void
wire_pool_init(struct wire_pool *pool)
{
    *pool = (struct wire_pool){0};
}

void
wire_pool_done(struct wire_pool *pool)
{
    ASSERT(pool->taken_count == 0);
    while (pool->free != NULL) {
        struct wire_pool_buffer *dead = pool->free;
        pool->free = dead->next;
        free(dead);
    }
    pool->free_count = 0;
}

static uint8_t *
pool_take(struct wire_pool *pool)
{
    struct wire_pool_buffer *buffer = pool->free;
    if (pool->taken_count == WIRE_POOL_TAKEN_MAX)
        return NULL;
    if (buffer != NULL) {
        pool->free = buffer->next;
        pool->free_count--;
    } else {
        buffer = malloc(WIRE_LARGE_BYTES);
        if (buffer == NULL)
            return NULL;
    }
    pool->taken_count++;
    return (uint8_t *)buffer;
}

static void
pool_give(struct wire_pool *pool, uint8_t *bytes)
{
    struct wire_pool_buffer *buffer = (struct wire_pool_buffer *)(void *)bytes;
    pool->taken_count--;
    if (pool->free_count == WIRE_POOL_KEPT_MAX) {
        free(buffer);
        return;
    }
    buffer->next = pool->free;
    pool->free = buffer;
    pool->free_count++;
}

void
wire_reader_init(struct wire_reader *r, struct stream *stream, struct wire_pool *pool)
{
    *r = (struct wire_reader){.stream = stream, .pool = pool};
    r->buffer = r->small;
    r->size = sizeof(r->small);
}

static void
shrink(struct wire_reader *r)
{
    if (r->buffer == r->small)
        return;
    pool_give(r->pool, r->buffer);
    r->buffer = r->small;
    r->size = sizeof(r->small);
}

void
wire_reader_done(struct wire_reader *r)
{
    r->start = r->end = r->scanned = 0;
    shrink(r);
}

static bool
grow(struct wire_reader *r)
{
    uint8_t *large = pool_take(r->pool);
    if (large == NULL)
        return false;
    memcpy(large, r->buffer + r->start, r->end - r->start);
    r->buffer = large;
    r->size = WIRE_LARGE_BYTES;
    r->end -= r->start;
    r->start = 0;
    return true;
}

/* Read at least one octet behind `end`. The caller has not filled a large buffer. */
static enum err
fill(struct fiber *f, struct deadline by, struct wire_reader *r, bool is_bulk)
{
    if (r->start == r->end) {
        r->start = r->end = r->scanned = 0;
        if (!is_bulk)
            shrink(r);
    }
    bool is_small = r->buffer == r->small, is_full = r->end - r->start == r->size;
    if (is_small && (is_bulk || is_full) && !grow(r) && is_full)
        return ERR_LIMIT;
    if (r->end == r->size) {
        memmove(r->buffer, r->buffer + r->start, r->end - r->start);
        r->end -= r->start;
        r->start = 0;
    }
    ASSERT(r->end < r->size);
    size_t n;
    TRY(stream_read(f, by, r->stream, r->buffer + r->end, r->size - r->end, &n));
    r->end += n;
    r->total_bytes += n;
    r->turn_lines = 0;
    return ERR_OK;
}

void
wire_consume(struct wire_reader *r, size_t n)
{
    ASSERT(n <= r->end - r->start);
    r->start += n;
    r->scanned = 0;
}

/*
 * Throw octets away up to and with the next CRLF. ERR_SYNTAX: an LF without CR came first (consumed with it), when
 * `stops_at_lf`.
 */
static enum err
discard_line(struct fiber *f, struct deadline by, struct wire_reader *r, bool stops_at_lf)
{
    size_t discarded = 0;
    for (;;) {
        while (r->start < r->end) {
            uint8_t octet = r->buffer[r->start];
            bool was_cr = r->ends_with_cr;
            wire_consume(r, 1);
            r->ends_with_cr = octet == '\r';
            if (octet == '\n' && (was_cr || stops_at_lf))
                return was_cr ? ERR_OK : ERR_SYNTAX;
            if (++discarded > WIRE_DISCARD_MAX)
                return ERR_LIMIT;
        }
        TRY(fill(f, by, r, false));
    }
}

static enum wire_line_kind
classify(struct span text)
{
    if (span_find(text, '\r') < text.len)
        return WIRE_LINE_BARE_CR;
    if (span_find(text, '\0') < text.len)
        return WIRE_LINE_NUL;
    return WIRE_LINE_OK;
}

/* Wait until `r` holds an LF or more than `max` octets; *ret_len counts up to and with the LF, 0 when there is none. */
static enum err
find_line(struct fiber *f, struct deadline by, struct wire_reader *r, size_t max, size_t *ret_len)
{
    for (;;) {
        struct span fresh = span_of(r->buffer + r->start + r->scanned, r->end - r->start - r->scanned);
        size_t at = span_find(fresh, '\n');
        if (at < fresh.len) {
            *ret_len = r->scanned + at + 1;
            return ERR_OK;
        }
        r->scanned = r->end - r->start;
        if (r->scanned > max || r->scanned == WIRE_LARGE_BYTES) {
            *ret_len = 0;
            return ERR_OK;
        }
        TRY(fill(f, by, r, false));
    }
}

/* The rest of a broken line, before the next one can be read. */
static enum err
finish_tainted(struct fiber *f, struct deadline by, struct wire_reader *r, bool *ret_is_again)
{
    bool is_again = false;
    if (r->is_tainted) {
        enum err e = discard_line(f, by, r, true);
        if (e != ERR_OK && e != ERR_SYNTAX)
            return e;
        is_again = e == ERR_SYNTAX;
        r->is_tainted = is_again;
    }
    *ret_is_again = is_again;
    return ERR_OK;
}

enum err
wire_read_line(struct fiber *f, struct deadline by, struct wire_reader *r, size_t max, struct wire_line *ret)
{
    ASSERT(max >= 2 && max <= WIRE_LARGE_BYTES);
    if (r->turn_lines++ >= WIRE_TURN_LINES) {
        r->turn_lines = 0;
        TRY(fiber_yield(f));
    }
    bool is_again;
    TRY(finish_tainted(f, by, r, &is_again));
    if (is_again) {
        *ret = (struct wire_line){.kind = WIRE_LINE_BARE_LF_AGAIN};
        return ERR_OK;
    }
    size_t len;
    TRY(find_line(f, by, r, max, &len));
    struct span text = span_of(r->buffer + r->start, len);
    bool has_crlf = len >= 2 && text.data[len - 2] == '\r';
    wire_consume(r, len);
    if (len == 0 || len > max) {
        r->ends_with_cr = false;
        if (!has_crlf)
            TRY(discard_line(f, by, r, false));
        *ret = (struct wire_line){.kind = WIRE_LINE_TOO_LONG};
        return ERR_OK;
    }
    if (!has_crlf) {
        r->is_tainted = true;
        r->ends_with_cr = false;
        *ret = (struct wire_line){.kind = WIRE_LINE_BARE_LF};
        return ERR_OK;
    }
    text.len = len - 2;
    enum wire_line_kind kind = classify(text);
    *ret = (struct wire_line){kind, kind == WIRE_LINE_OK ? text : SPAN_EMPTY};
    return ERR_OK;
}

enum err
wire_peek(struct fiber *f, struct deadline by, struct wire_reader *r, size_t min, bool is_bulk, struct span *ret)
{
    ASSERT(min >= 1 && min <= WIRE_SMALL_BYTES);
    while (r->end - r->start < min)
        TRY(fill(f, by, r, is_bulk));
    *ret = span_of(r->buffer + r->start, r->end - r->start);
    return ERR_OK;
}

bool
wire_has_line(const struct wire_reader *r)
{
    struct span fresh = span_of(r->buffer + r->start + r->scanned, r->end - r->start - r->scanned);
    return !r->is_tainted && span_find(fresh, '\n') < fresh.len;
}

bool
wire_has_input(const struct wire_reader *r)
{
    return r->end > r->start;
}

struct deadline
wire_pace_deadline(int64_t now_ns, int64_t began_ns, uint64_t bytes, int64_t idle_ns, uint64_t min_rate)
{
    struct deadline idle = {now_ns + idle_ns};
    if (min_rate == 0)
        return idle;
    uint64_t earned_s = bytes / min_rate;
    if (earned_s > (uint64_t)(INT64_MAX / NS_PER_S / 4))
        return idle;
    return deadline_earlier(idle, (struct deadline){began_ns + idle_ns + (int64_t)earned_s * NS_PER_S});
}
