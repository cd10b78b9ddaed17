/*
 * spool.h - the durable store of the queue: messages and their state in a log of segment files.
 *
 * For the one process that owns the spool (the queue). Keys are (message id, kind): SPOOL_CONTENT is written once,
 * SPOOL_STATE (the tagged envelope) at each change; removing a message ends both. docs/spool.md has the format,
 * DESIGN's I1 to I9 the promises; the code cites them.
 *
 * Threads. The index lives on the loop; the disk is touched in pool jobs. Every function says "loop" or "job":
 * - loop: quick (under 1 ms), never blocks, never suspends; all of them on one thread.
 * - job: `void fn(void *)` for rt_pool_run(), blocks, touches nothing but its argument; the result is read on the loop
 *   after it.
 * Three independent users, each a fiber or more: the committer (one batch is written while the next one gathers), the
 * maintenance fiber (spool_work: sealing, new segments, compaction, release) and any number of readers.
 *
 * ERR_IO out of a batch, a body or a piece of work is final (I5): the process ends and recovers; nothing is tried
 * again. What is read from the disk is checked (I2, I7) but not trusted: it never asserts.
 */
#ifndef GODWIT_STORE_SPOOL_SPOOL_H
#define GODWIT_STORE_SPOOL_SPOOL_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/span.h"
#include "rt/disk.h"
#include "store/message_id.h"

enum {
    SPOOL_SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024,
    SPOOL_SEGMENT_BYTES_MIN = 64 * 1024, /* for tests */
    SPOOL_SEGMENT_BYTES_MAX = 1024 * 1024 * 1024,
    SPOOL_BATCH_BYTES_DEFAULT = 4 * 1024 * 1024,
    SPOOL_BODY_FILE_BYTES = 1024 * 1024, /* from this size on a body is a file of its own */
    SPOOL_DAMAGE_MAX = 1000,             /* the most damage a report lists; it counts all */
};

enum spool_kind { SPOOL_CONTENT = 1, SPOOL_STATE = 2, SPOOL_REMOVAL = 3 };

/* Who asks for room: results, bounces and operator commands may use the reserved segment, new mail may not (I6). */
enum spool_use { SPOOL_USE_ACCEPT, SPOOL_USE_RESULT };

struct spool;

struct spool_options {
    uint32_t segment_bytes;   /* multiple of 4096; a spool keeps the size it was created with */
    uint32_t batch_bytes_max; /* a batch takes more groups until it is this large */
    uint64_t index_bytes_max; /* the most memory for the index; past it new mail meets ERR_LIMIT */
    int64_t compact_age_ns;   /* a sealed segment this old is copied forward (I4) */
    uint32_t spare_segments;  /* prewritten segments kept ready beyond the reserved ones */
    bool is_read_only;        /* for inspection: nothing is created, sealed or removed */
    bool may_be_lost;         /* tmpfs and network file systems are accepted (I6) */
    /* Fill dst with unpredictable bytes (rt_random); called on the loop only. */
    void (*random)(void *random_arg, void *dst, size_t len);
    void *random_arg;
};

/* The defaults; `random` has to be set by the caller. */
struct spool_options spool_options_default(void);

/* --- opening ------------------------------------------------------------------------------------------------------ */

enum spool_damage_what {
    SPOOL_DAMAGE_RECORD,  /* a record does not match its checksum: the message is known, its bytes are in doubt */
    SPOOL_DAMAGE_EXTENT,  /* unreadable stretch between batches or records; a copy is kept below damaged/ */
    SPOOL_DAMAGE_SEGMENT, /* a segment whose header and table cannot be read; set aside, never written again */
    SPOOL_DAMAGE_BODY,    /* the body file of a message is missing or not what was written */
    SPOOL_DAMAGE_HALF,    /* a message of which only the content or only the state is there */
};

