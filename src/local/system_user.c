/*
 * system_user.c - mail for a user of the system: the parent starts a process that becomes the user and delivers.
 *
 * The parent gets a name, addresses and descriptors, never a command or path, and its answer is passed on. Nothing of
 * the user's is seen by this role.
 */
#include "local/local_state.h"
#include "text/escape.h"

enum { USER_OCTETS_MAX = 64 };

static void
verdict_from_reply(struct delivery *d, const struct ipc_deliver_user_reply *reply)
{
    struct delivery_verdict *v = &d->verdict;
    char status[LOCAL_STATUS_MAX];
    if (reply->class > DELIVERY_FAILED || !span_to_cstr(reply->status, status, sizeof(status))) {
        verdict_set(v, DELIVERY_DEFERRED, "4.3.5", "the delivery process gave no sound answer");
        return;
    }
    verdict_set(v, (enum delivery_class)reply->class, status, "%s", "");
    escape_append_reply(reply->text, &v->text);
    if (reply->class != DELIVERY_DEFERRED)
        v->forwards = reply->forwards;
}

void
local_deliver_system_user(struct fiber *f, struct delivery *d)
{
    struct local *local = d->local;
    const struct ipc_deliver *from = d->request;
    struct ipc_deliver_user request = {
        .id = from->id,
        .user = from->name,
        .detail = from->detail,
        .recipient = from->recipient,
        .original = from->original,
        .sender = from->sender,
        .client_address = from->client_address,
        .envid = from->envid,
        .size_bytes = from->size_bytes,
        .content = -1,
        .file = from->file,
    };
    struct ipc_deliver_user_reply reply;
    if (from->name.len > USER_OCTETS_MAX) {
        verdict_set(&d->verdict, DELIVERY_FAILED, "5.1.1", "no such user");
        return;
    }
    enum err e = disk_memory_fd(rt_disk(local->rt), from->content, &request.content);
    if (e == ERR_OK)
        e = ipc_deliver_user(f, d->by, ipc_hub_link(local->env->hub, ROLE_PARENT), &request, d->mem, &reply);
    rt_fd_close(local->rt, request.content);
    if (e == ERR_OK)
        verdict_from_reply(d, &reply);
    else
        verdict_set(&d->verdict, DELIVERY_DEFERRED, "4.3.0", "the delivery process could not be had (%s)", err_name(e));
}
