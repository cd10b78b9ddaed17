/*
 * arena.h - memory that dies together.
 *
 * Four lifetimes have an arena each: process, connection, transaction, command. Nothing in an arena is freed on
 * its own; arena_clear() ends all of it at once. Each arena has a byte cap; past it an allocation returns NULL
 * and the caller answers 452 or 421.
 */
#ifndef GODWIT_BASE_ARENA_H
#define GODWIT_BASE_ARENA_H

#include "base/compiler.h"
#include "base/span.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* owned, newest first */
    size_t used_bytes;          /* handed out, alignment included */
    size_t cap_bytes;           /* the most it may hand out */
};

/* An empty arena that hands out at most `cap_bytes`. Allocates nothing yet. */
void arena_init(struct arena *a, size_t cap_bytes);

/* End the life of everything in the arena; it is empty and usable again. */
void arena_clear(struct arena *a);

/* `size` bytes, zeroed, aligned for any object; NULL past the cap or without memory. */
NODISCARD void *arena_alloc(struct arena *a, size_t size);

/* A copy of `s` in the arena. False, *ret untouched, past the cap. An empty `s` gives an empty span. */
NODISCARD bool arena_copy(struct arena *a, struct span s, struct span *ret);

#endif
