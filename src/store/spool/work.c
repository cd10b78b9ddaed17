/*
 * work.c - what keeps the log going: sealing what is full, new lives for segments, releasing what is dead, body files.
 *
 * One piece at a time; each is a few jobs with steps on the loop between them. The order of urgency is in
 * spool_work_take(). I4: a segment is released when nothing in it is live, it is sealed and nobody reads it. Its new
 * salt is on the disk before the records of its old life are counted off, for only then are removals that were kept
 * because of them superfluous.
 */
#include "base/assert.h"
#include "store/spool/internal.h"

#include <stdlib.h>

enum {
    PREWRITE_STEP_BYTES = 4 * 1024 * 1024,
    SURPLUS_SEGMENTS = 2, /* ready segments kept beyond what is wanted, so that files do not come and go */
    SLACK_SEGMENTS = 10,  /* "a few segments" of I4: active and ready ones, one being compacted */
};

static const int64_t RETRY_NS = INT64_C(5000000000);

static uint32_t
ready_wanted(const struct spool *spool)
{
    return SPOOL_READY_FOR_COMPACTION + SPOOL_READY_FOR_RESULTS + spool->options.spare_segments;
}

static struct spool_work *
work_new(struct spool *spool, enum spool_work_kind kind, struct spool_segment *segment)
{
    struct spool_work *work = calloc(1, sizeof(*work));
    if (work == NULL)
        return NULL;
    work->spool = spool;
    work->kind = kind;
    work->segment = segment;
    work->status = ERR_CANCELED;
    if (segment != NULL)
        segment->is_busy = true;
    spool->work = work;
    return work;
}

static void
work_free(struct spool_work *work)
{
    if (work->segment != NULL)
        work->segment->is_busy = false;
    work->spool->work = NULL;
    spool_segment_view_done(&work->view);
    spool_compaction_free(work->compaction);
    free(work);
}

/* --- choosing ----------------------------------------------------------------------------------------------------- */

/* The first segment in `state` that no work is about and `is_wanted`. */
static struct spool_segment *
segment_choose(struct spool *spool, enum spool_segment_state state, bool (*is_wanted)(const struct spool_segment *))
{
    for (uint32_t i = 0; i < spool->segment_cap; i++) {
        struct spool_segment *s = spool->segments[i];
        if (s != NULL && s->state == state && !s->is_busy && (is_wanted == NULL || is_wanted(s)))
            return s;
    }
    return NULL;
}

static bool
is_releasable(const struct spool_segment *s)
{
    return s->live_bytes == 0 && s->pins == 0 && !s->is_kept;
}

/*
 * I4: 60 s old in generation 0, or more than half dead. Very small records never fill half a segment with live bytes
 * (the table takes its part), so one of the oldest generation has to have lost an eighth of what it was filled with, or
 * copying it would not end.
 */
static bool
is_worth_copying(const struct spool *spool, const struct spool_segment *s)
{
    if (s->generation == 0 && spool->now_ns - s->ended_ns >= spool->options.compact_age_ns && !spool->is_disk_full)
        return true; /* on a full disk only what gains room */
    if (s->live_bytes >= spool->segment_bytes / 2)
        return false;
    return s->generation + 1 < SPOOL_GENERATIONS || !s->is_full ||
        s->live_bytes < s->written_bytes - s->written_bytes / 8;
}

/* The deadest first, since it costs least. */
static struct spool_segment *
choose_compaction(struct spool *spool)
{
    struct spool_segment *best = NULL;
    for (uint32_t i = 0; i < spool->segment_cap; i++) {
        struct spool_segment *s = spool->segments[i];
        if (s == NULL || s->state != SPOOL_SEGMENT_SEALED || s->is_busy || s->is_kept || s->live_bytes == 0)
            continue;
        if (s->ended_ns < 0)
            s->ended_ns = spool->now_ns; /* sealed before this start */
        if (is_worth_copying(spool, s) && (best == NULL || s->live_bytes < best->live_bytes) &&
            (!spool->is_disk_full || spool_compaction_fits(spool, s)))
            best = s;
    }
    return best;
}

