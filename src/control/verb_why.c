/*
 * verb_why.c - `godwit why MESSAGE-ID|QUEUE-ID|ADDRESS`: what was decided about mail, by which line, and what the other side said.
 *
 * Looks at the queue first, then at the history, newest first.
 */
#include "control/command.h"

#include "control/history.h"
#include "control/queue_view.h"
#include "ipc/ipc_messages.h"
#include "net/trail.h"

#include <time.h>

enum { QUEUED_MAX = 20, FINISHED_MAX = 20, NEEDLE_MAX = 998 };

/* The messages in the queue from or to an address. */
static enum err
print_queued(struct command *c, struct span address, bool is_sender, size_t *found)
{
    struct arena mem;
    arena_init(&mem, 1024 * 1024);
    struct ipc_queue_list request = {.state = 255, .limit = QUEUED_MAX};
    if (is_sender)
        request.sender = address;
    else
        request.recipient = address;
    struct ipc_queue_list_reply reply;
    enum err e = ipc_queue_list(c->f, c->by, ipc_hub_link(c->control->env->hub, ROLE_QUEUE), &request, &mem, &reply);
    for (size_t i = 0; e == ERR_OK && i < reply.entries_count; i++) {
        bool is_found = false;
        e = queue_view_message(c, reply.entries[i].id, &is_found);
        *found += is_found;
    }
    arena_clear(&mem);
    return e;
}

static void
print_finished(struct command *c, const struct history_entry *entry)
{
    char text[MESSAGE_ID_TEXT];
    bool is_message = entry->kind == TRAIL_KIND_MESSAGE && entry->id.len == MESSAGE_ID_BYTES;
    if (is_message)
        message_id_format(message_id_decode(entry->id.data), text);
    if (is_message)
        command_printf(c, "%.*s  finished\n", MESSAGE_ID_TEXT, text);
    else
        command_print(c, SPAN("refused session\n"));
    struct buf trail;
    buf_init(&trail, 8 * TRAIL_BYTES_MAX);
    trail_format(entry->trail, &trail);
    command_print(c, buf_span(&trail));
    buf_done(&trail);
}

int
verb_why(struct command *c)
{
    struct span needle = c->arguments[1];
    if (needle.len >= 2 && needle.data[0] == '<' && needle.data[needle.len - 1] == '>')
        needle = span_of(needle.data + 1, needle.len - 2);
    if (needle.len == 0 || needle.len > NEEDLE_MAX)
        return command_fail(c, EX_USAGE, "usage: godwit why MESSAGE-ID|QUEUE-ID|ADDRESS");
    struct message_id id;
    uint8_t id_bytes[MESSAGE_ID_BYTES];
    bool is_id = message_id_parse(needle, &id);
    size_t found = 0;
    enum err e = ERR_OK;
    if (is_id) {
        bool is_queued = false;
        message_id_encode(id, id_bytes);
        e = queue_view_message(c, span_of(id_bytes, sizeof(id_bytes)), &is_queued);
        found += is_queued;
    } else if (needle.len <= IPC_QUEUE_LIST_SENDER_MAX) {
        e = print_queued(c, needle, false, &found);
        if (e == ERR_OK)
            e = print_queued(c, needle, true, &found);
    }
    if (e != ERR_OK)
        command_fail_call(c, ROLE_QUEUE, e); /* the history may know */

    struct history_entry entries[FINISHED_MAX];
    size_t count = 0;
    enum err searched = history_search(c->f, c->control->history, is_id ? span_of(id_bytes, sizeof(id_bytes)) : needle, is_id,
                                       c->mem, entries, FINISHED_MAX, &count);
    for (size_t i = 0; i < count; i++)
        print_finished(c, &entries[i]);
    if (searched != ERR_OK)
        return command_fail(c, EX_TEMPFAIL, "The history could not be read to its end (%s).", err_name(searched));
    if (found + count == 0)
        return command_fail(c, EX_UNAVAILABLE, "Nothing is known of it: not queued, and not in the history as far back as it goes.");
    return EX_OK;
}
