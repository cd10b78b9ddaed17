/*
 * damage_test.c - I7: damage costs what is damaged, is reported, kept and can be exported; and the spool without its
 * daemon.
 */
#include "spool_fixture.h"

#include "store/spool/inspect.h"

/* --- helpers ------------------------------------------------------------------------------------------------------ */

struct lines {
    struct buf text;
};

static bool
lines_write(void *arg, struct span bytes)
{
    struct buf *to = arg;
    return buf_append(to, bytes) == ERR_OK && buf_append_octet(to, '\n') == ERR_OK;
}

static bool
bytes_write(void *arg, struct span bytes)
{
    return buf_append(arg, bytes) == ERR_OK;
}

static bool
text_has(const struct buf *text, const char *wanted)
{
    struct span s = buf_span(text), w = span_from_cstr(wanted);
    for (size_t i = 0; i + w.len <= s.len; i++)
        if (span_equal(span_of(s.data + i, w.len), w))
            return true;
    return false;
}

/* Verify the disk of `h` as another process would; the number of problems. */
static uint64_t
verify(struct harness *h, struct buf *text, struct spool_verdict *ret)
{
    struct spool_out out = {.write = lines_write, .arg = text};
    struct disk *mount = disk_sim_mount(h->sim);
    struct disk_dir *dir;
    uint64_t steps = disk_sim_steps(h->sim);
    buf_clear(text);
    ok(disk_dir_open(mount, NULL, "/", &dir));
    ok(spool_verify(mount, dir, &out, ret));
    assert_int_equal(disk_sim_steps(h->sim), steps); /* nothing is written */
    disk_sim_unmount(mount);
    return ret->problems;
}

static enum err
export(struct harness *h, struct message_id id, enum spool_export_part part, struct buf *to)
{
    struct spool_out out = {.write = bytes_write, .arg = to};
    buf_clear(to);
    return spool_export(h->mount, h->dir, id, part, &out);
}

/* Damage of a kind in the report of the last opening, NULL when there is none. */
static const struct spool_damage *
reported(const struct harness *h, enum spool_damage_what what)
{
    for (size_t i = 0; i < h->report->damage_count; i++)
        if (h->report->damage[i].what == what)
            return &h->report->damage[i];
    return NULL;
}

static void
put_some(struct harness *h, uint64_t first, uint64_t end)
{
    for (uint64_t n = first; n < end; n++) {
        put_text(h, n, 1000);
        ok(harness_work(h));
    }
}

