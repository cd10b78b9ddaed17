/*
 * expansion.c - from the recipient a client named to the mailbox it means.
 *
 * Directory answers one step at a time; this file walks. What stands for one mailbox, user or store gets that target in place, asked
 * anew at each attempt: queued mail follows a changed configuration. What stands for other addresses is replaced by them, once: the
 * replaced one stays as RECIPIENT_EXPANDED, which is also how the walk notices that it comes by again. Depth and number are bounded
 * by delivery { expansion-depth, expansion-recipients }, so no alias loop or bomb goes on (standards P18). An alias keeps the reverse
 * path, a list replaces it for its members (requirement 75).
 */
#include "queue/queue_state.h"

#include "net/trail.h"
#include "proto/addr/mailbox.h"
#include "text/ascii.h"

enum { RECIPIENT_ADDRESS_MAX = 512, RETRY_JITTER_PARTS = 10, FORWARD_NAME_MAX = 64 };

/* --- failing ------------------------------------------------------------------------------------------------------ */

/* The wait before attempt number `attempts` + 1, varied by up to a tenth, in microseconds. */
static int64_t
retry_delay_us(struct queue *queue, uint32_t attempts)
{
    const struct config_u64_list *schedule = &queue->env->config->delivery.schedule;
    size_t step = attempts == 0 ? 0 : attempts - 1;
    if (step >= schedule->count)
        step = schedule->count - 1;
    int64_t delay_us = (int64_t)schedule->items[step].value * 1000;
    int64_t tenth = delay_us / RETRY_JITTER_PARTS;
    if (tenth > 0)
        delay_us += (int64_t)rt_random_below(queue->rt, (uint64_t)(2 * tenth)) - tenth;
    return delay_us;
}

void
queue_recipient_failed(struct queue *queue, struct envelope_recipient *recipient, enum delivery_class class,
                       struct span status, struct span reason)
{
    recipient->attempts++;
    recipient->status = status;
    recipient->reason = reason;
    if (class == DELIVERY_FAILED)
        recipient->state = RECIPIENT_HELD;
    else
        recipient->next_attempt_us = rt_wall_us(queue->rt) + retry_delay_us(queue, recipient->attempts);
}

/* --- walking ------------------------------------------------------------------------------------------------------ */

/* Recipient `from` was replaced; `to` is one of those it stands for. */
struct step {
    uint32_t from, to;
};

struct walk {
    struct queue *queue;
    struct envelope *envelope;
    struct arena *mem;
    size_t room;        /* recipients that fit at envelope->recipients */
    struct step *steps; /* of this walk */
    size_t step_count, step_room;
};

/* Whether the answer makes sense; directory is another process. */
static bool
is_plausible(const struct ipc_recipient_expand_reply *reply)
{
    for (size_t i = 0; i < reply->targets_count; i++)
        if (reply->targets[i].kind > TARGET_DISCARD || span_is_empty(reply->targets[i].name))
            return false;
    return reply->status <= RECIPIENT_STATUS_UNAVAILABLE;
}

static enum err
ask_directory(struct fiber *f, struct walk *walk, struct span address, uint32_t offset,
              struct ipc_recipient_expand_reply *ret)
{
    uint8_t text[RECIPIENT_ADDRESS_MAX];
    struct buf domain;
    buf_init_fixed(&domain, text, sizeof(text));
    struct mailbox mailbox;
    struct ipc_recipient_expand request = {.local_part = address, .offset = offset};
    if (mailbox_parse(address, true, &mailbox) == ADDR_OK) {
        TRY(mailbox_format_domain(&mailbox, &domain));
        request.local_part = mailbox_local(&mailbox);
        request.domain = buf_span(&domain);
    }
    struct queue *queue = walk->queue;
    struct deadline by = deadline_in(queue->rt, config_duration_ns(queue->env->config->limits.lookup_timeout_ms));
    TRY(ipc_recipient_expand(f, by, ipc_hub_link(queue->env->hub, ROLE_DIRECTORY), &request, walk->mem, ret));
    return is_plausible(ret) ? ERR_OK : ERR_PROTOCOL;
}

