/*
 * envelope.c - the tagged form of an envelope: a table of fields for each of its two levels.
 *
 * An item is tag (2 octets), length (4), value, numbers big-endian. What has its default value (0, empty) is left out.
 * Strict: a tag that comes twice, a number of the wrong length or a value without a name is ERR_DAMAGED. Unknown tags
 * are collected word for word and written again behind the known ones.
 */
#include "store/envelope.h"

#include "base/assert.h"

#include <stddef.h>

/* Never reused, never renumbered. */
enum envelope_tag {
    TAG_ID = 1,
    TAG_ARRIVAL = 2,
    TAG_SENDER = 3,
    TAG_BODY = 4,
    TAG_SMTPUTF8 = 5,
    TAG_RET = 6,
    TAG_ENVID = 7,
    TAG_SIZE = 8,
    TAG_CLIENT_ADDRESS = 9,
    TAG_CLIENT_NAME = 10,
    TAG_HELO = 11,
    TAG_PROTOCOL = 12,
    TAG_LISTENER = 13,
    TAG_ACCOUNT = 14,
    TAG_GENERATION = 15,
    TAG_TRAIL = 16,
    TAG_RECIPIENT = 17, /* once for each; its value is items of the second level */
};

/* Of a recipient; a numbering of its own. */
enum recipient_tag {
    RCPT_ADDRESS = 1,
    RCPT_ORCPT = 2,
    RCPT_NOTIFY = 3,
    RCPT_STATE = 4,
    RCPT_TARGET = 5,
    RCPT_TARGET_NAME = 6,
    RCPT_TARGET_DETAIL = 7,
    RCPT_DEPTH = 8,
    RCPT_ATTEMPTS = 9,
    RCPT_NEXT_ATTEMPT = 10,
    RCPT_STATUS = 11,
    RCPT_REASON = 12,
    RCPT_LIST_SENDER = 13,
    RCPT_ORIGINAL = 14,
};

enum { ITEM_HEADER_BYTES = 6 };

enum field_kind { FIELD_ID, FIELD_TEXT, FIELD_BOOL, FIELD_ENUM /* 1 octet, up to `max` */, FIELD_U32, FIELD_U64 };

struct field {
    uint16_t tag;
    enum field_kind kind;
    size_t offset; /* in the struct */
    unsigned max;  /* FIELD_ENUM */
};

#define E(tag_, kind_, member, max_) {tag_, kind_, offsetof(struct envelope, member), max_}

static const struct field envelope_fields[] = {
    E(TAG_ID, FIELD_ID, id, 0),
    E(TAG_ARRIVAL, FIELD_U64, arrival_us, 0),
    E(TAG_SENDER, FIELD_TEXT, sender, 0),
    E(TAG_BODY, FIELD_ENUM, body, ENVELOPE_BODY_BINARYMIME),
    E(TAG_SMTPUTF8, FIELD_BOOL, is_smtputf8, 0),
    E(TAG_RET, FIELD_ENUM, ret, ENVELOPE_RET_HDRS),
    E(TAG_ENVID, FIELD_TEXT, envid, 0),
    E(TAG_SIZE, FIELD_U64, size_bytes, 0),
    E(TAG_CLIENT_ADDRESS, FIELD_TEXT, client_address, 0),
    E(TAG_CLIENT_NAME, FIELD_TEXT, client_name, 0),
    E(TAG_HELO, FIELD_TEXT, helo, 0),
    E(TAG_PROTOCOL, FIELD_TEXT, protocol, 0),
    E(TAG_LISTENER, FIELD_TEXT, listener, 0),
    E(TAG_ACCOUNT, FIELD_TEXT, account, 0),
    E(TAG_GENERATION, FIELD_U32, generation, 0),
    E(TAG_TRAIL, FIELD_TEXT, trail, 0),
};

#define R(tag_, kind_, member, max_) {tag_, kind_, offsetof(struct envelope_recipient, member), max_}

