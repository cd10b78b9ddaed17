/*
 * batch.c - changes that become durable together: gathered, placed, written, applied.
 *
 * I1: a batch starts on a block of its own and is written once, after the batch before it was ended. I3: what is added
 * in one call counts together or not at all, so does the batch. While records wait in a batch the index already knows
 * of them (spool_entry.puts, SPOOL_ENTRY_REMOVING), so that no later change and no compaction overlooks them. I6: room
 * is promised when a change is added, never looked for when the batch is placed.
 */
#include "base/assert.h"
#include "store/spool/internal.h"

#include <stdlib.h>

enum { BATCH_FIRST_BYTES = 16 * 1024, BATCH_RECORDS_MAX = 1 << SPOOL_VERSION_INDEX_BITS };

static struct spool_batch *
batch_new(struct spool *spool, uint8_t generation)
{
    struct spool_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return NULL;
    *batch = (struct spool_batch){.spool = spool, .generation = generation, .len = SPOOL_BATCH_HEADER_BYTES,
                                  .status = ERR_CANCELED};
    return batch;
}

struct spool_batch *
spool_batch_new(struct spool *spool)
{
    ASSERT(spool->gathering == NULL && !spool->options.is_read_only);
    struct spool_batch *batch = batch_new(spool, 0);
    spool->gathering = batch;
    return batch;
}

struct spool_batch *
spool_batch_new_copies(struct spool *spool, uint8_t generation, uint32_t source_segment)
{
    ASSERT(generation > 0 && generation < SPOOL_GENERATIONS);
    struct spool_batch *batch = batch_new(spool, generation);
    if (batch != NULL)
        batch->source_segment = source_segment;
    return batch;
}

bool
spool_batch_is_empty(const struct spool_batch *batch)
{
    return batch->count == 0;
}

uint64_t
spool_batch_bytes(const struct spool_batch *batch)
{
    return spool_round_up(batch->len, SPOOL_BLOCK_BYTES);
}

enum err
spool_batch_status(const struct spool_batch *batch)
{
    return batch->status;
}

/* --- gathering ---------------------------------------------------------------------------------------------------- */

/* Whether an empty segment could hold a batch of that size. */
static bool
fits_empty_segment(const struct spool *spool, uint64_t bytes, uint64_t count)
{
    uint64_t end = SPOOL_FIRST_BATCH + spool_round_up(bytes, SPOOL_BLOCK_BYTES);
    return end <= spool_table_offset(spool->segment_bytes, count);
}

/*
 * Whether the gathering batch, at `bytes` and `count` records, is sure to find its place; *ret_needs_ready when that
 * takes a ready segment. New mail leaves the reserved ones alone (I6).
 */
static enum err
find_room(const struct spool *spool, enum spool_use use, uint64_t bytes, uint64_t count, bool *ret_needs_ready)
{
    const struct spool_segment *active = spool->active[0];
    bool needs_ready = active == NULL || !spool_segment_has_room(spool, active, bytes, count);
    if (needs_ready && !spool->is_ready_promised) {
        bool is_compaction_safe = spool_has_roomy(spool) || spool->relief == SPOOL_RELIEF_RESERVE;
        uint32_t floor = is_compaction_safe ? 0 : SPOOL_READY_FOR_COMPACTION;
        if (use == SPOOL_USE_ACCEPT)
            floor += SPOOL_READY_FOR_RESULTS;
        if (spool->ready_count <= floor)
            return spool->is_disk_full ? ERR_FULL : ERR_AGAIN;
    }
    *ret_needs_ready = needs_ready;
    return ERR_OK;
}

enum err
spool_can_accept(const struct spool *spool, uint64_t bytes)
{
    if (spool_index_used_bytes(&spool->index) > spool->options.index_bytes_max)
        return ERR_LIMIT;
    uint64_t alone = SPOOL_BATCH_HEADER_BYTES + 2 * SPOOL_RECORD_HEADER_BYTES +
        spool_round_up(bytes, SPOOL_RECORD_ALIGN);
    if (bytes > spool->segment_bytes || !fits_empty_segment(spool, alone, 2))
        return ERR_LIMIT;
    bool needs_ready;
    return find_room(spool, SPOOL_USE_ACCEPT, alone, 2, &needs_ready);
}

