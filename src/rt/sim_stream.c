/*
 * sim_stream.c - listeners and connections of the simulated network.
 *
 * A connection is two pipes. What is written is cut into segments that travel in order, each for a time of its own; the
 * end of a stream and a reset are segments as well. A window bounds what is under way and unread. An end that was
 * closed in order reads on into nothing, as the real body does for a while; the end of a process that died answers with
 * a reset.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "rt/rt_sim_body.h"

enum { BACKLOG_MAX = 128, SEGMENT_BYTES_MAX = 16 * 1024 };

enum segment_kind { SEGMENT_DATA, SEGMENT_END, SEGMENT_RESET };

struct segment {
    struct list node;
    int64_t at_ns;
    enum segment_kind kind;
    size_t len;
    uint8_t data[];
};

enum pipe_state { PIPE_OPEN, PIPE_ENDED, PIPE_RESET };

/* What one end receives. */
struct pipe {
    struct list segments; /* under way */
    struct buf ready;     /* arrived, unread */
    size_t bytes;         /* both */
    bool is_finished;     /* an end or a reset is under way or here: what is sent after it vanishes */
    enum pipe_state state;
    int64_t last_at_ns;
    struct sim_event arrival;
};

struct sim_end {
    struct stream stream;
    struct list node; /* in sim_process.ends, while is_open */
    struct sim_conn *conn;
    struct pipe in;
    struct fiber *reader;
    struct fiber *writer;
    bool is_open;        /* the program has it */
    bool is_shut;        /* closed, or its process is gone */
    bool answers_resets; /* to what comes in once it is shut */
};

struct sim_conn {
    struct list node; /* in sim_world.conns */
    struct sim_world *world;
    bool is_local;
    struct sim_end ends[2];     /* the one that connected, the one that was accepted */
    struct sim_event handshake;
    struct sim_listen *called;  /* a reference, while the handshake is under way */
    struct fiber *caller;       /* waits for it */
    struct list backlog;        /* in sim_listen.backlog */
    bool is_in_backlog;
};

/* An end that is a descriptor for now. */
struct sim_travel {
    struct sim_object object;
    struct sim_end *end; /* NULL once somebody has opened it */
};

struct sim_listen {
    struct sim_object object;
    struct list by_name; /* in sim_world.listeners */
    char *name;
    bool has_address;
    struct stream_address address;
    struct list backlog;
    size_t backlog_count;
    struct list waiting; /* struct accept_wait */
    size_t waiting_count;
};

struct accept_wait {
    struct list node;
    struct fiber *fiber;
};

struct sim_acceptor {
    struct listener listener;
    struct list node; /* in sim_process.acceptors */
    struct sim_listen *socket; /* a reference; NULL once the process is cut off */
};

static struct sim_end *
end_of(struct stream *s)
{
    return CONTAINER_OF(s, struct sim_end, stream);
}

static struct sim_end *
other_end(struct sim_end *end)
{
    return &end->conn->ends[end == &end->conn->ends[0]];
}

/* --- pipes --- */

static void pipe_fire(struct sim_event *event);

static void
segment_push(struct sim_end *to, enum segment_kind kind, struct span data, int64_t at_ns)
{
    struct segment *s = malloc(sizeof *s + data.len);
    ASSERT(s != NULL);
    s->at_ns = at_ns > to->in.last_at_ns ? at_ns : to->in.last_at_ns;
    s->kind = kind;
    s->len = data.len;
    if (data.len > 0)
        memcpy(s->data, data.data, data.len);
    to->in.last_at_ns = s->at_ns;
    to->in.bytes += data.len;
    to->in.is_finished |= kind != SEGMENT_DATA;
    list_append(&to->in.segments, &s->node);
    struct segment *first = CONTAINER_OF(to->in.segments.next, struct segment, node);
    sim_event_set(to->conn->world, &to->in.arrival, first->at_ns, pipe_fire);
}

