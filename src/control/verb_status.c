/*
 * verb_status.c - `godwit status`: every process, its sandbox, its counters. With --json an object with one member a process;
 * the names of counters are stable.
 */
#include "control/command.h"

#include "control/history.h"
#include "ipc/ipc_messages.h"

enum { LINKS_MAX = 64, ANSWER_TIME_MS = 3000, PROCESS_MEMORY_MAX = 256 * 1024 };

static void
print_counters(struct command *c, const struct ipc_role_status_reply *reply)
{
    for (size_t i = 0; i < reply->counters_count; i++) {
        const struct ipc_counter *counter = &reply->counters[i];
        if (c->is_json) {
            command_print(c, i == 0 ? SPAN("") : SPAN(", "));
            command_print_json_string(c, counter->name);
            command_printf(c, ": %llu", (unsigned long long)counter->value);
        } else {
            command_printf(c, "  %-32.*s %llu\n", SPAN_ARG(counter->name), (unsigned long long)counter->value);
        }
    }
}

/* Print the lines of a role's own words, indented, escaped. */
static void
print_text(struct command *c, struct span text)
{
    if (c->is_json) {
        command_print(c, SPAN("}, \"text\": "));
        command_print_json_string(c, text);
        return;
    }
    while (text.len > 0) {
        size_t end = span_find(text, '\n');
        command_print(c, SPAN("  "));
        command_print_escaped(c, span_first(text, end));
        command_print(c, SPAN("\n"));
        text = span_skip(text, end < text.len ? end + 1 : end);
    }
}

static void
print_process(struct command *c, enum ipc_role role, struct ipc_link *link, bool is_first)
{
    struct arena mem;
    arena_init(&mem, PROCESS_MEMORY_MAX);
    struct ipc_role_status request = {0};
    struct ipc_role_status_reply reply = {0};
    enum err e = ipc_role_status(c->f, deadline_in(fiber_rt(c->f), ANSWER_TIME_MS * NS_PER_MS), link, &request, &mem, &reply);
    if (c->is_json)
        command_printf(c, "%s\"%s.%u\": {\"answers\": %s, \"counters\": {", is_first ? "" : ", ", ipc_role_name(role),
                       ipc_link_instance(link), e == ERR_OK ? "true" : "false");
    else
        command_printf(c, "%s.%u%s\n", ipc_role_name(role), ipc_link_instance(link), e == ERR_OK ? "" : "  does not answer");
    if (e == ERR_OK)
        print_counters(c, &reply);
    print_text(c, e == ERR_OK ? reply.text : SPAN_EMPTY);
    if (c->is_json)
        command_print(c, SPAN("}"));
    arena_clear(&mem);
}

int
verb_status(struct command *c)
{
    static const enum ipc_role roles[] = {ROLE_PARENT, ROLE_EDGE, ROLE_QUEUE, ROLE_LOCAL, ROLE_RESOLVER, ROLE_DIRECTORY};
    bool is_first = true;
    if (c->is_json)
        command_print(c, SPAN("{"));
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        struct ipc_link *links[LINKS_MAX];
        size_t count = ipc_hub_links(c->control->env->hub, roles[i], links, LINKS_MAX);
        for (size_t n = 0; n < count; n++) {
            print_process(c, roles[i], links[n], is_first);
            is_first = false;
        }
        if (count == 0 && !c->is_json)
            command_printf(c, "%s  is not running\n", ipc_role_name(roles[i]));
    }
    unsigned long long dropped = history_dropped(c->control->history);
    if (c->is_json)
        command_printf(c, ", \"control.0\": {\"answers\": true, \"counters\": {\"history_dropped_total\": %llu}, \"text\": \"\"}}\n", dropped);
    else
        command_printf(c, "control.0\n  %-32s %llu\n", "history_dropped_total", dropped);
    return EX_OK;
}
