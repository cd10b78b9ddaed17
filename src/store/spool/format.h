/*
 * format.h - the bytes of a spool: superblock, segment header, batch, record, table. docs/spool.md is their
 * description.
 *
 * Encoders and decoders without I/O. What is decoded comes from a disk that may have lost or kept anything: a decoder
 * says false for what is not whole (magic, checksum, salt, lengths that fit), and never asserts. Numbers are little-
 * endian. I2: every checksum below the superblock begins with the salt of the segment's life, so that neither a former
 * life nor a sender's bytes can pass.
 */
#ifndef GODWIT_STORE_SPOOL_FORMAT_H
#define GODWIT_STORE_SPOOL_FORMAT_H

#include "base/span.h"
#include "store/message_id.h"
#include "store/spool/spool.h"

enum {
    SPOOL_FORMAT_VERSION = 1,
    SPOOL_BLOCK_BYTES = 4096, /* batches, tables and segment headers start on a block */
    SPOOL_SALT_BYTES = 16,
    SPOOL_SUPERBLOCK_BYTES = 64,
    SPOOL_SEGMENT_HEADER_BYTES = 64,
    SPOOL_BATCH_HEADER_BYTES = 64,
    SPOOL_RECORD_HEADER_BYTES = 64,
    SPOOL_TABLE_ENTRY_BYTES = 40,
    SPOOL_TRAILER_BYTES = 96,
    SPOOL_FIRST_BATCH = SPOOL_BLOCK_BYTES,    /* offset of the first batch in a segment */
    SPOOL_HEADER_COPY = 2048,                 /* offset of the second segment header in the last block */
    SPOOL_RECORD_ALIGN = 8,
    SPOOL_VERSION_INDEX_BITS = 20,            /* version = sequence of the first batch << 20 | index in it */
    SPOOL_GENERATIONS = 3,                    /* 0: as it came; what compaction keeps grows older */
};

struct spool_salt {
    uint8_t bytes[SPOOL_SALT_BYTES];
};

struct spool_superblock {
    uint32_t version;
    uint32_t segment_bytes;
};

/* First and, as a copy, in the last block of a segment; written and synced before the life it begins (I2). */
struct spool_segment_header {
    uint32_t number;
    uint32_t segment_bytes;
    uint64_t sequence_floor; /* every batch of this life has a larger sequence */
    struct spool_salt salt;
};

struct spool_batch_header {
    struct spool_salt salt;
    uint64_t sequence;  /* grows by batch over the whole log */
    uint64_t previous;  /* sequence of the batch acknowledged before in this generation; 0: none since the start */
    uint32_t length;    /* bytes, header included, padding to the block not */
    uint32_t count;     /* records */
    uint8_t generation;
};

enum spool_record_flags {
    SPOOL_RECORD_BODY_FILE = 1, /* content goes on in body/ID */
    SPOOL_RECORD_DAMAGED = 2,   /* the payload was found damaged when it was copied: kept as it was found (I7) */
};

struct spool_record_header {
    uint32_t length;      /* bytes of payload, padding not included */
    uint32_t index;       /* in its batch, from 0 */
    uint64_t sequence;    /* of its batch */
    uint64_t version;     /* newer records of a key have larger ones; a copy keeps it */
    struct message_id id;
    enum spool_kind kind;
    uint8_t flags;        /* enum spool_record_flags */
    uint32_t payload_crc; /* after the salt */
    uint64_t body_bytes;  /* of the body file */
    uint32_t body_crc;    /* CRC32C of the body file, no salt */
};

/* One record in the table of a sealed segment. */
struct spool_table_entry {
    struct message_id id;
    enum spool_kind kind;
    uint8_t flags;
    uint32_t offset;  /* of its header in the segment */
    uint32_t length;  /* of its payload */
    uint64_t version;
    uint64_t sequence;
};

/* Start of the last block of a sealed segment. */
struct spool_trailer {
    struct spool_salt salt;
    uint32_t number;
    uint8_t generation;
    uint64_t first_sequence;
    uint64_t last_sequence;
    uint64_t first_previous; /* `previous` of the first batch */
    uint32_t used_bytes;     /* end of the last batch, a multiple of the block */
    uint32_t table_offset;   /* a multiple of the block */
    uint32_t table_count;
    uint32_t table_crc;      /* after the salt */
};

/* `n` rounded up to a multiple of `step`, a power of two. */
static inline uint64_t
spool_round_up(uint64_t n, uint64_t step)
{
    return (n + (step - 1)) & ~(step - 1);
}

/* Bytes a record takes in its batch. */
static inline uint64_t
spool_record_bytes(uint32_t payload_length)
{
    return SPOOL_RECORD_HEADER_BYTES + spool_round_up(payload_length, SPOOL_RECORD_ALIGN);
}