static void
header_new(struct spool *spool, const struct spool_segment *segment, struct spool_segment_header *ret)
{
    *ret = (struct spool_segment_header){.number = segment->number, .segment_bytes = spool->segment_bytes,
                                         .sequence_floor = spool->next_sequence - 1};
    spool->options.random(spool->options.random_arg, ret->salt.bytes, SPOOL_SALT_BYTES);
}

static struct spool_work *
take_seal(struct spool *spool)
{
    struct spool_segment *segment = segment_choose(spool, SPOOL_SEGMENT_ENDED, NULL);
    return segment == NULL ? NULL : work_new(spool, SPOOL_WORK_SEAL, segment);
}

static struct spool_work *
take_release(struct spool *spool)
{
    struct spool_segment *segment = segment_choose(spool, SPOOL_SEGMENT_SEALED, is_releasable);
    struct spool_work *work = segment == NULL ? NULL : work_new(spool, SPOOL_WORK_RELEASE, segment);
    if (work != NULL)
        header_new(spool, segment, &work->header);
    return work;
}

static bool
is_finished(const struct spool_segment *s)
{
    return !s->is_unfinished;
}

/* A segment that only wants a new life needs no room on the disk; others wait a while after the disk was full. */
static struct spool_work *
take_prepare(struct spool *spool)
{
    bool may_grow = spool->now_ns >= spool->full_until_ns;
    struct spool_segment *segment = segment_choose(spool, SPOOL_SEGMENT_RAW, may_grow ? NULL : is_finished);
    for (uint32_t i = 0; segment == NULL && may_grow && i < SPOOL_SEGMENTS_MAX; i++)
        if (i >= spool->segment_cap || spool->segments[i] == NULL) {
            segment = spool_segment_add(spool, i);
            if (segment == NULL)
                return NULL;
            segment->is_unfinished = true;
        }
    struct spool_work *work = segment == NULL ? NULL : work_new(spool, SPOOL_WORK_PREPARE, segment);
    if (work != NULL)
        header_new(spool, segment, &work->header);
    return work;
}

static struct spool_work *
take_compaction(struct spool *spool)
{
    if (spool->now_ns < spool->compact_after_ns)
        return NULL;
    struct spool_segment *segment = choose_compaction(spool);
    struct spool_work *work = segment == NULL ? NULL : work_new(spool, SPOOL_WORK_COMPACT, segment);
    if (work == NULL)
        return NULL;
    work->compaction = spool_compaction_new(spool, segment);
    if (work->compaction != NULL)
        return work;
    work_free(work);
    return NULL;
}

static bool
is_being_read(const struct spool *spool, struct message_id id)
{
    for (const struct spool_read *r = spool->reads; r != NULL; r = r->next)
        if (r->has_body && message_id_equal(r->id, id))
            return true;
    return false;
}

static struct spool_work *
take_bodies(struct spool *spool)
{
    struct spool_work *work = spool->dead_body_count == 0 ? NULL : work_new(spool, SPOOL_WORK_BODIES, NULL);
    if (work == NULL)
        return NULL;
    size_t kept = 0;
    for (size_t i = 0; i < spool->dead_body_count; i++) {
        struct message_id id = spool->dead_bodies[i];
        if (work->body_count < SPOOL_WORK_BODIES_MAX && !is_being_read(spool, id))
            work->bodies[work->body_count++] = id;
        else
            spool->dead_bodies[kept++] = id;
    }
    spool->dead_body_count = kept;
    if (work->body_count > 0)
        return work;
    work_free(work);
    return NULL;
}

