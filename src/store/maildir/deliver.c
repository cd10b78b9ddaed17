/*
 * deliver.c - a batch of deliveries: write and sync each in tmp/, rename each into new/, sync each directory once. D1
 * to D4.
 *
 * The steps are done for all deliveries of the batch before the next, so that they share directory syncs; a delivery
 * that failed drops out of the later ones. What it left in tmp/ is removed; what cannot be removed readers clean up
 * after 36 hours.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/maildir/content.h"
#include "store/maildir/quota.h"

/* A mailbox of the batch, opened once. */
struct box {
    const char *path;
    struct disk_dir *dir;
    struct disk_dir *new_dir;
    struct disk_dir *tmp_dir;  /* NULL until something is written */
    uint64_t inode;
    bool is_created;           /* by us, just now */
    bool has_usage;
    bool is_renamed_into;      /* new_dir has entries to sync */
    struct maildir_usage usage;
};

/* A delivery under way. */
struct item {
    struct maildir_delivery *d;
    struct box *box;
    struct disk_file *file;                       /* in tmp/, open until it is synced */
    char new_name[MAILDIR_NAME_MAX + 64];         /* in tmp/ it is d->name */
    bool is_in_tmp;
    bool is_live;                                 /* neither failed nor refused */
};

struct batch {
    struct disk *disk;
    struct disk_dir *root;
    struct box boxes[MAILDIR_BATCH_MAX];
    size_t box_count;
    struct item items[MAILDIR_BATCH_MAX];
    size_t count;
};

static void
item_fail(struct item *item, const char *step, enum err e)
{
    item->d->ret_error = e;
    item->d->ret_step = step;
    item->is_live = false;
}

static void
item_refuse(struct item *item, enum maildir_outcome outcome)
{
    item->d->ret_outcome = outcome;
    item->is_live = false;
}

/* --- mailboxes --- */

static enum err
dir_make(struct disk_dir *base, const char *name, bool *ret_is_created)
{
    enum err e = disk_mkdir(base, name);
    if (e == ERR_EXISTS)
        return ERR_OK;
    if (e == ERR_OK)
        *ret_is_created = true;
    return e;
}

/* The part of a mailbox path before its '/', with a NUL. */
static void
domain_of(const char *path, char ret[MAILDIR_PATH_MAX])
{
    size_t len = strcspn(path, "/");
    ASSERT(len < MAILDIR_PATH_MAX);
    memcpy(ret, path, len);
    ret[len] = '\0';
}

static enum err
box_open_dir(struct batch *b, struct box *box)
{
    enum err e = disk_dir_open(b->disk, b->root, box->path, &box->dir);
    if (e != ERR_NOT_FOUND)
        return e;
    char domain[MAILDIR_PATH_MAX];
    domain_of(box->path, domain);
    TRY(dir_make(b->root, domain, &box->is_created));
    TRY(dir_make(b->root, box->path, &box->is_created));
    return disk_dir_open(b->disk, b->root, box->path, &box->dir);
}

/* new/ comes last, so that where it is the others are, unless somebody took them away. */
static enum err
box_make_parts(struct box *box)
{
    TRY(dir_make(box->dir, "cur", &box->is_created));
    TRY(dir_make(box->dir, "tmp", &box->is_created));
    return dir_make(box->dir, "new", &box->is_created);
}

static enum err
box_open(struct batch *b, struct box *box)
{
    struct disk_stat st;
    TRY(box_open_dir(b, box));
    TRY(disk_stat_name(b->root, box->path, &st));
    box->inode = st.inode;
    enum err e = disk_dir_open(b->disk, box->dir, "new", &box->new_dir);
    if (e != ERR_NOT_FOUND)
        return e;
    TRY(box_make_parts(box));
    return disk_dir_open(b->disk, box->dir, "new", &box->new_dir);
}

static void
box_close(struct box *box)
{
    disk_dir_close(box->tmp_dir);
    disk_dir_close(box->new_dir);
    disk_dir_close(box->dir);
    box->tmp_dir = box->new_dir = box->dir = NULL;
}

/* The opened mailbox of a delivery; NULL with *ret_error when it cannot be opened. */
static struct box *
box_find(struct batch *b, const char *path, enum err *ret_error)
{
    for (size_t i = 0; i < b->box_count; i++)
        if (strcmp(b->boxes[i].path, path) == 0)
            return &b->boxes[i];
    struct box *box = &b->boxes[b->box_count];
    *box = (struct box){.path = path};
    enum err e = box_open(b, box);
    if (e != ERR_OK) {
        box_close(box);
        *ret_error = e;
        return NULL;
    }
    b->box_count++;
    return box;
}

