/* hub.c - the links of a process, the channels they have now, and who serves. */
#include "ipc/channel_body.h"

#include "base/assert.h"

#include <stdlib.h>

static void
link_init(struct ipc_link *link, struct ipc_hub *hub, enum ipc_role role, uint16_t instance)
{
    *link = (struct ipc_link){.hub = hub, .role = role, .instance = instance};
    list_init(&link->node);
    cond_init(&link->attached);
}

enum err
ipc_hub_new(struct rt *rt, enum ipc_role self, uint16_t instance, struct ipc_hub **ret)
{
    struct ipc_hub *hub = calloc(1, sizeof(*hub));
    struct ipc_link *singles = calloc(ROLE_COUNT, sizeof(*singles));
    if (hub == NULL || singles == NULL) {
        free(hub);
        free(singles);
        return ERR_LIMIT;
    }
    *hub = (struct ipc_hub){.rt = rt, .self = self, .instance = instance, .singles = singles};
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        link_init(&singles[i], hub, (enum ipc_role)i, 0);
    cond_init(&hub->served);
    list_init(&hub->links);
    list_init(&hub->channels);
    list_init(&hub->out_spares);
    list_init(&hub->in_spares);
    list_init(&hub->request_spares);
    for (size_t i = 0; i < ipc_form_count; i++)
        ASSERT(ipc_forms[i]->struct_bytes <= IPC_STRUCT_BYTES_MAX);
    *ret = hub;
    return ERR_OK;
}

void
hub_check_closed(struct ipc_hub *hub)
{
    if (hub->closer == NULL || hub->callers > 0 || !list_is_empty(&hub->channels))
        return;
    struct fiber *closer = hub->closer;
    hub->closer = NULL;
    fiber_unpark(closer, ERR_OK);
}

static void
end_all(struct ipc_hub *hub)
{
    hub->is_closing = true;
    LIST_FOR_EACH(node, &hub->channels) {
        struct ipc_channel *ch = CONTAINER_OF(node, struct ipc_channel, node);
        channel_end(ch, ERR_CANCELED, NULL);
        channel_cancel_requests(ch);
    }
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        cond_broadcast(&hub->singles[i].attached);
    LIST_FOR_EACH(node, &hub->links)
        cond_broadcast(&CONTAINER_OF(node, struct ipc_link, node)->attached);
    cond_broadcast(&hub->served);
}

void
ipc_hub_free(struct fiber *f, struct ipc_hub *hub)
{
    if (hub == NULL)
        return;
    ASSERT(!hub->is_closing);
    hub->role_table.table = NULL; /* requests that come now wait, and end with their channels */
    LIST_FOR_EACH(node, &hub->channels) {
        struct ipc_channel *ch = CONTAINER_OF(node, struct ipc_channel, node);
        if (!ch->is_ended)
            channel_put_bye(ch);
    }
    if (ipc_hub_flush(f, deadline_in(hub->rt, IPC_LAST_WORDS_NS), hub) == ERR_OK)
        (void)!fiber_yield(f); /* the packet taken last is on its way */
    end_all(hub);
    if (hub->callers > 0 || !list_is_empty(&hub->channels)) {
        hub->closer = f;
        (void)fiber_park_uncancelable(f);
    }
    for (struct list *node; (node = list_take_first(&hub->links)) != NULL;)
        free(CONTAINER_OF(node, struct ipc_link, node));
    hub_free_spares(hub);
    free(hub->singles);
    free(hub);
}

/* A channel that has something to send; NULL when none has. */
static struct ipc_channel *
find_unsent(struct ipc_hub *hub)
{
    LIST_FOR_EACH(node, &hub->channels) {
        struct ipc_channel *ch = CONTAINER_OF(node, struct ipc_channel, node);
        if (!ch->is_ended && ch->queued_bytes > 0)
            return ch;
    }
    return NULL;
}

enum err
ipc_hub_flush(struct fiber *f, struct deadline by, struct ipc_hub *hub)
{
    enum err e = ERR_OK;
    for (struct ipc_channel *ch; e == ERR_OK && (ch = find_unsent(hub)) != NULL;) {
        ch->holders++;
        e = cond_wait(f, by, &ch->room); /* signalled after each packet, and at the channel's end */
        ch->holders--;
        channel_release(ch);
    }
    return e;
}

/* --- links ------------------------------------------------------------------------------------------------------ */

struct ipc_link *
ipc_hub_link(struct ipc_hub *hub, enum ipc_role role)
{
    ASSERT((unsigned)role < ROLE_COUNT);
    return &hub->singles[role];
}

static struct ipc_link *
find_link(struct ipc_hub *hub, enum ipc_role role, uint16_t instance)
{
    if (instance == 0)
        return ipc_hub_link(hub, role);
    LIST_FOR_EACH(node, &hub->links) {
        struct ipc_link *link = CONTAINER_OF(node, struct ipc_link, node);
        if (link->role == role && link->instance == instance)
            return link;
    }
    return NULL;
}

struct ipc_link *
ipc_hub_link_to(struct ipc_hub *hub, enum ipc_role role, uint16_t instance)
{
    struct ipc_link *link = find_link(hub, role, instance);
    if (link != NULL)
        return link;
    link = malloc(sizeof(*link));
    if (link == NULL)
        return NULL;
    link_init(link, hub, role, instance);
    list_append(&hub->links, &link->node);
    return link;
}