static void
check_others(struct harness *h, uint64_t end, uint64_t but)
{
    for (uint64_t n = 0; n < end; n++)
        if (n != but)
            check_text(h, n, 1000);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

/* In a sealed segment: found when it is read, by verify, and kept as it is through compaction. */
static void
test_damaged_payload_sealed(void **state)
{
    (void)state;
    struct harness h;
    struct spool_verdict verdict;
    struct buf text, got;
    buf_init(&text, 1 << 20);
    buf_init(&got, 1 << 20);
    setup(&h);
    put_some(&h, 0, 10);
    ok(spool_seal(h.spool));
    assert_int_equal(verify(&h, &text, &verdict), 0);
    assert_int_equal(verdict.records, 20);
    assert_int_equal(verdict.messages, 10);
    damage_record(&h, locate(&h, 4, SPOOL_CONTENT), true);
    restart(&h);
    assert_int_equal(h.report->damage_total, 0); /* a start reads tables, not bodies */
    check_read_fails(&h, harness_id(4), SPOOL_CONTENT, ERR_DAMAGED);
    check_read(&h, harness_id(4), SPOOL_STATE, SPAN("state"));
    check_others(&h, 10, 4);
    assert_int_equal(verify(&h, &text, &verdict), 1);
    char id[MESSAGE_ID_TEXT + 1] = {0};
    message_id_format(harness_id(4), id);
    assert_true(text_has(&text, id));
    assert_true(text_has(&text, "kind=content: record does not match its checksum"));
    /* Compaction keeps what is left of it. */
    h.now_ns += 61 * HARNESS_SECOND;
    ok(harness_work(&h));
    h.now_ns += 61 * HARNESS_SECOND;
    ok(harness_work(&h));
    struct spool_stats stats;
    spool_stats_get(h.spool, &stats);
    assert_true(stats.copied_bytes > 0);
    for (int again = 0; again < 2; again++) {
        check_read_fails(&h, harness_id(4), SPOOL_CONTENT, ERR_DAMAGED);
        assert_int_equal(export(&h, harness_id(4), SPOOL_EXPORT_MESSAGE, &got), ERR_DAMAGED);
        assert_int_equal(got.len, 1000);
        assert_true(got.data[0] == ('c' ^ 0xff) && got.data[3] == 't'); /* as found */
        ok(export(&h, harness_id(4), SPOOL_EXPORT_STATE, &got));
        CHECK_SPAN("state", buf_span(&got), SPAN("state"));
        ok(export(&h, harness_id(5), SPOOL_EXPORT_MESSAGE, &got));
        assert_int_equal(got.len, 1000);
        check_others(&h, 10, 4);
        assert_int_equal(verify(&h, &text, &verdict), 1);
        restart(&h);
    }
    ok(harness_work(&h));
    ok(harness_remove(&h, harness_id(4))); /* the operator gives up on it */
    assert_int_equal(verify(&h, &text, &verdict), 0);
    buf_done(&text);
    buf_done(&got);
    teardown(&h);
}

/* In a segment that is not sealed, before its last batch: reported at the start, by name. */
static void
test_damaged_payload_open(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    put_some(&h, 0, 10);
    damage_record(&h, locate(&h, 4, SPOOL_CONTENT), true);
    for (int again = 0; again < 2; again++) {
        restart(&h);
        if (again == 0) { /* afterwards it is sealed */
            const struct spool_damage *d = reported(&h, SPOOL_DAMAGE_RECORD);
            assert_non_null(d);
            assert_int_equal(h.report->damage_total, 1);
            assert_true(d->has_id && message_id_equal(d->id, harness_id(4)) && d->kind == SPOOL_CONTENT);
        }
        assert_int_equal(h.report->tails_dropped, 0);
        assert_int_equal(h.report->messages, 10);
        check_read_fails(&h, harness_id(4), SPOOL_CONTENT, ERR_DAMAGED);
        check_others(&h, 10, 4);
    }
    teardown(&h);
}

/* The header of a record: its message is half gone, the stretch is kept, everything else is found. */
static void
test_damaged_record_header(void **state)
{
    (void)state;
    struct harness h;
    struct buf text;
    buf_init(&text, 1 << 16);
    setup(&h);
    put_some(&h, 0, 10);
    struct location at = locate(&h, 4, SPOOL_CONTENT);
    damage_record(&h, at, false);
    restart(&h);
    const struct spool_damage *d = reported(&h, SPOOL_DAMAGE_EXTENT);
    assert_non_null(d);
    assert_true(d->segment == at.segment && d->offset == at.offset && d->length == spool_record_bytes(at.length));
    d = reported(&h, SPOOL_DAMAGE_HALF);
    assert_non_null(d);
    assert_true(message_id_equal(d->id, harness_id(4)) && d->kind == SPOOL_STATE);
    check_read_fails(&h, harness_id(4), SPOOL_CONTENT, ERR_NOT_FOUND);
    check_read(&h, harness_id(4), SPOOL_STATE, SPAN("state"));
    check_others(&h, 10, 4);
    struct spool_out out = {.write = lines_write, .arg = &text};
    ok(spool_list_damaged(h.mount, h.dir, &out));
    assert_true(text_has(&text, "seg-000"));
    assert_true(text_has(&text, " 1064\n"));
    buf_done(&text);
    teardown(&h);
}

/* The header of a batch: the next batch is found behind it. */
static void
test_damaged_batch_header(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    put_some(&h, 0, 10);
    struct location at = locate(&h, 4, SPOOL_CONTENT);
    ok(disk_sim_damage(h.sim, at.file, at.offset - SPOOL_BATCH_HEADER_BYTES + 24, 1, 1));
    restart(&h);
    const struct spool_damage *d = reported(&h, SPOOL_DAMAGE_EXTENT);
    assert_non_null(d);
    assert_true(d->segment == at.segment && d->offset == at.offset - SPOOL_BATCH_HEADER_BYTES && d->length == 4096);
    assert_int_equal(h.report->messages, 9);
    check_others(&h, 10, 4);
    teardown(&h);
}

/* The last batch of all may be incomplete and is dropped; the last of a segment others follow may not. */
static void
test_damaged_last_batch(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    put_some(&h, 0, 5);
    damage_record(&h, locate(&h, 4, SPOOL_CONTENT), true);
    restart(&h);
    assert_int_equal(h.report->tails_dropped, 1);
    assert_int_equal(h.report->damage_total, 0);
    assert_false(spool_has(h.spool, harness_id(4)));
    check_others(&h, 4, 4);
    restart(&h);
    assert_int_equal(h.report->tails_dropped, 0); /* settled: the segment was sealed without it */
    assert_false(spool_has(h.spool, harness_id(4)));
    teardown(&h);
    /* Fill a segment to its last block, let the log go on in the next, and never seal: 14 blocks of batches. */
    harness_init(&h, disk_sim_new(7), 11);
    h.options.spare_segments = 4;
    ok(harness_open(&h));
    ok(harness_work(&h));
    uint64_t n = 0;
    struct location last = {.segment = 0}, now;
    for (bool is_next = false; !is_next; n++) {
        put_text(&h, n, 1000);
        now = locate(&h, n, SPOOL_CONTENT);
        is_next = n > 0 && now.segment != last.segment;
        if (!is_next)
            last = now;
    }
    damage_record(&h, last, true);
    restart(&h);
    assert_int_equal(h.report->tails_dropped, 0);
    assert_non_null(reported(&h, SPOOL_DAMAGE_RECORD));
    check_read_fails(&h, harness_id(n - 2), SPOOL_CONTENT, ERR_DAMAGED);
    check_others(&h, n, n - 2);
    teardown(&h);
}

/* A damaged state: the newest one that can be read is offered, marked as older. */
static void
test_older_state(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    put_some(&h, 0, 3);
    ok(harness_state(&h, harness_id(1), SPAN("second")));
    ok(harness_state(&h, harness_id(1), SPAN("third")));
    damage_record(&h, locate(&h, 1, SPOOL_STATE), true);
    damage_record(&h, locate(&h, 2, SPOOL_STATE), true);
    ok(spool_seal(h.spool));
    restart(&h);
    struct spool_scan *scan = spool_scan_new(h.spool);
    unsigned seen = 0;
    while (spool_scan_plan(scan)) {
        spool_scan_run(scan);
        for (size_t i = 0; i < spool_scan_count(scan); i++, seen++) {
            const struct spool_message *m = spool_scan_message(scan, i);
            if (message_id_equal(m->id, harness_id(0))) {
                assert_true(m->state_status == ERR_OK && !m->is_older_state);
            } else if (message_id_equal(m->id, harness_id(1))) {
                assert_true(m->state_status == ERR_DAMAGED && m->is_older_state && m->is_content_there);
                CHECK_SPAN("older", m->state, SPAN("second"));
            } else {
                assert_true(m->state_status == ERR_DAMAGED && !m->is_older_state && m->state.len == 0);
            }
        }
    }
    assert_int_equal(seen, 3);
    spool_scan_free(scan);
    teardown(&h);
}

/* --- segments ----------------------------------------------------------------------------------------------------- */

static void
test_damaged_segment_header(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool seals;        /* before the damage */
        bool hits_copy;    /* the second header, too */
        bool is_set_aside; /* nothing is left to know the segment by */
    } rows[] = {
        {"open, first header", false, false, false},
        {"open, both headers", false, true, true},
        {"sealed, first header", true, false, false},
        {"sealed, both headers: the trailer knows", true, true, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness h;
        setup(&h);
        put_some(&h, 0, 10);
        struct location at = locate(&h, 0, SPOOL_CONTENT);
        if (rows[i].seals)
            ok(spool_seal(h.spool));
        harness_kill(&h);
        ok(disk_sim_damage(h.sim, at.file, 0, 64, 0x55));
        if (rows[i].hits_copy)
            ok(disk_sim_damage(h.sim, at.file, SPOOL_SEGMENT_BYTES_MIN - 4096 + SPOOL_HEADER_COPY, 64, 0x55));
        for (int again = 0; again < 2; again++) {
            ok(harness_open(&h));
            CHECK(rows[i].name, (reported(&h, SPOOL_DAMAGE_SEGMENT) != NULL) == rows[i].is_set_aside);
            CHECK(rows[i].name, h.report->messages == (rows[i].is_set_aside ? 0u : 10u));
            ok(harness_work(&h)); /* the segment stays as it is */
            put_text(&h, 100, 1000);
            check_text(&h, 100, 1000);
            ok(harness_remove(&h, harness_id(100)));
            if (again == 0)
                harness_kill(&h);
        }
        teardown(&h);
    }
}

/* A table that does not agree with its checksum is no table: the batches are read. */
static void
test_damaged_table(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t offset;
    } rows[] = {
        {"trailer", SPOOL_SEGMENT_BYTES_MIN - 4096 + 40},
        {"table", SPOOL_SEGMENT_BYTES_MIN - 8192 + 20},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness h;
        setup(&h);
        put_some(&h, 0, 10);
        struct location at = locate(&h, 0, SPOOL_CONTENT);
        ok(spool_seal(h.spool));
        ok(disk_sim_damage(h.sim, at.file, rows[i].offset, 4, 0xff));
        restart(&h);
        CHECK(rows[i].name, h.report->batches == 10 && h.report->messages == 10 && h.report->damage_total == 0);
        check_others(&h, 10, 10);
        restart(&h);
        CHECK(rows[i].name, h.report->batches == 0 && h.report->messages == 10); /* sealed again */
        teardown(&h);
    }
}

