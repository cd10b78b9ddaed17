/*
 * parent_open.h - what a sandboxed role may ask the parent to open for it, in numbers.
 *
 * Directory and local cannot reach a path outside their data directory. What the configuration puts elsewhere (the
 * aliases file, a file of recipients, a socket) the parent opens for them and hands over as a descriptor. The request
 * never carries a path that the parent would trust: it names the place in the configuration, and the parent looks up in
 * its own copy what stands there. Values travel in IPC: never renumbered.
 */
#ifndef GODWIT_STORE_PARENT_OPEN_H
#define GODWIT_STORE_PARENT_OPEN_H

enum parent_open_kind {
    PARENT_OPEN_ALIASES = 1,    /* the aliases file; name: empty. A regular file, read-only */
    PARENT_OPEN_INCLUDE = 2,    /* name: a path. Opened only when the aliases file names it with :include: */
    PARENT_OPEN_RECIPIENTS = 3, /* name: a domain. Its file of recipients */
    PARENT_OPEN_SOCKETMAP = 4,  /* name: a domain. A connected stream socket to its socketmap */
    PARENT_OPEN_LMTP = 5,       /* name: an LMTP target as configured. A connected stream socket */
    PARENT_OPEN_USER = 6,       /* name: a system user. No descriptor: OK when it exists and may receive (min-uid) */
};

enum parent_open_status {
    PARENT_OPEN_OK = 0,
    PARENT_OPEN_NOT_FOUND = 1,   /* no such file, socket or user */
    PARENT_OPEN_REFUSED = 2,     /* the configuration does not name it, or its permissions are unsafe; text says why */
    PARENT_OPEN_UNAVAILABLE = 3, /* it failed; text says why; try again later */
};

#endif