static enum err
batch_reserve(struct spool_batch *batch, uint64_t len, uint32_t count)
{
    uint64_t wanted = spool_round_up(len, SPOOL_BLOCK_BYTES);
    if (wanted > batch->cap) {
        size_t cap = batch->cap == 0 ? BATCH_FIRST_BYTES : batch->cap * 2;
        while (cap < wanted)
            cap *= 2;
        uint8_t *memory = realloc(batch->memory, cap);
        if (memory == NULL)
            return ERR_LIMIT;
        batch->memory = memory;
        batch->cap = cap;
    }
    uint32_t table_cap = batch->table == NULL ? 0 : batch->table->cap;
    if (count > table_cap) {
        uint32_t cap = table_cap == 0 ? 4 : table_cap * 2;
        if (cap < count)
            cap = count;
        struct spool_table_block *table =
            realloc(batch->table, sizeof(*table) + (size_t)cap * SPOOL_TABLE_ENTRY_BYTES);
        if (table == NULL)
            return ERR_LIMIT;
        *table = (struct spool_table_block){.cap = cap};
        batch->table = table;
    }
    return ERR_OK;
}

/* Append a record; batch_reserve() has made room. Sequence, index, version and checksums come when it has a place. */
static uint8_t *
record_append(struct spool_batch *batch, const struct spool_record_header *header)
{
    static const struct spool_salt no_salt;
    uint8_t *record = batch->memory + batch->len;
    spool_record_header_encode(header, &no_salt, record);
    uint64_t size = spool_record_bytes(header->length);
    ASSERT(size <= batch->cap - batch->len);
    size_t used = SPOOL_RECORD_HEADER_BYTES + (size_t)header->length;
    memset(record + used, 0, size - used);
    batch->len += size;
    batch->count++;
    return record + SPOOL_RECORD_HEADER_BYTES;
}

static uint64_t
op_bytes(const struct spool_op *op)
{
    uint64_t length = 0;
    for (size_t i = 0; i < op->part_count; i++)
        length += op->parts[i].len;
    return length;
}

static enum err
put_content(struct spool *spool, enum spool_use use, struct message_id id)
{
    if (use == SPOOL_USE_ACCEPT && spool_index_used_bytes(&spool->index) > spool->options.index_bytes_max)
        return ERR_LIMIT;
    if (spool_index_find(&spool->index, id) != SPOOL_ENTRY_NONE)
        return ERR_EXISTS;
    uint32_t number;
    TRY(spool_index_insert(&spool->index, id, &number));
    spool_index_entry(&spool->index, number)->puts = 1;
    return ERR_OK;
}

/* The entry of a message that is there, or is to be after a batch under way. */
static enum err
find_changeable(const struct spool *spool, struct message_id id, struct spool_entry **ret)
{
    uint32_t number = spool_index_find(&spool->index, id);
    if (number == SPOOL_ENTRY_NONE)
        return ERR_NOT_FOUND;
    struct spool_entry *e = spool_index_entry(&spool->index, number);
    if ((e->flags & (SPOOL_ENTRY_DEAD | SPOOL_ENTRY_REMOVING)) != 0)
        return ERR_NOT_FOUND;
    *ret = e;
    return ERR_OK;
}

static enum err
op_add(struct spool_batch *batch, enum spool_use use, const struct spool_op *op)
{
    struct spool *spool = batch->spool;
    struct spool_record_header h = {.length = (uint32_t)op_bytes(op), .id = op->id};
    struct spool_entry *entry;
    switch (op->verb) {
    case SPOOL_PUT_CONTENT:
        TRY(put_content(spool, use, op->id));
        h.kind = SPOOL_CONTENT;
        if (op->body != NULL) {
            h.flags = SPOOL_RECORD_BODY_FILE;
            spool_body_describe(op->body, op->id, &h.body_bytes, &h.body_crc);
        }
        break;
    case SPOOL_PUT_STATE:
        TRY(find_changeable(spool, op->id, &entry));
        h.kind = SPOOL_STATE;
        entry->puts++;
        break;
    case SPOOL_REMOVE:
        TRY(find_changeable(spool, op->id, &entry));
        h.kind = SPOOL_REMOVAL;
        entry->flags |= SPOOL_ENTRY_REMOVING;
        break;
    }
    uint8_t *payload = record_append(batch, &h);
    for (size_t i = 0; i < op->part_count; i++) {
        if (op->parts[i].len > 0)
            memcpy(payload, op->parts[i].data, op->parts[i].len);
        payload += op->parts[i].len;
    }
    return ERR_OK;
}

/* What a record in a batch that comes to nothing had announced to the index. */
static void
record_undo(struct spool *spool, const struct spool_record_header *h)
{
    uint32_t number = spool_index_find(&spool->index, h->id);
    if (number == SPOOL_ENTRY_NONE)
        return;
    if (h->kind == SPOOL_REMOVAL)
        spool_index_entry(&spool->index, number)->flags &= (uint8_t)~SPOOL_ENTRY_REMOVING;
    else
        spool_entry_put_gone(spool, number);
}

