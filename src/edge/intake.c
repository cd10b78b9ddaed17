/*
 * intake.c - header section into one buffer, body into another that is emptied towards the queue when it is full.
 *
 * Trouble with the queue ends the upload, not the reading: the client gets its reply at the end of data (requirement
 * 50).
 */
#include "edge/intake.h"

#include "base/assert.h"
#include "edge/session.h"
#include "ipc/ipc_messages.h"
#include "store/recipient.h"

enum { COMMIT_BYTES_MAX = 96 * 1024 /* of the three parts of a commit together */ };

/* Flaws for which policy refuses a message of this listener: once seen, content need not be kept. */
static unsigned
stop_flaws(const struct access_policy *policy)
{
    unsigned flaws = SMTP_CONTENT_TOO_LARGE | SMTP_CONTENT_NUL_IN_HEADER | SMTP_CONTENT_LINE_TOO_LONG;
    if (policy->is_bare_newline_normalized.value == 0)
        flaws |= SMTP_CONTENT_BARE_CR | SMTP_CONTENT_BARE_LF;
    if (policy->is_nul_in_body_accepted.value == 0)
        flaws |= SMTP_CONTENT_NUL_IN_BODY;
    return flaws;
}

void
intake_begin(struct session *s, bool is_bdat)
{
    const struct access_policy *policy = &s->listener->policy;
    struct intake *in = &s->tx->intake;
    struct smtp_content_limits limits = {
        .size_max_bytes = policy->message_size_bytes.value,
        .line_max_bytes = (uint32_t)policy->line_length_bytes.value,
        .stop_flaws = stop_flaws(policy),
    };
    *in = (struct intake){.has_begun = true, .is_bdat = is_bdat, .began_ns = rt_now_ns(s->edge->rt)};
    in->newlines.is_on = policy->is_bare_newline_normalized.value != 0;
    if (is_bdat)
        smtp_bdat_reader_init(&in->bdat, &limits);
    else
        smtp_data_reader_init(&in->data, &limits);
    header_block_init(&in->header, policy->header_size_bytes.value);
    buf_init(&in->body, INTAKE_BODY_BYTES);
}

static void
forget_upload(struct session *s, struct intake *in)
{
    struct ipc_message_abort abort = {.upload = in->upload};
    if (in->upload != 0 && ipc_post_message_abort(s->edge->queue, &abort) != ERR_OK)
        s->edge->counters.uploads_left++;
    in->upload = 0;
}

/* Bring the process's count of octets held for messages up to date. */
static void
account(struct session *s, struct intake *in)
{
    size_t held = in->header.bytes.size + in->body.size;
    s->edge->intake_bytes += held;
    s->edge->intake_bytes -= in->held_bytes;
    in->held_bytes = held;
}

/* The message will not be taken: keep nothing of it from here on. */
static void
drop(struct session *s, struct intake *in)
{
    in->is_dropped = true;
    forget_upload(s, in);
    buf_done(&in->body);
    buf_done(&in->header.bytes);
    account(s, in);
}

void
intake_abort(struct session *s, struct intake *in)
{
    if (!in->has_begun)
        return;
    forget_upload(s, in);
    buf_done(&in->body);
    header_block_done(&in->header);
    account(s, in);
    in->has_begun = false;
}

const struct smtp_content *
intake_content(const struct intake *in)
{
    return in->is_bdat ? smtp_bdat_reader_content(&in->bdat) : smtp_data_reader_content(&in->data);
}

static enum reply_id
reply_of_result(uint8_t result)
{
    switch (result) {
    case COMMIT_DURABLE: return REPLY_ACCEPTED;
    case COMMIT_FULL: return REPLY_DISK_FULL;
    case COMMIT_BUSY: return REPLY_BACKLOG;
    default: return REPLY_FAULT;
    }
}

static void
note_full(struct session *s, enum reply_id reply)
{
    if (reply == REPLY_DISK_FULL)
        s->edge->disk_full_until_ns = rt_now_ns(s->edge->rt) + EDGE_DISK_FULL_NS;
}

/* Send one piece and wait until the queue has it. REPLY_ACCEPTED, or the reply that the message will get. */
static enum reply_id
send_chunk(struct fiber *f, struct session *s, enum message_part part, struct span data)
{
    struct intake *in = &s->tx->intake;
    struct edge *edge = s->edge;
    struct arena mem;
    struct ipc_message_chunk_reply reply;
    uint8_t id[MESSAGE_ID_BYTES];
    if (in->upload == 0)
        in->upload = ++edge->upload_last;
    message_id_encode(s->tx->id, id);
    struct ipc_message_chunk chunk = {
        .upload = in->upload, .id = span_of(id, sizeof(id)), .part = (uint8_t)part, .data = data};
    arena_init(&mem, edge->config->limits.command_memory_bytes.value);
    struct deadline by = deadline_in(edge->rt, config_duration_ns(edge->config->limits.commit_timeout_ms));
    enum err e = ipc_message_chunk(f, by, edge->queue, &chunk, &mem, &reply);
    arena_clear(&mem);
    if (e != ERR_OK) {
        log_write(edge->log, LOG_COMMIT_FAILED, LOG_ID(KEY_ID, s->tx->id), LOG_ERR(KEY_ERROR, e),
                  LOG_TEXT(KEY_PHASE, SPAN("chunk")));
        return REPLY_FAULT;
    }
    enum reply_id verdict = reply_of_result(reply.result);
    note_full(s, verdict);
    return verdict;
}

