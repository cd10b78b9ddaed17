/* map.c - linear probing in a table at most three quarters full, with removal by shifting back. */
#include "base/map.h"

#include "base/assert.h"

#include <stdlib.h>

enum { MAP_FIRST_SIZE = 16 };

struct map_slot {
    uint64_t hash;
    struct span key;
    void *value; /* NULL: the slot is empty */
};

static uint64_t
rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static uint64_t
load_le(const uint8_t *data, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)data[i] << 8 * i;
    return word;
}

uint64_t
map_hash(struct span s, const uint64_t seed[2])
{
    uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
                     seed[0] ^ UINT64_C(0x6c7967656e657261), seed[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t last = (uint64_t)s.len << 56;
    for (; s.len >= 8; s = span_skip(s, 8)) {
        uint64_t word = load_le(s.data, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    last |= load_le(s.data, s.len);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
map_init(struct map *m, size_t entries_max, const uint64_t seed[2])
{
    *m = (struct map){.entries_max = entries_max, .seed = {seed[0], seed[1]}};
}

void
map_done(struct map *m)
{
    if (m == NULL)
        return;
    free(m->slots);
    m->slots = NULL;
    m->size = m->count = 0;
}

/* The slot that holds `key`, or the empty one where it would go. The table has at least one empty slot. */
static struct map_slot *
slot_find(const struct map *m, struct span key, uint64_t hash)
{
    for (size_t at = hash & (m->size - 1);; at = (at + 1) & (m->size - 1)) {
        struct map_slot *slot = &m->slots[at];
        if (slot->value == NULL || (slot->hash == hash && span_equal(slot->key, key)))
            return slot;
    }
}

void *
map_get(const struct map *m, struct span key)
{
    return m->count == 0 ? NULL : slot_find(m, key, map_hash(key, m->seed))->value;
}

/* Make room for one more entry. */
static enum err
table_grow(struct map *m)
{
    if (m->count >= m->entries_max)
        return ERR_LIMIT;
    if (m->size > 0 && m->count + 1 <= m->size / 4 * 3)
        return ERR_OK;
    struct map bigger = *m;
    bigger.size = m->size == 0 ? MAP_FIRST_SIZE : m->size * 2;
    bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < m->size; i++)
        if (m->slots[i].value != NULL)
            *slot_find(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return ERR_OK;
}

enum err
map_put(struct map *m, struct span key, void *value, void **ret_old)
{
    ASSERT(value != NULL);
    uint64_t hash = map_hash(key, m->seed);
    struct map_slot *slot = m->size == 0 ? NULL : slot_find(m, key, hash);
    void *old = slot == NULL ? NULL : slot->value;
    if (old == NULL) {
        TRY(table_grow(m));
        slot = slot_find(m, key, hash);
        m->count++;
    }
    *slot = (struct map_slot){hash, key, value};
    if (ret_old != NULL)
        *ret_old = old;
    return ERR_OK;
}

void *
map_remove(struct map *m, struct span key)
{
    if (m->count == 0)
        return NULL;
    struct map_slot *slot = slot_find(m, key, map_hash(key, m->seed));
    void *value = slot->value;
    if (value == NULL)
        return NULL;
    /* Move back whatever would no longer be found with a hole here. */
    size_t mask = m->size - 1, hole = (size_t)(slot - m->slots);
    for (size_t at = (hole + 1) & mask; m->slots[at].value != NULL; at = (at + 1) & mask) {
        size_t home = m->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            m->slots[hole] = m->slots[at];
            hole = at;
        }
    }
    m->slots[hole] = (struct map_slot){0};
    m->count--;
    return value;
}

void
map_walk(const struct map *m, struct map_cursor *cursor)
{
    *cursor = (struct map_cursor){0};
    while (cursor->start < m->size && m->slots[cursor->start].value != NULL)
        cursor->start++;
}

/* Backwards from an empty slot: what a removal shifts back into the slot just left was visited before. */
bool
map_next(const struct map *m, struct map_cursor *cursor, struct span *ret_key, void **ret_value)
{
    while (cursor->step < m->size) {
        cursor->step++;
        const struct map_slot *slot = &m->slots[(cursor->start - cursor->step) & (m->size - 1)];
        if (slot->value == NULL)
            continue;
        if (ret_key != NULL)
            *ret_key = slot->key;
        *ret_value = slot->value;
        return true;
    }
    return false;
}
