/*
 * map.h - hash map from text to pointers, safe against keys chosen by a peer.
 *
 * Open addressing with linear probing and SipHash-1-3 under a seed that the caller draws: who sends the keys cannot
 * make them collide. The map borrows keys and values; a key usually lies in the object its value points to. Removal
 * shifts entries back, so no tombstones gather. Not for: order, or more entries than the cap given at creation.
 */
#ifndef GODWIT_BASE_MAP_H
#define GODWIT_BASE_MAP_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/span.h"

struct map_slot;

struct map {
    struct map_slot *slots; /* owned; `size` of them, a power of two, or NULL */
    size_t size;
    size_t count;           /* entries in use */
    size_t entries_max;
    uint64_t seed[2];
};

/* Where a walk stands. */
struct map_cursor {
    size_t start; /* an empty slot, no run of entries crosses it */
    size_t step;
};

/* An empty map of at most `entries_max` entries; `seed` is random per process. Allocates nothing yet. */
void map_init(struct map *m, size_t entries_max, const uint64_t seed[2]);

/* Release the table; keys and values stay the caller's. The map is empty and usable again. NULL is accepted. */
void map_done(struct map *m);

/* The value of `key`, NULL when there is none. */
void *map_get(const struct map *m, struct span key);

/*
 * Set the value (not NULL) of `key`. The key's bytes are borrowed until the entry is removed; of a key that was there
 * already, the new bytes are borrowed from now on and the old ones no longer. *ret_old, when not NULL, becomes the
 * value before, or NULL. ERR_LIMIT at the cap or without memory: nothing changed.
 */
NODISCARD enum err map_put(struct map *m, struct span key, void *value, void **ret_old);

/* Remove `key` and return its value, NULL when it was not there. */
void *map_remove(struct map *m, struct span key);

/* Begin a walk over all entries, in no useful order. */
void map_walk(const struct map *m, struct map_cursor *cursor);

/*
 * The next entry of a walk; false at its end. `ret_key` may be NULL. Between two calls the entry just returned may be
 * removed, nothing else may change.
 */
bool map_next(const struct map *m, struct map_cursor *cursor, struct span *ret_key, void **ret_value);

/* SipHash-1-3 of `s`: for tables of other shapes that hold text from peers. */
uint64_t map_hash(struct span s, const uint64_t seed[2]);

#endif
