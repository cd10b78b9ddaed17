/* drop_directory.c - see drop.h. */
#include "parent/drop.h"

#include "text/hex.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    ABANDONED_S = 60 * 60,   /* a file that is being written is written faster */
    NAME_RANDOM_BYTES = 8,
    RENAME_NEW_ONLY = 1,     /* RENAME_NOREPLACE */
};

static int64_t
mtime_us_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

/* --- refusals ----------------------------------------------------------------------------------------------------- */

static bool
choose_bad_name(char name[DROP_NAME_MAX])
{
    uint8_t random[NAME_RANDOM_BYTES];
    struct buf text;
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return false;
    buf_init_fixed(&text, name, DROP_NAME_MAX);
    return buf_append_cstr(&text, DROP_BAD_PREFIX) == ERR_OK &&
           hex_encode(span_of(random, sizeof(random)), &text) == ERR_OK && buf_append_octet(&text, '\0') == ERR_OK;
}

/* Rename it out of the way, once. */
static void
put_aside(int dir, struct drop_refusal *refusal)
{
    if (!choose_bad_name(refusal->new_name) ||
        syscall(SYS_renameat2, dir, refusal->name, dir, refusal->new_name, RENAME_NEW_ONLY) != 0)
        refusal->new_name[0] = '\0';
}

void
drop_refuse_job(void *arg)
{
    struct drop_file *file = arg;
    file->is_refused = true;
    drop_slot_name(file->slot, file->refusal.name);
    file->refusal.uid = file->uid;
    put_aside(file->dir, &file->refusal);
}

/* --- one file ----------------------------------------------------------------------------------------------------- */

/* What speaks against a file, NULL when nothing does. */
static const char *
find_fault(const struct drop_file *file, const struct stat *st)
{
    if (S_ISLNK(st->st_mode))
        return "it is a symbolic link";
    if (!S_ISREG(st->st_mode))
        return "it is no regular file";
    if (st->st_nlink != 1)
        return "it has other names too";
    if ((st->st_mode & 07777) != DROP_FILE_MODE)
        return "others than its owner may read or write it";
    if ((uint64_t)st->st_size > file->size_max_bytes)
        return "it is too large";
    if (!file->is_root && st->st_uid != geteuid())
        return "it belongs to another user, and the server does not run as root";
    return NULL;
}

static void
refuse(struct drop_file *file, uint32_t uid, const char *why)
{
    file->uid = uid;
    file->refusal.why = why;
    drop_refuse_job(file);
}

