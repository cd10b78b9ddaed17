/* index.c - linear hashing over entries in chunks. */
#include "store/spool/index.h"

#include "base/assert.h"

#include <stdlib.h>

enum { INDEX_CHUNK = 4096, BUCKET_CHUNK = 4096 };

struct spool_entry *
spool_index_entry(const struct spool_index *x, uint32_t number)
{
    ASSERT(number < x->entry_end);
    return &x->chunks[number / INDEX_CHUNK][number % INDEX_CHUNK];
}

static uint32_t *
bucket(const struct spool_index *x, uint32_t number)
{
    return &x->bucket_chunks[number / BUCKET_CHUNK][number % BUCKET_CHUNK];
}

/* Ids are made by our edges: a compromised one could make them collide, which costs time and nothing else. */
static uint64_t
hash_of(const uint8_t id[SPOOL_ENTRY_ID_BYTES])
{
    uint64_t a;
    uint32_t b;
    memcpy(&a, id, sizeof(a));
    memcpy(&b, id + 8, sizeof(b));
    uint64_t h = (a ^ (uint64_t)b << 32 ^ b) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ h >> 32;
}

/* The bucket of a hash while `count` buckets exist: those below the split point are addressed with one bit more. */
static uint32_t
bucket_number(uint64_t hash, uint32_t count)
{
    uint32_t mask = UINT32_MAX >> __builtin_clz(count);
    uint32_t number = (uint32_t)hash & mask;
    return number < count ? number : number & (mask >> 1);
}

/* Room for one more pointer in an array of them. */
static bool
pointers_grow(void *pointers, size_t count, size_t *cap)
{
    if (count < *cap)
        return true;
    size_t wanted = *cap == 0 ? 16 : *cap * 2;
    void **old, **grown;
    memcpy(&old, pointers, sizeof(old));
    grown = realloc(old, wanted * sizeof(*grown));
    if (grown == NULL)
        return false;
    memcpy(pointers, &grown, sizeof(grown));
    *cap = wanted;
    return true;
}

static bool
bucket_chunk_add(struct spool_index *x)
{
    if (!pointers_grow(&x->bucket_chunks, x->bucket_chunk_count, &x->bucket_chunk_cap))
        return false;
    uint32_t *chunk = malloc(BUCKET_CHUNK * sizeof(*chunk));
    if (chunk == NULL)
        return false;
    for (size_t i = 0; i < BUCKET_CHUNK; i++)
        chunk[i] = SPOOL_ENTRY_NONE;
    x->bucket_chunks[x->bucket_chunk_count++] = chunk;
    x->bytes += BUCKET_CHUNK * sizeof(*chunk);
    return true;
}

static bool
entry_chunk_add(struct spool_index *x)
{
    if (!pointers_grow(&x->chunks, x->chunk_count, &x->chunk_cap))
        return false;
    struct spool_entry *chunk = calloc(INDEX_CHUNK, sizeof(*chunk));
    if (chunk == NULL)
        return false;
    x->chunks[x->chunk_count++] = chunk;
    x->bytes += INDEX_CHUNK * sizeof(*chunk);
    return true;
}

enum err
spool_index_init(struct spool_index *x)
{
    *x = (struct spool_index){.free_head = SPOOL_ENTRY_NONE};
    if (!bucket_chunk_add(x)) {
        spool_index_done(x);
        return ERR_LIMIT;
    }
    x->bucket_count = 1;
    return ERR_OK;
}

void
spool_index_done(struct spool_index *x)
{
    for (size_t i = 0; i < x->chunk_count; i++)
        free(x->chunks[i]);
    for (size_t i = 0; i < x->bucket_chunk_count; i++)
        free(x->bucket_chunks[i]);
    free(x->chunks);
    free(x->bucket_chunks);
    *x = (struct spool_index){.free_head = SPOOL_ENTRY_NONE};
}

uint32_t
spool_index_find(const struct spool_index *x, struct message_id id)
{
    uint8_t bytes[MESSAGE_ID_BYTES];
    message_id_encode(id, bytes);
    uint32_t number = *bucket(x, bucket_number(hash_of(bytes), x->bucket_count));
    while (number != SPOOL_ENTRY_NONE) {
        const struct spool_entry *e = spool_index_entry(x, number);
        if (memcmp(e->id, bytes, SPOOL_ENTRY_ID_BYTES) == 0)
            return number;
        number = e->next;
    }
    return SPOOL_ENTRY_NONE;
}

/* Move the entries of the bucket at the split point that belong to the new last one. */
static void
bucket_split(struct spool_index *x)
{
    uint32_t added = x->bucket_count++;
    uint32_t *from = bucket(x, bucket_number(added, added)), *to = bucket(x, added);
    while (*from != SPOOL_ENTRY_NONE) {
        uint32_t number = *from;
        struct spool_entry *e = spool_index_entry(x, number);
        if (bucket_number(hash_of(e->id), x->bucket_count) == added) {
            *from = e->next;
            e->next = *to;
            *to = number;
        } else {
            from = &e->next;
        }
    }
}

enum err
spool_index_insert(struct spool_index *x, struct message_id id, uint32_t *ret)
{
    uint32_t number = x->free_head;
    if (number == SPOOL_ENTRY_NONE) {
        if (x->entry_end == x->chunk_count * INDEX_CHUNK && (x->entry_end >= UINT32_MAX / 4 || !entry_chunk_add(x)))
            return ERR_LIMIT;
        number = x->entry_end;
    }
    if (x->bucket_count == x->bucket_chunk_count * BUCKET_CHUNK && !bucket_chunk_add(x))
        return ERR_LIMIT;
    if (number == x->entry_end)
        x->entry_end++;
    else
        x->free_head = spool_index_entry(x, number)->next;
    uint8_t bytes[MESSAGE_ID_BYTES];
    message_id_encode(id, bytes);
    struct spool_entry *e = spool_index_entry(x, number);
    uint32_t *head = bucket(x, bucket_number(hash_of(bytes), x->bucket_count));
    *e = (struct spool_entry){.next = *head};
    memcpy(e->id, bytes, SPOOL_ENTRY_ID_BYTES);
    *head = number;
    x->count++;
    if (x->count > x->bucket_count)
        bucket_split(x);
    *ret = number;
    return ERR_OK;
}

void
spool_index_remove(struct spool_index *x, uint32_t number)
{
    struct spool_entry *e = spool_index_entry(x, number);
    uint32_t *at = bucket(x, bucket_number(hash_of(e->id), x->bucket_count));
    while (*at != number) {
        ASSERT(*at != SPOOL_ENTRY_NONE);
        at = &spool_index_entry(x, *at)->next;
    }
    *at = e->next;
    *e = (struct spool_entry){.next = x->free_head};
    x->free_head = number;
    x->count--;
}

uint64_t
spool_index_used_bytes(const struct spool_index *x)
{
    return (uint64_t)x->count * (sizeof(struct spool_entry) + sizeof(uint32_t));
}

struct message_id
spool_entry_id(const struct spool_entry *e)
{
    uint8_t bytes[MESSAGE_ID_BYTES] = {0};
    memcpy(bytes, e->id, SPOOL_ENTRY_ID_BYTES);
    return message_id_decode(bytes);
}
