/*
 * sim_packet.c - packets with descriptors between simulated processes.
 *
 * In order, whole and never lost, as between processes of one machine; what was sent before the sender died is still
 * received. Each packet travels for a moment of its own.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "rt/rt_sim_body.h"

enum { QUEUE_BYTES_MAX = 512 * 1024 };

struct message {
    struct list node;
    int64_t at_ns; /* when it can be received */
    size_t len;
    size_t object_count;
    struct sim_object *objects[PACKET_FDS_MAX]; /* a reference each */
    uint8_t data[];
};

/* One end of a pair. */
struct sim_packets {
    struct sim_object object;
    struct sim_packets *peer; /* NULL: gone */
    struct list queue;        /* to be received here */
    size_t bytes;
    int64_t last_at_ns;
    struct sim_event arrival;
    struct list handles; /* struct sim_packet.by_end */
};

struct sim_packet {
    struct packet_socket socket;
    struct list node; /* in sim_process.packets */
    struct list by_end;
    struct sim_packets *end; /* a reference; NULL once the process is cut off */
    struct fiber *reader;
    struct fiber *writer;
};

static struct sim_packet *
packet_of(struct packet_socket *p)
{
    return CONTAINER_OF(p, struct sim_packet, socket);
}

static struct sim_packets *
packets_of(struct sim_object *object)
{
    return CONTAINER_OF(object, struct sim_packets, object);
}

static struct sim_packet *
handle_of(struct list *by_end)
{
    return CONTAINER_OF(by_end, struct sim_packet, by_end);
}

static struct sim_packets *
packets_new(struct sim_world *w)
{
    struct sim_packets *end = calloc(1, sizeof *end);
    ASSERT(end != NULL);
    (void)sim_object_init(w, &end->object, SIM_OBJECT_PACKETS);
    list_init(&end->queue);
    list_init(&end->handles);
    return end;
}

void
sim_packet_pair(struct sim_world *w, struct sim_process *a, int *ret_a, struct sim_process *b, int *ret_b)
{
    struct sim_packets *end_a = packets_new(w), *end_b = packets_new(w);
    end_a->peer = end_b;
    end_b->peer = end_a;
    *ret_a = sim_fd_new(w, &end_a->object, a);
    *ret_b = sim_fd_new(w, &end_b->object, b);
}

static void
readers_wake(struct sim_packets *end)
{
    LIST_FOR_EACH(node, &end->handles)
        sim_wake(handle_of(node)->reader, ERR_OK);
}

static void
writers_wake(struct sim_packets *end)
{
    LIST_FOR_EACH(node, &end->handles)
        sim_wake(handle_of(node)->writer, ERR_OK);
}

static void
message_free(struct message *m)
{
    list_unlink(&m->node);
    for (size_t i = 0; i < m->object_count; i++)
        sim_object_unref(m->objects[i]);
    free(m);
}

void
sim_packets_destroy(struct sim_object *object)
{
    struct sim_packets *end = packets_of(object);
    sim_event_cancel(object->world, &end->arrival);
    if (end->peer != NULL) {
        end->peer->peer = NULL;
        readers_wake(end->peer);
        writers_wake(end->peer);
    }
    LIST_FOR_EACH(node, &end->queue)
        message_free(CONTAINER_OF(node, struct message, node));
    free(end);
}

enum err
sim_packet_open(struct rt *rt, int fd, struct packet_socket **ret)
{
    struct sim_process *p = sim_process_of(rt);
    if (!sim_has_effect(p))
        return ERR_IO;
    ASSERT(sim_fd_find(p->world, p, fd, SIM_OBJECT_PACKETS) != NULL);
    struct sim_packet *handle = calloc(1, sizeof *handle);
    ASSERT(handle != NULL);
    handle->socket.rt = rt;
    handle->end = packets_of(sim_fd_take(p->world, p, fd));
    list_append(&p->packets, &handle->node);
    list_append(&handle->end->handles, &handle->by_end);
    *ret = &handle->socket;
    return ERR_OK;
}

static void
handle_detach(struct sim_packet *handle)
{
    struct sim_packets *end = handle->end;
    if (end == NULL)
        return;
    handle->end = NULL;
    list_unlink(&handle->by_end);
    sim_object_unref(&end->object);
}

void
sim_packet_close(struct packet_socket *socket)
{
    struct sim_packet *handle = packet_of(socket);
    ASSERT(handle->reader == NULL && handle->writer == NULL);
    handle_detach(handle);
    list_unlink(&handle->node);
    free(handle);
}

