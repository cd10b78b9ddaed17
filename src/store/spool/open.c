/*
 * open.c - recovery: from whatever a crash left to an index of what was acknowledged.
 *
 * Read past the page cache, after what is not sealed was synced once (I5): what counts is on the disk. Order does not
 * matter: every record says its version, the newest of a key is live, and a removal newer than all records of its id
 * ends it (I4). Incomplete last batches are dropped (I2), unsealed segments sealed, segments without batches put up for
 * a new life under a new salt: a lost batch may have left bytes in them. Damage is listed and kept: unreadable
 * stretches are copied below damaged/ before their segment is sealed, and while anything lies there no body file is
 * taken for an orphan (I7).
 */
#include "base/assert.h"
#include "store/spool/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* What of an id was found, while not everything is read. */
struct found {
    uint64_t version[3];  /* of its newest content, state and removal; 0: none */
    uint64_t sequence[3]; /* of the batches they are in: of two copies the later one */
    struct spool_place removal;
    uint32_t removal_segment;
};

struct recovery {
    struct spool *spool;
    struct spool_report *report;
    struct found *found; /* owned; by entry number */
    size_t found_cap;
    uint64_t *previous;  /* owned; sequences that batches name as their predecessors */
    size_t previous_count;
    size_t previous_cap;
    struct disk_dir *bodies;  /* owned */
    struct disk_dir *damaged; /* owned; NULL read only */
    bool has_damaged_files;
    enum err status;     /* of a callback */
};

static void
report_damage(struct spool_report *report, const struct spool_damage *damage)
{
    report->damage_total++;
    if (report->damage_count < SPOOL_DAMAGE_MAX)
        report->damage[report->damage_count++] = *damage;
}

/* --- superblock --------------------------------------------------------------------------------------------------- */

static enum err
make_dir(struct disk_dir *dir, const char *name)
{
    enum err e = disk_mkdir(dir, name);
    return e == ERR_EXISTS ? ERR_OK : e;
}

static bool
note_segment(void *arg, const char *name)
{
    if (span_has_prefix(span_from_cstr(name), SPAN("seg-")))
        *(bool *)arg = true;
    return true;
}

/* A spool where there is none. Segments without a superblock are not "none". */
static enum err
spool_create(struct spool *spool)
{
    bool has_segments = false;
    TRY(disk_dir_list(spool->dir, note_segment, &has_segments));
    if (has_segments)
        return ERR_DAMAGED;
    TRY(disk_set_nocow(spool->dir));
    TRY(make_dir(spool->dir, SPOOL_BODY_DIR));
    TRY(make_dir(spool->dir, SPOOL_DAMAGED_DIR));
    /* The superblock says that the rest is there. */
    TRY(spool_sync_dir(spool->dir));
    uint8_t bytes[SPOOL_SUPERBLOCK_BYTES];
    struct spool_superblock block = {.version = SPOOL_FORMAT_VERSION, .segment_bytes = spool->options.segment_bytes};
    spool_superblock_encode(&block, bytes);
    struct disk_file *file;
    TRY(disk_open(spool->dir, SPOOL_SUPERBLOCK_NAME ".new", DISK_READ | DISK_WRITE | DISK_CREATE, &file));
    enum err e = disk_pwrite(file, 0, span_of(bytes, sizeof(bytes)));
    if (e == ERR_OK)
        e = spool_sync_data(file);
    disk_close(file);
    TRY(e);
    TRY(disk_rename(spool->dir, SPOOL_SUPERBLOCK_NAME ".new", spool->dir, SPOOL_SUPERBLOCK_NAME));
    TRY(spool_sync_dir(spool->dir));
    spool->segment_bytes = block.segment_bytes;
    return ERR_OK;
}

