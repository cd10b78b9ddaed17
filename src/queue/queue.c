/*
 * queue.c - the life of the queue process: open the spool, find what is in it, serve, drain, seal.
 *
 * A failed sync ends the process at once without a further write (I5): queue_run() returns, the parent starts it anew, and the
 * new process believes the disk alone.
 */
#include "queue/queue.h"

#include "base/assert.h"
#include "queue/queue_state.h"

#include <stdlib.h>

enum {
    SPACE_LOOK_MS = 1000,
    SCHEDULE_MESSAGES_MAX = 100 * 1000 * 1000,
    LARGE_SYNCS_AT_ONCE = 2,
    EDGES_MAX = 256,
};

static const struct ipc_queue_service service = {
    .message_chunk = queue_on_message_chunk,
    .message_commit = queue_on_message_commit,
    .message_abort = queue_on_message_abort,
    .role_status = queue_on_role_status,
    .queue_list = queue_on_queue_list,
    .queue_envelope = queue_on_queue_envelope,
    .queue_content = queue_on_queue_content,
    .queue_change = queue_on_queue_change,
};

/* --- opening ------------------------------------------------------------------------------------------------------ */

struct opening {
    struct queue *queue;
    struct spool_options options;
    struct spool_report *report;
    enum err status;
};

static void
open_run(void *arg)
{
    struct opening *opening = arg;
    struct queue *queue = opening->queue;
    opening->status = spool_open(rt_disk(queue->rt), queue->env->data_dir, &opening->options, opening->report, &queue->spool);
}

static void
random_for_spool(void *arg, void *dst, size_t len)
{
    rt_random(arg, dst, len);
}

static void
log_report(struct queue *queue, const struct spool_report *report)
{
    log_write(queue->log, LOG_SPOOL_OPENED, LOG_U64(KEY_MESSAGES, report->messages), LOG_U64(KEY_SIZE, report->live_bytes),
              LOG_U64(KEY_COUNT, report->segments));
    if (report->tails_dropped > 0)
        log_write(queue->log, LOG_SPOOL_TAIL_DROPPED, LOG_U64(KEY_COUNT, report->tails_dropped));
    for (size_t i = 0; i < report->damage_count; i++) {
        const struct spool_damage *damage = &report->damage[i];
        log_write(queue->log, LOG_SPOOL_DAMAGED, LOG_ID(KEY_ID, damage->has_id ? damage->id : (struct message_id){0}),
                  LOG_U64(KEY_SEGMENT, damage->segment), LOG_U64(KEY_OFFSET, damage->offset), LOG_U64(KEY_SIZE, damage->length));
    }
}

static enum err
open_spool(struct fiber *f, struct queue *queue)
{
    struct opening opening = {.queue = queue, .options = spool_options_default(), .report = calloc(1, sizeof(*opening.report))};
    if (opening.report == NULL)
        return ERR_LIMIT;
    opening.options.index_bytes_max = queue->env->config->spool.memory_bytes.value;
    opening.options.random = random_for_spool;
    opening.options.random_arg = queue->rt;
    enum err e = rt_pool_run(f, open_run, &opening);
    if (e == ERR_OK)
        e = opening.status;
    if (e == ERR_OK)
        log_report(queue, opening.report);
    free(opening.report);
    return e;
}

/* --- finding what waits ------------------------------------------------------------------------------------------- */