/*
 * Whether the target is that recipient. A final one ("\\joe" in the entry of joe) has the name of what it replaces, which does
 * not get the message itself any more.
 */
static bool
is_same(const struct envelope_recipient *recipient, const struct ipc_target *target)
{
    if (target->kind == TARGET_UNEXPANDED)
        return span_equal_nocase(recipient->address, target->name);
    return recipient->state != RECIPIENT_EXPANDED && recipient->target == (enum recipient_target)target->kind &&
           span_equal_nocase(recipient->target_name, target->name) &&
           span_equal(recipient->target_detail, target->detail);
}

/* The number of the recipient that the target is; the count when there is none yet. */
static size_t
find_recipient(const struct envelope *envelope, const struct ipc_target *target)
{
    size_t i = 0;
    while (i < envelope->recipient_count && !is_same(&envelope->recipients[i], target))
        i++;
    return i;
}

static enum err
note_step(struct walk *walk, size_t from, size_t to)
{
    if (walk->step_count == walk->step_room) {
        size_t room = walk->step_room * 2 + 16;
        struct step *steps = arena_alloc(walk->mem, room * sizeof(*steps));
        if (steps == NULL)
            return ERR_LIMIT;
        if (walk->step_count > 0)
            memcpy(steps, walk->steps, walk->step_count * sizeof(*steps));
        walk->steps = steps;
        walk->step_room = room;
    }
    walk->steps[walk->step_count++] = (struct step){(uint32_t)from, (uint32_t)to};
    return ERR_OK;
}

/* Make room for one more recipient; those there may move. */
static enum err
grow(struct walk *walk)
{
    struct envelope *envelope = walk->envelope;
    if (envelope->recipient_count < walk->room)
        return ERR_OK;
    size_t room = walk->room * 2 + 16;
    struct envelope_recipient *recipients = arena_alloc(walk->mem, room * sizeof(*recipients));
    if (recipients == NULL)
        return ERR_LIMIT;
    memcpy(recipients, envelope->recipients, envelope->recipient_count * sizeof(*recipients));
    envelope->recipients = recipients;
    walk->room = room;
    return ERR_OK;
}

/* Append one recipient that number `parent` stands for; there is room. */
static void
append_at_end(struct walk *walk, size_t parent, const struct ipc_recipient_expand_reply *reply, const struct ipc_target *target)
{
    struct envelope *envelope = walk->envelope;
    const struct envelope_recipient *from = &envelope->recipients[parent];
    envelope->recipients[envelope->recipient_count++] = (struct envelope_recipient){
        .address = target->name,
        .original = span_is_empty(from->original) ? from->address : from->original,
        .orcpt = from->orcpt,
        .notify = from->notify,
        .depth = from->depth + 1,
        .target = target->kind == TARGET_UNEXPANDED ? TARGET_UNEXPANDED : (enum recipient_target)target->kind,
        .target_name = target->kind == TARGET_UNEXPANDED ? SPAN_EMPTY : target->name,
        .target_detail = target->detail,
        .quota_bytes = target->quota_bytes,
        .list_sender = reply->keeps_sender ? from->list_sender : reply->sender,
    };
}

/* The same, unless the walk has been there. */
static enum err
append_recipient(struct walk *walk, size_t parent, const struct ipc_recipient_expand_reply *reply, const struct ipc_target *target)
{
    size_t to = find_recipient(walk->envelope, target);
    TRY(note_step(walk, parent, to));
    if (to < walk->envelope->recipient_count)
        return ERR_OK;
    TRY(grow(walk));
    append_at_end(walk, parent, reply, target);
    return ERR_OK;
}