static enum err
superblock_read(struct spool *spool, struct spool_report *report)
{
    struct disk_file *file;
    enum err e = disk_open(spool->dir, SPOOL_SUPERBLOCK_NAME, DISK_READ | DISK_NO_CACHE, &file);
    report->format_version = SPOOL_FORMAT_VERSION;
    if (e == ERR_NOT_FOUND && !spool->options.is_read_only) {
        report->is_created = true;
        return spool_create(spool);
    }
    TRY(e);
    uint8_t bytes[SPOOL_SUPERBLOCK_BYTES];
    size_t n = 0;
    struct spool_superblock block;
    e = disk_pread(file, 0, bytes, sizeof(bytes), &n);
    disk_close(file);
    TRY(e);
    if (!spool_superblock_decode(span_of(bytes, n), &block))
        return ERR_DAMAGED;
    report->format_version = block.version;
    if (block.version != SPOOL_FORMAT_VERSION)
        return ERR_PROTOCOL;
    spool->segment_bytes = block.segment_bytes;
    return ERR_OK;
}

/* --- records into the index --------------------------------------------------------------------------------------- */

static enum err
found_of(struct recovery *r, struct message_id id, uint32_t *ret_number, struct found **ret)
{
    uint32_t number = spool_index_find(&r->spool->index, id);
    if (number == SPOOL_ENTRY_NONE)
        TRY(spool_index_insert(&r->spool->index, id, &number));
    if (number >= r->found_cap) {
        size_t cap = r->found_cap == 0 ? 1024 : r->found_cap * 2;
        while (cap <= number)
            cap *= 2;
        struct found *grown = realloc(r->found, cap * sizeof(*grown));
        if (grown == NULL)
            return ERR_LIMIT;
        memset(grown + r->found_cap, 0, (cap - r->found_cap) * sizeof(*grown));
        r->found = grown;
        r->found_cap = cap;
    }
    *ret_number = number;
    *ret = &r->found[number];
    return ERR_OK;
}

/* Take a record if it is the newest of its key, or the latest copy of that. */
static enum err
record_take(struct recovery *r, uint32_t segment, const struct spool_table_entry *t)
{
    uint32_t number;
    struct found *f;
    TRY(found_of(r, t->id, &number, &f));
    struct spool_entry *e = spool_index_entry(&r->spool->index, number);
    int kind = t->kind == SPOOL_CONTENT ? 0 : t->kind == SPOOL_STATE ? 1 : 2;
    r->report->records++;
    if (kind != 2)
        e->puts++;
    if (t->version < f->version[kind] || (t->version == f->version[kind] && t->sequence <= f->sequence[kind]))
        return ERR_OK;
    f->version[kind] = t->version;
    f->sequence[kind] = t->sequence;
    struct spool_place place = {.offset = t->offset, .length = t->length};
    if (kind == 2) {
        f->removal = place;
        f->removal_segment = segment;
        return ERR_OK;
    }
    e->place[kind] = place;
    e->segment[kind] = (uint16_t)segment;
    e->flags |= kind == 0 ? SPOOL_ENTRY_CONTENT : SPOOL_ENTRY_STATE;
    if (kind == 0 && (t->flags & SPOOL_RECORD_BODY_FILE) != 0)
        e->flags |= SPOOL_ENTRY_BODY;
    return ERR_OK;
}

/* Everything was read: decide what is live. */
static void
entries_resolve(struct recovery *r)
{
    struct spool *spool = r->spool;
    for (uint32_t number = 0; number < spool->index.entry_end; number++) {
        struct spool_entry *e = spool_index_entry(&spool->index, number);
        const struct found *f = &r->found[number];
        uint64_t newest = f->version[0] > f->version[1] ? f->version[0] : f->version[1];
        if (f->version[2] > newest) {
            if (e->puts == 0) {
                spool_index_remove(&spool->index, number);
                continue;
            }
            e->flags = SPOOL_ENTRY_DEAD;
            e->place[0] = f->removal;
            e->segment[0] = (uint16_t)f->removal_segment;
            spool_live_add(spool, e->segment[0], e->place[0].length);
            continue;
        }
        spool->live_messages++;
        for (int which = 0; which < 2; which++)
            if ((e->flags & (which == 0 ? SPOOL_ENTRY_CONTENT : SPOOL_ENTRY_STATE)) != 0)
                spool_live_add(spool, e->segment[which], e->place[which].length);
        if ((e->flags & SPOOL_ENTRY_CONTENT) == 0 || (e->flags & SPOOL_ENTRY_STATE) == 0) {
            int which = (e->flags & SPOOL_ENTRY_CONTENT) != 0 ? 0 : 1;
            struct spool_damage damage = {.what = SPOOL_DAMAGE_HALF, .segment = e->segment[which],
                .offset = e->place[which].offset, .length = spool_record_bytes(e->place[which].length), .has_id = true,
                .id = spool_entry_id(e), .kind = which == 0 ? SPOOL_CONTENT : SPOOL_STATE};
            report_damage(r->report, &damage);
        }
    }
}

