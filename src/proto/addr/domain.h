/*
 * domain.h - a domain name that has been checked: A-labels, lower case.
 *
 * Only domain_parse() makes one, so whoever holds a struct domain holds at most 255 octets of labels of letters,
 * digits and hyphens (RFC 5321 §4.1.2), 63 at most each, no dot at the end. The same name written with U-labels and
 * with A-labels is the same struct domain (requirement 144). A value: copy it freely.
 */
#ifndef GODWIT_PROTO_ADDR_DOMAIN_H
#define GODWIT_PROTO_ADDR_DOMAIN_H

#include "base/compiler.h"
#include "base/span.h"

enum { DOMAIN_OCTETS_MAX = 255, DOMAIN_LABEL_OCTETS_MAX = 63 };

/* Why a text is not an address, or none. Chosen by what is answered: 5.1.3/5.1.7 or 5.6.7. */
enum addr_fault {
    ADDR_OK = 0,
    ADDR_SYNTAX,           /* not of the grammar */
    ADDR_LOCAL_TOO_LONG,   /* local part over 64 octets */
    ADDR_DOMAIN_TOO_LONG,  /* domain over 255 octets or a label over 63 */
    ADDR_PATH_TOO_LONG,    /* path over 256 octets with its brackets */
    ADDR_UTF8_NOT_ALLOWED, /* octets of 0x80 and above without SMTPUTF8, RFC 6531 §3.5 */
    ADDR_UTF8_INVALID,     /* not UTF-8, or a U-label that IDNA does not allow */
};

struct domain {
    uint8_t len;                     /* 1 to 255; 0 only in a mailbox that has a literal or no domain */
    uint8_t name[DOMAIN_OCTETS_MAX]; /* bytes after `len` are zero */
};

/*
 * Read all of `s` as a domain; a single label is one. U-labels only with `is_utf8_allowed`. *ret untouched unless
 * ADDR_OK.
 */
NODISCARD enum addr_fault domain_parse(struct span s, bool is_utf8_allowed, struct domain *ret);

/* The name, borrowed from `d`. */
static inline struct span
domain_span(const struct domain *d)
{
    return span_of(d->name, d->len);
}

bool domain_equal(const struct domain *a, const struct domain *b);

/* Whether `d` is `parent` or a name below it. */
bool domain_is_within(const struct domain *d, const struct domain *parent);

/* Whether `d` has more than one label: what a hostname and a relayed address must have. */
bool domain_is_qualified(const struct domain *d);

#endif
