/*
 * serve.c - the receiving half of a channel: packets into frames, replies to their callers, requests to handlers.
 *
 * Everything here is hostile until it is decoded. Whatever does not fit ends the channel, and with it only the peer's
 * own business. The reader never waits for anything but the next packet: a request gets a fiber of its own or a
 * refusal.
 */
#include "ipc/channel_body.h"

#include "base/assert.h"

#include <stdlib.h>

/* A call or a post of the peer being served. Kept for reuse by the hub. */
struct request {
    struct list node; /* in channel->requests, or among the spares */
    struct ipc_channel *channel;
    struct fiber *fiber; /* NULL until it runs */
    struct in_packet *packet; /* its texts borrow from it */
    uint16_t type;
    uint32_t call_id;
    uint32_t arrival; /* its number among those of the channel */
    struct arena mem;
    _Alignas(16) uint8_t message[IPC_STRUCT_BYTES_MAX];
    _Alignas(16) uint8_t reply[IPC_STRUCT_BYTES_MAX];
};

/* A packet while it is taken apart. */
struct incoming {
    struct ipc_channel *channel;
    struct span rest;
    struct in_packet *packet;   /* where `rest` is, or NULL while it is the buffer that the next packet overwrites */
    const int *fds;             /* not yet taken */
    size_t fd_count;
    const char *message_name;   /* for the report of an error */
};

/* --- packets that came in --------------------------------------------------------------------------------------- */

static struct in_packet *
in_packet_new(struct ipc_hub *hub, size_t bytes)
{
    bool is_full_size = bytes == PACKET_BYTES_MAX;
    struct list *spare = is_full_size ? list_take_first(&hub->in_spares) : NULL;
    struct in_packet *packet;
    if (spare != NULL) {
        hub->in_spare_count--;
        packet = CONTAINER_OF(spare, struct in_packet, node);
    } else {
        packet = malloc(sizeof(*packet) + bytes);
        if (packet == NULL)
            return NULL;
        list_init(&packet->node);
    }
    packet->refs = 1;
    packet->is_full_size = is_full_size;
    return packet;
}

void
in_packet_unref(struct ipc_hub *hub, struct in_packet *packet)
{
    ASSERT(packet->refs > 0);
    if (--packet->refs > 0)
        return;
    if (!packet->is_full_size || hub->in_spare_count == IPC_SPARES_MAX) {
        free(packet);
        return;
    }
    hub->in_spare_count++;
    list_prepend(&hub->in_spares, &packet->node);
}

/*
 * Make what is left of the packet outlive the next one: a large packet is kept where it is, a small one copied to its
 * size.
 */
static enum err
keep_packet(struct incoming *in)
{
    struct ipc_channel *ch = in->channel;
    if (in->packet != NULL)
        return ERR_OK;
    if (in->rest.len >= IPC_HANDOVER_BYTES) {
        in->packet = ch->receiving;
        ch->receiving = NULL;
        return ERR_OK;
    }
    struct in_packet *copy = in_packet_new(ch->hub, in->rest.len);
    if (copy == NULL)
        return ERR_LIMIT;
    memcpy(copy->data, in->rest.data, in->rest.len);
    in->rest = span_of(copy->data, in->rest.len);
    in->packet = copy;
    return ERR_OK;
}

/* --- requests --------------------------------------------------------------------------------------------------- */

static struct request *
request_new(struct ipc_channel *ch, const struct ipc_frame *frame)
{
    struct list *spare = list_take_first(&ch->hub->request_spares);
    struct request *r = spare == NULL ? malloc(sizeof(*r)) : CONTAINER_OF(spare, struct request, node);
    if (r == NULL)
        return NULL;
    if (spare != NULL)
        ch->hub->request_spare_count--;
    list_init(&r->node);
    r->channel = ch;
    r->fiber = NULL;
    r->packet = NULL;
    r->type = frame->type;
    r->call_id = frame->call_id;
    arena_init(&r->mem, IPC_SERVE_MEM_BYTES);
    return r;
}

static void
request_free(struct ipc_hub *hub, struct request *r)
{
    arena_clear(&r->mem);
    if (r->packet != NULL)
        in_packet_unref(hub, r->packet);
    if (hub->request_spare_count == IPC_CREDITS) {
        free(r);
        return;
    }
    hub->request_spare_count++;
    list_prepend(&hub->request_spares, &r->node);
}

