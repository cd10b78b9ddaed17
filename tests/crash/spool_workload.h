/*
 * spool_workload.h - a queue's life in small: deliveries, deferrals, results that create mail, body files, compaction,
 * restarts.
 *
 * Drives a spool through spool_harness.h by chance from a seed and keeps a model of what was acknowledged. Commits,
 * maintenance and reads overlap as they do in the queue: between placing, writing and ending a batch, pieces of work
 * move on. After a crash and recovery workload_check() holds the spool against the model: every acknowledged message
 * there and whole, or finished with what it created; nothing back that was removed; what was under way there whole or
 * not at all.
 */
#ifndef GODWIT_TESTS_SPOOL_WORKLOAD_H
#define GODWIT_TESTS_SPOOL_WORKLOAD_H

#include "crash/spool_harness.h"

enum {
    WORKLOAD_MESSAGES_MAX = 600,
    WORKLOAD_BATCH_OPS_MAX = 16,
    WORKLOAD_CONTENT_MAX = 16 * 1024,
    WORKLOAD_STATE_MAX = 600,
    WORKLOAD_READS_MAX = 4,
};

enum fate {
    FATE_NEW,       /* never submitted */
    FATE_LIVE,      /* acknowledged */
    FATE_REMOVED,   /* its removal was acknowledged */
    FATE_FORGOTTEN, /* never acknowledged, and not there */
};

struct message_model {
    enum fate fate;
    uint32_t content_len;
    uint32_t body_len;
    uint32_t state_version; /* acknowledged */
    bool is_hostile;        /* its content tries to pass as a batch */
};

struct change {
    enum spool_verb verb;
    uint32_t message;
    uint32_t state_version; /* put state */
};

struct workload {
    struct harness h;
    struct sim_random random;
    struct message_model messages[WORKLOAD_MESSAGES_MAX];
    uint32_t message_count;
    /* the batch under way */
    struct spool_batch *batch;
    struct change changes[WORKLOAD_BATCH_OPS_MAX];
    size_t change_count;
    bool is_unsure; /* it was written and the answer was no: it counts whole or not at all */
    /* maintenance under way */
    struct spool_work *work;
    enum spool_step step;
    /* reads under way */
    struct spool_read reads[WORKLOAD_READS_MAX];
    uint32_t read_messages[WORKLOAD_READS_MAX];
    bool is_reading[WORKLOAD_READS_MAX];
    /* verdict */
    uint64_t violations;
    bool is_quiet;
    const char *phase;
    uint64_t step_number;
    uint64_t seed;
};

/* `sim` borrowed. */
void workload_init(struct workload *w, struct disk_sim *sim, uint64_t seed);

/* Take over the model of another workload, to go on with a clone of its disk. Nothing may be open. */
void workload_fork(struct workload *w, const struct workload *from, struct disk_sim *sim);

void workload_done(struct workload *w);

/* Open the spool and prepare segments. */
enum err workload_open(struct workload *w);

/* Drop everything a killed process loses. */
void workload_kill(struct workload *w);

/* `actions` random actions; stops at the first final error and returns it. */
enum err workload_run(struct workload *w, unsigned actions);

/* Compare the open spool with the model; settles what was unsure. */
void workload_check(struct workload *w);

/* Note a violation, printf-like. */
FORMAT(2, 3) void workload_violation(struct workload *w, const char *format, ...);

#endif
