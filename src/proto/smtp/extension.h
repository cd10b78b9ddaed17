/*
 * extension.h - the ESMTP extensions a session may offer, as bits, and their EHLO keywords.
 *
 * The set offered is an input of every parser here: a parameter or verb of an extension outside it is answered as the
 * RFCs say for one that was not advertised. Keywords: RFC 5321 §4.1.1.1 and the registry of SMTP service extensions.
 */
#ifndef GODWIT_PROTO_SMTP_EXTENSION_H
#define GODWIT_PROTO_SMTP_EXTENSION_H

#include "base/buf.h"
#include "base/span.h"

enum smtp_extension {
    SMTP_EXT_PIPELINING = 1 << 0,          /* RFC 2920 */
    SMTP_EXT_SIZE = 1 << 1,                /* RFC 1870 */
    SMTP_EXT_8BITMIME = 1 << 2,            /* RFC 6152 */
    SMTP_EXT_SMTPUTF8 = 1 << 3,            /* RFC 6531 */
    SMTP_EXT_CHUNKING = 1 << 4,            /* RFC 3030 */
    SMTP_EXT_BINARYMIME = 1 << 5,          /* RFC 3030 */
    SMTP_EXT_ENHANCEDSTATUSCODES = 1 << 6, /* RFC 2034 */
    SMTP_EXT_DSN = 1 << 7,                 /* RFC 3461 */
    SMTP_EXT_STARTTLS = 1 << 8,            /* RFC 3207 */
    SMTP_EXT_AUTH = 1 << 9,                /* RFC 4954 */
    SMTP_EXT_LIMITS = 1 << 10,             /* RFC 9422 */
    SMTP_EXT_HELP = 1 << 11,               /* RFC 5321 §4.1.1.8 */
    SMTP_EXT_VRFY = 1 << 12,               /* RFC 5321 §4.1.1.6 */
    SMTP_EXT_EXPN = 1 << 13,               /* RFC 5321 §4.1.1.7 */
    SMTP_EXT_FUTURERELEASE = 1 << 14,      /* RFC 4865 */
    SMTP_EXT_DELIVERBY = 1 << 15,          /* RFC 2852 */
    SMTP_EXT_MT_PRIORITY = 1 << 16,        /* RFC 6710 */
    SMTP_EXT_REQUIRETLS = 1 << 17,         /* RFC 8689 */
    SMTP_EXT_ETRN = 1 << 18,               /* RFC 1985 */
};

/* What the lines of an EHLO or LHLO reply are made of. */
struct smtp_ehlo_reply {
    struct span host;            /* our name, A-labels */
    struct span client;          /* what the client called itself; escaped here */
    unsigned extensions;         /* enum smtp_extension, or-ed */
    uint64_t size_max_bytes;     /* for SIZE; 0: no fixed maximum */
    uint32_t recipients_max;     /* for LIMITS RCPTMAX; 0: not said */
    uint32_t transactions_max;   /* for LIMITS MAILMAX; 0: not said */
    struct span auth_mechanisms; /* for AUTH: names with spaces between */
};

/* Append the whole reply, 250 on every line, one keyword a line (requirement 24). ERR_LIMIT. */
NODISCARD enum err smtp_ehlo_reply_format(const struct smtp_ehlo_reply *r, struct buf *to);

#endif
