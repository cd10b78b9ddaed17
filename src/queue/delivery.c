/*
 * delivery.c - a message's way from the spool to where it goes.
 *
 * One fiber a message: read it, find out where each recipient is, hand each to local, record what came of it. Results
 * become durable a few at a time while the others are still under way, so a crash repeats only deliveries whose result was
 * younger than COMMITTER_RESULT_MS or not there yet (I3). The place among the deliveries is given up before the last result is awaited.
 * A message that was in hand at QUEUE_ALONE_AFTER_CRASHES crashes of local is tried by itself, then held (I9).
 */
#include "queue/queue_state.h"

#include "net/trail.h"

#include <stdlib.h>

enum {
    RECIPIENTS_AT_ONCE = 8,
    FIBERS_PER_DELIVERY = 20, /* how many times delivery.concurrency may wait for their results */
    NO_FILE = -1,
};

/* One message in hand. */
struct task {
    struct queue *queue;
    struct queued *q;
    struct message_id id;
    uint8_t id_bytes[MESSAGE_ID_BYTES];
    struct arena mem;
    struct envelope envelope;
    struct fresh_message *fresh; /* owned; from q */
    struct spool_read state;     /* when not fresh */
    struct spool_read content;
    bool has_state, has_content; /* reads to end */
    struct queue_content out;    /* what local is given */
    bool is_dirty;               /* results that no state on disk has */
    bool is_writing;             /* a state is being written */
    bool has_crashed;            /* local ended while it had the message */
    struct buf trail;            /* verdicts of this attempt, appended to the envelope's */
};

/* --- reading the message ------------------------------------------------------------------------------------------ */

static enum err
load_state(struct fiber *f, struct task *task)
{
    struct span bytes;
    if (task->fresh != NULL) {
        bytes = task->fresh->envelope;
    } else {
        TRY(queue_read(f, task->queue, task->id, SPOOL_STATE, &task->state));
        task->has_state = true;
        bytes = task->state.data;
    }
    TRY(envelope_decode(bytes, &task->mem, &task->envelope));
    /* Addresses are resolved anew at each attempt: queued mail follows a changed configuration. */
    for (size_t i = 0; i < task->envelope.recipient_count; i++) {
        struct envelope_recipient *recipient = &task->envelope.recipients[i];
        if (span_find(recipient->address, '@') < recipient->address.len)
            recipient->target = TARGET_UNEXPANDED;
    }
    return ERR_OK;
}

static enum err
load_content(struct fiber *f, struct task *task)
{
    if (task->fresh != NULL)
        return queue_content_make(f, task->queue, task->fresh->content, NULL, 0, &task->out);
    TRY(queue_read(f, task->queue, task->id, SPOOL_CONTENT, &task->content));
    task->has_content = true;
    return queue_content_make(f, task->queue, task->content.data, task->content.body, task->content.body_bytes, &task->out);
}

/* --- results ------------------------------------------------------------------------------------------------------ */

static void
note_result(struct task *task, const struct envelope_recipient *recipient, enum trail_action action, struct span reply)
{
    const struct trail_fact facts[] = {TRAIL_FACT(SPAN("target"), recipient->target_name),
                                       TRAIL_FACT(SPAN("status"), recipient->status)};
    trail_append(&task->trail, &(struct trail_step){.time_us = rt_wall_us(task->queue->rt),
                                                    .phase = TRAIL_DELIVER,
                                                    .action = action,
                                                    .subject = recipient->address,
                                                    .reason = action == TRAIL_DONE ? SPAN("delivered") : SPAN("delivery"),
                                                    .reply = reply,
                                                    .facts = facts,
                                                    .fact_count = ARRAY_LEN(facts)});
}