static struct spool_work *
take_shrink(struct spool *spool)
{
    if (spool->ready_count < ready_wanted(spool))
        return NULL;
    struct spool_segment *segment = segment_choose(spool, SPOOL_SEGMENT_RAW, NULL);
    if (segment != NULL)
        return work_new(spool, SPOOL_WORK_SHRINK, segment);
    if (spool->ready_count <= ready_wanted(spool) + SURPLUS_SEGMENTS)
        return NULL;
    segment = segment_choose(spool, SPOOL_SEGMENT_READY, NULL);
    struct spool_work *work = segment == NULL ? NULL : work_new(spool, SPOOL_WORK_SHRINK, segment);
    if (work != NULL) {
        segment->state = SPOOL_SEGMENT_RAW;
        spool->ready_count--;
    }
    return work;
}

/* Disk use beyond the bound of I4: compaction comes before more segments, and new mail waits for it. */
static bool
is_over_bound(const struct spool *spool)
{
    uint64_t used = (uint64_t)spool->segment_count * spool->segment_bytes;
    return used > 2 * spool->live_bytes + (uint64_t)SLACK_SEGMENTS * spool->segment_bytes;
}

/* End the open segments of older generations unless one has room: copies begin a ready one then, and give it back. */
static bool
relieve_older(struct spool *spool)
{
    bool is_ended = false;
    for (uint8_t generation = 1; generation < SPOOL_GENERATIONS; generation++) {
        if (spool->active[generation] == NULL || spool->placed[generation] != NULL || spool->ready_count == 0 ||
            spool_has_roomy(spool))
            continue;
        spool_segment_end(spool, generation, false);
        is_ended = true;
    }
    return is_ended;
}

/* End the youngest open segment, unless the batch that gathers counts on it. */
static bool
relieve_youngest(struct spool *spool)
{
    bool is_relied_on = spool->gathering != NULL && !spool_batch_is_empty(spool->gathering) &&
        !spool->gathering->is_promised;
    if (is_relied_on || spool->active[0] == NULL || spool->placed[0] != NULL)
        return false;
    spool_segment_end(spool, 0, false);
    return true;
}

/*
 * Results find no room, the disk gives none, and nothing is left to do: what is dead in the open segments has to make
 * it. One step at a time; true when it made work.
 */
static bool
relieve(struct spool *spool)
{
    bool has_work = false;
    while (!has_work && spool->is_disk_full && spool->relief != SPOOL_RELIEF_NONE &&
           spool->relief != SPOOL_RELIEF_RESERVE) {
        spool->relief++;
        if (spool->relief == SPOOL_RELIEF_OLDER)
            has_work = relieve_older(spool);
        else if (spool->relief == SPOOL_RELIEF_YOUNGEST)
            has_work = relieve_youngest(spool);
    }
    return has_work;
}

static struct spool_work *
work_choose(struct spool *spool)
{
    struct spool_work *work = NULL;
    if (spool->now_ns >= spool->retry_after_ns) {
        work = take_seal(spool);
        if (work == NULL)
            work = take_release(spool);
    }
    if (work == NULL && is_over_bound(spool))
        work = take_compaction(spool);
    if (work == NULL && spool->ready_count < ready_wanted(spool))
        work = take_prepare(spool);
    if (work == NULL)
        work = take_compaction(spool);
    if (work == NULL)
        work = take_bodies(spool);
    if (work == NULL)
        work = take_shrink(spool);
    return work;
}

