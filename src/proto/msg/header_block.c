/* header_block.c - lines into fields; nothing is changed, only found. */
#include "proto/msg/header_block.h"

#include "text/ascii.h"

void
header_block_init(struct header_block *h, size_t bytes_max)
{
    *h = (struct header_block){.status = HEADER_BLOCK_MORE};
    buf_init(&h->bytes, bytes_max);
}

void
header_block_done(struct header_block *h)
{
    if (h != NULL)
        buf_done(&h->bytes);
}

/* The first line of `s` with its CRLF; all of `s` when it has none. */
static struct span
first_line(struct span s)
{
    for (size_t at = 0; at < s.len;) {
        at += span_find(span_skip(s, at), '\n') + 1;
        if (at <= s.len && at >= 2 && s.data[at - 2] == '\r')
            return span_first(s, at);
    }
    return s;
}

static bool
is_empty_line(struct span line)
{
    return span_equal(line, SPAN("\r\n"));
}

/* The name before the colon, without the blanks that the obsolete syntax allows (RFC 5322 §4.5); empty if none. */
static struct span
field_name(struct span line)
{
    size_t len = ascii_run(line, ASCII_FTEXT), colon = len;
    while (colon < line.len && ascii_is(line.data[colon], ASCII_BLANK))
        colon++;
    return colon < line.len && line.data[colon] == ':' ? span_first(line, len) : SPAN_EMPTY;
}

/* Whether a line may stand in a header section, at its start or later. */
static bool
is_header_line(struct span line, bool is_first)
{
    if (field_name(line).len > 0)
        return true;
    /* The first line may be what a mailbox file had there; a later one may continue a field. */
    if (is_first)
        return span_has_prefix(line, SPAN("From ")) || span_has_prefix(line, SPAN(">From "));
    return line.len > 0 && ascii_is(line.data[0], ASCII_BLANK);
}

/* Judge the whole line that ends the bytes gathered. */
static enum header_block_status
judge_line(struct header_block *h)
{
    struct span line = span_skip(buf_span(&h->bytes), h->line_start);
    if (is_empty_line(line))
        return HEADER_BLOCK_ENDED;
    if (!is_header_line(line, h->line_start == 0))
        return HEADER_BLOCK_NO_HEADER;
    h->line_start = h->bytes.len;
    return HEADER_BLOCK_MORE;
}

/* Whether the bytes gathered end with CRLF. */
static bool
has_whole_line(const struct header_block *h)
{
    return h->bytes.len >= h->line_start + 2 && h->bytes.data[h->bytes.len - 2] == '\r' &&
           h->bytes.data[h->bytes.len - 1] == '\n';
}

/* Give back the line that is body: what was gathered of it stays behind the section in the block's memory. */
static void
give_back_line(struct header_block *h, struct span *ret_body_start)
{
    *ret_body_start = span_skip(buf_span(&h->bytes), h->line_start);
    h->bytes.len = h->line_start;
}

enum header_block_status
header_block_take(struct header_block *h, struct span *content, struct span *ret_body_start)
{
    *ret_body_start = SPAN_EMPTY;
    while (content->len > 0 && h->status == HEADER_BLOCK_MORE) {
        size_t lf = span_find(*content, '\n');
        struct span piece = span_first(*content, lf < content->len ? lf + 1 : content->len);
        if (buf_append(&h->bytes, piece) != ERR_OK) {
            h->status = HEADER_BLOCK_TOO_LARGE;
            break;
        }
        *content = span_skip(*content, piece.len);
        if (has_whole_line(h))
            h->status = judge_line(h);
    }
    if (h->status == HEADER_BLOCK_NO_HEADER)
        give_back_line(h, ret_body_start);
    return h->status;
}

void
header_block_end(struct header_block *h, struct span *ret_body_start)
{
    *ret_body_start = SPAN_EMPTY;
    if (h->status != HEADER_BLOCK_MORE)
        return;
    h->status = HEADER_BLOCK_ENDED;
    struct span line = span_skip(buf_span(&h->bytes), h->line_start);
    if (line.len > 0 && !is_header_line(line, h->line_start == 0)) {
        h->status = HEADER_BLOCK_NO_HEADER;
        give_back_line(h, ret_body_start);
    }
}

bool
header_field_take(struct span *section, struct header_field *ret)
{
    struct span first = first_line(*section);
    if (first.len == 0 || is_empty_line(first))
        return false;
    size_t len = first.len;
    while (len < section->len && ascii_is(section->data[len], ASCII_BLANK))
        len += first_line(span_skip(*section, len)).len;
    struct header_field field = {.whole = span_first(*section, len), .name = field_name(first)};
    struct span value = field.whole;
    if (value.len >= 2 && span_equal(span_skip(value, value.len - 2), SPAN("\r\n")))
        value.len -= 2;
    if (field.name.len > 0)
        value = span_skip(value, span_find(value, ':') + 1);
    field.value = value;
    *section = span_skip(*section, len);
    *ret = field;
    return true;
}

size_t
header_count(struct span section, struct span name)
{
    struct header_field field;
    size_t n = 0;
    while (header_field_take(&section, &field))
        n += span_equal_nocase(field.name, name);
    return n;
}

bool
header_find(struct span section, struct span name, struct header_field *ret)
{
    struct header_field field;
    while (header_field_take(&section, &field))
        if (span_equal_nocase(field.name, name)) {
            *ret = field;
            return true;
        }
    return false;
}

enum err
header_value_unfold(struct span value, struct buf *to)
{
    value = span_trim(value);
    while (value.len > 0) {
        size_t fold = 0;
        while (fold + 2 < value.len && !(value.data[fold] == '\r' && value.data[fold + 1] == '\n' &&
                                         ascii_is(value.data[fold + 2], ASCII_BLANK)))
            fold++;
        if (fold + 2 >= value.len)
            return buf_append(to, value);
        TRY(buf_append(to, span_first(value, fold)));
        value = span_skip(value, fold + 2);
    }
    return ERR_OK;
}

static bool
is_one_of(struct span name, const struct span *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_equal_nocase(name, names[i]))
            return true;
    return false;
}

enum err
header_remove(struct span section, const struct span *names, size_t count, struct buf *to)
{
    struct header_field field;
    while (header_field_take(&section, &field))
        if (field.name.len == 0 || !is_one_of(field.name, names, count))
            TRY(buf_append(to, field.whole));
    return buf_append(to, section); /* the empty line, if there is one */
}
