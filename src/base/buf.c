/* buf.c - growth up to a cap, and never past it. */
#include "base/buf.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_FIRST_SIZE = 256 };

void
buf_init(struct buf *b, size_t cap)
{
    *b = (struct buf){.cap = cap};
}

void
buf_init_fixed(struct buf *b, void *array, size_t size)
{
    *b = (struct buf){.data = array, .size = size, .cap = size, .is_fixed = true};
}

void
buf_done(struct buf *b)
{
    if (b == NULL)
        return;
    if (!b->is_fixed) {
        free(b->data);
        b->data = NULL;
        b->size = 0;
    }
    buf_clear(b);
}

void
buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
    if (n <= b->size - b->len && b->data != NULL)
        return b->data + b->len;
    if (b->is_fixed || n > b->cap - b->len) {
        b->failed = true;
        return NULL;
    }
    size_t wanted = b->len + n;
    size_t size = b->size < BUF_FIRST_SIZE ? BUF_FIRST_SIZE : b->size;
    while (size < wanted)
        size = size > b->cap / 2 ? b->cap : size * 2; /* never by what is wanted alone: that would copy at each append */
    if (size > b->cap)
        size = b->cap;
    if (size == 0)
        size = 1;
    uint8_t *data = realloc(b->data, size);
    if (data == NULL) {
        b->failed = true;
        return NULL;
    }
    b->data = data;
    b->size = size;
    return b->data + b->len;
}

void
buf_advance(struct buf *b, size_t n)
{
    ASSERT(n <= b->size - b->len);
    b->len += n;
}

enum err
buf_append(struct buf *b, struct span s)
{
    if (s.len == 0)
        return ERR_OK;
    uint8_t *to = buf_reserve(b, s.len);
    if (to == NULL)
        return ERR_LIMIT;
    memcpy(to, s.data, s.len);
    b->len += s.len;
    return ERR_OK;
}

enum err
buf_append_octet(struct buf *b, uint8_t octet)
{
    return buf_append(b, span_of(&octet, 1));
}

enum err
buf_append_cstr(struct buf *b, const char *s)
{
    return buf_append(b, span_from_cstr(s));
}

enum err
buf_append_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return buf_append(b, span_of(digits + at, sizeof(digits) - at));
}

enum err
buf_printf(struct buf *b, const char *format, ...)
{
    char small[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    ASSERT(n >= 0);
    if ((size_t)n < sizeof(small))
        return buf_append(b, span_of(small, (size_t)n));
    /* vsnprintf writes a NUL for which the buffer may have no room: print beside it. */
    if (buf_reserve(b, (size_t)n) == NULL)
        return ERR_LIMIT;
    char *large = malloc((size_t)n + 1);
    if (large == NULL) {
        b->failed = true;
        return ERR_LIMIT;
    }
    va_start(args, format);
    vsnprintf(large, (size_t)n + 1, format, args);
    va_end(args);
    enum err e = buf_append(b, span_of(large, (size_t)n));
    free(large);
    return e;
}

void
buf_consume(struct buf *b, size_t n)
{
    ASSERT(n <= b->len);
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}