/* Put a message that was found into the place its state says. */
static void
place_found(struct queue *queue, const struct spool_message *message)
{
    struct queued *q = schedule_find(&queue->schedule, message->id);
    if (q != NULL)
        return; /* it came in while we looked */
    q = schedule_add(&queue->schedule, message->id);
    if (q == NULL) {
        log_write(queue->log, LOG_OUT_OF_MEMORY, LOG_ID(KEY_ID, message->id), LOG_CSTR(KEY_PHASE, "schedule"));
        return;
    }
    struct arena mem;
    arena_init(&mem, QUEUE_ENVELOPE_MEMORY_MAX);
    struct envelope envelope;
    bool is_readable = message->state_status == ERR_OK && message->is_content_there &&
                       envelope_decode(message->state, &mem, &envelope) == ERR_OK;
    if (!is_readable) {
        log_write(queue->log, LOG_MESSAGE_HELD, LOG_ID(KEY_ID, message->id), LOG_TEXT(KEY_REASON, SPAN("damaged")));
        schedule_set_held(&queue->schedule, q);
    } else {
        bool is_pending = false, is_held = false;
        int64_t next_us = INT64_MAX;
        for (size_t i = 0; i < envelope.recipient_count; i++) {
            const struct envelope_recipient *recipient = &envelope.recipients[i];
            is_held = is_held || recipient->state == RECIPIENT_HELD;
            if (recipient->state != RECIPIENT_PENDING)
                continue;
            is_pending = true;
            if (recipient->next_attempt_us < next_us)
                next_us = recipient->next_attempt_us;
        }
        if (!is_pending && is_held)
            schedule_set_held(&queue->schedule, q);
        else if (is_pending && next_us > rt_wall_us(queue->rt))
            (void)schedule_set_later(&queue->schedule, q, next_us);
        /* Else it is ready: due, or all was done and only its end is missing. */
    }
    arena_clear(&mem);
}

static enum err
find_messages(struct fiber *f, struct queue *queue)
{
    struct spool_scan *scan = spool_scan_new(queue->spool);
    if (scan == NULL)
        return ERR_LIMIT;
    enum err e = ERR_OK;
    while (e == ERR_OK && spool_scan_plan(scan)) {
        e = rt_pool_run(f, spool_scan_run, scan);
        for (size_t i = 0; e == ERR_OK && i < spool_scan_count(scan); i++)
            place_found(queue, spool_scan_message(scan, i));
    }
    spool_scan_free(scan);
    return e;
}

/* --- free space --------------------------------------------------------------------------------------------------- */

struct space_look {
    struct disk_dir *dir;
    struct disk_space space;
    enum err status;
};

static void
space_run(void *arg)
{
    struct space_look *look = arg;
    look->status = disk_space(look->dir, &look->space);
}

/* So that MAIL is refused at once, and not after the data (RFC 1870 §6.1). */
static void
tell_edges(struct queue *queue, bool is_full)
{
    struct ipc_link *links[EDGES_MAX];
    size_t count = ipc_hub_links(queue->env->hub, ROLE_EDGE, links, EDGES_MAX);
    const struct ipc_intake_state post = {.is_full = is_full};
    for (size_t i = 0; i < count; i++) {
        enum err e = ipc_post_intake_state(links[i], &post);
        (void)e; /* said again in a second */
    }
}

