/*
 * internal.h - what the parts of the spool share: its state on the loop, segments, batches, pieces of work.
 *
 * For src/store/spool alone. Everything here belongs to the loop, but for what a job was given: the fields of its
 * batch, read, body or work, the file handle of the segment it is about, and the table of a segment that takes no more
 * batches.
 */
#ifndef GODWIT_STORE_SPOOL_INTERNAL_H
#define GODWIT_STORE_SPOOL_INTERNAL_H

#include "base/list.h"
#include "store/spool/format.h"
#include "store/spool/index.h"
#include "store/spool/segment.h"
#include "store/spool/spool.h"

enum {
    SPOOL_SEGMENTS_MAX = 65535,
    SPOOL_READY_FOR_RESULTS = 1,    /* prewritten segments new mail leaves alone (I6): one for results, bounces and */
    SPOOL_READY_FOR_COMPACTION = 1, /* operators, one for compaction, which makes room again */
    SPOOL_NAME_BYTES = 32,
};

#define SPOOL_SUPERBLOCK_NAME "superblock"
#define SPOOL_BODY_DIR "body"
#define SPOOL_DAMAGED_DIR "damaged"

enum spool_segment_state {
    SPOOL_SEGMENT_RAW,       /* holds nothing; needs a new life before use */
    SPOOL_SEGMENT_READY,     /* prewritten, its salt synced, no batch yet */
    SPOOL_SEGMENT_ACTIVE,    /* takes the batches of a generation */
    SPOOL_SEGMENT_ENDED,     /* takes no more; its table is in memory */
    SPOOL_SEGMENT_SEALED,    /* its table is on the disk */
    SPOOL_SEGMENT_SET_ASIDE, /* damaged: neither read nor written */
};

/* Encoded table entries of one batch. */
struct spool_table_block {
    struct spool_table_block *next; /* owned */
    uint32_t count;
    uint32_t cap;
    uint8_t entries[];
};

struct spool_segment {
    uint32_t number;
    enum spool_segment_state state;
    uint8_t generation;
    bool is_busy;          /* a piece of work is about it */
    bool is_unfinished;    /* RAW: needs to be prewritten */
    bool is_full;          /* ended by this process because the next batch did not fit */
    bool is_kept;          /* never to be written again: the disk fails to read it */
    struct disk_file *file; /* owned; NULL when set aside */
    struct spool_salt salt;
    uint64_t first_sequence;
    uint64_t last_sequence;
    uint64_t first_previous;
    uint32_t used_bytes;    /* end of the last batch placed */
    uint32_t record_count;  /* in batches placed */
    uint64_t live_bytes;    /* of live records */
    uint64_t written_bytes; /* of records, live or not, since this start */
    uint32_t pins;          /* reads */
    int64_t ended_ns;
    struct spool_table_block *table; /* owned; first block */
    struct spool_table_block **table_end;
};

/* Steps to make room for results on a full disk, in this order; relieve() in work.c. */
enum spool_relief {
    SPOOL_RELIEF_NONE,
    SPOOL_RELIEF_WANTED,   /* results found no room */
    SPOOL_RELIEF_OLDER,    /* the open segments of older generations were ended, so that copies begin a new one */
    SPOOL_RELIEF_YOUNGEST, /* the youngest was ended, so that what lives in it can be copied */
    SPOOL_RELIEF_RESERVE,  /* results may take the segment reserved for compaction, too */
};

struct spool {
    struct disk *disk;
    struct disk_dir *dir; /* borrowed */
    struct spool_options options;
    uint32_t segment_bytes;
    struct spool_index index;
    struct spool_segment **segments; /* owned; by number, NULL where there is no file */
    uint32_t segment_cap;
    uint32_t segment_count;
    struct spool_segment *active[SPOOL_GENERATIONS]; /* may be NULL */
    uint64_t previous[SPOOL_GENERATIONS];
    uint64_t next_sequence;
    uint32_t ready_count;
    bool is_ready_promised;   /* the gathering batch needs one */
    enum spool_relief relief; /* what was done for results that found no room since the last segment was begun */
    struct spool_batch *gathering;
    struct spool_batch *placed[SPOOL_GENERATIONS];
    struct spool_work *work;
    struct message_id *dead_bodies; /* owned; body files to remove */
    size_t dead_body_count;
    size_t dead_body_cap;
    struct spool_read *reads;      /* not done */
    int64_t now_ns;                 /* as of the last spool_work_take() */
    int64_t full_until_ns;          /* do not try to make a segment before */
    int64_t retry_after_ns;         /* nor to seal or release one */
    int64_t compact_after_ns;       /* a compaction that had to stop waits until then */
    bool is_disk_full;
    uint64_t live_messages;
    uint64_t live_bytes;
    uint64_t batches;
    uint64_t records;
    uint64_t copied_bytes;
};

/* --- segments on the loop ----------------------------------------------------------------------------------------- */

/* "seg-NNNN". */
void spool_segment_name(uint32_t number, char name[SPOOL_NAME_BYTES]);

/* A segment in the list under `number`, state RAW, no file. NULL without memory. */
struct spool_segment *spool_segment_add(struct spool *spool, uint32_t number);

/* Close and forget. */
void spool_segment_drop(struct spool *spool, struct spool_segment *segment);

/* Free the table in memory. */
void spool_segment_table_done(struct spool_segment *segment);