/* A body file of no message may belong to what was damaged: it stays while anything lies in damaged/. */
static void
test_orphans_wait_for_damage(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    struct spool_body *body;
    struct message_id id = harness_id(1);
    struct span header = SPAN("header\r\n\r\n"), text = SPAN("state");
    ok(harness_body(&h, id, SPAN("a body"), 100, &body));
    struct spool_op ops[] = {harness_op(SPOOL_PUT_CONTENT, id, &header), harness_op(SPOOL_PUT_STATE, id, &text)};
    ops[0].body = body;
    ok(harness_commit(&h, SPOOL_USE_ACCEPT, ops, 2));
    spool_body_free(body);
    struct location at = locate(&h, 1, SPOOL_CONTENT);
    put_some(&h, 10, 12);
    damage_record(&h, at, false);
    for (int again = 0; again < 3; again++) {
        restart(&h);
        assert_int_equal(h.report->orphans_kept, 1);
        assert_int_equal(h.report->orphans_removed, 0);
    }
    teardown(&h);
}

static void
test_damaged_body(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_missing, is_longer;
    } rows[] = {{"changed", false, false}, {"missing", true, false}, {"longer", false, true}};
    struct buf text, got;
    buf_init(&text, 1 << 16);
    buf_init(&got, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness h;
        struct spool_verdict verdict;
        setup(&h);
        struct spool_body *body;
        struct message_id id = harness_id(1);
        struct span header = SPAN("header\r\n\r\n"), wanted = SPAN("state");
        ok(harness_body(&h, id, SPAN("a body"), 100, &body));
        struct spool_op ops[] = {harness_op(SPOOL_PUT_CONTENT, id, &header), harness_op(SPOOL_PUT_STATE, id, &wanted)};
        ops[0].body = body;
        ok(harness_commit(&h, SPOOL_USE_ACCEPT, ops, 2));
        spool_body_free(body);
        assert_int_equal(verify(&h, &text, &verdict), 0);
        assert_int_equal(verdict.bodies, 1);
        ok(export(&h, id, SPOOL_EXPORT_MESSAGE, &got));
        CHECK_SPAN("export", buf_span(&got), SPAN("header\r\n\r\na body"));
        char path[64] = "body/";
        message_id_format(id, path + 5);
        if (rows[i].is_missing) {
            ok(disk_unlink(h.dir, path));
        } else if (rows[i].is_longer) {
            struct disk_file *file;
            ok(disk_open(h.dir, path, DISK_READ | DISK_WRITE, &file));
            ok(disk_pwrite(file, 6, SPAN("!")));
            disk_close(file);
        } else {
            char whole[80];
            snprintf(whole, sizeof(whole), "/%s", path);
            ok(disk_sim_damage(h.sim, whole, 2, 1, 1));
        }
        CHECK(rows[i].name, verify(&h, &text, &verdict) == 1);
        CHECK(rows[i].name, text_has(&text, "body file missing or not what was written"));
        CHECK(rows[i].name, export(&h, id, SPOOL_EXPORT_MESSAGE, &got) == ERR_DAMAGED);
        CHECK(rows[i].name, got.len >= header.len);
        restart(&h);
        CHECK(rows[i].name, (reported(&h, SPOOL_DAMAGE_BODY) != NULL) == rows[i].is_missing);
        if (rows[i].is_missing || rows[i].is_longer)
            check_read_fails(&h, id, SPOOL_CONTENT, ERR_DAMAGED);
        teardown(&h);
    }
    buf_done(&text);
    buf_done(&got);
}

