/*
 * socketmap.h - the wire form of Postfix's socketmap protocol (socketmap_table(5)). Pure.
 *
 *     request  netstring of "MAP KEY"
 *     reply    netstring of "OK DATA", "NOTFOUND ", "TEMP REASON", "TIMEOUT REASON" or "PERM REASON"
 *
 * The server is the operator's, yet what it sends is bounded and checked like a stranger's. Anything but OK and
 * NOTFOUND is a look-up that failed: mail waits.
 */
#ifndef GODWIT_DIRECTORY_SOCKETMAP_H
#define GODWIT_DIRECTORY_SOCKETMAP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

enum {
    SOCKETMAP_REPLY_MAX = 100000,       /* octets of a reply, as Postfix has it */
    SOCKETMAP_REQUEST_MAX = 1024,
    SOCKETMAP_LENGTH_DIGITS_MAX = 6,
};

enum socketmap_status {
    SOCKETMAP_FOUND,
    SOCKETMAP_NOT_FOUND,
    SOCKETMAP_FAILED, /* TEMP, TIMEOUT, PERM: text is the reason */
};

struct socketmap_reply {
    enum socketmap_status status;
    struct span text; /* data or reason, borrowed from the octets read */
};

/* Append the request. ERR_SYNTAX when the map's name is empty or has a blank; ERR_LIMIT. */
NODISCARD enum err socketmap_request_format(struct span map, struct span key, struct buf *to);

/*
 * Read a reply from the start of `octets`. ERR_OK with *ret and how many octets it took; ERR_AGAIN: more octets are
 * needed; ERR_PROTOCOL: no netstring, too long, or not a reply: close the connection.
 */
NODISCARD enum err socketmap_reply_parse(struct span octets, size_t *ret_len, struct socketmap_reply *ret);

#endif
