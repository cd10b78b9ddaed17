/* inspect.c - opens the spool read only, then looks at what the index says is there, or at every segment for itself. */
#include "store/spool/inspect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/spool/crc32c.h"
#include "store/spool/internal.h"

enum { LINE_MAX_BYTES = 512, COPY_BYTES = 256 * 1024 };

/* --- text --------------------------------------------------------------------------------------------------------- */

FORMAT(2, 3) static enum err
line(const struct spool_out *out, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    return out->write(out->arg, span_of(text, len)) ? ERR_OK : ERR_CANCELED;
}

static const char *
kind_name(enum spool_kind kind)
{
    return kind == SPOOL_CONTENT ? "content" : kind == SPOOL_STATE ? "state" : "removal";
}

struct id_text {
    char text[MESSAGE_ID_TEXT + 1];
};

static struct id_text
id_text(struct message_id id)
{
    struct id_text t;
    spool_body_name(id, t.text);
    return t;
}

static enum err
damage_line(const struct spool_out *out, const struct spool_damage *d)
{
    static const char *const what[] = {
        [SPOOL_DAMAGE_RECORD] = "record does not match its checksum",
        [SPOOL_DAMAGE_EXTENT] = "unreadable stretch",
        [SPOOL_DAMAGE_SEGMENT] = "segment without readable header",
        [SPOOL_DAMAGE_BODY] = "body file missing or not what was written",
        [SPOOL_DAMAGE_HALF] = "only half of a message",
    };
    return line(out, "damage segment=%u offset=%llu length=%llu message=%s kind=%s: %s", (unsigned)d->segment,
                (unsigned long long)d->offset, (unsigned long long)d->length, d->has_id ? id_text(d->id).text : "-",
                d->has_id ? kind_name(d->kind) : "-", what[d->what]);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static enum err
open_to_read(struct disk *disk, struct disk_dir *dir, struct spool_report *report, struct spool **ret)
{
    struct spool_options options = spool_options_default();
    options.is_read_only = true;
    return spool_open(disk, dir, &options, report, ret);
}

/* --- verify ------------------------------------------------------------------------------------------------------- */

struct verification {
    struct spool *spool;
    const struct spool_out *out;
    struct spool_verdict verdict;
};

static enum err
problem(struct verification *v, const struct spool_damage *d)
{
    v->verdict.problems++;
    return damage_line(v->out, d);
}

/* The records that a table (or a scan) lists, against what is in their places. */
static enum err
verify_table(struct verification *v, const struct spool_source *source, const struct spool_segment_header *header,
             const struct spool_segment_view *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct spool_table_entry *t = &table->entries[i];
        void *memory = NULL;
        struct spool_record_header h = {0};
        struct span payload;
        enum err e = spool_record_read(source, &header->salt, t->offset, t->length, &memory, &h, &payload);
        free(memory);
        if (e == ERR_LIMIT)
            return e;
        /* What compaction quarantined is a problem until its message is gone. */
        if ((t->flags & SPOOL_RECORD_DAMAGED) != 0 &&
            spool_entry_at(v->spool, t->id, t->kind, header->number, t->offset) == NULL)
            e = ERR_OK;
        bool agrees = e == ERR_OK && h.kind == t->kind && h.version == t->version && h.sequence == t->sequence &&
                      message_id_equal(h.id, t->id);
        v->verdict.records++;
        if (agrees)
            continue;
        struct spool_damage d = {.what = SPOOL_DAMAGE_RECORD, .segment = header->number, .offset = t->offset,
            .length = spool_record_bytes(t->length), .has_id = true, .id = t->id, .kind = t->kind};
        TRY(problem(v, &d));
    }
    return ERR_OK;
}

