/* span.c - comparing, finding and cutting text with a length. */
#include "base/span.h"

static uint8_t
lower(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool
span_equal_nocase(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool
span_has_prefix(struct span s, struct span prefix)
{
    return s.len >= prefix.len && span_equal(span_first(s, prefix.len), prefix);
}

bool
span_has_prefix_nocase(struct span s, struct span prefix)
{
    return s.len >= prefix.len && span_equal_nocase(span_first(s, prefix.len), prefix);
}

bool
span_has_suffix_nocase(struct span s, struct span suffix)
{
    return s.len >= suffix.len && span_equal_nocase(span_skip(s, s.len - suffix.len), suffix);
}

size_t
span_find(struct span s, uint8_t octet)
{
    const uint8_t *hit = s.len == 0 ? NULL : memchr(s.data, octet, s.len);
    return hit == NULL ? s.len : (size_t)(hit - s.data);
}

size_t
span_find_last(struct span s, uint8_t octet)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.data[i - 1] == octet)
            return i - 1;
    return s.len;
}

int
span_compare(struct span a, struct span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

struct span
span_trim(struct span s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = span_skip(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool
span_cut(struct span s, uint8_t octet, struct span *ret_before, struct span *ret_after)
{
    size_t at = span_find(s, octet);
    if (at == s.len)
        return false;
    struct span before = span_first(s, at);
    *ret_after = span_skip(s, at + 1);
    *ret_before = before;
    return true;
}

bool
span_to_u64(struct span s, uint64_t max, uint64_t *ret)
{
    if (s.len == 0 || s.len > 20)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.data[i] - '0'), &value))
            return false;
    }
    if (value > max)
        return false;
    *ret = value;
    return true;
}

bool
span_to_cstr(struct span s, char *dst, size_t cap)
{
    if (cap > 0)
        dst[0] = '\0';
    if (s.len >= cap || span_find(s, 0) != s.len)
        return false;
    if (s.len > 0)
        memcpy(dst, s.data, s.len);
    dst[s.len] = '\0';
    return true;
}
