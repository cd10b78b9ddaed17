/* segment.c - reading by window, block by block where the disk fails; writing whole blocks. */
#include "store/spool/segment.h"

#include "base/assert.h"

#include <stdlib.h>
#include <sys/uio.h>

enum { WINDOW_BYTES = 1024 * 1024, PREWRITE_PIECE = 256 * 1024 };

enum err
spool_sync_data(struct disk_file *file)
{
#ifdef SPOOL_NEGATIVE_NO_DATA_SYNC
    (void)file;
    return ERR_OK;
#else
    return disk_sync_data(file);
#endif
}

enum err
spool_sync_dir(struct disk_dir *dir)
{
#ifdef SPOOL_NEGATIVE_NO_DIR_SYNC
    (void)dir;
    return ERR_OK;
#else
    return disk_dir_sync(dir);
#endif
}

static enum err
file_read(void *arg, uint64_t offset, void *dst, size_t len, size_t *ret_n)
{
    return disk_pread(arg, offset, dst, len, ret_n);
}

struct spool_source
spool_source_file(struct disk_file *file, uint32_t segment_bytes)
{
    return (struct spool_source){.read = file_read, .arg = file, .segment_bytes = segment_bytes};
}

void
spool_damage_add(struct spool_damage_list *list, const struct spool_damage *damage)
{
    list->total++;
    if (list->count == SPOOL_DAMAGE_MAX)
        return;
    if (list->items == NULL)
        list->items = calloc(SPOOL_DAMAGE_MAX, sizeof(*list->items));
    if (list->items != NULL)
        list->items[list->count++] = *damage;
}

