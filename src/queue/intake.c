/*
 * intake.c - a message's way from an edge into the spool.
 *
 * A small message comes whole with message_commit. A larger one comes in pieces (message_chunk) while the edge receives it:
 * its envelope and header block are kept in memory, its body too until it is SPOOL_BODY_FILE_BYTES long; from then on it goes
 * to a file of its own, not yet committed. The edge is treated as hostile: everything is bounded, an upload belongs to
 * the channel it came over and ends with it. Nothing is acknowledged before it is durable (I1).
 */
#include "queue/queue_state.h"

#include "net/trail.h"

#include <stdlib.h>

enum {
    UPLOADS_PER_EDGE_MAX = 32 * 1024,
    UPLOAD_HEADER_MAX = 8 * 1024 * 1024 + 64 * 1024,
    SLOW_STEP_MAX_MS = 2000, /* how much later a 250 comes at most while the backlog grows */
};

/* A message under way from an edge. */
struct upload {
    uint64_t number;
    struct queue *queue;
    struct message_id id;
    struct buf envelope;
    struct buf header;
    struct buf body;         /* what is not in `file` */
    struct spool_body *file; /* owned; NULL while the body is small */
    bool is_busy;            /* a call works on it */
    bool is_dead;            /* aborted while busy: the call ends it */
};

/* The uploads of one edge process: peer->state. */
struct uploads {
    struct queue *queue;
    struct map by_number; /* upload.number -> struct upload */
};

/* --- the end of an upload ----------------------------------------------------------------------------------------- */

static void
upload_free(struct upload *upload)
{
    upload->queue->upload_bytes -= upload->envelope.len + upload->header.len + upload->body.len;
    buf_done(&upload->envelope);
    buf_done(&upload->header);
    buf_done(&upload->body);
    spool_body_free(upload->file);
    free(upload);
}

static void
discard_main(struct fiber *f, void *arg)
{
    struct upload *upload = arg;
    while (rt_pool_run(f, spool_body_discard, upload->file) == ERR_LIMIT)
        if (fiber_sleep(f, deadline_in(fiber_rt(f), 10 * NS_PER_MS)) != ERR_OK)
            break; /* the file is removed as an orphan at the next start */
    upload_free(upload);
}

/*
 * End an upload that was not committed. Never suspends: its file is removed by a fiber of its own; after a failed sync the next
 * process does it, which knows whether the message counts (I5).
 */
static void
upload_discard(struct upload *upload)
{
    if (upload->file == NULL || upload->queue->committer.is_failed ||
        fiber_group_spawn(&upload->queue->in_hand, "queue.discard", discard_main, upload) != ERR_OK)
        upload_free(upload);
}

static void
uploads_remove(struct uploads *uploads, struct upload *upload)
{
    map_remove(&uploads->by_number, span_of(&upload->number, sizeof(upload->number)));
}

static void
on_edge_closed(struct ipc_peer *peer)
{
    struct uploads *uploads = peer->state;
    struct map_cursor cursor;
    void *value;
    map_walk(&uploads->by_number, &cursor);
    while (map_next(&uploads->by_number, &cursor, NULL, &value))
        upload_discard(value); /* no call works on it any more: the peer outlives its calls */
    map_done(&uploads->by_number);
    free(uploads);
    peer->state = NULL;
}

/* --- finding and making ------------------------------------------------------------------------------------------- */

static struct uploads *
uploads_of(struct queue *queue, struct ipc_peer *peer)
{
    if (peer->state != NULL)
        return peer->state;
    struct uploads *uploads = malloc(sizeof(*uploads));
    if (uploads == NULL)
        return NULL;
    uint64_t seed[2];
    rt_random(queue->rt, seed, sizeof(seed));
    *uploads = (struct uploads){.queue = queue};
    map_init(&uploads->by_number, UPLOADS_PER_EDGE_MAX, seed);
    peer->state = uploads;
    peer->on_closed = on_edge_closed;
    return uploads;
}

static struct upload *
upload_find(struct uploads *uploads, uint64_t number)
{
    return map_get(&uploads->by_number, span_of(&number, sizeof(number)));
}

