/* esmtp_params.c - keyword by keyword, each once. */
#include "proto/smtp/esmtp_params.h"

#include "base/assert.h"
#include "text/ascii.h"
#include "text/xtext.h"

enum { XTEXT_OCTETS_MAX = 500 };

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static bool
is_keyword(struct span s)
{
    return s.len > 0 && s.data[0] != '-' && ascii_all(s, ASCII_LDH);
}

static const struct esmtp_row *
row_find(const struct esmtp_row *rows, size_t count, unsigned offered, struct span keyword)
{
    for (size_t i = 0; i < count; i++)
        if (span_equal_nocase(rows[i].keyword, keyword))
            return (rows[i].extensions & offered) != 0 ? &rows[i] : NULL;
    return NULL;
}

struct reply
esmtp_params_parse(struct span params, const struct esmtp_row *rows, size_t count, const struct esmtp_context *context)
{
    ASSERT(count <= 32);
    uint32_t seen = 0;
    while (params.len > 0) {
        size_t spaces = 0;
        while (spaces < params.len && params.data[spaces] == ' ')
            spaces++;
        params = span_skip(params, spaces);
        struct span param = span_first(params, span_find(params, ' ')), keyword = param, value = SPAN_EMPTY;
        bool has_value = span_cut(param, '=', &keyword, &value);
        params = span_skip(params, param.len);
        if (spaces == 0 || !is_keyword(keyword))
            return reply_of(REPLY_PARAMETER_SYNTAX);
        const struct esmtp_row *row = row_find(rows, count, context->offered, keyword);
        if (row == NULL)
            return reply_with_text(REPLY_PARAMETER_UNKNOWN, keyword);
        uint32_t bit = UINT32_C(1) << (row - rows);
        if ((seen & bit) != 0)
            return reply_with_text(REPLY_PARAMETER_REPEATED, row->keyword);
        seen |= bit;
        switch (row->read(context, has_value, value)) {
        case ESMTP_OK: break;
        case ESMTP_BAD_VALUE: return reply_with_text(REPLY_PARAMETER_VALUE, row->keyword);
        case ESMTP_NO_MEMORY: return reply_of(REPLY_MEMORY);
        }
    }
    return reply_of(REPLY_NONE);
}

enum esmtp_result
esmtp_xtext_read(const struct esmtp_context *context, struct span value, struct span *ret)
{
    uint8_t array[XTEXT_OCTETS_MAX];
    struct buf decoded;
    buf_init_fixed(&decoded, array, sizeof(array));
    if (value.len == 0 || value.len > XTEXT_OCTETS_MAX || xtext_decode(value, &decoded) != ERR_OK ||
        !ascii_all(buf_span(&decoded), ASCII_PRINT))
        return ESMTP_BAD_VALUE;
    return arena_copy(context->mem, buf_span(&decoded), ret) ? ESMTP_OK : ESMTP_NO_MEMORY;
}

struct reply
esmtp_path_reply(enum addr_fault fault, bool is_sender)
{
    static const struct {
        enum reply_id sender, recipient;
        struct span part;
        uint64_t max;
    } rows[] = {
        [ADDR_OK] = {REPLY_NONE, REPLY_NONE, SPAN(""), 0},
        [ADDR_SYNTAX] = {REPLY_SENDER_SYNTAX, REPLY_RECIPIENT_SYNTAX, SPAN(""), 0},
        [ADDR_LOCAL_TOO_LONG] = {REPLY_SENDER_TOO_LONG, REPLY_RECIPIENT_TOO_LONG, SPAN("local part"),
                                 MAILBOX_LOCAL_OCTETS_MAX},
        [ADDR_DOMAIN_TOO_LONG] = {REPLY_SENDER_TOO_LONG, REPLY_RECIPIENT_TOO_LONG, SPAN("domain or a label of it"),
                                  DOMAIN_OCTETS_MAX},
        [ADDR_PATH_TOO_LONG] = {REPLY_SENDER_TOO_LONG, REPLY_RECIPIENT_TOO_LONG, SPAN("path"), PATH_OCTETS_MAX},
        [ADDR_UTF8_NOT_ALLOWED] = {REPLY_SENDER_UTF8, REPLY_RECIPIENT_UTF8, SPAN(""), 0},
        [ADDR_UTF8_INVALID] = {REPLY_SENDER_UTF8_INVALID, REPLY_RECIPIENT_UTF8_INVALID, SPAN(""), 0},
    };
    ASSERT((size_t)fault < ARRAY_LEN(rows));
    return (struct reply){
        .id = is_sender ? rows[fault].sender : rows[fault].recipient,
        .text = {rows[fault].part},
        .number = rows[fault].max,
    };
}
