/*
 * committer.h - one disk sync for many messages.
 *
 * Changes gather in a batch while the batch before it is written and synced. Whoever brought a change waits until the batch
 * that holds it is durable and applied. Changes of one call count together or not at all (I3). New mail is urgent: its
 * batch is written as soon as the one before it has returned. Results (delivered, deferred) may wait COMMITTER_RESULT_MS for
 * company, which bounds what a crash repeats.
 */
#ifndef GODWIT_QUEUE_COMMITTER_H
#define GODWIT_QUEUE_COMMITTER_H

#include "net/log.h"
#include "rt/fiber.h"
#include "store/spool/spool.h"

enum { COMMITTER_RESULT_MS = 5 };

struct committer {
    struct spool *spool;           /* borrowed */
    struct log *log;               /* borrowed */
    struct spool_batch *gathering; /* owned; NULL when nothing gathers */
    struct list waiting;           /* whose changes are in `gathering` */
    bool is_urgent;                /* new mail is in `gathering` */
    int64_t write_at_ns;           /* when `gathering` is due although nothing in it is urgent */
    struct cond has_work;          /* for the committer's own fiber */
    struct cond turned;            /* a batch was ended or maintenance has run: try again */
    bool is_failed;                /* a sync failed: the process is to end (I5) */
    struct cond failed;
    uint64_t batches;
    uint64_t groups;
};

void committer_init(struct committer *c, struct spool *spool, struct log *log);

/* Forget what gathers; nobody may be waiting. */
void committer_done(struct committer *c);

/*
 * Make `ops` durable together and wait until they are (ERR_OK). Otherwise nothing of them counts: ERR_FULL no room for
 * new mail (results wait for room),
 * ERR_LIMIT memory or size, ERR_AGAIN no room before `by`, ERR_EXISTS and ERR_NOT_FOUND as spool_batch_add() says, ERR_IO the
 * process is ending. Once the changes are in a batch the wait is deaf to cancellation and deadline.
 */
NODISCARD enum err committer_commit(struct fiber *f, struct deadline by, struct committer *c, enum spool_use use,
                                    const struct spool_op *ops, size_t count);

/* Say that a sync failed elsewhere: nothing is written any more, all waits end with ERR_IO (I5). */
void committer_fail(struct committer *c);

/* The fibers that write batches and that keep the spool in order; `arg` is the committer. They end when cancelled or at a failure. */
void committer_main(struct fiber *f, void *arg);
void committer_maintain(struct fiber *f, void *arg);

#endif
