/*
 * rcpt_args.h - the argument of RCPT: "TO:" forward-path and its ESMTP parameters.
 *
 * Strict as mail_args.h. "<Postmaster>" without a domain is taken (requirement 37), "<>" is not. RFC 5321 §4.1.1.3,
 * RFC 3461 §4.1 and 4.2, RFC 6533 §3.
 */
#ifndef GODWIT_PROTO_SMTP_RCPT_ARGS_H
#define GODWIT_PROTO_SMTP_RCPT_ARGS_H

#include "base/arena.h"
#include "proto/addr/path.h"
#include "proto/smtp/extension.h"
#include "proto/smtp/reply.h"

enum { SMTP_ORCPT_OCTETS_MAX = 500, SMTP_NOTIFY_OCTETS_MAX = 28 /* RFC 3461 §5.4 */ };

enum smtp_notify { /* bits; 0 is "not given"; NEVER stands alone */
    SMTP_NOTIFY_NEVER = 1,
    SMTP_NOTIFY_SUCCESS = 2,
    SMTP_NOTIFY_FAILURE = 4,
    SMTP_NOTIFY_DELAY = 8,
};

struct smtp_rcpt_args {
    struct path forward_path; /* PATH_MAILBOX or PATH_POSTMASTER */
    unsigned notify;          /* enum smtp_notify, or-ed */
    struct span orcpt;        /* decoded "type;address", empty when not given; in `mem`; no control octets, UTF-8 at
                                 most, and that only for the type utf-8 (requirements 134, 145) */
};

/*
 * Read the argument. `offered` is enum smtp_extension, or-ed; `is_smtputf8` says whether MAIL had SMTPUTF8. REPLY_NONE
 * and *ret set, or the reply to give; *ret untouched then. 452 when `mem` is full.
 */
NODISCARD struct reply smtp_rcpt_args_parse(struct span argument, unsigned offered, bool is_smtputf8, struct arena *mem,
                                            struct smtp_rcpt_args *ret);

#endif
