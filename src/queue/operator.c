/*
 * operator.c - what operators see of the queue and do to it, on behalf of control.
 *
 * Listings read the spool, a slice at a time, and cost what they read; nothing of them is kept in memory.
 */
#include "queue/queue_state.h"

#include "proto/addr/mailbox.h"

#include <stdlib.h>

enum {
    LIST_ENTRIES_MAX = 40,
    LIST_EXAMINED_MAX = 400, /* messages read for one answer */
    SUMMARY_MAX = 2048,
    ANY_PLACE = 255,
    WINDOW_IDS = 8 * 1024,
    WINDOW_S = 30, /* so long it is good for */
};

/* --- status ------------------------------------------------------------------------------------------------------- */

void
queue_on_role_status(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_role_status *request,
                     struct arena *mem, struct ipc_role_status_reply *ret)
{
    (void)f;
    (void)from;
    (void)request;
    const struct queue *queue = ctx;
    struct spool_stats stats;
    spool_stats_get(queue->spool, &stats);
    const struct ipc_counter counters[] = {
        {SPAN("messages"), queue->schedule.messages.count},
        {SPAN("ready"), queue->schedule.ready_count},
        {SPAN("in_hand"), queue->schedule.in_hand_count},
        {SPAN("waiting"), queue->schedule.later.count},
        {SPAN("held"), queue->schedule.held_count},
        {SPAN("accepted_total"), queue->accepted},
        {SPAN("refused_total"), queue->refused},
        {SPAN("delivered_total"), queue->delivered},
        {SPAN("deferred_total"), queue->deferred},
        {SPAN("failed_total"), queue->held},
        {SPAN("finished_total"), queue->finished},
        {SPAN("batches_total"), queue->committer.batches},
        {SPAN("commits_total"), queue->committer.groups},
        {SPAN("spool_live_bytes"), stats.live_bytes},
        {SPAN("spool_disk_bytes"), stats.disk_bytes},
        {SPAN("spool_index_bytes"), stats.index_bytes},
        {SPAN("spool_segments"), stats.segments},
        {SPAN("spool_copied_bytes_total"), stats.copied_bytes},
        {SPAN("paused"), queue->env->config->delivery.is_paused.value},
        {SPAN("disk_full"), stats.is_disk_full || queue->is_low_on_space},
    };
    struct ipc_counter *copy = arena_alloc(mem, sizeof(counters));
    if (copy == NULL)
        return;
    memcpy(copy, counters, sizeof(counters));
    ret->counters = copy;
    ret->counters_count = ARRAY_LEN(counters);
}

/* --- listing ------------------------------------------------------------------------------------------------------ */

static bool
is_wanted(const struct ipc_queue_list *request, const struct envelope *envelope)
{
    if (!span_is_empty(request->sender) && !span_equal_nocase(request->sender, envelope->sender))
        return false;
    if (span_is_empty(request->recipient))
        return true;
    for (size_t i = 0; i < envelope->recipient_count; i++)
        if (span_equal_nocase(request->recipient, envelope->recipients[i].address))
            return true;
    return false;
}

static bool
window_make(struct queue *queue, struct message_id after)
{
    struct queue_window *window = &queue->window;
    struct queued **items = malloc(WINDOW_IDS * sizeof(struct queued *));
    if (window->ids == NULL)
        window->ids = malloc(WINDOW_IDS * sizeof(*window->ids));
    bool is_made = items != NULL && window->ids != NULL;
    if (is_made) {
        window->count = schedule_list_after(&queue->schedule, after, items, WINDOW_IDS);
        for (size_t i = 0; i < window->count; i++)
            window->ids[i] = queued_id(items[i]);
        window->after = after;
        window->is_to_the_end = window->count < WINDOW_IDS;
        window->made_ns = rt_now_ns(queue->rt);
    }
    free(items);
    return is_made;
}

/* Whether what follows `after` is in the window. From its very beginning it is always made anew: a new listing shows what is new. */
static bool
window_covers(const struct queue *queue, struct message_id after)
{
    const struct queue_window *window = &queue->window;
    if (window->ids == NULL || message_id_is_none(after) || rt_now_ns(queue->rt) - window->made_ns > WINDOW_S * NS_PER_S)
        return false;
    bool is_before_the_end =
        window->is_to_the_end || (window->count > 0 && message_id_compare(after, window->ids[window->count - 1]) < 0);
    return message_id_compare(after, window->after) >= 0 && is_before_the_end;
}

