/* format_test.c - what is encoded is decoded; a single changed bit is found; a walk goes on behind damage. */
#include "check.h"

#include "store/spool/format.h"

static const struct spool_salt salt = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const struct spool_salt other_salt = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17}};

static struct message_id
id_of(uint64_t n)
{
    return (struct message_id){.time_us = 1700000000000000 + n, .counter = 2, .process = 3, .node = 4};
}

/* Whether `decode` refuses `bytes` with any one bit changed. */
static void
check_every_bit(const char *name, uint8_t *bytes, size_t len, bool (*decode)(struct span bytes))
{
    CHECK(name, decode(span_of(bytes, len)));
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (decode(span_of(bytes, len)))
            fail_msg("%s: bit %zu changed and nobody saw", name, bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t n = 0; n < len; n++)
        CHECK(name, !decode(span_of(bytes, n)));
}

static bool
decode_superblock(struct span bytes)
{
    struct spool_superblock s;
    return spool_superblock_decode(bytes, &s) && s.version == SPOOL_FORMAT_VERSION && s.segment_bytes == 1 << 20;
}

static bool
decode_segment(struct span bytes)
{
    struct spool_segment_header h;
    return spool_segment_header_decode(bytes, &h) && h.number == 7 && h.segment_bytes == 1 << 20 &&
           h.sequence_floor == 99 &&
           memcmp(&h.salt, &salt, sizeof(salt)) == 0;
}

static bool
decode_batch(struct span bytes)
{
    struct spool_batch_header h;
    return spool_batch_header_decode(bytes, &salt, 5000, &h) && h.sequence == 12 && h.previous == 11 &&
           h.length == 4800 &&
           h.count == 3 && h.generation == 2;
}

static bool
decode_record(struct span bytes)
{
    struct spool_record_header h;
    return spool_record_header_decode(bytes, &salt, 1000, &h) && h.length == 500 && h.index == 1 && h.sequence == 12 &&
           h.version == 99 && message_id_equal(h.id, id_of(1)) && h.kind == SPOOL_CONTENT &&
           h.flags == SPOOL_RECORD_BODY_FILE &&
           h.payload_crc == 0x12345678 && h.body_bytes == 7777777 && h.body_crc == 0x87654321;
}

static bool
decode_trailer(struct span bytes)
{
    struct spool_trailer t;
    return spool_trailer_decode(bytes, &salt, 1 << 20, &t) && t.number == 7 && t.generation == 1 &&
           t.first_sequence == 5 &&
           t.last_sequence == 12 && t.first_previous == 4 && t.used_bytes == 8192 &&
           t.table_offset == (1 << 20) - 8192 &&
           t.table_count == 100 && t.table_crc == 77;
}

static void
test_round_trips(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct spool_superblock superblock = {.version = SPOOL_FORMAT_VERSION, .segment_bytes = 1 << 20};
    spool_superblock_encode(&superblock, bytes);
    check_every_bit("superblock", bytes, SPOOL_SUPERBLOCK_BYTES, decode_superblock);
    struct spool_segment_header segment = {.number = 7, .segment_bytes = 1 << 20, .sequence_floor = 99, .salt = salt};
    spool_segment_header_encode(&segment, bytes);
    check_every_bit("segment header", bytes, SPOOL_SEGMENT_HEADER_BYTES, decode_segment);
    struct spool_batch_header batch = {.salt = salt, .sequence = 12, .previous = 11, .length = 4800, .count = 3,
        .generation = 2};
    spool_batch_header_encode(&batch, bytes);
    check_every_bit("batch header", bytes, SPOOL_BATCH_HEADER_BYTES, decode_batch);
    struct spool_record_header record = {.length = 500, .index = 1, .sequence = 12, .version = 99, .id = id_of(1),
        .kind = SPOOL_CONTENT, .flags = SPOOL_RECORD_BODY_FILE, .payload_crc = 0x12345678, .body_bytes = 7777777,
        .body_crc = 0x87654321};
    spool_record_header_encode(&record, &salt, bytes);
    check_every_bit("record header", bytes, SPOOL_RECORD_HEADER_BYTES, decode_record);
    struct spool_trailer trailer = {.salt = salt, .number = 7, .generation = 1, .first_sequence = 5,
        .last_sequence = 12,
        .first_previous = 4, .used_bytes = 8192, .table_offset = (1 << 20) - 8192, .table_count = 100, .table_crc = 77};
    spool_trailer_encode(&trailer, bytes);
    check_every_bit("trailer", bytes, SPOOL_TRAILER_BYTES, decode_trailer);
}

