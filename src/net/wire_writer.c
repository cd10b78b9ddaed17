/* wire_writer.c - one pending buffer, given back after each write. */
#include "net/wire_writer.h"

enum {
    KEPT_BYTES = 512,  /* a buffer of this size is kept while the session talks; idle sessions have few */
    POST_BYTES = 4096, /* the most stream_post() takes at a time */
};

void
wire_writer_init(struct wire_writer *w, struct stream *stream)
{
    *w = (struct wire_writer){.stream = stream};
    buf_init(&w->pending, WIRE_PENDING_MAX);
}

void
wire_writer_done(struct wire_writer *w)
{
    buf_done(&w->pending);
}

static void
forget(struct wire_writer *w)
{
    w->total_bytes += w->pending.len;
    if (w->pending.size > KEPT_BYTES)
        buf_done(&w->pending);
    else
        buf_clear(&w->pending);
}

enum err
wire_writer_flush(struct fiber *f, struct deadline by, struct wire_writer *w)
{
    TRY(buf_check(&w->pending));
    if (w->pending.len == 0)
        return ERR_OK;
    enum err e = stream_write(f, by, w->stream, buf_span(&w->pending));
    forget(w);
    return e;
}

void
wire_writer_post(struct wire_writer *w)
{
    struct span left = buf_span(&w->pending);
    while (left.len > 0) {
        struct span slice = span_first(left, left.len < POST_BYTES ? left.len : POST_BYTES);
        stream_post(w->stream, slice);
        left = span_skip(left, slice.len);
    }
    forget(w);
}
