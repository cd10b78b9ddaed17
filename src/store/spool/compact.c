/*
 * compact.c - copying what is still live out of a segment that is old or mostly dead (I4).
 *
 * The segment's table says what was in it, the index what of that is live. Live records are read, checked and written
 * again as batches of an older generation; a copy keeps the version of its record, so it never outdates a newer one.
 * States and removals go first and together: a start that reads all states finds them side by side. What is found
 * damaged is copied as it is and marked (I7). The segment itself is released afterwards, as any segment in which
 * nothing is live.
 */
#include "base/assert.h"
#include "store/spool/internal.h"

#include <stdlib.h>

enum { CHUNK_BYTES = 1024 * 1024, CHUNK_RECORDS = 512 };

static const int64_t COMPACT_RETRY_NS = INT64_C(1000000000);

enum phase { PHASE_TABLE, PHASE_FILTER, PHASE_READ, PHASE_WRITE };

/* A record on its way. */
struct copied {
    struct spool_record_header header;
    struct span payload;
    void *memory; /* owned */
    uint32_t offset;
};

struct spool_compaction {
    struct spool *spool;
    struct spool_segment *segment;
    enum phase phase;
    enum err status;                /* of the last job */
    struct spool_segment_view view; /* first all entries, then those that were live, states first */
    size_t at;
    size_t live_count;
    struct copied chunk[CHUNK_RECORDS];
    size_t chunk_count;
    bool is_unreadable;             /* the disk refused a record */
    struct spool_batch *batch;      /* owned */
};

/* The most bytes of records in one batch of copies: it fills its blocks. */
static uint64_t
chunk_bytes(const struct spool *spool)
{
    uint64_t most = spool->segment_bytes / 16;
    if (most < 4 * SPOOL_BLOCK_BYTES)
        most = 4 * SPOOL_BLOCK_BYTES;
    return (most < CHUNK_BYTES ? most : CHUNK_BYTES) - SPOOL_BATCH_HEADER_BYTES;
}

bool
spool_compaction_fits(const struct spool *spool, const struct spool_segment *segment)
{
    if (spool->ready_count > (spool->is_ready_promised ? 1u : 0u))
        return true;
    uint64_t full_batches = segment->live_bytes / chunk_bytes(spool);
    uint64_t bytes = segment->live_bytes + full_batches * SPOOL_BLOCK_BYTES + SPOOL_BATCH_HEADER_BYTES;
    uint64_t records = segment->live_bytes / SPOOL_RECORD_HEADER_BYTES;
    if (records > segment->record_count)
        records = segment->record_count;
    for (uint8_t generation = 1; generation < SPOOL_GENERATIONS; generation++) {
        const struct spool_segment *s = spool->active[generation];
        if (s != NULL && spool_segment_has_room(spool, s, bytes, records))
            return true;
    }
    return false;
}

struct spool_compaction *
spool_compaction_new(struct spool *spool, struct spool_segment *segment)
{
    struct spool_compaction *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->spool = spool;
    c->segment = segment;
    c->status = ERR_CANCELED;
    return c;
}

static void
chunk_clear(struct spool_compaction *c)
{
    for (size_t i = 0; i < c->chunk_count; i++)
        free(c->chunk[i].memory);
    c->chunk_count = 0;
}

void
spool_compaction_free(struct spool_compaction *c)
{
    if (c == NULL)
        return;
    spool_batch_end(c->batch);
    chunk_clear(c);
    spool_segment_view_done(&c->view);
    free(c);
}

