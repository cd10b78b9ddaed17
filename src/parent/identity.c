/* identity.c - from the users of the configuration to numbers. */
#include "parent/parent.h"

#include <grp.h>
#include <pwd.h>

/*
 * Where no user is named and none of the default name exists, the role gets a number of its own from here on: below
 * 65536, so that it exists in small user namespaces too, and in a range that Debian gives to nobody.
 */
enum { UID_WITHOUT_NAME = 64900, NAME_MAX_BYTES = 64 };

static const struct config_text *
user_of(const struct config *config, enum ipc_role role)
{
    switch (role) {
    case ROLE_EDGE: return &config->users.edge;
    case ROLE_QUEUE: return &config->users.queue;
    case ROLE_LOCAL: return &config->users.local;
    case ROLE_RESOLVER: return &config->users.resolver;
    case ROLE_DIRECTORY: return &config->users.directory;
    case ROLE_CONTROL: return &config->users.control;
    case ROLE_PARENT:
    case ROLE_RELAY:
    case ROLE_DELIVER:
    case ROLE_KEYS:
    case ROLE_WEB:
    case ROLE_FETCH: break;
    }
    return NULL;
}

static bool
user_find(struct span name, struct identity *ret)
{
    uint64_t number;
    char cstr[NAME_MAX_BYTES];
    if (span_to_u64(name, UINT32_MAX - 1, &number)) {
        *ret = (struct identity){(uint32_t)number, (uint32_t)number};
        return true;
    }
    const struct passwd *entry = span_to_cstr(name, cstr, sizeof(cstr)) ? getpwnam(cstr) : NULL;
    if (entry == NULL)
        return false;
    *ret = (struct identity){entry->pw_uid, entry->pw_gid};
    return true;
}

bool
identity_group_find(struct span name, uint32_t *ret)
{
    uint64_t number;
    char cstr[NAME_MAX_BYTES];
    if (span_to_u64(name, UINT32_MAX - 1, &number)) {
        *ret = (uint32_t)number;
        return true;
    }
    const struct group *entry = span_to_cstr(name, cstr, sizeof(cstr)) ? getgrnam(cstr) : NULL;
    if (entry == NULL)
        return false;
    *ret = entry->gr_gid;
    return true;
}

/*
 * The group of all roles; 0: none of the default name exists, each role has its user's own. False: one is named that
 * may not be.
 */
static bool
common_group_find(const struct config *config, struct config_problems *problems, uint32_t *ret)
{
    const struct config_text *group = &config->users.group;
    uint32_t gid = 0;
    bool is_found = identity_group_find(group->value, &gid);
    if (group->pos.line != 0 && (!is_found || gid == 0)) {
        config_problem_add(problems, 0, group->pos,
                           is_found ? "'" SPAN_FMT "' is root's group, which no role may have"
                                    : "there is no group '" SPAN_FMT "' on this machine",
                           SPAN_ARG(group->value));
        return false;
    }
    *ret = gid;
    return true;
}

bool
identities_find(const struct config *config, bool is_root, struct config_problems *problems,
                struct identity ids[ROLE_COUNT])
{
    uint32_t group = 0;
    bool all_found = !is_root || common_group_find(config, problems, &group);
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        enum ipc_role role = (enum ipc_role)i;
        const struct config_text *user = user_of(config, role);
        ids[i] = (struct identity){0, 0};
        if (!is_root || user == NULL)
            continue;
        bool is_found = user_find(user->value, &ids[i]);
        if (!is_found && user->pos.line == 0) {
            ids[i] = (struct identity){UID_WITHOUT_NAME + i, group != 0 ? group : UID_WITHOUT_NAME + i};
            continue;
        }
        if (is_found && group != 0)
            ids[i].gid = group;
        if (is_found && ids[i].uid != 0 && ids[i].gid != 0)
            continue;
        config_problem_add(problems, 0, user->pos,
                           is_found ? "'" SPAN_FMT "' is root, which no role may run as"
                                    : "there is no user '" SPAN_FMT "' on this machine",
                           SPAN_ARG(user->value));
        all_found = false;
    }
    return all_found;
}
