/*
 * wire_reader.h - bytes of a client as command lines and as raw chunks: the one place that knows CR and LF on input.
 *
 * For the server side of SMTP and LMTP. Only CRLF ends a line (RFC 5321 §2.3.8); a line with a bare CR, a bare LF or
 * a NUL comes back as such and is never split into commands, so nothing can be smuggled behind one. Lines have a
 * length cap, and so has what is thrown away of an over-long one. What the peer sends is hostile. While a session is
 * idle a reader holds WIRE_SMALL_BYTES; a large buffer is taken from the process's pool when input outgrows that and
 * given back when the reader next waits with nothing buffered.
 */
#ifndef GODWIT_NET_WIRE_READER_H
#define GODWIT_NET_WIRE_READER_H

#include "base/compiler.h"
#include "rt/stream.h"

enum {
    WIRE_SMALL_BYTES = 768,        /* the buffer of an idle reader */
    WIRE_LARGE_BYTES = 64 * 1024,  /* the buffer of a busy one, and the longest line */
    WIRE_POOL_KEPT_MAX = 64,       /* large buffers kept for reuse */
    WIRE_POOL_TAKEN_MAX = 1024,    /* large buffers in use; further busy readers make do with their small one */
    WIRE_DISCARD_MAX = 128 * 1024, /* octets thrown away of one over-long line before the reader gives up */
    WIRE_TURN_LINES = 64,          /* lines given without a suspend before other fibers get their turn */
};

/* Large buffers of one process, shared by its readers. */
struct wire_pool {
    struct wire_pool_buffer *free; /* owned */
    size_t free_count;
    size_t taken_count;            /* in use now */
};

void wire_pool_init(struct wire_pool *pool);

/* Free what the pool keeps. Every reader is done before. */
void wire_pool_done(struct wire_pool *pool);

struct wire_reader {
    struct stream *stream;     /* borrowed */
    struct wire_pool *pool;    /* borrowed */
    uint8_t *buffer;           /* `small`, or from the pool */
    size_t size;               /* of `buffer` */
    size_t start;              /* first octet not consumed */
    size_t end;                /* behind the last octet read */
    size_t scanned;            /* octets from `start` known to hold no LF */
    uint64_t total_bytes;      /* read from the peer since the start */
    unsigned turn_lines;       /* lines since the last suspend */
    bool is_tainted;           /* the rest of a line with a bare LF is still to be thrown away */
    bool ends_with_cr;         /* while throwing away: the octet before `start` was a CR */
    uint8_t small[WIRE_SMALL_BYTES];
};

void wire_reader_init(struct wire_reader *r, struct stream *stream, struct wire_pool *pool);

/* Give a large buffer back. The stream stays the caller's. */
void wire_reader_done(struct wire_reader *r);

enum wire_line_kind {
    WIRE_LINE_OK,       /* `text` is the line without CRLF; free of CR, LF and NUL */
    WIRE_LINE_TOO_LONG, /* over the cap; it was thrown away whole */
    WIRE_LINE_BARE_CR,  /* a CR without LF in it; consumed up to its CRLF */
    WIRE_LINE_BARE_LF,  /* an LF without CR: said at once, what follows up to the next CRLF is thrown away unseen */
    WIRE_LINE_BARE_LF_AGAIN, /* another one where a CRLF is due: the peer does not know CRLF, end the session */
    WIRE_LINE_NUL,           /* a NUL in it; consumed up to its CRLF */
};

struct wire_line {
    enum wire_line_kind kind;
    struct span text; /* borrowed until the next call for this reader; empty unless WIRE_LINE_OK */
};

/*
 * Read one line of at most `max` octets with its CRLF (2 <= max <= WIRE_LARGE_BYTES). Suspends when none is buffered.
 * ERR_LIMIT: more than WIRE_DISCARD_MAX octets without a line end, or no memory; end the session. ERR_CLOSED also when
 * the peer ends inside a line: what came of it is not acted upon. ERR_TIMEOUT, ERR_CANCELED.
 */
NODISCARD enum err wire_read_line(struct fiber *f, struct deadline by, struct wire_reader *r, size_t max,
                                  struct wire_line *ret);

/*
 * Make at least `min` octets available (1 <= min <= WIRE_SMALL_BYTES) and show all that is buffered, in *ret, until
 * the next call. Consumes nothing. Suspends when less is buffered; `is_bulk`: expect much, use a large buffer. Errors
 * as above.
 */
NODISCARD enum err wire_peek(struct fiber *f, struct deadline by, struct wire_reader *r, size_t min, bool is_bulk,
                             struct span *ret);

/* Consume `n` octets of what wire_peek() showed. */
void wire_consume(struct wire_reader *r, size_t n);

/*
 * Whether a whole line is here: wire_read_line() will not suspend (but for the turn rule), replies may wait (RFC 2920
 * §3.2).
 */
bool wire_has_line(const struct wire_reader *r);

/* Whether the client has sent anything that was not consumed: more than it may where it has to wait for a reply. */
bool wire_has_input(const struct wire_reader *r);

/*
 * When the phase that began at `began_ns` and moved `bytes` octets so far has to see its next octet: `idle_ns` from
 * now, but at `min_rate` octets a second on the whole, after a grace of `idle_ns`. A peer that trickles is cut off.
 */
struct deadline wire_pace_deadline(int64_t now_ns, int64_t began_ns, uint64_t bytes, int64_t idle_ns,
                                   uint64_t min_rate);

#endif
