/*
 * path.h - what stands between < and > in MAIL FROM and RCPT TO, RFC 5321 §4.1.2.
 *
 * A source route "<@a,@b:user@c>" is read, checked and forgotten (requirement 12). Angle brackets are required.
 */
#ifndef GODWIT_PROTO_ADDR_PATH_H
#define GODWIT_PROTO_ADDR_PATH_H

#include "proto/addr/mailbox.h"

enum { PATH_OCTETS_MAX = 256 /* with brackets, without a source route: RFC 5321 §4.5.3.1.3 */ };

enum path_kind {
    PATH_NULL,       /* "<>" */
    PATH_POSTMASTER, /* "<Postmaster>" without a domain, any case; mailbox.local is as written */
    PATH_MAILBOX,
};

/* Which kinds besides a mailbox are taken; the rest is ADDR_SYNTAX. */
enum path_allow { PATH_ALLOW_NULL = 1, PATH_ALLOW_POSTMASTER = 2, PATH_ALLOW_UTF8 = 4 };

struct path {
    enum path_kind kind;
    struct mailbox mailbox; /* all zero for PATH_NULL; domain empty for PATH_POSTMASTER */
    struct span text;       /* the mailbox as it was written, without brackets and route; borrowed from the input */
};

/*
 * Take a path from the start of *s, up to and with its ">"; *s is what follows. `allow` is enum path_allow, or-ed. *s
 * and *ret untouched unless ADDR_OK. A local part may hold ">" and spaces in quotes, so no search can find the end.
 */
NODISCARD enum addr_fault path_take(struct span *s, unsigned allow, struct path *ret);

/* Append with brackets, in the canonical form of mailbox_format(). ERR_LIMIT. */
NODISCARD enum err path_format(const struct path *p, struct buf *to);

#endif