static void
fail_by_status(struct queue *queue, struct envelope_recipient *recipient, enum recipient_status status)
{
    switch (status) {
    case RECIPIENT_STATUS_UNKNOWN:
        queue_recipient_failed(queue, recipient, DELIVERY_FAILED, SPAN("5.1.1"), SPAN("no such user here"));
        return;
    case RECIPIENT_STATUS_NOT_LOCAL:
        queue_recipient_failed(queue, recipient, DELIVERY_FAILED, SPAN("5.7.1"),
                               SPAN("the address is not of this server, and relaying is not available"));
        return;
    case RECIPIENT_STATUS_SUSPENDED:
        queue_recipient_failed(queue, recipient, DELIVERY_DEFERRED, SPAN("4.2.1"), SPAN("the account is suspended"));
        return;
    case RECIPIENT_STATUS_OVER_QUOTA:
        queue_recipient_failed(queue, recipient, DELIVERY_DEFERRED, SPAN("4.2.2"), SPAN("the mailbox is full"));
        return;
    case RECIPIENT_STATUS_TOO_BIG:
        queue_recipient_failed(queue, recipient, DELIVERY_FAILED, SPAN("5.2.3"), SPAN("the message is too large for this mailbox"));
        return;
    case RECIPIENT_STATUS_OK:
    case RECIPIENT_STATUS_UNAVAILABLE:
        queue_recipient_failed(queue, recipient, DELIVERY_DEFERRED, SPAN("4.3.0"), SPAN("the directory cannot say where the address leads"));
        return;
    }
}

/* Replace recipient `i` by the targets of the reply, asking on while there are more of them. */
static enum err
replace_recipient(struct fiber *f, struct walk *walk, size_t i, const struct ipc_recipient_expand_reply *first)
{
    const struct config_delivery *config = &walk->queue->env->config->delivery;
    struct ipc_recipient_expand_reply reply = *first;
    uint32_t offset = 0;
    for (;;) {
        for (size_t n = 0; n < reply.targets_count; n++) {
            if (walk->envelope->recipient_count >= config->expansion_recipients.value) {
                queue_recipient_failed(walk->queue, &walk->envelope->recipients[i], DELIVERY_FAILED, SPAN("5.1.3"),
                                       SPAN("the address stands for more recipients than expansion-recipients allows"));
                return ERR_OK;
            }
            TRY(append_recipient(walk, i, &reply, &reply.targets[n]));
        }
        offset += (uint32_t)reply.targets_count;
        if (!reply.more)
            break;
        enum err e = ask_directory(f, walk, walk->envelope->recipients[i].address, offset, &reply);
        if (e == ERR_CANCELED || e == ERR_LIMIT)
            return e;
        if (e != ERR_OK || reply.status != RECIPIENT_STATUS_OK || reply.targets_count == 0) {
            /* Those found so far stay; the rest of the list is asked for at the next attempt. */
            fail_by_status(walk->queue, &walk->envelope->recipients[i], RECIPIENT_STATUS_UNAVAILABLE);
            return ERR_OK;
        }
    }
    walk->envelope->recipients[i].state = RECIPIENT_EXPANDED;
    log_write(walk->queue->log, LOG_MESSAGE_EXPANDED, LOG_ID(KEY_ID, walk->envelope->id),
              LOG_TEXT(KEY_TO, walk->envelope->recipients[i].address), LOG_U64(KEY_COUNT, offset));
    return ERR_OK;
}