/* The ids of up to `cap` messages behind `after`, in their order; each may have ended. Fewer than `cap`: there are no more. */
static size_t
ids_after(struct queue *queue, struct message_id after, struct message_id *ids, size_t cap)
{
    size_t count = 0;
    while (count < cap) {
        if (!window_covers(queue, after) && !window_make(queue, after))
            break;
        const struct queue_window *window = &queue->window;
        size_t low = 0, high = window->count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (message_id_compare(window->ids[middle], after) <= 0)
                low = middle + 1;
            else
                high = middle;
        }
        while (count < cap && low < window->count)
            ids[count++] = window->ids[low++];
        if (low == window->count && window->is_to_the_end)
            break;
        after = ids[count - 1]; /* the window goes on behind it, so there was one */
    }
    return count;
}

/* The envelope without its trail and with as many recipients as fit, in `mem`. Empty when even that is too much. */
static struct span
summarise(const struct envelope *envelope, struct arena *mem)
{
    struct envelope summary = *envelope;
    summary.trail = SPAN_EMPTY;
    uint8_t *bytes = arena_alloc(mem, SUMMARY_MAX);
    if (bytes == NULL)
        return SPAN_EMPTY;
    struct buf to;
    if (summary.recipient_count > 16)
        summary.recipient_count = 16;
    for (;;) {
        buf_init_fixed(&to, bytes, SUMMARY_MAX);
        if (envelope_encode(&summary, &to) == ERR_OK)
            return buf_span(&to);
        if (summary.recipient_count == 0)
            return SPAN_EMPTY;
        summary.recipient_count /= 2;
    }
}

/* Read one message and add it to the answer when it is wanted. */
static enum err
list_one(struct fiber *f, struct queue *queue, const struct ipc_queue_list *request, struct message_id id, struct arena *mem,
         struct ipc_queue_entry *entry, bool *ret_added)
{
    struct spool_read read;
    TRY(queue_read(f, queue, id, SPOOL_STATE, &read));
    struct arena decoded;
    arena_init(&decoded, QUEUE_ENVELOPE_MEMORY_MAX);
    struct envelope envelope;
    enum err e = envelope_decode(read.data, &decoded, &envelope);
    const struct queued *q = schedule_find(&queue->schedule, id); /* it may have ended while it was read */
    uint8_t *id_bytes = NULL;
    if (e == ERR_OK && q != NULL && is_wanted(request, &envelope))
        id_bytes = arena_alloc(mem, MESSAGE_ID_BYTES);
    if (id_bytes != NULL) {
        message_id_encode(id, id_bytes);
        *entry = (struct ipc_queue_entry){.id = span_of(id_bytes, MESSAGE_ID_BYTES),
                                          .place = q->place,
                                          .next_attempt_us = q->place == QUEUED_LATER ? q->next_attempt_us : 0,
                                          .recipient_count = (uint32_t)envelope.recipient_count,
                                          .summary = summarise(&envelope, mem)};
        *ret_added = true;
    }
    arena_clear(&decoded);
    spool_read_done(&read);
    return e;
}

void
queue_on_queue_list(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_list *request,
                    struct arena *mem, struct ipc_queue_list_reply *ret)
{
    (void)from;
    struct queue *queue = ctx;
    struct message_id after = {0};
    if (request->after.len == MESSAGE_ID_BYTES)
        after = message_id_decode(request->after.data);
    struct message_id *ids = arena_alloc(mem, LIST_EXAMINED_MAX * sizeof(*ids));
    struct ipc_queue_entry *entries = arena_alloc(mem, LIST_ENTRIES_MAX * sizeof(*entries));
    uint8_t *last = arena_alloc(mem, MESSAGE_ID_BYTES);
    if (ids == NULL || entries == NULL || last == NULL)
        return;
    size_t found = ids_after(queue, after, ids, LIST_EXAMINED_MAX);
    size_t limit = request->limit < LIST_ENTRIES_MAX ? request->limit : LIST_ENTRIES_MAX;
    size_t added = 0, looked_at = 0;
    while (looked_at < found && added < limit) {
        after = ids[looked_at++];
        const struct queued *q = schedule_find(&queue->schedule, after);
        bool is_added = false;
        if (q == NULL || (request->state != ANY_PLACE && q->place != request->state))
            continue;
        if (list_one(f, queue, request, after, mem, &entries[added], &is_added) == ERR_CANCELED)
            return;
        added += is_added;
    }
    message_id_encode(after, last);
    *ret = (struct ipc_queue_list_reply){.entries = entries,
                                         .entries_count = added,
                                         .more = looked_at < found || found == LIST_EXAMINED_MAX,
                                         .last = span_of(last, MESSAGE_ID_BYTES)};
}

