/* record.c - one message's records, read and written by fibers. */
#include "queue/queue_state.h"

enum err
queue_read(struct fiber *f, struct queue *queue, struct message_id id, enum spool_kind kind, struct spool_read *read)
{
    TRY(spool_read_prepare(queue->spool, id, kind, read));
    enum err e = rt_pool_run(f, spool_read_run, read);
    if (e == ERR_OK)
        e = read->status;
    if (e != ERR_OK)
        spool_read_done(read);
    return e;
}

/* Read a body file whole behind `head`, in a pool job. */
struct gather {
    struct disk *disk;
    struct span head;
    struct disk_file *body;
    uint64_t body_bytes;
    int file;
    enum err status;
};

static void
gather_run(void *arg)
{
    struct gather *gather = arg;
    struct buf whole;
    buf_init(&whole, gather->head.len + gather->body_bytes);
    gather->status = buf_append(&whole, gather->head);
    uint8_t *room = gather->status == ERR_OK ? buf_reserve(&whole, gather->body_bytes) : NULL;
    size_t n = 0;
    if (room == NULL)
        gather->status = ERR_LIMIT;
    else
        gather->status = disk_pread(gather->body, 0, room, gather->body_bytes, &n);
    if (gather->status == ERR_OK && n != gather->body_bytes)
        gather->status = ERR_DAMAGED;
    if (gather->status == ERR_OK) {
        buf_advance(&whole, n);
        gather->status = disk_memory_fd(gather->disk, buf_span(&whole), &gather->file);
    }
    buf_done(&whole);
}

enum err
queue_content_make(struct fiber *f, struct queue *queue, struct span whole, struct disk_file *body, uint64_t body_bytes,
                   struct queue_content *ret)
{
    struct disk *disk = rt_disk(queue->rt);
    struct queue_content content = {.file = -1};
    if (whole.len <= IPC_DELIVER_CONTENT_MAX) {
        content.head = whole;
        if (body != NULL)
            content.file = disk_file_reopen_read(body);
        if (body != NULL && content.file < 0)
            return ERR_LIMIT;
    } else if (body == NULL) {
        TRY(disk_memory_fd(disk, whole, &content.file));
    } else { /* a header block beyond 64 KiB before a large body: rare enough for a copy */
        struct gather gather = {.disk = disk, .head = whole, .body = body, .body_bytes = body_bytes, .file = -1};
        TRY(rt_pool_run(f, gather_run, &gather));
        TRY(gather.status);
        content.file = gather.file;
    }
    *ret = content;
    return ERR_OK;
}

/* Results are kept until they are durable, also when the disk is full only as they are written; given up, they would be repeated. */
static enum err
commit_result(struct fiber *f, struct queue *queue, const struct spool_op *op)
{
    for (;;) {
        enum err e = committer_commit(f, DEADLINE_NEVER, &queue->committer, SPOOL_USE_RESULT, op, 1);
        if (e != ERR_FULL)
            return e;
        enum err waited = cond_wait(f, deadline_in(queue->rt, NS_PER_S), &queue->committer.turned);
        if (waited == ERR_CANCELED)
            return e;
    }
}

enum err
queue_write_state(struct fiber *f, struct queue *queue, struct message_id id, const struct envelope *envelope)
{
    if (envelope == NULL) {
        const struct spool_op removal = {.verb = SPOOL_REMOVE, .id = id};
        return commit_result(f, queue, &removal);
    }
    struct buf state;
    buf_init(&state, ENVELOPE_BYTES_MAX);
    enum err e = envelope_encode(envelope, &state);
    if (e == ERR_OK) {
        const struct span part = buf_span(&state);
        const struct spool_op put = {.verb = SPOOL_PUT_STATE, .id = id, .parts = &part, .part_count = 1};
        e = commit_result(f, queue, &put);
    }
    buf_done(&state);
    return e;
}