static const struct field recipient_fields[] = {
    R(RCPT_ADDRESS, FIELD_TEXT, address, 0),
    R(RCPT_ORCPT, FIELD_TEXT, orcpt, 0),
    R(RCPT_NOTIFY, FIELD_ENUM, notify,
      ENVELOPE_NOTIFY_NEVER | ENVELOPE_NOTIFY_SUCCESS | ENVELOPE_NOTIFY_FAILURE | ENVELOPE_NOTIFY_DELAY),
    R(RCPT_STATE, FIELD_ENUM, state, RECIPIENT_HELD),
    R(RCPT_TARGET, FIELD_ENUM, target, TARGET_DISCARD),
    R(RCPT_TARGET_NAME, FIELD_TEXT, target_name, 0),
    R(RCPT_TARGET_DETAIL, FIELD_TEXT, target_detail, 0),
    R(RCPT_DEPTH, FIELD_U32, depth, 0),
    R(RCPT_ATTEMPTS, FIELD_U32, attempts, 0),
    R(RCPT_NEXT_ATTEMPT, FIELD_U64, next_attempt_us, 0),
    R(RCPT_STATUS, FIELD_TEXT, status, 0),
    R(RCPT_REASON, FIELD_TEXT, reason, 0),
    R(RCPT_LIST_SENDER, FIELD_TEXT, list_sender, 0),
    R(RCPT_ORIGINAL, FIELD_TEXT, original, 0),
};

/* Every enum of an envelope is stored as its unsigned value. */
_Static_assert(sizeof(enum envelope_body) == sizeof(unsigned) && sizeof(enum recipient_state) == sizeof(unsigned) &&
               sizeof(enum recipient_target) == sizeof(unsigned) && sizeof(enum envelope_ret) == sizeof(unsigned),
               "FIELD_ENUM reads and writes an unsigned");

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void
big_endian(uint64_t value, size_t size, uint8_t *to)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static enum err
item_append(struct buf *to, uint16_t tag, struct span value)
{
    uint8_t header[ITEM_HEADER_BYTES];
    if (value.len > ENVELOPE_BYTES_MAX)
        return ERR_LIMIT;
    big_endian(tag, 2, header);
    big_endian(value.len, 4, header + 2);
    TRY(buf_append(to, span_of(header, sizeof(header))));
    return buf_append(to, value);
}

static enum err
number_append(struct buf *to, uint16_t tag, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    if (value == 0)
        return ERR_OK;
    big_endian(value, size, bytes);
    return item_append(to, tag, span_of(bytes, size));
}

static enum err
field_append(struct buf *to, const struct field *f, const void *object)
{
    const void *at = (const uint8_t *)object + f->offset;
    switch (f->kind) {
    case FIELD_ID: {
        uint8_t bytes[MESSAGE_ID_BYTES];
        message_id_encode(*(const struct message_id *)at, bytes);
        return item_append(to, f->tag, span_of(bytes, sizeof(bytes)));
    }
    case FIELD_TEXT: {
        struct span text = *(const struct span *)at;
        return span_is_empty(text) ? ERR_OK : item_append(to, f->tag, text);
    }
    case FIELD_BOOL: return number_append(to, f->tag, *(const bool *)at ? 1 : 0, 1);
    case FIELD_ENUM:
        ASSERT(*(const unsigned *)at <= f->max);
        return number_append(to, f->tag, *(const unsigned *)at, 1);
    case FIELD_U32: return number_append(to, f->tag, *(const uint32_t *)at, 4);
    case FIELD_U64: return number_append(to, f->tag, *(const uint64_t *)at, 8);
    }
    return ERR_OK;
}

static enum err
recipient_append(struct buf *to, const struct envelope_recipient *r)
{
    size_t start = to->len;
    TRY(item_append(to, TAG_RECIPIENT, SPAN_EMPTY));
    for (size_t i = 0; i < ARRAY_LEN(recipient_fields); i++)
        TRY(field_append(to, &recipient_fields[i], r));
    TRY(buf_append(to, r->unknown));
    big_endian(to->len - start - ITEM_HEADER_BYTES, 4, to->data + start + 2);
    return ERR_OK;
}

