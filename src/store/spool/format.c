/* format.c - fixed offsets, little-endian; a decoder believes nothing before its checksum agrees. */
#include "store/spool/format.h"

#include "base/assert.h"
#include "store/spool/crc32c.h"

static const char superblock_magic[17] = "GODWIT-SPOOL\r\n\x1a\n";
static const char segment_magic[9] = "GWSEGMNT";
static const char trailer_magic[9] = "GWTABLE\n";
static const uint32_t BATCH_MAGIC = 0x54425747;  /* "GWBT" */
static const uint32_t RECORD_MAGIC = 0x43525747; /* "GWRC" */

static void
put16(uint8_t *to, uint16_t v)
{
    to[0] = (uint8_t)v;
    to[1] = (uint8_t)(v >> 8);
}

static void
put32(uint8_t *to, uint32_t v)
{
    put16(to, (uint16_t)v);
    put16(to + 2, (uint16_t)(v >> 16));
}

static void
put64(uint8_t *to, uint64_t v)
{
    put32(to, (uint32_t)v);
    put32(to + 4, (uint32_t)(v >> 32));
}

static uint32_t
get32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static uint64_t
get64(const uint8_t *from)
{
    return (uint64_t)get32(from) | (uint64_t)get32(from + 4) << 32;
}

bool
spool_salt_is_equal(const struct spool_salt *a, const struct spool_salt *b)
{
#ifdef SPOOL_NEGATIVE_NO_SALT
    (void)a, (void)b;
    return true;
#else
    return memcmp(a->bytes, b->bytes, SPOOL_SALT_BYTES) == 0;
#endif
}

uint32_t
spool_crc(const struct spool_salt *salt, struct span bytes)
{
#ifdef SPOOL_NEGATIVE_NO_SALT
    (void)salt;
    return crc32c_update(0, bytes);
#else
    return crc32c_update(crc32c_update(0, span_of(salt->bytes, SPOOL_SALT_BYTES)), bytes);
#endif
}

bool
spool_crc_is_equal(uint32_t found, uint32_t computed)
{
#ifdef SPOOL_NEGATIVE_NO_CRC
    (void)found, (void)computed;
    return true;
#else
    return found == computed;
#endif
}

void
spool_superblock_encode(const struct spool_superblock *s, uint8_t to[SPOOL_SUPERBLOCK_BYTES])
{
    memset(to, 0, SPOOL_SUPERBLOCK_BYTES);
    memcpy(to, superblock_magic, 16);
    put32(to + 16, s->version);
    put32(to + 20, s->segment_bytes);
    put32(to + 60, crc32c_update(0, span_of(to, 60)));
}

bool
spool_superblock_decode(struct span bytes, struct spool_superblock *ret)
{
    if (bytes.len < SPOOL_SUPERBLOCK_BYTES || memcmp(bytes.data, superblock_magic, 16) != 0)
        return false;
    if (!spool_crc_is_equal(get32(bytes.data + 60), crc32c_update(0, span_first(bytes, 60))))
        return false;
    struct spool_superblock s = {.version = get32(bytes.data + 16), .segment_bytes = get32(bytes.data + 20)};
    if (s.version == SPOOL_FORMAT_VERSION && (s.segment_bytes < SPOOL_SEGMENT_BYTES_MIN ||
        s.segment_bytes > SPOOL_SEGMENT_BYTES_MAX || s.segment_bytes % SPOOL_BLOCK_BYTES != 0))
        return false;
    *ret = s;
    return true;
}

void
spool_segment_header_encode(const struct spool_segment_header *h, uint8_t to[SPOOL_SEGMENT_HEADER_BYTES])
{
    memset(to, 0, SPOOL_SEGMENT_HEADER_BYTES);
    memcpy(to, segment_magic, 8);
    put32(to + 8, SPOOL_FORMAT_VERSION);
    put32(to + 12, h->number);
    memcpy(to + 16, h->salt.bytes, SPOOL_SALT_BYTES);
    put32(to + 32, h->segment_bytes);
    put64(to + 40, h->sequence_floor);
    put32(to + 60, crc32c_update(0, span_of(to, 60)));
}