void
drop_open_job(void *arg)
{
    struct drop_file *file = arg;
    char name[DROP_NAME_MAX];
    struct stat st;
    file->fd = -1;
    drop_slot_name(file->slot, name);
    /* Looked at before it is opened: opening a FIFO or a device would do something. */
    if (fstatat(file->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    const char *fault = find_fault(file, &st);
    int fd = fault != NULL ? -1 : openat(file->dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fault == NULL && fd < 0)
        return; /* gone, or its owner plays with it; the next sweep sees what it is then */
    if (fault == NULL && fstat(fd, &st) != 0)
        fault = "it cannot be examined";
    if (fault == NULL)
        fault = find_fault(file, &st);
    if (fault != NULL) {
        if (fd >= 0)
            close(fd);
        refuse(file, st.st_uid, fault);
        return;
    }
    file->fd = fd;
    file->device = st.st_dev;
    file->inode = st.st_ino;
    file->size_bytes = (uint64_t)st.st_size;
    file->uid = st.st_uid;
    file->mtime_us = mtime_us_of(&st);
}

void
drop_remove_job(void *arg)
{
    const struct drop_file *file = arg;
    char name[DROP_NAME_MAX];
    struct stat st;
    drop_slot_name(file->slot, name);
    /* Its owner may have put another in its place meanwhile; that one is for the next sweep. */
    bool is_same = fstatat(file->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == file->device &&
                   st.st_ino == file->inode;
    if (is_same && unlinkat(file->dir, name, 0) == 0)
        (void)fsync(file->dir); /* if that fails and power too, it is sent twice */
}

/* --- the directory ------------------------------------------------------------------------------------------------ */

static void
fail(struct drop_sweep *sweep, const char *what)
{
    snprintf(sweep->trouble, sizeof(sweep->trouble), "%s", what);
    if (sweep->dir >= 0)
        close(sweep->dir);
    sweep->dir = -1;
}

/* Open the directory, made if need be. One in which users could rename each other's files is closed to them first. */
static void
open_directory(struct drop_sweep *sweep)
{
    struct stat st;
    bool is_new = mkdir(sweep->path, 0700) == 0;
    sweep->dir = open(sweep->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sweep->dir < 0 || fstat(sweep->dir, &st) != 0) {
        fail(sweep, strerror(errno));
        return;
    }
    if (st.st_uid != geteuid()) {
        fail(sweep, "it belongs to another user");
        return;
    }
    bool is_open_to_all = (st.st_mode & 0022) != 0 && (st.st_mode & S_ISVTX) == 0;
    /* Who is not root could not read what others leave: they find it closed, and sendmail tells them. */
    if ((is_new || is_open_to_all) && fchmod(sweep->dir, sweep->is_root ? DROP_MODE : 0700) != 0)
        fail(sweep, strerror(errno));
}

static void
add_refusal(struct drop_sweep *sweep, const char *name, const struct stat *st, const char *why)
{
    if (sweep->refusal_count == DROP_REFUSED_AT_ONCE)
        return; /* the next sweep sees it again */
    struct drop_refusal *refusal = &sweep->refusals[sweep->refusal_count++];
    *refusal = (struct drop_refusal){.why = why, .uid = st->st_uid};
    snprintf(refusal->name, sizeof(refusal->name), "%s", name);
    put_aside(sweep->dir, refusal);
}

/* Keep the longest waiting: a candidate in place of the youngest when there are too many. */
static void
add_candidate(struct drop_sweep *sweep, unsigned slot, int64_t mtime_us)
{
    size_t at = sweep->candidate_count;
    if (at < DROP_TAKEN_AT_ONCE) {
        sweep->candidate_count++;
    } else {
        at = 0;
        for (size_t i = 1; i < DROP_TAKEN_AT_ONCE; i++)
            if (sweep->candidates[i].mtime_us > sweep->candidates[at].mtime_us)
                at = i;
        if (sweep->candidates[at].mtime_us <= mtime_us)
            return;
    }
    sweep->candidates[at] = (struct drop_candidate){slot, mtime_us};
}

static void
look_at(struct drop_sweep *sweep, const char *name, int64_t now_us)
{
    struct stat st;
    bool is_new = strncmp(name, DROP_NEW_PREFIX, sizeof(DROP_NEW_PREFIX) - 1) == 0;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strncmp(name, DROP_BAD_PREFIX, sizeof(DROP_BAD_PREFIX) - 1) == 0 ||
        fstatat(sweep->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    bool is_old = mtime_us_of(&st) < now_us - ABANDONED_S * INT64_C(1000000);
    if (drop_is_slot_name(name))
        add_candidate(sweep, (unsigned)strtoul(name, NULL, 10), mtime_us_of(&st));
    else if (!is_new || (is_old && !S_ISREG(st.st_mode)))
        add_refusal(sweep, name, &st, "sendmail gives no such names");
    else if (is_old)
        (void)unlinkat(sweep->dir, name, 0); /* never finished, so nobody was told that it would be sent */
}

static int
candidate_order(const void *a, const void *b)
{
    const struct drop_candidate *x = a, *y = b;
    if (x->mtime_us != y->mtime_us)
        return x->mtime_us < y->mtime_us ? -1 : 1;
    return x->slot < y->slot ? -1 : 1;
}

void
drop_sweep_job(void *arg)
{
    struct drop_sweep *sweep = arg;
    struct timespec now;
    sweep->dir = -1;
    open_directory(sweep);
    if (sweep->dir < 0)
        return;
    int listed = openat(sweep->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = listed < 0 ? NULL : fdopendir(listed);
    if (entries == NULL) {
        if (listed >= 0)
            close(listed);
        fail(sweep, strerror(errno));
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        look_at(sweep, entry->d_name, (int64_t)now.tv_sec * 1000000);
    closedir(entries);
    qsort(sweep->candidates, sweep->candidate_count, sizeof(sweep->candidates[0]), candidate_order);
}
