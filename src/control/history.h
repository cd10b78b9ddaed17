/*
 * history.h - what became of mail: the trails of finished messages and refused sessions, kept for a while.
 *
 * An append-only log in files of its own, HISTORY_FILE_BYTES each: records of time, kind, message id and trail, each with its
 * length and CRC. Not synced: a power loss may cost its end, never a message. Retention removes whole files, the oldest
 * first. A search reads from the newest file to the oldest, each in a pool job, and stops when it has enough.
 */
#ifndef GODWIT_CONTROL_HISTORY_H
#define GODWIT_CONTROL_HISTORY_H

#include "base/arena.h"
#include "net/log.h"
#include "rt/disk.h"
#include "rt/fiber.h"

enum {
    HISTORY_FILE_BYTES = 16 * 1024 * 1024,
    HISTORY_PENDING_MAX = 8 * 1024 * 1024, /* not yet written; more is dropped and counted */
};

struct history;

struct history_entry {
    int64_t time_us;   /* wall clock */
    uint8_t kind;      /* enum trail_kind */
    struct span id;    /* encoded message id, empty for a session */
    struct span trail; /* net/trail.h */
};

/* `dir` may be NULL: then nothing is kept, and searches find nothing. ERR_LIMIT without memory. */
NODISCARD enum err history_new(struct rt *rt, struct log *log, struct disk_dir *dir, uint64_t size_max_bytes,
                               int64_t keep_us, struct history **ret);

/* Write what is pending and release. */
void history_free(struct fiber *f, struct history *history);

void history_set_limits(struct history *history, uint64_t size_max_bytes, int64_t keep_us);

/* Remember an entry. Never suspends; dropped and counted when the disk does not keep up. */
void history_append(struct history *history, const struct history_entry *entry);

/* The fiber that writes: `arg` is the history. Returns when cancelled. */
void history_writer(struct fiber *f, void *arg);

uint64_t history_dropped(const struct history *history);

/*
 * Find entries whose id is `needle` (an encoded message id) or whose trail holds `needle` (text, ASCII case ignored), newest
 * first, up to `max` of them, into `mem`. ERR_LIMIT when `mem` is full: *ret_count entries were found before that.
 */
NODISCARD enum err history_search(struct fiber *f, struct history *history, struct span needle, bool is_id, struct arena *mem,
                                  struct history_entry *entries, size_t max, size_t *ret_count);

#endif
