/*
 * drop_store.c - written under a name nobody can guess, synced, then renamed to a free slot.
 *
 * A rename is made durable by a sync of the directory, which needs the right to read it; who has not that right syncs
 * the whole file system instead.
 */
#include "cli/drop_store.h"

#include "cli/drop_file.h"
#include "store/drop.h"
#include "text/hex.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <unistd.h>

enum { RANDOM_BYTES = 16, RENAME_NEW_ONLY = 1 /* RENAME_NOREPLACE */ };

/* One message being stored. */
struct storing {
    const char *directory;
    int dir;
    const struct drop_limits *limits;
    uint64_t size_bytes; /* of the new file */
    char new_name[DROP_NAME_MAX];
    struct buf *complaint;
};

static int
complain(struct storing *s, int status, const char *what)
{
    buf_printf(s->complaint, "%s: %s", s->directory, what);
    return status;
}

static int
complain_errno(struct storing *s, int status)
{
    return complain(s, status, strerror(errno));
}

/* --- slots -------------------------------------------------------------------------------------------------------- */

/* Count what waits; EX_TEMPFAIL when one more would be too many or too much. */
static int
check_room(struct storing *s)
{
    uint64_t count = 0, size_bytes = s->size_bytes;
    for (unsigned slot = 0; slot < s->limits->messages; slot++) {
        char name[DROP_NAME_MAX];
        struct stat st;
        drop_slot_name(slot, name);
        if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            count++;
            size_bytes += (uint64_t)st.st_blocks * 512; /* what it takes, not what it says: files can have holes */
        } else if (errno != ENOENT) {
            return complain_errno(s, EX_TEMPFAIL);
        }
    }
    if (count >= s->limits->messages)
        return complain(s, EX_TEMPFAIL,
                        "as many messages as may wait are waiting; start the server, or try again later");
    if (size_bytes > s->limits->size_bytes)
        return complain(s, EX_TEMPFAIL,
                        "what waits is as large as it may be; start the server, or try again later");
    return EX_OK;
}

/* Give the new file the name of a free slot, replacing nothing. */
static int
take_slot(struct storing *s)
{
    for (unsigned slot = 0; slot < s->limits->messages; slot++) {
        char name[DROP_NAME_MAX];
        drop_slot_name(slot, name);
        if (syscall(SYS_renameat2, s->dir, s->new_name, s->dir, name, RENAME_NEW_ONLY) == 0)
            return EX_OK;
        if (errno != EEXIST)
            return complain_errno(s, EX_CANTCREAT);
    }
    return complain(s, EX_TEMPFAIL, "as many messages as may wait are waiting");
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static bool
write_all(int fd, struct span data)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.data, data.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data = span_skip(data, (size_t)n);
    }
    return true;
}

static bool
choose_name(struct storing *s)
{
    uint8_t random[RANDOM_BYTES];
    struct buf name;
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return false;
    buf_init_fixed(&name, s->new_name, sizeof(s->new_name));
    return buf_append_cstr(&name, DROP_NEW_PREFIX) == ERR_OK &&
           hex_encode(span_of(random, sizeof(random)), &name) == ERR_OK && buf_append_octet(&name, '\0') == ERR_OK;
}

/* Make the rename durable. */
static bool
sync_rename(const struct storing *s, int fd)
{
    int dir = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return syncfs(fd) == 0;
    bool is_synced = fsync(dir) == 0;
    close(dir);
    return is_synced;
}

static int
write_and_name(struct storing *s, int fd, struct span head, struct span body)
{
    if (fchmod(fd, DROP_FILE_MODE) != 0 || !write_all(fd, head) || !write_all(fd, body) || fsync(fd) != 0)
        return complain_errno(s, errno == ENOSPC || errno == EDQUOT ? EX_TEMPFAIL : EX_IOERR);
    int status = take_slot(s);
    if (status == EX_OK && !sync_rename(s, fd))
        return complain_errno(s, EX_IOERR); /* it may be sent all the same: twice is better than never */
    return status;
}

static int
store(struct storing *s, struct span head, struct span body)
{
    s->size_bytes = head.len + body.len;
    int status = check_room(s);
    if (status != EX_OK)
        return status;
    if (!choose_name(s))
        return complain(s, EX_OSERR, "no random numbers");
    int fd = openat(s->dir, s->new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, DROP_FILE_MODE);
    if (fd < 0)
        return complain_errno(s, EX_CANTCREAT);
    status = write_and_name(s, fd, head, body);
    if (status != EX_OK)
        (void)unlinkat(s->dir, s->new_name, 0); /* if it has its slot already, this finds nothing */
    close(fd);
    return status;
}

int
drop_store(const char *directory, const struct drop_limits *limits, const struct outgoing *o, struct buf *complaint)
{
    struct storing s = {.directory = directory, .limits = limits, .complaint = complaint};
    struct buf head;
    s.dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s.dir < 0)
        return complain_errno(&s, EX_TEMPFAIL);
    buf_init(&head, DROP_HEAD_MAX);
    int status = drop_file_format(o, &head) == ERR_OK ? store(&s, buf_span(&head), o->body)
                                                      : complain(&s, EX_OSERR, "out of memory");
    buf_done(&head);
    close(s.dir);
    return status;
}