/* One step for recipient `i`. */
static enum err
expand_one(struct fiber *f, struct walk *walk, size_t i)
{
    struct queue *queue = walk->queue;
    struct envelope_recipient *recipient = &walk->envelope->recipients[i];
    if (recipient->depth > queue->env->config->delivery.expansion_depth.value) {
        queue_recipient_failed(queue, recipient, DELIVERY_FAILED, SPAN("5.4.6"), SPAN("more aliases lead to one another than expansion-depth allows"));
        return ERR_OK;
    }
    struct ipc_recipient_expand_reply reply;
    enum err e = ask_directory(f, walk, recipient->address, 0, &reply);
    if (e == ERR_CANCELED || e == ERR_LIMIT)
        return e;
    if (e != ERR_OK || reply.status != RECIPIENT_STATUS_OK || reply.targets_count == 0) {
        fail_by_status(queue, recipient, e == ERR_OK ? (enum recipient_status)reply.status : RECIPIENT_STATUS_UNAVAILABLE);
        return ERR_OK;
    }
    const struct ipc_target *target = &reply.targets[0];
    if (reply.targets_count > 1 || reply.more || target->kind == TARGET_UNEXPANDED)
        return replace_recipient(f, walk, i, &reply);
    recipient->target = (enum recipient_target)target->kind;
    recipient->target_name = target->name;
    recipient->target_detail = target->detail;
    recipient->quota_bytes = target->quota_bytes;
    return ERR_OK;
}

/* --- circles ------------------------------------------------------------------------------------------------------ */

/* What is known in this walk of where a recipient's mail goes. */
enum leads { LEADS_UNKNOWN, LEADS_NOWHERE, LEADS_SOMEWHERE };

/* Whether somebody takes the place of a recipient that was replaced at an earlier attempt, as far as its record tells. */
static bool
has_heirs(const struct envelope *envelope, const struct envelope_recipient *replaced)
{
    struct span root = span_is_empty(replaced->original) ? replaced->address : replaced->original;
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        const struct envelope_recipient *recipient = &envelope->recipients[i];
        if (recipient->state != RECIPIENT_EXPANDED && recipient->depth > replaced->depth &&
            span_equal(recipient->original, root))
            return true;
    }
    return false;
}

/* Where the end of a step leads by itself, before the steps of this walk are followed. */
static enum leads
leads_at_first(const struct walk *walk, const enum leads *leads, size_t i)
{
    const struct envelope_recipient *recipient = &walk->envelope->recipients[i];
    if (leads[i] != LEADS_UNKNOWN)
        return leads[i];
    return recipient->state != RECIPIENT_EXPANDED || has_heirs(walk->envelope, recipient) ? LEADS_SOMEWHERE : LEADS_NOWHERE;
}

/*
 * Aliases that lead to one another and to nobody else would replace each other until nobody is left, and the message would be
 * gone. Hold the recipients that were replaced in this walk and lead to no one.
 */
static enum err
hold_circles(struct walk *walk)
{
    struct envelope *envelope = walk->envelope;
    if (walk->step_count == 0)
        return ERR_OK;
    enum leads *leads = arena_alloc(walk->mem, envelope->recipient_count * sizeof(*leads));
    if (leads == NULL)
        return ERR_LIMIT;
    for (size_t k = 0; k < walk->step_count; k++) {
        size_t from = walk->steps[k].from;
        leads[from] = envelope->recipients[from].state == RECIPIENT_EXPANDED ? LEADS_NOWHERE : LEADS_SOMEWHERE;
    }
    for (size_t k = 0; k < walk->step_count; k++)
        leads[walk->steps[k].to] = leads_at_first(walk, leads, walk->steps[k].to);
    for (bool is_moving = true; is_moving;) {
        is_moving = false;
        for (size_t k = walk->step_count; k-- > 0;) { /* later steps lead further: backwards it takes few rounds */
            if (leads[walk->steps[k].from] != LEADS_NOWHERE || leads[walk->steps[k].to] != LEADS_SOMEWHERE)
                continue;
            leads[walk->steps[k].from] = LEADS_SOMEWHERE;
            is_moving = true;
        }
    }
    for (size_t k = 0; k < walk->step_count; k++) {
        struct envelope_recipient *recipient = &envelope->recipients[walk->steps[k].from];
        if (leads[walk->steps[k].from] == LEADS_NOWHERE && recipient->state == RECIPIENT_EXPANDED)
            queue_recipient_failed(walk->queue, recipient, DELIVERY_FAILED, SPAN("5.4.6"),
                                   SPAN("the aliases of this address lead to one another and to nobody else"));
    }
    return ERR_OK;
}