/* Make durable what leads from the root to new/. */
static enum err
box_sync_path(struct batch *b, struct box *box)
{
    char domain[MAILDIR_PATH_MAX];
    domain_of(box->path, domain);
    struct disk_dir *dir;
    TRY(disk_dir_sync(box->dir));
    TRY(disk_dir_open(b->disk, b->root, domain, &dir));
    enum err e = disk_dir_sync(dir);
    disk_dir_close(dir);
    if (e != ERR_OK)
        return e;
    return disk_dir_sync(b->root);
}

/* --- one delivery: judge it and write its file --- */

/* Octets on their way into a file; small pieces are gathered, so that a small message is one write. */
struct file_sink {
    struct disk_file *file;
    uint64_t offset;
    struct buf pending; /* owned */
};

static enum err
file_sink_flush(struct file_sink *sink)
{
    struct span octets = buf_span(&sink->pending);
    if (span_is_empty(octets))
        return ERR_OK;
    TRY(disk_pwrite(sink->file, sink->offset, octets));
    sink->offset += octets.len;
    buf_clear(&sink->pending);
    return ERR_OK;
}

static enum err
file_sink_write(void *ctx, struct span octets)
{
    struct file_sink *sink = ctx;
    if (octets.len > sink->pending.cap - sink->pending.len)
        TRY(file_sink_flush(sink));
    if (octets.len <= sink->pending.cap)
        return buf_append(&sink->pending, octets);
    TRY(disk_pwrite(sink->file, sink->offset, octets));
    sink->offset += octets.len;
    return ERR_OK;
}

static enum err
file_write(struct disk_file *file, const struct maildir_content *content)
{
    struct file_sink sink = {.file = file};
    buf_init(&sink.pending, MAILDIR_CHUNK_BYTES);
    enum err e = maildir_content_write(content, file_sink_write, &sink);
    if (e == ERR_OK)
        e = file_sink_flush(&sink);
    buf_done(&sink.pending);
    ASSERT(e != ERR_OK || sink.offset == content->size_bytes);
    return e;
}

/* Whether the message may be added to the mailbox; an error when its size cannot be found out. */
static enum err
quota_eval(struct batch *b, struct item *item, uint64_t size_bytes, enum maildir_outcome *ret)
{
    struct maildir_quota quota = {item->d->quota_bytes, size_bytes};
    struct box *box = item->box;
    enum maildir_outcome outcome = MAILDIR_DELIVERED;
    if (quota.limit_bytes > 0 && size_bytes > quota.limit_bytes) {
        outcome = MAILDIR_TOO_BIG;
    } else if (quota.limit_bytes > 0) {
        if (!box->has_usage)
            TRY(maildir_usage_load(b->disk, box->dir, quota, item->d->now_us, item->d->name, &box->usage));
        box->has_usage = true;
        if ((uint64_t)box->usage.bytes + size_bytes > quota.limit_bytes)
            outcome = MAILDIR_OVER_QUOTA;
        else
            box->usage.bytes += (int64_t)size_bytes;
    }
    *ret = outcome;
    return ERR_OK;
}

/* Open tmp/ once for the batch; make it when it is missing. */
static enum err
box_open_tmp(struct batch *b, struct box *box)
{
    if (box->tmp_dir != NULL)
        return ERR_OK;
    enum err e = disk_dir_open(b->disk, box->dir, "tmp", &box->tmp_dir);
    if (e != ERR_NOT_FOUND)
        return e;
    TRY(box_make_parts(box));
    return disk_dir_open(b->disk, box->dir, "tmp", &box->tmp_dir);
}

static enum err
tmp_open(struct batch *b, struct item *item)
{
    struct box *box = item->box;
    TRY(box_open_tmp(b, box));
    return disk_open(box->tmp_dir, item->d->name, DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &item->file);
}

static void
tmp_write(struct batch *b, struct item *item, const struct maildir_content *content)
{
    snprintf(item->new_name, sizeof(item->new_name), "%s,S=%llu,W=%llu", item->d->name,
             (unsigned long long)content->size_bytes, (unsigned long long)content->virtual_bytes);
    enum err e = tmp_open(b, item);
    if (e != ERR_OK) {
        item_fail(item, "create", e);
        return;
    }
    item->is_in_tmp = true;
    e = file_write(item->file, content);
    if (e != ERR_OK)
        item_fail(item, "write", e);
    else if (b->count > 1)
        disk_start_sync(item->file);
}

