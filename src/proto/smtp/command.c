/* command.c - the table of verbs and what may follow each. */
#include "proto/smtp/command.h"

#include "text/ascii.h"

enum argument_rule {
    ARGUMENT_NONE,     /* 501 when there is one */
    ARGUMENT_NEEDED,   /* 501 when there is none */
    ARGUMENT_FREE,     /* the handler's matter */
    ARGUMENT_ADDRESS,  /* the same, and octets of 0x80 and above are left to the reader of the address */
};

/* The frequent ones first. */
static const struct verb_row {
    struct span name;
    enum smtp_verb verb;
    enum argument_rule argument;
} verbs[] = {
    {SPAN("MAIL"), SMTP_VERB_MAIL, ARGUMENT_ADDRESS},
    {SPAN("RCPT"), SMTP_VERB_RCPT, ARGUMENT_ADDRESS},
    {SPAN("DATA"), SMTP_VERB_DATA, ARGUMENT_NONE},
    {SPAN("BDAT"), SMTP_VERB_BDAT, ARGUMENT_FREE},
    {SPAN("EHLO"), SMTP_VERB_EHLO, ARGUMENT_NEEDED},
    {SPAN("QUIT"), SMTP_VERB_QUIT, ARGUMENT_NONE},
    {SPAN("RSET"), SMTP_VERB_RSET, ARGUMENT_NONE},
    {SPAN("NOOP"), SMTP_VERB_NOOP, ARGUMENT_FREE},
    {SPAN("HELO"), SMTP_VERB_HELO, ARGUMENT_NEEDED},
    {SPAN("LHLO"), SMTP_VERB_LHLO, ARGUMENT_NEEDED},
    {SPAN("STARTTLS"), SMTP_VERB_STARTTLS, ARGUMENT_NONE},
    {SPAN("AUTH"), SMTP_VERB_AUTH, ARGUMENT_NEEDED},
    {SPAN("VRFY"), SMTP_VERB_VRFY, ARGUMENT_ADDRESS},
    {SPAN("EXPN"), SMTP_VERB_EXPN, ARGUMENT_ADDRESS},
    {SPAN("HELP"), SMTP_VERB_HELP, ARGUMENT_FREE},
    {SPAN("ETRN"), SMTP_VERB_ETRN, ARGUMENT_NEEDED},
    {SPAN("SEND"), SMTP_VERB_OBSOLETE, ARGUMENT_FREE},
    {SPAN("SOML"), SMTP_VERB_OBSOLETE, ARGUMENT_FREE},
    {SPAN("SAML"), SMTP_VERB_OBSOLETE, ARGUMENT_FREE},
    {SPAN("TURN"), SMTP_VERB_OBSOLETE, ARGUMENT_FREE},
    {SPAN("ATRN"), SMTP_VERB_OBSOLETE, ARGUMENT_FREE},
    {SPAN("BURL"), SMTP_VERB_OBSOLETE, ARGUMENT_FREE},
};

static const struct verb_row *
row_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (span_equal_nocase(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

static bool
has_control(struct span line)
{
    for (size_t i = 0; i < line.len; i++)
        if (ascii_is(line.data[i], ASCII_CONTROL))
            return true;
    return false;
}

static struct reply
check_argument(const struct verb_row *row, struct span argument)
{
    if (row->argument == ARGUMENT_NONE && argument.len > 0)
        return reply_with_text(REPLY_ARGUMENT_UNWANTED, row->name);
    bool is_needed = row->argument == ARGUMENT_NEEDED || row->verb == SMTP_VERB_VRFY || row->verb == SMTP_VERB_EXPN;
    if (is_needed && argument.len == 0)
        return reply_with_text(REPLY_ARGUMENT_MISSING, row->name);
    if (row->argument != ARGUMENT_ADDRESS && !ascii_is_7bit(argument))
        return reply_of(REPLY_COMMAND_8BIT);
    return reply_of(REPLY_NONE);
}

struct reply
smtp_command_parse(struct span line, struct smtp_command *ret)
{
    /* White space before the line's end is tolerated, RFC 5321 §4.1.1. */
    while (line.len > 0 && ascii_is(line.data[line.len - 1], ASCII_BLANK))
        line.len--;
    size_t name_len = span_find(line, ' ');
    struct span argument = span_skip(line, name_len);
    while (argument.len > 0 && argument.data[0] == ' ')
        argument = span_skip(argument, 1);
    *ret = (struct smtp_command){.name = span_first(line, name_len), .argument = argument};
    const struct verb_row *row = row_find(ret->name);
    ret->verb = row == NULL ? SMTP_VERB_UNKNOWN : row->verb;
    if (line.len == 0)
        return reply_of(REPLY_EMPTY_LINE);
    if (has_control(line))
        return reply_of(REPLY_COMMAND_CONTROL);
    if (row == NULL)
        return reply_of(REPLY_VERB_UNKNOWN);
    return check_argument(row, argument);
}

struct span
smtp_verb_name(enum smtp_verb verb)
{
    if (verb == SMTP_VERB_OBSOLETE)
        return SPAN("obsolete");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (verbs[i].verb == verb)
            return verbs[i].name;
    return SPAN("unknown");
}

enum smtp_foreign_protocol
smtp_foreign_detect(struct span start)
{
    static const struct {
        struct span prefix;
        enum smtp_foreign_protocol protocol;
    } rows[] = {
        {SPAN("\x16\x03"), SMTP_FOREIGN_TLS},    {SPAN("SSH-"), SMTP_FOREIGN_SSH},
        {SPAN("GET "), SMTP_FOREIGN_HTTP},       {SPAN("POST "), SMTP_FOREIGN_HTTP},
        {SPAN("PUT "), SMTP_FOREIGN_HTTP},       {SPAN("HEAD "), SMTP_FOREIGN_HTTP},
        {SPAN("DELETE "), SMTP_FOREIGN_HTTP},    {SPAN("OPTIONS "), SMTP_FOREIGN_HTTP},
        {SPAN("CONNECT "), SMTP_FOREIGN_HTTP},   {SPAN("TRACE "), SMTP_FOREIGN_HTTP},
        {SPAN("PATCH "), SMTP_FOREIGN_HTTP},     {SPAN("PRI * "), SMTP_FOREIGN_HTTP},
        {SPAN("Host:"), SMTP_FOREIGN_HTTP},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (span_has_prefix_nocase(start, rows[i].prefix))
            return rows[i].protocol;
    return SMTP_FOREIGN_NONE;
}

struct span
smtp_foreign_name(enum smtp_foreign_protocol protocol)
{
    switch (protocol) {
    case SMTP_FOREIGN_NONE: break;
    case SMTP_FOREIGN_TLS: return SPAN("tls");
    case SMTP_FOREIGN_HTTP: return SPAN("http");
    case SMTP_FOREIGN_SSH: return SPAN("ssh");
    }
    return SPAN("none");
}
