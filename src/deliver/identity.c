/*
 * identity.c - from root to the user, with no way back, and the limits that hold from then on.
 *
 * Comes before anything that names a path. A server that does not run as root cannot change who it is: then the user
 * has to be its own.
 */
#include "deliver/deliver.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILES_MAX = 1024, PROCESSES_MAX = 4096 };
#define FILE_BYTES_MAX (UINT64_C(16) << 30)

/* The soft limit and the hard one, which root may have had higher. */
static bool
limit_set(unsigned which, uint64_t most)
{
    struct rlimit limit;
    if (getrlimit(which, &limit) != 0)
        return false;
    if (limit.rlim_max > most)
        limit.rlim_max = most;
    if (limit.rlim_cur > limit.rlim_max || which != RLIMIT_CORE)
        limit.rlim_cur = limit.rlim_max;
    return setrlimit(which, &limit) == 0;
}

static bool
ids_set(const struct user_delivery *d)
{
    gid_t groups[USER_DELIVERY_GROUPS_MAX];
    size_t count = d->groups.len / sizeof(gid_t);
    if (d->groups.len > 0)
        memcpy(groups, d->groups.data, d->groups.len);
    return setgroups(count, groups) == 0 && setresgid((gid_t)d->gid, (gid_t)d->gid, (gid_t)d->gid) == 0 &&
           setresuid((uid_t)d->uid, (uid_t)d->uid, (uid_t)d->uid) == 0;
}

/* A server without root may have been given some, to bind to port 25 for example. */
static bool
capabilities_drop(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{.effective = 0}};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0;
}

static bool
has_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) != 0)
        return true;
    return (data[0].permitted | data[1].permitted | data[0].effective | data[1].effective) != 0;
}

/* Whether the ids are the user's in every respect and cannot become others again. */
static bool
ids_are_final(const struct user_delivery *d)
{
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;
    if (getresuid(&real, &effective, &saved) != 0 || getresgid(&real_group, &effective_group, &saved_group) != 0)
        return false;
    if (real != d->uid || effective != d->uid || saved != d->uid)
        return false;
    if (real_group != d->gid || effective_group != d->gid || saved_group != d->gid)
        return false;
    return setresuid(0, 0, 0) != 0 && setuid(0) != 0 && !has_capabilities();
}

static bool
refuse(struct deliver_verdict *verdict, const char *what)
{
    deliver_verdict_set(verdict, DELIVERY_DEFERRED, "4.3.0", "the delivery process cannot %s: %s", what,
                        strerror(errno));
    return false;
}

bool
deliver_identity_take(const struct user_delivery *d, struct deliver_verdict *verdict)
{
    if (d->uid == 0 || setsid() < 0)
        return refuse(verdict, "begin a session");
    (void)umask(077);
    if (!limit_set(RLIMIT_CORE, 0) || !limit_set(RLIMIT_NOFILE, FILES_MAX) ||
        !limit_set(RLIMIT_FSIZE, FILE_BYTES_MAX) || !limit_set(RLIMIT_NPROC, PROCESSES_MAX))
        return refuse(verdict, "set its limits");
    if (geteuid() == 0 && !ids_set(d))
        return refuse(verdict, "become the user");
    if (!capabilities_drop() || !ids_are_final(d))
        return refuse(verdict, "become the user for good");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return refuse(verdict, "give up new privileges");
    /* A change of ids has undone the one that the parent asked for. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return refuse(verdict, "end with the parent");
    if ((uint64_t)getppid() != d->parent_pid)
        _exit(0);
    return true;
}