/* --- one message -------------------------------------------------------------------------------------------------- */

void
queue_on_queue_envelope(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_envelope *request,
                        struct arena *mem, struct ipc_queue_envelope_reply *ret)
{
    (void)from;
    struct queue *queue = ctx;
    struct spool_read read;
    if (request->id.len != MESSAGE_ID_BYTES ||
        queue_read(f, queue, message_id_decode(request->id.data), SPOOL_STATE, &read) != ERR_OK)
        return;
    struct span bytes = read.data;
    ret->is_whole = bytes.len <= IPC_QUEUE_ENVELOPE_REPLY_ENVELOPE_MAX;
    struct arena decoded;
    arena_init(&decoded, QUEUE_ENVELOPE_MEMORY_MAX);
    if (!ret->is_whole) { /* too many recipients to show: the first of them */
        struct envelope envelope;
        bytes = SPAN_EMPTY;
        if (envelope_decode(read.data, &decoded, &envelope) == ERR_OK)
            bytes = summarise(&envelope, mem);
    }
    ret->found = arena_copy(mem, bytes, &ret->envelope);
    arena_clear(&decoded);
    spool_read_done(&read);
}

/* One piece of a body file, in a pool job. */
struct piece {
    struct disk_file *file;
    uint64_t offset;
    uint8_t *data;
    size_t len;
    enum err status;
};

static void
piece_run(void *arg)
{
    struct piece *piece = arg;
    piece->status = disk_pread(piece->file, piece->offset, piece->data, piece->len, &piece->len);
}

void
queue_on_queue_content(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_content *request,
                       struct arena *mem, struct ipc_queue_content_reply *ret)
{
    (void)from;
    struct queue *queue = ctx;
    struct spool_read read;
    if (request->id.len != MESSAGE_ID_BYTES ||
        queue_read(f, queue, message_id_decode(request->id.data), SPOOL_CONTENT, &read) != ERR_OK)
        return;
    uint64_t head_bytes = read.data.len, total = head_bytes + read.body_bytes, offset = request->offset;
    size_t len = IPC_QUEUE_CONTENT_REPLY_DATA_MAX;
    ret->total_bytes = total;
    if (offset < head_bytes) {
        struct span rest = span_skip(read.data, offset);
        ret->found = arena_copy(mem, span_first(rest, rest.len < len ? rest.len : len), &ret->data);
    } else if (offset >= total) {
        ret->found = true;
    } else {
        struct piece piece = {.file = read.body, .offset = offset - head_bytes, .data = arena_alloc(mem, len), .len = len};
        if (piece.data != NULL && rt_pool_run(f, piece_run, &piece) == ERR_OK && piece.status == ERR_OK) {
            ret->data = span_of(piece.data, piece.len);
            ret->found = true;
        }
    }
    spool_read_done(&read);
}

/* --- changing ----------------------------------------------------------------------------------------------------- */

/* Give a recipient that waits or is held another chance now. */
static void
release_recipient(struct envelope_recipient *recipient)
{
    if (recipient->state == RECIPIENT_HELD)
        recipient->state = RECIPIENT_PENDING;
    recipient->next_attempt_us = 0;
}

void
queue_hold_recipient(struct envelope_recipient *recipient)
{
    if (recipient->state != RECIPIENT_PENDING)
        return;
    recipient->state = RECIPIENT_HELD;
    recipient->status = SPAN("4.3.0");
    recipient->reason = SPAN("held by an operator");
}

/* Change every recipient of the message on disk. The message is in hand meanwhile. */
static enum err
rewrite_recipients(struct fiber *f, struct queue *queue, struct message_id id, void (*change)(struct envelope_recipient *))
{
    struct spool_read read;
    TRY(queue_read(f, queue, id, SPOOL_STATE, &read));
    struct arena decoded;
    arena_init(&decoded, QUEUE_ENVELOPE_MEMORY_MAX);
    struct envelope envelope;
    enum err e = envelope_decode(read.data, &decoded, &envelope);
    for (size_t i = 0; e == ERR_OK && i < envelope.recipient_count; i++)
        change(&envelope.recipients[i]);
    if (e == ERR_OK)
        e = queue_write_state(f, queue, id, &envelope);
    arena_clear(&decoded);
    spool_read_done(&read);
    return e;
}

