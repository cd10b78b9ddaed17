/* stream.c - streams and listeners: cancellation, the turn rule, then dispatch to the body. */
#include "rt/stream.h"

#include "base/assert.h"
#include "rt/rt_body.h"

enum { STREAM_POST_MAX = 4096 };

enum err
listener_open(struct rt *rt, int fd, struct listener **ret)
{
    return rt->ops->listener_open(rt, fd, ret);
}

void
listener_close(struct listener *l)
{
    if (l != NULL)
        l->rt->ops->listener_close(l);
}

enum err
stream_accept(struct fiber *f, struct deadline by, struct listener *l, struct stream **ret)
{
    TRY(turn_begin(f));
    enum err e = f->rt->ops->accept(f, by, l, ret);
    turn_charge(f, 0);
    return e;
}

enum err
stream_connect(struct fiber *f, struct deadline by, const struct stream_address *to,
               const struct stream_address *source, struct stream **ret)
{
    TRY(turn_begin(f));
    return f->rt->ops->connect(f, by, to, source, ret);
}

enum err
stream_connect_unix(struct fiber *f, struct deadline by, const char *path, struct stream **ret)
{
    TRY(turn_begin(f));
    return f->rt->ops->connect_unix(f, by, path, ret);
}

enum err
stream_open_fd(struct rt *rt, int fd, struct stream **ret)
{
    return rt->ops->stream_open_fd(rt, fd, ret);
}

const struct stream_address *
stream_peer(const struct stream *s)
{
    return &s->peer;
}

const struct stream_address *
stream_local(const struct stream *s)
{
    return &s->local;
}

enum err
stream_read(struct fiber *f, struct deadline by, struct stream *s, void *dst, size_t cap, size_t *ret_n)
{
    ASSERT(cap > 0);
    TRY(turn_begin(f));
    size_t n = 0;
    TRY(s->rt->ops->read(f, by, s, dst, cap, &n));
    turn_charge(f, n);
    *ret_n = n;
    return ERR_OK;
}

enum err
stream_write(struct fiber *f, struct deadline by, struct stream *s, struct span data)
{
    TRY(turn_begin(f));
    if (data.len == 0)
        return ERR_OK;
    TRY(s->rt->ops->write(f, by, s, data));
    turn_charge(f, data.len);
    return ERR_OK;
}

void
stream_post(struct stream *s, struct span data)
{
    ASSERT(data.len <= STREAM_POST_MAX);
    if (data.len > 0)
        s->rt->ops->post(s, data);
}

void
stream_close(struct stream *s)
{
    if (s != NULL)
        s->rt->ops->close(s, false);
}

void
stream_abort(struct stream *s)
{
    if (s != NULL)
        s->rt->ops->close(s, true);
}