struct spool_damage {
    enum spool_damage_what what;
    uint32_t segment;      /* number in seg-NNNN */
    uint64_t offset;       /* bytes from the start of the segment */
    uint64_t length;       /* bytes */
    bool has_id;
    struct message_id id;  /* when has_id */
    enum spool_kind kind;  /* when has_id */
};

/* What opening found. */
struct spool_report {
    bool is_created;            /* there was no spool */
    uint32_t format_version;
    uint32_t segments;          /* files */
    uint32_t segments_by_table; /* read through their table */
    uint32_t segments_by_scan;  /* read batch by batch: not sealed, or table damaged */
    uint64_t batches;           /* of the scanned segments */
    uint64_t records;
    uint64_t messages;          /* live */
    uint64_t live_bytes;        /* of live records, body files not counted */
    uint64_t last_sequence;
    uint32_t tails_dropped;     /* incomplete last batches, never acknowledged (I2) */
    uint32_t bodies;            /* body files in use */
    uint32_t orphans_removed;   /* body files of no message */
    uint32_t orphans_kept;      /* the same, kept because there is damage they may belong to */
    uint64_t damage_total;
    size_t damage_count;        /* listed below */
    struct spool_damage damage[SPOOL_DAMAGE_MAX];
};

/*
 * Job-like (blocks; start-up or a pool job; nothing else uses the spool meanwhile). Open the spool in `dir` (borrowed,
 * has to stay open), creating it in an empty directory. Recovery: reads past the page cache (I5), drops incomplete last
 * batches, seals what was not sealed, removes body files of no message. Damage does not fail it: it is in *ret_report
 * (caller's, about 64 KiB). No batch can be placed before maintenance has prepared a segment.
 * ERR_PROTOCOL: the format is newer than this program. ERR_DAMAGED: the superblock is not readable. ERR_DENIED: a file
 * system that does not keep what was synced (tmpfs, network), and the options do not say that mail may be lost.
 * ERR_NOT_FOUND: read only and no spool here. ERR_IO final. ERR_LIMIT memory.
 */
NODISCARD enum err spool_open(struct disk *disk, struct disk_dir *dir, const struct spool_options *options,
                              struct spool_report *ret_report, struct spool **ret);

/*
 * Job-like. Seal all open segments, so that the next start reads tables alone. Nothing may be in flight. Optional
 * before spool_close(); a spool that goes on needs maintenance first, as after opening. ERR_FULL: some were not sealed.
 * ERR_IO final.
 */
NODISCARD enum err spool_seal(struct spool *spool);

/* Loop. Free everything; nothing is written. Nothing may be in flight. NULL is accepted. */
void spool_close(struct spool *spool);

/* --- looking ------------------------------------------------------------------------------------------------------ */

struct spool_stats {
    uint64_t messages;      /* live and applied */
    uint64_t live_bytes;    /* live records */
    uint64_t disk_bytes;    /* segment files */
    uint64_t index_bytes;   /* memory */
    uint64_t batches;       /* applied since opening */
    uint64_t records;       /* applied since opening, copies of compaction not counted */
    uint64_t copied_bytes;  /* by compaction since opening */
    uint32_t segments;      /* files */
    uint32_t segments_ready;
    uint32_t segments_sealed;
    bool is_disk_full;      /* the last attempt to make a segment met a full disk */
};

/* Loop. */
void spool_stats_get(const struct spool *spool, struct spool_stats *ret);

/* Loop. Whether the message is live and applied. */
bool spool_has(const struct spool *spool, struct message_id id);

/*
 * Loop. Whether new mail of so many bytes in segments would be taken now: ERR_OK; ERR_FULL no room on the disk (452);
 * ERR_LIMIT memory budget or too large (452); ERR_AGAIN a segment is being prepared, ask again after the next piece of
 * work.
 */
NODISCARD enum err spool_can_accept(const struct spool *spool, uint64_t bytes);

/* --- batches ------------------------------------------------------------------------------------------------------ */

struct spool_batch;
struct spool_body;

