/*
 * disk_real.c - disk.h over the file systems of Linux.
 *
 * Names are resolved by openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, so no component can lead out of the
 * directory or through a symbolic link. Where the kernel or a container's filter refuses openat2, component by
 * component with O_NOFOLLOW, which comes to the same for names without "..". Nothing is retried but EINTR: a sync that
 * failed has failed (I5). Names come from our own code, contents of directories may be anybody's (a mailbox).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "rt/disk_body.h"
#include "rt/rt_real.h"

enum {
    DISK_NAME_MAX = 1024,
    DISK_PARTS_MAX = 64,            /* parts of one pwritev(2); more are written in several */
    DIRECT_ALIGN = 4096,            /* enough for every block device and file system in use */
    DIRECT_BYTES_MAX = 256 * 1024,  /* one read past the cache */
    OPEN_TRIES = 8,                 /* openat2(2) answers EAGAIN when a rename races with it */
};

struct real_disk {
    struct disk disk;
    bool has_openat2;
};

struct real_dir {
    struct disk_dir dir;
    int fd;
};

struct real_file {
    struct disk_file file;
    int fd;
    bool is_direct;     /* opened with O_DIRECT */
    bool skips_cache;   /* asked for DISK_NO_CACHE where O_DIRECT cannot be had: drop pages before each read */
    bool is_read_only;
};

static int
dir_fd(struct disk_dir *dir)
{
    return CONTAINER_OF(dir, struct real_dir, dir)->fd;
}

static struct real_file *
file_of(struct disk_file *file)
{
    return CONTAINER_OF(file, struct real_file, file);
}

static enum err
err_from_disk(int errnum)
{
    switch (errnum) {
    case ELOOP: /* a symbolic link */
    case EXDEV: return ERR_DENIED;
    case ENAMETOOLONG:
    case EFBIG: return ERR_LIMIT;
    default: return err_from_errno(errnum);
    }
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static int
open_one(int at, const char *name, int flags)
{
    int fd = openat(at, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    if (fd < 0 && errno == ENOTDIR) {
        /* O_DIRECTORY | O_NOFOLLOW does not tell a symbolic link from a file. */
        errno = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
    }
    return fd;
}

/* Without openat2: each component by itself, none a link. */
static int
open_by_component(int at, const char *name, int flags)
{
    char component[DISK_NAME_MAX];
    int dir = at, fd = -1;
    for (;;) {
        const char *slash = strchr(name, '/');
        size_t len = slash == NULL ? strlen(name) : (size_t)(slash - name);
        if (len >= sizeof(component)) {
            errno = ENAMETOOLONG;
            fd = -1;
            break;
        }
        memcpy(component, name, len);
        component[len] = '\0';
        fd = open_one(dir, component, slash == NULL ? flags : O_PATH | O_DIRECTORY);
        if (slash == NULL || fd < 0)
            break;
        if (dir != at)
            close(dir);
        dir = fd;
        name = slash + 1;
    }
    int error = errno;
    if (dir != at)
        close(dir);
    errno = error;
    return fd;
}

static int
openat2_call(int at, const char *name, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) != 0 ? 0600 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
}

/* An open descriptor of `name` below `at`, or -1 with errno set. */
static int
open_beneath(const struct disk *d, int at, const char *name, int flags)
{
    if (!CONTAINER_OF(d, const struct real_disk, disk)->has_openat2)
        return open_by_component(at, name, flags);
    for (int tries = 0;; tries++) {
        int fd = openat2_call(at, name, flags);
        if (fd >= 0 || tries == OPEN_TRIES || (errno != EAGAIN && errno != EINTR))
            return fd;
    }
}

/* The directory a name is in, and its last component. */
struct place {
    int fd;
    bool is_owned;
    const char *leaf;
};

static void
place_done(struct place *p)
{
    int error = errno;
    if (p->is_owned)
        close(p->fd);
    errno = error;
}

static enum err
place_find(struct disk_dir *dir, const char *name, struct place *ret)
{
    const char *slash = strrchr(name, '/');
    if (slash == NULL) {
        *ret = (struct place){.fd = dir_fd(dir), .leaf = name};
        return ERR_OK;
    }
    char parent[DISK_NAME_MAX];
    if (!span_to_cstr(span_of(name, (size_t)(slash - name)), parent, sizeof(parent)))
        return ERR_LIMIT;
    int fd = open_beneath(dir->disk, dir_fd(dir), parent, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return err_from_disk(errno);
    *ret = (struct place){.fd = fd, .is_owned = true, .leaf = slash + 1};
    return ERR_OK;
}

/* --- directories -------------------------------------------------------------------------------------------------- */

/* Takes `fd` over, also when it fails. */
static enum err
dir_make(struct disk *d, int fd, struct disk_dir **ret)
{
    struct real_dir *dir = malloc(sizeof(*dir));
    if (dir == NULL) {
        close(fd);
        return ERR_LIMIT;
    }
    *dir = (struct real_dir){.dir.disk = d, .fd = fd};
    *ret = &dir->dir;
    return ERR_OK;
}

static enum err
real_dir_open(struct disk *d, struct disk_dir *base, const char *name, struct disk_dir **ret)
{
    int fd = base == NULL ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                          : open_beneath(d, dir_fd(base), name, O_RDONLY | O_DIRECTORY);
    return fd < 0 ? err_from_disk(errno) : dir_make(d, fd, ret);
}

static enum err
real_dir_open_fd(struct disk *d, int fd, struct disk_dir **ret)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode)) {
        close(fd);
        return ERR_DENIED;
    }
    return dir_make(d, fd, ret);
}

