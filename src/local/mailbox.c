/*
 * mailbox.c - deliveries into Maildirs: gathered, written in the pool, answered one by one.
 *
 * LOCAL_WRITERS fibers take from one list what waits, an equal share each, and run it as one job, so that a lone
 * delivery starts at once and a crowd shares its directory syncs. Each writer has a handle of the mail directory of its
 * own. Which mailboxes were made durable by this process is remembered by path and inode: their way from the mail
 * directory down is not synced again.
 */
#include <stdlib.h>

#include "local/local_state.h"
#include "store/message_id.h"
#include "text/escape.h"

/* A mailbox whose path is known to be durable. */
struct durable_mailbox {
    uint64_t inode;
    size_t len;
    uint8_t path[MAILDIR_PATH_MAX];
};

/* --- what is known to be durable --- */

static uint64_t
durable_get(const struct local *local, const char *path)
{
    const struct durable_mailbox *m = map_get(&local->durable, span_from_cstr(path));
    return m == NULL ? 0 : m->inode;
}

static void
durable_forget(struct local *local)
{
    struct map_cursor cursor;
    void *value;
    map_walk(&local->durable, &cursor);
    while (map_next(&local->durable, &cursor, NULL, &value))
        free(value);
    map_done(&local->durable);
}

static void
durable_put(struct local *local, const char *path, uint64_t inode)
{
    struct span key = span_from_cstr(path);
    struct durable_mailbox *m = map_get(&local->durable, key);
    if (m != NULL) {
        m->inode = inode;
        return;
    }
    if (local->durable.count >= LOCAL_DURABLE_MAX)
        durable_forget(local);
    m = malloc(sizeof(*m));
    if (m == NULL)
        return; /* costs syncs, nothing else */
    m->inode = inode;
    m->len = key.len;
    memcpy(m->path, key.data, key.len);
    if (map_put(&local->durable, span_of(m->path, m->len), m, NULL) != ERR_OK)
        free(m);
}

/* --- writers --- */

/* One job of one writer. */
struct write_job {
    struct disk *disk;
    struct disk_dir *data_dir; /* borrowed, to open `root` once */
    struct disk_dir *root;     /* owned by the writer */
    struct maildir_delivery deliveries[MAILDIR_BATCH_MAX];
    size_t count;
};

static void
write_run(void *arg)
{
    struct write_job *job = arg;
    enum err e = ERR_OK;
    if (job->root == NULL)
        e = disk_dir_open(job->disk, job->data_dir, ".", &job->root);
    if (e == ERR_OK) {
        maildir_deliver(job->disk, job->root, job->deliveries, job->count);
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        job->deliveries[i].ret_error = e;
        job->deliveries[i].ret_step = "open";
    }
}

/* Whether a writer has the mailbox now and it has a quota: two at once would each find room that is there once. */
static bool
is_being_filled(const struct local *local, const struct maildir_delivery *delivery)
{
    if (delivery->quota_bytes == 0)
        return false;
    for (size_t i = 0; i < LOCAL_WRITERS; i++)
        for (size_t k = 0; k < local->jobs[i]->count; k++)
            if (strcmp(local->jobs[i]->deliveries[k].mailbox, delivery->mailbox) == 0)
                return true;
    return false;
}

/* Take a fair share of what waits and may be written; whatever waits when `is_last`. Returns how many. */
static size_t
share_take(struct local *local, bool is_last, struct mailbox_item *items[MAILDIR_BATCH_MAX])
{
    size_t takers = local->writers_idle + 1;
    size_t share = (local->waiting_count + takers - 1) / takers, count = 0;
    if (share > MAILDIR_BATCH_MAX)
        share = MAILDIR_BATCH_MAX;
    LIST_FOR_EACH(node, &local->waiting) {
        struct mailbox_item *item = CONTAINER_OF(node, struct mailbox_item, node);
        if (count == share)
            break;
        if (!is_last && is_being_filled(local, &item->maildir))
            continue;
        list_unlink(node);
        items[count++] = item;
        local->waiting_count--;
    }
    return count;
}

/* Run one batch and wake those who wait for it. False when nothing that waits may be written now. */
static bool
batch_write(struct fiber *f, struct local *local, struct write_job *job)
{
    struct mailbox_item *items[MAILDIR_BATCH_MAX];
    size_t count = share_take(local, fiber_is_canceled(f), items);
    if (count == 0)
        return false;
    for (size_t i = 0; i < count; i++)
        job->deliveries[i] = items[i]->maildir;
    job->count = count;
    enum err e = rt_pool_run(f, write_run, job);
    local->batches++;
    for (size_t i = 0; i < job->count; i++) {
        items[i]->maildir = job->deliveries[i];
        if (e != ERR_OK) {
            items[i]->maildir.ret_error = e;
            items[i]->maildir.ret_step = "start";
        }
        fiber_unpark(items[i]->waiter, ERR_OK);
    }
    job->count = 0;
    if (local->waiting_count > 0)
        cond_broadcast(&local->work); /* for those who waited for a mailbox of this batch */
    return true;
}

enum err
local_mailboxes_init(struct local *local)
{
    for (size_t i = 0; i < LOCAL_WRITERS; i++) {
        struct write_job *job = calloc(1, sizeof(*job));
        if (job == NULL)
            return ERR_LIMIT;
        job->disk = rt_disk(local->rt);
        job->data_dir = local->env->data_dir;
        local->jobs[i] = job;
    }
    return ERR_OK;
}

