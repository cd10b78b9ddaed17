/*
 * bdat_args.h - the argument of BDAT: a size and perhaps LAST. RFC 3030 §2, requirements 52 and 54.
 */
#ifndef GODWIT_PROTO_SMTP_BDAT_ARGS_H
#define GODWIT_PROTO_SMTP_BDAT_ARGS_H

#include "proto/smtp/reply.h"

struct smtp_bdat_args {
    uint64_t size_bytes; /* below 2^63 */
    bool is_last;
};

/*
 * Read the argument. REPLY_NONE and *ret set, or 501: then nobody knows how many octets follow, and the connection
 * cannot go on (answer, then close).
 */
NODISCARD struct reply smtp_bdat_args_parse(struct span argument, struct smtp_bdat_args *ret);

#endif
