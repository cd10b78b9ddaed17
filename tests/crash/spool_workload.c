/* spool_workload.c - the actions and the model. */
#include "crash/spool_workload.h"

#include <stdarg.h>
#include <stdio.h>

#include "store/spool/format.h"

enum { LIVE_WANTED = 30, VIOLATIONS_SHOWN = 5 };

static const uint32_t HOSTILE_MARK = 0xe711;

void
workload_violation(struct workload *w, const char *format, ...)
{
    if (w->violations++ >= VIOLATIONS_SHOWN || w->is_quiet)
        return;
    va_list args;
    va_start(args, format);
    printf("violation in %s, step %llu, seed %llu: ", w->phase == NULL ? "workload" : w->phase,
           (unsigned long long)w->step_number, (unsigned long long)w->seed);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static uint64_t
chance(struct workload *w, uint64_t bound)
{
    return sim_random_below(&w->random, bound);
}

/* --- what messages are made of ------------------------------------------------------------------------------------ */

static struct message_id
id_of(uint32_t message)
{
    return (struct message_id){.time_us = 1700000000000000u + message, .counter = 3, .process = 77};
}

/* The number of a message by its id; UINT32_MAX for one that is not ours. */
static uint32_t
message_of(const struct workload *w, struct message_id id)
{
    uint64_t n = id.time_us - 1700000000000000u;
    return n < w->message_count && message_id_equal(id, id_of((uint32_t)n)) ? (uint32_t)n : UINT32_MAX;
}

static void
fill(uint8_t *to, size_t len, uint64_t seed)
{
    struct sim_random random = {seed};
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)sim_random_next(&random);
}

/*
 * A whole batch as a sender may dream of it, at every block boundary the content may fall on when its batch holds
 * nothing before it: a message of its own and the removal of another, with no salt, for nobody outside knows one.
 */
static void
forge(uint8_t *content, size_t len)
{
    static const struct spool_salt no_salt;
    for (size_t at = SPOOL_BLOCK_BYTES - SPOOL_BATCH_HEADER_BYTES - SPOOL_RECORD_HEADER_BYTES; at + 512 <= len;
         at += SPOOL_BLOCK_BYTES) {
        uint8_t *record = content + at + SPOOL_BATCH_HEADER_BYTES;
        struct spool_record_header r = {.length = 64, .sequence = UINT64_C(1) << 40, .id = {.time_us = HOSTILE_MARK},
                                        .kind = SPOOL_CONTENT};
        memset(record, 'e', SPOOL_RECORD_HEADER_BYTES + 64);
        spool_record_header_encode(&r, &no_salt, record);
        spool_record_finish(record, &no_salt, r.sequence, 0);
        struct spool_batch_header b = {.salt = no_salt, .sequence = r.sequence, .count = 1,
            .length = SPOOL_BATCH_HEADER_BYTES + SPOOL_RECORD_HEADER_BYTES + 64};
        spool_batch_header_encode(&b, content + at);
    }
}

static struct span
content_of(const struct workload *w, uint32_t message, uint8_t to[WORKLOAD_CONTENT_MAX])
{
    const struct message_model *m = &w->messages[message];
    fill(to, m->content_len, message * 2u + 1);
    if (m->is_hostile)
        forge(to, m->content_len);
    return span_of(to, m->content_len);
}

static struct span
body_of(const struct workload *w, uint32_t message, uint8_t to[WORKLOAD_CONTENT_MAX])
{
    const struct message_model *m = &w->messages[message];
    fill(to, m->body_len, message * 2u + 1000001);
    return span_of(to, m->body_len);
}

static struct span
state_of(uint32_t message, uint32_t version, uint8_t to[WORKLOAD_STATE_MAX])
{
    int n = snprintf((char *)to, WORKLOAD_STATE_MAX, "message %u version %u ", (unsigned)message, (unsigned)version);
    size_t len = (size_t)n + (message * 37u + version * 101u) % 400;
    memset(to + n, 's', len - (size_t)n);
    return span_of(to, len);
}

/* --- life of the process ------------------------------------------------------------------------------------------ */

void
workload_init(struct workload *w, struct disk_sim *sim, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->random = (struct sim_random){seed};
    w->seed = seed;
    harness_init(&w->h, sim, seed ^ 0x5a5a);
}

void
workload_fork(struct workload *w, const struct workload *from, struct disk_sim *sim)
{
    ASSERT(from->h.spool == NULL);
    *w = *from;
    harness_init(&w->h, sim, from->seed ^ 0xa5a5);
    w->h.now_ns = from->h.now_ns;
    w->violations = 0;
}