void
sim_packets_drop(struct sim_process *p)
{
    LIST_FOR_EACH(node, &p->packets)
        handle_detach(CONTAINER_OF(node, struct sim_packet, node));
}

void
sim_packets_free(struct sim_process *p)
{
    LIST_FOR_EACH(node, &p->packets) {
        struct sim_packet *handle = CONTAINER_OF(node, struct sim_packet, node);
        list_unlink(&handle->node);
        free(handle);
    }
}

static void
arrival_fire(struct sim_event *event)
{
    readers_wake(CONTAINER_OF(event, struct sim_packets, arrival));
}

/* Tell the readers when the first packet is here. */
static void
arrival_set(struct sim_packets *end)
{
    if (list_is_empty(&end->queue))
        return;
    struct message *first = CONTAINER_OF(end->queue.next, struct message, node);
    sim_event_set(end->object.world, &end->arrival, first->at_ns, arrival_fire);
}

static void
message_send(struct sim_process *p, struct sim_packets *to, struct span data, const int *fds, size_t fd_count)
{
    struct sim_world *w = p->world;
    struct message *m = malloc(sizeof *m + data.len);
    ASSERT(m != NULL);
    memcpy(m->data, data.data, data.len);
    m->len = data.len;
    m->object_count = fd_count;
    for (size_t i = 0; i < fd_count; i++) {
        struct sim_object *object = sim_fd_find_any(w, p, fds[i]);
        ASSERT(object != NULL); /* not a descriptor of this process */
        object->refs++;
        m->objects[i] = object;
    }
    m->at_ns = w->now_ns + sim_latency_ns(w, true);
    if (m->at_ns < to->last_at_ns)
        m->at_ns = to->last_at_ns;
    to->last_at_ns = m->at_ns;
    list_append(&to->queue, &m->node);
    to->bytes += m->len;
    arrival_set(to);
}

enum err
sim_packet_send(struct fiber *f, struct deadline by, struct packet_socket *socket, struct span data, const int *fds,
                size_t fd_count)
{
    struct sim_packet *handle = packet_of(socket);
    for (;;) {
        struct sim_packets *to = handle->end != NULL ? handle->end->peer : NULL;
        if (to == NULL)
            return ERR_CLOSED;
        if (to->bytes == 0 || to->bytes + data.len <= QUEUE_BYTES_MAX) {
            message_send(sim_process_of(f->rt), to, data, fds, fd_count);
            return ERR_OK;
        }
        ASSERT(handle->writer == NULL);
        handle->writer = f;
        enum err e = fiber_park(f, by);
        handle->writer = NULL;
        TRY(e);
    }
}

static void
message_take(struct sim_process *p, struct sim_packets *end, void *dst, size_t *ret_len, int fds[PACKET_FDS_MAX],
             size_t *ret_fd_count)
{
    struct message *m = CONTAINER_OF(end->queue.next, struct message, node);
    memcpy(dst, m->data, m->len);
    *ret_len = m->len;
    *ret_fd_count = m->object_count;
    for (size_t i = 0; i < m->object_count; i++)
        fds[i] = sim_fd_new(p->world, m->objects[i], p);
    sim_trace(p->world, m->len);
    end->bytes -= m->len;
    m->object_count = 0; /* the descriptors have the references now */
    message_free(m);
    arrival_set(end);
    if (end->peer != NULL)
        writers_wake(end->peer);
}

enum err
sim_packet_recv(struct fiber *f, struct deadline by, struct packet_socket *socket, void *dst, size_t cap,
                size_t *ret_len, int fds[PACKET_FDS_MAX], size_t *ret_fd_count)
{
    struct sim_packet *handle = packet_of(socket);
    (void)cap;
    for (;;) {
        struct sim_packets *end = handle->end;
        if (end == NULL)
            return ERR_CLOSED;
        bool has_packet = !list_is_empty(&end->queue);
        if (has_packet && CONTAINER_OF(end->queue.next, struct message, node)->at_ns <= f->rt->now_ns) {
            message_take(sim_process_of(f->rt), end, dst, ret_len, fds, ret_fd_count);
            return ERR_OK;
        }
        if (!has_packet && end->peer == NULL)
            return ERR_CLOSED;
        ASSERT(handle->reader == NULL);
        handle->reader = f;
        enum err e = fiber_park(f, by);
        handle->reader = NULL;
        TRY(e);
    }
}