static struct upload *
upload_new(struct uploads *uploads, uint64_t number, struct span id)
{
    if (number == 0 || id.len != MESSAGE_ID_BYTES)
        return NULL;
    struct upload *upload = calloc(1, sizeof(*upload));
    if (upload == NULL)
        return NULL;
    upload->number = number;
    upload->queue = uploads->queue;
    upload->id = message_id_decode(id.data);
    buf_init(&upload->envelope, ENVELOPE_BYTES_MAX);
    buf_init(&upload->header, UPLOAD_HEADER_MAX);
    buf_init(&upload->body, SPOOL_BODY_FILE_BYTES + IPC_MESSAGE_CHUNK_DATA_MAX);
    void *old;
    if (map_put(&uploads->by_number, span_of(&upload->number, sizeof(number)), upload, &old) != ERR_OK) {
        upload_free(upload);
        return NULL;
    }
    return upload;
}

/* --- pieces ------------------------------------------------------------------------------------------------------- */

static enum commit_result
result_of(enum err e)
{
    switch (e) {
    case ERR_OK: return COMMIT_DURABLE;
    case ERR_FULL: return COMMIT_FULL;
    case ERR_LIMIT: return COMMIT_FULL;
    case ERR_AGAIN:
    case ERR_TIMEOUT: return COMMIT_BUSY;
    case ERR_CANCELED:
    case ERR_CLOSED:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_SYNTAX:
    case ERR_DENIED:
    case ERR_DAMAGED:
    case ERR_PROTOCOL:
    case ERR_IO: return COMMIT_FAULT;
    }
    return COMMIT_FAULT;
}

static enum err
keep_in_memory(struct queue *queue, struct buf *part, struct span data)
{
    if (data.len > QUEUE_UPLOAD_BYTES_MAX - queue->upload_bytes)
        return ERR_LIMIT;
    TRY(buf_append(part, data));
    queue->upload_bytes += data.len;
    return ERR_OK;
}

static enum err
run_body_job(struct fiber *f, struct upload *upload, void (*job)(void *), struct span data)
{
    spool_body_stage(upload->file, data);
    TRY(rt_pool_run(f, job, upload->file));
    return spool_body_status(upload->file);
}

/* Move the body so far into a file of its own. */
static enum err
begin_file(struct fiber *f, struct upload *upload)
{
    struct queue *queue = upload->queue;
    TRY(spool_body_new(queue->spool, upload->id, &upload->file));
    TRY(run_body_job(f, upload, spool_body_append, buf_span(&upload->body)));
    queue->upload_bytes -= upload->body.len;
    buf_done(&upload->body);
    return ERR_OK;
}

static enum err
add_body(struct fiber *f, struct upload *upload, struct span data)
{
    if (upload->file != NULL)
        return run_body_job(f, upload, spool_body_append, data);
    TRY(keep_in_memory(upload->queue, &upload->body, data));
    return upload->body.len >= SPOOL_BODY_FILE_BYTES ? begin_file(f, upload) : ERR_OK;
}

static enum err
add_part(struct fiber *f, struct upload *upload, enum message_part part, struct span data)
{
    switch (part) {
    case MESSAGE_PART_ENVELOPE: return keep_in_memory(upload->queue, &upload->envelope, data);
    case MESSAGE_PART_HEADER: return keep_in_memory(upload->queue, &upload->header, data);
    case MESSAGE_PART_BODY: return add_body(f, upload, data);
    }
    return ERR_PROTOCOL;
}

void
queue_on_message_chunk(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_chunk *request,
                       struct arena *mem, struct ipc_message_chunk_reply *ret)
{
    (void)mem;
    struct queue *queue = ctx;
    struct uploads *uploads = uploads_of(queue, from);
    ret->result = COMMIT_FAULT;
    if (uploads == NULL || queue->is_draining)
        return;
    struct upload *upload = upload_find(uploads, request->upload);
    if (upload == NULL)
        upload = upload_new(uploads, request->upload, request->id);
    if (upload == NULL || upload->is_busy)
        return;
    upload->is_busy = true;
    enum err e = queue->is_low_on_space ? ERR_FULL : add_part(f, upload, (enum message_part)request->part, request->data);
    upload->is_busy = false;
    ret->result = (uint8_t)result_of(e);
    if (e != ERR_OK || upload->is_dead) {
        uploads_remove(uploads, upload);
        upload_discard(upload);
    }
}

