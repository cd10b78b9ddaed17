/*
 * wire_writer.h - replies gathered while more commands are already here, written to the client at once.
 *
 * RFC 2920 §3.2: replies to MAIL, RCPT and RSET may wait for the end of a pipelined group; before a server waits for
 * input it sends what is pending. Holds no memory while nothing is pending. What is appended is formed by the reply
 * formatter, which alone writes CR and LF.
 */
#ifndef GODWIT_NET_WIRE_WRITER_H
#define GODWIT_NET_WIRE_WRITER_H

#include "base/buf.h"
#include "rt/stream.h"

enum {
    WIRE_PENDING_FLUSH = 4 * 1024, /* beyond so much pending it is written although more input is here */
    WIRE_PENDING_MAX = 16 * 1024,  /* the most one batch can hold */
};

/* The end of a line, for the few places that complete a message's own (an empty line after a header section). */
#define WIRE_CRLF SPAN("\r\n")

struct wire_writer {
    struct stream *stream; /* borrowed */
    struct buf pending;
    uint64_t total_bytes;  /* written to the peer since the start */
};

void wire_writer_init(struct wire_writer *w, struct stream *stream);
void wire_writer_done(struct wire_writer *w);

/* Where the next reply goes; append whole replies to it, then call wire_writer_flush() when they must not wait. */
static inline struct buf *
wire_writer_pending(struct wire_writer *w)
{
    return &w->pending;
}

static inline bool
wire_writer_is_due(const struct wire_writer *w)
{
    return w->pending.len >= WIRE_PENDING_FLUSH;
}

/* Write what is pending; suspends while the peer does not read. ERR_LIMIT: a reply did not fit in memory. */
NODISCARD enum err wire_writer_flush(struct fiber *f, struct deadline by, struct wire_writer *w);

/* Last words: hand what is pending to the kernel if it takes it now; never waits. */
void wire_writer_post(struct wire_writer *w);

#endif