static void
item_prepare(struct batch *b, struct item *item)
{
    struct maildir_delivery *d = item->d;
    struct maildir_content content;
    enum maildir_outcome outcome = MAILDIR_DELIVERED;
    enum err e = maildir_content_open(d, &content);
    if (e != ERR_OK) {
        item_fail(item, "read", e);
        return;
    }
    d->ret_size_bytes = content.size_bytes;
    if (content.is_loop)
        item_refuse(item, MAILDIR_LOOP);
    else if ((item->box = box_find(b, d->mailbox, &e)) == NULL)
        item_fail(item, "open", e);
    else if ((e = quota_eval(b, item, content.size_bytes, &outcome)) != ERR_OK)
        item_fail(item, "quota", e);
    else if (outcome != MAILDIR_DELIVERED)
        item_refuse(item, outcome);
    else
        tmp_write(b, item, &content);
    maildir_content_done(&content);
}

/* --- the later steps --- */

static void
item_sync(struct item *item)
{
    enum err e = disk_sync_data(item->file);
    disk_close(item->file);
    item->file = NULL;
    if (e != ERR_OK)
        item_fail(item, "sync", e);
}

static void
item_rename(struct item *item)
{
    enum err e = disk_rename(item->box->tmp_dir, item->d->name, item->box->new_dir, item->new_name);
    if (e != ERR_OK) {
        item_fail(item, "rename", e);
        return;
    }
    item->is_in_tmp = false;
    item->box->is_renamed_into = true;
}

static bool
box_is_durable(const struct batch *b, const struct box *box)
{
    if (box->is_created)
        return false;
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].box == box && b->items[i].d->durable_inode == box->inode)
            return true;
    return false;
}

/* Sync the directories of one mailbox; deliveries into it are done, or all of them failed. */
static void
box_finish(struct batch *b, struct box *box)
{
    if (!box->is_renamed_into)
        return;
    enum err e = disk_dir_sync(box->new_dir);
    if (e == ERR_OK && !box_is_durable(b, box))
        e = box_sync_path(b, box);
    struct maildir_usage added = {0, 0};
    for (size_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];
        if (item->box != box || !item->is_live)
            continue;
        /* The file is in the mailbox either way, so it counts. */
        added.bytes += (int64_t)item->d->ret_size_bytes;
        added.count++;
        if (e != ERR_OK)
            item_fail(item, "sync directory", e);
        else
            item->d->ret_inode = box->inode;
    }
    maildir_usage_add(box->dir, added);
}

static void
item_clean(struct item *item)
{
    disk_close(item->file);
    item->file = NULL;
    if (item->is_in_tmp && disk_unlink(item->box->tmp_dir, item->d->name) == ERR_OK)
        item->is_in_tmp = false;
}

static void
batch_run(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        item_prepare(b, &b->items[i]);
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].is_live)
            item_sync(&b->items[i]);
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].is_live)
            item_rename(&b->items[i]);
    for (size_t i = 0; i < b->box_count; i++)
        box_finish(b, &b->boxes[i]);
    for (size_t i = 0; i < b->count; i++)
        item_clean(&b->items[i]);
    for (size_t i = 0; i < b->box_count; i++)
        box_close(&b->boxes[i]);
}

/* Paths and names of our own making only: at most one '/' in a path, none in a name, no component begins with '.'. */
static bool
names_are_safe(const struct maildir_delivery *d)
{
    const char *slash = strchr(d->mailbox, '/');
    const char *last = slash == NULL ? d->mailbox : slash + 1;
    return d->mailbox[0] != '.' && d->mailbox[0] != '/' && last[0] != '.' && last[0] != '\0' &&
           strchr(last, '/') == NULL && strlen(d->mailbox) < MAILDIR_PATH_MAX && d->name[0] != '\0' &&
           d->name[0] != '.' && strchr(d->name, '/') == NULL && strlen(d->name) < MAILDIR_NAME_MAX;
}

void
maildir_deliver(struct disk *disk, struct disk_dir *root, struct maildir_delivery *deliveries, size_t count)
{
    ASSERT(count <= MAILDIR_BATCH_MAX);
    struct batch *b = malloc(sizeof(*b));
    for (size_t i = 0; i < count; i++) {
        struct maildir_delivery *d = &deliveries[i];
        d->ret_error = b == NULL ? ERR_LIMIT : names_are_safe(d) ? ERR_OK : ERR_SYNTAX;
        d->ret_outcome = MAILDIR_DELIVERED;
        d->ret_step = "open";
        d->ret_inode = 0;
        d->ret_size_bytes = 0;
    }
    if (b == NULL)
        return;
    *b = (struct batch){.disk = disk, .root = root};
    for (size_t i = 0; i < count; i++)
        if (deliveries[i].ret_error == ERR_OK)
            b->items[b->count++] = (struct item){.d = &deliveries[i], .is_live = true};
    batch_run(b);
    free(b);
}