static void
segment_send(struct sim_end *to, enum segment_kind kind, struct span data)
{
    struct sim_world *w = to->conn->world;
    if (!to->in.is_finished)
        segment_push(to, kind, data, w->now_ns + sim_latency_ns(w, to->conn->is_local));
}

static void
segments_drop(struct pipe *pipe)
{
    LIST_FOR_EACH(node, &pipe->segments) {
        struct segment *s = CONTAINER_OF(node, struct segment, node);
        pipe->bytes -= s->len;
        list_unlink(&s->node);
        free(s);
    }
}

static void
segment_arrive(struct sim_end *end, const struct segment *s)
{
    struct pipe *pipe = &end->in;
    sim_trace(end->conn->world, s->len * 3 + s->kind);
    if (s->kind == SEGMENT_END && pipe->state == PIPE_OPEN)
        pipe->state = PIPE_ENDED;
    if (s->kind == SEGMENT_RESET)
        pipe->state = PIPE_RESET;
    if (s->kind != SEGMENT_DATA || s->len == 0)
        return;
    if (!end->is_shut) {
        ASSERT(buf_append(&pipe->ready, span_of(s->data, s->len)) == ERR_OK);
        return;
    }
    pipe->bytes -= s->len;
    if (end->answers_resets)
        segment_send(other_end(end), SEGMENT_RESET, SPAN_EMPTY);
}

static void
pipe_fire(struct sim_event *event)
{
    struct sim_end *end = CONTAINER_OF(event, struct sim_end, in.arrival);
    struct sim_world *w = end->conn->world;
    while (!list_is_empty(&end->in.segments)) {
        struct segment *s = CONTAINER_OF(end->in.segments.next, struct segment, node);
        if (s->at_ns > w->now_ns) {
            sim_event_set(w, event, s->at_ns, pipe_fire);
            break;
        }
        list_unlink(&s->node);
        segment_arrive(end, s);
        free(s);
    }
    sim_wake(end->reader, ERR_OK);
    if (end->in.state == PIPE_RESET)
        sim_wake(end->writer, ERR_OK);
    if (end->is_shut)
        sim_wake(other_end(end)->writer, ERR_OK);
}

/* The network loses the connection: both ends hear of it, what was sent last perhaps does not arrive. */
static void
conn_break(struct sim_conn *conn)
{
    for (size_t i = 0; i < ARRAY_LEN(conn->ends); i++) {
        if (sim_random_chance(&conn->world->net_chance, 1, 2))
            segments_drop(&conn->ends[i].in);
        conn->ends[i].in.is_finished = false;
        segment_send(&conn->ends[i], SEGMENT_RESET, SPAN_EMPTY);
    }
}

/* Send bytes that fit the window, cut as chance has it. */
static void
pipe_send(struct sim_end *to, struct span data)
{
    struct sim_world *w = to->conn->world;
    bool is_split = sim_random_chance(&w->net_chance, w->net.split_percent, 100);
    while (data.len > 0 && !to->in.is_finished) {
        size_t n = data.len < SEGMENT_BYTES_MAX ? data.len : SEGMENT_BYTES_MAX;
        if (is_split)
            n = 1 + (size_t)sim_random_below(&w->net_chance, sim_random_chance(&w->net_chance, 1, 2) && n > 4 ? 4 : n);
        if (!to->conn->is_local && sim_random_chance(&w->net_chance, w->net.reset_ppm, 1000000)) {
            conn_break(to->conn);
            return;
        }
        segment_send(to, SEGMENT_DATA, span_first(data, n));
        data = span_skip(data, n);
    }
}

/* --- connections --- */

static struct sim_conn *
conn_new(struct sim_world *w, bool is_local)
{
    struct sim_conn *conn = calloc(1, sizeof *conn);
    ASSERT(conn != NULL);
    conn->world = w;
    conn->is_local = is_local;
    list_init(&conn->backlog);
    list_append(&w->conns, &conn->node);
    for (size_t i = 0; i < ARRAY_LEN(conn->ends); i++) {
        struct sim_end *end = &conn->ends[i];
        end->conn = conn;
        list_init(&end->node);
        list_init(&end->in.segments);
        buf_init(&end->in.ready, SIZE_MAX / 2);
    }
    return conn;
}

