/*
 * channel.c - the sending half of a channel and its life: frames into packets, credits, calls and posts. serve.c is
 * the other half.
 */
#include "ipc/channel_body.h"

#include "base/assert.h"

#include <stdlib.h>

_Static_assert((IPC_CREDITS & (IPC_CREDITS - 1)) == 0, "a call id is a sequence number and a slot");
_Static_assert(IPC_CREDITS <= UINT16_MAX, "slots are numbered in 16 bits");

/* --- packets on their way out ----------------------------------------------------------------------------------- */

static struct out_packet *
out_packet_new(struct ipc_hub *hub)
{
    struct list *spare = list_take_first(&hub->out_spares);
    struct out_packet *packet;
    if (spare != NULL) {
        hub->out_spare_count--;
        packet = CONTAINER_OF(spare, struct out_packet, node);
    } else {
        packet = malloc(sizeof(*packet));
        if (packet == NULL)
            return NULL;
        list_init(&packet->node);
    }
    packet->len = packet->post_bytes = packet->fd_count = 0;
    return packet;
}

static void
out_packet_free(struct ipc_hub *hub, struct out_packet *packet)
{
    for (size_t i = 0; i < packet->fd_count; i++)
        rt_fd_close(hub->rt, packet->fds[i]);
    if (hub->out_spare_count == IPC_SPARES_MAX) {
        free(packet);
        return;
    }
    hub->out_spare_count++;
    list_prepend(&hub->out_spares, &packet->node);
}

/* Where the next frame of `bytes` and `fd_count` goes: the last packet, or a new one. NULL without memory. */
static struct out_packet *
packet_with_room(struct ipc_channel *ch, size_t bytes, size_t fd_count)
{
    if (!list_is_empty(&ch->queue)) {
        struct out_packet *last = CONTAINER_OF(ch->queue.prev, struct out_packet, node);
        if (PACKET_BYTES_MAX - last->len >= bytes && PACKET_FDS_MAX - last->fd_count >= fd_count)
            return last;
    }
    struct out_packet *packet = out_packet_new(ch->hub);
    if (packet != NULL)
        list_append(&ch->queue, &packet->node);
    return packet;
}

/* Replace borrowed descriptors by duplicates of our own. */
static enum err
duplicate_fds(struct rt *rt, int *fds, size_t fd_count)
{
    for (size_t i = 0; i < fd_count; i++) {
        int fd = rt_fd_dup(rt, fds[i]);
        if (fd < 0) {
            while (i > 0)
                rt_fd_close(rt, fds[--i]);
            return ERR_LIMIT;
        }
        fds[i] = fd;
    }
    return ERR_OK;
}

static void
wake_sender(struct ipc_channel *ch, size_t bytes)
{
    ch->queued_bytes += bytes;
    cond_signal(&ch->has_output);
}

enum err
channel_put(struct ipc_channel *ch, const struct ipc_frame *head, const struct ipc_form *form, const void *message,
            size_t bytes)
{
    ASSERT(!ch->is_ended && bytes <= IPC_FRAME_BODY_MAX);
    size_t whole = IPC_FRAME_HEADER_BYTES + bytes;
    struct out_packet *packet = packet_with_room(ch, whole, form->fd_count);
    if (packet == NULL)
        return ERR_LIMIT;
    struct ipc_frame frame = *head;
    uint8_t *to = packet->data + packet->len;
    int fds[IPC_FORM_FDS_MAX];
    ipc_form_put(form, message, to + IPC_FRAME_HEADER_BYTES, bytes, fds, &frame.fd_count);
    if (frame.fd_count > 0 && frame.kind != IPC_FRAME_REPLY)
        TRY(duplicate_fds(ch->hub->rt, fds, frame.fd_count));
    frame.body = span_of(NULL, bytes);
    ipc_frame_put(&frame, to);
    for (size_t i = 0; i < frame.fd_count; i++)
        packet->fds[packet->fd_count++] = fds[i];
    packet->len += whole;
    if (frame.kind == IPC_FRAME_POST) {
        packet->post_bytes += whole;
        ch->queued_post_bytes += whole;
    }
    wake_sender(ch, whole);
    return ERR_OK;
}