/* --- the superblock ----------------------------------------------------------------------------------------------- */

static void
test_superblock(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t offset;
        bool is_removed;
        enum err result;
    } rows[] = {
        {"damaged", 20, false, ERR_DAMAGED},
        {"magic damaged", 0, false, ERR_DAMAGED},
        {"gone, but segments are there", 0, true, ERR_DAMAGED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness h;
        setup(&h);
        put_some(&h, 0, 2);
        if (rows[i].is_removed)
            ok(disk_unlink(h.dir, "superblock"));
        else
            ok(disk_sim_damage(h.sim, "/superblock", rows[i].offset, 1, 1));
        harness_kill(&h);
        CHECK(rows[i].name, harness_open(&h) == rows[i].result);
        teardown(&h);
    }
    /* A newer format is told apart from damage, and nothing is touched. */
    struct harness h;
    setup(&h);
    uint8_t bytes[SPOOL_SUPERBLOCK_BYTES];
    spool_superblock_encode(&(struct spool_superblock){.version = SPOOL_FORMAT_VERSION + 1, .segment_bytes = 1 << 20},
                            bytes);
    struct disk_file *file;
    ok(disk_open(h.dir, "superblock", DISK_READ | DISK_WRITE, &file));
    ok(disk_pwrite(file, 0, span_of(bytes, sizeof(bytes))));
    disk_close(file);
    harness_kill(&h);
    uint64_t steps = disk_sim_steps(h.sim);
    assert_int_equal(harness_open(&h), ERR_PROTOCOL);
    assert_int_equal(h.report->format_version, SPOOL_FORMAT_VERSION + 1);
    assert_int_equal(disk_sim_steps(h.sim), steps);
    teardown(&h);
    /* Read only, and nothing there. */
    harness_init(&h, disk_sim_new(1), 1);
    h.options.is_read_only = true;
    assert_int_equal(harness_open(&h), ERR_NOT_FOUND);
    assert_int_equal(disk_sim_steps(h.sim), 0);
    teardown(&h);
    /* The segment size is the one it was created with. */
    setup(&h);
    put_some(&h, 0, 2);
    h.options.segment_bytes = 1 << 20;
    restart(&h);
    assert_int_equal(h.spool->segment_bytes, SPOOL_SEGMENT_BYTES_MIN);
    check_others(&h, 2, 2);
    teardown(&h);
}