static void
conn_free(struct sim_conn *conn)
{
    list_unlink(&conn->node);
    sim_event_cancel(conn->world, &conn->handshake);
    for (size_t i = 0; i < ARRAY_LEN(conn->ends); i++) {
        struct sim_end *end = &conn->ends[i];
        sim_event_cancel(conn->world, &end->in.arrival);
        list_unlink(&end->node);
        segments_drop(&end->in);
        buf_done(&end->in.ready);
    }
    free(conn);
}

/* Free it once nobody has an end of it and nobody can get one. */
static void
conn_release(struct sim_conn *conn)
{
    if (!conn->ends[0].is_open && !conn->ends[1].is_open && !conn->is_in_backlog && conn->called == NULL)
        conn_free(conn);
}

void
sim_conns_free(struct sim_world *w)
{
    LIST_FOR_EACH(node, &w->conns)
        conn_free(CONTAINER_OF(node, struct sim_conn, node));
}

static void
end_open(struct sim_end *end, struct sim_process *p)
{
    end->stream.rt = &p->rt;
    end->is_open = true;
    list_append(&p->ends, &end->node);
}

static void
end_shut(struct sim_end *end, bool is_reset)
{
    if (end->is_shut)
        return;
    end->is_shut = true;
    end->answers_resets = is_reset;
    end->in.bytes -= end->in.ready.len;
    buf_clear(&end->in.ready);
    segment_send(other_end(end), is_reset ? SEGMENT_RESET : SEGMENT_END, SPAN_EMPTY);
    sim_wake(other_end(end)->writer, ERR_OK);
}

/* Its machine is without power: the other side hears nothing for a while. */
static void
end_vanish(struct sim_end *end)
{
    struct sim_end *other = other_end(end);
    struct sim_world *w = end->conn->world;
    if (end->is_shut)
        return;
    end->is_shut = true;
    end->answers_resets = true;
    segments_drop(&other->in);
    if (!other->in.is_finished)
        segment_push(other, SEGMENT_RESET, SPAN_EMPTY,
                     w->now_ns + (int64_t)sim_random_below(&w->net_chance, (uint64_t)(20 * NS_PER_S)));
}

static void
end_release(struct sim_end *end)
{
    end->is_open = false;
    list_unlink(&end->node);
    conn_release(end->conn);
}

void
sim_close_stream(struct stream *s, bool reset)
{
    struct sim_end *end = end_of(s);
    ASSERT(end->reader == NULL && end->writer == NULL);
    end_shut(end, reset);
    end_release(end);
}

/* --- streams that travel --- */

int
sim_stream_fd(struct stream *s)
{
    struct sim_end *end = end_of(s);
    struct sim_process *p = sim_process_of(s->rt);
    struct sim_travel *travel = calloc(1, sizeof *travel);
    ASSERT(travel != NULL && end->reader == NULL && end->writer == NULL);
    travel->end = end;
    list_unlink(&end->node);
    return sim_fd_new(p->world, sim_object_init(p->world, &travel->object, SIM_OBJECT_STREAM), p);
}

void
sim_stream_destroy(struct sim_object *object)
{
    struct sim_travel *travel = CONTAINER_OF(object, struct sim_travel, object);
    if (travel->end != NULL) {
        end_shut(travel->end, false);
        end_release(travel->end);
    }
    free(travel);
}

enum err
sim_stream_open_fd(struct rt *rt, int fd, struct stream **ret)
{
    struct sim_process *p = sim_process_of(rt);
    if (!sim_has_effect(p))
        return ERR_IO;
    struct sim_object *object = sim_fd_find(p->world, p, fd, SIM_OBJECT_STREAM);
    ASSERT(object != NULL);
    struct sim_travel *travel = CONTAINER_OF(object, struct sim_travel, object);
    struct sim_end *end = travel->end;
    ASSERT(end != NULL); /* opened once already */
    travel->end = NULL;
    sim_object_unref(sim_fd_take(p->world, p, fd));
    end_open(end, p);
    *ret = &end->stream;
    return ERR_OK;
}

