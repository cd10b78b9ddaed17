/* extension.c - EHLO keywords in the order in which they are offered. */
#include "proto/smtp/extension.h"

#include "proto/smtp/reply.h"

static const struct {
    enum smtp_extension extension;
    struct span keyword;
} rows[] = {
    {SMTP_EXT_PIPELINING, SPAN("PIPELINING")},
    {SMTP_EXT_SIZE, SPAN("SIZE")},
    {SMTP_EXT_VRFY, SPAN("VRFY")},
    {SMTP_EXT_EXPN, SPAN("EXPN")},
    {SMTP_EXT_ETRN, SPAN("ETRN")},
    {SMTP_EXT_STARTTLS, SPAN("STARTTLS")},
    {SMTP_EXT_AUTH, SPAN("AUTH")},
    {SMTP_EXT_ENHANCEDSTATUSCODES, SPAN("ENHANCEDSTATUSCODES")},
    {SMTP_EXT_8BITMIME, SPAN("8BITMIME")},
    {SMTP_EXT_DSN, SPAN("DSN")},
    {SMTP_EXT_SMTPUTF8, SPAN("SMTPUTF8")},
    {SMTP_EXT_CHUNKING, SPAN("CHUNKING")},
    {SMTP_EXT_BINARYMIME, SPAN("BINARYMIME")},
    {SMTP_EXT_REQUIRETLS, SPAN("REQUIRETLS")},
    {SMTP_EXT_FUTURERELEASE, SPAN("FUTURERELEASE")},
    {SMTP_EXT_DELIVERBY, SPAN("DELIVERBY")},
    {SMTP_EXT_MT_PRIORITY, SPAN("MT-PRIORITY")},
    {SMTP_EXT_LIMITS, SPAN("LIMITS")},
    {SMTP_EXT_HELP, SPAN("HELP")},
};

static enum err
append_parameters(const struct smtp_ehlo_reply *r, enum smtp_extension extension, struct buf *to)
{
    if (extension == SMTP_EXT_SIZE && r->size_max_bytes > 0) {
        TRY(buf_append_octet(to, ' '));
        return buf_append_u64(to, r->size_max_bytes);
    }
    if (extension == SMTP_EXT_AUTH) {
        TRY(buf_append_octet(to, ' '));
        return buf_append(to, r->auth_mechanisms);
    }
    if (extension == SMTP_EXT_LIMITS && r->transactions_max > 0)
        TRY(buf_printf(to, " MAILMAX=%u", r->transactions_max));
    if (extension == SMTP_EXT_LIMITS && r->recipients_max > 0)
        TRY(buf_printf(to, " RCPTMAX=%u", r->recipients_max));
    return ERR_OK;
}

/* Where the last line in `to` begins; `to` ends with CRLF and has no line before `start`. */
static size_t
last_line(const struct buf *to, size_t start)
{
    struct span lines = span_of(to->data + start, to->len - start - 1);
    size_t line_end = span_find_last(lines, '\n');
    return line_end == lines.len ? start : start + line_end + 1;
}

static enum err
format(const struct smtp_ehlo_reply *r, size_t start, struct buf *to)
{
    struct reply first = {.id = REPLY_EHLO, .text = {r->host, r->client}};
    TRY(smtp_reply_format(&first, to));
    size_t line = last_line(to, start);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if ((r->extensions & rows[i].extension) == 0)
            continue;
        to->data[line + 3] = '-';
        line = to->len;
        TRY(buf_append(to, SPAN("250 ")));
        TRY(buf_append(to, rows[i].keyword));
        TRY(append_parameters(r, rows[i].extension, to));
        TRY(buf_append(to, SPAN("\r\n")));
    }
    return ERR_OK;
}

enum err
smtp_ehlo_reply_format(const struct smtp_ehlo_reply *r, struct buf *to)
{
    size_t start = to->len;
    enum err e = format(r, start, to);
    if (e != ERR_OK)
        to->len = start;
    return e;
}
