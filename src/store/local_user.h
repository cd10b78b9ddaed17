/*
 * local_user.h - what is known about a user id of this machine, in numbers.
 *
 * The kernel names who is at the other end of the local socket by user id. The name that belongs to it is asked of the
 * directory, which asks the parent: neither the edge nor the directory can see /etc/passwd. Values travel in IPC: never
 * renumbered.
 */
#ifndef GODWIT_STORE_LOCAL_USER_H
#define GODWIT_STORE_LOCAL_USER_H

enum local_user_status {
    LOCAL_USER_KNOWN = 0,
    LOCAL_USER_NAMELESS = 1,    /* no user of this machine has the id */
    LOCAL_USER_UNAVAILABLE = 2, /* it could not be looked up; try again later */
};

enum { LOCAL_USER_NAME_MAX = 64 /* octets; what a local part may have */ };

#endif