enum err
sim_read(struct fiber *f, struct deadline by, struct stream *s, void *dst, size_t cap, size_t *ret_n)
{
    struct sim_end *end = end_of(s);
    struct pipe *pipe = &end->in;
    while (pipe->ready.len == 0) {
        if (end->is_shut || pipe->state != PIPE_OPEN)
            return ERR_CLOSED;
        ASSERT(end->reader == NULL);
        end->reader = f;
        enum err e = fiber_park(f, by);
        end->reader = NULL;
        TRY(e);
    }
    size_t n = pipe->ready.len < cap ? pipe->ready.len : cap;
    memcpy(dst, pipe->ready.data, n);
    buf_consume(&pipe->ready, n);
    pipe->bytes -= n;
    sim_wake(other_end(end)->writer, ERR_OK);
    *ret_n = n;
    return ERR_OK;
}

static size_t
window_room(const struct sim_end *to)
{
    size_t window = to->conn->world->net.window_bytes;
    return to->in.bytes < window ? window - to->in.bytes : 0;
}

enum err
sim_write(struct fiber *f, struct deadline by, struct stream *s, struct span data)
{
    struct sim_end *end = end_of(s), *to = other_end(end);
    while (data.len > 0) {
        if (end->is_shut || end->in.state == PIPE_RESET)
            return ERR_CLOSED;
        size_t room = to->in.is_finished ? data.len : window_room(to);
        if (room > 0) {
            size_t n = room < data.len ? room : data.len;
            pipe_send(to, span_first(data, n));
            data = span_skip(data, n);
            continue;
        }
        ASSERT(end->writer == NULL);
        end->writer = f;
        enum err e = fiber_park(f, by);
        end->writer = NULL;
        TRY(e);
    }
    return ERR_OK;
}

void
sim_post(struct stream *s, struct span data)
{
    struct sim_end *end = end_of(s), *to = other_end(end);
    if (!end->is_shut && end->in.state != PIPE_RESET && window_room(to) >= data.len)
        pipe_send(to, data);
}

/* --- listening --- */

static struct sim_listen *
listen_of(struct sim_object *object)
{
    return CONTAINER_OF(object, struct sim_listen, object);
}

int
sim_listener(struct sim_world *w, const char *name, const struct stream_address *address)
{
    struct sim_listen *l = calloc(1, sizeof *l);
    ASSERT(l != NULL);
    (void)sim_object_init(w, &l->object, SIM_OBJECT_LISTENER);
    l->name = strdup(name);
    ASSERT(l->name != NULL);
    l->has_address = address != NULL;
    if (address != NULL)
        l->address = *address;
    list_init(&l->backlog);
    list_init(&l->waiting);
    list_append(&w->listeners, &l->by_name);
    return sim_fd_new(w, &l->object, NULL);
}

void
sim_listener_destroy(struct sim_object *object)
{
    struct sim_listen *l = listen_of(object);
    LIST_FOR_EACH(node, &l->backlog) {
        struct sim_conn *conn = CONTAINER_OF(node, struct sim_conn, backlog);
        list_unlink(&conn->backlog);
        conn->is_in_backlog = false;
        end_shut(&conn->ends[1], true);
        conn_release(conn);
    }
    list_unlink(&l->by_name);
    free(l->name);
    free(l);
}

enum err
sim_listener_open(struct rt *rt, int fd, struct listener **ret)
{
    struct sim_process *p = sim_process_of(rt);
    if (!sim_has_effect(p))
        return ERR_IO;
    ASSERT(sim_fd_find(p->world, p, fd, SIM_OBJECT_LISTENER) != NULL);
    struct sim_acceptor *a = calloc(1, sizeof *a);
    ASSERT(a != NULL);
    a->listener.rt = rt;
    a->socket = listen_of(sim_fd_take(p->world, p, fd));
    list_append(&p->acceptors, &a->node);
    *ret = &a->listener;
    return ERR_OK;
}

