/*
 * esmtp_params.h - the parameters after a path, read by tables of small functions. Private to mail_args and rcpt_args.
 *
 * Grammar of RFC 5321 §4.1.2: Mail-parameters and Rcpt-parameters. A row of an extension that is not offered is as
 * unknown as a keyword without a row: 555.
 */
#ifndef GODWIT_PROTO_SMTP_ESMTP_PARAMS_H
#define GODWIT_PROTO_SMTP_ESMTP_PARAMS_H

#include "base/arena.h"
#include "proto/addr/path.h"
#include "proto/smtp/extension.h"
#include "proto/smtp/reply.h"

enum esmtp_result { ESMTP_OK, ESMTP_BAD_VALUE, ESMTP_NO_MEMORY };

/* What the functions of a table fill in, and what they need. */
struct esmtp_context {
    void *args; /* struct smtp_mail_args or struct smtp_rcpt_args */
    unsigned offered;
    bool is_smtputf8;
    struct arena *mem;
};

/* Read one value. `has_value` false: there was no "="; `value` may be empty or hold any octet but space. */
typedef enum esmtp_result esmtp_read(const struct esmtp_context *context, bool has_value, struct span value);

struct esmtp_row {
    struct span keyword;
    unsigned extensions; /* offered when any of them is */
    esmtp_read *read;
};

/* Read all of `params`: nothing, or each parameter with a space before it. */
NODISCARD struct reply esmtp_params_parse(struct span params, const struct esmtp_row *rows, size_t count,
                                          const struct esmtp_context *context);

/* Decode an xtext of at most 500 octets, not empty, that says printable ASCII; copied into the context's memory. */
NODISCARD enum esmtp_result esmtp_xtext_read(const struct esmtp_context *context, struct span value, struct span *ret);

/* The reply to a path that is none; `is_sender` tells MAIL from RCPT. REPLY_NONE for ADDR_OK. */
struct reply esmtp_path_reply(enum addr_fault fault, bool is_sender);

#endif