enum err
queue_expand(struct fiber *f, struct queue *queue, struct envelope *envelope, struct arena *mem, int64_t now_us,
             bool *ret_changed)
{
    struct walk walk = {.queue = queue, .envelope = envelope, .mem = mem, .room = envelope->recipient_count};
    size_t before = envelope->recipient_count;
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct envelope_recipient *recipient = &envelope->recipients[i];
        bool is_due = recipient->state == RECIPIENT_PENDING && recipient->next_attempt_us <= now_us;
        if (is_due && recipient->target == TARGET_UNEXPANDED)
            TRY(expand_one(f, &walk, i));
    }
    TRY(hold_circles(&walk));
    *ret_changed = envelope->recipient_count != before;
    return ERR_OK;
}

/* --- what users forward ------------------------------------------------------------------------------------------- */

/*
 * Whether the message goes there anyway, without recipient `except`, who forwards. One that was replaced does not count
 * either: his place is taken by others, and among those may be the very one who forwards. Then both go round until
 * expansion-depth holds them, rather than vanish.
 */
static bool
is_served(const struct envelope *envelope, size_t except, struct span address)
{
    for (size_t i = 0; i < envelope->recipient_count; i++)
        if (i != except && envelope->recipients[i].state != RECIPIENT_EXPANDED &&
            span_equal_nocase(envelope->recipients[i].address, address))
            return true;
    return false;
}

static bool
forward_is_address(struct span address)
{
    struct mailbox mailbox;
    if (span_find(address, '@') < address.len)
        return mailbox_parse(address, true, &mailbox) == ADDR_OK;
    return address.len > 0 && address.len <= FORWARD_NAME_MAX && address.data[0] != ':' && ascii_all(address, ASCII_GRAPH);
}

static bool
forward_refuse(const char *status, const char *reason, struct span *ret_status, struct span *ret_reason)
{
    *ret_status = span_from_cstr(status);
    *ret_reason = span_from_cstr(reason);
    return false;
}

bool
queue_forward(struct queue *queue, struct envelope *envelope, struct arena *mem, size_t index, struct span forwards,
              struct span *ret_status, struct span *ret_reason)
{
    const struct config_delivery *config = &queue->env->config->delivery;
    struct walk walk = {.queue = queue, .envelope = envelope, .mem = mem, .room = envelope->recipient_count};
    const struct ipc_recipient_expand_reply keeps = {.keeps_sender = true};
    size_t before = envelope->recipient_count;
    if (envelope->recipients[index].depth >= config->expansion_depth.value)
        return forward_refuse("5.4.6", "more ~/.forward files and aliases lead to one another than expansion-depth allows",
                              ret_status, ret_reason);
    while (!span_is_empty(forwards)) {
        struct span address = forwards, rest = SPAN_EMPTY;
        span_cut(forwards, '\n', &address, &rest);
        forwards = rest;
        const char *reason = NULL;
        if (!forward_is_address(address))
            reason = "an address in ~/.forward cannot be used";
        else if (envelope->recipient_count >= config->expansion_recipients.value)
            reason = "~/.forward leads to more recipients than expansion-recipients allows";
        else if (!is_served(envelope, index, address) && grow(&walk) != ERR_OK)
            reason = "no memory for what ~/.forward says";
        if (reason != NULL) {
            envelope->recipient_count = before;
            return forward_refuse("5.1.3", reason, ret_status, ret_reason);
        }
        if (!is_served(envelope, index, address))
            append_at_end(&walk, index, &keeps, &(struct ipc_target){.kind = TARGET_UNEXPANDED, .name = address});
    }
    return true;
}