static void
acceptor_detach(struct sim_acceptor *a)
{
    struct sim_listen *socket = a->socket;
    a->socket = NULL;
    if (socket != NULL)
        sim_object_unref(&socket->object);
}

void
sim_listener_close(struct listener *l)
{
    struct sim_acceptor *a = CONTAINER_OF(l, struct sim_acceptor, listener);
    acceptor_detach(a);
    list_unlink(&a->node);
    free(a);
}

/* Wake one of the fibers that wait for a connection here, any. */
static void
listen_wake(struct sim_listen *l)
{
    if (l->waiting_count == 0)
        return;
    struct list *node = l->waiting.next;
    for (uint64_t skip = sim_random_below(&l->object.world->net_chance, l->waiting_count); skip > 0; skip--)
        node = node->next;
    struct accept_wait *wait = CONTAINER_OF(node, struct accept_wait, node);
    list_unlink(&wait->node);
    l->waiting_count--;
    if (!fiber_is_parked(wait->fiber))
        listen_wake(l); /* it has timed out and will leave */
    else
        sim_wake(wait->fiber, ERR_OK);
}

enum err
sim_accept(struct fiber *f, struct deadline by, struct listener *listener, struct stream **ret)
{
    struct sim_acceptor *a = CONTAINER_OF(listener, struct sim_acceptor, listener);
    for (;;) {
        struct sim_listen *l = a->socket;
        if (l == NULL)
            return ERR_IO;
        struct list *node = list_take_first(&l->backlog);
        if (node != NULL) {
            struct sim_conn *conn = CONTAINER_OF(node, struct sim_conn, backlog);
            l->backlog_count--;
            conn->is_in_backlog = false;
            end_open(&conn->ends[1], sim_process_of(f->rt));
            *ret = &conn->ends[1].stream;
            return ERR_OK;
        }
        struct accept_wait wait = {.fiber = f};
        list_append(&l->waiting, &wait.node);
        l->waiting_count++;
        l->object.refs++; /* the process may be cut off meanwhile */
        enum err e = fiber_park(f, by);
        if (!list_is_empty(&wait.node)) {
            list_unlink(&wait.node);
            l->waiting_count--;
        }
        sim_object_unref(&l->object);
        TRY(e);
    }
}

static void
handshake_fire(struct sim_event *event)
{
    struct sim_conn *conn = CONTAINER_OF(event, struct sim_conn, handshake);
    struct sim_listen *l = conn->called;
    enum err result = ERR_CLOSED;
    conn->called = NULL;
    if (l != NULL && l->object.refs > 1 && l->backlog_count < BACKLOG_MAX) {
        list_append(&l->backlog, &conn->backlog);
        l->backlog_count++;
        conn->is_in_backlog = true;
        listen_wake(l);
        result = ERR_OK;
    }
    if (l != NULL)
        sim_object_unref(&l->object);
    if (conn->caller != NULL)
        sim_wake(conn->caller, result);
    else
        conn_release(conn);
}

/* Call a listener, NULL when there is none. The addresses of conn->ends are set. */
static enum err
conn_call(struct fiber *f, struct deadline by, struct sim_conn *conn, struct sim_listen *l)
{
    struct sim_world *w = conn->world;
    struct sim_end *end = &conn->ends[0];
    conn->called = l;
    if (l != NULL)
        l->object.refs++;
    conn->caller = f;
    end_open(end, sim_process_of(f->rt));
    sim_event_set(w, &conn->handshake,
                  w->now_ns + sim_latency_ns(w, conn->is_local) + sim_latency_ns(w, conn->is_local), handshake_fire);
    enum err e = fiber_park(f, by);
    conn->caller = NULL;
    if (e != ERR_OK) {
        end_shut(end, true);
        end_release(end);
    }
    return e;
}

static bool
address_equal(const struct stream_address *a, const struct stream_address *b)
{
    size_t len = a->family == ADDRESS_IPV4 ? 4 : 16;
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, len) == 0;
}