/* I2: neither a former life nor a sender's bytes can pass. */
static void
test_salt(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct spool_batch_header batch = {.salt = salt, .sequence = 1, .length = 64}, b;
    spool_batch_header_encode(&batch, bytes);
    assert_true(spool_batch_header_decode(span_of(bytes, 64), &salt, 64, &b));
    assert_false(spool_batch_header_decode(span_of(bytes, 64), &other_salt, 64, &b));
    struct spool_record_header record = {.kind = SPOOL_STATE}, r;
    spool_record_header_encode(&record, &salt, bytes);
    assert_true(spool_record_header_decode(span_of(bytes, 64), &salt, 64, &r));
    assert_false(spool_record_header_decode(span_of(bytes, 64), &other_salt, 64, &r));
    struct spool_trailer trailer = {.salt = salt, .used_bytes = 4096, .table_offset = 4096}, t;
    spool_trailer_encode(&trailer, bytes);
    assert_true(spool_trailer_decode(span_of(bytes, 128), &salt, 65536, &t));
    assert_false(spool_trailer_decode(span_of(bytes, 128), &other_salt, 65536, &t));
    assert_true(spool_trailer_decode_any(span_of(bytes, 128), 65536, &t));
    assert_true(spool_crc(&salt, SPAN("x")) != spool_crc(&other_salt, SPAN("x")));
}

/* Numbers that agree with their checksum and make no sense: a bug, or a forger who knows the salt. */
static void
test_impossible_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct spool_batch_header h;
        bool is_good;
    } batches[] = {
        {"smallest", {.sequence = 1, .length = 64}, true},
        {"fills the room", {.sequence = 1, .length = 5000, .count = 77}, true},
        {"longer than the room", {.sequence = 1, .length = 5001}, false},
        {"shorter than its header", {.sequence = 1, .length = 63}, false},
        {"more records than fit", {.sequence = 1, .length = 5000, .count = 78}, false},
        {"no sequence", {.sequence = 0, .length = 64}, false},
        {"sequence beyond versions", {.sequence = UINT64_C(1) << 44, .length = 64}, false},
        {"generation", {.sequence = 1, .length = 64, .generation = SPOOL_GENERATIONS}, false},
    };
    uint8_t bytes[128];
    for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
        struct spool_batch_header h = batches[i].h, got;
        h.salt = salt;
        spool_batch_header_encode(&h, bytes);
        CHECK(batches[i].name, spool_batch_header_decode(span_of(bytes, 64), &salt, 5000, &got) == batches[i].is_good);
    }
    static const struct {
        const char *name;
        struct spool_table_entry e;
        bool is_good;
    } entries[] = {
        {"smallest", {.kind = SPOOL_REMOVAL, .offset = 4096 + 64}, true},
        {"to the end", {.kind = SPOOL_CONTENT, .offset = 4096 + 64, .length = 4096 - 128}, true},
        {"past the end", {.kind = SPOOL_CONTENT, .offset = 4096 + 64, .length = 4096 - 127}, false},
        {"in the segment header", {.kind = SPOOL_CONTENT, .offset = 4088}, false},
        {"not aligned", {.kind = SPOOL_CONTENT, .offset = 4100}, false},
        {"offset past the end", {.kind = SPOOL_CONTENT, .offset = 16384}, false},
        {"length overflows", {.kind = SPOOL_CONTENT, .offset = 4160, .length = UINT32_MAX}, false},
        {"kind 0", {.kind = (enum spool_kind)0, .offset = 4160}, false},
        {"kind 4", {.kind = (enum spool_kind)4, .offset = 4160}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        struct spool_table_entry got;
        spool_table_entry_encode(&entries[i].e, bytes);
        CHECK(entries[i].name, spool_table_entry_decode(span_of(bytes, SPOOL_TABLE_ENTRY_BYTES), 8192,
                                                        &got) == entries[i].is_good);
    }
}

static void
test_newer_format(void **state)
{
    (void)state;
    uint8_t bytes[SPOOL_SUPERBLOCK_BYTES];
    struct spool_superblock newer = {.version = SPOOL_FORMAT_VERSION + 1, .segment_bytes = 1}, got;
    spool_superblock_encode(&newer, bytes);
    /* so that it can be told apart from damage */
    assert_true(spool_superblock_decode(span_of(bytes, sizeof(bytes)), &got));
    assert_int_equal(got.version, SPOOL_FORMAT_VERSION + 1);
    struct spool_superblock odd = {.version = SPOOL_FORMAT_VERSION, .segment_bytes = 70000};
    spool_superblock_encode(&odd, bytes);
    assert_false(spool_superblock_decode(span_of(bytes, sizeof(bytes)), &got));
}

