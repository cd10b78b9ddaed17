/*
 * intake.h - the content of one message on its way: the header section is kept, the body streams to the queue.
 *
 * Fed by cmd_data.c and cmd_bdat.c with content as the protocol readers give it (without stuffing, judged). Holds the
 * header section (capped) and at most INTAKE_BODY_BYTES of the body; more of it leaves in chunks as it arrives, so
 * memory is constant whatever the message's size. Once it is clear that the message will not be taken, content is
 * thrown away as it comes.
 */
#ifndef GODWIT_EDGE_INTAKE_H
#define GODWIT_EDGE_INTAKE_H

#include "base/buf.h"
#include "edge/newline_fix.h"
#include "proto/msg/header_block.h"
#include "proto/smtp/bdat_reader.h"
#include "proto/smtp/data_reader.h"
#include "rt/fiber.h"

struct session;

enum { INTAKE_BODY_BYTES = 64 * 1024 /* of the body kept here; one chunk */ };

struct intake {
    bool has_begun;
    bool is_bdat;
    bool is_dropped;         /* the message will be refused: content is not kept */
    enum reply_id trouble; /* why, when it is not the message's fault: REPLY_NONE, FAULT, DISK_FULL, BACKLOG, MEMORY */
    struct smtp_data_reader data;
    struct smtp_bdat_reader bdat;
    struct newline_fix newlines;
    struct header_block header;
    bool is_header_done;
    bool is_header_too_large;
    struct buf body;         /* what was not sent yet */
    uint64_t body_bytes;     /* sent and not sent */
    size_t held_bytes;       /* counted in edge->intake_bytes */
    uint64_t upload;         /* number at the queue; 0: nothing was sent yet */
    int64_t began_ns;
    uint64_t wire_bytes;     /* read from the client for it so far */
};

/* Begin to take in the message of the current transaction. */
void intake_begin(struct session *s, bool is_bdat);

/*
 * Give everything back, and tell the queue to forget what it has. Harmless on one that has not begun. Never suspends.
 */
void intake_abort(struct session *s, struct intake *in);

/* What was seen of the content so far. */
const struct smtp_content *intake_content(const struct intake *in);

/*
 * Keep content, or throw it away. Suspends while a chunk goes to the queue. ERR_CANCELED; trouble with the queue is
 * noted in `trouble` and is no error here.
 */
NODISCARD enum err intake_take(struct fiber *f, struct session *s, struct span content);

/* Say that the content has ended: header section and body are final. Errors as above. */
NODISCARD enum err intake_end(struct fiber *f, struct session *s);

/*
 * Send the parts of the finished message that are too large for the commit, and then commit it: `envelope` and
 * `header` are encoded whole, the body is what the intake holds. REPLY_ACCEPTED: it survives a power loss from now
 * on; else the reply that says why not. Suspends.
 */
enum reply_id intake_commit(struct fiber *f, struct session *s, struct span envelope, struct span header);

#endif