/* Whether the record at `offset` of this segment is the newest of its key, and not about to be removed. */
static bool
record_is_live(const struct spool_compaction *c, struct message_id id, enum spool_kind kind, uint32_t offset)
{
    const struct spool_entry *e = spool_entry_at(c->spool, id, kind, c->segment->number, offset);
    return e != NULL && (e->flags & SPOOL_ENTRY_REMOVING) == 0;
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

static enum err
run_table(struct spool_compaction *c)
{
    struct spool_source source = spool_source_file(c->segment->file, c->spool->segment_bytes);
    struct spool_segment_header header = {.number = c->segment->number, .segment_bytes = c->spool->segment_bytes,
                                          .salt = c->segment->salt};
    return spool_segment_read(&source, &header, NULL, &c->view);
}

static int
order_for_copying(const void *left, const void *right)
{
    const struct spool_table_entry *a = left, *b = right;
    bool a_is_content = a->kind == SPOOL_CONTENT, b_is_content = b->kind == SPOOL_CONTENT;
    if (a_is_content != b_is_content)
        return a_is_content ? 1 : -1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* What is left of a record whose bytes are not what was written: its place in the table, and the bytes as found. */
static void
mark_damaged(struct copied *r, const struct spool_table_entry *entry, struct span payload)
{
    bool has_header = message_id_equal(r->header.id, entry->id) && r->header.version == entry->version &&
                      r->header.length == entry->length;
    if (!has_header)
        r->header = (struct spool_record_header){.length = entry->length, .version = entry->version, .id = entry->id,
                                                 .kind = entry->kind, .flags = entry->flags};
    r->header.flags |= SPOOL_RECORD_DAMAGED;
    r->payload = payload;
}

static enum err
run_read(struct spool_compaction *c)
{
    struct spool_source source = spool_source_file(c->segment->file, c->spool->segment_bytes);
    uint64_t bytes = 0, most = chunk_bytes(c->spool);
    if (c->at == 0 && c->live_count > 1)
        qsort(c->view.entries, c->live_count, sizeof(*c->view.entries), order_for_copying);
    for (; c->at < c->live_count && c->chunk_count < CHUNK_RECORDS; c->at++) {
        const struct spool_table_entry *entry = &c->view.entries[c->at];
        uint64_t size = spool_record_bytes(entry->length);
        if (c->chunk_count > 0 && bytes + size > most)
            break;
        struct copied r = {.offset = entry->offset};
        enum err e = spool_record_read(&source, &c->segment->salt, entry->offset, entry->length, &r.memory, &r.header,
                                       &r.payload);
        if (e == ERR_LIMIT)
            return e;
        if (e == ERR_DAMAGED) {
            mark_damaged(&r, entry, r.payload);
        } else if (e != ERR_OK) {
            c->is_unreadable = true;
            continue;
        }
        c->chunk[c->chunk_count++] = r;
        bytes += size;
    }
    return ERR_OK;
}

void
spool_compaction_run(struct spool_compaction *c)
{
    switch (c->phase) {
    case PHASE_TABLE: c->status = run_table(c); break;
    case PHASE_READ: c->status = run_read(c); break;
    case PHASE_WRITE: spool_batch_write(c->batch); break;
    case PHASE_FILTER: break;
    }
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

/* Keep the entries that are live, a slice at a time. */
static enum spool_step
step_filter(struct spool_compaction *c)
{
    for (size_t n = 0; n < SPOOL_WORK_SLICE && c->at < c->view.count; n++, c->at++) {
        const struct spool_table_entry *t = &c->view.entries[c->at];
        if (record_is_live(c, t->id, t->kind, t->offset))
            c->view.entries[c->live_count++] = *t;
    }
    if (c->at < c->view.count)
        return SPOOL_STEP_YIELD;
    c->phase = PHASE_READ;
    c->at = 0;
    return SPOOL_STEP_JOB;
}

/* Done: what was live is live elsewhere. A rest is about to be removed, or the disk does not give it. */
static enum spool_step
finish(struct spool_compaction *c)
{
    if (c->is_unreadable)
        c->segment->is_kept = true;
    else if (c->segment->live_bytes > 0)
        c->spool->compact_after_ns = c->spool->now_ns + COMPACT_RETRY_NS;
    return SPOOL_STEP_DONE;
}

/* Make a batch of what was read and is still live. */
static enum err
step_read(struct spool_compaction *c, enum spool_step *ret_step)
{
    uint8_t generation = c->segment->generation;
    if (generation + 1 < SPOOL_GENERATIONS)
        generation++;
    c->batch = spool_batch_new_copies(c->spool, generation, c->segment->number);
    if (c->batch == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < c->chunk_count; i++) {
        const struct copied *r = &c->chunk[i];
        if (record_is_live(c, r->header.id, r->header.kind, r->offset))
            TRY(spool_batch_add_copy(c->batch, &r->header, r->payload));
    }
    chunk_clear(c);
    if (!spool_batch_is_empty(c->batch)) {
        TRY(spool_batch_place_copies(c->batch));
        c->phase = PHASE_WRITE;
        *ret_step = SPOOL_STEP_JOB;
        return ERR_OK;
    }
    spool_batch_end(c->batch);
    c->batch = NULL;
    *ret_step = c->at < c->live_count ? SPOOL_STEP_JOB : finish(c);
    return ERR_OK;
}

static enum err
compaction_step(struct spool_compaction *c, enum spool_step *ret_step)
{
    switch (c->phase) {
    case PHASE_TABLE:
        TRY(c->status);
        c->phase = PHASE_FILTER;
        FALLTHROUGH;
    case PHASE_FILTER:
        *ret_step = step_filter(c);
        return ERR_OK;
    case PHASE_READ:
        TRY(c->status);
        return step_read(c, ret_step);
    case PHASE_WRITE:
        TRY(spool_batch_status(c->batch));
        spool_batch_end(c->batch);
        c->batch = NULL;
        c->phase = PHASE_READ;
        *ret_step = c->at < c->live_count ? SPOOL_STEP_JOB : finish(c);
        return ERR_OK;
    }
    return ERR_OK;
}

enum err
spool_compaction_step(struct spool_compaction *c, enum spool_step *ret_step)
{
    enum err e = compaction_step(c, ret_step);
    c->status = ERR_CANCELED; /* until the next job has run */
    if (e != ERR_OK)
        c->spool->compact_after_ns = c->spool->now_ns + COMPACT_RETRY_NS;
    return e;
}
