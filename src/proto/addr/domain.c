/* domain.c - one pass over the labels; names with octets above 0x7f go through IDNA first. */
#include "proto/addr/domain.h"

#include "text/ascii.h"
#include "text/idna.h"
#include "text/utf8.h"

/* sub-domain *("." sub-domain), sub-domain = Let-dig [Ldh-str] (RFC 5321 §4.1.2), into lower case. */
static enum addr_fault
parse_ascii(struct span s, struct domain *ret)
{
    struct domain d = {0};
    bool is_too_long = s.len > DOMAIN_OCTETS_MAX;
    size_t label = 0; /* octets of the current one */
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '.') {
            if (label == 0 || s.data[i - 1] == '-')
                return ADDR_SYNTAX;
            label = 0;
        } else if (ascii_is(c, label == 0 ? ASCII_ALNUM : ASCII_LDH)) {
            is_too_long |= ++label > DOMAIN_LABEL_OCTETS_MAX;
        } else {
            return ADDR_SYNTAX;
        }
        if (!is_too_long)
            d.name[i] = ascii_lower(c);
    }
    if (label == 0 || s.data[s.len - 1] == '-')
        return ADDR_SYNTAX;
    if (is_too_long)
        return ADDR_DOMAIN_TOO_LONG;
    d.len = (uint8_t)s.len;
    *ret = d;
    return ADDR_OK;
}

enum addr_fault
domain_parse(struct span s, bool is_utf8_allowed, struct domain *ret)
{
    if (ascii_is_7bit(s))
        return parse_ascii(s, ret);
    if (!is_utf8_allowed)
        return ADDR_UTF8_NOT_ALLOWED;
    if (!utf8_is_valid(s))
        return ADDR_UTF8_INVALID;
    if (s.len > IDNA_INPUT_MAX)
        return ADDR_DOMAIN_TOO_LONG;
    uint8_t array[DOMAIN_OCTETS_MAX * 2];
    struct buf ascii;
    buf_init_fixed(&ascii, array, sizeof(array));
    if (idna_to_ascii(s, &ascii) != ERR_OK)
        return ADDR_UTF8_INVALID;
    enum addr_fault fault = parse_ascii(buf_span(&ascii), ret);
    return fault == ADDR_SYNTAX ? ADDR_UTF8_INVALID : fault;
}

bool
domain_equal(const struct domain *a, const struct domain *b)
{
    return span_equal(domain_span(a), domain_span(b));
}

bool
domain_is_within(const struct domain *d, const struct domain *parent)
{
    if (d->len <= parent->len)
        return domain_equal(d, parent);
    size_t below = (size_t)(d->len - parent->len);
    return d->name[below - 1] == '.' && span_equal(span_skip(domain_span(d), below), domain_span(parent));
}

bool
domain_is_qualified(const struct domain *d)
{
    return span_find(domain_span(d), '.') < d->len;
}