static void
log_result(struct task *task, const struct envelope_recipient *recipient, enum log_event event)
{
    struct queue *queue = task->queue;
    int64_t now_us = rt_wall_us(queue->rt);
    int64_t next_s = recipient->next_attempt_us > now_us ? (recipient->next_attempt_us - now_us) / 1000000 : 0;
    log_write(queue->log, event, LOG_ID(KEY_ID, task->id), LOG_TEXT(KEY_FROM, task->envelope.sender),
              LOG_TEXT(KEY_TO, recipient->address), LOG_TEXT(KEY_TARGET, recipient->target_name),
              LOG_TEXT(KEY_STATUS, recipient->status), LOG_TEXT(KEY_REPLY, recipient->reason),
              LOG_I64(KEY_DELAY_S, (now_us - task->envelope.arrival_us) / 1000000), LOG_I64(KEY_NEXT_S, next_s));
}

static void
record_done(struct task *task, struct envelope_recipient *recipient, struct span status, struct span text)
{
    recipient->state = RECIPIENT_DELIVERED;
    recipient->attempts++;
    recipient->status = status;
    recipient->reason = text;
    task->queue->delivered++;
    note_result(task, recipient, TRAIL_DONE, text);
    log_result(task, recipient, LOG_DELIVERY_DONE);
}

static void
record_failure(struct task *task, struct envelope_recipient *recipient)
{
    bool is_held = recipient->state == RECIPIENT_HELD;
    if (is_held)
        task->queue->held++;
    else
        task->queue->deferred++;
    note_result(task, recipient, is_held ? TRAIL_HELD : TRAIL_DEFERRED, recipient->reason);
    log_result(task, recipient, is_held ? LOG_DELIVERY_FAILED : LOG_DELIVERY_DEFERRED);
}

/* The envelope with the trail of this attempt appended to it, cut at its cap. */
static struct span
whole_trail(struct task *task)
{
    struct buf whole;
    buf_init(&whole, TRAIL_BYTES_MAX);
    buf_append(&whole, task->envelope.trail);
    if (buf_append(&whole, buf_span(&task->trail)) != ERR_OK)
        trail_append(&whole, &(struct trail_step){.time_us = rt_wall_us(task->queue->rt),
                                                  .phase = TRAIL_DELIVER,
                                                  .action = TRAIL_NOTED,
                                                  .reason = SPAN("trail-full")});
    struct span copy = task->envelope.trail;
    if (arena_copy(&task->mem, buf_span(&whole), &copy))
        buf_clear(&task->trail);
    buf_done(&whole);
    return copy;
}

/* Make the results so far durable while other recipients of the message are still under way. */
static void
write_results(struct fiber *f, struct task *task)
{
    task->is_dirty = true;
    if (task->is_writing)
        return; /* whoever writes looks again */
    task->is_writing = true;
    while (task->is_dirty && !task->queue->committer.is_failed) {
        task->is_dirty = false;
        enum err e = queue_write_state(f, task->queue, task->id, &task->envelope);
        if (e != ERR_OK)
            break; /* the last write of the attempt tries again or says so */
    }
    task->is_writing = false;
}

/* --- one recipient ------------------------------------------------------------------------------------------------ */

/*
 * The user's ~/.forward names addresses: they become recipients in the same write in which this one ends (I3). What was done
 * beside that, into a mailbox or by a command, counts with it.
 */
static void
record_forwarded(struct task *task, size_t index, const struct ipc_deliver_reply *reply)
{
    struct queue *queue = task->queue;
    struct envelope *envelope = &task->envelope;
    size_t before = envelope->recipient_count;
    struct span status = reply->status, reason = reply->text;
    bool is_taken = queue_forward(queue, envelope, &task->mem, index, reply->forwards, &status, &reason);
    struct envelope_recipient *recipient = &envelope->recipients[index];
    if (!is_taken || reply->class == DELIVERY_FAILED) {
        queue_recipient_failed(queue, recipient, DELIVERY_FAILED, status, reason);
        record_failure(task, recipient);
        return;
    }
    recipient->state = RECIPIENT_EXPANDED;
    recipient->attempts++;
    recipient->status = status;
    recipient->reason = reason;
    note_result(task, recipient, TRAIL_DONE, reason);
    log_write(queue->log, LOG_MESSAGE_EXPANDED, LOG_ID(KEY_ID, task->id), LOG_TEXT(KEY_TO, recipient->address),
              LOG_U64(KEY_COUNT, envelope->recipient_count - before));
}

