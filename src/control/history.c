/*
 * history.c - records in numbered files, written behind by one fiber, searched newest first.
 *
 * A record: "GH01" (4 octets), CRC-32C of the rest (4), length of the rest (4), time (8), kind (1), length of the id (1), id, trail. Numbers are
 * little-endian. A damaged record is skipped by looking for the next mark.
 */
#include "control/history.h"

#include "ipc/ipc_messages.h"
#include "store/spool/crc32c.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    RECORD_HEADER = 12,
    RECORD_FIXED = 10,
    RECORD_MAX = RECORD_HEADER + RECORD_FIXED + MESSAGE_ID_BYTES + IPC_TRAIL_TRAIL_MAX,
    WRITE_EVERY_MS = 200,
    FILES_MAX = 100000,
    NAME_MAX_OCTETS = 32,
};

static const uint8_t mark[4] = {'G', 'H', '0', '1'};

struct history {
    struct rt *rt;
    struct log *log;
    struct disk_dir *dir; /* borrowed; NULL: nothing is kept */
    uint64_t size_max_bytes;
    int64_t keep_us;
    struct buf pending;
    struct semaphore files; /* one job at a time works on the files */
    uint64_t dropped;
    bool is_known;        /* first and last file were looked up */
    uint32_t first_file;
    uint32_t last_file;
    uint64_t last_bytes;
};

/* --- coding ------------------------------------------------------------------------------------------------------- */

