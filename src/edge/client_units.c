/* client_units.c - a seeded map from the bytes of a unit to its count. */
#include "edge/client_units.h"

#include "base/assert.h"
#include "policy/network.h"

#include <stdlib.h>

void
client_units_init(struct client_units *u, size_t units_max, const uint64_t seed[2])
{
    map_init(&u->map, units_max, seed);
}

void
client_units_done(struct client_units *u)
{
    ASSERT(u->map.count == 0);
    map_done(&u->map);
}

static struct span
unit_key(const struct client_unit *unit)
{
    return span_of(unit->unit.ip, unit->unit.family == ADDRESS_LITERAL_IPV4 ? 4 : 8);
}

struct client_unit *
client_units_enter(struct client_units *u, const struct address_literal *client)
{
    struct client_unit key = {.unit = network_client_unit(client)};
    struct client_unit *unit = map_get(&u->map, unit_key(&key));
    if (unit == NULL) {
        unit = malloc(sizeof(*unit));
        if (unit == NULL)
            return NULL;
        *unit = key;
        if (map_put(&u->map, unit_key(unit), unit, NULL) != ERR_OK) {
            free(unit);
            return NULL;
        }
    }
    unit->sessions++;
    return unit;
}

void
client_units_leave(struct client_units *u, struct client_unit *unit)
{
    if (unit == NULL)
        return;
    ASSERT(unit->sessions > 0);
    if (--unit->sessions > 0)
        return;
    map_remove(&u->map, unit_key(unit));
    free(unit);
}
