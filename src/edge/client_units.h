/*
 * client_units.h - how many sessions each client has: counted per IPv4 address and per IPv6 network of 64 bits.
 *
 * One entry per unit with at least one session; memory is bounded by the number of sessions. Keys come from peers,
 * the map under it is seeded.
 */
#ifndef GODWIT_EDGE_CLIENT_UNITS_H
#define GODWIT_EDGE_CLIENT_UNITS_H

#include "base/map.h"
#include "proto/addr/address_literal.h"

struct client_unit {
    struct address_literal unit; /* the key: network_client_unit() of its members */
    uint64_t sessions;
};

struct client_units {
    struct map map; /* of struct client_unit, owned */
};

void client_units_init(struct client_units *u, size_t units_max, const uint64_t seed[2]);

/* Every session has left before. */
void client_units_done(struct client_units *u);

/* Count a session of `client` in; NULL at the cap or without memory. Leave with client_units_leave(). */
struct client_unit *client_units_enter(struct client_units *u, const struct address_literal *client);

/* Count a session out; NULL is accepted. */
void client_units_leave(struct client_units *u, struct client_unit *unit);

#endif
