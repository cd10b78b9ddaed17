/* err.c - names of failures, and what errno means to a caller. */
#include "base/err.h"

#include <errno.h>

const char *
err_name(enum err e)
{
    switch (e) {
    case ERR_OK: return "ok";
    case ERR_TIMEOUT: return "timeout";
    case ERR_CANCELED: return "canceled";
    case ERR_CLOSED: return "closed";
    case ERR_AGAIN: return "again";
    case ERR_LIMIT: return "limit";
    case ERR_FULL: return "full";
    case ERR_NOT_FOUND: return "not-found";
    case ERR_EXISTS: return "exists";
    case ERR_SYNTAX: return "syntax";
    case ERR_DENIED: return "denied";
    case ERR_DAMAGED: return "damaged";
    case ERR_PROTOCOL: return "protocol";
    case ERR_IO: return "io";
    }
    return "unknown";
}

enum err
err_from_errno(int errnum)
{
    switch (errnum) {
    case 0: return ERR_OK;
    case ENOSPC:
    case EDQUOT: return ERR_FULL;
    case ENOENT: return ERR_NOT_FOUND;
    case EEXIST: return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return ERR_DENIED;
    case ENOMEM:
    case EMFILE:
    case ENFILE: return ERR_LIMIT;
    case ETIMEDOUT: return ERR_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN: return ERR_CLOSED;
    case EAGAIN:
    case EBUSY:
    case ENOBUFS: return ERR_AGAIN;
    default: return ERR_IO;
    }
}