static void
deliver_recipient(struct fiber *f, struct task *task, size_t index)
{
    struct queue *queue = task->queue;
    const struct envelope *envelope = &task->envelope;
    struct envelope_recipient *recipient = &envelope->recipients[index];
    if (recipient->target == TARGET_DISCARD) {
        record_done(task, recipient, SPAN("2.0.0"), SPAN("discarded, as its alias says"));
        return;
    }
    struct ipc_deliver request = {
        .id = span_of(task->id_bytes, sizeof(task->id_bytes)),
        .kind = (uint8_t)recipient->target,
        .name = recipient->target_name,
        .detail = recipient->target_detail,
        .recipient = recipient->address,
        .original = recipient->original,
        .sender = span_is_empty(recipient->list_sender) ? envelope->sender : recipient->list_sender,
        .client_address = envelope->client_address,
        .envid = envelope->envid,
        .quota_bytes = recipient->quota_bytes,
        .size_bytes = envelope->size_bytes,
        .arrival_us = envelope->arrival_us,
        .content = task->out.head,
        .file = task->out.file,
    };
    struct ipc_deliver_reply reply;
    struct deadline by = deadline_in(queue->rt, config_duration_ns(queue->env->config->delivery.attempt_time_ms));
    enum err e = ipc_deliver(f, by, ipc_hub_link(queue->env->hub, ROLE_LOCAL), &request, &task->mem, &reply);
    recipient = &envelope->recipients[index]; /* others may have added recipients meanwhile */
    if (e == ERR_CLOSED)
        task->has_crashed = true;
    if (e != ERR_OK) {
        queue_recipient_failed(queue, recipient, DELIVERY_DEFERRED, SPAN("4.3.0"), span_from_cstr(err_name(e)));
        record_failure(task, recipient);
    } else if (!span_is_empty(reply.forwards) && reply.class != DELIVERY_DEFERRED) {
        record_forwarded(task, index, &reply);
    } else if (reply.class == DELIVERY_DONE) {
        record_done(task, recipient, reply.status, reply.text);
    } else {
        queue_recipient_failed(queue, recipient, (enum delivery_class)reply.class, reply.status, reply.text);
        record_failure(task, recipient);
    }
}

/* Several recipients are delivered side by side; they share the list. */
struct share {
    struct task *task;
    size_t next;
    int64_t now_us;
};

/* The next recipient to deliver to. Those that were added meanwhile have no target yet: the next attempt is theirs. */
static bool
share_take(struct share *share, size_t *ret_index)
{
    const struct envelope *envelope = &share->task->envelope;
    while (share->next < envelope->recipient_count) {
        size_t index = share->next++;
        const struct envelope_recipient *recipient = &envelope->recipients[index];
        if (recipient->state == RECIPIENT_PENDING && recipient->target != TARGET_UNEXPANDED &&
            recipient->next_attempt_us <= share->now_us) {
            *ret_index = index;
            return true;
        }
    }
    return false;
}

static void
deliver_share(struct fiber *f, void *arg)
{
    struct share *share = arg;
    size_t index;
    while (!fiber_is_canceled(f) && share_take(share, &index)) {
        deliver_recipient(f, share->task, index);
        write_results(f, share->task);
    }
}