struct spool_work *
spool_work_take(struct spool *spool, int64_t now_ns)
{
    ASSERT(!spool->options.is_read_only);
    spool->now_ns = now_ns;
    if (spool->work != NULL)
        return NULL;
    struct spool_work *work = work_choose(spool);
    while (work == NULL && relieve(spool))
        work = work_choose(spool);
    return work;
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

static enum err
run_seal(struct spool_work *work)
{
    struct spool_segment *segment = work->segment;
    uint8_t *bytes;
    size_t len;
    TRY(spool_segment_table_encode(segment, &bytes, &len));
    struct span table = span_of(bytes, len);
    struct spool_trailer trailer = spool_segment_trailer(work->spool, segment, table);
    enum err e = spool_segment_seal(segment->file, work->spool->segment_bytes, &trailer, table);
    free(bytes);
    /* Who delivers at once has the message in memory already; the next segment takes the pages of this one. */
    if (e == ERR_OK)
        disk_forget_cached(segment->file);
    return e;
}

static enum err
run_release(struct spool_work *work)
{
    struct spool_segment *segment = work->segment;
    struct spool_source source = spool_source_file(segment->file, work->spool->segment_bytes);
    struct spool_segment_header old = {.number = segment->number, .segment_bytes = work->spool->segment_bytes,
                                       .salt = segment->salt};
    TRY(spool_segment_read(&source, &old, NULL, &work->view));
    TRY(spool_segment_begin(segment->file, &work->header));
    work->is_begun = true;
    return ERR_OK;
}

static enum err
run_prepare(struct spool_work *work)
{
    struct spool *spool = work->spool;
    struct spool_segment *segment = work->segment;
    if (segment->file == NULL) {
        char name[SPOOL_NAME_BYTES];
        spool_segment_name(segment->number, name);
        TRY(disk_open(spool->dir, name, DISK_READ | DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &segment->file));
        work->is_created = true;
    }
    if (segment->is_unfinished && work->prewritten < spool->segment_bytes) {
        TRY(spool_segment_prewrite(segment->file, spool->segment_bytes, work->prewritten, PREWRITE_STEP_BYTES));
        work->prewritten += PREWRITE_STEP_BYTES;
        if (work->prewritten < spool->segment_bytes)
            return ERR_OK;
    }
    TRY(spool_segment_begin(segment->file, &work->header));
    if (spool_sync_dir(spool->dir) != ERR_OK)
        return ERR_IO;
    work->is_begun = true;
    return ERR_OK;
}

static enum err
run_bodies(struct spool_work *work)
{
    struct disk_dir *bodies;
    TRY(spool_body_dir(work->spool->disk, work->spool->dir, &bodies));
    for (size_t i = 0; i < work->body_count; i++) {
        char name[MESSAGE_ID_TEXT + 1];
        spool_body_name(work->bodies[i], name);
        /* What stays is an orphan for the next recovery. */
        enum err ignored = disk_unlink(bodies, name);
        (void)ignored;
    }
    disk_dir_close(bodies);
    return ERR_OK;
}

static enum err
remove_file(struct spool_work *work)
{
    char name[SPOOL_NAME_BYTES];
    spool_segment_name(work->segment->number, name);
    disk_close(work->segment->file);
    work->segment->file = NULL;
    enum err e = disk_unlink(work->spool->dir, name);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

void
spool_work_run(void *arg)
{
    struct spool_work *work = arg;
    switch (work->kind) {
    case SPOOL_WORK_SEAL: work->status = run_seal(work); break;
    case SPOOL_WORK_RELEASE: work->status = run_release(work); break;
    case SPOOL_WORK_PREPARE:
        work->status = run_prepare(work);
        if (work->status != ERR_OK && work->status != ERR_IO && work->is_created) {
            enum err ignored = remove_file(work);
            (void)ignored;
        }
        break;
    case SPOOL_WORK_COMPACT: spool_compaction_run(work->compaction); break;
    case SPOOL_WORK_BODIES: work->status = run_bodies(work); break;
    case SPOOL_WORK_SHRINK: work->status = remove_file(work); break;
    }
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static void
segment_made_ready(struct spool_work *work)
{
    struct spool_segment *s = work->segment;
    spool_segment_table_done(s);
    s->state = SPOOL_SEGMENT_READY;
    s->is_unfinished = false;
    s->salt = work->header.salt;
    s->generation = 0;
    s->first_sequence = s->last_sequence = s->first_previous = 0;
    s->used_bytes = SPOOL_FIRST_BATCH;
    s->record_count = 0;
    s->written_bytes = 0;
    s->is_full = false;
    s->ended_ns = -1;
    work->spool->ready_count++;
}

static enum err
step_seal(struct spool_work *work)
{
    TRY(work->status);
    work->segment->state = SPOOL_SEGMENT_SEALED;
    spool_segment_table_done(work->segment);
    return ERR_OK;
}

static enum err
step_release(struct spool_work *work, enum spool_step *ret_step)
{
    struct spool *spool = work->spool;
    TRY(work->status);
    if (work->segment != NULL) {
        segment_made_ready(work);
        work->segment->is_busy = false; /* it may be used while the old life is counted off */
        work->segment = NULL;
    }
    for (size_t n = 0; n < SPOOL_WORK_SLICE && work->at < work->view.count; n++, work->at++) {
        const struct spool_table_entry *t = &work->view.entries[work->at];
        uint32_t number = t->kind == SPOOL_REMOVAL ? SPOOL_ENTRY_NONE : spool_index_find(&spool->index, t->id);
        if (number != SPOOL_ENTRY_NONE)
            spool_entry_put_gone(spool, number);
    }
    *ret_step = work->at < work->view.count ? SPOOL_STEP_YIELD : SPOOL_STEP_DONE;
    return ERR_OK;
}

static enum err
step_prepare(struct spool_work *work, enum spool_step *ret_step)
{
    struct spool *spool = work->spool;
    struct spool_segment *segment = work->segment;
    if (work->status == ERR_OK) {
        if (work->is_begun) {
            segment_made_ready(work);
            spool->is_disk_full = spool->is_disk_full && !work->is_created;
        }
        *ret_step = work->is_begun ? SPOOL_STEP_DONE : SPOOL_STEP_JOB;
        return ERR_OK;
    }
    if (work->status == ERR_EXISTS) {
        segment->state = SPOOL_SEGMENT_SET_ASIDE; /* a file that is not ours to touch */
    } else if (segment->file == NULL) {
        work->segment = NULL;
        spool_segment_drop(spool, segment);
    }
    if (work->status == ERR_FULL)
        spool->is_disk_full = true;
    spool->full_until_ns = spool->now_ns + RETRY_NS;
    return work->status;
}

static enum err
step_shrink(struct spool_work *work)
{
    struct spool_segment *segment = work->segment;
    work->segment = NULL;
    segment->is_busy = false;
    if (work->status == ERR_OK)
        spool_segment_drop(work->spool, segment);
    else
        segment->state = SPOOL_SEGMENT_SET_ASIDE;
    return work->status;
}

static enum err
work_step(struct spool_work *work, enum spool_step *ret_step)
{
    struct spool *spool = work->spool;
    *ret_step = SPOOL_STEP_DONE;
    enum err e = ERR_OK;
    switch (work->kind) {
    case SPOOL_WORK_SEAL: e = step_seal(work); break;
    case SPOOL_WORK_RELEASE: e = step_release(work, ret_step); break;
    case SPOOL_WORK_PREPARE: return step_prepare(work, ret_step);
    case SPOOL_WORK_COMPACT: return spool_compaction_step(work->compaction, ret_step);
    case SPOOL_WORK_BODIES: return work->status;
    case SPOOL_WORK_SHRINK: return step_shrink(work);
    }
    if (e != ERR_OK)
        spool->retry_after_ns = spool->now_ns + RETRY_NS;
    return e;
}

enum err
spool_work_step(struct spool_work *work, enum spool_step *ret_step)
{
    enum spool_step step;
    enum err e = work_step(work, &step);
    if (e != ERR_OK || step == SPOOL_STEP_DONE)
        work_free(work);
    else if (step == SPOOL_STEP_JOB)
        work->status = ERR_CANCELED; /* a job that is never run has not succeeded */
    if (e == ERR_OK)
        *ret_step = step;
    return e;
}

const char *
spool_work_name(const struct spool_work *work)
{
    static const char *const names[] = {
        [SPOOL_WORK_SEAL] = "seal",       [SPOOL_WORK_RELEASE] = "release", [SPOOL_WORK_PREPARE] = "prepare",
        [SPOOL_WORK_COMPACT] = "compact", [SPOOL_WORK_BODIES] = "bodies",   [SPOOL_WORK_SHRINK] = "shrink",
    };
    return names[work->kind];
}