static enum err
envelope_append(const struct envelope *e, struct buf *to)
{
    for (size_t i = 0; i < ARRAY_LEN(envelope_fields); i++)
        TRY(field_append(to, &envelope_fields[i], e));
    for (size_t i = 0; i < e->recipient_count; i++)
        TRY(recipient_append(to, &e->recipients[i]));
    return buf_append(to, e->unknown);
}

enum err
envelope_encode(const struct envelope *e, struct buf *to)
{
    if (e->recipient_count > ENVELOPE_RECIPIENTS_MAX)
        return ERR_LIMIT;
    size_t start = to->len;
    enum err result = envelope_append(e, to);
    if (result == ERR_OK && to->len - start > ENVELOPE_BYTES_MAX)
        result = ERR_LIMIT;
    if (result != ERR_OK)
        to->len = start;
    return result;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct item {
    uint16_t tag;
    struct span value;
    struct span whole; /* header included */
};

static uint64_t
number_of(struct span value)
{
    uint64_t n = 0;
    for (size_t i = 0; i < value.len; i++)
        n = n << 8 | value.data[i];
    return n;
}

/* Take the first item off *rest. */
static enum err
item_take(struct span *rest, struct item *ret)
{
    if (rest->len < ITEM_HEADER_BYTES)
        return ERR_DAMAGED;
    size_t length = (size_t)number_of(span_of(rest->data + 2, 4));
    if (length > rest->len - ITEM_HEADER_BYTES)
        return ERR_DAMAGED;
    *ret = (struct item){
        .tag = (uint16_t)number_of(span_first(*rest, 2)),
        .value = span_of(rest->data + ITEM_HEADER_BYTES, length),
        .whole = span_first(*rest, ITEM_HEADER_BYTES + length),
    };
    *rest = span_skip(*rest, ITEM_HEADER_BYTES + length);
    return ret->tag == 0 ? ERR_DAMAGED : ERR_OK;
}

static enum err
field_read(const struct field *f, struct span value, void *object)
{
    static const size_t sizes[] = {[FIELD_ID] = MESSAGE_ID_BYTES, [FIELD_BOOL] = 1, [FIELD_ENUM] = 1, [FIELD_U32] = 4,
                                   [FIELD_U64] = 8};
    void *at = (uint8_t *)object + f->offset;
    if (f->kind != FIELD_TEXT && value.len != sizes[f->kind])
        return ERR_DAMAGED;
    switch (f->kind) {
    case FIELD_ID:
        if (value.data[MESSAGE_ID_BYTES - 1] != 0)
            return ERR_DAMAGED;
        *(struct message_id *)at = message_id_decode(value.data);
        break;
    case FIELD_TEXT: *(struct span *)at = value; break;
    case FIELD_BOOL:
        if (value.data[0] > 1)
            return ERR_DAMAGED;
        *(bool *)at = value.data[0] == 1;
        break;
    case FIELD_ENUM:
        if (value.data[0] > f->max)
            return ERR_DAMAGED;
        *(unsigned *)at = value.data[0];
        break;
    case FIELD_U32: *(uint32_t *)at = (uint32_t)number_of(value); break;
    case FIELD_U64: *(uint64_t *)at = number_of(value); break;
    }
    return ERR_OK;
}

static const struct field *
field_find(const struct field *fields, size_t count, uint16_t tag)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].tag == tag)
            return &fields[i];
    return NULL;
}

/* The unknown items of one level: counted first, copied then unless they lie side by side. */
struct unknown {
    struct span first; /* the stretch so far */
    size_t total;
    bool is_scattered;
};

static void
unknown_note(struct unknown *u, struct span whole)
{
    u->total += whole.len;
    if (u->first.len == 0)
        u->first = whole;
    else if (!u->is_scattered && u->first.data + u->first.len == whole.data)
        u->first.len += whole.len;
    else
        u->is_scattered = true;
}