/* Undo and forget the records from `len` on. */
static void
batch_cut(struct spool_batch *batch, size_t len, uint32_t count)
{
    for (size_t at = len; at < batch->len;) {
        struct spool_record_header h = spool_record_header_peek(batch->memory + at);
        if (batch->generation == 0 || h.kind != SPOOL_REMOVAL)
            record_undo(batch->spool, &h);
        at += spool_record_bytes(h.length);
    }
    batch->len = len;
    batch->count = count;
}

enum err
spool_batch_add(struct spool_batch *batch, enum spool_use use, const struct spool_op *ops, size_t count)
{
    struct spool *spool = batch->spool;
    ASSERT(batch == spool->gathering && count > 0);
    uint64_t added = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t length = op_bytes(&ops[i]);
        if (length > spool->segment_bytes)
            return ERR_LIMIT;
        added += spool_record_bytes((uint32_t)length);
    }
    if (!fits_empty_segment(spool, SPOOL_BATCH_HEADER_BYTES + added, count))
        return ERR_LIMIT;
    uint64_t len = batch->len + added, total = batch->count + count;
    if (batch->count > 0 && (len > spool->options.batch_bytes_max || total > BATCH_RECORDS_MAX ||
        !fits_empty_segment(spool, len, total)))
        return ERR_AGAIN;
    bool needs_ready;
    enum err room = find_room(spool, use, len, total, &needs_ready);
    if (room != ERR_OK) {
        if (use == SPOOL_USE_RESULT && spool->relief == SPOOL_RELIEF_NONE)
            spool->relief = SPOOL_RELIEF_WANTED;
        return room;
    }
    TRY(batch_reserve(batch, len, (uint32_t)total));
    size_t len_before = batch->len;
    uint32_t count_before = batch->count;
    for (size_t i = 0; i < count; i++) {
        enum err e = op_add(batch, use, &ops[i]);
        if (e != ERR_OK) {
            batch_cut(batch, len_before, count_before);
            return e;
        }
    }
    if (needs_ready)
        spool->is_ready_promised = batch->is_promised = true;
    return ERR_OK;
}

enum err
spool_batch_add_copy(struct spool_batch *batch, const struct spool_record_header *header, struct span payload)
{
    struct spool *spool = batch->spool;
    ASSERT(header->length == payload.len && header->version != 0);
    TRY(batch_reserve(batch, batch->len + spool_record_bytes(header->length), batch->count + 1));
    uint8_t *to = record_append(batch, header);
    if (payload.len > 0)
        memcpy(to, payload.data, payload.len);
    uint32_t number = spool_index_find(&spool->index, header->id);
    ASSERT(number != SPOOL_ENTRY_NONE);
    if (header->kind != SPOOL_REMOVAL)
        spool_index_entry(&spool->index, number)->puts++;
    return ERR_OK;
}

/* --- placing and writing ------------------------------------------------------------------------------------------ */

static void
batch_place_in(struct spool_batch *batch, struct spool_segment *segment)
{
    struct spool *spool = batch->spool;
    ASSERT(spool->placed[batch->generation] == NULL && batch->count > 0);
    batch->segment = segment;
    batch->file = segment->file;
    batch->salt = segment->salt;
    batch->offset = segment->used_bytes;
    batch->sequence = spool->next_sequence++;
    batch->previous = spool->previous[batch->generation];
    batch->is_placed = true;
    segment->used_bytes += (uint32_t)spool_batch_bytes(batch);
    segment->record_count += batch->count;
    spool->placed[batch->generation] = batch;
}

/* Let the next ready segment take the batches of a generation. NULL when there is none. */
static struct spool_segment *
segment_rotate(struct spool *spool, uint8_t generation)
{
    struct spool_segment *fresh = NULL;
    for (uint32_t i = 0; i < spool->segment_cap && fresh == NULL; i++)
        if (spool->segments[i] != NULL && spool->segments[i]->state == SPOOL_SEGMENT_READY &&
            !spool->segments[i]->is_busy)
            fresh = spool->segments[i];
    if (fresh == NULL)
        return NULL;
    spool_segment_end(spool, generation, true);
    if (generation == 0)
        spool->relief = SPOOL_RELIEF_NONE;
    fresh->state = SPOOL_SEGMENT_ACTIVE;
    fresh->generation = generation;
    fresh->used_bytes = SPOOL_FIRST_BATCH;
    spool->active[generation] = fresh;
    spool->ready_count--;
    return fresh;
}

