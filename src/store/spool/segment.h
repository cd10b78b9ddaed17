/*
 * segment.h - one segment file as it lies on the disk: read its header, its table or its batches; write header and
 * table.
 *
 * For recovery, release, compaction and inspection; all of it blocks and none of it knows the index. Reading goes
 * through struct spool_source so that a fuzzer can be the disk. I2, I7: a table that agrees with its checksum is
 * believed; without one the batches are gone through: only the last may be incomplete and is dropped whole, damage
 * before it costs what is damaged.
 */
#ifndef GODWIT_STORE_SPOOL_SEGMENT_H
#define GODWIT_STORE_SPOOL_SEGMENT_H

#include "base/err.h"
#include "store/spool/format.h"

/* Where bytes of a segment come from. `read` gives fewer than `len` only at the end. */
struct spool_source {
    enum err (*read)(void *arg, uint64_t offset, void *dst, size_t len, size_t *ret_n);
    void *arg;
    uint32_t segment_bytes;
};

/* The source that reads an open file. */
struct spool_source spool_source_file(struct disk_file *file, uint32_t segment_bytes);

/* Growing list of damage; counts past its cap. */
struct spool_damage_list {
    struct spool_damage *items; /* owned */
    size_t count;
    uint64_t total;
};

void spool_damage_add(struct spool_damage_list *list, const struct spool_damage *damage);

/* What one life of a segment holds. */
struct spool_segment_view {
    struct spool_table_entry *entries; /* owned */
    size_t count;
    size_t cap;
    uint8_t generation;
    uint64_t first_sequence;   /* 0: no batch */
    uint64_t last_sequence;    /* also of a batch that was dropped */
    uint64_t first_previous;
    uint32_t used_bytes;       /* end of the last batch that counts */
    uint64_t batches;          /* 0 when read through the table */
    bool is_by_table;
    bool is_tail_dropped;
    bool has_read_errors;      /* the disk refused to read some blocks: never write this segment again */
    struct spool_damage_list damage;
};

void spool_segment_view_done(struct spool_segment_view *view);

/* How a segment begins. */
enum spool_segment_start {
    SPOOL_START_VALID,    /* *ret_header is the life's */
    SPOOL_START_EMPTY,    /* no valid header and no batch of any life: creation was not finished */
    SPOOL_START_DAMAGED,  /* no valid header, but there was something: set it aside */
};

/* Read the header, its copy or, of a sealed segment, the trailer. ERR_LIMIT: memory. */
NODISCARD enum err spool_segment_start(const struct spool_source *source, uint32_t number,
                                       struct spool_segment_header *ret_header,
                                       enum spool_segment_start *ret);

/* `previous` of the first batch of the life, 0 when there is none. */
uint64_t spool_segment_first_previous(const struct spool_source *source, const struct spool_segment_header *header);

/* Whether the life ended with a table. What it lists was synced before, batch by batch. */
bool spool_segment_is_sealed(const struct spool_source *source, const struct spool_segment_header *header);

/* Sequences of batches that others follow: acknowledged, so what is missing of them is damage, not a lost tail. */
struct spool_sequences {
    const uint64_t *items;
    size_t count;
};

/*
 * Read table or batches. `acknowledged` may be NULL. ERR_LIMIT: memory. The view is the caller's to end also after an
 * error.
 */
NODISCARD enum err spool_segment_read(const struct spool_source *source, const struct spool_segment_header *header,
                                      const struct spool_sequences *acknowledged, struct spool_segment_view *ret_view);

/* The same, but always batch by batch (verify). */
NODISCARD enum err spool_segment_scan(const struct spool_source *source, const struct spool_segment_header *header,
                                      const struct spool_sequences *acknowledged, struct spool_segment_view *ret_view);

/*
 * Read and check one record. *ret_memory is malloc'ed (also for ERR_DAMAGED with what was found, if anything); payload
 * within.
 */
NODISCARD enum err spool_record_read(const struct spool_source *source, const struct spool_salt *salt, uint32_t offset,
                                     uint32_t length, void **ret_memory, struct spool_record_header *ret_header,
                                     struct span *ret_payload);

/* Write header and its copy and sync. ERR_FULL, ERR_IO final (I5). */
NODISCARD enum err spool_segment_begin(struct disk_file *file, const struct spool_segment_header *header);

/* Write zeros over blocks from `from` on, at most `bytes` (prewriting). Not synced. */
NODISCARD enum err spool_segment_prewrite(struct disk_file *file, uint32_t segment_bytes, uint32_t from,
                                          uint32_t bytes);

/* Write the table (`table`: encoded entries) and the trailer, and sync. ERR_FULL, ERR_IO final. */
NODISCARD enum err spool_segment_seal(struct disk_file *file, uint32_t segment_bytes,
                                      const struct spool_trailer *trailer,
                                      struct span table);

/* The two syncs of the spool; the negative controls of the crash tests leave one out. */
NODISCARD enum err spool_sync_data(struct disk_file *file);
NODISCARD enum err spool_sync_dir(struct disk_dir *dir);

#endif
