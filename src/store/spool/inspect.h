/*
 * inspect.h - a spool without its daemon: verify, list, export. For the `godwit spool` commands and for tests.
 *
 * Everything is read only and may run on a copy, on a spool nobody else can open any more, or on one that is damaged.
 * While the queue runs, segments change under the reader: what it says is then true of no single moment. Blocks. Text
 * lines go to the caller without a line end; names and ids in them are ours, everything foreign is escaped or left out.
 */
#ifndef GODWIT_STORE_SPOOL_INSPECT_H
#define GODWIT_STORE_SPOOL_INSPECT_H

#include "base/err.h"
#include "store/spool/spool.h"

/* Where text or bytes go. False stops. */
struct spool_out {
    bool (*write)(void *arg, struct span bytes);
    void *arg;
};

struct spool_verdict {
    uint64_t segments;
    uint64_t batches;
    uint64_t records;
    uint64_t messages; /* live */
    uint64_t bodies;
    uint64_t orphans;  /* body files of no message: removed at the next start */
    uint64_t tails;    /* incomplete last batches: dropped at the next start, nothing acknowledged is in them */
    uint64_t problems; /* damage, one line each */
};

/*
 * Read every byte there is and check it: headers, batches, records, tables against batches, body files. One line for
 * each problem and one for each segment go to `lines`. ERR_OK: it was read, see *ret. ERR_NOT_FOUND no spool here,
 * ERR_PROTOCOL newer format, ERR_DAMAGED no readable superblock, ERR_LIMIT memory, ERR_IO, ERR_CANCELED `lines` stopped
 * it.
 */
NODISCARD enum err spool_verify(struct disk *disk, struct disk_dir *dir, const struct spool_out *lines,
                                struct spool_verdict *ret);

/* One message of a list. */
struct spool_listed {
    struct message_id id;
    uint64_t content_bytes; /* body file included; 0 when it cannot be read */
    bool has_body_file;
    bool is_damaged;        /* content or state is not what was written, or missing */
    struct span state;      /* the tagged envelope; empty when there is none. Borrowed during the call */
};

/* Every live message, in order of id. `each` returns false to stop (ERR_CANCELED). Errors as spool_verify(). */
NODISCARD enum err spool_list(struct disk *disk, struct disk_dir *dir,
                              bool (*each)(void *arg, const struct spool_listed *m),
                              void *arg);

enum spool_export_part { SPOOL_EXPORT_MESSAGE, SPOOL_EXPORT_STATE };

/*
 * The bytes of one message (header block and body as stored, CRLF line ends) or its tagged envelope. Damaged bytes are
 * given as they were found, then ERR_DAMAGED. ERR_NOT_FOUND: no such live message. Other errors as spool_verify().
 */
NODISCARD enum err spool_export(struct disk *disk, struct disk_dir *dir, struct message_id id,
                                enum spool_export_part part,
                                const struct spool_out *bytes);

/* The unreadable stretches recovery set aside below damaged/: a line for each, "NAME BYTES". */
NODISCARD enum err spool_list_damaged(struct disk *disk, struct disk_dir *dir, const struct spool_out *lines);

#endif
