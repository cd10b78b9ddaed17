/*
 * network.c - addresses and prefixes compared as bits.
 *
 * Everything works on the address as it is meant: an IPv4 address mapped into IPv6 is turned into IPv4 first.
 */
#include "policy/network.h"

enum { CLIENT_UNIT_BITS_IPV6 = 64, MAPPED_PREFIX_BITS = 96 };

static uint8_t
family_bits(enum address_literal_family family)
{
    return family == ADDRESS_LITERAL_IPV4 ? 32 : 128;
}

/* ::ffff:192.0.2.1 as 192.0.2.1 (RFC 4291 §2.5.5.2); anything else as it is. */
static struct address_literal
unmap(const struct address_literal *address)
{
    static const uint8_t mapped_prefix[MAPPED_PREFIX_BITS / 8] = {[10] = 0xff, [11] = 0xff};
    if (address->family != ADDRESS_LITERAL_IPV6 || memcmp(address->ip, mapped_prefix, sizeof(mapped_prefix)) != 0)
        return *address;
    struct address_literal plain = {.family = ADDRESS_LITERAL_IPV4};
    memcpy(plain.ip, address->ip + sizeof(mapped_prefix), 4);
    return plain;
}

/* `address` with every bit beyond the first `bits` cleared. */
static struct address_literal
mask(struct address_literal address, unsigned bits)
{
    for (unsigned i = 0; i < sizeof(address.ip); i++) {
        unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
        if (kept < 8)
            address.ip[i] &= (uint8_t)(0xff00u >> kept);
    }
    return address;
}

enum network_fault
network_parse(struct span s, struct network *ret)
{
    struct span address_text = s, bits_text = SPAN_EMPTY;
    bool has_bits = span_cut(s, '/', &address_text, &bits_text);
    struct address_literal address;
    if (!address_literal_parse_ip(address_text, &address))
        return NETWORK_SYNTAX;
    uint64_t bits = family_bits(address.family);
    if (has_bits && !span_to_u64(bits_text, bits, &bits))
        return NETWORK_SYNTAX;
    struct address_literal plain = unmap(&address);
    if (plain.family != address.family && bits >= MAPPED_PREFIX_BITS) {
        address = plain;
        bits -= MAPPED_PREFIX_BITS;
    }
    struct address_literal first = mask(address, (unsigned)bits);
    if (!address_literal_equal(&first, &address))
        return NETWORK_HOST_BITS;
    *ret = (struct network){.first = first, .prefix_bits = (uint8_t)bits};
    return NETWORK_OK;
}

bool
network_contains(const struct network *n, const struct address_literal *address)
{
    struct address_literal plain = unmap(address);
    if (plain.family != n->first.family)
        return false;
    struct address_literal first = mask(plain, n->prefix_bits);
    return address_literal_equal(&first, &n->first);
}

enum err
network_format(const struct network *n, struct buf *to)
{
    TRY(address_literal_format_ip(&n->first, to));
    if (n->prefix_bits == family_bits(n->first.family))
        return ERR_OK;
    TRY(buf_append_octet(to, '/'));
    return buf_append_u64(to, n->prefix_bits);
}

struct address_literal
network_client_unit(const struct address_literal *address)
{
    struct address_literal plain = unmap(address);
    return plain.family == ADDRESS_LITERAL_IPV6 ? mask(plain, CLIENT_UNIT_BITS_IPV6) : plain;
}
