/*
 * network.h - an address or a network of addresses, as rules name clients: "192.0.2.0/24", "2001:db8::/32",
 * "192.0.2.1".
 *
 * IPv4 clients that reach an IPv6 socket (::ffff:192.0.2.1) are the IPv4 address. Only network_parse() makes one: bits
 * beyond the prefix are zero.
 */
#ifndef GODWIT_POLICY_NETWORK_H
#define GODWIT_POLICY_NETWORK_H

#include "base/buf.h"
#include "proto/addr/address_literal.h"

struct network {
    struct address_literal first; /* its lowest address */
    uint8_t prefix_bits;          /* 0 to 32 or 128; all of them for a single address */
};

enum network_fault {
    NETWORK_OK,
    NETWORK_SYNTAX,     /* neither an address nor address/bits */
    NETWORK_HOST_BITS,  /* bits beyond the prefix are set: 192.0.2.1/24 is probably a mistake */
};

/* Read all of `s`. *ret untouched unless NETWORK_OK. */
NODISCARD enum network_fault network_parse(struct span s, struct network *ret);

bool network_contains(const struct network *n, const struct address_literal *address);

/* Append as network_parse() reads it, without the prefix for a single address. ERR_LIMIT. */
NODISCARD enum err network_format(const struct network *n, struct buf *to);

/*
 * The unit in which sessions of one client are counted: an IPv4 address itself, an IPv6 address's network of 64 bits,
 * mapped IPv4 as IPv4. All octets beyond it are zero, so units compare as values.
 */
struct address_literal network_client_unit(const struct address_literal *address);

#endif