static void
close_message_fds(struct rt *rt, const struct ipc_form *form, const void *message)
{
    for (size_t i = 0; i < form->fd_count; i++) {
        int fd;
        memcpy(&fd, (const uint8_t *)message + form->fd_at[i], sizeof(fd));
        rt_fd_close(rt, fd);
    }
}

/* Send what the handler left in r->reply; too large or too much, the caller learns that it was. */
static void
send_reply(struct ipc_channel *ch, struct request *r)
{
    const struct ipc_form *form = ipc_types[r->type].reply;
    if (ch->is_ended) {
        ch->hub->counters.replies_dropped++;
        close_message_fds(ch->hub->rt, form, r->reply);
        return;
    }
    struct ipc_frame frame = {.kind = IPC_FRAME_REPLY, .type = r->type, .call_id = r->call_id};
    size_t bytes = 0;
    enum err e = ipc_form_measure(form, r->reply, &bytes);
    if (e == ERR_OK && bytes > IPC_FRAME_BODY_MAX)
        e = ERR_LIMIT;
    if (e == ERR_OK)
        e = channel_put(ch, &frame, form, r->reply, bytes);
    if (e == ERR_OK)
        return;
    close_message_fds(ch->hub->rt, form, r->reply);
    channel_put_refusal(ch, r->type, r->call_id, e);
}

/* Wait for the service if the process is still starting; ERR_CANCELED when it ends first. */
static enum err
await_table(struct fiber *f, struct ipc_hub *hub, const struct ipc_serving_table *table)
{
    while (table->table == NULL)
        TRY(cond_wait(f, DEADLINE_NEVER, &hub->served));
    return ERR_OK;
}

/* Wait until everything that came before it has begun. The scheduler of fibers has the same order nearly always. */
static enum err
await_turn(struct fiber *f, struct ipc_channel *ch, const struct request *r)
{
    while (ch->begun != r->arrival)
        TRY(cond_wait(f, DEADLINE_NEVER, &ch->turn));
    ch->begun++;
    cond_broadcast(&ch->turn);
    return ERR_OK;
}

static void
serve_request(struct fiber *f, void *arg)
{
    struct request *r = arg;
    struct ipc_channel *ch = r->channel;
    struct ipc_hub *hub = ch->hub;
    const struct ipc_type *type = &ipc_types[r->type];
    const struct ipc_serving_table *table = type->is_system ? &hub->system_table : &hub->role_table;
    if (type->reply != NULL)
        ipc_form_clear(type->reply, r->reply);
    if (await_table(f, hub, table) == ERR_OK && await_turn(f, ch, r) == ERR_OK &&
        await_table(f, hub, table) == ERR_OK) { /* the hub may have ended while it waited for its turn */
        table->table[r->type](table->service, f, table->ctx, &ch->peer, r->message, &r->mem, r->reply);
        if (type->reply != NULL)
            send_reply(ch, r);
    } else {
        close_message_fds(hub->rt, type->request, r->message);
    }
    list_unlink(&r->node);
    type->reply != NULL ? ch->calls_served-- : ch->posts_served--;
    request_free(hub, r);
    channel_release(ch);
}

/* Begin to serve a decoded request. ERR_LIMIT without a stack: then the request is still the caller's. */
static enum err
begin_request(struct ipc_channel *ch, struct request *r)
{
    bool is_call = ipc_types[r->type].reply != NULL;
    TRY(fiber_spawn(ch->hub->rt, is_call ? "ipc.serve" : "ipc.post", serve_request, r, &r->fiber));
    list_append(&ch->requests, &r->node);
    r->arrival = ch->arrived++;
    is_call ? ch->calls_served++ : ch->posts_served++;
    ch->hub->counters.calls_served += is_call;
    return ERR_OK;
}

static enum err
decode_request(struct incoming *in, const struct ipc_frame *frame, struct request *r)
{
    const struct ipc_form *form = ipc_types[frame->type].request;
    enum err e = ipc_form_decode(form, frame->body, in->fds, frame->fd_count, &r->mem, false, r->message);
    if (e != ERR_OK)
        return e;
    in->fds += frame->fd_count;
    in->fd_count -= frame->fd_count;
    r->packet = in->packet;
    in->packet->refs++;
    return ERR_OK;
}

/* Give up a request for want of memory: a call is told so, a post is counted. Descriptors not yet taken are skipped. */
static enum err
refuse_request(struct incoming *in, const struct ipc_frame *frame)
{
    struct ipc_channel *ch = in->channel;
    if (frame->kind == IPC_FRAME_CALL)
        channel_put_refusal(ch, frame->type, frame->call_id, ERR_LIMIT);
    else
        ch->hub->counters.posts_refused++;
    return ERR_OK;
}

