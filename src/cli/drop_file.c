/* drop_file.c - lines of a word and its value, by a table. */
#include "cli/drop_file.h"

#include "proto/msg/header_mend.h"
#include "text/ascii.h"

#include <sysexits.h>

#define MAGIC "godwit-drop 1\n"

struct span
drop_file_mark(enum outgoing_state state)
{
    switch (state) {
    case OUTGOING_WAITING: break;
    case OUTGOING_DONE: return SPAN("ok");
    case OUTGOING_REFUSED: return SPAN("no");
    }
    return SPAN("to");
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static enum err
append_line(struct buf *to, struct span word, struct span value)
{
    TRY(buf_append(to, word));
    TRY(buf_append_octet(to, ' '));
    for (size_t i = 0; i < value.len; i++)
        TRY(buf_append_octet(to, ascii_is(value.data[i], ASCII_CONTROL) ? ' ' : value.data[i]));
    return buf_append_octet(to, '\n');
}

static enum err
append_address(struct buf *to, struct span word, const struct address_list_item *address)
{
    TRY(buf_append(to, word));
    TRY(buf_append_octet(to, ' '));
    TRY(address_list_item_format(address, to));
    return buf_append_octet(to, '\n');
}

enum err
drop_file_format(const struct outgoing *o, struct buf *to)
{
    struct span name = o->full_name;
    if (name.len > HEADER_FULL_NAME_MAX)
        name.len = HEADER_FULL_NAME_MAX;
    TRY(buf_append(to, SPAN(MAGIC)));
    if (o->has_sender)
        TRY(append_address(to, SPAN("from"), &o->sender));
    if (name.len > 0)
        TRY(append_line(to, SPAN("name"), name));
    if (o->notify != 0)
        TRY(buf_printf(to, "notify %u\n", o->notify));
    if (o->ret != ENVELOPE_RET_UNSET)
        TRY(append_line(to, SPAN("ret"), o->ret == ENVELOPE_RET_FULL ? SPAN("full") : SPAN("hdrs")));
    if (o->envid.len > 0)
        TRY(append_line(to, SPAN("envid"), o->envid));
    for (size_t i = 0; i < o->recipient_count; i++)
        if (o->recipients[i].state == OUTGOING_WAITING)
            TRY(append_address(to, SPAN("to"), &o->recipients[i].address));
    TRY(buf_append_octet(to, '\n'));
    return buf_append(to, o->header);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* One line of the head under way. */
struct line {
    struct outgoing *o;
    struct span word, value;
    uint64_t offset; /* of the word in the file */
};

static enum err
read_address(const struct line *l, struct address_list_item *ret)
{
    struct address_list list;
    TRY(address_list_parse(l->value, &l->o->mem, &list));
    if (list.count != 1)
        return ERR_SYNTAX;
    *ret = *list.first;
    ret->next = NULL;
    return ERR_OK;
}

static enum err
read_from(const struct line *l)
{
    l->o->has_sender = true;
    return read_address(l, &l->o->sender);
}

static enum err
read_name(const struct line *l)
{
    l->o->full_name = l->value;
    return l->value.len > HEADER_FULL_NAME_MAX ? ERR_SYNTAX : ERR_OK;
}

static enum err
read_notify(const struct line *l)
{
    uint64_t notify;
    if (!span_to_u64(l->value, 15, &notify))
        return ERR_SYNTAX;
    l->o->notify = (unsigned)notify;
    bool is_never = (notify & ENVELOPE_NOTIFY_NEVER) != 0;
    return notify == 0 || (is_never && notify != ENVELOPE_NOTIFY_NEVER) ? ERR_SYNTAX : ERR_OK;
}

static enum err
read_ret(const struct line *l)
{
    bool is_full = span_equal(l->value, SPAN("full"));
    l->o->ret = is_full ? ENVELOPE_RET_FULL : ENVELOPE_RET_HDRS;
    return is_full || span_equal(l->value, SPAN("hdrs")) ? ERR_OK : ERR_SYNTAX;
}

static enum err
read_envid(const struct line *l)
{
    l->o->envid = l->value;
    return l->value.len > 0 && l->value.len <= 100 && ascii_all(l->value, ASCII_PRINT) ? ERR_OK : ERR_SYNTAX;
}

static enum err
read_recipient(const struct line *l)
{
    struct address_list_item address;
    TRY(read_address(l, &address));
    if (address.local.len == 0)
        return ERR_SYNTAX;
    size_t before = l->o->recipient_count;
    TRY(outgoing_add(l->o, &address, l->offset));
    if (l->o->recipient_count == before)
        return ERR_OK; /* it stands there twice */
    struct outgoing_recipient *added = &l->o->recipients[before];
    added->state = span_equal(l->word, drop_file_mark(OUTGOING_DONE))      ? OUTGOING_DONE
                   : span_equal(l->word, drop_file_mark(OUTGOING_REFUSED)) ? OUTGOING_REFUSED
                                                                           : OUTGOING_WAITING;
    return ERR_OK;
}

static const struct {
    struct span word;
    enum err (*read)(const struct line *l);
} rows[] = {
    {SPAN("from"), read_from},     {SPAN("name"), read_name},    {SPAN("notify"), read_notify},
    {SPAN("ret"), read_ret},       {SPAN("envid"), read_envid},  {SPAN("to"), read_recipient},
    {SPAN("ok"), read_recipient},  {SPAN("no"), read_recipient},
};

static enum err
read_line(struct line *l)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (span_equal(rows[i].word, l->word))
            return rows[i].read(l);
    return ERR_SYNTAX;
}

/* Read the lines up to the empty one; *at is where the message begins. */
static enum err
read_head(struct span text, struct outgoing *o, size_t *at)
{
    if (!span_has_prefix(text, SPAN(MAGIC)))
        return ERR_SYNTAX;
    for (*at = sizeof(MAGIC) - 1;;) {
        struct span rest = span_skip(text, *at);
        size_t len = span_find(rest, '\n');
        if (len == rest.len)
            return ERR_SYNTAX;
        struct line l = {.o = o, .offset = *at};
        *at += len + 1;
        if (len == 0)
            return ERR_OK;
        if (!span_cut(span_first(rest, len), ' ', &l.word, &l.value))
            return ERR_SYNTAX;
        TRY(read_line(&l));
    }
}

int
drop_file_parse(struct span text, struct outgoing *o, struct buf *complaint)
{
    size_t at = 0;
    enum err e = read_head(text, o, &at);
    if (e == ERR_LIMIT) {
        buf_append_cstr(complaint, "out of memory, or too many recipients");
        return EX_OSERR;
    }
    if (e != ERR_OK || o->recipient_count == 0) {
        buf_append_cstr(complaint, "the file is not one that sendmail writes");
        return EX_DATAERR;
    }
    return outgoing_take_content(o, span_skip(text, at), false, complaint);
}
