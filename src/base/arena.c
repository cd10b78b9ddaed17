/* arena.c - bump allocation in blocks; blocks grow so that small arenas stay small. */
#include "base/arena.h"

#include "base/assert.h"

#include <stdlib.h>

enum { ARENA_FIRST_BLOCK = 512, ARENA_LARGEST_BLOCK = 64 * 1024, ARENA_ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size; /* bytes after the header */
    size_t used;
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

void
arena_init(struct arena *a, size_t cap_bytes)
{
    *a = (struct arena){.cap_bytes = cap_bytes};
}

void
arena_clear(struct arena *a)
{
    while (a->blocks != NULL) {
        struct arena_block *dead = a->blocks;
        a->blocks = dead->next;
        free(dead);
    }
    a->used_bytes = 0;
}

static struct arena_block *
block_add(struct arena *a, size_t at_least)
{
    size_t size = a->blocks == NULL ? ARENA_FIRST_BLOCK : a->blocks->size * 2;
    if (size > ARENA_LARGEST_BLOCK)
        size = ARENA_LARGEST_BLOCK;
    if (size < at_least)
        size = at_least;
    struct arena_block *block = malloc(sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    *block = (struct arena_block){.next = a->blocks, .size = size};
    a->blocks = block;
    return block;
}

void *
arena_alloc(struct arena *a, size_t size)
{
    ASSERT(a->used_bytes <= a->cap_bytes);
    if (size == 0)
        size = 1;
    if (size > a->cap_bytes)
        return NULL;
    size_t rounded = (size + (ARENA_ALIGN - 1)) & ~(size_t)(ARENA_ALIGN - 1);
    if (rounded > a->cap_bytes - a->used_bytes)
        return NULL;
    struct arena_block *block = a->blocks;
    if (block == NULL || block->size - block->used < rounded)
        block = block_add(a, rounded);
    if (block == NULL)
        return NULL;
    uint8_t *memory = block->data + block->used;
    block->used += rounded;
    a->used_bytes += rounded;
    memset(memory, 0, size);
    return memory;
}

bool
arena_copy(struct arena *a, struct span s, struct span *ret)
{
    if (s.len == 0) {
        *ret = SPAN_EMPTY;
        return true;
    }
    uint8_t *copy = arena_alloc(a, s.len);
    if (copy == NULL)
        return false;
    memcpy(copy, s.data, s.len);
    *ret = span_of(copy, s.len);
    return true;
}
