/*
 * content.c - what a message looks like in a Maildir. RFC 5321 §4.4 (Return-Path), RFC 9228 (Delivered-To).
 *
 * A message all of whose CR and LF octets form CRLF is written without its CRs; since no CR stands alone that is all
 * there is to converting. Any other message keeps every byte, and the added fields then end with CRLF like the rest of
 * it.
 */
#include "store/maildir/content.h"

#include <stdlib.h>

#include "proto/msg/header_block.h"
#include "proto/msg/trace.h"

enum {
    FIELDS_BYTES_MAX = 8 * 1024, /* the added fields: three addresses of at most 512 octets */
};

/* A piece of the message: borrowed from the octets at hand, or read into `chunk`. Empty at the end. */
static enum err
message_read(const struct maildir_content *c, uint64_t offset, uint8_t *chunk, struct span *ret)
{
    const struct maildir_delivery *d = c->delivery;
    if (offset < d->content.len) {
        struct span rest = span_skip(d->content, offset);
        *ret = rest.len > MAILDIR_CHUNK_BYTES ? span_first(rest, MAILDIR_CHUNK_BYTES) : rest;
        return ERR_OK;
    }
    offset -= d->content.len;
    if (d->content_file == NULL || offset >= c->file_bytes) {
        *ret = SPAN_EMPTY;
        return ERR_OK;
    }
    uint64_t left = c->file_bytes - offset;
    size_t want = left < MAILDIR_CHUNK_BYTES ? (size_t)left : MAILDIR_CHUNK_BYTES, n = 0;
    TRY(disk_pread(d->content_file, offset, chunk, want, &n));
    if (n < want)
        return ERR_DAMAGED; /* the file became shorter */
    *ret = span_of(chunk, n);
    return ERR_OK;
}

/* CR and LF octets seen, and whether each LF had its CR. */
struct newline_count {
    uint64_t cr;
    uint64_t lf;
    uint64_t bare_lf;
    uint8_t last;
};

static void
newlines_count(struct newline_count *n, struct span s)
{
    if (span_is_empty(s))
        return;
    for (size_t i = 0; i < s.len; i++)
        n->cr += s.data[i] == '\r';
    const uint8_t *at = s.data, *end = s.data + s.len;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        uint8_t before = at == s.data ? n->last : at[-1];
        n->lf++;
        n->bare_lf += before != '\r';
        at++;
    }
    n->last = s.data[s.len - 1];
}

/* Every CR is followed by LF exactly when each LF follows a CR and there are as many of both. */
static bool
newlines_are_clean(const struct newline_count *n)
{
    return n->bare_lf == 0 && n->cr == n->lf;
}

/* Gather the header section, its empty line included, in `section`; the whole message when it has none. */
static enum err
section_read(const struct maildir_content *c, uint8_t *chunk, struct buf *section)
{
    for (;;) {
        struct span piece;
        TRY(message_read(c, section->len, chunk, &piece));
        if (span_is_empty(piece))
            return ERR_OK;
        size_t from = section->len < 3 ? 0 : section->len - 3;
        if (piece.len > section->cap - section->len)
            piece = span_first(piece, section->cap - section->len);
        TRY(buf_append(section, piece));
        uint8_t *end = memmem(section->data + from, section->len - from, "\r\n\r\n", 4);
        if (end != NULL) {
            section->len = (size_t)(end - section->data) + 4;
            return ERR_OK;
        }
        if (section->len == section->cap)
            return ERR_OK;
    }
}

static void
octets_append(struct buf *to, struct span s, bool drops_cr)
{
    if (!drops_cr || span_is_empty(s)) {
        buf_append(to, s);
        return;
    }
    const uint8_t *at = s.data, *end = s.data + s.len;
    while (at < end) {
        const uint8_t *cr = memchr(at, '\r', (size_t)(end - at));
        const uint8_t *stop = cr == NULL ? end : cr;
        buf_append(to, span_of(at, (size_t)(stop - at)));
        at = cr == NULL ? end : cr + 1;
    }
}

static enum err
added_fields_format(const struct maildir_delivery *d, struct buf *to)
{
    TRY(return_path_format(d->sender, to));
    if (!span_is_empty(d->original) && !span_equal(d->original, d->recipient)) {
        for (size_t i = 0; i < d->original.len; i++)
            if (d->original.data[i] < ' ' || d->original.data[i] == 0x7f)
                return ERR_SYNTAX;
        buf_append_cstr(to, "X-Original-To: ");
        buf_append(to, d->original);
        buf_append_cstr(to, "\r\n");
    }
    TRY(delivered_to_format(d->recipient, to));
    return buf_check(to);
}

