/*
 * spool_fixture.h - an open spool of small segments on a simulated disk, for the unit tests of the spool.
 */
#ifndef GODWIT_TESTS_SPOOL_FIXTURE_H
#define GODWIT_TESTS_SPOOL_FIXTURE_H

#include "check.h"

#include <stdio.h>

#include "crash/spool_harness.h"
#include "store/spool/internal.h"

#define ok(call) assert_int_equal((call), ERR_OK)

static inline void
setup(struct harness *h)
{
    harness_init(h, disk_sim_new(7), 11);
    ok(harness_open(h));
    ok(harness_work(h));
}

static inline void
teardown(struct harness *h)
{
    struct disk_sim *sim = h->sim;
    harness_done(h);
    disk_sim_free(sim);
}

/* Kill and start again; no maintenance yet. */
static inline void
restart(struct harness *h)
{
    harness_kill(h);
    ok(harness_open(h));
}

/* Close in order, so that every segment is sealed, and start again. */
static inline void
restart_sealed(struct harness *h)
{
    ok(spool_seal(h->spool));
    restart(h);
    assert_int_equal(h->report->segments_by_scan, 0);
}

static inline void
check_read(struct harness *h, struct message_id id, enum spool_kind kind, struct span wanted)
{
    struct buf got;
    buf_init(&got, 64 * 1024 * 1024);
    ok(harness_read(h, id, kind, &got));
    CHECK_SPAN("read", buf_span(&got), wanted);
    buf_done(&got);
}

static inline void
check_read_fails(struct harness *h, struct message_id id, enum spool_kind kind, enum err wanted)
{
    struct buf got;
    buf_init(&got, 64 * 1024 * 1024);
    assert_int_equal(harness_read(h, id, kind, &got), wanted);
    buf_done(&got);
}

/* A content that tells messages apart. */
static inline struct span
content_text(uint64_t n, size_t len, uint8_t *to)
{
    memset(to, (int)('a' + n % 26), len);
    int written = snprintf((char *)to, len, "content %llu ", (unsigned long long)n);
    if (written > 0 && (size_t)written < len)
        to[written] = ' ';
    return span_of(to, len);
}

static inline void
put_text(struct harness *h, uint64_t n, size_t len)
{
    uint8_t bytes[32 * 1024];
    ok(harness_put(h, harness_id(n), content_text(n, len, bytes), SPAN("state")));
}

static inline void
check_text(struct harness *h, uint64_t n, size_t len)
{
    uint8_t bytes[32 * 1024];
    check_read(h, harness_id(n), SPOOL_CONTENT, content_text(n, len, bytes));
}

/* Where the newest record of a key lies. */
struct location {
    char file[40]; /* path of its segment */
    uint32_t segment;
    uint32_t offset;
    uint32_t length;
};

static inline struct location
locate(struct harness *h, uint64_t n, enum spool_kind kind)
{
    struct location at = {.segment = 0};
    uint32_t number = spool_index_find(&h->spool->index, harness_id(n));
    assert_int_not_equal(number, SPOOL_ENTRY_NONE);
    const struct spool_entry *e = spool_index_entry(&h->spool->index, number);
    int which = kind == SPOOL_STATE ? 1 : 0;
    at.segment = e->segment[which];
    at.offset = e->place[which].offset;
    at.length = e->place[which].length;
    snprintf(at.file, sizeof(at.file), "/seg-%04u", (unsigned)at.segment);
    return at;
}

/* Change bytes of a record: from its payload when `in_payload`, else from its header. */
static inline void
damage_record(struct harness *h, struct location at, bool in_payload)
{
    ok(disk_sim_damage(h->sim, at.file, at.offset + (in_payload ? SPOOL_RECORD_HEADER_BYTES : 8), 3, 0xff));
}

#endif
