/* header_mend.c - see header_mend.h. */
#include "proto/msg/header_mend.h"

#include "proto/msg/header_block.h"
#include "text/ascii.h"
#include "text/base64.h"
#include "text/date.h"
#include "text/utf8.h"

enum { ENCODED_OCTETS_MAX = 42 /* of a name in one encoded word, which may have 75 characters: RFC 2047 §2 */ };

/* --- the name ----------------------------------------------------------------------------------------------------- */

/* The name without control octets, and without blanks at its ends. */
static struct span
clean_copy(struct span name, uint8_t copy[HEADER_FULL_NAME_MAX])
{
    size_t len = name.len < HEADER_FULL_NAME_MAX ? name.len : HEADER_FULL_NAME_MAX;
    for (size_t i = 0; i < len; i++)
        copy[i] = ascii_is(name.data[i], ASCII_CONTROL) ? ' ' : name.data[i];
    return span_trim(span_of(copy, len));
}

static enum err
append_quoted(struct span name, struct buf *to)
{
    TRY(buf_append_octet(to, '"'));
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\')
            TRY(buf_append_octet(to, '\\'));
        TRY(buf_append_octet(to, name.data[i]));
    }
    return buf_append_octet(to, '"');
}

/* How many octets at the start of `name` go into one encoded word: whole characters (RFC 2047 §5). */
static size_t
word_len(struct span name, bool is_utf8)
{
    size_t len = 0;
    while (len < name.len) {
        size_t n = is_utf8 ? utf8_take(span_skip(name, len), NULL) : 1;
        if (len + n > ENCODED_OCTETS_MAX)
            break;
        len += n;
    }
    return len;
}

static enum err
append_encoded(struct span name, struct buf *to)
{
    bool is_utf8 = utf8_is_valid(name);
    for (bool is_first = true; name.len > 0; is_first = false) {
        size_t len = word_len(name, is_utf8);
        if (!is_first)
            TRY(buf_append(to, SPAN("\r\n ")));
        TRY(buf_append(to, is_utf8 ? SPAN("=?utf-8?B?") : SPAN("=?unknown-8bit?B?")));
        TRY(base64_encode(span_first(name, len), to));
        TRY(buf_append(to, SPAN("?=")));
        name = span_skip(name, len);
    }
    return ERR_OK;
}

/* Atoms with single words between, which nobody could take for an encoded word (RFC 2047 §5). */
static bool
is_plain_phrase(struct span name)
{
    for (size_t i = 0; i + 1 < name.len; i++)
        if (name.data[i] == '=' && name.data[i + 1] == '?')
            return false;
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is(name.data[i], ASCII_ATEXT) && name.data[i] != ' ')
            return false;
    return true;
}

static enum err
append_name(struct span name, struct buf *to)
{
    if (is_plain_phrase(name))
        return buf_append(to, name);
    bool has_encoded_look = false;
    for (size_t i = 0; i + 1 < name.len; i++)
        has_encoded_look |= name.data[i] == '=' && name.data[i + 1] == '?';
    return ascii_is_7bit(name) && !has_encoded_look ? append_quoted(name, to) : append_encoded(name, to);
}

enum err
header_from_format(struct span full_name, struct span address, struct buf *to)
{
    uint8_t copy[HEADER_FULL_NAME_MAX];
    struct span name = clean_copy(full_name, copy);
    if (name.len == 0) {
        TRY(buf_append(to, SPAN("From: ")));
        TRY(buf_append(to, address));
        return buf_append(to, SPAN("\r\n"));
    }
    TRY(buf_append(to, SPAN("From: ")));
    TRY(append_name(name, to));
    /* A long name has a line of its own. */
    TRY(buf_append(to, name.len + address.len > 60 ? SPAN("\r\n <") : SPAN(" <")));
    TRY(buf_append(to, address));
    return buf_append(to, SPAN(">\r\n"));
}

/* --- the section -------------------------------------------------------------------------------------------------- */

static enum err
append_date(const struct header_mend *with, struct buf *to)
{
    TRY(buf_append(to, SPAN("Date: ")));
    TRY(date_format_mail(with->wall_us, with->zone_minutes, to));
    return buf_append(to, SPAN("\r\n"));
}

static enum err
append_message_id(const struct header_mend *with, struct buf *to)
{
    TRY(buf_append(to, SPAN("Message-ID: <")));
    TRY(buf_append(to, with->message_id));
    return buf_append(to, SPAN(">\r\n"));
}

enum err
header_mend(struct span section, const struct header_mend *with, struct buf *to)
{
    static const struct span removed[] = {SPAN("Bcc"), SPAN("Resent-Bcc"), SPAN("Return-Path")};
    if (with->wall_us >= 0 && header_count(section, SPAN("Date")) == 0)
        TRY(append_date(with, to));
    if (with->message_id.len > 0 && header_count(section, SPAN("Message-ID")) == 0)
        TRY(append_message_id(with, to));
    if (with->address.len > 0 && header_count(section, SPAN("From")) == 0)
        TRY(header_from_format(with->full_name, with->address, to));
    return header_remove(section, removed, ARRAY_LEN(removed), to);
}