void
queue_on_message_abort(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_abort *message,
                       struct arena *mem)
{
    (void)f;
    (void)mem;
    struct uploads *uploads = uploads_of(ctx, from);
    struct upload *upload = uploads == NULL ? NULL : upload_find(uploads, message->upload);
    if (upload == NULL)
        return;
    if (upload->is_busy) {
        upload->is_dead = true;
        return;
    }
    uploads_remove(uploads, upload);
    upload_discard(upload);
}

/* --- commit ------------------------------------------------------------------------------------------------------- */

/* The backlog slows intake: past backlog-slow the 250 comes later, past backlog-max there is none. */
static enum err
wait_for_backlog(struct fiber *f, struct queue *queue)
{
    const struct config_spool *config = &queue->env->config->spool;
    uint64_t slow = config->backlog_slow.value, most = config->backlog_max.value;
    uint64_t backlog = queue->schedule.ready_count;
    if (backlog >= most) {
        log_write(queue->log, LOG_INTAKE_SLOWED, LOG_U64(KEY_COUNT, backlog), LOG_POS(KEY_RULE, config->backlog_max.pos));
        return ERR_AGAIN;
    }
    if (backlog <= slow)
        return ERR_OK;
    uint64_t delay_ms = 1 + SLOW_STEP_MAX_MS * (backlog - slow) / (most > slow ? most - slow : 1);
    return fiber_sleep(f, deadline_in(queue->rt, (int64_t)delay_ms * NS_PER_MS));
}

/* What one commit consists of. */
struct incoming {
    struct span envelope;
    struct span header;
    struct span body;
    struct spool_body *file;
    struct message_id id;
};

/* Sync a body file, at most LARGE_SYNCS_AT_ONCE of them at a time. A failed sync is the end of the process (I5). */
static enum err
finish_file(struct fiber *f, struct queue *queue, struct spool_body *file)
{
    TRY(semaphore_take(f, DEADLINE_NEVER, &queue->large_syncs));
    enum err e = rt_pool_run(f, spool_body_finish, file);
    semaphore_give(&queue->large_syncs);
    if (e == ERR_OK)
        e = spool_body_status(file);
    if (e == ERR_IO)
        committer_fail(&queue->committer);
    return e;
}

static enum err
make_durable(struct fiber *f, struct queue *queue, const struct incoming *in)
{
    if (in->file != NULL)
        TRY(finish_file(f, queue, in->file));
    const struct span content[] = {in->header, in->body};
    const struct spool_op ops[] = {
        {.verb = SPOOL_PUT_CONTENT, .id = in->id, .parts = content, .part_count = 2, .body = in->file},
        {.verb = SPOOL_PUT_STATE, .id = in->id, .parts = &in->envelope, .part_count = 1},
    };
    struct deadline by = deadline_in(queue->rt, config_duration_ns(queue->env->config->limits.commit_timeout_ms));
    return committer_commit(f, by, &queue->committer, SPOOL_USE_ACCEPT, ops, ARRAY_LEN(ops));
}

static enum err
accept_message(struct fiber *f, struct queue *queue, const struct incoming *in)
{
    if (queue->is_draining || queue->committer.is_failed)
        return ERR_AGAIN;
    if (queue->is_low_on_space)
        return ERR_FULL;
    TRY(wait_for_backlog(f, queue));
    TRY(make_durable(f, queue, in));
    queue->accepted++;
    struct queued *q = schedule_add(&queue->schedule, in->id);
    if (q == NULL) /* it is durable and is found again at the next start; say so, do not lose the 250 */
        log_write(queue->log, LOG_OUT_OF_MEMORY, LOG_ID(KEY_ID, in->id), LOG_CSTR(KEY_PHASE, "schedule"));
    else if (in->file == NULL)
        q->fresh = fresh_message_new(&queue->fresh, in->envelope, in->header, in->body);
    cond_signal(&queue->work);
    return ERR_OK;
}

/*
 * Whether a recipient is as an edge may bring one: its address and what the client said of it. Where it goes, how often it was tried
 * and what came of it is said by this process alone; and what local could not be told would be in the way for ever.
 */
