/*
 * index.h - every message of the spool in memory: where its newest records are, and how many records of it the disk
 * holds.
 *
 * About 50 bytes a message: entries live in chunks that never move, found through linear hashing, which grows by one
 * bucket an insertion, so that no call takes long however many messages there are. An entry exists as long as any
 * record of its id is in a segment that has not been released: so a removal record is known to be needed exactly while
 * it is (I4). Loop only (recovery: one thread). Numbers of entries are stable until spool_index_remove().
 */
#ifndef GODWIT_STORE_SPOOL_INDEX_H
#define GODWIT_STORE_SPOOL_INDEX_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/message_id.h"

enum { SPOOL_ENTRY_NONE = UINT32_MAX, SPOOL_ENTRY_ID_BYTES = 12 };

enum spool_entry_flags {
    SPOOL_ENTRY_CONTENT = 1,  /* place[0] is its content */
    SPOOL_ENTRY_STATE = 2,    /* place[1] is its state */
    SPOOL_ENTRY_DEAD = 4,     /* removed; place[0] is the removal record */
    SPOOL_ENTRY_REMOVING = 8, /* a removal is in a batch that has not ended */
    SPOOL_ENTRY_BODY = 16,    /* the content goes on in a body file */
    SPOOL_ENTRY_SEEN = 32,    /* recovery: its body file is there */
};

/* Where a record is. */
struct spool_place {
    uint32_t offset; /* of its header in the segment */
    uint32_t length; /* of its payload */
};

struct spool_entry {
    uint8_t id[SPOOL_ENTRY_ID_BYTES];
    uint32_t next;       /* in its bucket */
    struct spool_place place[2];
    uint16_t segment[2]; /* of the places */
    uint32_t puts;       /* content and state records on disk or in batches that have not ended, old ones included */
    uint8_t flags;       /* enum spool_entry_flags */
};

struct spool_index {
    struct spool_entry **chunks; /* owned, of SPOOL_INDEX_CHUNK entries */
    size_t chunk_count;
    size_t chunk_cap;
    uint32_t entry_end;          /* entries ever used */
    uint32_t free_head;          /* entries to use again, linked by `next` */
    uint32_t **bucket_chunks;    /* owned */
    size_t bucket_chunk_count;
    size_t bucket_chunk_cap;
    uint32_t bucket_count;
    uint32_t count;              /* entries in use */
    uint64_t bytes;              /* memory held */
};

/* ERR_LIMIT without memory. */
NODISCARD enum err spool_index_init(struct spool_index *x);
void spool_index_done(struct spool_index *x);

/* The number of the entry of `id`, SPOOL_ENTRY_NONE when there is none. */
uint32_t spool_index_find(const struct spool_index *x, struct message_id id);

/* Add an entry for an id that has none. ERR_LIMIT without memory. */
NODISCARD enum err spool_index_insert(struct spool_index *x, struct message_id id, uint32_t *ret);

/* Forget an entry. */
void spool_index_remove(struct spool_index *x, uint32_t number);

/* The entry of a number in use (or, below entry_end, of one that is free: `flags` and `puts` are 0 then). */
struct spool_entry *spool_index_entry(const struct spool_index *x, uint32_t number);

/* Memory of the entries in use; the budget goes by it, since freed entries are used again but never given back. */
uint64_t spool_index_used_bytes(const struct spool_index *x);

/* The id of an entry. */
struct message_id spool_entry_id(const struct spool_entry *e);

#endif