/* Whether a batch of `bytes` with `count` records fits behind what is there. */
bool spool_segment_has_room(const struct spool *spool, const struct spool_segment *segment, uint64_t bytes,
                            uint64_t count);

/*
 * The segment that takes the batches of a generation takes no more, for want of room in it or before that. No batch may
 * be placed in it and not ended.
 */
void spool_segment_end(struct spool *spool, uint8_t generation, bool is_full);

/*
 * Whether an older generation has room for what a segment more than half dead leaves: compaction needs no ready one
 * then.
 */
bool spool_has_roomy(const struct spool *spool);

/* Copy the table in memory to *ret (malloc'ed). ERR_LIMIT. */
NODISCARD enum err spool_segment_table_encode(const struct spool_segment *segment, uint8_t **ret, size_t *ret_len);

/* The trailer of a segment with `table`. */
struct spool_trailer spool_segment_trailer(const struct spool *spool, const struct spool_segment *segment,
                                           struct span table);

/* A record becomes live or dead there. */
void spool_live_add(struct spool *spool, uint32_t segment_number, uint32_t payload_length);
void spool_live_subtract(struct spool *spool, uint32_t segment_number, uint32_t payload_length);

/* The flag of an entry that says that it has a live record of a kind. */
uint8_t spool_kind_flag(enum spool_kind kind);

/* The entry whose newest record of that kind lies there; NULL when it is another one, or dead. */
const struct spool_entry *spool_entry_at(const struct spool *spool, struct message_id id, enum spool_kind kind,
                                         uint32_t segment,
                                         uint32_t offset);

/*
 * One content or state record less of an entry: its segment was released, or its batch was undone. May remove the
 * entry.
 */
void spool_entry_put_gone(struct spool *spool, uint32_t number);

/* --- batches ------------------------------------------------------------------------------------------------------ */

struct spool_batch {
    struct spool *spool;
    uint8_t generation;
    bool is_promised;        /* a ready segment was set aside for it */
    bool is_placed;
    uint8_t *memory;         /* owned: header, records, padding */
    size_t len;
    size_t cap;
    uint32_t count;
    struct spool_table_block *table; /* owned until applied */
    uint32_t source_segment; /* copies: where the records are copied from */
    /* from placing on */
    struct spool_segment *segment;
    struct disk_file *file;
    struct spool_salt salt;
    uint32_t offset;
    uint64_t sequence;
    uint64_t previous;
    enum err status;
};

/* A batch of copies for compaction, of generation 1 and older. */
struct spool_batch *spool_batch_new_copies(struct spool *spool, uint8_t generation, uint32_t source_segment);

/* Add a live record as it is; its header keeps version, flags and body. ERR_LIMIT without memory. */
NODISCARD enum err spool_batch_add_copy(struct spool_batch *batch, const struct spool_record_header *header,
                                        struct span payload);

/* spool_batch_place() for copies: ERR_AGAIN when no ready segment is left. */
NODISCARD enum err spool_batch_place_copies(struct spool_batch *batch);

/* --- pieces of work ----------------------------------------------------------------------------------------------- */

enum spool_work_kind { SPOOL_WORK_SEAL, SPOOL_WORK_RELEASE, SPOOL_WORK_PREPARE, SPOOL_WORK_COMPACT, SPOOL_WORK_BODIES,
    SPOOL_WORK_SHRINK };

struct spool_compaction;

enum { SPOOL_WORK_BODIES_MAX = 64, SPOOL_WORK_SLICE = 2000 /* index look-ups without letting others run */ };

struct spool_work {
    struct spool *spool;
    enum spool_work_kind kind;
    struct spool_segment *segment; /* what it is about; not for bodies */
    enum err status;               /* of the last job */
    struct spool_segment_header header; /* prepare, release: the life to begin */
    bool is_created;               /* prepare: the file is ours to remove */
    uint32_t prewritten;           /* prepare: bytes so far */
    bool is_begun;                 /* prepare, release: the new life is on the disk */
    struct spool_segment_view view; /* release: what the old life held */
    size_t at;                     /* release: entries of it that were counted off */
    struct message_id bodies[SPOOL_WORK_BODIES_MAX];
    size_t body_count;
    struct spool_compaction *compaction; /* owned */
};

/* The parts of compaction, called by the three functions of spool_work. */
/*
 * Whether all that is live in the segment is sure to find room: half a copy on a full disk would take room and give
 * none.
 */
bool spool_compaction_fits(const struct spool *spool, const struct spool_segment *segment);
struct spool_compaction *spool_compaction_new(struct spool *spool, struct spool_segment *segment);
void spool_compaction_run(struct spool_compaction *c);
NODISCARD enum err spool_compaction_step(struct spool_compaction *c, enum spool_step *ret_step);
void spool_compaction_free(struct spool_compaction *c);

/* --- body files --------------------------------------------------------------------------------------------------- */

/* Size and checksum of a finished body file, which has to be that of `id`. */
void spool_body_describe(const struct spool_body *body, struct message_id id, uint64_t *ret_bytes, uint32_t *ret_crc);

/* Note a body file to be removed. Without memory it stays until the next recovery. */
void spool_body_dead(struct spool *spool, struct message_id id);

/* The name of a body file below body/. */
void spool_body_name(struct message_id id, char name[MESSAGE_ID_TEXT + 1]);

/* Open the directory of body files; the caller closes it. */
NODISCARD enum err spool_body_dir(struct disk *disk, struct disk_dir *dir, struct disk_dir **ret);

#endif