/* --- segments ----------------------------------------------------------------------------------------------------- */

static enum err
previous_note(struct recovery *r, uint64_t sequence)
{
    if (sequence == 0)
        return ERR_OK;
    if (r->previous_count == r->previous_cap) {
        size_t cap = r->previous_cap == 0 ? 64 : r->previous_cap * 2;
        uint64_t *grown = realloc(r->previous, cap * sizeof(*grown));
        if (grown == NULL)
            return ERR_LIMIT;
        r->previous = grown;
        r->previous_cap = cap;
    }
    r->previous[r->previous_count++] = sequence;
    return ERR_OK;
}

/* "seg-NNNN", and only in that spelling. */
static bool
segment_number(const char *name, uint32_t *ret)
{
    struct span text = span_from_cstr(name);
    uint64_t number;
    char again[SPOOL_NAME_BYTES];
    if (!span_has_prefix(text, SPAN("seg-")) || !span_to_u64(span_skip(text, 4), SPOOL_SEGMENTS_MAX - 1, &number))
        return false;
    spool_segment_name((uint32_t)number, again);
    if (!span_equal(text, span_from_cstr(again)))
        return false;
    *ret = (uint32_t)number;
    return true;
}

static bool
segment_list(void *arg, const char *name)
{
    struct recovery *r = arg;
    uint32_t number;
    if (segment_number(name, &number) && spool_segment_add(r->spool, number) == NULL)
        r->status = ERR_LIMIT;
    return r->status == ERR_OK;
}

/* Note a segment that recovery does not understand; nobody writes it again. */
static void
set_aside(struct recovery *r, struct spool_segment *segment)
{
    struct spool_damage damage = {.what = SPOOL_DAMAGE_SEGMENT, .segment = segment->number,
        .length = r->spool->segment_bytes};
    report_damage(r->report, &damage);
    segment->state = SPOOL_SEGMENT_SET_ASIDE;
    disk_close(segment->file);
    segment->file = NULL;
    r->has_damaged_files = true;
}

static struct spool_segment_header
header_of(const struct spool *spool, const struct spool_segment *segment)
{
    return (struct spool_segment_header){.number = segment->number, .segment_bytes = spool->segment_bytes,
                                         .salt = segment->salt, .sequence_floor = segment->last_sequence};
}

/* Whether the segment is as long as it was made; a shorter one was not finished. */
static enum err
is_full_length(const struct spool *spool, struct disk_file *file, bool *ret)
{
    struct disk_stat stat;
    TRY(disk_stat_file(file, &stat));
    *ret = stat.size_bytes >= spool->segment_bytes;
    return ERR_OK;
}

