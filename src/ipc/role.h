/*
 * role.h - the kinds of process Godwit is made of, by number and by name.
 *
 * The numbers travel in bootstrap records and endpoint posts between processes of one build; they are never stored.
 */
#ifndef GODWIT_IPC_ROLE_H
#define GODWIT_IPC_ROLE_H

#include "base/span.h"

enum ipc_role {
    ROLE_PARENT,
    ROLE_EDGE,
    ROLE_QUEUE,
    ROLE_RELAY,
    ROLE_LOCAL,
    ROLE_DELIVER,
    ROLE_RESOLVER,
    ROLE_DIRECTORY,
    ROLE_KEYS,
    ROLE_CONTROL,
    ROLE_WEB,
    ROLE_FETCH,
};

enum { ROLE_COUNT = ROLE_FETCH + 1 };

/* The bit of a role in a set of roles. */
#define ROLE_BIT(role) (1u << (unsigned)(role))

/* The role's name as in messages.def, the executable's name (godwit-NAME) and logs. Never NULL. */
const char *ipc_role_name(enum ipc_role role);

/* The role of that name; false, *ret untouched, when there is none. */
bool ipc_role_parse(struct span name, enum ipc_role *ret);

/*
 * Whether processes of the two roles share a channel: some message of messages.def goes from one to the other, either
 * way. Every role shares one with the parent. Generated.
 */
bool ipc_role_talks_to(enum ipc_role a, enum ipc_role b);

#endif
