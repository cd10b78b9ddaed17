/*
 * trail.c - steps as tag, length, bytes; lengths and numbers are base-128, low group first.
 *
 * A trail is a row of items: STEP, whose body is a row of fields, and FULL, which says that steps were left out. A
 * step's body ends with its action, so that no octets of a peer can look like FULL at the end of a trail.
 */
#include "net/trail.h"

#include "base/assert.h"
#include "net/log.h"

/* Items of a trail. Never reused. */
enum item_tag { ITEM_STEP = 1, ITEM_FULL = 2 };

/* Fields of a step. Never reused. */
enum field_tag {
    FIELD_TIME = 1,    /* microseconds */
    FIELD_PHASE = 2,
    FIELD_ACTION = 3,  /* last */
    FIELD_SUBJECT = 4,
    FIELD_REASON = 5,
    FIELD_REPLY = 6,
    FIELD_FILE = 7,
    FIELD_LINE = 8,
    FIELD_COLUMN = 9,
    FIELD_FACT = 10,   /* state, length of the name, name, value */
};

enum { VARINT_MAX = 10, FULL_BYTES = 2 };

static size_t
varint_size(uint64_t value)
{
    size_t n = 1;
    for (; value >= 0x80; value >>= 7)
        n++;
    return n;
}

static void
append_varint(struct buf *to, uint64_t value)
{
    uint8_t bytes[VARINT_MAX];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    buf_append(to, span_of(bytes, n));
}

static bool
take_varint(struct span *rest, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < VARINT_MAX && i < rest->len; i++) {
        uint8_t octet = rest->data[i];
        if (i == VARINT_MAX - 1 && octet > 1)
            return false;
        value |= (uint64_t)(octet & 0x7f) << (7 * i);
        if (octet < 0x80) {
            *rest = span_skip(*rest, i + 1);
            *ret = value;
            return true;
        }
    }
    return false;
}

/* Take tag, length and bytes of one item or field. */
static bool
take_tagged(struct span *rest, uint8_t *ret_tag, struct span *ret_value)
{
    if (rest->len == 0)
        return false;
    struct span after = span_skip(*rest, 1);
    uint64_t len;
    if (!take_varint(&after, &len) || len > after.len)
        return false;
    *ret_tag = rest->data[0];
    *ret_value = span_first(after, (size_t)len);
    *rest = span_skip(after, (size_t)len);
    return true;
}

static struct span
cut(struct span text)
{
    return text.len > TRAIL_TEXT_MAX ? span_first(text, TRAIL_TEXT_MAX) : text;
}

static size_t
text_size(struct span text)
{
    size_t len = cut(text).len;
    return len == 0 ? 0 : 1 + varint_size(len) + len;
}

static void
append_text(struct buf *to, enum field_tag tag, struct span text)
{
    text = cut(text);
    if (text.len == 0)
        return;
    buf_append_octet(to, (uint8_t)tag);
    append_varint(to, text.len);
    buf_append(to, text);
}

static size_t
number_size(uint64_t value)
{
    return value == 0 ? 0 : 2 + varint_size(value);
}

static void
append_number(struct buf *to, enum field_tag tag, uint64_t value)
{
    if (value == 0)
        return;
    buf_append_octet(to, (uint8_t)tag);
    append_varint(to, varint_size(value));
    append_varint(to, value);
}

static size_t
fact_body_size(const struct trail_fact *fact)
{
    size_t name_len = cut(fact->name).len;
    return 1 + varint_size(name_len) + name_len + cut(fact->value).len;
}

static void
append_fact(struct buf *to, const struct trail_fact *fact)
{
    buf_append_octet(to, FIELD_FACT);
    append_varint(to, fact_body_size(fact));
    buf_append_octet(to, (uint8_t)fact->state);
    append_varint(to, cut(fact->name).len);
    buf_append(to, cut(fact->name));
    buf_append(to, cut(fact->value));
}

static uint64_t
step_time(const struct trail_step *step)
{
    return step->time_us > 0 ? (uint64_t)step->time_us : 0;
}

static size_t
step_body_size(const struct trail_step *step, size_t fact_count)
{
    size_t size = number_size(step_time(step)) + number_size(step->phase) + number_size(step->action) +
                  text_size(step->subject) + text_size(step->reason) + text_size(step->reply) +
                  text_size(step->source.file) + number_size(step->source.line) + number_size(step->source.column);
    for (size_t i = 0; i < fact_count; i++) {
        size_t body = fact_body_size(&step->facts[i]);
        size += 1 + varint_size(body) + body;
    }
    return size;
}

static bool
is_full(const struct buf *trail)
{
    return trail->len >= FULL_BYTES && trail->data[trail->len - 2] == ITEM_FULL && trail->data[trail->len - 1] == 0;
}

