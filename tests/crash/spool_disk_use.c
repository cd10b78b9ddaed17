/*
 * spool_disk_use.c - I4 over a long life: disk use stays under twice the live bytes plus a few segments.
 *
 * usage: spool_disk_use MESSAGES
 *
 * First MESSAGES messages that are delivered soon after they came, but for one in 10,000 that stays deferred and has
 * its state rewritten now and then. Then a backlog: a tenth of MESSAGES stay, and leave in no order. After every piece
 * of maintenance the bound is checked, at the end every message that should be there, also after a restart.
 */
#include <stdio.h>
#include <stdlib.h>

#include "crash/spool_harness.h"

enum {
    SEGMENT_BYTES = 1024 * 1024,
    FEW_SEGMENTS = 14,
    IN_FLIGHT = 2000, /* messages between arrival and delivery */
    BATCH_GROUPS = 25,
    DEFERRED_ONE_IN = 10000,
    CONTENT_BYTES = 2048,
    MESSAGES_MAX = 100000000,
    INDEX_BYTES_MAX = 100, /* a message */
};

struct world {
    struct harness h;
    struct spool_batch *batch;
    unsigned groups;
    uint64_t disk_bytes_max;
    uint64_t over_bound; /* checks that failed */
};

static void
must(enum err e, const char *what)
{
    if (e == ERR_OK)
        return;
    printf("%s: %s\n", what, err_name(e));
    exit(1);
}

static struct message_id
id_of(uint64_t n)
{
    return (struct message_id){.time_us = 1600000000000000u + n, .process = 5};
}

static void
check_bound(struct world *w)
{
    struct spool_stats s;
    spool_stats_get(w->h.spool, &s);
    if (s.disk_bytes > w->disk_bytes_max)
        w->disk_bytes_max = s.disk_bytes;
    if (s.disk_bytes >= 2 * s.live_bytes + FEW_SEGMENTS * (uint64_t)SEGMENT_BYTES)
        w->over_bound++;
}

static void
flush(struct world *w)
{
    if (w->batch == NULL)
        return;
    must(harness_write(w->batch), "batch");
    w->batch = NULL;
    w->groups = 0;
    struct spool_work *work;
    while ((work = spool_work_take(w->h.spool, w->h.now_ns)) != NULL) {
        must(harness_work_one(work), "maintenance");
        check_bound(w);
    }
    check_bound(w);
}

static void
add(struct world *w, enum spool_use use, const struct spool_op *ops, size_t count)
{
    for (int tries = 0; tries < 3; tries++) {
        if (w->batch == NULL)
            w->batch = spool_batch_new(w->h.spool);
        enum err e = spool_batch_add(w->batch, use, ops, count);
        if (e == ERR_OK) {
            if (++w->groups == BATCH_GROUPS)
                flush(w);
            return;
        }
        if (e != ERR_AGAIN || spool_batch_is_empty(w->batch))
            must(e, "add");
        flush(w);
    }
}

static void
put(struct world *w, uint64_t n)
{
    static const uint8_t zeros[CONTENT_BYTES];
    char state[200];
    int len = snprintf(state, sizeof(state), "%llu %0150u", (unsigned long long)n, 0u);
    struct span content = span_of(zeros, CONTENT_BYTES / 2 + n % (CONTENT_BYTES / 2)),
        text = span_of(state, (size_t)len);
    struct spool_op ops[] = {harness_op(SPOOL_PUT_CONTENT, id_of(n), &content),
        harness_op(SPOOL_PUT_STATE, id_of(n), &text)};
    add(w, SPOOL_USE_ACCEPT, ops, 2);
}

static void
change_state(struct world *w, uint64_t n)
{
    struct span text = SPAN("deferred");
    struct spool_op op = harness_op(SPOOL_PUT_STATE, id_of(n), &text);
    add(w, SPOOL_USE_RESULT, &op, 1);
}

static void
drop(struct world *w, uint64_t n)
{
    struct spool_op op = harness_op(SPOOL_REMOVE, id_of(n), NULL);
    add(w, SPOOL_USE_RESULT, &op, 1);
}

static bool
stays(uint64_t n)
{
    return n % DEFERRED_ONE_IN == 17;
}

