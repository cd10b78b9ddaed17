/* outgoing.c - see outgoing.h. */
#include "cli/outgoing.h"

#include "proto/msg/header_block.h"
#include "text/escape.h"

#include <stdlib.h>
#include <sysexits.h>

enum { MEMORY_MAX = 256 * 1024 * 1024, ADDRESS_BYTES_MAX = 64 * 1024 };

void
outgoing_init(struct outgoing *o)
{
    static const uint64_t seed[2]; /* who would make keys collide hurts nobody else */
    *o = (struct outgoing){.has_header = true};
    arena_init(&o->mem, MEMORY_MAX);
    map_init(&o->known, OUTGOING_RECIPIENTS_MAX, seed);
}

void
outgoing_done(struct outgoing *o)
{
    map_done(&o->known);
    free(o->recipients);
    arena_clear(&o->mem);
    *o = (struct outgoing){0};
}

static enum err
make_room(struct outgoing *o)
{
    if (o->recipient_count < o->recipient_room)
        return ERR_OK;
    size_t room = o->recipient_room == 0 ? 16 : 2 * o->recipient_room;
    struct outgoing_recipient *all = realloc(o->recipients, room * sizeof(*all));
    if (all == NULL)
        return ERR_LIMIT;
    o->recipients = all;
    o->recipient_room = room;
    return ERR_OK;
}

enum err
outgoing_add(struct outgoing *o, const struct address_list_item *address, uint64_t mark_offset)
{
    struct buf text;
    struct span key;
    buf_init(&text, ADDRESS_BYTES_MAX);
    enum err e = address_list_item_format(address, &text);
    if (e == ERR_OK && map_get(&o->known, buf_span(&text)) != NULL) {
        buf_done(&text);
        return ERR_OK;
    }
    if (e == ERR_OK && !arena_copy(&o->mem, buf_span(&text), &key))
        e = ERR_LIMIT;
    buf_done(&text);
    TRY(e);
    TRY(make_room(o));
    TRY(map_put(&o->known, key, o, NULL)); /* the value is of no use: any pointer */
    o->recipients[o->recipient_count++] = (struct outgoing_recipient){.address = *address, .mark_offset = mark_offset};
    return ERR_OK;
}

size_t
outgoing_count(const struct outgoing *o, enum outgoing_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < o->recipient_count; i++)
        count += o->recipients[i].state == state;
    return count;
}

/* --- the command line --------------------------------------------------------------------------------------------- */

static int
complain(struct buf *complaint, int status, const char *what, struct span about)
{
    buf_append_cstr(complaint, what);
    escape_append_reply(about.len > 200 ? span_first(about, 200) : about, complaint);
    return status;
}

static int
out_of_memory(struct buf *complaint)
{
    return complain(complaint, EX_OSERR, "out of memory", SPAN_EMPTY);
}

/* Add all addresses of a list. */
static int
add_list(struct outgoing *o, struct span text, int status_if_wrong, struct buf *complaint)
{
    struct address_list list;
    enum err e = address_list_parse(text, &o->mem, &list);
    if (e == ERR_SYNTAX)
        return complain(complaint, status_if_wrong, "this is no list of addresses: ", text);
    for (struct address_list_item *item = list.first; e == ERR_OK && item != NULL; item = item->next) {
        if (item->local.len == 0)
            return complain(complaint, status_if_wrong, "the null address is no recipient: ", text);
        e = outgoing_add(o, item, 0);
    }
    return e == ERR_OK ? EX_OK : out_of_memory(complaint);
}

static int
take_sender(struct outgoing *o, const char *text, struct buf *complaint)
{
    struct address_list list;
    enum err e = address_list_parse(span_from_cstr(text), &o->mem, &list);
    if (e == ERR_LIMIT)
        return out_of_memory(complaint);
    if (e != ERR_OK || list.count > 1)
        return complain(complaint, EX_USAGE, "-f needs one address, not: ", span_from_cstr(text));
    o->has_sender = true;
    o->sender = list.count == 0 ? (struct address_list_item){0} : *list.first;
    o->sender.next = NULL;
    return EX_OK;
}