static void
real_dir_close(struct disk_dir *dir)
{
    close(dir_fd(dir));
    free(CONTAINER_OF(dir, struct real_dir, dir));
}

static enum err
real_make_dir(struct disk_dir *base, const char *name)
{
    CLEANUP(place_done) struct place at = {0};
    TRY(place_find(base, name, &at));
    return mkdirat(at.fd, at.leaf, 0700) == 0 ? ERR_OK : err_from_disk(errno);
}

static enum err
real_dir_sync(struct disk_dir *dir)
{
    return fsync(dir_fd(dir)) == 0 ? ERR_OK : ERR_IO;
}

static enum err
real_dir_list(struct disk_dir *dir, bool (*each)(void *arg, const char *name), void *arg)
{
    int fd = openat(dir_fd(dir), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (stream == NULL) {
        enum err e = err_from_disk(errno);
        if (fd >= 0)
            close(fd);
        return e;
    }
    bool wants_more = true;
    struct dirent *entry = NULL;
    do {
        errno = 0;
        entry = readdir(stream);
        if (entry != NULL && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            wants_more = each(arg, entry->d_name);
    } while (entry != NULL && wants_more);
    enum err e = entry == NULL ? err_from_disk(errno) : ERR_OK;
    closedir(stream);
    return e;
}

/* For file systems without RENAME_NOREPLACE: a new name for the file, then the old one goes. */
static enum err
rename_by_link(const struct place *from, const struct place *to)
{
    if (linkat(from->fd, from->leaf, to->fd, to->leaf, 0) != 0)
        return err_from_disk(errno);
    return unlinkat(from->fd, from->leaf, 0) == 0 ? ERR_OK : err_from_disk(errno);
}

static enum err
real_rename(struct disk_dir *from_dir, const char *from_name, struct disk_dir *to_dir, const char *to_name,
            bool keeps_existing)
{
    CLEANUP(place_done) struct place from = {0};
    CLEANUP(place_done) struct place to = {0};
    TRY(place_find(from_dir, from_name, &from));
    TRY(place_find(to_dir, to_name, &to));
    if (!keeps_existing)
        return renameat(from.fd, from.leaf, to.fd, to.leaf) == 0 ? ERR_OK : err_from_disk(errno);
    if (renameat2(from.fd, from.leaf, to.fd, to.leaf, RENAME_NOREPLACE) == 0)
        return ERR_OK;
    return errno == EINVAL || errno == ENOSYS ? rename_by_link(&from, &to) : err_from_disk(errno);
}

static enum err
remove_any(struct disk_dir *dir, const char *name, int flags)
{
    CLEANUP(place_done) struct place at = {0};
    TRY(place_find(dir, name, &at));
    return unlinkat(at.fd, at.leaf, flags) == 0 ? ERR_OK : err_from_disk(errno);
}

static enum err
real_unlink(struct disk_dir *dir, const char *name)
{
    return remove_any(dir, name, 0);
}

static enum err
real_remove_dir(struct disk_dir *dir, const char *name)
{
    return remove_any(dir, name, AT_REMOVEDIR);
}

static struct disk_stat
stat_convert(const struct stat *st)
{
    return (struct disk_stat){
        .size_bytes = (uint64_t)st->st_size,
        .mtime_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000,
        .inode = st->st_ino,
        .uid = st->st_uid,
        .link_count = (uint32_t)st->st_nlink,
        .is_directory = S_ISDIR(st->st_mode),
        .is_regular = S_ISREG(st->st_mode),
    };
}

static enum err
real_stat_name(struct disk_dir *dir, const char *name, struct disk_stat *ret)
{
    CLEANUP(place_done) struct place at = {0};
    struct stat st;
    TRY(place_find(dir, name, &at));
    if (fstatat(at.fd, at.leaf, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_from_disk(errno);
    *ret = stat_convert(&st);
    return ERR_OK;
}

static enum err
real_space(struct disk_dir *dir, struct disk_space *ret)
{
    struct statvfs fs;
    if (fstatvfs(dir_fd(dir), &fs) != 0)
        return err_from_disk(errno);
    *ret = (struct disk_space){
        .free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize,
        .total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize,
        .free_inodes = fs.f_files == 0 ? UINT64_MAX : (uint64_t)fs.f_favail,
    };
    return ERR_OK;
}

static enum disk_kind
real_kind(struct disk_dir *dir)
{
    static const struct {
        uint32_t magic;
        enum disk_kind kind;
    } kinds[] = {
        {TMPFS_MAGIC, DISK_KIND_TMPFS},
        {RAMFS_MAGIC, DISK_KIND_TMPFS},
        {BTRFS_SUPER_MAGIC, DISK_KIND_BTRFS},
        {NFS_SUPER_MAGIC, DISK_KIND_NETWORK},
        {SMB_SUPER_MAGIC, DISK_KIND_NETWORK},
        {0xff534d42 /* CIFS */, DISK_KIND_NETWORK},
        {0xfe534d42 /* SMB2 */, DISK_KIND_NETWORK},
        {V9FS_MAGIC, DISK_KIND_NETWORK},
        {AFS_SUPER_MAGIC, DISK_KIND_NETWORK},
        {CODA_SUPER_MAGIC, DISK_KIND_NETWORK},
        {0x00c36400 /* Ceph */, DISK_KIND_NETWORK},
        {0x01161970 /* GFS2 */, DISK_KIND_NETWORK},
        {0x7461636f /* OCFS2 */, DISK_KIND_NETWORK},
        {0x65735546 /* FUSE */, DISK_KIND_NETWORK},
    };
    struct statfs fs;
    if (fstatfs(dir_fd(dir), &fs) == 0)
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
            if (kinds[i].magic == (uint32_t)fs.f_type)
                return kinds[i].kind;
    return DISK_KIND_LOCAL;
}

static enum err
real_set_nocow(struct disk_dir *dir)
{
    int flags = 0;
    if (real_kind(dir) != DISK_KIND_BTRFS)
        return ERR_OK;
    if (ioctl(dir_fd(dir), FS_IOC_GETFLAGS, &flags) != 0)
        return err_from_disk(errno);
    flags |= FS_NOCOW_FL;
    return ioctl(dir_fd(dir), FS_IOC_SETFLAGS, &flags) == 0 ? ERR_OK : err_from_disk(errno);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* Takes `fd` over, also when it fails. */
static enum err
file_make(struct disk *d, int fd, bool is_new, struct real_file **ret)
{
    struct stat st;
    struct real_file *file = NULL;
    enum err e = ERR_DENIED; /* a device, a FIFO: nothing of ours */
    if (is_new || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))) {
        file = calloc(1, sizeof(*file));
        e = ERR_LIMIT;
    }
    if (file == NULL) {
        close(fd);
        return e;
    }
    file->file.disk = d;
    file->fd = fd;
    *ret = file;
    return ERR_OK;
}

static int
open_flags(unsigned flags)
{
    int to = O_NONBLOCK | O_NOCTTY; /* so that a FIFO cannot hold us; no effect on regular files */
    if ((flags & DISK_WRITE) == 0)
        to |= O_RDONLY;
    else
        to |= (flags & DISK_READ) != 0 ? O_RDWR : O_WRONLY;
    if ((flags & DISK_CREATE) != 0)
        to |= O_CREAT;
    if ((flags & DISK_EXCLUSIVE) != 0)
        to |= O_EXCL;
    if ((flags & DISK_APPEND) != 0)
        to |= O_APPEND;
    return to;
}

static enum err
real_open(struct disk_dir *dir, const char *name, unsigned flags, struct disk_file **ret)
{
    bool is_read_only = (flags & DISK_WRITE) == 0;
    bool wants_direct = (flags & DISK_NO_CACHE) != 0 && is_read_only; /* writes would have to be aligned */
    int fd = -1;
    if (wants_direct)
        fd = open_beneath(dir->disk, dir_fd(dir), name, open_flags(flags) | O_DIRECT);
    bool is_direct = fd >= 0;
    if (!is_direct && (!wants_direct || errno == EINVAL))
        fd = open_beneath(dir->disk, dir_fd(dir), name, open_flags(flags));
    if (fd < 0)
        return err_from_disk(errno);
    struct real_file *file;
    /* What O_EXCL has made is a regular file. */
    TRY(file_make(dir->disk, fd, (flags & DISK_CREATE) != 0 && (flags & DISK_EXCLUSIVE) != 0, &file));
    file->is_read_only = is_read_only;
    file->is_direct = is_direct;
    file->skips_cache = (flags & DISK_NO_CACHE) != 0 && !is_direct;
    *ret = &file->file;
    return ERR_OK;
}

static enum err
real_open_fd(struct disk *d, int fd, struct disk_file **ret)
{
    struct real_file *file;
    TRY(file_make(d, fd, false, &file));
    file->is_read_only = true;
    *ret = &file->file;
    return ERR_OK;
}

static bool
write_whole(int fd, struct span data)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.data, data.len);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            data = span_skip(data, (size_t)n);
    }
    return true;
}

