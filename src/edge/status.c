/* status.c - counters of the process by name: its own work, then one for each event of the log. */
#include "edge/status.h"

enum { PAGE_MAX = IPC_ROLE_STATUS_REPLY_COUNTERS_MAX };

struct own_counter {
    struct span name;
    uint64_t value;
};

enum { OWN_COUNT = 14 };

static void
own_counters(const struct edge *edge, struct own_counter to[OWN_COUNT])
{
    const struct edge_counters *c = &edge->counters;
    const struct own_counter all[OWN_COUNT] = {
        {SPAN("sessions-open"), edge->session_count},
        {SPAN("sessions"), c->sessions},
        {SPAN("sessions-refused"), c->sessions_refused},
        {SPAN("clients"), edge->units.map.count},
        {SPAN("commands"), c->commands},
        {SPAN("recipients-accepted"), c->recipients_accepted},
        {SPAN("recipients-refused"), c->recipients_refused},
        {SPAN("messages-accepted"), c->messages_accepted},
        {SPAN("octets-accepted"), c->octets_accepted},
        {SPAN("octets-discarded"), c->octets_discarded},
        {SPAN("octets-in-flight"), edge->intake_bytes},
        {SPAN("uploads-left"), c->uploads_left},
        {SPAN("trails-posted"), c->trails_posted},
        {SPAN("trails-skipped"), c->trails_skipped},
    };
    memcpy(to, all, sizeof(all));
}

/* Counter number `i` of all, "event-NAME" for those of the log. False past the end, or without memory. */
static bool
counter_at(const struct edge *edge, const struct own_counter own[OWN_COUNT], size_t i, struct arena *mem, struct ipc_counter *ret)
{
    if (i < OWN_COUNT) {
        *ret = (struct ipc_counter){own[i].name, own[i].value};
        return true;
    }
    if (i - OWN_COUNT >= LOG_EVENT_COUNT)
        return false;
    enum log_event event = (enum log_event)(i - OWN_COUNT);
    struct span prefix = SPAN("event-"), name = log_event_name(event);
    uint8_t *text = arena_alloc(mem, prefix.len + name.len);
    if (text == NULL)
        return false;
    memcpy(text, prefix.data, prefix.len);
    memcpy(text + prefix.len, name.data, name.len);
    *ret = (struct ipc_counter){span_of(text, prefix.len + name.len), log_count(edge->log, event)};
    return true;
}

static void
serve_role_status(UNUSED struct fiber *f, void *ctx, UNUSED struct ipc_peer *from, const struct ipc_role_status *request, struct arena *mem,
                  struct ipc_role_status_reply *ret)
{
    const struct edge *edge = ctx;
    if (edge == NULL)
        return;
    struct own_counter own[OWN_COUNT];
    struct ipc_counter *counters = arena_alloc(mem, PAGE_MAX * sizeof(*counters));
    if (counters == NULL)
        return;
    own_counters(edge, own);
    size_t count = 0;
    while (count < PAGE_MAX && counter_at(edge, own, request->cursor + count, mem, &counters[count]))
        count++;
    ret->counters = counters;
    ret->counters_count = count;
}

const struct ipc_edge_service edge_service = {
    .role_status = serve_role_status,
};