void
channel_put_refusal(struct ipc_channel *ch, uint16_t type, uint32_t call_id, enum err why)
{
    struct out_packet *packet = packet_with_room(ch, IPC_FRAME_HEADER_BYTES + 1, 0);
    if (packet == NULL) {
        /* The peer would wait for ever: it is better off without this channel. */
        channel_end(ch, ERR_LIMIT, NULL);
        return;
    }
    uint8_t *to = packet->data + packet->len;
    struct ipc_frame frame = {.kind = IPC_FRAME_REFUSAL, .type = type, .call_id = call_id, .body = span_of(NULL, 1)};
    ipc_frame_put(&frame, to);
    to[IPC_FRAME_HEADER_BYTES] = (uint8_t)why;
    packet->len += IPC_FRAME_HEADER_BYTES + 1;
    wake_sender(ch, IPC_FRAME_HEADER_BYTES + 1);
}

void
channel_put_bye(struct ipc_channel *ch)
{
    struct out_packet *packet = packet_with_room(ch, IPC_FRAME_HEADER_BYTES, 0);
    if (packet == NULL)
        return;
    ipc_frame_put(&(struct ipc_frame){.kind = IPC_FRAME_BYE}, packet->data + packet->len);
    packet->len += IPC_FRAME_HEADER_BYTES;
    wake_sender(ch, IPC_FRAME_HEADER_BYTES);
}

/* Take the first packet; NULL when there is none, or only one begun and nothing in it (its frame failed). */
static struct out_packet *
take_packet(struct ipc_channel *ch)
{
    struct list *node = list_take_first(&ch->queue);
    if (node == NULL)
        return NULL;
    struct out_packet *packet = CONTAINER_OF(node, struct out_packet, node);
    if (packet->len == 0) {
        out_packet_free(ch->hub, packet);
        return NULL;
    }
    ch->queued_post_bytes -= packet->post_bytes;
    return packet;
}

static enum err
send_packet(struct fiber *f, struct ipc_channel *ch, struct out_packet *packet)
{
    enum err e = packet_send(f, DEADLINE_NEVER, ch->socket, span_of(packet->data, packet->len), packet->fds,
                             packet->fd_count);
    ch->queued_bytes -= packet->len;
    ch->hub->counters.packets_sent++;
    out_packet_free(ch->hub, packet);
    if (ch->queued_bytes <= IPC_CALL_QUEUE_BYTES_MAX)
        cond_broadcast(&ch->room);
    /* A peer that has ended may have answered before: the receiver reads that first and then ends the channel. */
    return e == ERR_CLOSED ? fiber_sleep(f, DEADLINE_NEVER) : e;
}