/* Move maintenance on by at most `moves` jobs or steps. */
static enum err
work_advance(struct workload *w, uint64_t moves)
{
    for (; moves > 0; moves--) {
        if (w->work == NULL) {
            w->work = spool_work_take(w->h.spool, w->h.now_ns);
            w->step = SPOOL_STEP_JOB;
            if (w->work == NULL)
                return ERR_OK;
        }
        if (w->step == SPOOL_STEP_JOB)
            spool_work_run(w->work);
        enum err e = spool_work_step(w->work, &w->step);
        if (e != ERR_OK || w->step == SPOOL_STEP_DONE)
            w->work = NULL;
        if (e == ERR_IO)
            return e;
    }
    return ERR_OK;
}

enum err
workload_open(struct workload *w)
{
    enum err e = harness_open(&w->h);
    return e == ERR_OK ? work_advance(w, 1000) : e;
}

/* --- batches ------------------------------------------------------------------------------------------------------ */

static void
changes_apply(struct workload *w)
{
    for (size_t i = 0; i < w->change_count; i++) {
        struct message_model *m = &w->messages[w->changes[i].message];
        switch (w->changes[i].verb) {
        case SPOOL_PUT_CONTENT: m->fate = FATE_LIVE; break;
        case SPOOL_PUT_STATE: m->state_version = w->changes[i].state_version; break;
        case SPOOL_REMOVE: m->fate = FATE_REMOVED; break;
        }
    }
}

static void
changes_forget(struct workload *w)
{
    for (size_t i = 0; i < w->change_count; i++)
        if (w->changes[i].verb == SPOOL_PUT_CONTENT)
            w->messages[w->changes[i].message].fate = FATE_FORGOTTEN;
}

static bool
is_in_batch(const struct workload *w, uint32_t message)
{
    for (size_t i = 0; i < w->change_count; i++)
        if (w->changes[i].message == message)
            return true;
    return false;
}

void
workload_kill(struct workload *w)
{
    spool_batch_end(w->batch);
    w->batch = NULL;
    if (!w->is_unsure) {
        changes_forget(w);
        w->change_count = 0;
    }
    for (size_t i = 0; i < WORKLOAD_READS_MAX; i++)
        if (w->is_reading[i])
            spool_read_done(&w->reads[i]);
    memset(w->is_reading, 0, sizeof(w->is_reading));
    while (w->work != NULL) {
        /* A killed process does nothing more; only its memory is given back. */
        if (!disk_sim_is_crashed(w->h.sim))
            disk_sim_crash(w->h.sim);
        spool_work_run(w->work);
        if (spool_work_step(w->work, &w->step) != ERR_OK || w->step == SPOOL_STEP_DONE)
            w->work = NULL;
    }
    harness_kill(&w->h);
}

void
workload_done(struct workload *w)
{
    workload_kill(w);
    harness_done(&w->h);
}

/* Add a group; on success it is part of the batch's changes. */
static enum err
group_add(struct workload *w, enum spool_use use, const struct spool_op *ops, const struct change *changes,
          size_t count)
{
    if (w->change_count + count > WORKLOAD_BATCH_OPS_MAX)
        return ERR_AGAIN;
    if (w->batch == NULL)
        w->batch = spool_batch_new(w->h.spool);
    ASSERT(w->batch != NULL);
    enum err e = spool_batch_add(w->batch, use, ops, count);
    if (e == ERR_OK) {
        memcpy(w->changes + w->change_count, changes, count * sizeof(*changes));
        w->change_count += count;
    } else if (e != ERR_AGAIN && e != ERR_FULL && e != ERR_LIMIT) {
        workload_violation(w, "adding a group: %s", err_name(e));
    }
    return e;
}

static uint32_t
message_new(struct workload *w)
{
    if (w->message_count == WORKLOAD_MESSAGES_MAX)
        return UINT32_MAX;
    uint32_t message = w->message_count++;
    struct message_model *m = &w->messages[message];
    *m = (struct message_model){.fate = FATE_NEW};
    m->is_hostile = chance(w, 6) == 0;
    m->content_len = m->is_hostile ? 9000 + (uint32_t)chance(w, 4000) : (uint32_t)chance(w, 3) == 0
                         ? (uint32_t)chance(w, 7000) : (uint32_t)chance(w, 900);
    m->body_len = chance(w, 6) == 0 ? 1 + (uint32_t)chance(w, 6000) : 0;
    return message;
}