bool
spool_segment_header_decode(struct span bytes, struct spool_segment_header *ret)
{
    if (bytes.len < SPOOL_SEGMENT_HEADER_BYTES || memcmp(bytes.data, segment_magic, 8) != 0)
        return false;
    if (!spool_crc_is_equal(get32(bytes.data + 60), crc32c_update(0, span_first(bytes, 60))))
        return false;
    if (get32(bytes.data + 8) != SPOOL_FORMAT_VERSION)
        return false;
    *ret = (struct spool_segment_header){
        .number = get32(bytes.data + 12),
        .segment_bytes = get32(bytes.data + 32),
        .sequence_floor = get64(bytes.data + 40),
    };
    memcpy(ret->salt.bytes, bytes.data + 16, SPOOL_SALT_BYTES);
    return true;
}

void
spool_batch_header_encode(const struct spool_batch_header *h, uint8_t to[SPOOL_BATCH_HEADER_BYTES])
{
    memset(to, 0, SPOOL_BATCH_HEADER_BYTES);
    put32(to, BATCH_MAGIC);
    memcpy(to + 8, h->salt.bytes, SPOOL_SALT_BYTES);
    put64(to + 24, h->sequence);
    put64(to + 32, h->previous);
    put32(to + 40, h->length);
    put32(to + 44, h->count);
    to[48] = h->generation;
    put32(to + 4, spool_crc(&h->salt, span_of(to + 8, SPOOL_BATCH_HEADER_BYTES - 8)));
}

bool
spool_batch_header_decode(struct span bytes, const struct spool_salt *salt, uint64_t room,
                          struct spool_batch_header *ret)
{
    if (bytes.len < SPOOL_BATCH_HEADER_BYTES || get32(bytes.data) != BATCH_MAGIC)
        return false;
    struct spool_batch_header h = {
        .sequence = get64(bytes.data + 24),
        .previous = get64(bytes.data + 32),
        .length = get32(bytes.data + 40),
        .count = get32(bytes.data + 44),
        .generation = bytes.data[48],
    };
    memcpy(h.salt.bytes, bytes.data + 8, SPOOL_SALT_BYTES);
    if (!spool_salt_is_equal(&h.salt, salt))
        return false;
    if (!spool_crc_is_equal(get32(bytes.data + 4),
                            spool_crc(salt, span_of(bytes.data + 8, SPOOL_BATCH_HEADER_BYTES - 8))))
        return false;
    if (h.length < SPOOL_BATCH_HEADER_BYTES || h.length > room || h.generation >= SPOOL_GENERATIONS)
        return false;
    if (h.count > (h.length - SPOOL_BATCH_HEADER_BYTES) / SPOOL_RECORD_HEADER_BYTES)
        return false;
    if (h.sequence == 0 || h.sequence >= UINT64_C(1) << (64 - SPOOL_VERSION_INDEX_BITS))
        return false;
    *ret = h;
    return true;
}

void
spool_record_header_encode(const struct spool_record_header *h, const struct spool_salt *salt,
                           uint8_t to[SPOOL_RECORD_HEADER_BYTES])
{
    put32(to, RECORD_MAGIC);
    put32(to + 8, h->payload_crc);
    put32(to + 12, h->length);
    put64(to + 16, h->sequence);
    put64(to + 24, h->version);
    message_id_encode(h->id, to + 32);
    to[45] = (uint8_t)h->kind;
    to[46] = h->flags;
    to[47] = 0;
    put64(to + 48, h->body_bytes);
    put32(to + 56, h->body_crc);
    put32(to + 60, h->index);
    put32(to + 4, spool_crc(salt, span_of(to + 8, SPOOL_RECORD_HEADER_BYTES - 8)));
}

struct spool_record_header
spool_record_header_peek(const uint8_t bytes[SPOOL_RECORD_HEADER_BYTES])
{
    return (struct spool_record_header){
        .payload_crc = get32(bytes + 8),
        .length = get32(bytes + 12),
        .sequence = get64(bytes + 16),
        .version = get64(bytes + 24),
        .id = message_id_decode(bytes + 32),
        .kind = (enum spool_kind)bytes[45],
        .flags = bytes[46],
        .body_bytes = get64(bytes + 48),
        .body_crc = get32(bytes + 56),
        .index = get32(bytes + 60),
    };
}