size_t
ipc_hub_links(struct ipc_hub *hub, enum ipc_role role, struct ipc_link **links, size_t cap)
{
    size_t count = 0;
    if (count < cap && hub->singles[role].channel != NULL)
        links[count++] = &hub->singles[role];
    LIST_FOR_EACH(node, &hub->links) {
        struct ipc_link *link = CONTAINER_OF(node, struct ipc_link, node);
        if (count < cap && link->role == role && link->channel != NULL)
            links[count++] = link;
    }
    return count;
}

uint16_t
ipc_link_instance(const struct ipc_link *link)
{
    return link->instance;
}

bool
ipc_link_is_attached(const struct ipc_link *link)
{
    return link->channel != NULL;
}

enum err
ipc_link_wait(struct fiber *f, struct deadline by, struct ipc_link *link)
{
    struct ipc_hub *hub = link->hub;
    enum err e = ERR_OK;
    hub->callers++;
    while (e == ERR_OK && !hub->is_closing && link->channel == NULL)
        e = cond_wait(f, by, &link->attached);
    if (e == ERR_OK && hub->is_closing)
        e = ERR_CLOSED;
    hub->callers--;
    hub_check_closed(hub);
    return e;
}

/* --- channels --------------------------------------------------------------------------------------------------- */

/* Replaced channels are read until they end, but only so many: the oldest goes first. */
static void
limit_draining(struct ipc_hub *hub, const struct ipc_link *link)
{
    size_t count = 0;
    for (struct list *node = hub->channels.prev, *before; node != &hub->channels; node = before) {
        before = node->prev;
        struct ipc_channel *ch = CONTAINER_OF(node, struct ipc_channel, node);
        if (ch->link == link && ch->is_draining && !ch->is_ended && ++count > IPC_DRAINING_MAX)
            channel_end(ch, ERR_CANCELED, NULL);
    }
}

enum err
ipc_hub_attach(struct ipc_hub *hub, enum ipc_role role, uint16_t instance, struct packet_socket *socket)
{
    ASSERT((unsigned)role < ROLE_COUNT);
    struct ipc_link *link = ipc_hub_link_to(hub, role, instance);
    if (link == NULL || hub->is_closing) {
        packet_socket_close(socket);
        return link == NULL ? ERR_LIMIT : ERR_CLOSED;
    }
    struct ipc_channel *ch;
    TRY(channel_new(link, socket, &ch));
    if (link->channel != NULL)
        channel_drain(link->channel);
    link->channel = ch;
    limit_draining(hub, link);
    cond_broadcast(&link->attached);
    return ERR_OK;
}

void
ipc_hub_detach(struct ipc_hub *hub, enum ipc_role role, uint16_t instance)
{
    LIST_FOR_EACH(node, &hub->channels) {
        struct ipc_channel *ch = CONTAINER_OF(node, struct ipc_channel, node);
        if (ch->peer.role == role && ch->peer.instance == instance)
            channel_end(ch, ERR_CANCELED, NULL);
    }
}

enum err
hub_take_endpoint(struct ipc_hub *hub, const struct ipc_endpoint *endpoint)
{
    enum ipc_role role = (enum ipc_role)endpoint->role;
    if (endpoint->channel < 0)
        return ERR_PROTOCOL;
    bool makes_sense = endpoint->role < ROLE_COUNT && role != ROLE_PARENT && ipc_role_talks_to(hub->self, role);
    struct packet_socket *socket;
    enum err e = makes_sense ? packet_socket_open(hub->rt, endpoint->channel, &socket) : ERR_PROTOCOL;
    if (e != ERR_OK) {
        rt_fd_close(hub->rt, endpoint->channel);
        return e;
    }
    return ipc_hub_attach(hub, role, endpoint->instance, socket);
}

/* --- serving, counting ------------------------------------------------------------------------------------------ */

void
ipc_hub_serve_table(struct ipc_hub *hub, enum ipc_role role, ipc_serve_fn *const *table, const void *service, void *ctx)
{
    ASSERT(role == hub->self);
    hub->role_table = (struct ipc_serving_table){table, service, ctx};
    cond_broadcast(&hub->served);
}

void
ipc_hub_serve_system_table(struct ipc_hub *hub, ipc_serve_fn *const *table, const void *service, void *ctx)
{
    hub->system_table = (struct ipc_serving_table){table, service, ctx};
    cond_broadcast(&hub->served);
}

enum err
ipc_hub_wait_served(struct fiber *f, struct deadline by, struct ipc_hub *hub)
{
    enum err e = ERR_OK;
    hub->callers++;
    while (e == ERR_OK && !hub->is_closing && hub->role_table.table == NULL)
        e = cond_wait(f, by, &hub->served);
    if (e == ERR_OK && hub->is_closing)
        e = ERR_CLOSED;
    hub->callers--;
    hub_check_closed(hub);
    return e;
}

void
ipc_hub_on_closed(struct ipc_hub *hub, void (*fn)(void *ctx, const struct ipc_closed *closed), void *ctx)
{
    hub->on_closed = fn;
    hub->on_closed_ctx = ctx;
}

struct ipc_counters
ipc_hub_counters(const struct ipc_hub *hub)
{
    return hub->counters;
}