/* Open a segment and learn which life it is in. */
static enum err
segment_begin(struct recovery *r, struct spool_segment *segment)
{
    struct spool *spool = r->spool;
    char name[SPOOL_NAME_BYTES];
    spool_segment_name(segment->number, name);
    unsigned flags = DISK_READ | (spool->options.is_read_only ? DISK_NO_CACHE : DISK_WRITE);
    TRY(disk_open(spool->dir, name, flags, &segment->file));
    struct disk_file *raw;
    TRY(disk_open(spool->dir, name, DISK_READ | DISK_NO_CACHE, &raw));
    struct spool_source source = spool_source_file(raw, spool->segment_bytes);
    struct spool_segment_header header;
    enum spool_segment_start start;
    bool is_whole = true;
    enum err e = spool_segment_start(&source, segment->number, &header, &start);
    if (e == ERR_OK)
        e = is_full_length(spool, raw, &is_whole);
    if (e == ERR_OK && start == SPOOL_START_VALID) {
        segment->salt = header.salt;
        segment->last_sequence = header.sequence_floor;
        e = previous_note(r, spool_segment_first_previous(&source, &header));
    }
    disk_close(raw);
    TRY(e);
    segment->is_unfinished = !is_whole || start == SPOOL_START_EMPTY;
    if (start == SPOOL_START_DAMAGED)
        set_aside(r, segment);
    /* Until it is read, SEALED says: belongs to a life. */
    else
        segment->state = start == SPOOL_START_VALID ? SPOOL_SEGMENT_SEALED : SPOOL_SEGMENT_RAW;
    return ERR_OK;
}

/* Keep the bytes of an unreadable stretch: damaged/SEGMENT-OFFSET-SEQUENCE. */
static enum err
extent_keep(struct recovery *r, const struct spool_segment *segment, const struct spool_damage *damage)
{
    char name[96];
    snprintf(name, sizeof(name), "seg-%04u-%08llx-%016llx", (unsigned)segment->number,
             (unsigned long long)damage->offset, (unsigned long long)segment->last_sequence);
    uint8_t *bytes = malloc((size_t)damage->length);
    if (bytes == NULL)
        return ERR_LIMIT;
    size_t n = 0;
    struct disk_file *file = NULL;
    enum err e = disk_pread(segment->file, damage->offset, bytes, (size_t)damage->length, &n);
    if (e == ERR_OK)
        e = disk_open(r->damaged, name, DISK_READ | DISK_WRITE | DISK_CREATE, &file);
    if (e == ERR_OK)
        e = disk_pwrite(file, 0, span_of(bytes, n));
    if (e == ERR_OK)
        e = spool_sync_data(file);
    disk_close(file);
    free(bytes);
    return e;
}

static enum err
damage_keep(struct recovery *r, struct spool_segment *segment, struct spool_segment_view *view)
{
    bool has_extents = false;
    for (size_t i = 0; i < view->damage.count; i++) {
        struct spool_damage *damage = &view->damage.items[i];
        damage->segment = segment->number;
        report_damage(r->report, damage);
        if (damage->what != SPOOL_DAMAGE_EXTENT || r->spool->options.is_read_only)
            continue;
        enum err e = extent_keep(r, segment, damage);
        if (e != ERR_OK)
            segment->is_kept = true; /* no copy, so the original stays */
        has_extents = true;
        r->has_damaged_files = true;
    }
    r->report->damage_total += view->damage.total - view->damage.count;
    if (has_extents && spool_sync_dir(r->damaged) != ERR_OK)
        return ERR_IO;
    return ERR_OK;
}

/* Write the table of a segment that was not sealed, so that its records are found by it from now on. */
static enum err
segment_seal(struct spool *spool, struct spool_segment *segment, const struct spool_segment_view *view)
{
    if (spool_table_offset(spool->segment_bytes, view->count) < segment->used_bytes)
        return ERR_OK; /* no room left for it; it goes on being scanned */
    size_t len = view->count * SPOOL_TABLE_ENTRY_BYTES;
    uint8_t *bytes = malloc(len == 0 ? 1 : len);
    if (bytes == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < view->count; i++)
        spool_table_entry_encode(&view->entries[i], bytes + i * SPOOL_TABLE_ENTRY_BYTES);
    struct spool_trailer trailer = spool_segment_trailer(spool, segment, span_of(bytes, len));
    enum err e = spool_segment_seal(segment->file, spool->segment_bytes, &trailer, span_of(bytes, len));
    free(bytes);
    return e == ERR_FULL ? ERR_OK : e; /* a file system that does not write in place: it goes on being scanned */
}

