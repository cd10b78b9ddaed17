/*
 * user_file.c - which files of a user are believed: what others could have written could make his mail theirs.
 */
#include "deliver/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 16 * 1024 };

int
deliver_home_open(const char *path, uint64_t uid, const char **ret_why)
{
    int fd = path[0] == '/' ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        *ret_why = path[0] == '/' ? strerror(errno) : "its path is not absolute";
        return -1;
    }
    struct stat st;
    if (fstat(fd, &st) != 0)
        *ret_why = strerror(errno);
    else if (st.st_uid != uid)
        *ret_why = "it belongs to somebody else";
    else if ((st.st_mode & S_IWOTH) != 0)
        *ret_why = "everybody may write to it";
    else
        return fd;
    close(fd);
    return -1;
}

enum err
deliver_file_read(int fd, struct buf *to)
{
    for (off_t at_octet = 0;;) { /* from the start: the writer of a memory file has left its position at the end */
        uint8_t *at = buf_reserve(to, READ_BYTES);
        if (at == NULL)
            return ERR_LIMIT;
        ssize_t n = pread(fd, at, READ_BYTES, at_octet);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            return ERR_OK;
        buf_advance(to, (size_t)n);
        at_octet += n;
    }
}

/* NULL, or why an open ~/.forward is not believed. */
static const char *
forward_fault(int fd, uint64_t uid)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "it is not a regular file";
    if (st.st_uid != uid && st.st_uid != 0)
        return "it belongs to somebody else";
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return "others than its owner may write to it";
    if (st.st_nlink != 1)
        return "it has more than one name";
    if (st.st_size > DELIVER_FORWARD_BYTES_MAX)
        return "it is larger than 64 KiB";
    return NULL;
}

bool
deliver_forward_read(int home, uint64_t uid, struct buf *to, bool *ret_exists, const char **ret_why)
{
    /* Not blocking: what is there may be a FIFO. */
    int fd = openat(home, ".forward", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        *ret_exists = errno != ENOENT;
        *ret_why = errno == ELOOP ? "it is a symbolic link" : strerror(errno);
        return !*ret_exists;
    }
    *ret_exists = true;
    *ret_why = forward_fault(fd, uid);
    if (*ret_why == NULL && deliver_file_read(fd, to) != ERR_OK)
        *ret_why = "it cannot be read";
    close(fd);
    return *ret_why == NULL;
}
