/* role.c - names of roles. */
#include "ipc/role.h"

#include "base/assert.h"

static const char *const names[ROLE_COUNT] = {
    [ROLE_PARENT] = "parent",     [ROLE_EDGE] = "edge",           [ROLE_QUEUE] = "queue", [ROLE_RELAY] = "relay",
    [ROLE_LOCAL] = "local",       [ROLE_DELIVER] = "deliver",     [ROLE_RESOLVER] = "resolver",
    [ROLE_DIRECTORY] = "directory", [ROLE_KEYS] = "keys",         [ROLE_CONTROL] = "control", [ROLE_WEB] = "web",
    [ROLE_FETCH] = "fetch",
};

const char *
ipc_role_name(enum ipc_role role)
{
    ASSERT((unsigned)role < ROLE_COUNT);
    return names[role];
}

bool
ipc_role_parse(struct span name, enum ipc_role *ret)
{
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        if (span_equal(name, span_from_cstr(names[i]))) {
            *ret = (enum ipc_role)i;
            return true;
        }
    return false;
}
