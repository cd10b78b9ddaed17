/*
 * spool_segment_fuzz.c - a segment file as any disk or forger may leave it: start, table, batches, records.
 *
 * The input is the segment, its size rounded up to blocks. It is read twice: as it is, and with every checksum made
 * right, so that wrong numbers get past them. Whatever is found has to lie within the segment, and a second look finds
 * the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/spool/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT_MAX = 64 * 1024, NUMBER = 3 };

/* The life the seeds are of. */
static const struct spool_salt seed_salt = {"0123456789abcdef"};

struct memory {
    const uint8_t *bytes;
    size_t len;
};

static enum err
memory_read(void *arg, uint64_t offset, void *dst, size_t len, size_t *ret_n)
{
    const struct memory *m = arg;
    ASSERT(offset <= m->len);
    size_t n = len < m->len - offset ? len : (size_t)(m->len - offset);
    memcpy(dst, m->bytes + offset, n);
    *ret_n = n;
    return ERR_OK;
}

static void
put32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t
get32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* Right checksums wherever something begins like a batch, a record or a trailer. */
static void
checksums_repair(uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at + 128 <= len; at += 8) {
        if (memcmp(bytes + at, "GWRC", 4) == 0) {
            uint32_t length = get32(bytes + at + 12);
            if (length <= len - at - 64)
                put32(bytes + at + 8, spool_crc(&seed_salt, span_of(bytes + at + 64, length)));
            put32(bytes + at + 4, spool_crc(&seed_salt, span_of(bytes + at + 8, 56)));
        } else if (memcmp(bytes + at, "GWBT", 4) == 0) {
            memcpy(bytes + at + 8, &seed_salt, sizeof(seed_salt));
            put32(bytes + at + 4, spool_crc(&seed_salt, span_of(bytes + at + 8, 56)));
        } else if (memcmp(bytes + at, "GWTABLE\n", 8) == 0) {
            uint32_t offset = get32(bytes + at + 60), count = get32(bytes + at + 64);
            if (offset <= len && count <= (len - offset) / SPOOL_TABLE_ENTRY_BYTES)
                put32(bytes + at + 68, spool_crc(&seed_salt,
                                                 span_of(bytes + offset, (size_t)count * SPOOL_TABLE_ENTRY_BYTES)));
            memcpy(bytes + at + 16, &seed_salt, sizeof(seed_salt));
            put32(bytes + at + 92, spool_crc(&seed_salt, span_of(bytes + at, 92)));
        }
    }
}

static void
view_check(const struct spool_source *source, const struct spool_segment_view *view)
{
    ASSERT(view->used_bytes <= source->segment_bytes && view->generation < SPOOL_GENERATIONS);
    for (size_t i = 0; i < view->count; i++) {
        const struct spool_table_entry *e = &view->entries[i];
        ASSERT(e->offset >= SPOOL_FIRST_BATCH && e->offset + spool_record_bytes(e->length) <= view->used_bytes);
        void *memory = NULL;
        struct spool_record_header h;
        struct span payload;
        enum err result = spool_record_read(source, &seed_salt, e->offset, e->length, &memory, &h, &payload);
        ASSERT(result == ERR_OK || result == ERR_DAMAGED || result == ERR_LIMIT);
        ASSERT(result != ERR_OK || (payload.len == e->length && h.length == e->length));
        free(memory);
    }
    for (size_t i = 0; i < view->damage.count; i++)
        ASSERT(view->damage.items[i].offset + view->damage.items[i].length <= source->segment_bytes);
}

static void
segment_look(uint8_t *bytes, size_t len)
{
    struct memory memory = {bytes, len};
    struct spool_source source = {.read = memory_read, .arg = &memory, .segment_bytes = (uint32_t)len};
    struct spool_segment_header header = {0};
    enum spool_segment_start start;
    if (spool_segment_start(&source, NUMBER, &header, &start) != ERR_OK)
        return;
    header = (struct spool_segment_header){.number = NUMBER, .segment_bytes = (uint32_t)len, .salt = seed_salt};
    struct spool_segment_view view, again;
    uint64_t acknowledged[] = {7, 2};
    struct spool_sequences sequences = {acknowledged, 2};
    if (spool_segment_read(&source, &header, NULL, &view) == ERR_OK)
        view_check(&source, &view);
    spool_segment_view_done(&view);
    if (spool_segment_scan(&source, &header, &sequences, &view) == ERR_OK)
        view_check(&source, &view);
    if (spool_segment_scan(&source, &header, &sequences, &again) == ERR_OK)
        ASSERT(again.count == view.count && again.used_bytes == view.used_bytes &&
               again.last_sequence == view.last_sequence);
    spool_segment_view_done(&view);
    spool_segment_view_done(&again);
    (void)spool_segment_first_previous(&source, &header);
    (void)spool_segment_is_sealed(&source, &header);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SEGMENT_MAX)
        return 0;
    size_t len = spool_round_up(size, SPOOL_BLOCK_BYTES);
    if (len < 3 * SPOOL_BLOCK_BYTES)
        len = 3 * SPOOL_BLOCK_BYTES;
    uint8_t *bytes = calloc(1, len);
    if (bytes == NULL)
        return 0;
    if (size > 0)
        memcpy(bytes, data, size);
    segment_look(bytes, len);
    checksums_repair(bytes, len);
    segment_look(bytes, len);
    free(bytes);
    struct spool_superblock superblock;
    (void)spool_superblock_decode(span_of(data, size), &superblock);
    return 0;
}