void
spool_batch_place(struct spool_batch *batch)
{
    struct spool *spool = batch->spool;
    ASSERT(batch == spool->gathering);
    struct spool_segment *segment = spool->active[0];
    if (segment == NULL || !spool_segment_has_room(spool, segment, batch->len, batch->count)) {
        ASSERT(batch->is_promised);
        segment = segment_rotate(spool, 0);
        ASSERT(segment != NULL);
    }
    spool->gathering = NULL;
    spool->is_ready_promised = batch->is_promised = false;
    batch_place_in(batch, segment);
}

/* On a full disk: any older generation with room will do, so that no segment is begun for the sake of order. */
static bool
copies_go_elsewhere(struct spool_batch *batch, struct spool_segment **ret)
{
    struct spool *spool = batch->spool;
    for (uint8_t generation = 1; generation < SPOOL_GENERATIONS; generation++) {
        struct spool_segment *s = spool->active[generation];
        if (s == NULL || !spool_segment_has_room(spool, s, batch->len, batch->count))
            continue;
        batch->generation = generation;
        *ret = s;
        return true;
    }
    return false;
}

enum err
spool_batch_place_copies(struct spool_batch *batch)
{
    struct spool *spool = batch->spool;
    struct spool_segment *segment = spool->active[batch->generation];
    if (segment == NULL || !spool_segment_has_room(spool, segment, batch->len, batch->count)) {
        if (spool->is_disk_full && copies_go_elsewhere(batch, &segment)) {
            batch_place_in(batch, segment);
            return ERR_OK;
        }
        if (spool->ready_count <= (spool->is_ready_promised ? 1u : 0u))
            return ERR_AGAIN;
        segment = segment_rotate(spool, batch->generation);
        ASSERT(segment != NULL);
    }
    batch_place_in(batch, segment);
    return ERR_OK;
}

void
spool_batch_write(void *arg)
{
    struct spool_batch *batch = arg;
    uint32_t index = 0;
    for (size_t at = SPOOL_BATCH_HEADER_BYTES; at < batch->len; index++) {
        uint32_t length = spool_record_header_peek(batch->memory + at).length;
        spool_record_finish(batch->memory + at, &batch->salt, batch->sequence, index);
        at += spool_record_bytes(length);
    }
    struct spool_batch_header header = {.salt = batch->salt, .sequence = batch->sequence, .previous = batch->previous,
        .length = (uint32_t)batch->len, .count = batch->count, .generation = batch->generation};
    spool_batch_header_encode(&header, batch->memory);
    size_t padded = (size_t)spool_batch_bytes(batch);
    memset(batch->memory + batch->len, 0, padded - batch->len);
    enum err e = disk_pwrite(batch->file, batch->offset, span_of(batch->memory, padded));
    if (e == ERR_OK && spool_sync_data(batch->file) != ERR_OK)
        e = ERR_IO;
    batch->status = e == ERR_OK || e == ERR_FULL ? e : ERR_IO;
}

/* --- applying ----------------------------------------------------------------------------------------------------- */

static void
place_set(struct spool *spool, struct spool_entry *e, int which, uint32_t segment, uint32_t offset, uint32_t length)
{
    e->place[which] = (struct spool_place){.offset = offset, .length = length};
    e->segment[which] = (uint16_t)segment;
    spool_live_add(spool, segment, length);
}

static void
place_clear(struct spool *spool, const struct spool_entry *e, int which)
{
    spool_live_subtract(spool, e->segment[which], e->place[which].length);
}

static bool
is_live(const struct spool_entry *e)
{
    return (e->flags & (SPOOL_ENTRY_CONTENT | SPOOL_ENTRY_STATE)) != 0;
}

static void
apply_content(struct spool *spool, struct spool_entry *e, const struct spool_record_header *h, uint32_t segment,
              uint32_t offset)
{
    spool->live_messages += is_live(e) ? 0 : 1;
    place_set(spool, e, 0, segment, offset, h->length);
    e->flags |= SPOOL_ENTRY_CONTENT;
    if ((h->flags & SPOOL_RECORD_BODY_FILE) != 0)
        e->flags |= SPOOL_ENTRY_BODY;
}

static void
apply_state(struct spool *spool, struct spool_entry *e, const struct spool_record_header *h, uint32_t segment,
            uint32_t offset)
{
    spool->live_messages += is_live(e) ? 0 : 1;
    if ((e->flags & SPOOL_ENTRY_STATE) != 0)
        place_clear(spool, e, 1);
    place_set(spool, e, 1, segment, offset, h->length);
    e->flags |= SPOOL_ENTRY_STATE;
}