int
outgoing_take_options(struct outgoing *o, const struct sendmail_options *options, struct buf *complaint)
{
    o->notify = options->notify;
    o->ret = options->ret;
    if (options->envid != NULL)
        o->envid = span_from_cstr(options->envid);
    if (options->full_name != NULL)
        o->full_name = span_from_cstr(options->full_name);
    int status = options->sender == NULL ? EX_OK : take_sender(o, options->sender, complaint);
    for (size_t i = 0; status == EX_OK && i < options->recipient_count; i++)
        status = add_list(o, span_from_cstr(options->recipients[i]), EX_USAGE, complaint);
    return status;
}

/* --- the message -------------------------------------------------------------------------------------------------- */

/* Cut the content into header section and body. */
static int
split(struct outgoing *o, struct span content, struct buf *complaint)
{
    struct header_block block;
    struct span rest = content, unused;
    header_block_init(&block, OUTGOING_HEADER_MAX);
    enum header_block_status status = header_block_take(&block, &rest, &unused);
    if (status == HEADER_BLOCK_MORE)
        header_block_end(&block, &unused);
    size_t len = block.bytes.len;
    status = block.status;
    header_block_done(&block);
    if (status == HEADER_BLOCK_TOO_LARGE)
        return complain(complaint, EX_DATAERR, "the header of the message is too large", SPAN_EMPTY);
    o->header = span_first(content, len);
    o->body = span_skip(content, len);
    o->has_header = status != HEADER_BLOCK_NO_HEADER;
    return EX_OK;
}

static bool
is_named(struct span name, const struct span names[3])
{
    return span_equal_nocase(name, names[0]) || span_equal_nocase(name, names[1]) || span_equal_nocase(name, names[2]);
}

static bool
has_field(struct span header, const struct span names[3])
{
    return header_count(header, names[0]) + header_count(header, names[1]) + header_count(header, names[2]) > 0;
}

static int
add_header_recipients(struct outgoing *o, struct buf *complaint)
{
    static const struct span plain[3] = {SPAN("To"), SPAN("Cc"), SPAN("Bcc")};
    static const struct span resent[3] = {SPAN("Resent-To"), SPAN("Resent-Cc"), SPAN("Resent-Bcc")};
    const struct span *names = has_field(o->header, resent) ? resent : plain;
    struct span rest = o->header;
    struct header_field field;
    int status = EX_OK;
    while (status == EX_OK && header_field_take(&rest, &field))
        if (field.name.len > 0 && is_named(field.name, names))
            status = add_list(o, field.value, EX_DATAERR, complaint);
    return status;
}

static int
remove_blind_copies(struct outgoing *o, struct buf *complaint)
{
    static const struct span blind[] = {SPAN("Bcc"), SPAN("Resent-Bcc")};
    if (header_count(o->header, blind[0]) + header_count(o->header, blind[1]) == 0)
        return EX_OK;
    struct buf kept;
    buf_init(&kept, o->header.len);
    bool is_done = header_remove(o->header, blind, ARRAY_LEN(blind), &kept) == ERR_OK &&
                   arena_copy(&o->mem, buf_span(&kept), &o->header);
    buf_done(&kept);
    return is_done ? EX_OK : out_of_memory(complaint);
}

struct span
outgoing_without_mbox_line(struct span content)
{
    if (!span_has_prefix(content, SPAN("From ")))
        return content;
    size_t end = span_find(content, '\n');
    return span_skip(content, end < content.len ? end + 1 : end);
}

int
outgoing_take_content(struct outgoing *o, struct span content, bool takes_recipients, struct buf *complaint)
{
    int status = split(o, content, complaint);
    if (status != EX_OK || !takes_recipients)
        return status;
    status = add_header_recipients(o, complaint);
    return status == EX_OK ? remove_blind_copies(o, complaint) : status;
}
