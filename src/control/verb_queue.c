/* verb_queue.c - `godwit queue list|show|message|retry|hold|release|remove`. */
#include "control/command.h"

#include "control/queue_view.h"
#include "control/queue_walk.h"
#include "ipc/ipc_messages.h"

enum { PAGE_MEMORY_MAX = 1024 * 1024 };

/* Read "from=..." and "to=..." into the request. */
static bool
read_filter(struct span argument, struct ipc_queue_list *request)
{
    struct span name, value;
    if (!span_cut(argument, '=', &name, &value) || value.len > IPC_QUEUE_LIST_SENDER_MAX)
        return false;
    if (span_equal(name, SPAN("from")))
        request->sender = value;
    else if (span_equal(name, SPAN("to")))
        request->recipient = value;
    else
        return false;
    return true;
}

static void
print_entry(struct command *c, const struct ipc_queue_entry *entry, void *arg)
{
    size_t *total = arg;
    queue_view_entry(c, entry);
    ++*total;
}

int
verb_queue_list(struct command *c)
{
    struct ipc_queue_list request = queue_walk_all();
    for (size_t i = 1; i < c->argument_count; i++)
        if (!read_filter(c->arguments[i], &request))
            return command_fail(c, EX_USAGE, "usage: godwit queue list [from=ADDRESS] [to=ADDRESS] [--json]");
    size_t total = 0;
    enum err e = queue_walk(c, &request, print_entry, &total);
    if (e != ERR_OK)
        return command_fail_call(c, ROLE_QUEUE, e);
    if (!c->is_json)
        command_printf(c, total == 0 ? "The queue is empty.\n" : "%zu messages\n", total);
    return EX_OK;
}

/* Read the id the operator named; false when it is none. */
static bool
read_id(struct span text, uint8_t bytes[MESSAGE_ID_BYTES])
{
    struct message_id id;
    if (!message_id_parse(text, &id))
        return false;
    message_id_encode(id, bytes);
    return true;
}

static int
fail_no_id(struct command *c)
{
    return command_fail(c, EX_USAGE, "A queue id has 20 letters and digits; `godwit queue list` shows them.");
}

int
verb_queue_show(struct command *c)
{
    uint8_t id[MESSAGE_ID_BYTES];
    if (!read_id(c->arguments[1], id))
        return fail_no_id(c);
    bool is_found = false;
    enum err e = queue_view_message(c, span_of(id, sizeof(id)), &is_found);
    if (e != ERR_OK)
        return command_fail_call(c, ROLE_QUEUE, e);
    if (!is_found)
        return command_fail(c, EX_UNAVAILABLE, "No such message is queued; `godwit why %.*s` tells what became of it.",
                            SPAN_ARG(c->arguments[1]));
    return EX_OK;
}

int
verb_queue_message(struct command *c)
{
    uint8_t id[MESSAGE_ID_BYTES];
    if (!read_id(c->arguments[1], id))
        return fail_no_id(c);
    struct ipc_queue_content request = {.id = span_of(id, sizeof(id))};
    do {
        struct arena mem;
        arena_init(&mem, PAGE_MEMORY_MAX);
        struct ipc_queue_content_reply reply;
        enum err e = ipc_queue_content(c->f, c->by, ipc_hub_link(c->control->env->hub, ROLE_QUEUE), &request, &mem, &reply);
        if (e == ERR_OK && reply.found)
            command_print(c, reply.data);
        bool is_end = e != ERR_OK || !reply.found || reply.data.len == 0 || request.offset + reply.data.len >= reply.total_bytes;
        request.offset += e == ERR_OK ? reply.data.len : 0;
        bool is_missing = e == ERR_OK && !reply.found;
        arena_clear(&mem);
        if (e != ERR_OK)
            return command_fail_call(c, ROLE_QUEUE, e);
        if (is_missing)
            return command_fail(c, EX_UNAVAILABLE, "No such message is queued, or it cannot be read; see the log.");
        if (is_end)
            return EX_OK;
    } while (c->failed == ERR_OK);
    return EX_OK;
}

int
verb_queue_change(struct command *c)
{
    uint8_t id[MESSAGE_ID_BYTES];
    struct ipc_queue_change request = {.verb = span_skip(c->arguments[0], sizeof("queue-") - 1)};
    if (!span_equal(c->arguments[1], SPAN("all"))) {
        if (!read_id(c->arguments[1], id))
            return fail_no_id(c);
        request.id = span_of(id, sizeof(id));
    }
    struct ipc_queue_change_reply reply;
    enum err e = ipc_queue_change(c->f, c->by, ipc_hub_link(c->control->env->hub, ROLE_QUEUE), &request, c->mem, &reply);
    if (e != ERR_OK)
        return command_fail_call(c, ROLE_QUEUE, e);
    if (reply.text.len > 0)
        return command_fail(c, EX_UNAVAILABLE, "%.*s", SPAN_ARG(reply.text));
    command_printf(c, "%u messages changed\n", reply.changed);
    return EX_OK;
}