void
local_mailboxes_done(struct local *local)
{
    for (size_t i = 0; i < LOCAL_WRITERS; i++) {
        if (local->jobs[i] != NULL)
            disk_dir_close(local->jobs[i]->root);
        free(local->jobs[i]);
        local->jobs[i] = NULL;
    }
    durable_forget(local);
}

void
local_writer_run(struct fiber *f, void *arg)
{
    struct local *local = arg;
    struct write_job *job = local->jobs[local->writers_begun++];
    for (;;) {
        if (local->waiting_count > 0 && batch_write(f, local, job))
            continue;
        if (local->is_ending && local->waiting_count == 0)
            break;
        local->writers_idle++;
        enum err e = cond_wait(f, DEADLINE_NEVER, &local->work);
        local->writers_idle--;
        if (e == ERR_CANCELED && local->waiting_count == 0)
            break;
    }
}

/* --- one delivery --- */

/* Put it before the writers and wait: deaf to cancellation, its memory is in their hands. */
static void
item_run(struct fiber *f, struct local *local, struct mailbox_item *item)
{
    item->waiter = f;
    list_append(&local->waiting, &item->node);
    local->waiting_count++;
    cond_signal(&local->work);
    (void)fiber_park_uncancelable(f);
}

/* The address in "rfc822;alice@example.org", the form of ORCPT (RFC 3461 §4.2); any other text as it is. */
static struct span
original_address(struct span original)
{
    struct span type, address;
    if (span_cut(original, ';', &type, &address) &&
        (span_equal_nocase(type, SPAN("rfc822")) || span_equal_nocase(type, SPAN("utf-8"))))
        return address;
    return original;
}

static void
verdict_from_error(struct delivery *d, const struct maildir_delivery *m)
{
    struct delivery_verdict *v = &d->verdict;
    if (m->ret_error == ERR_FULL)
        verdict_set(v, DELIVERY_DEFERRED, "4.3.1", "the disk of the mailboxes is full");
    else if (m->ret_error == ERR_SYNTAX)
        verdict_set(v, DELIVERY_FAILED, "5.1.3", "an address of the message cannot stand in a header field");
    else
        verdict_set(v, DELIVERY_DEFERRED, m->ret_error == ERR_DENIED ? "4.2.0" : "4.3.0",
                    "the mailbox cannot be written (%s: %s)", m->ret_step, err_name(m->ret_error));
}

static void
verdict_from_outcome(struct delivery *d, const struct maildir_delivery *m)
{
    struct delivery_verdict *v = &d->verdict;
    switch (m->ret_outcome) {
    case MAILDIR_DELIVERED:
        verdict_set(v, DELIVERY_DONE, "2.0.0", "delivered to mailbox %s", m->mailbox);
        return;
    case MAILDIR_LOOP:
        verdict_set(v, DELIVERY_FAILED, "5.4.6", "mail loop: the message was delivered to this address before");
        return;
    case MAILDIR_OVER_QUOTA:
        verdict_set(v, DELIVERY_DEFERRED, "4.2.2", "the mailbox is full");
        return;
    case MAILDIR_TOO_BIG:
        verdict_set(v, DELIVERY_FAILED, "5.2.3", "the message is larger than the mailbox may hold");
        return;
    }
}

static void
delivery_log(struct delivery *d, const struct maildir_delivery *m)
{
    struct message_id id = {0};
    if (d->request->id.len == MESSAGE_ID_BYTES)
        id = message_id_decode(d->request->id.data);
    if (m->ret_error == ERR_OK && m->ret_outcome == MAILDIR_DELIVERED)
        log_write(d->local->log, LOG_MAILBOX_WRITTEN, LOG_ID(KEY_ID, id), LOG_CSTR(KEY_TARGET, m->mailbox),
                  LOG_U64(KEY_SIZE, m->ret_size_bytes));
    else if (m->ret_error != ERR_OK)
        log_write(d->local->log, LOG_MAILBOX_FAILED, LOG_ID(KEY_ID, id), LOG_CSTR(KEY_TARGET, m->mailbox),
                  LOG_ERR(KEY_ERROR, m->ret_error), LOG_CSTR(KEY_PHASE, m->ret_step));
}

void
local_deliver_mailbox(struct fiber *f, struct delivery *d)
{
    struct local *local = d->local;
    const struct ipc_deliver *request = d->request;
    struct mailbox_item item;
    if (maildir_path_format(request->name, item.path) != ERR_OK) {
        verdict_set(&d->verdict, DELIVERY_FAILED, "5.1.3", "the address cannot be the name of a mailbox");
        return;
    }
    maildir_name_next(&local->names, rt_wall_us(local->rt), item.name);
    item.maildir = (struct maildir_delivery){
        .mailbox = item.path,
        .name = item.name,
        .sender = request->sender,
        .recipient = request->recipient,
        .original = original_address(request->original),
        .content = request->content,
        .content_file = d->file,
        .quota_bytes = request->quota_bytes,
        .now_us = rt_wall_us(local->rt),
        .durable_inode = durable_get(local, item.path),
    };
    item_run(f, local, &item);
    delivery_log(d, &item.maildir);
    if (item.maildir.ret_error != ERR_OK) {
        verdict_from_error(d, &item.maildir);
        return;
    }
    if (item.maildir.ret_outcome == MAILDIR_DELIVERED)
        durable_put(local, item.path, item.maildir.ret_inode);
    verdict_from_outcome(d, &item.maildir);
}
