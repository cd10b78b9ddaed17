/* user_delivery.c - the two records of a delivery to a user of the machine, each from one table of its fields. */
#include "store/user_delivery.h"

#include "store/recipient.h"

enum field_kind { FIELD_TEXT, FIELD_OCTETS, FIELD_NUMBER, FIELD_BOOL };

struct field {
    enum field_kind kind;
    size_t offset; /* in the struct */
    size_t max;    /* octets of a text, greatest number */
};

enum { NAME_MAX_OCTETS = 255, ADDRESS_MAX_OCTETS = 512, PATH_MAX_OCTETS = 1023, LENGTH_OCTETS = 4, NUMBER_OCTETS = 8 };

#define TEXT_FIELD(member, max) {FIELD_TEXT, offsetof(struct user_delivery, member), max}
#define NUMBER_FIELD(member, max) {FIELD_NUMBER, offsetof(struct user_delivery, member), max}
#define BOOL_FIELD(member) {FIELD_BOOL, offsetof(struct user_delivery, member), 1}

static const struct field delivery_fields[] = {
    NUMBER_FIELD(parent_pid, INT32_MAX),
    NUMBER_FIELD(uid, UINT32_MAX - 1),
    NUMBER_FIELD(gid, UINT32_MAX - 1),
    {FIELD_OCTETS, offsetof(struct user_delivery, groups), USER_DELIVERY_GROUPS_MAX * sizeof(uint32_t)},
    TEXT_FIELD(user, NAME_MAX_OCTETS),
    TEXT_FIELD(home, PATH_MAX_OCTETS),
    TEXT_FIELD(shell, PATH_MAX_OCTETS),
    TEXT_FIELD(hostname, NAME_MAX_OCTETS),
    TEXT_FIELD(alias, NAME_MAX_OCTETS),
    TEXT_FIELD(maildir, NAME_MAX_OCTETS),
    TEXT_FIELD(separator, 1),
    BOOL_FIELD(reads_forward),
    BOOL_FIELD(runs_commands),
    NUMBER_FIELD(time_ms, INT32_MAX),
    NUMBER_FIELD(memory_bytes, INT64_MAX),
    BOOL_FIELD(has_file),
    TEXT_FIELD(id, 32),
    TEXT_FIELD(detail, 256),
    TEXT_FIELD(recipient, ADDRESS_MAX_OCTETS + 256),
    TEXT_FIELD(original, ADDRESS_MAX_OCTETS),
    TEXT_FIELD(sender, ADDRESS_MAX_OCTETS),
    TEXT_FIELD(client_address, 64),
    TEXT_FIELD(envid, 100),
};

static const struct field result_fields[] = {
    {FIELD_NUMBER, offsetof(struct user_delivery_result, class), DELIVERY_FAILED},
    {FIELD_TEXT, offsetof(struct user_delivery_result, status), 15},
    {FIELD_TEXT, offsetof(struct user_delivery_result, text), USER_DELIVERY_TEXT_MAX},
    {FIELD_TEXT, offsetof(struct user_delivery_result, forwards), USER_DELIVERY_FORWARDS_MAX},
};

#define DELIVERY_MARK SPAN("godwit delivery 1\n")
#define RESULT_MARK SPAN("godwit delivered 1\n")

static void
number_append(uint64_t value, size_t octets, struct buf *to)
{
    for (size_t i = 0; i < octets; i++)
        buf_append_octet(to, (uint8_t)(value >> (8 * i)));
}

static uint64_t
number_read(struct span octets)
{
    uint64_t value = 0;
    for (size_t i = octets.len; i > 0; i--)
        value = value << 8 | octets.data[i - 1];
    return value;
}

static bool
is_number(enum field_kind kind)
{
    return kind == FIELD_NUMBER || kind == FIELD_BOOL;
}

static bool
text_is_good(const struct field *field, struct span text)
{
    return text.len <= field->max && (field->kind == FIELD_OCTETS || span_find(text, '\0') == text.len);
}

static enum err
fields_encode(struct span mark, const struct field *fields, size_t count, const void *from, struct buf *to)
{
    buf_append(to, mark);
    for (size_t i = 0; i < count; i++) {
        const void *at = (const char *)from + fields[i].offset;
        if (is_number(fields[i].kind)) {
            uint64_t value;
            memcpy(&value, at, sizeof(value));
            if (value > fields[i].max)
                return ERR_LIMIT;
            number_append(NUMBER_OCTETS, LENGTH_OCTETS, to);
            number_append(value, NUMBER_OCTETS, to);
            continue;
        }
        struct span text;
        memcpy(&text, at, sizeof(text));
        if (!text_is_good(&fields[i], text))
            return ERR_LIMIT;
        number_append(text.len, LENGTH_OCTETS, to);
        buf_append(to, text);
    }
    return buf_check(to);
}

/* One field off *bytes into the struct at `into`. */
static bool
field_take(const struct field *field, struct span *bytes, void *into)
{
    if (bytes->len < LENGTH_OCTETS)
        return false;
    uint64_t len = number_read(span_first(*bytes, LENGTH_OCTETS));
    struct span rest = span_skip(*bytes, LENGTH_OCTETS);
    if (len > rest.len)
        return false;
    struct span value = span_first(rest, (size_t)len);
    *bytes = span_skip(rest, (size_t)len);
    void *at = (char *)into + field->offset;
    if (!is_number(field->kind)) {
        memcpy(at, &value, sizeof(value));
        return text_is_good(field, value);
    }
    uint64_t number = len == NUMBER_OCTETS ? number_read(value) : UINT64_MAX;
    memcpy(at, &number, sizeof(number));
    return number <= field->max;
}

static enum err
fields_parse(struct span mark, const struct field *fields, size_t count, struct span bytes, void *into)
{
    if (!span_has_prefix(bytes, mark))
        return ERR_SYNTAX;
    bytes = span_skip(bytes, mark.len);
    for (size_t i = 0; i < count; i++)
        if (!field_take(&fields[i], &bytes, into))
            return ERR_SYNTAX;
    return span_is_empty(bytes) ? ERR_OK : ERR_SYNTAX;
}

enum err
user_delivery_encode(const struct user_delivery *d, struct buf *to)
{
    return fields_encode(DELIVERY_MARK, delivery_fields, ARRAY_LEN(delivery_fields), d, to);
}

enum err
user_delivery_parse(struct span bytes, struct user_delivery *ret)
{
    struct user_delivery d = {.uid = 0};
    TRY(fields_parse(DELIVERY_MARK, delivery_fields, ARRAY_LEN(delivery_fields), bytes, &d));
    if (d.uid == 0 || d.groups.len % sizeof(uint32_t) != 0 || span_is_empty(d.user) || span_is_empty(d.recipient))
        return ERR_SYNTAX;
    *ret = d;
    return ERR_OK;
}

enum err
user_delivery_result_encode(const struct user_delivery_result *r, struct buf *to)
{
    return fields_encode(RESULT_MARK, result_fields, ARRAY_LEN(result_fields), r, to);
}

enum err
user_delivery_result_parse(struct span bytes, struct user_delivery_result *ret)
{
    struct user_delivery_result r = {.class = 0};
    TRY(fields_parse(RESULT_MARK, result_fields, ARRAY_LEN(result_fields), bytes, &r));
    *ret = r;
    return ERR_OK;
}
