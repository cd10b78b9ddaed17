/*
 * read.c - reading one record, and going through the states of all messages.
 *
 * A read pins the segment it reads from, so that it is not released (I4); every byte is checked before it is believed
 * (I7).
 */
#include "base/assert.h"
#include "store/spool/internal.h"

#include <stdlib.h>

enum { SCAN_MESSAGES = 256, SCAN_BYTES = 4 * 1024 * 1024, SCAN_LOOKS = 50000 };

bool
spool_has(const struct spool *spool, struct message_id id)
{
    uint32_t number = spool_index_find(&spool->index, id);
    return number != SPOOL_ENTRY_NONE &&
           (spool_index_entry(&spool->index, number)->flags & (SPOOL_ENTRY_CONTENT | SPOOL_ENTRY_STATE)) != 0;
}

enum err
spool_read_prepare(struct spool *spool, struct message_id id, enum spool_kind kind, struct spool_read *read)
{
    ASSERT(kind == SPOOL_CONTENT || kind == SPOOL_STATE);
    int which = kind == SPOOL_CONTENT ? 0 : 1;
    uint8_t flag = kind == SPOOL_CONTENT ? SPOOL_ENTRY_CONTENT : SPOOL_ENTRY_STATE;
    uint32_t number = spool_index_find(&spool->index, id);
    if (number == SPOOL_ENTRY_NONE)
        return ERR_NOT_FOUND;
    const struct spool_entry *e = spool_index_entry(&spool->index, number);
    if ((e->flags & flag) == 0)
        return ERR_NOT_FOUND;
    struct spool_segment *segment = spool->segments[e->segment[which]];
    *read = (struct spool_read){
        .status = ERR_CANCELED,
        .spool = spool,
        .id = id,
        .kind = kind,
        .segment = segment->number,
        .offset = e->place[which].offset,
        .length = e->place[which].length,
        .file = segment->file,
        .has_body = kind == SPOOL_CONTENT && (e->flags & SPOOL_ENTRY_BODY) != 0,
    };
    memcpy(read->salt, segment->salt.bytes, SPOOL_SALT_BYTES);
    segment->pins++;
    read->link = &spool->reads;
    read->next = spool->reads;
    if (read->next != NULL)
        read->next->link = &read->next;
    spool->reads = read;
    return ERR_OK;
}

static enum err
read_body_open(struct spool_read *read, const struct spool_record_header *h)
{
    struct disk_dir *bodies;
    char name[MESSAGE_ID_TEXT + 1];
    spool_body_name(read->id, name);
    TRY(spool_body_dir(read->spool->disk, read->spool->dir, &bodies));
    enum err e = disk_open(bodies, name, DISK_READ, &read->body);
    disk_dir_close(bodies);
    if (e == ERR_NOT_FOUND)
        return ERR_DAMAGED;
    TRY(e);
    struct disk_stat stat;
    TRY(disk_stat_file(read->body, &stat));
    read->body_bytes = h->body_bytes;
    read->body_crc = h->body_crc;
    return stat.size_bytes == h->body_bytes ? ERR_OK : ERR_DAMAGED;
}

void
spool_read_run(void *arg)
{
    struct spool_read *read = arg;
    struct spool_source source = spool_source_file(read->file, read->spool->segment_bytes);
    struct spool_salt salt;
    struct spool_record_header h;
    memcpy(salt.bytes, read->salt, SPOOL_SALT_BYTES);
    read->status = spool_record_read(&source, &salt, read->offset, read->length, &read->memory, &h, &read->data);
    if (read->status != ERR_OK)
        return;
    if (h.kind != read->kind || !message_id_equal(h.id, read->id))
        read->status = ERR_DAMAGED;
    else if (read->has_body) {
        read->status = read_body_open(read, &h);
        read->is_body_bad = read->status == ERR_DAMAGED;
    }
}

void
spool_read_done(struct spool_read *read)
{
    *read->link = read->next;
    if (read->next != NULL)
        read->next->link = read->link;
    read->spool->segments[read->segment]->pins--;
    disk_close(read->body);
    read->body = NULL;
    free(read->memory);
    read->memory = NULL;
    read->data = SPAN_EMPTY;
}

/* --- all states --------------------------------------------------------------------------------------------------- */

struct scan_item {
    struct spool_message message;
    bool has_state;
    struct spool_place place;
    struct spool_segment *segment; /* pinned by the scan */
    void *memory;                  /* owned: the record */
};

struct spool_scan {
    struct spool *spool;
    uint32_t next_entry;
    struct scan_item items[SCAN_MESSAGES];
    size_t count;
    struct spool_segment **pinned; /* owned; all that were there at the beginning */
    size_t pinned_count;
};

