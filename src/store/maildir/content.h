/*
 * content.h - a message as it will stand in its file: fields added and removed, line ends converted. Private to
 * maildir.
 *
 * maildir_content_open() looks at all of the message once: whether it has a bare CR or LF, where its header section
 * ends, and what the file's size will be, so that quota is judged before a byte is written. Then
 * maildir_content_write() passes the octets to a sink. Content is hostile; memory is bounded by
 * MAILDIR_HEADER_BYTES_MAX and two chunks.
 */
#ifndef GODWIT_STORE_MAILDIR_CONTENT_H
#define GODWIT_STORE_MAILDIR_CONTENT_H

#include "store/maildir/maildir.h"

enum { MAILDIR_CHUNK_BYTES = 64 * 1024 };

struct maildir_content {
    const struct maildir_delivery *delivery; /* borrowed */
    uint64_t file_bytes;    /* of delivery->content_file */
    struct buf head;        /* owned: fields added, then the header section as it will be in the file */
    uint64_t body_offset;   /* in the message, where what `head` stands for ends */
    uint64_t body_newlines; /* LF octets from there on */
    bool is_clean;          /* no bare CR or LF: CR octets are dropped */
    bool is_loop;           /* has the same Delivered-To */
    uint64_t size_bytes;    /* of the file */
    uint64_t virtual_bytes; /* of the file with CRLF line ends, the W= of its name */
};

/*
 * Look at the message. ERR_SYNTAX: an address that no field can carry. ERR_LIMIT: memory. Errors of reading otherwise.
 */
NODISCARD enum err maildir_content_open(const struct maildir_delivery *d, struct maildir_content *c);

/* Release what it owns. A zeroed or half-opened one is fine. */
void maildir_content_done(struct maildir_content *c);

/* Hand all octets of the file to `sink` in order; ends with its first error. */
NODISCARD enum err maildir_content_write(const struct maildir_content *c,
                                         enum err (*sink)(void *ctx, struct span octets), void *ctx);

#endif