/* The fiber that writes a channel. It lets everybody who is ready add frames before it sends: one packet a turn. */
static void
channel_send(struct fiber *f, void *arg)
{
    struct ipc_channel *ch = arg;
    enum err e = ERR_OK;
    while (e == ERR_OK && !ch->is_ended) {
        while (e == ERR_OK && list_is_empty(&ch->queue))
            e = cond_wait(f, DEADLINE_NEVER, &ch->has_output);
        if (e == ERR_OK)
            e = fiber_yield(f);
        struct out_packet *packet = e == ERR_OK ? take_packet(ch) : NULL;
        if (packet != NULL)
            e = send_packet(f, ch, packet);
    }
    ch->sender = NULL;
    channel_end(ch, e == ERR_OK ? ERR_CLOSED : e, NULL);
    channel_release(ch);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static struct ipc_channel *
channel_alloc(struct ipc_link *link, struct packet_socket *socket)
{
    struct ipc_channel *ch = calloc(1, sizeof(*ch));
    if (ch == NULL)
        return NULL;
    ch->hub = link->hub;
    ch->link = link;
    ch->socket = socket;
    ch->peer = (struct ipc_peer){.role = link->role, .instance = link->instance};
    list_init(&ch->queue);
    list_init(&ch->requests);
    cond_init(&ch->has_output);
    cond_init(&ch->room);
    cond_init(&ch->turn);
    semaphore_init(&ch->credit, IPC_CREDITS);
    for (uint16_t i = 0; i < IPC_CREDITS; i++)
        ch->slots[i].next_free = (uint16_t)(i + 1);
    return ch;
}

enum err
channel_new(struct ipc_link *link, struct packet_socket *socket, struct ipc_channel **ret)
{
    struct ipc_hub *hub = link->hub;
    struct ipc_channel *ch = channel_alloc(link, socket);
    if (ch == NULL) {
        packet_socket_close(socket);
        return ERR_LIMIT;
    }
    list_append(&hub->channels, &ch->node);
    enum err e = fiber_spawn(hub->rt, "ipc.send", channel_send, ch, &ch->sender);
    if (e == ERR_OK)
        e = fiber_spawn(hub->rt, "ipc.receive", channel_receive, ch, &ch->receiver);
    if (e != ERR_OK) {
        channel_end(ch, e, NULL);
        channel_release(ch);
        return e;
    }
    *ret = ch;
    return ERR_OK;
}

static void
fail_pending_calls(struct ipc_channel *ch)
{
    for (size_t i = 0; i < IPC_CREDITS; i++) {
        struct pending_call *call = ch->slots[i].call;
        if (call == NULL)
            continue;
        ch->slots[i].call = NULL;
        call->is_done = true;
        call->result = ERR_CLOSED;
        fiber_unpark(call->fiber, ERR_OK);
    }
}

static void
report_end(struct ipc_channel *ch, enum err why, const char *message_name)
{
    struct ipc_hub *hub = ch->hub;
    struct ipc_closed closed = {.role = ch->peer.role, .instance = ch->peer.instance, .why = why,
                                .message_name = message_name == NULL ? "?" : message_name,
                                .was_replaced = ch->is_draining, .was_orderly = ch->has_peer_said_bye};
    if (hub->on_closed != NULL) {
        hub->on_closed(hub->on_closed_ctx, &closed);
        return;
    }
    if (why != ERR_PROTOCOL)
        return;
    char array[256];
    struct buf line;
    buf_init_fixed(&line, array, sizeof(array));
    (void)buf_printf(&line, "event=peer-protocol severity=error origin=%s.%u role=%s instance=%u name=%s",
                     ipc_role_name(hub->self), hub->instance, ipc_role_name(closed.role), closed.instance,
                     closed.message_name);
    rt_log_line(hub->rt, buf_span(&line));
}

void
channel_end(struct ipc_channel *ch, enum err why, const char *message_name)
{
    if (ch->is_ended)
        return;
    ch->is_ended = ch->peer.is_closed = true;
    if (ch->link->channel == ch)
        ch->link->channel = NULL;
    ch->hub->counters.channels_closed++;
    if (why == ERR_PROTOCOL)
        ch->hub->counters.peer_errors++;
    fail_pending_calls(ch);
    for (struct list *node; (node = list_take_first(&ch->queue)) != NULL;)
        out_packet_free(ch->hub, CONTAINER_OF(node, struct out_packet, node));
    cond_broadcast(&ch->room);
    semaphore_give(&ch->credit); /* the waiters hand it on from one to the next */
    if (ch->sender != NULL)
        fiber_cancel(ch->sender);
    if (ch->receiver != NULL)
        fiber_cancel(ch->receiver);
    report_end(ch, why, message_name);
}

void
channel_drain(struct ipc_channel *ch)
{
    ch->is_draining = true;
    cond_broadcast(&ch->room);
    semaphore_give(&ch->credit);
}

/* Give back what nobody uses any more; the channel itself last. */
void
channel_release(struct ipc_channel *ch)
{
    if (!ch->is_ended)
        return;
    if (ch->socket != NULL && ch->sender == NULL && ch->receiver == NULL) {
        packet_socket_close(ch->socket);
        ch->socket = NULL;
    }
    if (!list_is_empty(&ch->requests))
        return;
    if (!ch->is_peer_gone) {
        ch->is_peer_gone = true;
        if (ch->peer.on_closed != NULL)
            ch->peer.on_closed(&ch->peer);
    }
    if (ch->socket != NULL || ch->holders > 0)
        return;
    struct ipc_hub *hub = ch->hub;
    if (ch->receiving != NULL)
        in_packet_unref(hub, ch->receiving);
    list_unlink(&ch->node);
    free(ch);
    hub_check_closed(hub);
}

/* --- calls ------------------------------------------------------------------------------------------------------ */

static enum err
wait_for_room_and_credit(struct fiber *f, struct deadline by, struct ipc_channel *ch)
{
    if (ch->queued_bytes > IPC_CALL_QUEUE_BYTES_MAX || ch->credit.free == 0)
        ch->hub->counters.credit_waits++;
    while (!ch->is_ended && !ch->is_draining && ch->queued_bytes > IPC_CALL_QUEUE_BYTES_MAX)
        TRY(cond_wait(f, by, &ch->room));
    return semaphore_take(f, by, &ch->credit);
}

/* Suspend until the link has a channel and that a credit, which is taken then. */
static enum err
enter(struct fiber *f, struct deadline by, struct ipc_link *to, struct ipc_channel **ret)
{
    for (;;) {
        TRY(ipc_link_wait(f, by, to));
        struct ipc_channel *ch = to->channel;
        ch->holders++;
        enum err e = wait_for_room_and_credit(f, by, ch);
        ch->holders--;
        bool is_usable = !ch->is_ended && !ch->is_draining;
        if (e == ERR_OK && is_usable) {
            *ret = ch;
            return ERR_OK;
        }
        if (e == ERR_OK)
            semaphore_give(&ch->credit);
        channel_release(ch);
        if (e != ERR_OK)
            return e;
    }
}

void
slot_release(struct ipc_channel *ch, struct call_slot *slot)
{
    slot->is_taken = false;
    slot->call = NULL;
    slot->next_free = ch->first_free;
    ch->first_free = (uint16_t)(slot - ch->slots);
    semaphore_give(&ch->credit);
}

static struct call_slot *
slot_take(struct ipc_channel *ch, uint16_t type, struct pending_call *call, uint32_t *ret_id)
{
    ASSERT(ch->first_free < IPC_CREDITS);
    struct call_slot *slot = &ch->slots[ch->first_free];
    ch->first_free = slot->next_free;
    slot->is_taken = true;
    slot->type = type;
    slot->call = call;
    slot->sequence++;
    *ret_id = slot->sequence * IPC_CREDITS + (uint32_t)(slot - ch->slots);
    return slot;
}

/*
 * Park until the reply, the end of the channel or the deadline; a reply that came in the same turn as the deadline
 * counts.
 */
static enum err
await_reply(struct fiber *f, struct deadline by, struct call_slot *slot, struct pending_call *call)
{
    enum err e = call->is_done ? ERR_OK : fiber_park(f, by);
    if (call->is_done)
        return call->result;
    slot->call = NULL; /* the credit comes back with the late reply */
    return e == ERR_OK ? ERR_CANCELED : e;
}

static enum err
call_with_link(struct fiber *f, struct deadline by, struct ipc_link *to, struct ipc_frame *frame, size_t bytes,
               const void *request, struct arena *mem, void *ret)
{
    const struct ipc_type *type = &ipc_types[frame->type];
    struct ipc_channel *ch;
    enum err e = enter(f, by, to, &ch);
    if (e != ERR_OK)
        return e == ERR_TIMEOUT ? ERR_AGAIN : e;
    struct pending_call call = {.fiber = f, .form = type->reply, .mem = mem, .ret = ret};
    struct call_slot *slot = slot_take(ch, frame->type, &call, &frame->call_id);
    e = channel_put(ch, frame, type->request, request, bytes);
    if (e != ERR_OK) {
        slot_release(ch, slot);
        return e;
    }
    to->hub->counters.calls_sent++;
    return await_reply(f, by, slot, &call);
}

enum err
ipc_call(struct fiber *f, struct deadline by, struct ipc_link *to, uint16_t type, const void *request,
         struct arena *mem, void *ret)
{
    struct ipc_hub *hub = to->hub;
    ASSERT(type < IPC_TYPE_COUNT && ipc_types[type].reply != NULL);
    ASSERT((ipc_types[type].senders & ROLE_BIT(hub->self)) != 0 &&
           (ipc_types[type].receivers & ROLE_BIT(to->role)) != 0);
    if (fiber_is_canceled(f))
        return ERR_CANCELED;
    if (by.at_ns <= rt_now_ns(hub->rt))
        return ERR_AGAIN;
    size_t bytes;
    TRY(ipc_form_measure(ipc_types[type].request, request, &bytes));
    if (bytes > IPC_FRAME_BODY_MAX)
        return ERR_LIMIT;
    struct ipc_frame frame = {.kind = IPC_FRAME_CALL, .type = type};
    hub->callers++;
    enum err e = call_with_link(f, by, to, &frame, bytes, request, mem, ret);
    hub->callers--;
    hub_check_closed(hub);
    return e;
}

enum err
ipc_post(struct ipc_link *to, uint16_t type, const void *message)
{
    struct ipc_hub *hub = to->hub;
    ASSERT(type < IPC_TYPE_COUNT && ipc_types[type].reply == NULL);
    ASSERT((ipc_types[type].senders & ROLE_BIT(hub->self)) != 0 &&
           (ipc_types[type].receivers & ROLE_BIT(to->role)) != 0);
    size_t bytes;
    TRY(ipc_form_measure(ipc_types[type].request, message, &bytes));
    if (bytes > IPC_FRAME_BODY_MAX)
        return ERR_LIMIT;
    struct ipc_channel *ch = to->channel;
    struct ipc_frame frame = {.kind = IPC_FRAME_POST, .type = type};
    if (ch == NULL || ch->queued_post_bytes + bytes > IPC_POST_QUEUE_BYTES_MAX ||
        channel_put(ch, &frame, ipc_types[type].request, message, bytes) != ERR_OK) {
        hub->counters.posts_dropped++;
        return ERR_AGAIN;
    }
    hub->counters.posts_sent++;
    return ERR_OK;
}
