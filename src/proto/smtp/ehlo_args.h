/*
 * ehlo_args.h - the argument of EHLO, HELO and LHLO: who the client says it is. RFC 5321 §4.1.1.1.
 *
 * Strict about octets, lenient about names (requirement 25): "my_pc" is not a domain, and its mail is not refused for
 * it. Printable ASCII without spaces, 255 octets; `kind` says whether it is more than that.
 */
#ifndef GODWIT_PROTO_SMTP_EHLO_ARGS_H
#define GODWIT_PROTO_SMTP_EHLO_ARGS_H

#include "proto/addr/address_literal.h"
#include "proto/addr/domain.h"
#include "proto/smtp/reply.h"

enum smtp_ehlo_kind {
    SMTP_EHLO_DOMAIN,
    SMTP_EHLO_LITERAL,
    SMTP_EHLO_OTHER, /* neither, but harmless */
};

struct smtp_ehlo_args {
    enum smtp_ehlo_kind kind;
    struct span name;               /* as written; borrowed from the command line */
    struct domain domain;           /* for SMTP_EHLO_DOMAIN */
    struct address_literal literal; /* for SMTP_EHLO_LITERAL */
};

/* Read the argument. REPLY_NONE and *ret set, or 501 (requirements 14, 25, 144); *ret untouched then. */
NODISCARD struct reply smtp_ehlo_args_parse(struct span argument, struct smtp_ehlo_args *ret);

#endif