static enum err
verify_segment(struct verification *v, struct spool_segment *segment)
{
    struct spool *spool = v->spool;
    v->verdict.segments++;
    if (segment->state == SPOOL_SEGMENT_SET_ASIDE) {
        struct spool_damage d = {.what = SPOOL_DAMAGE_SEGMENT, .segment = segment->number,
            .length = spool->segment_bytes};
        return problem(v, &d);
    }
    if (segment->state == SPOOL_SEGMENT_RAW)
        return line(v->out, "segment=%u empty", (unsigned)segment->number);
    struct spool_source source = spool_source_file(segment->file, spool->segment_bytes);
    struct spool_segment_header header = {.number = segment->number, .segment_bytes = spool->segment_bytes,
        .salt = segment->salt};
    struct spool_segment_view table = {0}, scan = {0};
    enum err e = spool_segment_read(&source, &header, NULL, &table);
    if (e == ERR_OK)
        e = verify_table(v, &source, &header, &table);
    if (e == ERR_OK)
        e = spool_segment_scan(&source, &header, NULL, &scan);
    for (size_t i = 0; e == ERR_OK && !table.is_by_table && i < scan.damage.count; i++) {
        if (scan.damage.items[i].what == SPOOL_DAMAGE_RECORD)
            continue; /* told already */
        scan.damage.items[i].segment = segment->number;
        e = problem(v, &scan.damage.items[i]);
    }
    if (e == ERR_OK) {
        v->verdict.batches += scan.batches;
        v->verdict.tails += !table.is_by_table && scan.is_tail_dropped ? 1 : 0;
        e = line(v->out, "segment=%u generation=%u batches=%llu records=%zu live-bytes=%llu sealed=%s%s",
                 (unsigned)segment->number, (unsigned)segment->generation, (unsigned long long)scan.batches,
                 table.count,
                 (unsigned long long)segment->live_bytes, table.is_by_table ? "yes" : "no",
                 !table.is_by_table && scan.is_tail_dropped ? " incomplete-tail=yes" : "");
    }
    spool_segment_view_done(&table);
    spool_segment_view_done(&scan);
    return e;
}

/* Size and checksum of the body file of a read. *ret_whole false: not what was written. */
static enum err
verify_body(struct spool_read *read, bool *ret_whole)
{
    uint8_t *bytes = malloc(COPY_BYTES);
    if (bytes == NULL)
        return ERR_LIMIT;
    uint64_t at = 0;
    uint32_t crc = 0;
    size_t n = 1;
    while (read->body != NULL && at < read->body_bytes && n > 0) {
        if (disk_pread(read->body, at, bytes, COPY_BYTES, &n) != ERR_OK)
            n = 0;
        crc = crc32c_update(crc, span_of(bytes, n));
        at += n;
    }
    free(bytes);
    *ret_whole = at == read->body_bytes && crc == read->body_crc;
    return ERR_OK;
}

static enum err
verify_message_body(struct verification *v, const struct spool_entry *entry)
{
    struct spool_read read;
    struct message_id id = spool_entry_id(entry);
    TRY(spool_read_prepare(v->spool, id, SPOOL_CONTENT, &read));
    spool_read_run(&read);
    bool is_whole = false;
    enum err e = read.status == ERR_LIMIT ? ERR_LIMIT : ERR_OK;
    if (read.status == ERR_OK)
        e = verify_body(&read, &is_whole);
    bool is_record_whole = read.status == ERR_OK || read.is_body_bad; /* else it was reported with its segment */
    spool_read_done(&read);
    v->verdict.bodies++;
    if (e == ERR_OK && !is_whole && is_record_whole) {
        struct spool_damage d = {.what = SPOOL_DAMAGE_BODY, .segment = entry->segment[0],
            .offset = entry->place[0].offset,
            .length = spool_record_bytes(entry->place[0].length), .has_id = true, .id = id, .kind = SPOOL_CONTENT};
        e = problem(v, &d);
    }
    return e;
}