void
spool_segment_view_done(struct spool_segment_view *view)
{
    free(view->entries);
    free(view->damage.items);
    *view = (struct spool_segment_view){0};
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* A stretch of the segment in memory. */
struct window {
    const struct spool_source *source;
    uint8_t *memory; /* owned */
    size_t size;
    uint64_t start;
    size_t len;
    size_t ahead; /* read at least so much */
    bool has_read_errors;
};

static void
window_done(struct window *w)
{
    free(w->memory);
}

/* Read `len` bytes; what the disk does not give reads as zeros. */
static void
window_fill(struct window *w, uint64_t offset, size_t len)
{
    size_t n = 0;
    enum err e = w->source->read(w->source->arg, offset, w->memory, len, &n);
    if (e == ERR_OK) {
        memset(w->memory + n, 0, len - n);
        return;
    }
    w->has_read_errors = true;
    for (size_t at = 0; at < len; at += SPOOL_BLOCK_BYTES) {
        size_t piece = len - at < SPOOL_BLOCK_BYTES ? len - at : SPOOL_BLOCK_BYTES;
        n = 0;
        if (w->source->read(w->source->arg, offset + at, w->memory + at, piece, &n) != ERR_OK)
            n = 0;
        memset(w->memory + at + n, 0, piece - n);
    }
}

/* `len` bytes at `offset`, both within the segment; valid until the next call. NULL without memory. */
static const uint8_t *
window_get(struct window *w, uint64_t offset, size_t len)
{
    uint64_t end = w->source->segment_bytes;
    ASSERT(offset <= end && len <= end - offset);
    if (w->memory != NULL && offset >= w->start && offset - w->start <= w->len && len <= w->len - (offset - w->start))
        return w->memory + (offset - w->start);
    size_t wanted = len > w->ahead ? len : w->ahead;
    if (wanted > end - offset)
        wanted = (size_t)(end - offset);
    if (wanted > w->size) {
        uint8_t *memory = realloc(w->memory, wanted);
        if (memory == NULL)
            return NULL;
        w->memory = memory;
        w->size = wanted;
    }
    window_fill(w, offset, wanted);
    w->start = offset;
    w->len = wanted;
    return w->memory;
}

/* The first batch header of this life at a block from `from` on with a sequence above `above`. *ret_offset 0: none. */
static enum err
find_batch(struct window *w, const struct spool_salt *salt, uint64_t from, uint64_t above, uint64_t *ret_offset,
           struct spool_batch_header *ret)
{
    uint64_t end = w->source->segment_bytes - SPOOL_BLOCK_BYTES;
    *ret_offset = 0;
    for (uint64_t at = from; at < end; at += SPOOL_BLOCK_BYTES) {
        const uint8_t *bytes = window_get(w, at, SPOOL_BATCH_HEADER_BYTES);
        if (bytes == NULL)
            return ERR_LIMIT;
        struct spool_batch_header h;
        if (spool_batch_header_decode(span_of(bytes, SPOOL_BATCH_HEADER_BYTES), salt, end - at, &h) &&
            h.sequence > above) {
            *ret = h;
            *ret_offset = at;
            return ERR_OK;
        }
    }
    return ERR_OK;
}

static enum err
view_add(struct spool_segment_view *view, const struct spool_table_entry *entry)
{
    if (view->count == view->cap) {
        size_t cap = view->cap == 0 ? 64 : view->cap * 2;
        struct spool_table_entry *grown = realloc(view->entries, cap * sizeof(*grown));
        if (grown == NULL)
            return ERR_LIMIT;
        view->entries = grown;
        view->cap = cap;
    }
    view->entries[view->count++] = *entry;
    return ERR_OK;
}

static void
view_damage(struct spool_segment_view *view, uint64_t offset, uint64_t length)
{
    struct spool_damage damage = {.what = SPOOL_DAMAGE_EXTENT, .offset = offset, .length = length};
    spool_damage_add(&view->damage, &damage);
}

/* Take the records of a batch; what is damaged in it is noted and costs nothing else (I7). */
static enum err
view_add_batch(struct spool_segment_view *view, struct span batch, const struct spool_salt *salt, uint64_t offset,
               const struct spool_batch_header *header)
{
    struct spool_walk walk;
    struct spool_record r;
    spool_walk_init(&walk, batch, salt, header);
    while (spool_walk_next(&walk, &r)) {
        if (walk.damage_length > 0)
            view_damage(view, offset + walk.damage_offset, walk.damage_length);
        if (!r.is_whole) {
            struct spool_damage damage = {.what = SPOOL_DAMAGE_RECORD, .offset = offset + r.offset,
                .length = spool_record_bytes(r.header.length), .has_id = true, .id = r.header.id,
                .kind = r.header.kind};
            spool_damage_add(&view->damage, &damage);
        }
        struct spool_table_entry entry = {.id = r.header.id, .kind = r.header.kind, .flags = r.header.flags,
            .offset = (uint32_t)(offset + r.offset), .length = r.header.length, .version = r.header.version,
            .sequence = r.header.sequence};
        TRY(view_add(view, &entry));
    }
    if (walk.damage_length > 0)
        view_damage(view, offset + walk.damage_offset, walk.damage_length);
    if (view->first_sequence == 0) {
        view->first_sequence = header->sequence;
        view->first_previous = header->previous;
        view->generation = header->generation;
    }
    view->last_sequence = header->sequence;
    view->batches++;
    return ERR_OK;
}

static bool
is_acknowledged(const struct spool_sequences *acknowledged, uint64_t sequence)
{
    for (size_t i = 0; acknowledged != NULL && i < acknowledged->count; i++)
        if (acknowledged->items[i] == sequence)
            return true;
    return false;
}

/*
 * Whether an incomplete batch is the lost tail of the log: nothing follows it here, and no batch elsewhere names it as
 * its predecessor. Then it was never acknowledged and counts not at all (I2, I3).
 */
static enum err
is_lost_tail(struct window *w, const struct spool_salt *salt, uint64_t end, const struct spool_batch_header *header,
             const struct spool_sequences *acknowledged, bool *ret)
{
    uint64_t next;
    struct spool_batch_header following;
    TRY(find_batch(w, salt, end, header->sequence, &next, &following));
    *ret = next == 0 && !is_acknowledged(acknowledged, header->sequence);
    return ERR_OK;
}

static enum err
scan_batches(struct window *w, const struct spool_segment_header *segment, const struct spool_sequences *acknowledged,
             struct spool_segment_view *view)
{
    uint64_t at = SPOOL_FIRST_BATCH, found, last = segment->sequence_floor;
    struct spool_batch_header h;
    w->ahead = WINDOW_BYTES;
    for (;;) {
        TRY(find_batch(w, &segment->salt, at, last, &found, &h));
        if (found == 0)
            break;
        const uint8_t *bytes = window_get(w, found, h.length);
        if (bytes == NULL)
            return ERR_LIMIT;
        uint64_t end = spool_round_up(found + h.length, SPOOL_BLOCK_BYTES);
        if (!spool_batch_is_whole(span_of(bytes, h.length), &segment->salt, &h)) {
            bool is_lost;
            TRY(is_lost_tail(w, &segment->salt, end, &h, acknowledged, &is_lost));
            if (is_lost) {
                view->is_tail_dropped = true;
                view->last_sequence = h.sequence;
                break;
            }
            bytes = window_get(w, found, h.length);
            if (bytes == NULL)
                return ERR_LIMIT;
        }
        if (found > at)
            view_damage(view, at, found - at);
        TRY(view_add_batch(view, span_of(bytes, h.length), &segment->salt, found, &h));
        at = end;
        last = h.sequence;
    }
    view->used_bytes = (uint32_t)at;
    return ERR_OK;
}

enum err
spool_segment_scan(const struct spool_source *source, const struct spool_segment_header *header,
                   const struct spool_sequences *acknowledged, struct spool_segment_view *ret_view)
{
    struct window w = {.source = source, .ahead = SPOOL_BLOCK_BYTES};
    *ret_view = (struct spool_segment_view){0};
    enum err e = scan_batches(&w, header, acknowledged, ret_view);
    ret_view->has_read_errors = w.has_read_errors;
    window_done(&w);
    return e;
}

/* The table, when it agrees with its checksum: *ret_found. */
static enum err
read_table(struct window *w, const struct spool_segment_header *segment, struct spool_segment_view *view,
           bool *ret_found)
{
    uint32_t size = w->source->segment_bytes;
    struct spool_trailer t;
    const uint8_t *bytes = window_get(w, size - SPOOL_BLOCK_BYTES, SPOOL_TRAILER_BYTES);
    if (bytes == NULL)
        return ERR_LIMIT;
    if (!spool_trailer_decode(span_of(bytes, SPOOL_TRAILER_BYTES), &segment->salt, size, &t) ||
        t.number != segment->number)
        return ERR_OK;
    size_t length = (size_t)t.table_count * SPOOL_TABLE_ENTRY_BYTES;
    bytes = window_get(w, t.table_offset, length);
    if (bytes == NULL)
        return ERR_LIMIT;
    if (!spool_crc_is_equal(t.table_crc, spool_crc(&segment->salt, span_of(bytes, length))))
        return ERR_OK;
    for (uint32_t i = 0; i < t.table_count; i++) {
        struct spool_table_entry entry;
        if (!spool_table_entry_decode(span_of(bytes + (size_t)i * SPOOL_TABLE_ENTRY_BYTES, SPOOL_TABLE_ENTRY_BYTES),
                                      t.used_bytes, &entry))
            return ERR_OK;
        TRY(view_add(view, &entry));
    }
    view->generation = t.generation;
    view->first_sequence = t.first_sequence;
    view->last_sequence = t.last_sequence;
    view->first_previous = t.first_previous;
    view->used_bytes = t.used_bytes;
    view->is_by_table = true;
    *ret_found = true;
    return ERR_OK;
}

enum err
spool_segment_read(const struct spool_source *source, const struct spool_segment_header *header,
                   const struct spool_sequences *acknowledged, struct spool_segment_view *ret_view)
{
    struct window w = {.source = source, .ahead = SPOOL_BLOCK_BYTES};
    *ret_view = (struct spool_segment_view){0};
    bool is_found = false;
    enum err e = read_table(&w, header, ret_view, &is_found);
    if (e == ERR_OK && !is_found) {
        ret_view->count = 0;
        e = scan_batches(&w, header, acknowledged, ret_view);
    }
    ret_view->has_read_errors = w.has_read_errors;
    window_done(&w);
    return e;
}

bool
spool_segment_is_sealed(const struct spool_source *source, const struct spool_segment_header *header)
{
    uint8_t bytes[SPOOL_TRAILER_BYTES];
    size_t n = 0;
    struct spool_trailer t;
    if (source->read(source->arg, source->segment_bytes - SPOOL_BLOCK_BYTES, bytes, sizeof(bytes), &n) != ERR_OK)
        return false;
    return spool_trailer_decode(span_of(bytes, n), &header->salt, source->segment_bytes, &t);
}

uint64_t
spool_segment_first_previous(const struct spool_source *source, const struct spool_segment_header *header)
{
    uint8_t bytes[SPOOL_BATCH_HEADER_BYTES];
    size_t n = 0;
    struct spool_batch_header h;
    uint64_t room = source->segment_bytes - SPOOL_BLOCK_BYTES - SPOOL_FIRST_BATCH;
    if (source->read(source->arg, SPOOL_FIRST_BATCH, bytes, sizeof(bytes), &n) != ERR_OK || n < sizeof(bytes))
        return 0;
    return spool_batch_header_decode(span_of(bytes, sizeof(bytes)), &header->salt, room, &h) ? h.previous : 0;
}

/* Whether any block begins with a batch header that agrees with itself, of whatever life. */
static enum err
has_any_batch(struct window *w, bool *ret)
{
    uint64_t end = w->source->segment_bytes - SPOOL_BLOCK_BYTES;
    *ret = false;
    for (uint64_t at = SPOOL_FIRST_BATCH; at < end && !*ret; at += SPOOL_BLOCK_BYTES) {
        const uint8_t *bytes = window_get(w, at, SPOOL_BATCH_HEADER_BYTES);
        if (bytes == NULL)
            return ERR_LIMIT;
        struct spool_salt own;
        struct spool_batch_header h;
        memcpy(own.bytes, bytes + 8, SPOOL_SALT_BYTES);
        *ret = spool_batch_header_decode(span_of(bytes, SPOOL_BATCH_HEADER_BYTES), &own, end - at, &h);
    }
    return ERR_OK;
}

static bool
header_fits(struct span bytes, uint32_t number, uint32_t segment_bytes, struct spool_segment_header *ret)
{
    struct spool_segment_header h;
    if (!spool_segment_header_decode(bytes, &h) || h.number != number || h.segment_bytes != segment_bytes)
        return false;
    *ret = h;
    return true;
}

static enum err
start_read(struct window *w, uint32_t number, struct spool_segment_header *ret_header, enum spool_segment_start *ret)
{
    uint32_t size = w->source->segment_bytes;
    const uint8_t *bytes = window_get(w, 0, SPOOL_SEGMENT_HEADER_BYTES);
    if (bytes == NULL)
        return ERR_LIMIT;
    *ret = SPOOL_START_VALID;
    if (header_fits(span_of(bytes, SPOOL_SEGMENT_HEADER_BYTES), number, size, ret_header))
        return ERR_OK;
    bytes = window_get(w, size - SPOOL_BLOCK_BYTES, SPOOL_BLOCK_BYTES);
    if (bytes == NULL)
        return ERR_LIMIT;
    struct spool_trailer t;
    if (header_fits(span_of(bytes + SPOOL_HEADER_COPY, SPOOL_SEGMENT_HEADER_BYTES), number, size, ret_header))
        return ERR_OK;
    if (spool_trailer_decode_any(span_of(bytes, SPOOL_TRAILER_BYTES), size, &t) && t.number == number) {
        *ret_header = (struct spool_segment_header){.number = number, .segment_bytes = size, .salt = t.salt};
        return ERR_OK;
    }
    bool has_batch;
    w->ahead = WINDOW_BYTES;
    TRY(has_any_batch(w, &has_batch));
    *ret = has_batch || w->has_read_errors ? SPOOL_START_DAMAGED : SPOOL_START_EMPTY;
    return ERR_OK;
}

enum err
spool_segment_start(const struct spool_source *source, uint32_t number, struct spool_segment_header *ret_header,
                    enum spool_segment_start *ret)
{
    struct window w = {.source = source, .ahead = SPOOL_BLOCK_BYTES};
    enum err e = start_read(&w, number, ret_header, ret);
    window_done(&w);
    return e;
}

enum err
spool_record_read(const struct spool_source *source, const struct spool_salt *salt, uint32_t offset, uint32_t length,
                  void **ret_memory, struct spool_record_header *ret_header, struct span *ret_payload)
{
    size_t size = SPOOL_RECORD_HEADER_BYTES + (size_t)length, n = 0;
    uint8_t *memory = malloc(size);
    if (memory == NULL)
        return ERR_LIMIT;
    enum err e = source->read(source->arg, offset, memory, size, &n);
    if (e != ERR_OK) {
        free(memory);
        return e;
    }
    memset(memory + n, 0, size - n);
    struct span payload = span_of(memory + SPOOL_RECORD_HEADER_BYTES, length);
    struct spool_record_header h = {0};
    bool is_whole = spool_record_header_decode(span_of(memory, size), salt, spool_record_bytes(length), &h) &&
                    h.length == length && spool_crc_is_equal(h.payload_crc, spool_crc(salt, payload));
    *ret_memory = memory;
    *ret_payload = payload;
    *ret_header = h;
    return is_whole && (h.flags & SPOOL_RECORD_DAMAGED) == 0 ? ERR_OK : ERR_DAMAGED;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* A write that fails for want of room may be tried again later; any other failure is final (I5). */
static enum err
write_result(enum err e)
{
    return e == ERR_OK || e == ERR_FULL ? e : ERR_IO;
}

static enum err
sync_result(enum err e)
{
    return e == ERR_OK ? ERR_OK : ERR_IO;
}

enum err
spool_segment_begin(struct disk_file *file, const struct spool_segment_header *header)
{
    uint8_t first[SPOOL_BLOCK_BYTES] = {0}, last[SPOOL_BLOCK_BYTES] = {0};
    spool_segment_header_encode(header, first);
    spool_segment_header_encode(header, last + SPOOL_HEADER_COPY);
    TRY(write_result(disk_pwrite(file, 0, span_of(first, sizeof(first)))));
    TRY(write_result(disk_pwrite(file, header->segment_bytes - SPOOL_BLOCK_BYTES, span_of(last, sizeof(last)))));
    return sync_result(spool_sync_data(file));
}

enum err
spool_segment_prewrite(struct disk_file *file, uint32_t segment_bytes, uint32_t from, uint32_t bytes)
{
    uint8_t *zeros = calloc(1, PREWRITE_PIECE);
    if (zeros == NULL)
        return ERR_LIMIT;
    uint32_t left = bytes < segment_bytes - from ? bytes : segment_bytes - from;
    enum err e = ERR_OK;
    for (uint32_t at = from; left > 0 && e == ERR_OK;) {
        uint32_t piece = left < PREWRITE_PIECE ? left : PREWRITE_PIECE;
        e = write_result(disk_pwrite(file, at, span_of(zeros, piece)));
        at += piece;
        left -= piece;
    }
    free(zeros);
    return e;
}

enum err
spool_segment_seal(struct disk_file *file, uint32_t segment_bytes, const struct spool_trailer *trailer,
                   struct span table)
{
    ASSERT(table.len == (size_t)trailer->table_count * SPOOL_TABLE_ENTRY_BYTES);
    uint8_t sector[512] = {0};
    spool_trailer_encode(trailer, sector);
    if (table.len > 0)
        TRY(write_result(disk_pwrite(file, trailer->table_offset, table)));
    TRY(write_result(disk_pwrite(file, segment_bytes - SPOOL_BLOCK_BYTES, span_of(sector, sizeof(sector)))));
    return sync_result(spool_sync_data(file));
}
