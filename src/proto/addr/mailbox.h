/*
 * mailbox.h - local-part "@" ( domain / address-literal ), RFC 5321 §4.1.2 and RFC 6531 §3.3.
 *
 * Only the parser makes one. The local part is kept unquoted, octet for octet, case preserved: "a\b"@x and "ab"@x
 * and ab@x are equal (requirement 13). Comments, folding and the other forms of RFC 5322 are no part of an envelope
 * and refused. The empty quoted local part is refused (erratum 5414). A value: copy it freely.
 */
#ifndef GODWIT_PROTO_ADDR_MAILBOX_H
#define GODWIT_PROTO_ADDR_MAILBOX_H

#include "base/buf.h"
#include "proto/addr/address_literal.h"
#include "proto/addr/domain.h"

enum {
    MAILBOX_LOCAL_OCTETS_MAX = 64, /* as written, quotes included: RFC 5321 §4.5.3.1.1 */
    MAILBOX_TEXT_MAX = MAILBOX_LOCAL_OCTETS_MAX + 1 + DOMAIN_OCTETS_MAX, /* what mailbox_format() may append */
};

struct mailbox {
    uint8_t local_len;                       /* 1 to 64 */
    uint8_t local[MAILBOX_LOCAL_OCTETS_MAX]; /* unquoted; printable ASCII and UTF-8, never an ASCII control octet */
    bool is_utf8;                            /* the local part has octets of 0x80 and above: needs SMTPUTF8 */
    struct domain domain;                    /* len 0: `literal` is set, or a bare "Postmaster" */
    struct address_literal literal;
};

/* Read all of `s`, without angle brackets. *ret untouched unless ADDR_OK. */
NODISCARD enum addr_fault mailbox_parse(struct span s, bool is_utf8_allowed, struct mailbox *ret);

/*
 * Make one of parts: `local` unquoted octets, `domain` as domain_parse() takes it, "[...]" for a literal, or empty for
 * a bare "Postmaster" alone. For parts that came over IPC or from a store.
 */
NODISCARD enum addr_fault mailbox_from_parts(struct span local, struct span domain, struct mailbox *ret);

/* The local part, unquoted, borrowed from `m`. */
static inline struct span
mailbox_local(const struct mailbox *m)
{
    return span_of(m->local, m->local_len);
}

/* Append the mailbox as it is written, quoted only where it must be, domain in A-labels. ERR_LIMIT. */
NODISCARD enum err mailbox_format(const struct mailbox *m, struct buf *to);

/* Append the domain or the literal in brackets; nothing for a bare "Postmaster". ERR_LIMIT. */
NODISCARD enum err mailbox_format_domain(const struct mailbox *m, struct buf *to);

/* Equal local parts, octet for octet, and equal domains or literals. */
bool mailbox_equal(const struct mailbox *a, const struct mailbox *b);

/* Whether the local part is "postmaster" in any case (requirement 37), whatever the domain. */
bool mailbox_is_postmaster(const struct mailbox *m);

#endif
