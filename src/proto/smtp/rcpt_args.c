/* rcpt_args.c - one function for each parameter of RCPT. */
#include "proto/smtp/rcpt_args.h"

#include "proto/smtp/esmtp_params.h"
#include "text/ascii.h"
#include "text/utf8.h"

enum { UTF8_LEAST = 0x80 };

/* NOTIFY=, RFC 3461 §4.1: NEVER alone, or a list of the others. */
static enum esmtp_result
read_notify(const struct esmtp_context *context, bool has_value, struct span value)
{
    static const struct {
        struct span word;
        unsigned bit;
    } words[] = {
        {SPAN("NEVER"), SMTP_NOTIFY_NEVER},
        {SPAN("SUCCESS"), SMTP_NOTIFY_SUCCESS},
        {SPAN("FAILURE"), SMTP_NOTIFY_FAILURE},
        {SPAN("DELAY"), SMTP_NOTIFY_DELAY},
    };
    struct smtp_rcpt_args *args = context->args;
    bool is_more = has_value && value.len <= SMTP_NOTIFY_OCTETS_MAX;
    if (!is_more)
        return ESMTP_BAD_VALUE;
    while (is_more) {
        struct span word = value;
        is_more = span_cut(value, ',', &word, &value);
        size_t i = 0;
        while (i < ARRAY_LEN(words) && !span_equal_nocase(word, words[i].word))
            i++;
        if (i == ARRAY_LEN(words))
            return ESMTP_BAD_VALUE;
        args->notify |= words[i].bit;
    }
    bool is_never_alone = args->notify == SMTP_NOTIFY_NEVER;
    return is_never_alone || (args->notify & SMTP_NOTIFY_NEVER) == 0 ? ESMTP_OK : ESMTP_BAD_VALUE;
}

/* EmbeddedUnicodeChar "\x{" 2 to 6 upper-case digits "}" at the start of *s (RFC 6533 §3), appended as UTF-8. */
static bool
take_embedded(struct span *s, struct buf *to)
{
    struct span inner;
    struct span after = *s;
    if (!span_has_prefix(*s, SPAN("\\x{")) || !span_cut(span_skip(*s, 3), '}', &inner, &after) || inner.len < 2 ||
        inner.len > 6)
        return false;
    uint32_t code_point = 0;
    for (size_t i = 0; i < inner.len; i++) {
        if (!ascii_is(inner.data[i], ASCII_DIGIT) && !(inner.data[i] >= 'A' && inner.data[i] <= 'F'))
            return false;
        code_point = code_point << 4 | (uint32_t)ascii_hex_value(inner.data[i]);
    }
    *s = after;
    return utf8_append(to, code_point) == ERR_OK;
}

/* "+HH" of xtext, which some senders use inside utf-8 addresses as well. */
static bool
take_hexchar(struct span *s, struct buf *to)
{
    if (s->len < 3 || ascii_hex_value(s->data[1]) < 0 || ascii_hex_value(s->data[2]) < 0)
        return false;
    uint8_t octet = (uint8_t)(ascii_hex_value(s->data[1]) << 4 | ascii_hex_value(s->data[2]));
    *s = span_skip(*s, 3);
    return buf_append_octet(to, octet) == ERR_OK;
}

/* An address of type utf-8 (RFC 6533 §3), decoded to UTF-8 without control octets. */
static bool
decode_utf8_address(struct span s, bool is_smtputf8, struct buf *to)
{
    size_t start = to->len;
    while (s.len > 0) {
        uint8_t c = s.data[0];
        bool ok;
        if (c == '\\') {
            ok = take_embedded(&s, to);
        } else if (c == '+') {
            ok = take_hexchar(&s, to);
        } else {
            ok = c >= UTF8_LEAST ? is_smtputf8 : ascii_is(c, ASCII_XCHAR);
            ok = ok && buf_append_octet(to, c) == ERR_OK;
            s = span_skip(s, 1);
        }
        if (!ok)
            return false;
    }
    struct span decoded = span_skip(buf_span(to), start);
    for (size_t i = 0; i < decoded.len; i++)
        if (ascii_is(decoded.data[i], ASCII_CONTROL))
            return false;
    return decoded.len > 0 && utf8_is_valid(decoded);
}

/* ORCPT=, RFC 3461 §4.2: an atom, ";" and an address as xtext; RFC 6533 §3 for the type utf-8. */
static enum esmtp_result
read_orcpt(const struct esmtp_context *context, bool has_value, struct span value)
{
    struct smtp_rcpt_args *args = context->args;
    struct span type, address, decoded;
    uint8_t array[SMTP_ORCPT_OCTETS_MAX];
    struct buf text;
    buf_init_fixed(&text, array, sizeof(array));
    if (!has_value || value.len > SMTP_ORCPT_OCTETS_MAX || !span_cut(value, ';', &type, &address) || type.len == 0 ||
        !ascii_all(type, ASCII_ATEXT))
        return ESMTP_BAD_VALUE;
    /* Decoding never makes a value longer, so all of these fit. */
    if (buf_append(&text, type) != ERR_OK || buf_append_octet(&text, ';') != ERR_OK)
        return ESMTP_BAD_VALUE;
    if (span_equal_nocase(type, SPAN("utf-8"))) {
        if (!decode_utf8_address(address, context->is_smtputf8, &text))
            return ESMTP_BAD_VALUE;
    } else {
        enum esmtp_result result = esmtp_xtext_read(context, address, &decoded);
        if (result != ESMTP_OK)
            return result;
        if (buf_append(&text, decoded) != ERR_OK)
            return ESMTP_BAD_VALUE;
    }
    return arena_copy(context->mem, buf_span(&text), &args->orcpt) ? ESMTP_OK : ESMTP_NO_MEMORY;
}

static const struct esmtp_row rows[] = {
    {SPAN("NOTIFY"), SMTP_EXT_DSN, read_notify},
    {SPAN("ORCPT"), SMTP_EXT_DSN, read_orcpt},
};

struct reply
smtp_rcpt_args_parse(struct span argument, unsigned offered, bool is_smtputf8, struct arena *mem,
                     struct smtp_rcpt_args *ret)
{
    struct smtp_rcpt_args args = {0};
    if (!span_has_prefix_nocase(argument, SPAN("TO:<")))
        return reply_of(REPLY_RCPT_SYNTAX);
    struct span rest = span_skip(argument, sizeof("TO:") - 1);
    unsigned allow = PATH_ALLOW_POSTMASTER | (is_smtputf8 ? PATH_ALLOW_UTF8 : 0u);
    struct reply r = esmtp_path_reply(path_take(&rest, allow, &args.forward_path), false);
    if (!reply_is_none(r))
        return r;
    if (rest.len > 0 && rest.data[0] != ' ')
        return reply_of(REPLY_RCPT_SYNTAX);
    const struct esmtp_context context = {.args = &args, .offered = offered, .is_smtputf8 = is_smtputf8, .mem = mem};
    r = esmtp_params_parse(rest, rows, ARRAY_LEN(rows), &context);
    if (!reply_is_none(r))
        return r;
    *ret = args;
    return reply_of(REPLY_NONE);
}
