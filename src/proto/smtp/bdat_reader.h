/*
 * bdat_reader.h - the octets of BDAT chunks: exactly as many as were announced, judged as one message. RFC 3030 §2.
 *
 * A CRLF may lie across two chunks. A refused BDAT is read all the same, with nothing kept (requirement 52): begin it
 * with `is_discarded`. Memory is constant whatever is announced.
 */
#ifndef GODWIT_PROTO_SMTP_BDAT_READER_H
#define GODWIT_PROTO_SMTP_BDAT_READER_H

#include "proto/smtp/bdat_args.h"
#include "proto/smtp/content.h"

struct smtp_bdat_reader {
    struct smtp_content_scan scan;
    uint64_t chunk_left_bytes; /* still to be read of the current chunk */
    uint64_t discarded_bytes;  /* octets of refused chunks, for the session's budget */
    uint64_t chunks;           /* begun since init, for a cap on tiny ones */
    bool is_discarding;
    bool is_last;
};

/* At the first BDAT of a message, or before reading a refused one without a message. */
void smtp_bdat_reader_init(struct smtp_bdat_reader *r, const struct smtp_content_limits *limits);

/* Begin a chunk; the one before must be read. */
void smtp_bdat_reader_begin(struct smtp_bdat_reader *r, const struct smtp_bdat_args *args, bool is_discarded);

/*
 * Take octets from the start of *in; *in is what is left. *ret_content is content to keep, perhaps empty. True when
 * the chunk is read whole (for a chunk of 0 octets at once); after LAST the flaws are final then.
 */
bool smtp_bdat_reader_take(struct smtp_bdat_reader *r, struct span *in, struct span *ret_content);

/* What was seen so far. */
const struct smtp_content *smtp_bdat_reader_content(const struct smtp_bdat_reader *r);

#endif
