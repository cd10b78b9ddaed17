/* address_literal.c - the IPv4 and IPv6 grammars of RFC 5321 §4.1.3, and their canonical text. */
#include "proto/addr/address_literal.h"

#include "text/ascii.h"

enum { IPV4_BYTES = 4, IPV6_GROUPS = 8 };

/* Snum *3("." Snum): one to three digits, 0 to 255. All of `s`. */
static bool
parse_ipv4(struct span s, uint8_t ip[IPV4_BYTES])
{
    for (int i = 0; i < IPV4_BYTES; i++) {
        struct span number = s;
        if (i < IPV4_BYTES - 1 && !span_cut(s, '.', &number, &s))
            return false;
        uint64_t value = 0;
        if (number.len > 3 || !span_to_u64(number, 255, &value))
            return false;
        ip[i] = (uint8_t)value;
    }
    return true;
}

/* One to four digits at the start of *s. */
static bool
take_group(struct span *s, uint8_t group[2])
{
    size_t n = ascii_run(*s, ASCII_HEX);
    if (n < 1 || n > 4)
        return false;
    unsigned value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 4 | (unsigned)ascii_hex_value(s->data[i]);
    group[0] = (uint8_t)(value >> 8);
    group[1] = (uint8_t)value;
    *s = span_skip(*s, n);
    return true;
}

/*
 * Groups with ":" between, of which the last two may be an IPv4 address, written to ip. How many, at most `groups_max`;
 * -1 when `s` is not that. An empty `s` has none.
 */
static int
parse_groups(struct span s, int groups_max, bool is_ipv4_allowed, uint8_t *ip)
{
    int n = 0;
    while (s.len > 0) {
        if (is_ipv4_allowed && n + 2 <= groups_max && parse_ipv4(s, ip + 2 * n))
            return n + 2;
        if (n == groups_max || !take_group(&s, ip + 2 * n))
            return -1;
        n++;
        if (s.len == 0)
            break;
        if (s.data[0] != ':' || s.len == 1)
            return -1;
        s = span_skip(s, 1);
    }
    return n;
}

/* `elided_min`: for how many groups "::" must stand. */
static bool
parse_ipv6(struct span s, int elided_min, uint8_t ip[2 * IPV6_GROUPS])
{
    size_t gap = 0;
    while (gap + 1 < s.len && !(s.data[gap] == ':' && s.data[gap + 1] == ':'))
        gap++;
    if (gap + 1 >= s.len)
        return parse_groups(s, IPV6_GROUPS, true, ip) == IPV6_GROUPS;
    uint8_t after[2 * IPV6_GROUPS];
    int before_n = parse_groups(span_first(s, gap), IPV6_GROUPS - elided_min, false, ip);
    if (before_n < 0)
        return false;
    int after_n = parse_groups(span_skip(s, gap + 2), IPV6_GROUPS - elided_min - before_n, true, after);
    if (after_n < 0)
        return false;
    memset(ip + 2 * before_n, 0, (size_t)(2 * (IPV6_GROUPS - before_n)));
    memcpy(ip + 2 * (IPV6_GROUPS - after_n), after, (size_t)(2 * after_n));
    return true;
}

bool
address_literal_parse(struct span s, struct address_literal *ret)
{
    static const struct span ipv6_tag = SPAN("IPv6:");
    if (s.len < 2 || s.data[0] != '[' || s.data[s.len - 1] != ']')
        return false;
    struct span inner = span_of(s.data + 1, s.len - 2);
    struct address_literal a = {.family = ADDRESS_LITERAL_IPV4};
    if (span_has_prefix_nocase(inner, ipv6_tag)) {
        a.family = ADDRESS_LITERAL_IPV6;
        if (!parse_ipv6(span_skip(inner, ipv6_tag.len), 2, a.ip))
            return false;
    } else if (!parse_ipv4(inner, a.ip)) {
        return false;
    }
    *ret = a;
    return true;
}

bool
address_literal_parse_ip(struct span s, struct address_literal *ret)
{
    struct address_literal v4 = {.family = ADDRESS_LITERAL_IPV4}, v6 = {.family = ADDRESS_LITERAL_IPV6};
    if (parse_ipv4(s, v4.ip)) {
        *ret = v4;
        return true;
    }
    if (!parse_ipv6(s, 1, v6.ip))
        return false;
    *ret = v6;
    return true;
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952 §4.2); its length, 0 when there is none. */
static int
longest_zero_run(const uint8_t ip[2 * IPV6_GROUPS], int *ret_start)
{
    int best = 1, run = 0;
    for (int i = 0; i < IPV6_GROUPS; i++) {
        run = ip[2 * i] == 0 && ip[2 * i + 1] == 0 ? run + 1 : 0;
        if (run > best) {
            best = run;
            *ret_start = i + 1 - run;
        }
    }
    return best > 1 ? best : 0;
}

static enum err
format_ipv6(const uint8_t ip[2 * IPV6_GROUPS], struct buf *to)
{
    int gap = IPV6_GROUPS, gap_len = longest_zero_run(ip, &gap);
    for (int i = 0; i < IPV6_GROUPS; i++) {
        if (i == gap) {
            TRY(buf_append(to, SPAN("::")));
            i += gap_len - 1;
            continue;
        }
        if (i > 0 && i != gap + gap_len)
            TRY(buf_append_octet(to, ':'));
        TRY(buf_printf(to, "%x", (unsigned)ip[2 * i] << 8 | ip[2 * i + 1]));
    }
    return ERR_OK;
}

enum err
address_literal_format_ip(const struct address_literal *a, struct buf *to)
{
    if (a->family == ADDRESS_LITERAL_IPV6)
        return format_ipv6(a->ip, to);
    return buf_printf(to, "%u.%u.%u.%u", a->ip[0], a->ip[1], a->ip[2], a->ip[3]);
}

enum err
address_literal_format(const struct address_literal *a, struct buf *to)
{
    TRY(buf_append(to, a->family == ADDRESS_LITERAL_IPV6 ? SPAN("[IPv6:") : SPAN("[")));
    TRY(address_literal_format_ip(a, to));
    return buf_append_octet(to, ']');
}

bool
address_literal_equal(const struct address_literal *a, const struct address_literal *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}