/* Found damaged by compaction once, and kept as it was found. */
static void
report_quarantined(struct recovery *r, uint32_t segment, const struct spool_table_entry *t)
{
    struct spool_damage damage = {.what = SPOOL_DAMAGE_RECORD, .segment = segment, .offset = t->offset,
        .length = spool_record_bytes(t->length), .has_id = true, .id = t->id, .kind = t->kind};
    report_damage(r->report, &damage);
}

static enum err
segment_take(struct recovery *r, struct spool_segment *segment, struct spool_segment_view *view)
{
    struct spool *spool = r->spool;
    struct spool_report *report = r->report;
    TRY(damage_keep(r, segment, view));
    if (view->has_read_errors)
        segment->is_kept = true;
    if (view->is_by_table)
        report->segments_by_table++;
    else
        report->segments_by_scan++;
    report->batches += view->batches;
    report->tails_dropped += view->is_tail_dropped ? 1 : 0;
    if (view->last_sequence > segment->last_sequence)
        segment->last_sequence = view->last_sequence;
    segment->first_sequence = view->first_sequence;
    segment->first_previous = view->first_previous;
    segment->generation = view->generation;
    segment->used_bytes = view->used_bytes;
    segment->record_count = (uint32_t)view->count;
    for (size_t i = 0; i < view->count; i++) {
        if ((view->entries[i].flags & SPOOL_RECORD_DAMAGED) != 0)
            report_quarantined(r, segment->number, &view->entries[i]);
        TRY(record_take(r, segment->number, &view->entries[i]));
    }
    bool is_empty = view->first_sequence == 0;
    if (is_empty && !segment->is_kept)
        segment->state = SPOOL_SEGMENT_RAW;
    else if (!view->is_by_table && !spool->options.is_read_only && !segment->is_kept)
        TRY(segment_seal(spool, segment, view));
    return ERR_OK;
}

/*
 * By table where there is one; else by batches, after a sync: what a killed process wrote may not be on the disk yet.
 */
static enum err
segment_read(struct recovery *r, struct spool_segment *segment)
{
    struct spool *spool = r->spool;
    char name[SPOOL_NAME_BYTES];
    spool_segment_name(segment->number, name);
    struct disk_file *raw;
    TRY(disk_open(spool->dir, name, DISK_READ | DISK_NO_CACHE, &raw));
    struct spool_source source = spool_source_file(raw, spool->segment_bytes);
    struct spool_segment_header header = header_of(spool, segment);
    struct spool_sequences acknowledged = {.items = r->previous, .count = r->previous_count};
    struct spool_segment_view view;
    if (!spool->options.is_read_only && !spool_segment_is_sealed(&source, &header) &&
        spool_sync_data(segment->file) != ERR_OK) {
        disk_close(raw);
        return ERR_IO;
    }
    enum err e = spool_segment_read(&source, &header, &acknowledged, &view);
    if (e == ERR_OK)
        e = segment_take(r, segment, &view);
    spool_segment_view_done(&view);
    disk_close(raw);
    return e;
}

static enum err
segments_recover(struct recovery *r)
{
    struct spool *spool = r->spool;
    TRY(disk_dir_list(spool->dir, segment_list, r));
    TRY(r->status);
    for (uint32_t i = 0; i < spool->segment_cap; i++)
        if (spool->segments[i] != NULL)
            TRY(segment_begin(r, spool->segments[i]));
    for (uint32_t i = 0; i < spool->segment_cap; i++) {
        struct spool_segment *segment = spool->segments[i];
        if (segment != NULL && segment->state == SPOOL_SEGMENT_SEALED)
            TRY(segment_read(r, segment));
        if (segment != NULL && segment->last_sequence >= spool->next_sequence)
            spool->next_sequence = segment->last_sequence + 1;
    }
    r->report->segments = spool->segment_count;
    return ERR_OK;
}

/* --- body files --------------------------------------------------------------------------------------------------- */

static bool
note_any(void *arg, const char *name)
{
    (void)name;
    *(bool *)arg = true;
    return false;
}

/*
 * A body file: of a message, or an orphan. Orphans are removed in a second pass, since a listing must not change
 * meanwhile.
 */