enum spool_verb { SPOOL_PUT_CONTENT, SPOOL_PUT_STATE, SPOOL_REMOVE };

/* One change. The parts are concatenated and copied during the call; they may be empty. */
struct spool_op {
    enum spool_verb verb;
    struct message_id id;
    const struct span *parts;
    size_t part_count;
    const struct spool_body *body; /* with SPOOL_PUT_CONTENT: a finished file that follows the parts; else NULL */
};

/*
 * Loop. An empty batch that gathers. One gathers at a time, so not before the last one was placed or ended. NULL
 * without memory.
 */
struct spool_batch *spool_batch_new(struct spool *spool);

/*
 * Loop. Add changes that count together or not at all (I3); groups of one batch count together, too. Later changes of
 * one key win. Nothing is added on an error:
 * ERR_EXISTS: content for an id that is known (also one that is being removed). ERR_NOT_FOUND: state or removal of an
 * id that is not there or being removed. ERR_AGAIN: this batch is full, or a segment has to be prepared first: wait for
 * the next batch or piece of work. ERR_FULL: the disk is full; new mail is refused (452), results are kept by the
 * caller and tried again after the next pieces of work, which make room for them. ERR_LIMIT: larger than a segment, or
 * the memory budget.
 */
NODISCARD enum err spool_batch_add(struct spool_batch *batch, enum spool_use use, const struct spool_op *ops,
                                   size_t count);

bool spool_batch_is_empty(const struct spool_batch *batch);
uint64_t spool_batch_bytes(const struct spool_batch *batch); /* on disk, when placed */

/*
 * Loop. Give the batch its place at the end of the log. Not empty, and the batch placed before has ended (I1). Never
 * fails.
 */
void spool_batch_place(struct spool_batch *batch);

/* Job (arg: the batch). Checksum, write, sync. */
void spool_batch_write(void *batch);

/* Loop, after the job. ERR_OK: everything in it is durable. ERR_FULL: nothing counts, end it. ERR_IO: final (I5). */
NODISCARD enum err spool_batch_status(const struct spool_batch *batch);

/*
 * Loop. End the batch and free it: when its status is ERR_OK its changes enter the index, else (also for a batch that
 * was never placed) they are forgotten as if never added. NULL is accepted.
 */
void spool_batch_end(struct spool_batch *batch);

/* --- body files --------------------------------------------------------------------------------------------------- */

/* Loop. Begin the body file of a message that is not committed yet. ERR_EXISTS: id in use. ERR_LIMIT: memory. */
NODISCARD enum err spool_body_new(struct spool *spool, struct message_id id, struct spool_body **ret);

/* Loop. Lend the next bytes to the following spool_body_append() job; they stay as they are until it has returned. */
void spool_body_stage(struct spool_body *body, struct span data);

/*
 * Jobs (arg: the body), one at a time for one body. Append what is staged; make file and directory entry durable (I1).
 */
void spool_body_append(void *body);
void spool_body_finish(void *body);

/*
 * Loop, after a job. ERR_FULL: discard it, 452. ERR_EXISTS: a file of that id is there: discard it, 451. ERR_IO of
 * finish: final.
 */
NODISCARD enum err spool_body_status(const struct spool_body *body);

uint64_t spool_body_bytes(const struct spool_body *body);

/* Job (arg: the body). Remove the file of a body that is not going to be committed. Then spool_body_free(). */
void spool_body_discard(void *body);

/*
 * Loop. Close and free; after the batch with it was ended with ERR_OK, or after spool_body_discard(). NULL is accepted.
 */