static enum err
real_memory_fd(struct disk *d, struct span content, int *ret)
{
    (void)d;
    int fd = memfd_create("godwit", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return ERR_LIMIT;
    if (!write_whole(fd, content) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        close(fd);
        return ERR_LIMIT;
    }
    *ret = fd;
    return ERR_OK;
}

static void
real_close(struct disk_file *file)
{
    close(file_of(file)->fd);
    free(file_of(file));
}

static enum err
real_stat_file(struct disk_file *file, struct disk_stat *ret)
{
    struct stat st;
    if (fstat(file_of(file)->fd, &st) != 0)
        return err_from_disk(errno);
    *ret = stat_convert(&st);
    return ERR_OK;
}

/* Fill out[DISK_PARTS_MAX] with what is left of the parts after `done` bytes; returns how many. */
static size_t
parts_after(const struct iovec *parts, size_t count, size_t done, struct iovec *out)
{
    size_t n = 0;
    for (size_t i = 0; i < count && n < DISK_PARTS_MAX; i++) {
        if (done >= parts[i].iov_len) {
            done -= parts[i].iov_len;
            continue;
        }
        out[n++] = (struct iovec){.iov_base = (uint8_t *)parts[i].iov_base + done, .iov_len = parts[i].iov_len - done};
        done = 0;
    }
    return n;
}

static enum err
real_pwritev(struct disk_file *file, uint64_t offset, const struct iovec *parts, size_t count)
{
    size_t done = 0;
    for (;;) {
        struct iovec left[DISK_PARTS_MAX];
        size_t n = parts_after(parts, count, done, left);
        if (n == 0)
            return ERR_OK;
        ssize_t written = pwritev(file_of(file)->fd, left, (int)n, (off_t)(offset + done));
        if (written < 0 && errno != EINTR)
            return err_from_disk(errno);
        if (written > 0)
            done += (size_t)written;
    }
}

/* Read past the cache: whole aligned blocks into a buffer of our own. Returns as pread(2), short only at the end. */
static ssize_t
pread_direct(int fd, void *dst, size_t len, uint64_t offset)
{
    uint64_t begin = offset - offset % DIRECT_ALIGN;
    size_t ahead = (size_t)(offset - begin);
    size_t want = len < DIRECT_BYTES_MAX - ahead ? len : DIRECT_BYTES_MAX - ahead;
    size_t size = (ahead + want + DIRECT_ALIGN - 1) / DIRECT_ALIGN * DIRECT_ALIGN;
    void *block = NULL;
    if (posix_memalign(&block, DIRECT_ALIGN, size) != 0) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t n = pread(fd, block, size, (off_t)begin);
    if (n >= 0) {
        size_t got = (size_t)n > ahead ? (size_t)n - ahead : 0;
        if (got > want)
            got = want;
        memcpy(dst, (uint8_t *)block + ahead, got);
        n = (ssize_t)got;
    }
    int error = errno;
    free(block);
    errno = error;
    return n;
}

static ssize_t
pread_any(struct real_file *file, void *dst, size_t len, uint64_t offset)
{
    if (file->is_direct)
        return pread_direct(file->fd, dst, len, offset);
    if (file->skips_cache)
        (void)posix_fadvise(file->fd, (off_t)offset, (off_t)len, POSIX_FADV_DONTNEED);
    return pread(file->fd, dst, len, (off_t)offset);
}

static enum err
real_pread(struct disk_file *file, uint64_t offset, void *dst, size_t len, size_t *ret_n)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread_any(file_of(file), (uint8_t *)dst + done, len - done, offset + done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_disk(errno);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_n = done;
    return ERR_OK;
}

static enum err
real_sync_data(struct disk_file *file)
{
    return fdatasync(file_of(file)->fd) == 0 ? ERR_OK : ERR_IO;
}

static void
real_start_sync(struct disk_file *file)
{
    (void)sync_file_range(file_of(file)->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void
real_forget_cached(struct disk_file *file)
{
    (void)posix_fadvise(file_of(file)->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static enum err
real_truncate(struct disk_file *file, uint64_t size_bytes)
{
    return ftruncate(file_of(file)->fd, (off_t)size_bytes) == 0 ? ERR_OK : err_from_disk(errno);
}

static enum err
real_allocate(struct disk_file *file, uint64_t offset, uint64_t len)
{
    /* Where the file system cannot, the C library touches every block that is not there yet. */
    int error = posix_fallocate(file_of(file)->fd, (off_t)offset, (off_t)len);
    return err_from_disk(error);
}

static int
real_reopen_read(struct disk_file *file)
{
    /* A descriptor that can write must not leave the process, and without /proc there is no way to a lesser one. */
    return file_of(file)->is_read_only ? fcntl(file_of(file)->fd, F_DUPFD_CLOEXEC, 3) : -1;
}

static const struct disk_body real_body = {
    .dir_open = real_dir_open,
    .dir_open_fd = real_dir_open_fd,
    .dir_close = real_dir_close,
    .make_dir = real_make_dir,
    .dir_sync = real_dir_sync,
    .dir_list = real_dir_list,
    .rename = real_rename,
    .unlink = real_unlink,
    .remove_dir = real_remove_dir,
    .stat_name = real_stat_name,
    .space = real_space,
    .kind = real_kind,
    .set_nocow = real_set_nocow,
    .open = real_open,
    .open_fd = real_open_fd,
    .memory_fd = real_memory_fd,
    .close = real_close,
    .stat_file = real_stat_file,
    .pwritev = real_pwritev,
    .pread = real_pread,
    .sync_data = real_sync_data,
    .start_sync = real_start_sync,
    .forget_cached = real_forget_cached,
    .truncate = real_truncate,
    .allocate = real_allocate,
    .reopen_read = real_reopen_read,
};

struct disk *
disk_real_new(void)
{
    struct real_disk *d = malloc(sizeof(*d));
    if (d == NULL)
        return NULL;
    *d = (struct real_disk){.disk.body = &real_body};
    int probe = openat2_call(AT_FDCWD, ".", O_PATH | O_DIRECTORY);
    d->has_openat2 = probe >= 0 || (errno != ENOSYS && errno != EPERM);
    if (probe >= 0)
        close(probe);
    return &d->disk;
}

void
disk_real_free(struct disk *d)
{
    if (d != NULL)
        free(CONTAINER_OF(d, struct real_disk, disk));
}