enum { WALK_RECORDS = 4 };

/* A batch of records with payloads of 5, 105, 205 and 305 octets. */
static size_t
batch_make(uint8_t *to, struct spool_batch_header *ret_header, uint32_t offsets[WALK_RECORDS])
{
    size_t at = SPOOL_BATCH_HEADER_BYTES;
    for (uint32_t i = 0; i < WALK_RECORDS; i++) {
        struct spool_record_header h = {.length = 5 + 100 * i, .id = id_of(i), .kind = SPOOL_CONTENT};
        memset(to + at, 0, spool_record_bytes(h.length));
        spool_record_header_encode(&h, &salt, to + at);
        memset(to + at + SPOOL_RECORD_HEADER_BYTES, (int)('a' + i), h.length);
        spool_record_finish(to + at, &salt, 42, i);
        offsets[i] = (uint32_t)at;
        at += spool_record_bytes(h.length);
    }
    *ret_header = (struct spool_batch_header){.salt = salt, .sequence = 42, .length = (uint32_t)at,
        .count = WALK_RECORDS};
    spool_batch_header_encode(ret_header, to);
    return at;
}

static void
test_walk(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    uint32_t offsets[WALK_RECORDS];
    struct spool_batch_header header;
    size_t len = batch_make(bytes, &header, offsets);
    assert_true(spool_batch_is_whole(span_of(bytes, len), &salt, &header));
    struct spool_walk w;
    struct spool_record r;
    spool_walk_init(&w, span_of(bytes, len), &salt, &header);
    for (uint32_t i = 0; i < WALK_RECORDS; i++) {
        assert_true(spool_walk_next(&w, &r));
        assert_true(r.is_whole && r.offset == offsets[i] && r.header.length == 5 + 100 * i &&
                    r.payload.data[0] == 'a' + i);
        assert_int_equal(r.header.version, UINT64_C(42) << SPOOL_VERSION_INDEX_BITS | i);
        assert_int_equal(w.damage_length, 0);
    }
    assert_false(spool_walk_next(&w, &r));
    assert_int_equal(w.damage_length, 0);
}

/* I7: any single octet damaged costs at most the one record it is in; the batch is not whole any more. */
static void
test_walk_over_damage(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    uint32_t offsets[WALK_RECORDS];
    struct spool_batch_header header;
    size_t len = batch_make(bytes, &header, offsets);
    for (size_t hit = SPOOL_BATCH_HEADER_BYTES; hit < len; hit++) {
        uint32_t hit_record = 0;
        while (hit_record + 1 < WALK_RECORDS && hit >= offsets[hit_record + 1])
            hit_record++;
        size_t record_end = offsets[hit_record] + SPOOL_RECORD_HEADER_BYTES + 5 + 100 * hit_record;
        bool is_padding = hit >= record_end;
        bytes[hit] ^= 0x40;
        if (spool_batch_is_whole(span_of(bytes, len), &salt, &header) != is_padding)
            fail_msg("octet %zu: the batch counts as %s", hit, is_padding ? "damaged" : "whole");
        struct spool_walk w;
        struct spool_record r;
        uint32_t good = 0;
        spool_walk_init(&w, span_of(bytes, len), &salt, &header);
        while (spool_walk_next(&w, &r)) {
            if (r.is_whole && r.header.index == hit_record && !is_padding)
                fail_msg("octet %zu: its record counts as whole", hit);
            good += r.is_whole ? 1 : 0;
        }
        if (good != WALK_RECORDS - (is_padding ? 0 : 1))
            fail_msg("octet %zu costs %u records", hit, WALK_RECORDS - (unsigned)good);
        bytes[hit] ^= 0x40;
    }
}

static void
test_table_offset(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t count, offset;
    } rows[] = {
        {"empty", 0, 65536 - 4096},
        {"one", 1, 65536 - 8192},
        {"a block full", 102, 65536 - 8192},
        {"a block and one", 103, 65536 - 12288},
        {"more than a segment", 100000, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CHECK(rows[i].name, spool_table_offset(65536, rows[i].count) == rows[i].offset);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),     cmocka_unit_test(test_salt),
        cmocka_unit_test(test_impossible_numbers), cmocka_unit_test(test_newer_format),
        cmocka_unit_test(test_walk),            cmocka_unit_test(test_walk_over_damage),
        cmocka_unit_test(test_table_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