static void
apply_removal(struct spool *spool, struct spool_entry *e, const struct spool_record_header *h, uint32_t segment,
              uint32_t offset)
{
    spool->live_messages -= is_live(e) ? 1 : 0;
    if ((e->flags & SPOOL_ENTRY_CONTENT) != 0)
        place_clear(spool, e, 0);
    if ((e->flags & SPOOL_ENTRY_STATE) != 0)
        place_clear(spool, e, 1);
    if ((e->flags & SPOOL_ENTRY_BODY) != 0)
        spool_body_dead(spool, h->id);
    e->flags = SPOOL_ENTRY_DEAD;
    place_set(spool, e, 0, segment, offset, h->length);
}

/* A copy becomes the record of its key unless that has changed or gone meanwhile; it changed nothing then. */
static void
apply_copy(struct spool_batch *batch, const struct spool_record_header *h, uint32_t offset)
{
    struct spool *spool = batch->spool;
    uint32_t number = spool_index_find(&spool->index, h->id);
    if (number == SPOOL_ENTRY_NONE)
        return;
    struct spool_entry *e = spool_index_entry(&spool->index, number);
    int which = h->kind == SPOOL_STATE ? 1 : 0;
    if ((e->flags & spool_kind_flag(h->kind)) == 0 || e->segment[which] != batch->source_segment)
        return;
    place_clear(spool, e, which);
    place_set(spool, e, which, batch->segment->number, offset, h->length);
    spool->copied_bytes += spool_record_bytes(h->length);
}

static void
record_apply(struct spool_batch *batch, const struct spool_record_header *h, uint32_t offset)
{
    struct spool *spool = batch->spool;
    if (batch->generation > 0) {
        apply_copy(batch, h, offset);
        return;
    }
    uint32_t number = spool_index_find(&spool->index, h->id);
    ASSERT(number != SPOOL_ENTRY_NONE);
    struct spool_entry *e = spool_index_entry(&spool->index, number);
    uint32_t segment = batch->segment->number;
    spool->records++;
    switch (h->kind) {
    case SPOOL_CONTENT: apply_content(spool, e, h, segment, offset); break;
    case SPOOL_STATE: apply_state(spool, e, h, segment, offset); break;
    case SPOOL_REMOVAL: apply_removal(spool, e, h, segment, offset); break;
    }
}

static void
batch_apply(struct spool_batch *batch)
{
    struct spool_segment *segment = batch->segment;
    struct spool_table_block *table = batch->table;
    for (size_t at = SPOOL_BATCH_HEADER_BYTES; at < batch->len;) {
        struct spool_record_header h = spool_record_header_peek(batch->memory + at);
        uint32_t offset = batch->offset + (uint32_t)at;
        struct spool_table_entry entry = {.id = h.id, .kind = h.kind, .flags = h.flags, .offset = offset,
            .length = h.length, .version = h.version, .sequence = h.sequence};
        ASSERT(table->count < table->cap);
        spool_table_entry_encode(&entry, table->entries + (size_t)table->count++ * SPOOL_TABLE_ENTRY_BYTES);
        record_apply(batch, &h, offset);
        at += spool_record_bytes(h.length);
    }
    *segment->table_end = table;
    segment->table_end = &table->next;
    batch->table = NULL;
    if (segment->first_sequence == 0) {
        segment->first_sequence = batch->sequence;
        segment->first_previous = batch->previous;
    }
    segment->last_sequence = batch->sequence;
    segment->written_bytes += batch->len - SPOOL_BATCH_HEADER_BYTES;
    batch->spool->previous[batch->generation] = batch->sequence;
    batch->spool->batches++;
}

void
spool_batch_end(struct spool_batch *batch)
{
    if (batch == NULL)
        return;
    struct spool *spool = batch->spool;
    if (spool->gathering == batch) {
        spool->gathering = NULL;
        spool->is_ready_promised = false;
    }
    if (batch->is_placed) {
        spool->placed[batch->generation] = NULL;
        if (batch->status != ERR_OK) {
            /* Nothing of it was acknowledged: the next batch goes to the same place. */
            batch->segment->used_bytes = batch->offset;
            batch->segment->record_count -= batch->count;
        }
    }
    if (batch->is_placed && batch->status == ERR_OK)
        batch_apply(batch);
    else
        batch_cut(batch, SPOOL_BATCH_HEADER_BYTES, 0);
    free(batch->table);
    free(batch->memory);
    free(batch);
}