void spool_body_free(struct spool_body *body);

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* One record being read. The caller's memory; it stays in place until spool_read_done(). */
struct spool_read {
    /* after the job */
    enum err status;         /* ERR_OK, ERR_DAMAGED (`data` as found, I7), ERR_LIMIT memory, ERR_IO (not final) */
    struct span data;        /* owned by the read until done */
    uint64_t body_bytes;     /* bytes of the body file that follow `data`; 0 when there is none */
    uint32_t body_crc;       /* CRC32C of the body file */
    struct disk_file *body;  /* open for reading when body_bytes > 0; yours when you set it to NULL, else closed */
    /* private */
    struct spool *spool;
    struct message_id id;
    enum spool_kind kind;
    uint32_t segment;
    uint32_t offset;
    uint32_t length;
    struct disk_file *file;
    uint8_t salt[16];
    bool has_body;
    bool is_body_bad; /* the record is whole, its body file is not */
    void *memory;
    struct spool_read *next, **link;
};

/*
 * Loop. Pin the newest applied record of the key. ERR_NOT_FOUND: no such message. Otherwise spool_read_done() has to
 * follow.
 */
NODISCARD enum err spool_read_prepare(struct spool *spool, struct message_id id, enum spool_kind kind,
                                      struct spool_read *read);

/* Job (arg: the read). Read and check; opens the body file. */
void spool_read_run(void *read);

/* Loop. Unpin; frees `data`. */
void spool_read_done(struct spool_read *read);

/* --- going through all messages, at a start ----------------------------------------------------------------------- */

struct spool_message {
    struct message_id id;
    enum err state_status;   /* ERR_OK; ERR_DAMAGED: unreadable or missing (`state` is an older one, if any) */
    bool is_older_state;     /* `state` is the newest readable one, not the newest */
    bool is_content_there;   /* false: only the state is left */
    bool has_body_file;
    uint32_t content_bytes;  /* in the segment: header block, and the body unless it is a file */
    struct span state;       /* valid until the next spool_scan_plan() */
};

struct spool_scan;

/* Loop. Go through the live messages. Messages added meanwhile may or may not be seen. NULL without memory. */
struct spool_scan *spool_scan_new(struct spool *spool);

/* Loop. Choose the next messages (up to 256; none where many have gone). False when all were seen. */
bool spool_scan_plan(struct spool_scan *scan);

/* Job (arg: the scan). Read their states. */
void spool_scan_run(void *scan);

/* Loop, after the job. The messages that were read: n < spool_scan_count(). */
size_t spool_scan_count(const struct spool_scan *scan);
const struct spool_message *spool_scan_message(const struct spool_scan *scan, size_t n);

/* Loop. After all or early. NULL is accepted. */
void spool_scan_free(struct spool_scan *scan);

/* --- maintenance -------------------------------------------------------------------------------------------------- */

/*
 * One fiber does this for as long as the spool is open, at first after opening, then after each ended batch and once a
 * second:
 *
 *   while ((work = spool_work_take(spool, rt_now_ns(rt))) != NULL)
 *       do {
 *           if (step == SPOOL_STEP_JOB) rt_pool_run(f, spool_work_run, work); else fiber_yield(f);
 *           e = spool_work_step(work, &step);        e == ERR_IO: end the process
 *       } while (step != SPOOL_STEP_DONE);           `step` starts as SPOOL_STEP_JOB
 */
struct spool_work;

enum spool_step {
    SPOOL_STEP_JOB,   /* run spool_work_run() in the pool, then step again */
    SPOOL_STEP_YIELD, /* let other fibers run, then step again */
    SPOOL_STEP_DONE,  /* the work is finished and freed */
};

/* Loop. The most urgent piece of work, NULL when there is none now or one is under way. `now_ns`: rt_now_ns(). */
struct spool_work *spool_work_take(struct spool *spool, int64_t now_ns);

/* Job (arg: the work). */
void spool_work_run(void *work);

/*
 * Loop, after the job or the yield. On an error the work is freed. ERR_IO: final (I5). ERR_CANCELED: the job was not
 * run, nothing has changed. Others were dealt with: go on.
 */
NODISCARD enum err spool_work_step(struct spool_work *work, enum spool_step *ret_step);

/* Loop. A name for logs: "seal", "prepare", "compact", "release", "bodies". */
const char *spool_work_name(const struct spool_work *work);

#endif