static enum err
verify_all(struct verification *v, const struct spool_report *report)
{
    struct spool *spool = v->spool;
    for (uint32_t i = 0; i < spool->segment_cap; i++)
        if (spool->segments[i] != NULL)
            TRY(verify_segment(v, spool->segments[i]));
    for (size_t i = 0; i < report->damage_count; i++)
        if (report->damage[i].what == SPOOL_DAMAGE_HALF)
            TRY(problem(v, &report->damage[i]));
    for (uint32_t number = 0; number < spool->index.entry_end; number++) {
        const struct spool_entry *e = spool_index_entry(&spool->index, number);
        if ((e->flags & SPOOL_ENTRY_CONTENT) != 0 && (e->flags & SPOOL_ENTRY_BODY) != 0)
            TRY(verify_message_body(v, e));
    }
    v->verdict.messages = report->messages;
    v->verdict.orphans = report->orphans_kept;
    return ERR_OK;
}

enum err
spool_verify(struct disk *disk, struct disk_dir *dir, const struct spool_out *lines, struct spool_verdict *ret)
{
    struct spool_report *report = malloc(sizeof(*report));
    if (report == NULL)
        return ERR_LIMIT;
    struct verification v = {.out = lines};
    enum err e = open_to_read(disk, dir, report, &v.spool);
    if (e == ERR_OK)
        e = verify_all(&v, report);
    if (e == ERR_OK)
        *ret = v.verdict;
    spool_close(v.spool);
    free(report);
    return e;
}

/* --- list --------------------------------------------------------------------------------------------------------- */

static int
order_by_id(const void *left, const void *right)
{
    return message_id_compare(*(const struct message_id *)left, *(const struct message_id *)right);
}

static enum err
list_one(struct spool *spool, struct message_id id, bool (*each)(void *arg, const struct spool_listed *m), void *arg)
{
    struct spool_listed listed = {.id = id};
    struct spool_read content, state;
    bool has_content = spool_read_prepare(spool, id, SPOOL_CONTENT, &content) == ERR_OK;
    bool has_state = spool_read_prepare(spool, id, SPOOL_STATE, &state) == ERR_OK;
    listed.is_damaged = !has_content || !has_state;
    if (has_content) {
        spool_read_run(&content);
        listed.has_body_file = content.has_body;
        if (content.status == ERR_OK)
            listed.content_bytes = content.data.len + content.body_bytes;
        else
            listed.is_damaged = true;
        spool_read_done(&content);
    }
    if (has_state) {
        spool_read_run(&state);
        if (state.status == ERR_OK)
            listed.state = state.data;
        else
            listed.is_damaged = true;
    }
    bool goes_on = each(arg, &listed);
    if (has_state)
        spool_read_done(&state);
    return goes_on ? ERR_OK : ERR_CANCELED;
}

static enum err
list_all(struct spool *spool, bool (*each)(void *arg, const struct spool_listed *m), void *arg)
{
    struct message_id *ids = calloc(spool->index.count + 1, sizeof(*ids));
    if (ids == NULL)
        return ERR_LIMIT;
    size_t count = 0;
    for (uint32_t number = 0; number < spool->index.entry_end; number++) {
        const struct spool_entry *e = spool_index_entry(&spool->index, number);
        if ((e->flags & (SPOOL_ENTRY_CONTENT | SPOOL_ENTRY_STATE)) != 0)
            ids[count++] = spool_entry_id(e);
    }
    qsort(ids, count, sizeof(*ids), order_by_id);
    enum err e = ERR_OK;
    for (size_t i = 0; i < count && e == ERR_OK; i++)
        e = list_one(spool, ids[i], each, arg);
    free(ids);
    return e;
}

enum err
spool_list(struct disk *disk, struct disk_dir *dir, bool (*each)(void *arg, const struct spool_listed *m), void *arg)
{
    struct spool_report *report = malloc(sizeof(*report));
    if (report == NULL)
        return ERR_LIMIT;
    struct spool *spool = NULL;
    enum err e = open_to_read(disk, dir, report, &spool);
    if (e == ERR_OK)
        e = list_all(spool, each, arg);
    spool_close(spool);
    free(report);
    return e;
}