static bool
is_new_recipient(const struct envelope_recipient *r)
{
    return r->state == RECIPIENT_PENDING && r->target == TARGET_UNEXPANDED && r->depth == 0 && r->attempts == 0 &&
           r->next_attempt_us == 0 && span_is_empty(r->original) && span_is_empty(r->target_name) &&
           span_is_empty(r->target_detail) && span_is_empty(r->list_sender) && span_is_empty(r->status) &&
           span_is_empty(r->reason) && !span_is_empty(r->address) &&
           r->address.len <= IPC_RECIPIENT_EXPAND_LOCAL_PART_MAX &&
           r->orcpt.len <= IPC_DELIVER_ORIGINAL_MAX;
}

static bool
is_new_envelope(const struct envelope *e)
{
    for (size_t i = 0; i < e->recipient_count; i++)
        if (!is_new_recipient(&e->recipients[i]))
            return false;
    return e->recipient_count > 0 && !message_id_is_none(e->id) && e->arrival_us >= 0 &&
           e->sender.len <= IPC_DELIVER_SENDER_MAX && e->envid.len <= IPC_DELIVER_ENVID_MAX &&
           e->client_address.len <= IPC_DELIVER_CLIENT_ADDRESS_MAX && e->trail.len <= TRAIL_BYTES_MAX;
}

/*
 * Read the envelope only to know that it can be read again, whose it is, and that all of its content is here: the first pieces of
 * an upload may have gone to a queue process that has died since.
 */
static enum err
check_envelope(struct span bytes, uint64_t content_bytes, struct message_id *ret_id)
{
    struct arena decoded;
    arena_init(&decoded, QUEUE_ENVELOPE_MEMORY_MAX);
    struct envelope envelope;
    enum err e = envelope_decode(bytes, &decoded, &envelope);
    if (e == ERR_OK && (!is_new_envelope(&envelope) || envelope.size_bytes != content_bytes))
        e = ERR_PROTOCOL;
    if (e == ERR_OK)
        *ret_id = envelope.id;
    arena_clear(&decoded);
    return e;
}

/* A message that came whole. */
static enum err
commit_whole(struct fiber *f, struct queue *queue, const struct ipc_message_commit *request)
{
    struct incoming in = {.envelope = request->envelope, .header = request->header, .body = request->body};
    TRY(check_envelope(request->envelope, in.header.len + in.body.len, &in.id));
    return accept_message(f, queue, &in);
}

/* The rest of a message that came in pieces. */
static enum err
commit_upload(struct fiber *f, struct upload *upload, const struct ipc_message_commit *request)
{
    struct queue *queue = upload->queue;
    TRY(keep_in_memory(queue, &upload->envelope, request->envelope));
    TRY(keep_in_memory(queue, &upload->header, request->header));
    TRY(add_body(f, upload, request->body));
    const struct incoming in = {.envelope = buf_span(&upload->envelope),
                                .header = buf_span(&upload->header),
                                .body = buf_span(&upload->body),
                                .file = upload->file,
                                .id = upload->id};
    struct message_id id;
    uint64_t body_bytes = in.file != NULL ? spool_body_bytes(in.file) : in.body.len;
    TRY(check_envelope(in.envelope, in.header.len + body_bytes, &id));
    return message_id_equal(id, in.id) ? accept_message(f, queue, &in) : ERR_PROTOCOL;
}

void
queue_on_message_commit(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_commit *request,
                        struct arena *mem, struct ipc_message_commit_reply *ret)
{
    (void)mem;
    struct queue *queue = ctx;
    enum err e = ERR_PROTOCOL;
    queue->commits++;
    if (request->upload == 0) {
        e = commit_whole(f, queue, request);
    } else {
        struct uploads *uploads = uploads_of(queue, from);
        struct upload *upload = uploads == NULL ? NULL : upload_find(uploads, request->upload);
        if (upload != NULL && !upload->is_busy) {
            upload->is_busy = true;
            e = commit_upload(f, upload, request);
            uploads_remove(uploads, upload);
            if (e == ERR_OK)
                upload_free(upload);
            else
                upload_discard(upload);
        }
    }
    if (--queue->commits == 0)
        cond_broadcast(&queue->drained);
    ret->result = (uint8_t)result_of(e);
    if (e != ERR_OK) {
        queue->refused++;
        log_write(queue->log, LOG_COMMIT_FAILED, LOG_ERR(KEY_ERROR, e));
    }
}