/* A new message, perhaps with a body file, and perhaps as what comes of the end of another one. */
static enum err
deliver(struct workload *w, uint32_t ended)
{
    uint32_t message = message_new(w);
    if (message == UINT32_MAX)
        return ERR_OK;
    struct message_model *m = &w->messages[message];
    uint8_t content_bytes[WORKLOAD_CONTENT_MAX], body_bytes[WORKLOAD_CONTENT_MAX], state_bytes[WORKLOAD_STATE_MAX];
    struct spool_body *body = NULL;
    m->fate = FATE_FORGOTTEN;
    if (m->body_len > 0) {
        enum err e = harness_body(&w->h, id_of(message), body_of(w, message, body_bytes), 2500, &body);
        if (e != ERR_OK)
            return e == ERR_FULL ? ERR_OK : e;
    }
    struct span content = content_of(w, message, content_bytes), state = state_of(message, 1, state_bytes);
    struct spool_op ops[3];
    struct change changes[3] = {{SPOOL_PUT_CONTENT, message, 0}, {SPOOL_PUT_STATE, message, 1},
        {SPOOL_REMOVE, ended, 0}};
    size_t count = ended == UINT32_MAX ? 2 : 3;
    ops[0] = harness_op(SPOOL_PUT_CONTENT, id_of(message), &content);
    ops[0].body = body;
    ops[1] = harness_op(SPOOL_PUT_STATE, id_of(message), &state);
    ops[2] = harness_op(SPOOL_REMOVE, ended == UINT32_MAX ? id_of(0) : id_of(ended), NULL);
    enum err e = group_add(w, ended == UINT32_MAX ? SPOOL_USE_ACCEPT : SPOOL_USE_RESULT, ops, changes, count);
    if (e != ERR_OK && body != NULL)
        spool_body_discard(body);
    spool_body_free(body);
    return ERR_OK;
}

/* A live message that is not in the batch; UINT32_MAX when chance finds none. */
static uint32_t
message_live(struct workload *w)
{
    for (int tries = 0; tries < 40 && w->message_count > 0; tries++) {
        /* Half of the time an old one: some stay deferred for long. */
        uint32_t span = chance(w, 2) == 0 && w->message_count > 20 ? 20 : w->message_count;
        uint32_t message = w->message_count - 1 - (uint32_t)chance(w, span);
        if (w->messages[message].fate == FATE_LIVE && !is_in_batch(w, message))
            return message;
    }
    return UINT32_MAX;
}

static void
defer(struct workload *w)
{
    uint32_t message = message_live(w);
    if (message == UINT32_MAX)
        return;
    uint8_t bytes[WORKLOAD_STATE_MAX];
    uint32_t version = w->messages[message].state_version + 1;
    struct span state = state_of(message, version, bytes);
    struct spool_op op = harness_op(SPOOL_PUT_STATE, id_of(message), &state);
    struct change change = {SPOOL_PUT_STATE, message, version};
    enum err ignored = group_add(w, SPOOL_USE_RESULT, &op, &change, 1);
    (void)ignored; /* no room: later */
}

static void
finish(struct workload *w)
{
    uint32_t message = message_live(w);
    if (message == UINT32_MAX || message % 16 == 5) /* these stay */
        return;
    struct spool_op op = harness_op(SPOOL_REMOVE, id_of(message), NULL);
    struct change change = {SPOOL_REMOVE, message, 0};
    enum err ignored = group_add(w, SPOOL_USE_RESULT, &op, &change, 1);
    (void)ignored;
}

static enum err
bounce(struct workload *w)
{
    uint32_t message = message_live(w);
    return message == UINT32_MAX || message % 16 == 5 ? ERR_OK : deliver(w, message);
}

/* Write the batch that was gathered, while maintenance moves on beside it. */
static enum err
commit(struct workload *w)
{
    if (w->batch == NULL || spool_batch_is_empty(w->batch)) {
        spool_batch_end(w->batch);
        w->batch = NULL;
        return ERR_OK;
    }
    spool_batch_place(w->batch);
    w->is_unsure = true;
    enum err maintenance = work_advance(w, chance(w, 3));
    spool_batch_write(w->batch);
    enum err e = spool_batch_status(w->batch);
    if (e == ERR_OK) {
        /* Durable from here on, whatever happens before the loop hears of it. */
        changes_apply(w);
        w->change_count = 0;
        w->is_unsure = false;
        if (maintenance == ERR_OK)
            maintenance = work_advance(w, chance(w, 3));
    }
    spool_batch_end(w->batch);
    w->batch = NULL;
    if (e == ERR_FULL) {
        changes_forget(w);
        w->change_count = 0;
        w->is_unsure = false;
        e = ERR_OK;
    }
    return e != ERR_OK ? e : maintenance;
}