static void
drop_fds(struct incoming *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rt_fd_close(in->channel->hub->rt, in->fds[i]);
    in->fds += count;
    in->fd_count -= count;
}

static enum err
take_endpoint(struct incoming *in, struct request *r)
{
    return hub_take_endpoint(in->channel->hub, (const struct ipc_endpoint *)(const void *)r->message);
}

static enum err
take_request(struct incoming *in, const struct ipc_frame *frame)
{
    struct ipc_channel *ch = in->channel;
    struct ipc_hub *hub = ch->hub;
    bool is_call = frame->kind == IPC_FRAME_CALL;
    if (is_call && ch->calls_served == IPC_CREDITS)
        return ERR_PROTOCOL;
    bool is_refused = !is_call && ch->posts_served == IPC_POSTS_SERVED_MAX;
    struct request *r = is_refused ? NULL : request_new(ch, frame);
    if (r == NULL) {
        drop_fds(in, frame->fd_count);
        return refuse_request(in, frame);
    }
    enum err e = decode_request(in, frame, r);
    if (e == ERR_OK && frame->type == IPC_TYPE_ENDPOINT) {
        e = take_endpoint(in, r);
        request_free(hub, r);
        return e;
    }
    if (e == ERR_OK)
        e = begin_request(ch, r);
    if (e == ERR_OK)
        return ERR_OK;
    if (r->packet != NULL)
        close_message_fds(hub->rt, ipc_types[r->type].request, r->message);
    else
        drop_fds(in, frame->fd_count);
    request_free(hub, r);
    return e == ERR_LIMIT ? refuse_request(in, frame) : e;
}

/* --- replies ---------------------------------------------------------------------------------------------------- */

static struct call_slot *
find_slot(struct ipc_channel *ch, const struct ipc_frame *frame)
{
    struct call_slot *slot = &ch->slots[frame->call_id % IPC_CREDITS];
    bool is_right = slot->is_taken && slot->type == frame->type &&
                    frame->call_id == slot->sequence * IPC_CREDITS + frame->call_id % IPC_CREDITS;
    return is_right ? slot : NULL;
}

/*
 * Put the reply where its caller wants it. The copy in between keeps the caller's struct untouched by what does not
 * decode.
 */
static enum err
decode_reply(struct incoming *in, const struct ipc_frame *frame, struct pending_call *call)
{
    _Alignas(16) uint8_t reply[IPC_STRUCT_BYTES_MAX];
    enum err e = ipc_form_decode(call->form, frame->body, in->fds, frame->fd_count, call->mem, true, reply);
    if (e != ERR_OK)
        return e;
    in->fds += frame->fd_count;
    in->fd_count -= frame->fd_count;
    memcpy(call->ret, reply, call->form->struct_bytes);
    return ERR_OK;
}

static enum err
read_refusal(const struct ipc_frame *frame, enum err *ret)
{
    if (frame->body.len != 1 || frame->fd_count != 0)
        return ERR_PROTOCOL;
    if (frame->body.data[0] != ERR_LIMIT && frame->body.data[0] != ERR_AGAIN)
        return ERR_PROTOCOL;
    *ret = (enum err)frame->body.data[0];
    return ERR_OK;
}

static enum err
take_reply(struct incoming *in, const struct ipc_frame *frame)
{
    struct ipc_channel *ch = in->channel;
    struct call_slot *slot = find_slot(ch, frame);
    if (slot == NULL)
        return ERR_PROTOCOL;
    struct pending_call *call = slot->call;
    enum err result = ERR_OK;
    if (frame->kind == IPC_FRAME_REFUSAL)
        TRY(read_refusal(frame, &result));
    else if (call != NULL)
        result = decode_reply(in, frame, call);
    if (call == NULL || result != ERR_OK)
        drop_fds(in, frame->fd_count);
    slot_release(ch, slot);
    if (call != NULL) {
        call->is_done = true;
        call->result = result;
        fiber_unpark(call->fiber, ERR_OK);
    }
    return result == ERR_PROTOCOL ? ERR_PROTOCOL : ERR_OK;
}

/* --- packets ---------------------------------------------------------------------------------------------------- */