/* Mail passes through; a little of it stays. */
static void
pass_through(struct world *w, uint64_t messages)
{
    for (uint64_t n = 0; n < messages + IN_FLIGHT; n++) {
        if (n < messages)
            put(w, n);
        if (n >= IN_FLIGHT && !stays(n - IN_FLIGHT))
            drop(w, n - IN_FLIGHT);
        if (n % DEFERRED_ONE_IN == 0)
            for (uint64_t old = 17; old + DEFERRED_ONE_IN < n; old += DEFERRED_ONE_IN)
                change_state(w, old);
        w->h.now_ns += HARNESS_SECOND / 5000;
    }
    flush(w);
}

/* A backlog that leaves in no order; every tenth message stays to the end. */
static void
backlog(struct world *w, uint64_t first, uint64_t messages)
{
    struct sim_random random = {messages};
    uint64_t *left = calloc(messages, sizeof(*left));
    if (left == NULL)
        exit(1);
    for (uint64_t i = 0; i < messages; i++) {
        left[i] = first + i;
        put(w, first + i);
        w->h.now_ns += HARNESS_SECOND / 500;
    }
    flush(w);
    struct spool_stats s;
    spool_stats_get(w->h.spool, &s);
    printf("backlog of %llu: %llu bytes of index a message\n", (unsigned long long)s.messages,
           (unsigned long long)(s.index_bytes / s.messages));
    if (messages >= 50000 && s.index_bytes / s.messages > INDEX_BYTES_MAX)
        must(ERR_LIMIT, "index");
    for (uint64_t i = messages; i > 0; i--) {
        uint64_t at = sim_random_below(&random, i), n = left[at];
        left[at] = left[i - 1];
        if (n % 10 != 0)
            drop(w, n);
        w->h.now_ns += HARNESS_SECOND / 500;
    }
    flush(w);
    free(left);
}

static void
check_all(struct world *w, uint64_t first, uint64_t messages)
{
    uint64_t wanted = 0;
    for (uint64_t n = 0; n < first; n++) {
        wanted += stays(n) ? 1 : 0;
        if (spool_has(w->h.spool, id_of(n)) != stays(n))
            must(ERR_NOT_FOUND, "message of the first part");
    }
    for (uint64_t n = first; n < first + messages; n++) {
        wanted += n % 10 == 0 ? 1 : 0;
        if (spool_has(w->h.spool, id_of(n)) != (n % 10 == 0))
            must(ERR_NOT_FOUND, "message of the backlog");
    }
    struct spool_stats s;
    spool_stats_get(w->h.spool, &s);
    if (s.messages != wanted)
        must(ERR_EXISTS, "number of messages");
}

int
main(int argc, char **argv)
{
    uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    if (messages == 0 || messages > MESSAGES_MAX) {
        fprintf(stderr, "usage: %s MESSAGES\n", argv[0]);
        return 64;
    }
    struct disk_sim *sim = disk_sim_new(1);
    struct world *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return 1;
    harness_init(&w->h, sim, 2);
    w->h.options.segment_bytes = SEGMENT_BYTES;
    must(harness_open(&w->h), "open");
    must(harness_work(&w->h), "maintenance");
    pass_through(w, messages);
    struct spool_stats s;
    spool_stats_get(w->h.spool, &s);
    printf("%llu messages passed, %llu stay: %llu live bytes, at most %llu on disk, %llu copied, %llu bytes of index\n",
           (unsigned long long)messages, (unsigned long long)s.messages, (unsigned long long)s.live_bytes,
           (unsigned long long)w->disk_bytes_max, (unsigned long long)s.copied_bytes,
               (unsigned long long)s.index_bytes);
    backlog(w, messages, messages / 10);
    check_all(w, messages, messages / 10);
    harness_kill(&w->h);
    must(harness_open(&w->h), "open again");
    printf("restart: %u segments by table, %u by scan, %llu records\n", (unsigned)w->h.report->segments_by_table,
           (unsigned)w->h.report->segments_by_scan, (unsigned long long)w->h.report->records);
    check_all(w, messages, messages / 10);
    uint64_t over = w->over_bound, damage = w->h.report->damage_total;
    printf("bound passed over %llu times, damage %llu\n", (unsigned long long)over, (unsigned long long)damage);
    harness_done(&w->h);
    disk_sim_free(sim);
    free(w);
    return over == 0 && damage == 0 ? 0 : 1;
}