static bool
body_list(void *arg, const char *name)
{
    struct recovery *r = arg;
    struct spool *spool = r->spool;
    struct message_id id;
    char again[MESSAGE_ID_TEXT + 1];
    if (!message_id_parse(span_from_cstr(name), &id))
        return true;
    spool_body_name(id, again);
    if (!span_equal(span_from_cstr(again), span_from_cstr(name)))
        return true; /* not ours */
    uint32_t number = spool_index_find(&spool->index, id);
    struct spool_entry *e = number == SPOOL_ENTRY_NONE ? NULL : spool_index_entry(&spool->index, number);
    if (e != NULL && (e->flags & SPOOL_ENTRY_BODY) != 0 && (e->flags & SPOOL_ENTRY_CONTENT) != 0) {
        e->flags |= SPOOL_ENTRY_SEEN;
        r->report->bodies++;
    } else {
        spool_body_dead(spool, id);
    }
    return true;
}

static enum err
orphans_remove(struct recovery *r)
{
    struct spool *spool = r->spool;
    size_t orphans = spool->dead_body_count;
    spool->dead_body_count = 0;
    if (r->has_damaged_files || spool->options.is_read_only) {
        r->report->orphans_kept = (uint32_t)orphans;
        return ERR_OK;
    }
    for (size_t i = 0; i < orphans; i++) {
        char name[MESSAGE_ID_TEXT + 1];
        spool_body_name(spool->dead_bodies[i], name);
        TRY(disk_unlink(r->bodies, name));
        r->report->orphans_removed++;
    }
    return ERR_OK;
}

