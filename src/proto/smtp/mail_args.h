/*
 * mail_args.h - the argument of MAIL: "FROM:" reverse-path and its ESMTP parameters.
 *
 * No space around the colon and angle brackets required (requirements 10, 11). A parameter of an extension outside
 * `offered` or unknown is 555, one known with a bad value or given twice 501 (requirement 15). Numbers here equal those
 * of the stored envelope. RFC 5321 §4.1.1.2, 1870, 6152, 3030, 6531, 3461 §4.3 and 4.4, 4954 §5.
 */
#ifndef GODWIT_PROTO_SMTP_MAIL_ARGS_H
#define GODWIT_PROTO_SMTP_MAIL_ARGS_H

#include "base/arena.h"
#include "proto/addr/path.h"
#include "proto/smtp/extension.h"
#include "proto/smtp/reply.h"

enum {
    SMTP_ENVID_OCTETS_MAX = 100,      /* as xtext, RFC 3461 §5.4 */
    SMTP_AUTH_PARAM_OCTETS_MAX = 500, /* RFC 4954 §5 */
};

enum smtp_body { SMTP_BODY_7BIT = 0, SMTP_BODY_8BITMIME = 1, SMTP_BODY_BINARYMIME = 2 };

enum smtp_ret { SMTP_RET_UNSET = 0, SMTP_RET_FULL = 1, SMTP_RET_HDRS = 2 };

struct smtp_mail_args {
    struct path reverse_path; /* PATH_NULL or PATH_MAILBOX */
    bool has_size;
    uint64_t size_bytes;      /* SIZE=, as declared; the caller compares it with its limit */
    bool has_body;
    enum smtp_body body;      /* 7BIT when not given */
    bool is_smtputf8;
    enum smtp_ret ret;
    struct span envid;        /* decoded, printable ASCII; empty when not given; in `mem` */
    bool has_auth;
    struct span auth;         /* AUTH= decoded, empty for "<>"; in `mem` (requirement 86) */
};

/*
 * Read the argument. `offered` is enum smtp_extension, or-ed: 0 after HELO. SMTPUTF8 counts wherever it stands among
 * the parameters. REPLY_NONE and *ret set, or the reply to give; *ret untouched then. 452 when `mem` is full.
 */
NODISCARD struct reply smtp_mail_args_parse(struct span argument, unsigned offered, struct arena *mem,
                                            struct smtp_mail_args *ret);

#endif
