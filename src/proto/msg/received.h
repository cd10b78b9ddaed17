/*
 * received.h - the Received field we prepend to every message. RFC 5321 §4.4, RFC 3848, RFC 6531 §4.3.
 *
 * Built from values, never from text glued together elsewhere: whatever a peer chose is written as a domain, a literal
 * or an escaped comment, so no peer can end the field or forge another clause. Requirements 63 to 66.
 */
#ifndef GODWIT_PROTO_MSG_RECEIVED_H
#define GODWIT_PROTO_MSG_RECEIVED_H

#include "base/buf.h"
#include "base/span.h"
#include "proto/addr/address_literal.h"
#include "proto/addr/mailbox.h"

struct received {
    struct span helo;             /* the client's name for itself, as given; empty for local submission */
    struct span client_name;      /* verified reverse name; empty or "unknown" otherwise */
    struct address_literal client; /* family NONE: not over IP */
    struct span by;               /* our host name */
    struct span local_user;       /* of this machine, who submits: a comment tells, and "from" is left out; empty: none */
    struct span with;             /* received_with() */
    struct span id;               /* of the message, as text */
    const struct mailbox *for_recipient; /* NULL: no "for" (the default: requirement 64) */
    struct span tls_version;      /* "TLSv1.3"; empty without TLS */
    struct span tls_cipher;
    bool has_tls_clause;          /* write "tls" as a clause of RFC 8314 §4.3, else as a comment */
    int64_t wall_us;              /* our time */
    int32_t zone_minutes;         /* east of UTC */
};

/* What the protocol was, for the "with" keyword. */
struct received_protocol {
    bool is_lmtp;
    bool is_extended; /* EHLO, not HELO; always for LMTP */
    bool is_tls;
    bool is_authenticated;
    bool is_smtputf8;
};

/* The keyword: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, LMTP..., UTF8SMTP..., UTF8LMTP... (requirement 65). */
struct span received_with(const struct received_protocol *p);

/* Append the whole field with its CRLF, folded at 78 where it can be, never over 998. ERR_LIMIT. */
NODISCARD enum err received_format(const struct received *r, struct buf *to);

#endif