static void
put_number(uint8_t *to, uint64_t value, size_t octets)
{
    for (size_t i = 0; i < octets; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t
get_number(const uint8_t *from, size_t octets)
{
    uint64_t value = 0;
    for (size_t i = octets; i > 0; i--)
        value = value << 8 | from[i - 1];
    return value;
}

static enum err
record_append(struct buf *to, const struct history_entry *entry)
{
    size_t rest = RECORD_FIXED + entry->id.len + entry->trail.len;
    if (entry->id.len > MESSAGE_ID_BYTES || RECORD_HEADER + rest > RECORD_MAX)
        return ERR_LIMIT;
    uint8_t *at = buf_reserve(to, RECORD_HEADER + rest);
    if (at == NULL)
        return ERR_LIMIT;
    memcpy(at, mark, sizeof(mark));
    put_number(at + 8, rest, 4);
    put_number(at + 12, (uint64_t)entry->time_us, 8);
    at[20] = entry->kind;
    at[21] = (uint8_t)entry->id.len;
    if (entry->id.len > 0)
        memcpy(at + 22, entry->id.data, entry->id.len);
    if (entry->trail.len > 0)
        memcpy(at + 22 + entry->id.len, entry->trail.data, entry->trail.len);
    put_number(at + 4, crc32c_update(0, span_of(at + 8, rest + 4)), 4);
    buf_advance(to, RECORD_HEADER + rest);
    return ERR_OK;
}

/* Take the next record off *rest, skipping what is none. False at the end. */
static bool
record_take(struct span *rest, struct history_entry *ret)
{
    while (rest->len >= RECORD_HEADER + RECORD_FIXED) {
        const uint8_t *at = rest->data;
        uint64_t length = get_number(at + 8, 4);
        bool is_whole = memcmp(at, mark, sizeof(mark)) == 0 && length >= RECORD_FIXED &&
                        length <= rest->len - RECORD_HEADER && at[21] <= MESSAGE_ID_BYTES &&
                        RECORD_FIXED + (uint64_t)at[21] <= length &&
                        crc32c_update(0, span_of(at + 8, (size_t)length + 4)) == get_number(at + 4, 4);
        if (!is_whole) {
            *rest = span_skip(*rest, 1);
            size_t next = span_find(*rest, mark[0]);
            *rest = span_skip(*rest, next);
            continue;
        }
        *ret = (struct history_entry){.time_us = (int64_t)get_number(at + 12, 8),
                                      .kind = at[20],
                                      .id = span_of(at + 22, at[21]),
                                      .trail = span_of(at + 22 + at[21], (size_t)length - RECORD_FIXED - at[21])};
        *rest = span_skip(*rest, RECORD_HEADER + (size_t)length);
        return true;
    }
    return false;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static void
file_name(uint32_t number, char name[NAME_MAX_OCTETS])
{
    snprintf(name, NAME_MAX_OCTETS, "history-%010u", number);
}

static bool
look_at_name(void *arg, const char *name)
{
    struct history *history = arg;
    unsigned number;
    char check[NAME_MAX_OCTETS];
    if (sscanf(name, "history-%10u", &number) != 1) /* our own directory's names, not network octets */
        return true;
    file_name(number, check);
    if (strcmp(check, name) != 0)
        return true;
    if (history->first_file == 0 || number < history->first_file)
        history->first_file = number;
    if (number > history->last_file)
        history->last_file = number;
    return true;
}

/* Find out which files there are. A new process begins a new file. */
static enum err
look_up_files(struct history *history)
{
    if (history->is_known)
        return ERR_OK;
    history->first_file = history->last_file = 0;
    TRY(disk_dir_list(history->dir, look_at_name, history));
    history->last_file++;
    if (history->first_file == 0)
        history->first_file = history->last_file;
    history->last_bytes = 0;
    history->is_known = true;
    return ERR_OK;
}

/* Remove the oldest files while there are too many octets, or their last change is too long ago. */
static void
retire_files(struct history *history, int64_t now_us)
{
    uint64_t files_max = history->size_max_bytes / HISTORY_FILE_BYTES + 1;
    while (history->first_file < history->last_file) {
        char name[NAME_MAX_OCTETS];
        struct disk_stat stat;
        file_name(history->first_file, name);
        bool is_there = disk_stat_name(history->dir, name, &stat) == ERR_OK;
        bool is_old = is_there && stat.mtime_us < now_us - history->keep_us;
        bool is_surplus = history->last_file - history->first_file + 1 > files_max;
        if (is_there && !is_old && !is_surplus)
            return;
        if (is_there && disk_unlink(history->dir, name) != ERR_OK)
            return;
        history->first_file++;
    }
}

struct writing {
    struct history *history;
    struct span data;
    int64_t now_us;
    enum err status;
};

static void
write_run(void *arg)
{
    struct writing *writing = arg;
    struct history *history = writing->history;
    writing->status = look_up_files(history);
    if (writing->status != ERR_OK)
        return;
    if (history->last_bytes >= HISTORY_FILE_BYTES) {
        history->last_file++;
        history->last_bytes = 0;
    }
    char name[NAME_MAX_OCTETS];
    file_name(history->last_file, name);
    struct disk_file *file;
    writing->status = disk_open(history->dir, name, DISK_READ | DISK_WRITE | DISK_CREATE, &file);
    if (writing->status != ERR_OK)
        return;
    writing->status = disk_pwrite(file, history->last_bytes, writing->data);
    disk_close(file);
    if (writing->status == ERR_OK)
        history->last_bytes += writing->data.len;
    retire_files(history, writing->now_us);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

enum err
history_new(struct rt *rt, struct log *log, struct disk_dir *dir, uint64_t size_max_bytes, int64_t keep_us, struct history **ret)
{
    struct history *history = calloc(1, sizeof(*history));
    if (history == NULL)
        return ERR_LIMIT;
    *history = (struct history){.rt = rt, .log = log, .dir = dir, .size_max_bytes = size_max_bytes, .keep_us = keep_us};
    buf_init(&history->pending, HISTORY_PENDING_MAX);
    semaphore_init(&history->files, 1);
    *ret = history;
    return ERR_OK;
}

void
history_set_limits(struct history *history, uint64_t size_max_bytes, int64_t keep_us)
{
    history->size_max_bytes = size_max_bytes;
    history->keep_us = keep_us;
}

void
history_append(struct history *history, const struct history_entry *entry)
{
    if (history->dir == NULL || record_append(&history->pending, entry) != ERR_OK)
        history->dropped++;
}

uint64_t
history_dropped(const struct history *history)
{
    return history->dropped;
}

/* Write what is pending; the caller holds `files`. */
static void
write_pending(struct fiber *f, struct history *history)
{
    if (history->pending.len == 0)
        return;
    struct buf data = history->pending;
    buf_init(&history->pending, HISTORY_PENDING_MAX);
    struct writing writing = {.history = history, .data = buf_span(&data), .now_us = rt_wall_us(history->rt)};
    enum err e = rt_pool_run(f, write_run, &writing);
    if (e == ERR_OK)
        e = writing.status;
    if (e != ERR_OK)
        log_write(history->log, LOG_HISTORY_FAILED, LOG_ERR(KEY_ERROR, e), LOG_U64(KEY_SIZE, data.len));
    buf_done(&data);
}

void
history_writer(struct fiber *f, void *arg)
{
    struct history *history = arg;
    while (fiber_sleep(f, deadline_in(history->rt, WRITE_EVERY_MS * NS_PER_MS)) == ERR_OK)
        if (semaphore_take(f, DEADLINE_NEVER, &history->files) == ERR_OK) {
            write_pending(f, history);
            semaphore_give(&history->files);
        }
}

void
history_free(struct fiber *f, struct history *history)
{
    if (history == NULL)
        return;
    write_pending(f, history);
    buf_done(&history->pending);
    free(history);
}

/* --- searching ---------------------------------------------------------------------------------------------------- */

struct search {
    struct history *history;
    struct span needle;
    bool is_id;
    uint32_t file;
    struct arena *mem;
    struct history_entry *entries;
    size_t max;
    size_t count;
    enum err status;
};

static bool
holds_nocase(struct span text, struct span needle)
{
    for (; text.len >= needle.len; text = span_skip(text, 1))
        if (span_has_prefix_nocase(text, needle))
            return true;
    return false;
}

static bool
is_match(const struct search *search, const struct history_entry *entry)
{
    if (search->is_id)
        return span_equal(entry->id, search->needle);
    return !span_is_empty(search->needle) && holds_nocase(entry->trail, search->needle);
}

static enum err
keep_entry(struct search *search, const struct history_entry *entry)
{
    struct history_entry copy = *entry;
    if (!arena_copy(search->mem, entry->id, &copy.id) || !arena_copy(search->mem, entry->trail, &copy.trail))
        return ERR_LIMIT;
    search->entries[search->count++] = copy;
    return ERR_OK;
}

/* Find matches in one file's octets, newest first: its last `max` matches are kept in a ring, then copied backwards. */
static enum err
search_bytes(struct search *search, struct span bytes)
{
    size_t wanted = search->max - search->count;
    struct history_entry *ring = wanted == 0 ? NULL : calloc(wanted, sizeof(*ring));
    if (ring == NULL)
        return wanted == 0 ? ERR_OK : ERR_LIMIT;
    struct history_entry entry;
    size_t found = 0;
    while (record_take(&bytes, &entry))
        if (is_match(search, &entry))
            ring[found++ % wanted] = entry;
    enum err e = ERR_OK;
    for (size_t n = found < wanted ? found : wanted; e == ERR_OK && n > 0; n--)
        e = keep_entry(search, &ring[--found % wanted]);
    free(ring);
    return e;
}

static enum err
search_open_file(struct search *search, struct disk_file *file)
{
    struct disk_stat stat;
    size_t n = 0;
    TRY(disk_stat_file(file, &stat));
    struct buf bytes;
    buf_init(&bytes, 2 * (size_t)HISTORY_FILE_BYTES);
    uint8_t *room = stat.size_bytes == 0 ? NULL : buf_reserve(&bytes, (size_t)stat.size_bytes);
    enum err e = room != NULL || stat.size_bytes == 0 ? ERR_OK : ERR_LIMIT;
    if (room != NULL)
        e = disk_pread(file, 0, room, (size_t)stat.size_bytes, &n);
    if (e == ERR_OK) {
        buf_advance(&bytes, n);
        e = search_bytes(search, buf_span(&bytes));
    }
    buf_done(&bytes);
    return e;
}

static void
search_file_run(void *arg)
{
    struct search *search = arg;
    char name[NAME_MAX_OCTETS];
    struct disk_file *file;
    file_name(search->file, name);
    search->status = disk_open(search->history->dir, name, DISK_READ, &file);
    if (search->status == ERR_NOT_FOUND)
        search->status = ERR_OK;
    else if (search->status == ERR_OK) {
        search->status = search_open_file(search, file);
        disk_close(file);
    }
}

static void
look_up_run(void *arg)
{
    struct search *search = arg;
    search->status = look_up_files(search->history);
}

/* From the newest file to the oldest, until there are enough. */
static enum err
search_files(struct fiber *f, struct search *search)
{
    struct history *history = search->history;
    TRY(rt_pool_run(f, look_up_run, search));
    TRY(search->status);
    for (search->file = history->last_file; search->file >= history->first_file && search->count < search->max; search->file--) {
        TRY(rt_pool_run(f, search_file_run, search));
        TRY(search->status);
        if (search->file == 0)
            break;
    }
    return ERR_OK;
}

enum err
history_search(struct fiber *f, struct history *history, struct span needle, bool is_id, struct arena *mem,
               struct history_entry *entries, size_t max, size_t *ret_count)
{
    *ret_count = 0;
    if (history->dir == NULL)
        return ERR_OK;
    struct search search = {.history = history, .needle = needle, .is_id = is_id, .mem = mem, .entries = entries, .max = max};
    TRY(semaphore_take(f, DEADLINE_NEVER, &history->files));
    write_pending(f, history);
    enum err e = search_files(f, &search);
    semaphore_give(&history->files);
    *ret_count = search.count;
    return e;
}