/* Send all of `data` that is more than `keep` octets; what is left is for the commit. */
static enum reply_id
send_surplus(struct fiber *f, struct session *s, enum message_part part, struct span *data, size_t keep)
{
    while (data->len > keep) {
        size_t n = data->len < IPC_MESSAGE_CHUNK_DATA_MAX ? data->len : IPC_MESSAGE_CHUNK_DATA_MAX;
        enum reply_id reply = send_chunk(f, s, part, span_first(*data, n));
        if (reply != REPLY_ACCEPTED)
            return reply;
        *data = span_skip(*data, n);
    }
    return REPLY_ACCEPTED;
}

static void
give_up(struct session *s, enum reply_id trouble)
{
    struct intake *in = &s->tx->intake;
    in->trouble = trouble;
    drop(s, in);
}

static enum err
keep_body(struct fiber *f, struct session *s, struct span content)
{
    struct intake *in = &s->tx->intake;
    while (content.len > 0 && !in->is_dropped) {
        size_t room = INTAKE_BODY_BYTES - in->body.len;
        size_t n = content.len < room ? content.len : room;
        if (buf_append(&in->body, span_first(content, n)) != ERR_OK) {
            give_up(s, REPLY_MEMORY);
            return ERR_OK;
        }
        in->body_bytes += n;
        content = span_skip(content, n);
        if (in->body.len < INTAKE_BODY_BYTES)
            continue;
        enum reply_id reply = send_chunk(f, s, MESSAGE_PART_BODY, buf_span(&in->body));
        if (fiber_is_canceled(f))
            return ERR_CANCELED;
        if (reply != REPLY_ACCEPTED)
            give_up(s, reply);
        else
            buf_clear(&in->body);
    }
    return ERR_OK;
}

static enum err
keep(struct fiber *f, struct session *s, struct span content)
{
    struct intake *in = &s->tx->intake;
    struct span body_start = SPAN_EMPTY;
    if (!in->is_header_done) {
        enum header_block_status status = header_block_take(&in->header, &content, &body_start);
        in->is_header_done = status != HEADER_BLOCK_MORE;
        in->is_header_too_large = status == HEADER_BLOCK_TOO_LARGE;
        if (in->is_header_too_large)
            drop(s, in);
        if (!in->is_header_done || in->is_dropped)
            return ERR_OK;
        TRY(keep_body(f, s, body_start));
    }
    return keep_body(f, s, content);
}

enum err
intake_take(struct fiber *f, struct session *s, struct span content)
{
    struct intake *in = &s->tx->intake;
    while (content.len > 0 && !in->is_dropped) {
        struct span piece;
        newline_fix_take(&in->newlines, &content, &piece);
        TRY(keep(f, s, piece));
        account(s, in);
        if (s->edge->intake_bytes > EDGE_INTAKE_BYTES_MAX)
            give_up(s, REPLY_MEMORY);
    }
    if (!in->is_dropped && (intake_content(in)->flaws & stop_flaws(&s->listener->policy)) != 0)
        drop(s, in);
    return ERR_OK;
}

enum err
intake_end(struct fiber *f, struct session *s)
{
    struct intake *in = &s->tx->intake;
    struct span body_start = SPAN_EMPTY;
    if (in->is_dropped)
        return ERR_OK;
    TRY(keep(f, s, newline_fix_end(&in->newlines)));
    if (in->is_header_done || in->is_dropped)
        return ERR_OK;
    header_block_end(&in->header, &body_start);
    in->is_header_done = true;
    in->is_header_too_large = in->header.status == HEADER_BLOCK_TOO_LARGE;
    if (in->is_header_too_large) {
        drop(s, in);
        return ERR_OK;
    }
    return keep_body(f, s, body_start);
}

enum reply_id
intake_commit(struct fiber *f, struct session *s, struct span envelope, struct span header)
{
    struct intake *in = &s->tx->intake;
    struct edge *edge = s->edge;
    struct span body = buf_span(&in->body);
    bool is_small = in->upload == 0 && envelope.len <= IPC_MESSAGE_COMMIT_ENVELOPE_MAX &&
                    header.len <= IPC_MESSAGE_COMMIT_HEADER_MAX &&
                    envelope.len + header.len + body.len <= COMMIT_BYTES_MAX;
    if (!is_small) {
        enum reply_id reply = send_surplus(f, s, MESSAGE_PART_ENVELOPE, &envelope, IPC_MESSAGE_COMMIT_ENVELOPE_MAX);
        if (reply == REPLY_ACCEPTED)
            reply = send_surplus(f, s, MESSAGE_PART_HEADER, &header,
                                 COMMIT_BYTES_MAX - IPC_MESSAGE_COMMIT_ENVELOPE_MAX - 1);
        if (reply == REPLY_ACCEPTED)
            reply = send_surplus(f, s, MESSAGE_PART_BODY, &body, COMMIT_BYTES_MAX - envelope.len - header.len);
        if (reply != REPLY_ACCEPTED)
            return reply;
    }
    struct arena mem;
    struct ipc_message_commit_reply reply;
    struct ipc_message_commit commit = {.upload = in->upload, .envelope = envelope, .header = header, .body = body};
    arena_init(&mem, edge->config->limits.command_memory_bytes.value);
    struct deadline by = deadline_in(edge->rt, config_duration_ns(edge->config->limits.commit_timeout_ms));
    enum err e = ipc_message_commit(f, by, edge->queue, &commit, &mem, &reply);
    arena_clear(&mem);
    if (e == ERR_OK)
        in->upload = 0; /* the queue has ended it, one way or the other; else it may not have heard of its end */
    if (e != ERR_OK) {
        log_write(edge->log, LOG_COMMIT_FAILED, LOG_ID(KEY_ID, s->tx->id), LOG_ERR(KEY_ERROR, e),
                  LOG_TEXT(KEY_PHASE, SPAN("commit")));
        return REPLY_FAULT;
    }
    enum reply_id verdict = reply_of_result(reply.result);
    note_full(s, verdict);
    return verdict;
}