void
trail_append(struct buf *to, const struct trail_step *step)
{
    ASSERT(step->phase != 0 && step->action != 0);
    if (is_full(to))
        return;
    size_t fact_count = step->fact_count > TRAIL_FACTS_MAX ? TRAIL_FACTS_MAX : step->fact_count;
    size_t body = step_body_size(step, fact_count);
    size_t size = 1 + varint_size(body) + body;
    if (size + FULL_BYTES > to->cap - to->len || buf_reserve(to, size + FULL_BYTES) == NULL) {
        buf_append(to, span_of((const uint8_t[]){ITEM_FULL, 0}, FULL_BYTES));
        return;
    }
    size_t end = to->len + size;
    buf_append_octet(to, ITEM_STEP);
    append_varint(to, body);
    append_number(to, FIELD_TIME, step_time(step));
    append_number(to, FIELD_PHASE, step->phase);
    append_text(to, FIELD_SUBJECT, step->subject);
    append_text(to, FIELD_REASON, step->reason);
    append_text(to, FIELD_REPLY, step->reply);
    append_text(to, FIELD_FILE, step->source.file);
    append_number(to, FIELD_LINE, step->source.line);
    append_number(to, FIELD_COLUMN, step->source.column);
    for (size_t i = 0; i < fact_count; i++)
        append_fact(to, &step->facts[i]);
    append_number(to, FIELD_ACTION, step->action);
    ASSERT(to->len == end);
}

static bool
parse_number(struct span value, uint64_t max, uint64_t *ret)
{
    uint64_t number;
    if (!take_varint(&value, &number) || value.len != 0 || number > max)
        return false;
    *ret = number;
    return true;
}

static bool
parse_fact(struct span value, struct trail_fact *ret)
{
    if (value.len == 0)
        return false;
    uint8_t state = value.data[0];
    value = span_skip(value, 1);
    uint64_t name_len;
    if (!take_varint(&value, &name_len) || name_len > value.len)
        return false;
    *ret = (struct trail_fact){(enum trail_fact_state)state, span_first(value, (size_t)name_len),
                               span_skip(value, (size_t)name_len)};
    return true;
}

static bool
parse_field(uint8_t tag, struct span value, struct trail_step *step, struct trail_fact *facts)
{
    uint64_t number = 0;
    switch (tag) {
    case FIELD_TIME:
        if (!parse_number(value, INT64_MAX, &number))
            return false;
        step->time_us = (int64_t)number;
        return true;
    case FIELD_PHASE:
        if (!parse_number(value, 255, &number))
            return false;
        step->phase = (enum trail_phase)number;
        return true;
    case FIELD_ACTION:
        if (!parse_number(value, 255, &number))
            return false;
        step->action = (enum trail_action)number;
        return true;
    case FIELD_SUBJECT: step->subject = value; return true;
    case FIELD_REASON: step->reason = value; return true;
    case FIELD_REPLY: step->reply = value; return true;
    case FIELD_FILE: step->source.file = value; return true;
    case FIELD_LINE:
        if (!parse_number(value, UINT32_MAX, &number))
            return false;
        step->source.line = (uint32_t)number;
        return true;
    case FIELD_COLUMN:
        if (!parse_number(value, UINT32_MAX, &number))
            return false;
        step->source.column = (uint32_t)number;
        return true;
    case FIELD_FACT:
        if (step->fact_count == TRAIL_FACTS_MAX || !parse_fact(value, &facts[step->fact_count]))
            return false;
        step->fact_count++;
        return true;
    default: /* of a newer program */
        return true;
    }
}

static enum err
parse_step(struct span body, struct arena *mem, struct trail_step *ret)
{
    struct trail_fact facts[TRAIL_FACTS_MAX];
    struct trail_step step = {0};
    while (body.len > 0) {
        uint8_t tag;
        struct span value;
        if (!take_tagged(&body, &tag, &value) || !parse_field(tag, value, &step, facts))
            return ERR_DAMAGED;
    }
    if (step.fact_count > 0) {
        struct trail_fact *kept = arena_alloc(mem, step.fact_count * sizeof(*kept));
        if (kept == NULL)
            return ERR_LIMIT;
        memcpy(kept, facts, step.fact_count * sizeof(*kept));
        step.facts = kept;
    }
    *ret = step;
    return ERR_OK;
}