/* End a message that is in hand. When that cannot be made durable it is as ready as before. */
static bool
remove_in_hand(struct fiber *f, struct queue *queue, struct queued *q)
{
    struct message_id id = queued_id(q);
    if (queue_write_state(f, queue, id, NULL) != ERR_OK) {
        q->is_removed = false;
        schedule_set_ready(&queue->schedule, q);
        cond_signal(&queue->work);
        return false;
    }
    log_write(queue->log, LOG_MESSAGE_REMOVED, LOG_ID(KEY_ID, id));
    schedule_remove(&queue->schedule, q);
    return true;
}

/*
 * Rewrite a message that is not in hand; it is meanwhile, so that no delivery begins. What other operators asked for during that
 * time is done then: removal before all, else the latest word is theirs.
 */
static bool
change_state(struct fiber *f, struct queue *queue, struct queued *q, bool is_hold)
{
    schedule_set_in_hand(&queue->schedule, q);
    enum err e = rewrite_recipients(f, queue, queued_id(q), is_hold ? queue_hold_recipient : release_recipient);
    fresh_message_free(q->fresh); /* its envelope is an older one now */
    q->fresh = NULL;
    if (q->is_removed) {
        (void)remove_in_hand(f, queue, q);
        return e == ERR_OK;
    }
    bool holds = is_hold ? !q->wants_retry : q->wants_hold;
    q->wants_hold = q->wants_retry = false;
    if (holds)
        schedule_set_held(&queue->schedule, q);
    else
        schedule_set_ready(&queue->schedule, q);
    cond_signal(&queue->work);
    return e == ERR_OK;
}

static bool
change_retry(struct fiber *f, struct queue *queue, struct queued *q)
{
    q->crashes = 0;
    if (q->place != QUEUED_IN_HAND)
        return change_state(f, queue, q, false);
    q->wants_retry = true;
    q->wants_hold = false;
    return true;
}

static bool
change_hold(struct fiber *f, struct queue *queue, struct queued *q)
{
    if (q->place != QUEUED_IN_HAND)
        return change_state(f, queue, q, true);
    q->wants_hold = true;
    q->wants_retry = false;
    return true;
}

static bool
change_remove(struct fiber *f, struct queue *queue, struct queued *q)
{
    if (q->place == QUEUED_IN_HAND) {
        q->is_removed = true;
        return true;
    }
    schedule_set_in_hand(&queue->schedule, q);
    return remove_in_hand(f, queue, q);
}

struct change {
    struct span verb;
    bool (*run)(struct fiber *f, struct queue *queue, struct queued *q);
};

static const struct change *
change_find(struct span verb)
{
    static const struct change changes[] = {
        {{(const uint8_t *)"retry", 5}, change_retry},
        {{(const uint8_t *)"release", 7}, change_retry},
        {{(const uint8_t *)"hold", 4}, change_hold},
        {{(const uint8_t *)"remove", 6}, change_remove},
    };
    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        if (span_equal(changes[i].verb, verb))
            return &changes[i];
    return NULL;
}

/* Apply to every message there is now; each is looked up again, for it may end meanwhile. */
static uint32_t
change_all(struct fiber *f, struct queue *queue, const struct change *change)
{
    struct message_id ids[64];
    struct message_id after = {0};
    uint32_t changed = 0;
    size_t n;
    while ((n = ids_after(queue, after, ids, ARRAY_LEN(ids))) > 0) {
        for (size_t i = 0; i < n; i++) {
            struct queued *q = schedule_find(&queue->schedule, ids[i]);
            if (q != NULL && change->run(f, queue, q))
                changed++;
        }
        after = ids[n - 1];
        if (n < ARRAY_LEN(ids) || fiber_yield(f) != ERR_OK)
            break;
    }
    return changed;
}

void
queue_on_queue_change(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_change *request,
                      struct arena *mem, struct ipc_queue_change_reply *ret)
{
    (void)from;
    (void)mem;
    struct queue *queue = ctx;
    const struct change *change = change_find(request->verb);
    if (change == NULL) {
        ret->text = SPAN("the queue knows no such change");
        return;
    }
    if (request->id.len != MESSAGE_ID_BYTES) {
        ret->changed = change_all(f, queue, change);
        return;
    }
    struct queued *q = schedule_find(&queue->schedule, message_id_decode(request->id.data));
    if (q == NULL)
        ret->text = SPAN("no such message is queued");
    else if (change->run(f, queue, q))
        ret->changed = 1;
    else
        ret->text = SPAN("the change could not be made durable; see the log");
}
