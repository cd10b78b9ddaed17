/*
 * spool_harness.h - a spool on a simulated disk, driven by hand: what the queue's fibers do, in one line each.
 *
 * For unit and crash tests. Jobs run at once, in place. Functions return what the spool returned, so that a test that
 * crashes the disk in the middle can unwind.
 */
#ifndef GODWIT_TESTS_SPOOL_HARNESS_H
#define GODWIT_TESTS_SPOOL_HARNESS_H

#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "rt/disk_sim.h"
#include "rt/sim_random.h"
#include "store/spool/spool.h"

#define HARNESS_SECOND INT64_C(1000000000)

struct harness {
    struct disk_sim *sim; /* borrowed */
    struct disk *mount;
    struct disk_dir *dir;
    struct spool *spool;
    struct spool_options options;
    struct spool_report *report; /* owned */
    int64_t now_ns;
    struct sim_random random;
};

static inline void
harness_random(void *arg, void *dst, size_t len)
{
    struct harness *h = arg;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)dst)[i] = (uint8_t)sim_random_next(&h->random);
}

/* Small segments, nothing open yet. */
static inline void
harness_init(struct harness *h, struct disk_sim *sim, uint64_t seed)
{
    *h = (struct harness){.sim = sim, .options = spool_options_default(), .now_ns = HARNESS_SECOND, .random = {seed}};
    h->options.segment_bytes = SPOOL_SEGMENT_BYTES_MIN;
    h->options.random = harness_random;
    h->options.random_arg = h;
    h->report = calloc(1, sizeof(*h->report));
    ASSERT(h->report != NULL);
}

/* What a killed process leaves: nothing in memory. */
static inline void
harness_kill(struct harness *h)
{
    spool_close(h->spool);
    h->spool = NULL;
    if (h->mount != NULL)
        disk_sim_unmount(h->mount);
    h->mount = NULL;
    h->dir = NULL;
}

static inline void
harness_done(struct harness *h)
{
    harness_kill(h);
    free(h->report);
    h->report = NULL;
}

static inline enum err
harness_open(struct harness *h)
{
    h->options.random_arg = h;
    h->mount = disk_sim_mount(h->sim);
    enum err e = disk_dir_open(h->mount, NULL, "/", &h->dir);
    if (e == ERR_OK)
        e = spool_open(h->mount, h->dir, &h->options, h->report, &h->spool);
    return e;
}

/* One piece of work to its end. */
static inline enum err
harness_work_one(struct spool_work *work)
{
    enum spool_step step = SPOOL_STEP_JOB;
    while (step != SPOOL_STEP_DONE) {
        if (step == SPOOL_STEP_JOB)
            spool_work_run(work);
        enum err e = spool_work_step(work, &step);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* Maintenance until there is nothing to do; only what is final ends it early. */
static inline enum err
harness_work(struct harness *h)
{
    struct spool_work *work;
    while ((work = spool_work_take(h->spool, h->now_ns)) != NULL) {
        enum err e = harness_work_one(work);
        if (e == ERR_IO)
            return e;
    }
    return ERR_OK;
}

/* Write a batch that was gathered. */
static inline enum err
harness_write(struct spool_batch *batch)
{
    spool_batch_place(batch);
    spool_batch_write(batch);
    enum err e = spool_batch_status(batch);
    spool_batch_end(batch);
    return e;
}

/* A batch of one group. */
static inline enum err
harness_commit(struct harness *h, enum spool_use use, const struct spool_op *ops, size_t count)
{
    struct spool_batch *batch = spool_batch_new(h->spool);
    ASSERT(batch != NULL);
    enum err e = spool_batch_add(batch, use, ops, count);
    if (e != ERR_OK) {
        spool_batch_end(batch);
        return e;
    }
    return harness_write(batch);
}

static inline struct spool_op
harness_op(enum spool_verb verb, struct message_id id, const struct span *payload)
{
    return (struct spool_op){.verb = verb, .id = id, .parts = payload, .part_count = payload == NULL ? 0 : 1};
}

/* Content and state of a new message, in a batch of their own. */
static inline enum err
harness_put(struct harness *h, struct message_id id, struct span content, struct span state)
{
    struct spool_op ops[] = {harness_op(SPOOL_PUT_CONTENT, id, &content), harness_op(SPOOL_PUT_STATE, id, &state)};
    return harness_commit(h, SPOOL_USE_ACCEPT, ops, 2);
}

static inline enum err
harness_state(struct harness *h, struct message_id id, struct span state)
{
    struct spool_op op = harness_op(SPOOL_PUT_STATE, id, &state);
    return harness_commit(h, SPOOL_USE_RESULT, &op, 1);
}

static inline enum err
harness_remove(struct harness *h, struct message_id id)
{
    struct spool_op op = harness_op(SPOOL_REMOVE, id, NULL);
    return harness_commit(h, SPOOL_USE_RESULT, &op, 1);
}

/* Read a record, body file behind it, into `to`. */
static inline enum err
harness_read(struct harness *h, struct message_id id, enum spool_kind kind, struct buf *to)
{
    struct spool_read read;
    enum err e = spool_read_prepare(h->spool, id, kind, &read);
    if (e != ERR_OK)
        return e;
    spool_read_run(&read);
    e = read.status;
    if (e == ERR_OK)
        e = buf_append(to, read.data);
    if (e == ERR_OK && read.body_bytes > 0) {
        uint8_t *dst = buf_reserve(to, read.body_bytes);
        size_t n = 0;
        e = dst == NULL ? ERR_LIMIT : disk_pread(read.body, 0, dst, read.body_bytes, &n);
        if (e == ERR_OK)
            buf_advance(to, n);
    }
    spool_read_done(&read);
    return e;
}

/* A finished body file of `data`, written in pieces of `piece` bytes; on an error it is discarded and *ret NULL. */
static inline enum err
harness_body(struct harness *h, struct message_id id, struct span data, size_t piece, struct spool_body **ret)
{
    *ret = NULL;
    struct spool_body *body;
    enum err e = spool_body_new(h->spool, id, &body);
    if (e != ERR_OK)
        return e;
    while (data.len > 0 && e == ERR_OK) {
        size_t n = data.len < piece ? data.len : piece;
        spool_body_stage(body, span_first(data, n));
        spool_body_append(body);
        e = spool_body_status(body);
        data = span_skip(data, n);
    }
    if (e == ERR_OK) {
        spool_body_finish(body);
        e = spool_body_status(body);
    }
    if (e == ERR_OK) {
        *ret = body;
        return e;
    }
    spool_body_discard(body);
    spool_body_free(body);
    return e;
}

static inline struct message_id
harness_id(uint64_t n)
{
    return (struct message_id){.time_us = 1700000000000000 + n, .counter = (uint16_t)(n % 7), .process = 99};
}

#endif