enum err
trail_take(struct span *rest, struct arena *mem, struct trail_step *ret)
{
    struct span after = *rest;
    while (after.len > 0) {
        uint8_t tag;
        struct span value;
        if (!take_tagged(&after, &tag, &value))
            return ERR_DAMAGED;
        if (tag == ITEM_FULL) {
            *ret = (struct trail_step){.phase = TRAIL_SESSION, .action = TRAIL_NOTED, .reason = SPAN("trail-full")};
        } else if (tag == ITEM_STEP) {
            TRY(parse_step(value, mem, ret));
        } else {
            continue;
        }
        *rest = after;
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

struct span
trail_phase_name(enum trail_phase phase)
{
    switch (phase) {
    case TRAIL_CONNECT: return SPAN("connect");
    case TRAIL_HELO: return SPAN("helo");
    case TRAIL_MAIL: return SPAN("mail");
    case TRAIL_RCPT: return SPAN("rcpt");
    case TRAIL_DATA: return SPAN("data");
    case TRAIL_COMMIT: return SPAN("commit");
    case TRAIL_EXPAND: return SPAN("expand");
    case TRAIL_DELIVER: return SPAN("deliver");
    case TRAIL_OPERATOR: return SPAN("operator");
    case TRAIL_COMMAND: return SPAN("command");
    case TRAIL_SESSION: return SPAN("session");
    }
    return SPAN("unknown");
}

struct span
trail_action_name(enum trail_action action)
{
    switch (action) {
    case TRAIL_ACCEPTED: return SPAN("accepted");
    case TRAIL_REFUSED: return SPAN("refused");
    case TRAIL_DEFERRED: return SPAN("deferred");
    case TRAIL_HELD: return SPAN("held");
    case TRAIL_NOTED: return SPAN("noted");
    case TRAIL_DONE: return SPAN("done");
    }
    return SPAN("unknown");
}

static void
format_label(struct buf *to, struct span label)
{
    buf_append(to, SPAN("    "));
    buf_append(to, label);
    for (size_t pad = label.len; pad < 9; pad++)
        buf_append_octet(to, ' ');
}

static void
format_fact(struct buf *to, const struct trail_fact *fact)
{
    format_label(to, SPAN("fact"));
    log_append_escaped(to, fact->name, TRAIL_TEXT_MAX, LOG_ESCAPE_QUOTE);
    buf_append(to, SPAN(" "));
    switch (fact->state) {
    case TRAIL_FACT_KNOWN:
        buf_append(to, SPAN("= "));
        break;
    case TRAIL_FACT_UNKNOWN:
        buf_append(to, SPAN("unknown "));
        break;
    case TRAIL_FACT_FAILED:
    default:
        buf_append(to, SPAN("failed: "));
        break;
    }
    log_append_escaped(to, fact->value, TRAIL_TEXT_MAX, LOG_ESCAPE_QUOTE);
    buf_append_octet(to, '\n');
}

static void
format_step(struct buf *to, const struct trail_step *step)
{
    log_append_time(to, step->time_us);
    buf_append(to, SPAN("  "));
    buf_append(to, trail_phase_name(step->phase));
    buf_append_octet(to, ' ');
    buf_append(to, trail_action_name(step->action));
    if (step->subject.len > 0) {
        buf_append(to, SPAN(": "));
        log_append_escaped(to, step->subject, TRAIL_TEXT_MAX, LOG_ESCAPE_QUOTE);
    }
    buf_append_octet(to, '\n');
    if (step->reply.len > 0) {
        format_label(to, SPAN("reply"));
        log_append_escaped(to, step->reply, TRAIL_TEXT_MAX, LOG_ESCAPE_QUOTE);
        buf_append_octet(to, '\n');
    }
    if (step->reason.len > 0) {
        format_label(to, SPAN("reason"));
        log_append_escaped(to, step->reason, TRAIL_TEXT_MAX, LOG_ESCAPE_QUOTE);
        buf_append_octet(to, '\n');
    }
    if (step->source.line > 0) {
        format_label(to, SPAN("decided"));
        log_append_escaped(to, step->source.file, TRAIL_TEXT_MAX, LOG_ESCAPE_QUOTE);
        buf_append_octet(to, ':');
        buf_append_u64(to, step->source.line);
        buf_append_octet(to, ':');
        buf_append_u64(to, step->source.column);
        buf_append_octet(to, '\n');
    }
    for (size_t i = 0; i < step->fact_count; i++)
        format_fact(to, &step->facts[i]);
}

void
trail_format(struct span trail, struct buf *to)
{
    struct arena mem;
    enum err e;
    do {
        struct trail_step step;
        arena_init(&mem, TRAIL_FACTS_MAX * sizeof(struct trail_fact) + 64);
        e = trail_take(&trail, &mem, &step);
        if (e == ERR_OK)
            format_step(to, &step);
        arena_clear(&mem);
    } while (e == ERR_OK);
    if (e != ERR_NOT_FOUND)
        buf_append(to, SPAN("(the rest of this trail cannot be read)\n"));
}