/* New mail is refused while less than free-space-factor times message-size is free (or few inodes). */
static void
watch_space(struct fiber *f, void *arg)
{
    struct queue *queue = arg;
    do {
        struct space_look look = {.dir = queue->env->data_dir};
        const struct config_limits *limits = &queue->env->config->limits;
        uint64_t wanted = limits->free_space_factor.value * limits->message_size_bytes.value;
        if (rt_pool_run(f, space_run, &look) != ERR_OK || look.status != ERR_OK)
            continue;
        bool is_low = look.space.free_bytes < wanted || look.space.free_inodes < 100;
        if (is_low && !queue->is_low_on_space)
            log_write(queue->log, LOG_DISK_FULL, LOG_U64(KEY_SIZE, look.space.free_bytes), LOG_POS(KEY_RULE, limits->free_space_factor.pos));
        if (is_low || queue->is_low_on_space)
            tell_edges(queue, is_low);
        queue->is_low_on_space = is_low;
    } while (fiber_sleep(f, deadline_in(queue->rt, SPACE_LOOK_MS * NS_PER_MS)) == ERR_OK);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void
failure_stops(struct fiber *f, void *arg)
{
    struct queue *queue = arg;
    while (!queue->committer.is_failed)
        if (cond_wait(f, DEADLINE_NEVER, &queue->committer.failed) != ERR_OK)
            return;
    cond_broadcast(&queue->drained);
    rt_stop(queue->rt);
}

/* Let what is in hand finish until the grace period is over: deliveries, and commits whose edge waits for the answer. */
static void
drain(struct fiber *f, struct queue *queue)
{
    queue->is_draining = true;
    while ((queue->fibers > 0 || queue->commits > 0) && !queue->committer.is_failed)
        if (cond_wait(f, queue->env->stop_by, &queue->drained) != ERR_OK)
            return;
}

static void
seal_run(void *arg)
{
    struct queue *queue = arg;
    enum err e = spool_seal(queue->spool);
    (void)e; /* only spares the next start a scan */
}

static bool
spawn_or_say(struct queue *queue, struct fiber_group *group, const char *site, fiber_fn *fn, void *arg)
{
    if (fiber_group_spawn(group, site, fn, arg) == ERR_OK)
        return true;
    log_write(queue->log, LOG_OUT_OF_MEMORY, LOG_CSTR(KEY_PHASE, site));
    return false;
}

static void
serve(struct fiber *f, struct queue *queue)
{
    struct fiber_group writers, workers;
    fiber_group_init(&writers, f);
    fiber_group_init(&workers, f);
    fiber_group_init(&queue->in_hand, f);
    bool is_up = spawn_or_say(queue, &writers, "queue.committer", committer_main, &queue->committer) &&
                 spawn_or_say(queue, &writers, "queue.maintain", committer_maintain, &queue->committer);
    enum err e = is_up ? find_messages(f, queue) : ERR_LIMIT;
    if (e == ERR_OK && spawn_or_say(queue, &workers, "queue.space", watch_space, queue) &&
        spawn_or_say(queue, &workers, "queue.failure", failure_stops, queue) &&
        spawn_or_say(queue, &workers, "queue.dispatch", queue_dispatch, queue)) {
        ipc_hub_serve(queue->env->hub, &service, queue);
        e = rt_wait_stop(f, DEADLINE_NEVER);
        drain(f, queue);
    }
    if (e != ERR_OK)
        log_write(queue->log, LOG_INTERNAL_FAULT, LOG_ERR(KEY_ERROR, e), LOG_CSTR(KEY_PHASE, "serve"));
    fiber_group_end(f, &workers);
    fiber_group_end(f, &queue->in_hand);
    ipc_hub_free(f, queue->env->hub); /* no call is under way any more: `queue` can go */
    queue->env->hub = NULL;
    fiber_group_end(f, &queue->in_hand); /* the uploads of edges that were still there are discarded */
    fiber_group_end(f, &writers);
}

/* Every value is read where it is used, so a new configuration holds from the next use on; the spool keeps its memory budget. */
static void
on_reconfigure(void *ctx)
{
    struct queue *queue = ctx;
    cond_signal(&queue->work);
}

void
queue_run(struct fiber *f, struct role_env *env)
{
    struct queue queue = {.env = env, .rt = env->rt, .log = env->log, .fresh.max_bytes = QUEUE_FRESH_BYTES_MAX};
    ASSERT(env->data_dir != NULL);
    uint64_t seed[2];
    rt_random(env->rt, seed, sizeof(seed));
    schedule_init(&queue.schedule, SCHEDULE_MESSAGES_MAX, seed);
    cond_init(&queue.work);
    cond_init(&queue.drained);
    semaphore_init(&queue.large_syncs, LARGE_SYNCS_AT_ONCE);
    env->on_reconfigure_ctx = &queue;
    env->on_reconfigure = on_reconfigure;
    enum err e = open_spool(f, &queue);
    if (e != ERR_OK) {
        log_write(env->log, LOG_INTERNAL_FAULT, LOG_ERR(KEY_ERROR, e), LOG_CSTR(KEY_PHASE, "open"),
                  LOG_CSTR(KEY_DETAIL, "the spool cannot be opened; godwit spool verify says more"));
    } else {
        committer_init(&queue.committer, queue.spool, env->log);
        serve(f, &queue);
        committer_done(&queue.committer);
        if (!queue.committer.is_failed && rt_pool_run(f, seal_run, &queue) != ERR_OK)
            log_write(env->log, LOG_INTERNAL_FAULT, LOG_CSTR(KEY_PHASE, "seal"));
        spool_close(queue.spool);
    }
    env->on_reconfigure = NULL;
    free(queue.window.ids);
    schedule_done(&queue.schedule);
}
