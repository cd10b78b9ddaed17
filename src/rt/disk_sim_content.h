/*
 * disk_sim_content.h - the bytes of one simulated file, twice: as the page cache shows them and as the disk keeps them.
 *
 * For disk_sim.c only. Blocks of 4 KiB hold 8 sectors each; a block of zeros takes no memory, a block whose cache and
 * disk agree takes one page, pages are shared between clones until written. Each sector that differs is either dirty
 * (the next sync writes it) or lost (a failed sync marked it clean; nothing will write it).
 */
#ifndef GODWIT_RT_DISK_SIM_CONTENT_H
#define GODWIT_RT_DISK_SIM_CONTENT_H

#include "base/span.h"
#include "rt/sim_random.h"

enum { SIM_SECTOR = 512, SIM_BLOCK = 4096, SIM_CHUNK_BLOCKS = 64 };

struct sim_page; /* counted reference to SIM_BLOCK bytes; NULL stands for zeros */

struct sim_slot {
    struct sim_page *view;
    struct sim_page *disk;
    uint8_t dirty;    /* a bit a sector */
    uint8_t lost;     /* likewise */
    bool is_listed;   /* in sim_content.changed */
};

struct sim_chunk {
    uint64_t allocated;     /* a bit a block that counts as used space */
    struct sim_slot *slots; /* owned, SIM_CHUNK_BLOCKS; NULL while all are zero */
};

struct sim_content {
    struct sim_chunk *chunks; /* owned */
    size_t chunk_count;
    uint64_t size;            /* as the cache has it */
    uint64_t durable_size;
    uint64_t block_count;     /* allocated */
    uint32_t *changed;        /* owned: blocks whose cache and disk may differ */
    size_t changed_count;
    size_t changed_cap;
};

/* How likely a crash is to let one thing survive, in 256ths. */
struct sim_odds {
    uint32_t data;
    uint32_t entries;
};

void sim_content_init(struct sim_content *c);
void sim_content_done(struct sim_content *c);
void sim_content_clone(const struct sim_content *from, struct sim_content *to);

/* The number of blocks the range would allocate that are not allocated yet. */
uint64_t sim_content_missing(const struct sim_content *c, uint64_t offset, uint64_t len);

/* Allocate the range; the size grows to its end. */
void sim_content_allocate(struct sim_content *c, uint64_t offset, uint64_t len, struct sim_random *chance);

/* Write to the cache; older unsynced content of a sector may reach the disk by chance before it is overwritten. */
void sim_content_write(struct sim_content *c, uint64_t offset, struct span data, struct sim_random *chance);

void sim_content_truncate(struct sim_content *c, uint64_t size, struct sim_random *chance);

/* Copy up to `len` bytes within the size; `past_cache` shows lost sectors as the disk has them. The number copied. */
size_t sim_content_read(const struct sim_content *c, uint64_t offset, void *dst, size_t len, bool past_cache);

/* Make all dirty sectors and the size durable. The number of bytes written. */
uint64_t sim_content_sync(struct sim_content *c);

/* The sync that fails: a part becomes durable, the rest is lost; the size stays unsynced. */
void sim_content_sync_failing(struct sim_content *c, struct sim_random *chance);

/* Some dirty sectors reach the disk now, and stay dirty: nothing is promised. */
void sim_content_start_sync(struct sim_content *c, struct sim_random *chance);

/* Show lost sectors as the disk has them. */
void sim_content_drop_lost(struct sim_content *c);

/* A crash: some of what is dirty survives; then the cache is what the disk has. */
void sim_content_crash(struct sim_content *c, struct sim_random *chance, const struct sim_odds *odds);

/* XOR in cache and on disk; the range lies within the size. */
void sim_content_damage(struct sim_content *c, uint64_t offset, uint64_t len, uint8_t mask);

/* Whether a sync would have something to do. */
bool sim_content_is_dirty(const struct sim_content *c);

#endif