static struct sim_listen *
listen_find_address(struct sim_world *w, const struct stream_address *address)
{
    LIST_FOR_EACH(node, &w->listeners) {
        struct sim_listen *l = CONTAINER_OF(node, struct sim_listen, by_name);
        if (l->has_address && address_equal(&l->address, address))
            return l;
    }
    return NULL;
}

static struct sim_listen *
listen_find_name(struct sim_world *w, const char *name)
{
    LIST_FOR_EACH(node, &w->listeners) {
        struct sim_listen *l = CONTAINER_OF(node, struct sim_listen, by_name);
        if (!l->has_address && strcmp(l->name, name) == 0)
            return l;
    }
    return NULL;
}

static uint16_t
port_next(struct sim_world *w)
{
    w->next_port = w->next_port < 32768 ? 32768 : (uint16_t)(w->next_port + 1);
    return w->next_port;
}

enum err
sim_connect(struct fiber *f, struct deadline by, const struct stream_address *to, const struct stream_address *source,
            struct stream **ret)
{
    struct sim_process *p = sim_process_of(f->rt);
    if (!sim_has_effect(p))
        return ERR_CLOSED;
    struct sim_conn *conn = conn_new(p->world, false);
    struct stream_address from = source != NULL ? *source : p->address;
    if (from.port == 0)
        from.port = port_next(p->world);
    conn->ends[0].stream.local = conn->ends[1].stream.peer = from;
    conn->ends[0].stream.peer = conn->ends[1].stream.local = *to;
    TRY(conn_call(f, by, conn, listen_find_address(p->world, to)));
    *ret = &conn->ends[0].stream;
    return ERR_OK;
}

enum err
sim_connect_unix(struct fiber *f, struct deadline by, const char *path, struct stream **ret)
{
    struct sim_process *p = sim_process_of(f->rt);
    if (!sim_has_effect(p))
        return ERR_CLOSED;
    struct sim_conn *conn = conn_new(p->world, true);
    struct stream_address from = {
        .family = ADDRESS_UNIX, .uid = p->address.uid, .gid = p->address.gid, .pid = p->address.pid};
    conn->ends[0].stream.local = conn->ends[1].stream.peer = from;
    conn->ends[0].stream.peer = conn->ends[1].stream.local = (struct stream_address){.family = ADDRESS_UNIX};
    TRY(conn_call(f, by, conn, listen_find_name(p->world, path)));
    *ret = &conn->ends[0].stream;
    return ERR_OK;
}

void
sim_stream_pair(struct sim_process *a, struct stream **ret_a, struct sim_process *b, struct stream **ret_b)
{
    struct sim_conn *conn = conn_new(a->world, false);
    struct stream_address from = a->address, to = b->address;
    from.port = port_next(a->world);
    to.port = port_next(a->world);
    conn->ends[0].stream.local = conn->ends[1].stream.peer = from;
    conn->ends[0].stream.peer = conn->ends[1].stream.local = to;
    end_open(&conn->ends[0], a);
    end_open(&conn->ends[1], b);
    *ret_a = &conn->ends[0].stream;
    *ret_b = &conn->ends[1].stream;
}

void
sim_streams_drop(struct sim_process *p, bool is_power)
{
    LIST_FOR_EACH(node, &p->ends) {
        struct sim_end *end = CONTAINER_OF(node, struct sim_end, node);
        bool is_reset = end->in.ready.len > 0;
        if (is_power) {
            end_vanish(end);
        } else {
            end_shut(end, is_reset);
            end->answers_resets = true;
        }
    }
    LIST_FOR_EACH(node, &p->acceptors)
        acceptor_detach(CONTAINER_OF(node, struct sim_acceptor, node));
}

void
sim_streams_free(struct sim_process *p)
{
    LIST_FOR_EACH(node, &p->ends)
        end_release(CONTAINER_OF(node, struct sim_end, node));
    LIST_FOR_EACH(node, &p->acceptors)
        sim_listener_close(&CONTAINER_OF(node, struct sim_acceptor, node)->listener);
}