/* --- list --------------------------------------------------------------------------------------------------------- */

struct listing {
    uint64_t count;
    uint64_t damaged;
    struct message_id last;
    bool stops;
};

static bool
list_one(void *arg, const struct spool_listed *m)
{
    struct listing *l = arg;
    assert_true(l->count == 0 || message_id_compare(l->last, m->id) < 0);
    l->last = m->id;
    l->count++;
    l->damaged += m->is_damaged ? 1 : 0;
    if (!m->is_damaged) {
        assert_int_equal(m->content_bytes, 1000);
        CHECK_SPAN("state", m->state, SPAN("state"));
    }
    return !l->stops;
}

static void
test_list(void **state)
{
    (void)state;
    struct harness h;
    setup(&h);
    for (uint64_t n = 40; n > 0; n--) {
        put_text(&h, n, 1000);
        ok(harness_work(&h));
    }
    ok(harness_remove(&h, harness_id(7)));
    ok(spool_seal(h.spool));
    damage_record(&h, locate(&h, 8, SPOOL_STATE), true);
    struct listing l = {0};
    ok(spool_list(h.mount, h.dir, list_one, &l));
    assert_int_equal(l.count, 39);
    assert_int_equal(l.damaged, 1);
    l = (struct listing){.stops = true};
    assert_int_equal(spool_list(h.mount, h.dir, list_one, &l), ERR_CANCELED);
    assert_int_equal(l.count, 1);
    struct buf got;
    buf_init(&got, 10000);
    assert_int_equal(export(&h, harness_id(7), SPOOL_EXPORT_MESSAGE, &got), ERR_NOT_FOUND);
    assert_int_equal(export(&h, harness_id(8), SPOOL_EXPORT_STATE, &got), ERR_DAMAGED);
    buf_done(&got);
    teardown(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_payload_sealed), cmocka_unit_test(test_damaged_payload_open),
        cmocka_unit_test(test_damaged_record_header),  cmocka_unit_test(test_damaged_batch_header),
        cmocka_unit_test(test_damaged_last_batch),     cmocka_unit_test(test_older_state),
        cmocka_unit_test(test_damaged_segment_header), cmocka_unit_test(test_damaged_table),
        cmocka_unit_test(test_orphans_wait_for_damage), cmocka_unit_test(test_damaged_body),
        cmocka_unit_test(test_superblock),             cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
