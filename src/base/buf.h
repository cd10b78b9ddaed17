/*
 * buf.h - growing text with the cap it was created with.
 *
 * A buffer never grows past its cap: the append that would is refused whole, the buffer stays as it was, and
 * `failed` stays set until buf_clear(). A writer may so append many times and look once.
 */
#ifndef GODWIT_BASE_BUF_H
#define GODWIT_BASE_BUF_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/span.h"

struct buf {
    uint8_t *data;   /* owned, or the caller's array when `is_fixed` */
    size_t len;      /* bytes in use */
    size_t size;     /* bytes at `data` */
    size_t cap;      /* bytes it may ever hold */
    bool failed;     /* an append was refused */
    bool is_fixed;   /* `data` is the caller's, do not free */
};

/* An empty buffer that allocates as it grows, up to `cap` bytes. Release with buf_done(). */
void buf_init(struct buf *b, size_t cap);

/* An empty buffer over the caller's array. buf_done() is harmless. */
void buf_init_fixed(struct buf *b, void *array, size_t size);

/* Release what the buffer owns; it is empty and usable again afterwards. NULL is accepted. */
void buf_done(struct buf *b);

/* Forget the contents and `failed`; keep the memory. */
void buf_clear(struct buf *b);

/* Make room for `n` more bytes and return where they go; NULL when the cap or memory is exceeded. */
uint8_t *buf_reserve(struct buf *b, size_t n);

/* Say that `n` bytes were written where buf_reserve() pointed. */
void buf_advance(struct buf *b, size_t n);

/* Append; ERR_LIMIT when it does not fit (also recorded in `failed`, so these may go unchecked in a row). */
enum err buf_append(struct buf *b, struct span s);
enum err buf_append_octet(struct buf *b, uint8_t octet);
enum err buf_append_cstr(struct buf *b, const char *s);
enum err buf_append_u64(struct buf *b, uint64_t value);
FORMAT(2, 3) enum err buf_printf(struct buf *b, const char *format, ...);

/* Drop the first `n` bytes; n <= len. */
void buf_consume(struct buf *b, size_t n);

/* The contents, borrowed until the next change. */
static inline struct span
buf_span(const struct buf *b)
{
    return span_of(b->data, b->len);
}

/* ERR_LIMIT when any append since the last clear was refused. */
NODISCARD static inline enum err
buf_check(const struct buf *b)
{
    return b->failed ? ERR_LIMIT : ERR_OK;
}

#endif
