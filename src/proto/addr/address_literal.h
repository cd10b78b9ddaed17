/*
 * address_literal.h - "[192.0.2.1]" and "[IPv6:2001:db8::1]", RFC 5321 §4.1.3.
 *
 * Strict: four decimal numbers of one to three digits; the IPv6 forms of the RFC's grammar, where "::" stands for at
 * least two groups. Other tagged literals are refused: none is registered.
 */
#ifndef GODWIT_PROTO_ADDR_ADDRESS_LITERAL_H
#define GODWIT_PROTO_ADDR_ADDRESS_LITERAL_H

#include "base/buf.h"
#include "base/span.h"

enum address_literal_family { ADDRESS_LITERAL_NONE, ADDRESS_LITERAL_IPV4, ADDRESS_LITERAL_IPV6 };

struct address_literal {
    enum address_literal_family family;
    uint8_t ip[16]; /* network order; 4 in use for IPv4, the rest zero */
};

/* Read all of `s`, brackets included. False, *ret untouched, when it is not one. */
bool address_literal_parse(struct span s, struct address_literal *ret);

/* Read the text of an address without brackets or tag, strictly as above but "::" may stand for one group. */
bool address_literal_parse_ip(struct span s, struct address_literal *ret);

/* Append with brackets; IPv6 in the form of RFC 5952, "::" only for two groups or more. ERR_LIMIT. */
NODISCARD enum err address_literal_format(const struct address_literal *a, struct buf *to);

/* Append the address alone, "192.0.2.1" or "2001:db8::1". ERR_LIMIT. */
NODISCARD enum err address_literal_format_ip(const struct address_literal *a, struct buf *to);

bool address_literal_equal(const struct address_literal *a, const struct address_literal *b);

#endif
