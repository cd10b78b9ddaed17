/* queue_walk.c - see queue_walk.h. */
#include "control/queue_walk.h"

#include "store/message_id.h"

enum { ANY_PLACE = 255, PAGE_MEMORY_MAX = 1024 * 1024 };

struct ipc_queue_list
queue_walk_all(void)
{
    return (struct ipc_queue_list){.state = ANY_PLACE, .limit = UINT32_MAX};
}

/* One page; *request goes on after it. *ret_more: there is another. */
static enum err
walk_page(struct command *c, struct ipc_queue_list *request, uint8_t after[MESSAGE_ID_BYTES], queue_walk_fn *each,
          void *arg, bool *ret_more)
{
    struct arena mem;
    struct ipc_queue_list_reply reply;
    arena_init(&mem, PAGE_MEMORY_MAX);
    enum err e = ipc_queue_list(c->f, c->by, ipc_hub_link(c->control->env->hub, ROLE_QUEUE), request, &mem, &reply);
    for (size_t i = 0; e == ERR_OK && i < reply.entries_count; i++)
        each(c, &reply.entries[i], arg);
    *ret_more = e == ERR_OK && reply.more && reply.last.len == MESSAGE_ID_BYTES;
    if (*ret_more) {
        memcpy(after, reply.last.data, MESSAGE_ID_BYTES);
        request->after = span_of(after, MESSAGE_ID_BYTES);
    }
    arena_clear(&mem);
    return e;
}

enum err
queue_walk(struct command *c, const struct ipc_queue_list *request, queue_walk_fn *each, void *arg)
{
    struct ipc_queue_list next = *request;
    uint8_t after[MESSAGE_ID_BYTES];
    for (bool more = true; more && c->failed == ERR_OK;)
        TRY(walk_page(c, &next, after, each, arg, &more));
    return ERR_OK;
}