/* Fill c->head from the header section. */
static enum err
head_format(struct maildir_content *c, struct span section)
{
    uint8_t text[FIELDS_BYTES_MAX];
    struct buf added;
    buf_init_fixed(&added, text, sizeof(text));
    TRY(added_fields_format(c->delivery, &added));
    octets_append(&c->head, buf_span(&added), c->is_clean);
    struct span rest = section;
    struct header_field field;
    while (header_field_take(&rest, &field))
        if (!span_equal_nocase(field.name, SPAN("Return-Path")))
            octets_append(&c->head, field.whole, c->is_clean);
    octets_append(&c->head, rest, c->is_clean);
    return buf_check(&c->head);
}

static enum err
content_measure(struct maildir_content *c, uint8_t *chunk, struct newline_count *head, struct newline_count *all)
{
    struct span piece;
    uint64_t offset = 0;
    do {
        TRY(message_read(c, offset, chunk, &piece));
        newlines_count(all, piece);
        offset += piece.len;
    } while (!span_is_empty(piece));
    c->is_clean = newlines_are_clean(all);
    c->body_newlines = all->lf - head->lf;
    c->size_bytes = offset - c->body_offset - (c->is_clean ? c->body_newlines : 0);
    c->virtual_bytes = c->size_bytes + (c->is_clean ? c->body_newlines : all->bare_lf - head->bare_lf);
    return ERR_OK;
}

static enum err
content_scan(struct maildir_content *c, uint8_t *chunk, struct buf *section)
{
    TRY(section_read(c, chunk, section));
    struct newline_count in_section = {0}, all = {0}, in_head = {0};
    newlines_count(&in_section, buf_span(section));
    c->body_offset = section->len;
    TRY(content_measure(c, chunk, &in_section, &all));
    c->is_loop = delivered_to_is_loop(buf_span(section), c->delivery->recipient);
    TRY(head_format(c, buf_span(section)));
    newlines_count(&in_head, buf_span(&c->head));
    c->size_bytes += c->head.len;
    c->virtual_bytes += c->head.len + (c->is_clean ? in_head.lf : in_head.bare_lf);
    return ERR_OK;
}

enum err
maildir_content_open(const struct maildir_delivery *d, struct maildir_content *c)
{
    struct disk_stat st = {.size_bytes = 0};
    if (d->content_file != NULL)
        TRY(disk_stat_file(d->content_file, &st));
    *c = (struct maildir_content){.delivery = d, .file_bytes = st.size_bytes};
    struct buf section;
    buf_init(&section, MAILDIR_HEADER_BYTES_MAX);
    buf_init(&c->head, MAILDIR_HEADER_BYTES_MAX + FIELDS_BYTES_MAX);
    uint8_t *chunk = d->content_file == NULL ? NULL : malloc(MAILDIR_CHUNK_BYTES);
    enum err e = d->content_file != NULL && chunk == NULL ? ERR_LIMIT : content_scan(c, chunk, &section);
    free(chunk);
    buf_done(&section);
    if (e != ERR_OK)
        maildir_content_done(c);
    return e;
}

void
maildir_content_done(struct maildir_content *c)
{
    buf_done(&c->head);
}

static enum err
body_write(const struct maildir_content *c, uint8_t *chunk, struct buf *converted,
           enum err (*sink)(void *ctx, struct span octets), void *ctx)
{
    uint64_t offset = c->body_offset;
    for (;;) {
        struct span piece;
        TRY(message_read(c, offset, chunk, &piece));
        if (span_is_empty(piece))
            return ERR_OK;
        offset += piece.len;
        if (c->is_clean) {
            buf_clear(converted);
            octets_append(converted, piece, true);
            TRY(buf_check(converted));
            piece = buf_span(converted);
        }
        TRY(sink(ctx, piece));
    }
}

enum err
maildir_content_write(const struct maildir_content *c, enum err (*sink)(void *ctx, struct span octets), void *ctx)
{
    TRY(sink(ctx, buf_span(&c->head)));
    struct buf converted;
    buf_init(&converted, MAILDIR_CHUNK_BYTES);
    uint8_t *chunk = c->delivery->content_file == NULL ? NULL : malloc(MAILDIR_CHUNK_BYTES);
    enum err e = c->delivery->content_file != NULL && chunk == NULL ? ERR_LIMIT
                                                                    : body_write(c, chunk, &converted, sink, ctx);
    free(chunk);
    buf_done(&converted);
    return e;
}

static enum err
buf_sink(void *ctx, struct span octets)
{
    struct buf *to = ctx;
    return buf_append(to, octets);
}

enum err
maildir_format(const struct maildir_delivery *d, struct buf *to, bool *ret_is_loop)
{
    struct maildir_content c;
    TRY(maildir_content_open(d, &c));
    enum err e = maildir_content_write(&c, buf_sink, to);
    if (e == ERR_OK)
        *ret_is_loop = c.is_loop;
    maildir_content_done(&c);
    return e;
}