void
spool_record_finish(uint8_t *record, const struct spool_salt *salt, uint64_t sequence, uint32_t index)
{
    struct spool_record_header h = spool_record_header_peek(record);
    h.sequence = sequence;
    h.index = index;
    if (h.version == 0)
        h.version = sequence << SPOOL_VERSION_INDEX_BITS | index;
    h.payload_crc = spool_crc(salt, span_of(record + SPOOL_RECORD_HEADER_BYTES, h.length));
    spool_record_header_encode(&h, salt, record);
}

static bool
kind_is_known(uint8_t kind)
{
    return kind == SPOOL_CONTENT || kind == SPOOL_STATE || kind == SPOOL_REMOVAL;
}

bool
spool_record_header_decode(struct span bytes, const struct spool_salt *salt, uint64_t room,
                           struct spool_record_header *ret)
{
    if (bytes.len < SPOOL_RECORD_HEADER_BYTES || get32(bytes.data) != RECORD_MAGIC)
        return false;
    if (!spool_crc_is_equal(get32(bytes.data + 4),
                            spool_crc(salt, span_of(bytes.data + 8, SPOOL_RECORD_HEADER_BYTES - 8))))
        return false;
    if (!kind_is_known(bytes.data[45]) || bytes.data[32 + MESSAGE_ID_BYTES - 1] != 0)
        return false;
    struct spool_record_header h = spool_record_header_peek(bytes.data);
    if (spool_record_bytes(h.length) > room)
        return false;
    *ret = h;
    return true;
}

void
spool_table_entry_encode(const struct spool_table_entry *e, uint8_t to[SPOOL_TABLE_ENTRY_BYTES])
{
    message_id_encode(e->id, to);
    to[13] = (uint8_t)e->kind;
    to[14] = e->flags;
    to[15] = 0;
    put32(to + 16, e->offset);
    put32(to + 20, e->length);
    put64(to + 24, e->version);
    put64(to + 32, e->sequence);
}

bool
spool_table_entry_decode(struct span bytes, uint32_t used_bytes, struct spool_table_entry *ret)
{
    if (bytes.len < SPOOL_TABLE_ENTRY_BYTES || !kind_is_known(bytes.data[13]) || bytes.data[MESSAGE_ID_BYTES - 1] != 0)
        return false;
    struct spool_table_entry e = {
        .id = message_id_decode(bytes.data),
        .kind = (enum spool_kind)bytes.data[13],
        .flags = bytes.data[14],
        .offset = get32(bytes.data + 16),
        .length = get32(bytes.data + 20),
        .version = get64(bytes.data + 24),
        .sequence = get64(bytes.data + 32),
    };
    if (e.offset < SPOOL_FIRST_BATCH || e.offset % SPOOL_RECORD_ALIGN != 0 || e.offset > used_bytes)
        return false;
    if (spool_record_bytes(e.length) > used_bytes - e.offset)
        return false;
    *ret = e;
    return true;
}

void
spool_trailer_encode(const struct spool_trailer *t, uint8_t to[SPOOL_TRAILER_BYTES])
{
    memset(to, 0, SPOOL_TRAILER_BYTES);
    memcpy(to, trailer_magic, 8);
    put32(to + 8, SPOOL_FORMAT_VERSION);
    put32(to + 12, t->number);
    memcpy(to + 16, t->salt.bytes, SPOOL_SALT_BYTES);
    put64(to + 32, t->first_sequence);
    put64(to + 40, t->last_sequence);
    put64(to + 48, t->first_previous);
    put32(to + 56, t->used_bytes);
    put32(to + 60, t->table_offset);
    put32(to + 64, t->table_count);
    put32(to + 68, t->table_crc);
    to[72] = t->generation;
    put32(to + 92, spool_crc(&t->salt, span_of(to, 92)));
}