static enum err
bodies_recover(struct recovery *r)
{
    struct spool *spool = r->spool;
    TRY(disk_dir_list(r->bodies, body_list, r));
    for (uint32_t number = 0; number < spool->index.entry_end; number++) {
        struct spool_entry *e = spool_index_entry(&spool->index, number);
        if ((e->flags & SPOOL_ENTRY_BODY) != 0 && (e->flags & SPOOL_ENTRY_SEEN) == 0) {
            struct spool_damage damage = {.what = SPOOL_DAMAGE_BODY, .segment = e->segment[0],
                .offset = e->place[0].offset, .length = spool_record_bytes(e->place[0].length), .has_id = true,
                .id = spool_entry_id(e), .kind = SPOOL_CONTENT};
            report_damage(r->report, &damage);
        }
        e->flags &= (uint8_t)~SPOOL_ENTRY_SEEN;
    }
    return orphans_remove(r);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static enum err
recover(struct recovery *r)
{
    struct spool *spool = r->spool;
    enum disk_kind kind = disk_kind(spool->dir);
    if ((kind == DISK_KIND_TMPFS || kind == DISK_KIND_NETWORK) && !spool->options.may_be_lost &&
        !spool->options.is_read_only)
        return ERR_DENIED;
    TRY(superblock_read(spool, r->report));
    TRY(spool_body_dir(spool->disk, spool->dir, &r->bodies));
    TRY(disk_dir_open(spool->disk, spool->dir, SPOOL_DAMAGED_DIR, &r->damaged));
    TRY(disk_dir_list(r->damaged, note_any, &r->has_damaged_files));
    TRY(segments_recover(r));
    entries_resolve(r);
    TRY(bodies_recover(r));
    r->report->messages = spool->live_messages;
    r->report->live_bytes = spool->live_bytes;
    r->report->last_sequence = spool->next_sequence - 1;
    return ERR_OK;
}

struct spool_options
spool_options_default(void)
{
    return (struct spool_options){
        .segment_bytes = SPOOL_SEGMENT_BYTES_DEFAULT,
        .batch_bytes_max = SPOOL_BATCH_BYTES_DEFAULT,
        .index_bytes_max = UINT64_MAX,
        .compact_age_ns = INT64_C(60000000000),
        .spare_segments = 1,
    };
}

static struct spool *
spool_new(struct disk *disk, struct disk_dir *dir, const struct spool_options *options)
{
    ASSERT(options->segment_bytes >= SPOOL_SEGMENT_BYTES_MIN && options->segment_bytes <= SPOOL_SEGMENT_BYTES_MAX &&
           options->segment_bytes % SPOOL_BLOCK_BYTES == 0 && (options->random != NULL || options->is_read_only));
    struct spool *spool = calloc(1, sizeof(*spool));
    if (spool == NULL)
        return NULL;
    *spool = (struct spool){.disk = disk, .dir = dir, .options = *options, .next_sequence = 1};
    if (spool_index_init(&spool->index) == ERR_OK)
        return spool;
    free(spool);
    return NULL;
}

enum err
spool_open(struct disk *disk, struct disk_dir *dir, const struct spool_options *options,
           struct spool_report *ret_report,
           struct spool **ret)
{
    memset(ret_report, 0, sizeof(*ret_report));
    struct spool *spool = spool_new(disk, dir, options);
    if (spool == NULL)
        return ERR_LIMIT;
    struct recovery r = {.spool = spool, .report = ret_report};
    enum err e = recover(&r);
    disk_dir_close(r.bodies);
    disk_dir_close(r.damaged);
    free(r.found);
    free(r.previous);
    if (e != ERR_OK) {
        spool_close(spool);
        return e;
    }
    *ret = spool;
    return ERR_OK;
}

/* Write what says that the life of the segment is over: its table, empty for one that was never used. */
static enum err
segment_finish(struct spool *spool, struct spool_segment *segment)
{
    uint8_t *bytes;
    size_t len;
    TRY(spool_segment_table_encode(segment, &bytes, &len));
    struct spool_trailer trailer = spool_segment_trailer(spool, segment, span_of(bytes, len));
    enum err e = spool_segment_seal(segment->file, spool->segment_bytes, &trailer, span_of(bytes, len));
    free(bytes);
    TRY(e);
    if (segment->state == SPOOL_SEGMENT_ACTIVE)
        spool_segment_end(spool, segment->generation, false);
    if (segment->state == SPOOL_SEGMENT_READY)
        spool->ready_count--;
    segment->state = segment->record_count == 0 ? SPOOL_SEGMENT_RAW : SPOOL_SEGMENT_SEALED;
    spool_segment_table_done(segment);
    return ERR_OK;
}

enum err
spool_seal(struct spool *spool)
{
    ASSERT(spool->gathering == NULL && spool->work == NULL);
    for (uint32_t i = 0; i < spool->segment_cap; i++) {
        struct spool_segment *segment = spool->segments[i];
        if (segment != NULL && (segment->state == SPOOL_SEGMENT_ENDED || segment->state == SPOOL_SEGMENT_ACTIVE ||
                                segment->state == SPOOL_SEGMENT_READY))
            TRY(segment_finish(spool, segment));
    }
    return ERR_OK;
}

void
spool_close(struct spool *spool)
{
    if (spool == NULL)
        return;
    ASSERT(spool->gathering == NULL && spool->work == NULL && spool->reads == NULL);
    for (uint32_t i = 0; i < spool->segment_cap; i++)
        if (spool->segments[i] != NULL)
            spool_segment_drop(spool, spool->segments[i]);
    free(spool->segments);
    free(spool->dead_bodies);
    spool_index_done(&spool->index);
    free(spool);
}

void
spool_stats_get(const struct spool *spool, struct spool_stats *ret)
{
    *ret = (struct spool_stats){
        .messages = spool->live_messages,
        .live_bytes = spool->live_bytes,
        .disk_bytes = (uint64_t)spool->segment_count * spool->segment_bytes,
        .index_bytes = spool->index.bytes,
        .batches = spool->batches,
        .records = spool->records,
        .copied_bytes = spool->copied_bytes,
        .segments = spool->segment_count,
        .segments_ready = spool->ready_count,
        .is_disk_full = spool->is_disk_full,
    };
    for (uint32_t i = 0; i < spool->segment_cap; i++)
        if (spool->segments[i] != NULL && spool->segments[i]->state == SPOOL_SEGMENT_SEALED)
            ret->segments_sealed++;
}
