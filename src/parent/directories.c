/*
 * directories.c - where the roles keep what they keep, made, owned by the right user and opened before anybody runs.
 *
 * Children receive descriptors, never paths. The lock is flock(2) on the spool directory: two parents on one spool
 * would be two queues in one log, so nothing starts without it.
 */
#include "parent/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE_PRIVATE = 0700, MODE_OPEN = 0755, LOCK_TRIES = 30, LOCK_WAIT_US = 100000 };

/* What there is to open. */
struct plan {
    char path[PARENT_PATH_MAX];
    struct source_pos pos;
    mode_t mode;
    uint32_t uid; /* 0: the parent's own */
    uint32_t gid;
};

static bool
path_join(struct span directory, const char *leaf, char *dst, size_t cap)
{
    int n = snprintf(dst, cap, SPAN_FMT "%s%s", SPAN_ARG(directory), leaf == NULL ? "" : "/", leaf == NULL ? "" : leaf);
    return n > 0 && (size_t)n < cap;
}

static bool
complain(struct config_problems *problems, const struct plan *plan, const char *what)
{
    config_problem_add(problems, 0, plan->pos, "%s: %s: %s", plan->path, what, strerror(errno));
    return false;
}

/* Make the directories above. Those that are there are the administrator's business. */
static void
make_parents(const char *path)
{
    char part[PARENT_PATH_MAX];
    for (size_t i = 1; path[i] != '\0'; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        (void)mkdir(part, MODE_OPEN);
    }
}

/* A directory of root's own (as tmpfiles makes it) becomes the role's; one of anybody else's is a mistake. */
static bool
give_to_role(int fd, const struct plan *plan, bool is_root, struct config_problems *problems)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return complain(problems, plan, "cannot be examined");
    uint32_t wanted = is_root ? plan->uid : geteuid();
    if (st.st_uid == wanted)
        return true;
    if (is_root && st.st_uid == 0) {
        if (fchown(fd, plan->uid, plan->gid) == 0 && fchmod(fd, plan->mode) == 0)
            return true;
        return complain(problems, plan, "cannot be given to its user");
    }
    config_problem_add(problems, 0, plan->pos,
                       "%s belongs to user %u and not to user %u, as whom its process runs; chown -R %u '%s'",
                       plan->path, st.st_uid, wanted, wanted, plan->path);
    return false;
}

static int
open_planned(const struct plan *plan, bool is_root, struct config_problems *problems)
{
    make_parents(plan->path);
    if (mkdir(plan->path, plan->mode) == 0)
        (void)chmod(plan->path, plan->mode); /* past the umask */
    else if (errno != EEXIST)
        return complain(problems, plan, "cannot be made"), -1;
    int fd = open(plan->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return complain(problems, plan, "cannot be opened"), -1;
    if (plan->uid == 0 && is_root)
        return fd;
    if (give_to_role(fd, plan, is_root, problems))
        return fd;
    close(fd);
    return -1;
}

/* The process that holds a flock on that inode, from /proc/locks; 0 unknown. */
static long
lock_holder(const struct stat *st)
{
    FILE *file = fopen("/proc/locks", "re");
    char line[256];
    long pid = 0;
    while (pid == 0 && file != NULL && fgets(line, sizeof(line), file) != NULL) {
        unsigned long inode;
        long holder;
        if (sscanf(line, "%*s FLOCK %*s WRITE %ld %*x:%*x:%lu", &holder, &inode) == 2 && inode == st->st_ino)
            pid = holder;
    }
    if (file != NULL)
        fclose(file);
    return pid;
}

static int
lock_spool(int spool, const struct plan *plan, struct config_problems *problems)
{
    int fd = openat(spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return complain(problems, plan, "cannot be opened"), -1;
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        usleep(LOCK_WAIT_US); /* a killed server's processes may still be going */
    }
    struct stat st = {0};
    (void)fstat(fd, &st);
    config_problem_add(problems, 0, plan->pos, "%s is in use by another Godwit (pid %ld)", plan->path,
                       lock_holder(&st));
    close(fd);
    return -1;
}

static bool
plan_make(struct plan *plan, const struct config_text *directory, const char *leaf, struct identity id, mode_t mode)
{
    *plan = (struct plan){.pos = directory->pos, .mode = mode, .uid = id.uid, .gid = id.gid};
    return path_join(directory->value, leaf, plan->path, sizeof(plan->path));
}

static bool
open_all(const struct config *config, const struct identity ids[ROLE_COUNT], bool is_root,
         struct config_problems *problems, struct directories *d)
{
    const struct {
        const struct config_text *directory;
        const char *leaf;
        struct identity id;
        mode_t mode;
        int *fd;
    } wanted[] = {
        {&config->run_directory, NULL, {0, 0}, MODE_OPEN, NULL},
        {&config->state_directory, NULL, {0, 0}, MODE_OPEN, NULL},
        {&config->run_directory, "empty", {0, 0}, MODE_OPEN, &d->empty},
        {&config->spool.directory, NULL, ids[ROLE_QUEUE], MODE_PRIVATE, &d->data[ROLE_QUEUE]},
        {&config->mail.directory, NULL, ids[ROLE_LOCAL], MODE_PRIVATE, &d->data[ROLE_LOCAL]},
        {&config->state_directory, "directory", ids[ROLE_DIRECTORY], MODE_PRIVATE, &d->data[ROLE_DIRECTORY]},
        {&config->state_directory, "control", ids[ROLE_CONTROL], MODE_PRIVATE, &d->data[ROLE_CONTROL]},
    };
    bool is_good = true;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct plan plan;
        int fd = -1;
        if (plan_make(&plan, wanted[i].directory, wanted[i].leaf, wanted[i].id, wanted[i].mode))
            fd = open_planned(&plan, is_root, problems);
        is_good = is_good && fd >= 0;
        if (wanted[i].fd != NULL)
            *wanted[i].fd = fd;
        else if (fd >= 0)
            close(fd);
        if (wanted[i].fd == &d->data[ROLE_QUEUE] && fd >= 0)
            d->lock = lock_spool(fd, &plan, problems);
    }
    return is_good && d->lock >= 0;
}

bool
directories_open(const struct config *config, const struct identity ids[ROLE_COUNT], bool is_root,
                 struct config_problems *problems, struct directories *ret)
{
    struct directories d = {.empty = -1, .lock = -1};
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        d.data[i] = -1;
    if (!open_all(config, ids, is_root, problems, &d)) {
        directories_close(&d);
        return false;
    }
    *ret = d;
    return true;
}

static void
close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void
directories_close(struct directories *d)
{
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        close_one(&d->data[i]);
    close_one(&d->empty);
    close_one(&d->lock);
}
