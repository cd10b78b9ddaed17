/* queue_view.c - printing envelopes and their state. Every octet of them came from strangers. */
#include "control/queue_view.h"

#include "net/trail.h"
#include "store/envelope.h"

#include <stdio.h>
#include <time.h>

enum { ENVELOPE_MEMORY_MAX = 4 * 1024 * 1024, TIME_TEXT = 32 };

static const char *const place_names[] = {"ready", "in-hand", "waiting", "held"};
static const char *const state_names[] = {"pending", "delivered", "expanded", "held"};

static void
format_time(int64_t time_us, char text[TIME_TEXT])
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(text, TIME_TEXT, "?");
}

static void
print_name(struct command *c, const char *name, bool is_first)
{
    command_printf(c, "%s\"%s\": ", is_first ? "" : ", ", name);
}

static void
print_recipients_json(struct command *c, const struct envelope *envelope)
{
    command_print(c, SPAN("["));
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        const struct envelope_recipient *r = &envelope->recipients[i];
        command_print(c, i == 0 ? SPAN("{") : SPAN(", {"));
        print_name(c, "address", true);
        command_print_json_string(c, r->address);
        command_printf(c, ", \"state\": \"%s\", \"attempts\": %u", r->state < ARRAY_LEN(state_names) ? state_names[r->state] : "?",
                       r->attempts);
        print_name(c, "status", false);
        command_print_json_string(c, r->status);
        print_name(c, "reason", false);
        command_print_json_string(c, r->reason);
        command_print(c, SPAN("}"));
    }
    command_print(c, SPAN("]"));
}

static void
print_recipients_text(struct command *c, const struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        const struct envelope_recipient *r = &envelope->recipients[i];
        command_print(c, SPAN("    <"));
        command_print_escaped(c, r->address);
        command_printf(c, ">  %s", r->state < ARRAY_LEN(state_names) ? state_names[r->state] : "?");
        if (r->attempts > 0)
            command_printf(c, "  after %u attempts", r->attempts);
        if (r->reason.len > 0 && r->state != RECIPIENT_DELIVERED) {
            command_print(c, SPAN("  ("));
            command_print_escaped(c, r->status);
            command_print(c, SPAN(" "));
            command_print_escaped(c, r->reason);
            command_print(c, SPAN(")"));
        }
        command_print(c, SPAN("\n"));
    }
}

/* The head of a message: id, size, arrival, sender. */
static void
print_head(struct command *c, const struct envelope *envelope, const char *place, int64_t next_attempt_us)
{
    char id[MESSAGE_ID_TEXT], arrival[TIME_TEXT], next[TIME_TEXT];
    message_id_format(envelope->id, id);
    format_time(envelope->arrival_us, arrival);
    format_time(next_attempt_us, next);
    unsigned long long size = envelope->size_bytes;
    if (c->is_json) {
        command_printf(c, "{\"id\": \"%.*s\", \"place\": \"%s\", \"size\": %llu, \"arrival\": \"%s\"", MESSAGE_ID_TEXT, id, place, size, arrival);
        if (next_attempt_us != 0)
            command_printf(c, ", \"next_attempt\": \"%s\"", next);
        print_name(c, "sender", false);
        command_print_json_string(c, envelope->sender);
        print_name(c, "recipients", false);
        return;
    }
    command_printf(c, "%.*s  %llu octets  %s  %s", MESSAGE_ID_TEXT, id, size, arrival, place);
    if (next_attempt_us != 0)
        command_printf(c, " until %s", next);
    command_print(c, SPAN("\n  from <"));
    command_print_escaped(c, envelope->sender);
    command_print(c, SPAN(">\n"));
}

void
queue_view_entry(struct command *c, const struct ipc_queue_entry *entry)
{
    struct arena mem;
    arena_init(&mem, ENVELOPE_MEMORY_MAX);
    struct envelope envelope;
    if (envelope_decode(entry->summary, &mem, &envelope) == ERR_OK) {
        print_head(c, &envelope, entry->place < ARRAY_LEN(place_names) ? place_names[entry->place] : "?", entry->next_attempt_us);
        if (c->is_json) {
            print_recipients_json(c, &envelope);
            command_printf(c, ", \"recipient_count\": %u}\n", entry->recipient_count);
        } else {
            print_recipients_text(c, &envelope);
            if (entry->recipient_count > envelope.recipient_count)
                command_printf(c, "    and %zu more\n", (size_t)entry->recipient_count - envelope.recipient_count);
        }
    }
    arena_clear(&mem);
}

static void
print_whole(struct command *c, const struct envelope *envelope)
{
    print_head(c, envelope, "queued", 0);
    if (c->is_json) {
        print_recipients_json(c, envelope);
        command_print(c, SPAN("}\n"));
        return;
    }
    print_recipients_text(c, envelope);
    struct buf text;
    buf_init(&text, 8 * TRAIL_BYTES_MAX);
    trail_format(envelope->trail, &text);
    command_print(c, buf_span(&text));
    buf_done(&text);
}

enum err
queue_view_message(struct command *c, struct span id, bool *ret_found)
{
    struct arena mem;
    arena_init(&mem, ENVELOPE_MEMORY_MAX);
    const struct ipc_queue_envelope request = {.id = id};
    struct ipc_queue_envelope_reply reply = {0};
    enum err e = ipc_queue_envelope(c->f, c->by, ipc_hub_link(c->control->env->hub, ROLE_QUEUE), &request, &mem, &reply);
    struct envelope envelope;
    if (e == ERR_OK && reply.found && envelope_decode(reply.envelope, &mem, &envelope) == ERR_OK) {
        print_whole(c, &envelope);
        *ret_found = true;
    }
    arena_clear(&mem);
    return e;
}