bool
spool_trailer_decode_any(struct span bytes, uint32_t segment_bytes, struct spool_trailer *ret)
{
    if (bytes.len < SPOOL_TRAILER_BYTES || memcmp(bytes.data, trailer_magic, 8) != 0 ||
        get32(bytes.data + 8) != SPOOL_FORMAT_VERSION)
        return false;
    struct spool_trailer t = {
        .number = get32(bytes.data + 12),
        .generation = bytes.data[72],
        .first_sequence = get64(bytes.data + 32),
        .last_sequence = get64(bytes.data + 40),
        .first_previous = get64(bytes.data + 48),
        .used_bytes = get32(bytes.data + 56),
        .table_offset = get32(bytes.data + 60),
        .table_count = get32(bytes.data + 64),
        .table_crc = get32(bytes.data + 68),
    };
    memcpy(t.salt.bytes, bytes.data + 16, SPOOL_SALT_BYTES);
    if (!spool_crc_is_equal(get32(bytes.data + 92), spool_crc(&t.salt, span_first(bytes, 92))))
        return false;
    if (t.generation >= SPOOL_GENERATIONS || t.used_bytes % SPOOL_BLOCK_BYTES != 0 || t.used_bytes < SPOOL_FIRST_BATCH)
        return false;
    if (t.table_offset < t.used_bytes || t.table_offset % SPOOL_BLOCK_BYTES != 0 ||
        t.table_offset > segment_bytes - SPOOL_BLOCK_BYTES)
        return false;
    if (t.table_count > (segment_bytes - SPOOL_BLOCK_BYTES - t.table_offset) / SPOOL_TABLE_ENTRY_BYTES)
        return false;
    *ret = t;
    return true;
}

bool
spool_trailer_decode(struct span bytes, const struct spool_salt *salt, uint32_t segment_bytes,
                     struct spool_trailer *ret)
{
    struct spool_trailer t;
    if (!spool_trailer_decode_any(bytes, segment_bytes, &t) || !spool_salt_is_equal(&t.salt, salt))
        return false;
    *ret = t;
    return true;
}

void
spool_walk_init(struct spool_walk *w, struct span batch, const struct spool_salt *salt,
                const struct spool_batch_header *header)
{
    ASSERT(header->length <= batch.len && header->length >= SPOOL_BATCH_HEADER_BYTES);
    *w = (struct spool_walk){.batch = span_first(batch, header->length), .salt = salt, .header = *header,
                             .at = SPOOL_BATCH_HEADER_BYTES};
}

static bool
record_at(const struct spool_walk *w, size_t at, struct spool_record_header *ret)
{
    struct span rest = span_skip(w->batch, at);
    return spool_record_header_decode(rest, w->salt, rest.len, ret) && ret->sequence == w->header.sequence &&
           ret->index >= w->found && ret->index < w->header.count;
}

bool
spool_walk_next(struct spool_walk *w, struct spool_record *ret)
{
    size_t from = w->at;
    struct spool_record_header h;
    w->damage_length = 0;
    while (w->at < w->batch.len && !record_at(w, w->at, &h))
        w->at += SPOOL_RECORD_ALIGN;
    if (w->at > w->batch.len)
        w->at = w->batch.len;
    if (w->at > from) {
        w->damage_offset = (uint32_t)from;
        w->damage_length = (uint32_t)(w->at - from);
    }
    if (w->at >= w->batch.len)
        return false;
    struct span payload = span_of(w->batch.data + w->at + SPOOL_RECORD_HEADER_BYTES, h.length);
    *ret = (struct spool_record){
        .header = h,
        .payload = payload,
        .offset = (uint32_t)w->at,
        .is_whole = spool_crc_is_equal(h.payload_crc, spool_crc(w->salt, payload)),
    };
    w->at += spool_record_bytes(h.length);
    w->found = h.index + 1;
    return true;
}

bool
spool_batch_is_whole(struct span batch, const struct spool_salt *salt, const struct spool_batch_header *header)
{
    struct spool_walk w;
    struct spool_record r;
    spool_walk_init(&w, batch, salt, header);
    uint32_t count = 0;
    while (spool_walk_next(&w, &r)) {
        if (!r.is_whole || w.damage_length > 0)
            return false;
        count++;
    }
    return w.damage_length == 0 && count == header->count;
}
