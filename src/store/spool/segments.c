/* segments.c - the segments on the loop: their list, their tables while they are filled, what in them is live. */
#include "base/assert.h"
#include "store/spool/internal.h"

#include <stdio.h>
#include <stdlib.h>

void
spool_segment_name(uint32_t number, char name[SPOOL_NAME_BYTES])
{
    snprintf(name, SPOOL_NAME_BYTES, "seg-%04u", (unsigned)number);
}

struct spool_segment *
spool_segment_add(struct spool *spool, uint32_t number)
{
    ASSERT(number < SPOOL_SEGMENTS_MAX);
    if (number >= spool->segment_cap) {
        uint32_t cap = spool->segment_cap == 0 ? 16 : spool->segment_cap;
        while (cap <= number)
            cap *= 2;
        struct spool_segment **grown = realloc(spool->segments, cap * sizeof(struct spool_segment *));
        if (grown == NULL)
            return NULL;
        for (uint32_t i = spool->segment_cap; i < cap; i++)
            grown[i] = NULL;
        spool->segments = grown;
        spool->segment_cap = cap;
    }
    ASSERT(spool->segments[number] == NULL);
    struct spool_segment *segment = calloc(1, sizeof(*segment));
    if (segment == NULL)
        return NULL;
    *segment = (struct spool_segment){.number = number, .state = SPOOL_SEGMENT_RAW, .used_bytes = SPOOL_FIRST_BATCH,
                                      .ended_ns = -1};
    segment->table_end = &segment->table;
    spool->segments[number] = segment;
    spool->segment_count++;
    return segment;
}

void
spool_segment_table_done(struct spool_segment *segment)
{
    while (segment->table != NULL) {
        struct spool_table_block *dead = segment->table;
        segment->table = dead->next;
        free(dead);
    }
    segment->table_end = &segment->table;
}

void
spool_segment_drop(struct spool *spool, struct spool_segment *segment)
{
    ASSERT(spool->segments[segment->number] == segment && segment->pins == 0);
    spool->segments[segment->number] = NULL;
    spool->segment_count--;
    spool_segment_table_done(segment);
    disk_close(segment->file);
    free(segment);
}

bool
spool_segment_has_room(const struct spool *spool, const struct spool_segment *segment, uint64_t bytes, uint64_t count)
{
    return segment->used_bytes + spool_round_up(bytes, SPOOL_BLOCK_BYTES) <=
           spool_table_offset(spool->segment_bytes, segment->record_count + count);
}

void
spool_segment_end(struct spool *spool, uint8_t generation, bool is_full)
{
    struct spool_segment *segment = spool->active[generation];
    if (segment == NULL)
        return;
    ASSERT(spool->placed[generation] == NULL);
    segment->state = SPOOL_SEGMENT_ENDED;
    segment->ended_ns = spool->now_ns;
    segment->is_full = is_full;
    spool->active[generation] = NULL;
}

bool
spool_has_roomy(const struct spool *spool)
{
    for (uint8_t generation = 1; generation < SPOOL_GENERATIONS; generation++) {
        const struct spool_segment *s = spool->active[generation];
        if (s != NULL && spool_segment_has_room(spool, s, spool->segment_bytes / 2, 0))
            return true;
    }
    return false;
}

enum err
spool_segment_table_encode(const struct spool_segment *segment, uint8_t **ret, size_t *ret_len)
{
    size_t len = 0;
    for (const struct spool_table_block *b = segment->table; b != NULL; b = b->next)
        len += (size_t)b->count * SPOOL_TABLE_ENTRY_BYTES;
    uint8_t *bytes = malloc(len == 0 ? 1 : len);
    if (bytes == NULL)
        return ERR_LIMIT;
    size_t at = 0;
    for (const struct spool_table_block *b = segment->table; b != NULL; b = b->next) {
        memcpy(bytes + at, b->entries, (size_t)b->count * SPOOL_TABLE_ENTRY_BYTES);
        at += (size_t)b->count * SPOOL_TABLE_ENTRY_BYTES;
    }
    *ret = bytes;
    *ret_len = len;
    return ERR_OK;
}

struct spool_trailer
spool_segment_trailer(const struct spool *spool, const struct spool_segment *segment, struct span table)
{
    uint32_t count = (uint32_t)(table.len / SPOOL_TABLE_ENTRY_BYTES);
    return (struct spool_trailer){
        .salt = segment->salt,
        .number = segment->number,
        .generation = segment->generation,
        .first_sequence = segment->first_sequence,
        .last_sequence = segment->last_sequence,
        .first_previous = segment->first_previous,
        .used_bytes = segment->used_bytes,
        .table_offset = (uint32_t)spool_table_offset(spool->segment_bytes, count),
        .table_count = count,
        .table_crc = spool_crc(&segment->salt, table),
    };
}

void
spool_live_add(struct spool *spool, uint32_t segment_number, uint32_t payload_length)
{
    spool->segments[segment_number]->live_bytes += spool_record_bytes(payload_length);
    spool->live_bytes += spool_record_bytes(payload_length);
}

void
spool_live_subtract(struct spool *spool, uint32_t segment_number, uint32_t payload_length)
{
    struct spool_segment *segment = spool->segments[segment_number];
    uint64_t bytes = spool_record_bytes(payload_length);
    ASSERT(segment->live_bytes >= bytes && spool->live_bytes >= bytes);
    segment->live_bytes -= bytes;
    spool->live_bytes -= bytes;
}

uint8_t
spool_kind_flag(enum spool_kind kind)
{
    switch (kind) {
    case SPOOL_CONTENT: return SPOOL_ENTRY_CONTENT;
    case SPOOL_STATE: return SPOOL_ENTRY_STATE;
    case SPOOL_REMOVAL: return SPOOL_ENTRY_DEAD;
    }
    return 0;
}

const struct spool_entry *
spool_entry_at(const struct spool *spool, struct message_id id, enum spool_kind kind, uint32_t segment, uint32_t offset)
{
    uint32_t number = spool_index_find(&spool->index, id);
    if (number == SPOOL_ENTRY_NONE)
        return NULL;
    const struct spool_entry *e = spool_index_entry(&spool->index, number);
    int which = kind == SPOOL_STATE ? 1 : 0;
    uint8_t flag = spool_kind_flag(kind);
    return (e->flags & flag) != 0 && e->segment[which] == segment && e->place[which].offset == offset ? e : NULL;
}

void
spool_entry_put_gone(struct spool *spool, uint32_t number)
{
    struct spool_entry *e = spool_index_entry(&spool->index, number);
    if (e->puts > 0)
        e->puts--;
    if (e->puts > 0 || (e->flags & (SPOOL_ENTRY_CONTENT | SPOOL_ENTRY_STATE)) != 0)
        return;
    /* No record is left that a removal would have to outlive. */
    if ((e->flags & SPOOL_ENTRY_DEAD) != 0)
        spool_live_subtract(spool, e->segment[0], e->place[0].length);
    spool_index_remove(&spool->index, number);
}