static void
deliver_due(struct fiber *f, struct task *task, int64_t now_us)
{
    struct share share = {.task = task, .now_us = now_us};
    if (task->envelope.recipient_count == 1) {
        size_t index;
        if (share_take(&share, &index))
            deliver_recipient(f, task, index);
        return;
    }
    struct fiber_group group;
    fiber_group_init(&group, f);
    for (size_t i = 1; i < RECIPIENTS_AT_ONCE; i++)
        if (fiber_group_spawn(&group, "queue.recipient", deliver_share, &share) != ERR_OK)
            break; /* fewer side by side */
    deliver_share(f, &share);
    enum err e = fiber_group_join(f, DEADLINE_NEVER, &group);
    (void)e;
}

/* --- one attempt -------------------------------------------------------------------------------------------------- */

/* How often each recipient was tried before; NULL without memory. */
static uint32_t *
attempts_note(struct task *task)
{
    uint32_t *attempts = arena_alloc(&task->mem, (task->envelope.recipient_count + 1) * sizeof(*attempts));
    for (size_t i = 0; attempts != NULL && i < task->envelope.recipient_count; i++)
        attempts[i] = task->envelope.recipients[i].attempts;
    return attempts;
}

/* Recipients that cannot be expanded were given their failure already, just now; say so as for the others. */
static void
record_expansion_failures(struct task *task, const uint32_t *attempts, size_t count)
{
    for (size_t i = 0; i < task->envelope.recipient_count; i++) {
        struct envelope_recipient *recipient = &task->envelope.recipients[i];
        bool is_tried = recipient->attempts != (i < count ? attempts[i] : 0);
        if (recipient->target == TARGET_UNEXPANDED && is_tried && recipient->state != RECIPIENT_EXPANDED)
            record_failure(task, recipient);
    }
}

static enum err
attempt(struct fiber *f, struct task *task)
{
    struct queue *queue = task->queue;
    int64_t now_us = rt_wall_us(queue->rt);
    if (task->q->is_removed) /* its end could not be written last time */
        return ERR_OK;
    TRY(load_state(f, task));
    bool is_changed = false;
    size_t count = task->envelope.recipient_count;
    const uint32_t *attempts = attempts_note(task);
    if (attempts == NULL)
        return ERR_LIMIT;
    TRY(queue_expand(f, queue, &task->envelope, &task->mem, now_us, &is_changed));
    record_expansion_failures(task, attempts, count);
    if (is_changed) /* what it was replaced by is durable before any of it is delivered (I3) */
        TRY(queue_write_state(f, queue, task->id, &task->envelope));
    TRY(load_content(f, task));
    deliver_due(f, task, now_us);
    return ERR_OK;
}

/* What is left to do: *ret_next_us is the earliest next attempt, INT64_MAX none; *ret_held: somebody is held. */
static void
look_at_rest(const struct envelope *envelope, int64_t *ret_next_us, bool *ret_held)
{
    *ret_next_us = INT64_MAX;
    *ret_held = false;
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        const struct envelope_recipient *recipient = &envelope->recipients[i];
        if (recipient->state == RECIPIENT_HELD)
            *ret_held = true;
        if (recipient->state == RECIPIENT_PENDING && recipient->next_attempt_us < *ret_next_us)
            *ret_next_us = recipient->next_attempt_us;
    }
}

static void
post_trail(struct task *task, struct span trail)
{
    struct queue *queue = task->queue;
    const struct ipc_trail post = {.kind = TRAIL_KIND_MESSAGE,
                                   .id = span_of(task->id_bytes, sizeof(task->id_bytes)),
                                   .trail = trail};
    enum err e = ipc_post_trail(ipc_hub_link(queue->env->hub, ROLE_CONTROL), &post);
    (void)e; /* a post may be dropped; the hub counts it */
}

