/*
 * body.c - bodies too large for segments: one file each below body/, named by message id.
 *
 * I1: the file and its directory entry are synced before the batch that refers to it is placed. A file no live content
 * refers to is an orphan: recovery removes it. I4: a dead one is removed once nobody is about to open it.
 */
#include "base/assert.h"
#include "store/spool/crc32c.h"
#include "store/spool/internal.h"

#include <stdlib.h>

struct spool_body {
    struct disk *disk;
    struct disk_dir *dir; /* of the spool, borrowed */
    struct message_id id;
    char name[MESSAGE_ID_TEXT + 1];
    struct disk_file *file; /* owned; NULL before the first append */
    struct span staged;
    uint64_t bytes;
    uint32_t crc;
    bool is_created;
    bool is_finished;
    enum err status;
};

enum err
spool_body_dir(struct disk *disk, struct disk_dir *dir, struct disk_dir **ret)
{
    return disk_dir_open(disk, dir, SPOOL_BODY_DIR, ret);
}

void
spool_body_name(struct message_id id, char name[MESSAGE_ID_TEXT + 1])
{
    message_id_format(id, name);
    name[MESSAGE_ID_TEXT] = '\0';
}

enum err
spool_body_new(struct spool *spool, struct message_id id, struct spool_body **ret)
{
    if (spool_index_find(&spool->index, id) != SPOOL_ENTRY_NONE)
        return ERR_EXISTS;
    struct spool_body *body = calloc(1, sizeof(*body));
    if (body == NULL)
        return ERR_LIMIT;
    *body = (struct spool_body){.disk = spool->disk, .dir = spool->dir, .id = id};
    spool_body_name(id, body->name);
    *ret = body;
    return ERR_OK;
}

void
spool_body_stage(struct spool_body *body, struct span data)
{
    ASSERT(!body->is_finished);
    body->staged = data;
}

static enum err
body_create(struct spool_body *body, struct disk_dir *bodies)
{
    if (body->file != NULL)
        return ERR_OK;
    TRY(disk_open(bodies, body->name, DISK_READ | DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &body->file));
    body->is_created = true;
    return ERR_OK;
}

static enum err
body_append(struct spool_body *body)
{
    if (body->file == NULL) {
        struct disk_dir *bodies;
        TRY(spool_body_dir(body->disk, body->dir, &bodies));
        enum err e = body_create(body, bodies);
        disk_dir_close(bodies);
        TRY(e);
    }
    TRY(disk_pwrite(body->file, body->bytes, body->staged));
    body->crc = crc32c_update(body->crc, body->staged);
    body->bytes += body->staged.len;
    return ERR_OK;
}

/* A failure that has a meaning of its own, or ERR_IO. */
static enum err
body_result(enum err e)
{
    return e == ERR_OK || e == ERR_FULL || e == ERR_EXISTS || e == ERR_LIMIT ? e : ERR_IO;
}

void
spool_body_append(void *arg)
{
    struct spool_body *body = arg;
    ASSERT(!body->is_finished);
    if (body->status == ERR_OK)
        body->status = body_result(body_append(body));
    body->staged = SPAN_EMPTY;
}

static enum err
body_finish(struct spool_body *body)
{
    struct disk_dir *bodies;
    TRY(spool_body_dir(body->disk, body->dir, &bodies));
    enum err e = body_create(body, bodies);
    if (e == ERR_OK && (spool_sync_data(body->file) != ERR_OK || spool_sync_dir(bodies) != ERR_OK))
        e = ERR_IO;
    disk_dir_close(bodies);
    return e;
}

void
spool_body_finish(void *arg)
{
    struct spool_body *body = arg;
    if (body->status == ERR_OK)
        body->status = body_result(body_finish(body));
    body->is_finished = body->status == ERR_OK;
}

enum err
spool_body_status(const struct spool_body *body)
{
    return body->status;
}

uint64_t
spool_body_bytes(const struct spool_body *body)
{
    return body->bytes;
}

void
spool_body_describe(const struct spool_body *body, struct message_id id, uint64_t *ret_bytes, uint32_t *ret_crc)
{
    ASSERT(body->is_finished && message_id_equal(body->id, id));
    *ret_bytes = body->bytes;
    *ret_crc = body->crc;
}

void
spool_body_discard(void *arg)
{
    struct spool_body *body = arg;
    disk_close(body->file);
    body->file = NULL;
    struct disk_dir *bodies;
    if (!body->is_created || spool_body_dir(body->disk, body->dir, &bodies) != ERR_OK)
        return;
    /* What cannot be removed now is an orphan for the next recovery. */
    enum err ignored = disk_unlink(bodies, body->name);
    (void)ignored;
    disk_dir_close(bodies);
}

void
spool_body_free(struct spool_body *body)
{
    if (body == NULL)
        return;
    disk_close(body->file);
    free(body);
}

void
spool_body_dead(struct spool *spool, struct message_id id)
{
    if (spool->dead_body_count == spool->dead_body_cap) {
        size_t cap = spool->dead_body_cap == 0 ? 16 : spool->dead_body_cap * 2;
        struct message_id *grown = realloc(spool->dead_bodies, cap * sizeof(*grown));
        if (grown == NULL)
            return;
        spool->dead_bodies = grown;
        spool->dead_body_cap = cap;
    }
    spool->dead_bodies[spool->dead_body_count++] = id;
}
