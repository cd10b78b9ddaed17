/* ehlo_args.c - a name, a literal, or at least nothing harmful. */
#include "proto/smtp/ehlo_args.h"

#include "text/ascii.h"

struct reply
smtp_ehlo_args_parse(struct span argument, struct smtp_ehlo_args *ret)
{
    struct smtp_ehlo_args args = {.kind = SMTP_EHLO_OTHER, .name = argument};
    if (argument.len == 0 || argument.len > DOMAIN_OCTETS_MAX || !ascii_all(argument, ASCII_GRAPH))
        return reply_of(REPLY_EHLO_NAME);
    if (domain_parse(argument, false, &args.domain) == ADDR_OK)
        args.kind = SMTP_EHLO_DOMAIN;
    else if (address_literal_parse(argument, &args.literal))
        args.kind = SMTP_EHLO_LITERAL;
    *ret = args;
    return reply_of(REPLY_NONE);
}