/* Whether the peer may say this to us at all. */
static bool
is_allowed(const struct ipc_channel *ch, const struct ipc_frame *frame)
{
    if (frame->type >= IPC_TYPE_COUNT)
        return false;
    const struct ipc_type *type = &ipc_types[frame->type];
    bool is_answer = frame->kind == IPC_FRAME_REPLY || frame->kind == IPC_FRAME_REFUSAL;
    if ((type->reply != NULL) != (frame->kind != IPC_FRAME_POST))
        return false;
    enum ipc_role sender = is_answer ? ch->hub->self : ch->peer.role;
    enum ipc_role receiver = is_answer ? ch->peer.role : ch->hub->self;
    return (type->senders & ROLE_BIT(sender)) != 0 && (type->receivers & ROLE_BIT(receiver)) != 0;
}

static enum err
take_frame(struct incoming *in)
{
    struct ipc_frame frame;
    in->message_name = "?";
    struct span rest = in->rest;
    TRY(ipc_frame_take(&rest, &frame));
    if (frame.kind == IPC_FRAME_BYE) {
        in->channel->has_peer_said_bye = true;
        in->rest = rest;
        return frame.body.len == 0 && frame.fd_count == 0 ? ERR_OK : ERR_PROTOCOL;
    }
    if (frame.fd_count > in->fd_count || !is_allowed(in->channel, &frame))
        return ERR_PROTOCOL;
    in->message_name = ipc_types[frame.type].name;
    if (frame.kind == IPC_FRAME_REPLY || frame.kind == IPC_FRAME_REFUSAL) {
        in->rest = rest;
        return take_reply(in, &frame);
    }
    if (in->packet == NULL) {
        TRY(keep_packet(in)); /* moves the rest: take the frame again where it is now */
        rest = in->rest;
        TRY(ipc_frame_take(&rest, &frame));
    }
    in->rest = rest;
    return take_request(in, &frame);
}

static enum err
take_packet(struct ipc_channel *ch, size_t len, const int *fds, size_t fd_count, const char **ret_message_name)
{
    struct incoming in = {.channel = ch, .rest = span_of(ch->receiving->data, len), .fds = fds, .fd_count = fd_count};
    enum err e = ERR_OK;
    while (e == ERR_OK && in.rest.len > 0 && !ch->is_ended)
        e = take_frame(&in);
    if (e == ERR_OK && in.fd_count > 0 && !ch->is_ended)
        e = ERR_PROTOCOL;
    drop_fds(&in, in.fd_count);
    if (in.packet != NULL)
        in_packet_unref(ch->hub, in.packet);
    *ret_message_name = in.message_name;
    return e;
}

static enum err
receive_packet(struct fiber *f, struct ipc_channel *ch, const char **ret_message_name)
{
    if (ch->receiving == NULL)
        ch->receiving = in_packet_new(ch->hub, PACKET_BYTES_MAX);
    if (ch->receiving == NULL)
        return ERR_LIMIT;
    size_t len, fd_count;
    int fds[PACKET_FDS_MAX];
    TRY(packet_recv(f, DEADLINE_NEVER, ch->socket, ch->receiving->data, PACKET_BYTES_MAX, &len, fds, &fd_count));
    TRY(take_packet(ch, len, fds, fd_count, ret_message_name));
    return fiber_yield(f); /* a peer that always has more must not hold the loop */
}

void
channel_receive(struct fiber *f, void *arg)
{
    struct ipc_channel *ch = arg;
    const char *message_name = NULL;
    enum err e = ERR_OK;
    while (e == ERR_OK && !ch->is_ended)
        e = receive_packet(f, ch, &message_name);
    ch->receiver = NULL;
    channel_end(ch, e == ERR_OK ? ERR_CLOSED : e, message_name);
    channel_release(ch);
}

void
channel_cancel_requests(struct ipc_channel *ch)
{
    LIST_FOR_EACH(node, &ch->requests)
        fiber_cancel(CONTAINER_OF(node, struct request, node)->fiber);
}

void
hub_free_spares(struct ipc_hub *hub)
{
    for (struct list *node; (node = list_take_first(&hub->out_spares)) != NULL;)
        free(CONTAINER_OF(node, struct out_packet, node));
    for (struct list *node; (node = list_take_first(&hub->in_spares)) != NULL;)
        free(CONTAINER_OF(node, struct in_packet, node));
    for (struct list *node; (node = list_take_first(&hub->request_spares)) != NULL;)
        free(CONTAINER_OF(node, struct request, node));
}