/* --- export ------------------------------------------------------------------------------------------------------- */

static enum err
copy_file(struct disk_file *file, const struct spool_out *out)
{
    uint8_t *bytes = malloc(COPY_BYTES);
    if (bytes == NULL)
        return ERR_LIMIT;
    enum err e;
    size_t n = 0;
    uint64_t at = 0;
    while ((e = disk_pread(file, at, bytes, COPY_BYTES, &n)) == ERR_OK && n > 0) {
        if (!out->write(out->arg, span_of(bytes, n))) {
            e = ERR_CANCELED;
            break;
        }
        at += n;
    }
    free(bytes);
    return e;
}

/* The body file of a message whose record does not say anything reliable about it any more. */
static enum err
copy_body_as_found(struct spool *spool, struct message_id id, const struct spool_out *out)
{
    struct disk_dir *bodies;
    struct disk_file *file;
    char name[MESSAGE_ID_TEXT + 1];
    spool_body_name(id, name);
    TRY(spool_body_dir(spool->disk, spool->dir, &bodies));
    enum err e = disk_open(bodies, name, DISK_READ, &file);
    disk_dir_close(bodies);
    if (e != ERR_OK)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    e = copy_file(file, out);
    disk_close(file);
    return e;
}

static enum err
export_read(struct spool *spool, struct spool_read *read, const struct spool_out *out)
{
    spool_read_run(read);
    if (read->status != ERR_OK && read->status != ERR_DAMAGED)
        return read->status;
    if (!span_is_empty(read->data) && !out->write(out->arg, read->data))
        return ERR_CANCELED;
    if (read->status == ERR_DAMAGED) {
        if (read->has_body)
            TRY(copy_body_as_found(spool, read->id, out));
        return ERR_DAMAGED;
    }
    if (!read->has_body)
        return ERR_OK;
    bool is_whole;
    TRY(copy_file(read->body, out));
    TRY(verify_body(read, &is_whole));
    return is_whole ? ERR_OK : ERR_DAMAGED;
}

enum err
spool_export(struct disk *disk, struct disk_dir *dir, struct message_id id, enum spool_export_part part,
             const struct spool_out *bytes)
{
    struct spool_report *report = malloc(sizeof(*report));
    if (report == NULL)
        return ERR_LIMIT;
    struct spool *spool = NULL;
    struct spool_read read;
    enum err e = open_to_read(disk, dir, report, &spool);
    if (e == ERR_OK)
        e = spool_read_prepare(spool, id, part == SPOOL_EXPORT_STATE ? SPOOL_STATE : SPOOL_CONTENT, &read);
    if (e == ERR_OK) {
        e = export_read(spool, &read, bytes);
        spool_read_done(&read);
    }
    spool_close(spool);
    free(report);
    return e;
}

/* --- damaged stretches -------------------------------------------------------------------------------------------- */

struct damaged_listing {
    struct disk_dir *dir;
    const struct spool_out *out;
    enum err status;
};

static bool
damaged_line(void *arg, const char *name)
{
    struct damaged_listing *l = arg;
    struct disk_stat stat;
    for (const char *c = name; *c != '\0'; c++)
        if ((*c < 'a' || *c > 'z') && (*c < '0' || *c > '9') && *c != '-')
            return true; /* not ours */
    l->status = disk_stat_name(l->dir, name, &stat);
    if (l->status == ERR_OK)
        l->status = line(l->out, "%s %llu", name, (unsigned long long)stat.size_bytes);
    return l->status == ERR_OK;
}

enum err
spool_list_damaged(struct disk *disk, struct disk_dir *dir, const struct spool_out *lines)
{
    struct damaged_listing l = {.out = lines};
    TRY(disk_dir_open(disk, dir, SPOOL_DAMAGED_DIR, &l.dir));
    enum err e = disk_dir_list(l.dir, damaged_line, &l);
    disk_dir_close(l.dir);
    return e == ERR_OK ? l.status : e;
}
