/* verb_mailq.c - the queue in the form that mailq has had for decades, which people and scripts read. */
#include "control/command.h"

#include "control/queue_walk.h"
#include "store/envelope.h"

#include <time.h>

enum { ENVELOPE_MEMORY_MAX = 4 * 1024 * 1024, TIME_TEXT = 32, PLACE_IN_HAND = 1, PLACE_HELD = 3 };

struct totals {
    size_t messages;
    uint64_t octets;
};

static void
format_time(int64_t time_us, char text[TIME_TEXT])
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm;
    if (localtime_r(&seconds, &tm) == NULL || strftime(text, TIME_TEXT, "%a %b %d %H:%M:%S", &tm) == 0)
        text[0] = '\0';
}

static void
print_recipient(struct command *c, const struct envelope_recipient *r)
{
    if (r->state == RECIPIENT_DELIVERED || r->state == RECIPIENT_EXPANDED)
        return;
    if (r->reason.len > 0) {
        command_printf(c, "%34s(", "");
        command_print_escaped(c, r->reason);
        command_print(c, SPAN(")\n"));
    }
    command_printf(c, "%51s", "");
    command_print_escaped(c, r->address);
    command_print(c, SPAN("\n"));
}

static void
print_message(struct command *c, const struct ipc_queue_entry *entry, const struct envelope *envelope)
{
    char id[MESSAGE_ID_TEXT], arrival[TIME_TEXT];
    message_id_format(envelope->id, id);
    format_time(envelope->arrival_us, arrival);
    command_printf(c, "%.*s%c %8llu %-20s ", MESSAGE_ID_TEXT, id,
                   entry->place == PLACE_IN_HAND ? '*' : entry->place == PLACE_HELD ? '!' : ' ',
                   (unsigned long long)envelope->size_bytes, arrival);
    if (envelope->sender.len > 0)
        command_print_escaped(c, envelope->sender);
    else
        command_print(c, SPAN("MAILER-DAEMON"));
    command_print(c, SPAN("\n"));
    for (size_t i = 0; i < envelope->recipient_count; i++)
        print_recipient(c, &envelope->recipients[i]);
    if (entry->recipient_count > envelope->recipient_count)
        command_printf(c, "%51sand %zu more\n", "", (size_t)entry->recipient_count - envelope->recipient_count);
    command_print(c, SPAN("\n"));
}

static void
print_entry(struct command *c, const struct ipc_queue_entry *entry, void *arg)
{
    struct totals *totals = arg;
    struct envelope envelope;
    struct arena mem;
    arena_init(&mem, ENVELOPE_MEMORY_MAX);
    if (envelope_decode(entry->summary, &mem, &envelope) == ERR_OK) {
        if (totals->messages++ == 0)
            command_print(c, SPAN("-Queue ID-----------  --Size-- ----Arrival Time---- -Sender/Recipient-------\n"));
        totals->octets += envelope.size_bytes;
        print_message(c, entry, &envelope);
    }
    arena_clear(&mem);
}

int
verb_mailq(struct command *c)
{
    struct totals totals = {0};
    struct ipc_queue_list request = queue_walk_all();
    enum err e = queue_walk(c, &request, print_entry, &totals);
    if (e != ERR_OK)
        return command_fail_call(c, ROLE_QUEUE, e);
    if (totals.messages == 0)
        command_print(c, SPAN("Mail queue is empty\n"));
    else
        command_printf(c, "-- %llu Kbytes in %zu Request%s.\n", (unsigned long long)(totals.octets + 1023) / 1024,
                       totals.messages, totals.messages == 1 ? "" : "s");
    return EX_OK;
}
