/*
 * dns_client.h - asking the resolver: the words of its answers, and the name of an address.
 *
 * The resolver has validated what it says; this side still treats it as foreign: counts, lengths and names are
 * checked. Functions here suspend; what answers mean for mail is policy's.
 */
#ifndef GODWIT_NET_DNS_CLIENT_H
#define GODWIT_NET_DNS_CLIENT_H

#include "ipc/channel.h"
#include "proto/addr/address_literal.h"
#include "proto/addr/domain.h"

/* The `status` of a dns_lookup reply. Values travel: never renumbered. */
enum dns_status {
    DNS_STATUS_OK = 0,      /* at least one record */
    DNS_STATUS_NO_DATA = 1, /* the name exists, without records of that type */
    DNS_STATUS_NO_NAME = 2, /* the name does not exist */
    DNS_STATUS_FAILED = 3,  /* no answer (server failure, time-out): try again later */
    DNS_STATUS_BOGUS = 4,   /* an answer that fails validation: treat like a failure, never use it */
};

enum dns_type { DNS_TYPE_A = 1, DNS_TYPE_PTR = 12, DNS_TYPE_MX = 15, DNS_TYPE_TXT = 16, DNS_TYPE_AAAA = 28 };

enum {
    DNS_REVERSE_NAMES_MAX = 3, /* names of one address that are tried */
    DNS_REVERSE_QUESTION_MAX = 73, /* octets of the longest name below ip6.arpa, with a NUL */
};

/*
 * Read an uncompressed name in wire form, the whole of `wire`, as a host name. False, *ret untouched, when it is no
 * name, or one that no host can have (other octets than letters, digits, hyphen and underscore; the root).
 */
bool dns_host_from_wire(struct span wire, struct domain *ret);

/* The name to ask for the name of an address: "1.2.0.192.in-addr.arpa". Returns its length in `text`, without a NUL. */
size_t dns_reverse_question(const struct address_literal *address, char text[DNS_REVERSE_QUESTION_MAX]);

/*
 * Look up the name of an address and check that the name has that address, so that nobody can claim a name that is
 * not theirs. ERR_OK with the first name that checks out; ERR_NOT_FOUND none does; ERR_AGAIN no answer could be had
 * by `by`; ERR_CANCELED. Suspends.
 */
NODISCARD enum err dns_reverse_lookup(struct fiber *f, struct deadline by, struct ipc_link *resolver,
                                      const struct address_literal *address, struct domain *ret);

#endif
