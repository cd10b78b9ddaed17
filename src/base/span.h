/*
 * span.h - read-only text: a pointer and a length.
 *
 * Text from a peer may hold any octet, NUL included, and is never NUL-terminated. NUL-terminated strings exist
 * only where the operating system wants them. A span borrows: who owns the bytes is said where it is stored.
 */
#ifndef GODWIT_BASE_SPAN_H
#define GODWIT_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *data; /* borrowed; may be NULL when len is 0 */
    size_t len;          /* bytes */
};

#define SPAN_EMPTY ((struct span){NULL, 0})

/* The span of a string literal, without its NUL. */
#define SPAN(literal) ((struct span){(const uint8_t *)("" literal), sizeof(literal) - 1})

/* printf with "%.*s": for text known to be printable, such as our own names. */
#define SPAN_FMT "%.*s"
#define SPAN_ARG(s) (int)(s).len, (const char *)(s).data

static inline struct span
span_of(const void *data, size_t len)
{
    return (struct span){(const uint8_t *)data, len};
}

/* The span of a NUL-terminated string of ours (program arguments, names from the system). */
static inline struct span
span_from_cstr(const char *s)
{
    return span_of(s, strlen(s));
}

static inline bool
span_is_empty(struct span s)
{
    return s.len == 0;
}

static inline bool
span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* `s` without its first `n` bytes; n <= s.len. */
static inline struct span
span_skip(struct span s, size_t n)
{
    return n == 0 ? s : span_of(s.data + n, s.len - n); /* NULL + 0 is undefined in C */
}

/* The first `n` bytes of `s`; n <= s.len. */
static inline struct span
span_first(struct span s, size_t n)
{
    return span_of(s.data, n);
}

/* Equal when the letters A-Z and a-z are taken as the same; other octets count exactly. */
bool span_equal_nocase(struct span a, struct span b);

/* Whether `s` begins with `prefix`, exactly or with ASCII case ignored. */
bool span_has_prefix(struct span s, struct span prefix);
bool span_has_prefix_nocase(struct span s, struct span prefix);
bool span_has_suffix_nocase(struct span s, struct span suffix);

/* The position of the first `octet` in `s`, or s.len. */
size_t span_find(struct span s, uint8_t octet);

/* The position of the last `octet` in `s`, or s.len. */
size_t span_find_last(struct span s, uint8_t octet);

/* Order by octets, then by length: <0, 0 or >0. */
int span_compare(struct span a, struct span b);

/* `s` without spaces and tabs at both ends. */
struct span span_trim(struct span s);

/* Split at the first `octet`: *ret_before and *ret_after without it. False, outputs untouched, when it is absent. */
bool span_cut(struct span s, uint8_t octet, struct span *ret_before, struct span *ret_after);

/*
 * Read a decimal number of 1 to 20 digits, the whole of `s`, at most `max`. False on anything else, also on
 * overflow and on an empty `s`; *ret untouched then.
 */
bool span_to_u64(struct span s, uint64_t max, uint64_t *ret);

/*
 * Copy `s` with a NUL into dst[cap] for a system call. False when it does not fit or holds a NUL itself;
 * dst is an empty string then.
 */
bool span_to_cstr(struct span s, char *dst, size_t cap);

#endif