/* Where the table of `count` records starts so that it ends before the last block. */
static inline uint64_t
spool_table_offset(uint32_t segment_bytes, uint64_t count)
{
    uint64_t table = spool_round_up(count * SPOOL_TABLE_ENTRY_BYTES, SPOOL_BLOCK_BYTES);
    uint64_t end = segment_bytes - SPOOL_BLOCK_BYTES;
    return table > end ? 0 : end - table;
}

bool spool_salt_is_equal(const struct spool_salt *a, const struct spool_salt *b);

/* The checksum of `bytes` in a life with that salt. */
uint32_t spool_crc(const struct spool_salt *salt, struct span bytes);

/* Whether a checksum found is the one computed; the one place where checksums are compared. */
bool spool_crc_is_equal(uint32_t found, uint32_t computed);

void spool_superblock_encode(const struct spool_superblock *s, uint8_t to[SPOOL_SUPERBLOCK_BYTES]);
/* False when it is not a superblock; a version that is not ours is true. */
bool spool_superblock_decode(struct span bytes, struct spool_superblock *ret);

void spool_segment_header_encode(const struct spool_segment_header *h, uint8_t to[SPOOL_SEGMENT_HEADER_BYTES]);
bool spool_segment_header_decode(struct span bytes, struct spool_segment_header *ret);

void spool_batch_header_encode(const struct spool_batch_header *h, uint8_t to[SPOOL_BATCH_HEADER_BYTES]);
/* Of a life with `salt`, length and count possible within `room` bytes. */
bool spool_batch_header_decode(struct span bytes, const struct spool_salt *salt, uint64_t room,
                               struct spool_batch_header *ret);

void spool_record_header_encode(const struct spool_record_header *h, const struct spool_salt *salt,
                                uint8_t to[SPOOL_RECORD_HEADER_BYTES]);
/* Of a life with `salt`, payload within `room` bytes (header included). The payload is not looked at. */
bool spool_record_header_decode(struct span bytes, const struct spool_salt *salt, uint64_t room,
                                struct spool_record_header *ret);

/* A header of our own memory, nothing checked. */
struct spool_record_header spool_record_header_peek(const uint8_t bytes[SPOOL_RECORD_HEADER_BYTES]);

/*
 * Finish the record at `record`, whose header was encoded before its batch had a place: sequence, index, version
 * (unless it is a copy and has one) and checksums.
 */
void spool_record_finish(uint8_t *record, const struct spool_salt *salt, uint64_t sequence, uint32_t index);

void spool_table_entry_encode(const struct spool_table_entry *e, uint8_t to[SPOOL_TABLE_ENTRY_BYTES]);
/* False when its numbers do not fit a segment used up to `used_bytes`. */
bool spool_table_entry_decode(struct span bytes, uint32_t used_bytes, struct spool_table_entry *ret);

void spool_trailer_encode(const struct spool_trailer *t, uint8_t to[SPOOL_TRAILER_BYTES]);
bool spool_trailer_decode(struct span bytes, const struct spool_salt *salt, uint32_t segment_bytes,
                          struct spool_trailer *ret);
/* The same without knowing the salt, for a segment whose headers are gone. */
bool spool_trailer_decode_any(struct span bytes, uint32_t segment_bytes, struct spool_trailer *ret);

/* One record of a batch that was read whole. */
struct spool_record {
    struct spool_record_header header;
    struct span payload;     /* borrowed from the batch */
    uint32_t offset;         /* of the header, from the start of the batch */
    bool is_whole;           /* the payload matches its checksum */
};

/* Going through the records of a batch; zero-initialised but for the first three. */
struct spool_walk {
    struct span batch;             /* header included */
    const struct spool_salt *salt;
    struct spool_batch_header header;
    size_t at;                     /* private */
    uint32_t found;                /* records so far */
    uint32_t damage_offset;        /* bytes that are no record, before the last one found, or at the end */
    uint32_t damage_length;        /* 0: none */
};

void spool_walk_init(struct spool_walk *w, struct span batch, const struct spool_salt *salt,
                     const struct spool_batch_header *header);

/*
 * The next record. Where a header is damaged the walk goes on at the next valid one (I7) and tells the stretch between
 * in damage_offset and damage_length. False at the end; then `damage_length` is what is missing there.
 */
bool spool_walk_next(struct spool_walk *w, struct spool_record *ret);

/* Whether every record of the batch is there and whole (I3). */
bool spool_batch_is_whole(struct span batch, const struct spool_salt *salt, const struct spool_batch_header *header);

#endif