/* --- reads -------------------------------------------------------------------------------------------------------- */

static void
check_content(struct workload *w, struct spool_read *read, uint32_t message)
{
    uint8_t bytes[WORKLOAD_CONTENT_MAX], got[WORKLOAD_CONTENT_MAX];
    const struct message_model *m = &w->messages[message];
    if (read->status != ERR_OK) {
        workload_violation(w, "content of message %u: %s", (unsigned)message, err_name(read->status));
        return;
    }
    if (!span_equal(read->data, content_of(w, message, bytes)))
        workload_violation(w, "content of message %u is not what was written", (unsigned)message);
    if (read->body_bytes != m->body_len) {
        workload_violation(w, "body of message %u has another length", (unsigned)message);
        return;
    }
    size_t n = 0;
    if (m->body_len > 0 && (disk_pread(read->body, 0, got, sizeof(got), &n) != ERR_OK ||
                            !span_equal(span_of(got, n), body_of(w, message, bytes))))
        workload_violation(w, "body of message %u is not what was written", (unsigned)message);
}

/* Begin a read, or end one begun long ago: its segment and its body file must have waited (I4). */
static void
read_some(struct workload *w)
{
    size_t slot = (size_t)chance(w, WORKLOAD_READS_MAX);
    if (w->is_reading[slot]) {
        spool_read_run(&w->reads[slot]);
        if (!disk_sim_is_crashed(w->h.sim))
            check_content(w, &w->reads[slot], w->read_messages[slot]);
        spool_read_done(&w->reads[slot]);
        w->is_reading[slot] = false;
        return;
    }
    uint32_t message = message_live(w);
    if (message == UINT32_MAX)
        return;
    if (spool_read_prepare(w->h.spool, id_of(message), SPOOL_CONTENT, &w->reads[slot]) != ERR_OK) {
        workload_violation(w, "message %u cannot be read", (unsigned)message);
        return;
    }
    w->is_reading[slot] = true;
    w->read_messages[slot] = message;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static enum err
restart(struct workload *w)
{
    enum err e = commit(w);
    if (e == ERR_OK)
        e = work_advance(w, 1000);
    for (size_t i = 0; i < WORKLOAD_READS_MAX; i++)
        if (w->is_reading[i])
            spool_read_done(&w->reads[i]);
    memset(w->is_reading, 0, sizeof(w->is_reading));
    if (e == ERR_OK && w->work != NULL) {
        workload_violation(w, "maintenance does not come to an end");
        return ERR_CANCELED;
    }
    if (e == ERR_OK)
        e = spool_seal(w->h.spool);
    if (e != ERR_OK)
        return e == ERR_FULL ? ERR_OK : e;
    harness_kill(&w->h);
    return workload_open(w);
}

static uint32_t
live_count(const struct workload *w)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->message_count; i++)
        count += w->messages[i].fate == FATE_LIVE ? 1 : 0;
    return count;
}

static enum err
act(struct workload *w)
{
    switch (chance(w, 16)) {
    case 0: case 1: case 2: case 3: return live_count(w) < LIVE_WANTED ? deliver(w, UINT32_MAX) : bounce(w);
    case 4: case 5: defer(w); return ERR_OK;
    case 6: case 7: finish(w); return ERR_OK;
    case 8: return bounce(w);
    case 9: read_some(w); return ERR_OK;
    case 10: w->h.now_ns += (int64_t)chance(w, 30) * HARNESS_SECOND; return work_advance(w, chance(w, 6));
    case 11: return work_advance(w, chance(w, 20));
    case 12: return chance(w, 12) == 0 ? restart(w) : ERR_OK;
    default: return commit(w);
    }
}

enum err
workload_run(struct workload *w, unsigned actions)
{
    for (unsigned i = 0; i < actions; i++) {
        enum err e = act(w);
        if (e != ERR_OK)
            return e;
    }
    enum err e = commit(w);
    return e == ERR_OK ? work_advance(w, 1000) : e;
}

/* --- checking ----------------------------------------------------------------------------------------------------- */