/* Put the items of `bytes` that are not in `fields` (nor recipients, on the first level) together in `mem`. */
static enum err
unknown_collect(const struct unknown *u, struct span bytes, const struct field *fields, size_t count,
                bool has_recipients,
                struct arena *mem, struct span *ret)
{
    if (!u->is_scattered) {
        *ret = u->first;
        return ERR_OK;
    }
    uint8_t *to = arena_alloc(mem, u->total);
    if (to == NULL)
        return ERR_LIMIT;
    size_t at = 0;
    struct item item;
    while (bytes.len > 0) {
        TRY(item_take(&bytes, &item));
        if (field_find(fields, count, item.tag) != NULL || (has_recipients && item.tag == TAG_RECIPIENT))
            continue;
        memcpy(to + at, item.whole.data, item.whole.len);
        at += item.whole.len;
    }
    *ret = span_of(to, at);
    return ERR_OK;
}

static enum err
recipient_read(struct span bytes, struct arena *mem, struct envelope_recipient *ret)
{
    struct span rest = bytes;
    struct unknown unknown = {0};
    struct item item;
    uint32_t seen = 0;
    *ret = (struct envelope_recipient){0};
    while (rest.len > 0) {
        TRY(item_take(&rest, &item));
        const struct field *f = field_find(recipient_fields, ARRAY_LEN(recipient_fields), item.tag);
        if (f == NULL) {
            unknown_note(&unknown, item.whole);
            continue;
        }
        if ((seen & UINT32_C(1) << item.tag) != 0)
            return ERR_DAMAGED;
        seen |= UINT32_C(1) << item.tag;
        TRY(field_read(f, item.value, ret));
    }
    return unknown_collect(&unknown, bytes, recipient_fields, ARRAY_LEN(recipient_fields), false, mem, &ret->unknown);
}

/* The number of recipients, so that their array is allocated once. */
static enum err
recipients_count(struct span bytes, size_t *ret)
{
    struct item item;
    size_t count = 0;
    while (bytes.len > 0) {
        TRY(item_take(&bytes, &item));
        count += item.tag == TAG_RECIPIENT ? 1 : 0;
    }
    if (count > ENVELOPE_RECIPIENTS_MAX)
        return ERR_LIMIT;
    *ret = count;
    return ERR_OK;
}

static enum err
envelope_read(struct span bytes, struct arena *mem, struct envelope *e)
{
    TRY(recipients_count(bytes, &e->recipient_count));
    if (e->recipient_count > 0) {
        e->recipients = arena_alloc(mem, e->recipient_count * sizeof(*e->recipients));
        if (e->recipients == NULL)
            return ERR_LIMIT;
    }
    struct span rest = bytes;
    struct unknown unknown = {0};
    struct item item;
    uint32_t seen = 0;
    size_t recipients = 0;
    while (rest.len > 0) {
        TRY(item_take(&rest, &item));
        if (item.tag == TAG_RECIPIENT) {
            TRY(recipient_read(item.value, mem, &e->recipients[recipients++]));
            continue;
        }
        const struct field *f = field_find(envelope_fields, ARRAY_LEN(envelope_fields), item.tag);
        if (f == NULL) {
            unknown_note(&unknown, item.whole);
            continue;
        }
        if ((seen & UINT32_C(1) << item.tag) != 0)
            return ERR_DAMAGED;
        seen |= UINT32_C(1) << item.tag;
        TRY(field_read(f, item.value, e));
    }
    if ((seen & UINT32_C(1) << TAG_ID) == 0)
        return ERR_DAMAGED;
    return unknown_collect(&unknown, bytes, envelope_fields, ARRAY_LEN(envelope_fields), true, mem, &e->unknown);
}

enum err
envelope_decode(struct span bytes, struct arena *mem, struct envelope *ret)
{
    if (bytes.len > ENVELOPE_BYTES_MAX)
        return ERR_LIMIT;
    struct envelope e = {0};
    TRY(envelope_read(bytes, mem, &e));
    *ret = e;
    return ERR_OK;
}