/* Nothing is left to do for the message. */
static void
finish(struct fiber *f, struct task *task)
{
    struct queue *queue = task->queue;
    struct span trail = whole_trail(task);
    enum err e = queue_write_state(f, queue, task->id, NULL);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_write(queue->log, LOG_INTERNAL_FAULT, LOG_ID(KEY_ID, task->id), LOG_ERR(KEY_ERROR, e), LOG_CSTR(KEY_PHASE, "finish"));
        (void)schedule_set_later(&queue->schedule, task->q, rt_wall_us(queue->rt) + 60 * INT64_C(1000000));
        return;
    }
    queue->finished++;
    post_trail(task, trail);
    log_write(queue->log, LOG_MESSAGE_FINISHED, LOG_ID(KEY_ID, task->id));
    schedule_remove(&queue->schedule, task->q);
}

/* Something is left: keep the state, and put the message where it waits. */
static void
postpone(struct fiber *f, struct task *task, int64_t next_us, bool is_held)
{
    struct queue *queue = task->queue;
    struct queued *q = task->q;
    task->envelope.trail = whole_trail(task);
    enum err e;
    bool is_hold_written;
    do { /* an operator may ask for it while it is written */
        is_hold_written = q->wants_hold;
        for (size_t i = 0; is_hold_written && i < task->envelope.recipient_count; i++)
            queue_hold_recipient(&task->envelope.recipients[i]);
        e = queue_write_state(f, queue, task->id, &task->envelope);
    } while (e == ERR_OK && q->wants_hold && !is_hold_written);
    if (e == ERR_OK && q->is_removed) {
        finish(f, task);
        return;
    }
    if (e != ERR_OK)
        log_write(queue->log, LOG_INTERNAL_FAULT, LOG_ID(KEY_ID, task->id), LOG_ERR(KEY_ERROR, e), LOG_CSTR(KEY_PHASE, "postpone"));
    if (q->wants_retry)
        schedule_set_ready(&queue->schedule, q);
    else if (q->wants_hold || (next_us == INT64_MAX && is_held))
        schedule_set_held(&queue->schedule, q);
    else
        (void)schedule_set_later(&queue->schedule, q, next_us);
    q->wants_retry = q->wants_hold = false;
}

/* I9: after so many crashes with it in hand the message is held. */
static void
hold_suspect(struct task *task)
{
    for (size_t i = 0; i < task->envelope.recipient_count; i++) {
        struct envelope_recipient *recipient = &task->envelope.recipients[i];
        if (recipient->state != RECIPIENT_PENDING)
            continue;
        recipient->state = RECIPIENT_HELD;
        recipient->status = SPAN("4.3.0");
        recipient->reason = SPAN("the delivering process ended while it had this message, several times");
    }
    log_write(task->queue->log, LOG_MESSAGE_HELD, LOG_ID(KEY_ID, task->id), LOG_TEXT(KEY_REASON, SPAN("crashes")));
}

static void
conclude(struct fiber *f, struct task *task, enum err attempted)
{
    struct queue *queue = task->queue;
    struct queued *q = task->q;
    bool is_half = attempted == ERR_NOT_FOUND && spool_has(queue->spool, task->id); /* what is left is not thrown away */
    if (q->is_removed || (attempted == ERR_NOT_FOUND && !is_half)) {
        finish(f, task);
        return;
    }
    if (attempted == ERR_DAMAGED || is_half) {
        log_write(queue->log, LOG_MESSAGE_HELD, LOG_ID(KEY_ID, task->id), LOG_TEXT(KEY_REASON, SPAN("damaged")));
        schedule_set_held(&queue->schedule, q);
        return;
    }
    if (attempted != ERR_OK) {
        log_write(queue->log, LOG_INTERNAL_FAULT, LOG_ID(KEY_ID, task->id), LOG_ERR(KEY_ERROR, attempted), LOG_CSTR(KEY_PHASE, "attempt"));
        (void)schedule_set_later(&queue->schedule, q, rt_wall_us(queue->rt) + 60 * INT64_C(1000000));
        return;
    }
    if (task->has_crashed && q->crashes < UINT8_MAX)
        q->crashes++;
    if (q->crashes > QUEUE_ALONE_AFTER_CRASHES)
        hold_suspect(task);
    int64_t next_us;
    bool is_held;
    look_at_rest(&task->envelope, &next_us, &is_held);
    if (next_us == INT64_MAX && !is_held)
        finish(f, task);
    else
        postpone(f, task, next_us, is_held);
}

