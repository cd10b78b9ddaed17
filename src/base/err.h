/*
 * err.h - failures of the world, told apart by what the caller does next.
 *
 * A bug is an ASSERT. A verdict (a 550, an SPF fail) is a value of its own type and the success of the function
 * that computed it. What is left, the network that ends, the disk that fills, the peer that talks nonsense, is
 * an `enum err`, and no caller may drop it.
 */
#ifndef GODWIT_BASE_ERR_H
#define GODWIT_BASE_ERR_H

#include "base/compiler.h"

enum err {
    ERR_OK = 0,
    ERR_TIMEOUT,   /* the deadline passed: give up this step, say so */
    ERR_CANCELED,  /* this fiber is to end: unwind, do not suspend again */
    ERR_CLOSED,    /* the other side ended, in order or not: end this conversation */
    ERR_AGAIN,     /* not now (no credit, no worker, busy): the same call may succeed later */
    ERR_LIMIT,     /* a cap of ours was reached (memory, count, length): answer 4xx or refuse the input */
    ERR_FULL,      /* no space left on the disk: answer 452, keep what there is */
    ERR_NOT_FOUND, /* the thing named does not exist */
    ERR_EXISTS,    /* the thing named exists already */
    ERR_SYNTAX,    /* the text given is not of the grammar */
    ERR_DENIED,    /* not permitted (permissions, sandbox) */
    ERR_DAMAGED,   /* stored bytes are not what was written: quarantine, report */
    ERR_PROTOCOL,  /* the peer broke the protocol: close it */
    ERR_IO,        /* the system refused for a reason nobody can act on here: answer 451, log errno */
};

/* A stable lower-case name for logs ("timeout"); never NULL. */
const char *err_name(enum err e);

/* The enum err for a value of errno; never ERR_OK for a non-zero one. */
enum err err_from_errno(int errnum);

/* Return from the calling function with any error of `expression`. The one macro that hides a return. */
#define TRY(expression) \
    do { \
        enum err try_err_ = (expression); \
        if (try_err_ != ERR_OK) \
            return try_err_; \
    } while (0)

#endif
