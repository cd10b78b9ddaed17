/*
 * address_list.h - the addresses in a To, Cc, Bcc, From or Sender field, or in an argument of sendmail. RFC 5322 §3.4
 * and §4.4, RFC 6532 §3.2.
 *
 * What people and programs write: display names, comments inside comments, quoted strings, folding, groups, routes,
 * empty elements, local parts with spaces around their dots, names without a domain (root). Only the addresses are
 * kept. The list is all or nothing: a field that cannot be read has no addresses rather than some of them.
 * Input is hostile; no recursion, memory is bounded by the arena.
 */
#ifndef GODWIT_PROTO_MSG_ADDRESS_LIST_H
#define GODWIT_PROTO_MSG_ADDRESS_LIST_H

#include "base/arena.h"
#include "base/buf.h"

enum {
    ADDRESS_LIST_COMMENT_DEPTH_MAX = 64, /* comments inside comments; deeper is ERR_SYNTAX */
    ADDRESS_LIST_ITEMS_MAX = 100000,
};

/* One address. Both parts live in the arena. */
struct address_list_item {
    struct address_list_item *next;
    struct span local;  /* unquoted octets, never a control octet; empty only for "<>" */
    struct span domain; /* as written without blanks and comments, "[...]" for a literal; empty for a bare name */
};

struct address_list {
    struct address_list_item *first;
    size_t count;
};

/*
 * Read all of `text`: the value of a field, folded or not. ERR_OK, perhaps with no address in it (blanks, comments, an
 * empty group); ERR_SYNTAX for what is no list; ERR_LIMIT when it does not fit. *ret is untouched on failure.
 */
NODISCARD enum err address_list_parse(struct span text, struct arena *mem, struct address_list *ret);

/* Append an address so that address_list_parse() reads the same: in brackets, quoted where it must be. ERR_LIMIT. */
NODISCARD enum err address_list_item_format(const struct address_list_item *item, struct buf *to);

#endif