struct spool_scan *
spool_scan_new(struct spool *spool)
{
    struct spool_scan *scan = calloc(1, sizeof(*scan));
    struct spool_segment **pinned = calloc(spool->segment_count + 1, sizeof(struct spool_segment *));
    if (scan == NULL || pinned == NULL) {
        free(scan);
        free(pinned);
        return NULL;
    }
    scan->spool = spool;
    scan->pinned = pinned;
    for (uint32_t i = 0; i < spool->segment_cap; i++) {
        struct spool_segment *segment = spool->segments[i];
        if (segment == NULL || segment->state != SPOOL_SEGMENT_SEALED)
            continue;
        segment->pins++;
        pinned[scan->pinned_count++] = segment;
    }
    return scan;
}

static void
scan_clear(struct spool_scan *scan)
{
    for (size_t i = 0; i < scan->count; i++) {
        if (scan->items[i].has_state)
            scan->items[i].segment->pins--;
        free(scan->items[i].memory);
    }
    scan->count = 0;
}

bool
spool_scan_plan(struct spool_scan *scan)
{
    struct spool *spool = scan->spool;
    uint64_t bytes = 0;
    scan_clear(scan);
    if (scan->next_entry >= spool->index.entry_end)
        return false;
    for (uint32_t looked = 0; looked < SCAN_LOOKS && scan->next_entry < spool->index.entry_end &&
                              scan->count < SCAN_MESSAGES && bytes < SCAN_BYTES; looked++, scan->next_entry++) {
        const struct spool_entry *e = spool_index_entry(&spool->index, scan->next_entry);
        if ((e->flags & (SPOOL_ENTRY_CONTENT | SPOOL_ENTRY_STATE)) == 0)
            continue;
        struct scan_item *item = &scan->items[scan->count++];
        *item = (struct scan_item){.message = {
            .id = spool_entry_id(e),
            .state_status = ERR_DAMAGED,
            .is_content_there = (e->flags & SPOOL_ENTRY_CONTENT) != 0,
            .has_body_file = (e->flags & SPOOL_ENTRY_BODY) != 0,
            .content_bytes = (e->flags & SPOOL_ENTRY_CONTENT) != 0 ? e->place[0].length : 0,
        }};
        if ((e->flags & SPOOL_ENTRY_STATE) != 0) {
            item->has_state = true;
            item->place = e->place[1];
            item->segment = spool->segments[e->segment[1]];
            item->segment->pins++;
            bytes += item->place.length;
        }
    }
    return true;
}

/* Look for the newest state of the message that can be read, in tables: slow, for damage only. */
static void
find_older_state(struct spool_scan *scan, struct scan_item *item)
{
    uint64_t best = 0;
    for (size_t i = 0; i < scan->pinned_count; i++) {
        struct spool_segment *segment = scan->pinned[i];
        struct spool_source source = spool_source_file(segment->file, scan->spool->segment_bytes);
        struct spool_segment_header header = {.number = segment->number, .segment_bytes = scan->spool->segment_bytes,
                                              .salt = segment->salt};
        struct spool_segment_view view;
        enum err e = spool_segment_read(&source, &header, NULL, &view);
        for (size_t k = 0; e == ERR_OK && k < view.count; k++) {
            const struct spool_table_entry *t = &view.entries[k];
            if (t->kind != SPOOL_STATE || t->version <= best || !message_id_equal(t->id, item->message.id))
                continue;
            void *memory = NULL;
            struct spool_record_header h;
            struct span payload;
            if (spool_record_read(&source, &segment->salt, t->offset, t->length, &memory, &h, &payload) != ERR_OK) {
                free(memory);
                continue;
            }
            free(item->memory);
            item->memory = memory;
            item->message.state = payload;
            item->message.is_older_state = true;
            best = t->version;
        }
        spool_segment_view_done(&view);
    }
}

void
spool_scan_run(void *arg)
{
    struct spool_scan *scan = arg;
    for (size_t i = 0; i < scan->count; i++) {
        struct scan_item *item = &scan->items[i];
        struct spool_record_header h;
        if (item->has_state) {
            struct spool_source source = spool_source_file(item->segment->file, scan->spool->segment_bytes);
            item->message.state_status = spool_record_read(&source, &item->segment->salt, item->place.offset,
                                                           item->place.length, &item->memory, &h, &item->message.state);
            if (item->message.state_status == ERR_OK &&
                (h.kind != SPOOL_STATE || !message_id_equal(h.id, item->message.id)))
                item->message.state_status = ERR_DAMAGED;
        }
        if (item->message.state_status != ERR_OK) {
            item->message.state_status = ERR_DAMAGED;
            item->message.state = SPAN_EMPTY;
            find_older_state(scan, item);
        }
    }
}

size_t
spool_scan_count(const struct spool_scan *scan)
{
    return scan->count;
}

const struct spool_message *
spool_scan_message(const struct spool_scan *scan, size_t n)
{
    ASSERT(n < scan->count);
    return &scan->items[n].message;
}

void
spool_scan_free(struct spool_scan *scan)
{
    if (scan == NULL)
        return;
    scan_clear(scan);
    for (size_t i = 0; i < scan->pinned_count; i++)
        scan->pinned[i]->pins--;
    free(scan->pinned);
    free(scan);
}