static void
task_end(struct task *task)
{
    fresh_message_free(task->fresh);
    if (task->has_state)
        spool_read_done(&task->state);
    if (task->has_content)
        spool_read_done(&task->content);
    rt_fd_close(task->queue->rt, task->out.file);
    buf_done(&task->trail);
    arena_clear(&task->mem);
}

struct start {
    struct queue *queue;
    struct queued *q;
    bool is_alone;
};

static void
deliver_main(struct fiber *f, void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    struct queue *queue = start.queue;
    struct task *task = calloc(1, sizeof(*task));
    if (task == NULL) {
        (void)schedule_set_later(&queue->schedule, start.q, rt_wall_us(queue->rt) + 60 * INT64_C(1000000));
        queue->deliveries--;
    } else {
        *task = (struct task){.queue = queue, .q = start.q, .id = queued_id(start.q), .out.file = -1};
        message_id_encode(task->id, task->id_bytes);
        task->fresh = start.q->fresh;
        start.q->fresh = NULL;
        arena_init(&task->mem, QUEUE_ENVELOPE_MEMORY_MAX);
        buf_init(&task->trail, TRAIL_BYTES_MAX);
        enum err e = attempt(f, task);
        queue->deliveries--;
        cond_signal(&queue->work);
        conclude(f, task, e);
        task_end(task);
        free(task);
    }
    if (start.is_alone)
        queue->is_someone_alone = false;
    queue->fibers--;
    cond_signal(&queue->work);
    cond_broadcast(&queue->drained);
}

/* --- choosing ----------------------------------------------------------------------------------------------------- */

static bool
may_begin(const struct queue *queue)
{
    const struct config_delivery *config = &queue->env->config->delivery;
    size_t most = config->concurrency.value;
    if (config->is_paused.value || queue->is_draining || queue->is_someone_alone || queue->committer.is_failed)
        return false;
    return queue->deliveries < most && queue->fibers < most * FIBERS_PER_DELIVERY && queue->schedule.ready_count > 0;
}

/* Begin the delivery of the longest ready message. False when it has to wait. */
static bool
begin(struct queue *queue)
{
    struct queued *q = CONTAINER_OF(queue->schedule.ready.next, struct queued, link);
    bool is_alone = q->crashes >= QUEUE_ALONE_AFTER_CRASHES;
    if (is_alone && queue->fibers > 0)
        return false;
    struct start *start = malloc(sizeof(*start));
    if (start == NULL)
        return false;
    *start = (struct start){queue, q, is_alone};
    if (fiber_group_spawn(&queue->in_hand, "queue.delivery", deliver_main, start) != ERR_OK) {
        free(start);
        return false;
    }
    schedule_set_in_hand(&queue->schedule, q);
    queue->is_someone_alone = is_alone;
    queue->deliveries++;
    queue->fibers++;
    return true;
}

void
queue_dispatch(struct fiber *f, void *arg)
{
    struct queue *queue = arg;
    while (!fiber_is_canceled(f)) {
        int64_t now_us = rt_wall_us(queue->rt);
        int64_t next_us = schedule_advance(&queue->schedule, now_us);
        while (may_begin(queue) && begin(queue))
            ;
        /* The wall clock may jump: look again after a minute at the latest. */
        int64_t wait_us = next_us - now_us < 60 * INT64_C(1000000) ? next_us - now_us : 60 * INT64_C(1000000);
        enum err e = cond_wait(f, deadline_in(queue->rt, wait_us * NS_PER_US), &queue->work);
        if (e != ERR_OK && e != ERR_TIMEOUT)
            return;
    }
}