/* What the spool says about one change that was under way: 1 done, 0 not, -1 neither. */
static int
change_seen(struct workload *w, const struct change *c, struct span state)
{
    uint8_t bytes[WORKLOAD_STATE_MAX];
    bool is_there = spool_has(w->h.spool, id_of(c->message));
    const struct message_model *m = &w->messages[c->message];
    switch (c->verb) {
    case SPOOL_PUT_CONTENT: return is_there ? 1 : 0;
    case SPOOL_REMOVE: return is_there ? 0 : 1;
    case SPOOL_PUT_STATE:
        if (is_there && span_equal(state, state_of(c->message, c->state_version, bytes)))
            return 1;
        if (c->state_version == 1)
            return is_there ? -1 : 0;
        return is_there && span_equal(state, state_of(c->message, m->state_version, bytes)) ? 0 : -1;
    }
    return -1;
}

/* The batch under way counts whole or not at all (I2, I3): find out which, and let the model follow. */
static void
unsure_settle(struct workload *w)
{
    int verdict = -2;
    if (!w->is_unsure)
        return;
    for (size_t i = 0; i < w->change_count; i++) {
        struct buf state;
        buf_init(&state, WORKLOAD_STATE_MAX);
        if (spool_has(w->h.spool, id_of(w->changes[i].message)) &&
            harness_read(&w->h, id_of(w->changes[i].message), SPOOL_STATE, &state) != ERR_OK)
            workload_violation(w, "state of message %u cannot be read", (unsigned)w->changes[i].message);
        int seen = change_seen(w, &w->changes[i], buf_span(&state));
        buf_done(&state);
        if (seen == -1)
            workload_violation(w, "change of message %u is neither done nor not done", (unsigned)w->changes[i].message);
        else if (verdict != -2 && seen != verdict)
            workload_violation(w, "a batch counts in part: message %u", (unsigned)w->changes[i].message);
        else
            verdict = seen;
    }
    if (verdict == 1)
        changes_apply(w);
    else
        changes_forget(w);
    w->change_count = 0;
    w->is_unsure = false;
}

static void
check_message(struct workload *w, uint32_t message)
{
    const struct message_model *m = &w->messages[message];
    bool is_there = spool_has(w->h.spool, id_of(message));
    if (m->fate != FATE_LIVE) {
        if (is_there)
            workload_violation(w, "message %u is back (%s)", (unsigned)message,
                               m->fate == FATE_REMOVED ? "its removal was acknowledged" : "it was never acknowledged");
        return;
    }
    struct spool_read read;
    if (spool_read_prepare(w->h.spool, id_of(message), SPOOL_CONTENT, &read) != ERR_OK) {
        workload_violation(w, "message %u is lost", (unsigned)message);
        return;
    }
    spool_read_run(&read);
    check_content(w, &read, message);
    spool_read_done(&read);
}

/* The way a start of the queue goes: every live message with its state. */
static void
check_scan(struct workload *w)
{
    struct spool_scan *scan = spool_scan_new(w->h.spool);
    ASSERT(scan != NULL);
    uint32_t seen = 0;
    while (spool_scan_plan(scan)) {
        spool_scan_run(scan);
        for (size_t i = 0; i < spool_scan_count(scan); i++, seen++) {
            const struct spool_message *m = spool_scan_message(scan, i);
            uint32_t message = message_of(w, m->id);
            uint8_t bytes[WORKLOAD_STATE_MAX];
            if (message == UINT32_MAX)
                workload_violation(w, "a message nobody sent%s", m->id.time_us == HOSTILE_MARK ? " (forged)" : "");
            else if (m->state_status != ERR_OK)
                workload_violation(w, "state of message %u: %s", (unsigned)message, err_name(m->state_status));
            else if (!span_equal(m->state, state_of(message, w->messages[message].state_version, bytes)))
                workload_violation(w, "state of message %u is not the acknowledged one", (unsigned)message);
        }
    }
    spool_scan_free(scan);
    if (seen != live_count(w))
        workload_violation(w, "%u messages where %u are live", (unsigned)seen, (unsigned)live_count(w));
}

void
workload_check(struct workload *w)
{
    if (w->h.report->damage_total > 0)
        workload_violation(w, "damage reported: what %d, segment %u, offset %llu", (int)w->h.report->damage[0].what,
                           (unsigned)w->h.report->damage[0].segment, (unsigned long long)w->h.report->damage[0].offset);
    unsure_settle(w);
    for (uint32_t i = 0; i < w->message_count; i++)
        check_message(w, i);
    check_scan(w);
}
