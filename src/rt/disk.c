/*
 * disk.c - the dispatch of disk.h to the body a process was started with.
 *
 * For nothing else: no state, no system call. What both bodies must refuse alike is refused here: names that lead out
 * of their directory, and rename across two disks.
 */
#include "rt/disk.h"

#include <sys/uio.h>

#include "base/assert.h"
#include "rt/disk_body.h"

bool
disk_name_is_safe(const char *name)
{
    struct span rest = span_from_cstr(name);
    if (span_is_empty(rest))
        return false;
    for (;;) {
        struct span component = rest, after = SPAN_EMPTY;
        bool has_more = span_cut(rest, '/', &component, &after);
        if (span_is_empty(component) || span_equal(component, SPAN("..")))
            return false;
        if (!has_more)
            return true;
        rest = after;
    }
}

enum err
disk_dir_open(struct disk *d, struct disk_dir *base, const char *name, struct disk_dir **ret)
{
    if (base != NULL && !disk_name_is_safe(name))
        return ERR_DENIED;
    return d->body->dir_open(d, base, name, ret);
}

enum err
disk_dir_open_fd(struct disk *d, int fd, struct disk_dir **ret)
{
    return d->body->dir_open_fd(d, fd, ret);
}

void
disk_dir_close(struct disk_dir *dir)
{
    if (dir != NULL)
        dir->disk->body->dir_close(dir);
}

enum err
disk_mkdir(struct disk_dir *base, const char *name)
{
    if (!disk_name_is_safe(name))
        return ERR_DENIED;
    return base->disk->body->make_dir(base, name);
}

enum err
disk_dir_sync(struct disk_dir *dir)
{
    return dir->disk->body->dir_sync(dir);
}

enum err
disk_dir_list(struct disk_dir *dir, bool (*each)(void *arg, const char *name), void *arg)
{
    return dir->disk->body->dir_list(dir, each, arg);
}

static enum err
rename_any(struct disk_dir *from_dir, const char *from, struct disk_dir *to_dir, const char *to, bool keeps_existing)
{
    ASSERT(from_dir->disk == to_dir->disk);
    if (!disk_name_is_safe(from) || !disk_name_is_safe(to))
        return ERR_DENIED;
    return from_dir->disk->body->rename(from_dir, from, to_dir, to, keeps_existing);
}

enum err
disk_rename(struct disk_dir *from_dir, const char *from, struct disk_dir *to_dir, const char *to)
{
    return rename_any(from_dir, from, to_dir, to, false);
}

enum err
disk_rename_new(struct disk_dir *from_dir, const char *from, struct disk_dir *to_dir, const char *to)
{
    return rename_any(from_dir, from, to_dir, to, true);
}

enum err
disk_unlink(struct disk_dir *dir, const char *name)
{
    if (!disk_name_is_safe(name))
        return ERR_DENIED;
    return dir->disk->body->unlink(dir, name);
}

enum err
disk_rmdir(struct disk_dir *dir, const char *name)
{
    if (!disk_name_is_safe(name))
        return ERR_DENIED;
    return dir->disk->body->remove_dir(dir, name);
}

enum err
disk_stat_name(struct disk_dir *dir, const char *name, struct disk_stat *ret)
{
    if (!disk_name_is_safe(name))
        return ERR_DENIED;
    return dir->disk->body->stat_name(dir, name, ret);
}

enum err
disk_space(struct disk_dir *dir, struct disk_space *ret)
{
    return dir->disk->body->space(dir, ret);
}

enum disk_kind
disk_kind(struct disk_dir *dir)
{
    return dir->disk->body->kind == NULL ? DISK_KIND_LOCAL : dir->disk->body->kind(dir);
}

enum err
disk_set_nocow(struct disk_dir *dir)
{
    return dir->disk->body->set_nocow == NULL ? ERR_OK : dir->disk->body->set_nocow(dir);
}

enum err
disk_open(struct disk_dir *dir, const char *name, unsigned flags, struct disk_file **ret)
{
    ASSERT((flags & (DISK_READ | DISK_WRITE)) != 0);
    if (!disk_name_is_safe(name))
        return ERR_DENIED;
    return dir->disk->body->open(dir, name, flags, ret);
}

enum err
disk_open_fd(struct disk *d, int fd, struct disk_file **ret)
{
    return d->body->open_fd(d, fd, ret);
}

enum err
disk_memory_fd(struct disk *d, struct span content, int *ret)
{
    return d->body->memory_fd(d, content, ret);
}

void
disk_close(struct disk_file *file)
{
    if (file != NULL)
        file->disk->body->close(file);
}

enum err
disk_stat_file(struct disk_file *file, struct disk_stat *ret)
{
    return file->disk->body->stat_file(file, ret);
}

enum err
disk_pwrite(struct disk_file *file, uint64_t offset, struct span data)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data.data, .iov_len = data.len};
    return file->disk->body->pwritev(file, offset, &part, 1);
}

enum err
disk_pwritev(struct disk_file *file, uint64_t offset, const struct iovec *parts, size_t count)
{
    return file->disk->body->pwritev(file, offset, parts, count);
}

enum err
disk_pread(struct disk_file *file, uint64_t offset, void *dst, size_t len, size_t *ret_n)
{
    return file->disk->body->pread(file, offset, dst, len, ret_n);
}

enum err
disk_sync_data(struct disk_file *file)
{
    return file->disk->body->sync_data(file);
}

void
disk_start_sync(struct disk_file *file)
{
    if (file->disk->body->start_sync != NULL)
        file->disk->body->start_sync(file);
}

void
disk_forget_cached(struct disk_file *file)
{
    if (file->disk->body->forget_cached != NULL)
        file->disk->body->forget_cached(file);
}

enum err
disk_truncate(struct disk_file *file, uint64_t size_bytes)
{
    return file->disk->body->truncate(file, size_bytes);
}

enum err
disk_allocate(struct disk_file *file, uint64_t offset, uint64_t len)
{
    return file->disk->body->allocate(file, offset, len);
}

int
disk_file_reopen_read(struct disk_file *file)
{
    return file->disk->body->reopen_read(file);
}
