/* status.c - counters of the process by name: its own work, then one for each event it can log. */
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
        {SPAN("sessions_open"), edge->session_count},
        {SPAN("sessions_total"), c->sessions},
        {SPAN("sessions_refused_total"), c->sessions_refused},
        {SPAN("clients"), edge->units.map.count},
        {SPAN("commands_total"), c->commands},
        {SPAN("recipients_accepted_total"), c->recipients_accepted},
        {SPAN("recipients_refused_total"), c->recipients_refused},
        {SPAN("messages_accepted_total"), c->messages_accepted},
        {SPAN("octets_accepted_total"), c->octets_accepted},
        {SPAN("octets_discarded_total"), c->octets_discarded},
        {SPAN("octets_in_flight"), edge->intake_bytes},
        {SPAN("uploads_left_total"), c->uploads_left},
        {SPAN("trails_posted_total"), c->trails_posted},
        {SPAN("trails_skipped_total"), c->trails_skipped},
    };
    memcpy(to, all, sizeof(all));
}

/* The events an edge can log: those of every role, then its own group of log_events.def. */
static bool
event_at(size_t i, enum log_event *ret)
{
    const size_t common = LOG_INTERNAL_FAULT - LOG_ROLE_READY + 1, own = LOG_TRAIL_SAMPLED - LOG_SESSION_OPENED + 1;
    if (i >= common + own)
        return false;
    *ret = (enum log_event)(i < common ? LOG_ROLE_READY + i : LOG_SESSION_OPENED + (i - common));
    return true;
}

/* "event_session_closed_total" for session-closed; empty without memory. */
static struct span
event_counter_name(enum log_event event, struct arena *mem)
{
    struct span prefix = SPAN("event_"), name = log_event_name(event), suffix = SPAN("_total");
    uint8_t *text = arena_alloc(mem, prefix.len + name.len + suffix.len);
    if (text == NULL)
        return SPAN_EMPTY;
    memcpy(text, prefix.data, prefix.len);
    for (size_t i = 0; i < name.len; i++)
        text[prefix.len + i] = name.data[i] == '-' ? '_' : name.data[i];
    memcpy(text + prefix.len + name.len, suffix.data, suffix.len);
    return span_of(text, prefix.len + name.len + suffix.len);
}

/* Counter number `i` of all. False past the end, or without memory. */
static bool
counter_at(const struct edge *edge, const struct own_counter own[OWN_COUNT], size_t i, struct arena *mem,
           struct ipc_counter *ret)
{
    enum log_event event;
    if (i < OWN_COUNT) {
        *ret = (struct ipc_counter){own[i].name, own[i].value};
        return true;
    }
    if (!event_at(i - OWN_COUNT, &event))
        return false;
    *ret = (struct ipc_counter){event_counter_name(event, mem), log_count(edge->log, event)};
    return ret->name.len > 0;
}

static void
serve_role_status(UNUSED struct fiber *f, void *ctx, UNUSED struct ipc_peer *from,
                  const struct ipc_role_status *request, struct arena *mem, struct ipc_role_status_reply *ret)
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

static void
serve_intake_state(UNUSED struct fiber *f, void *ctx, UNUSED struct ipc_peer *from, const struct ipc_intake_state *message,
                   UNUSED struct arena *mem)
{
    struct edge *edge = ctx;
    if (edge != NULL)
        edge->disk_full_until_ns = message->is_full ? rt_now_ns(edge->rt) + EDGE_DISK_FULL_NS : 0;
}

const struct ipc_edge_service edge_service = {
    .intake_state = serve_intake_state,
    .role_status = serve_role_status,
};
