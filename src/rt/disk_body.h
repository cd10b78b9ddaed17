/*
 * disk_body.h - what a body of disk.h has to offer: the table disk.c dispatches through.
 *
 * For the two bodies only (disk_real.c, disk_sim.c); users include disk.h. A body's own disk, directory and file
 * structs begin with the structs below, so CONTAINER_OF leads from one to the other. Contracts are those of disk.h;
 * before a body is called, disk.c has checked every name with disk_name_is_safe() (but for a base of NULL, where the
 * path is the process's own), turned disk_pwrite() into one part and both renames into one call. Every pointer of the
 * table is set but where it says otherwise.
 */
#ifndef GODWIT_RT_DISK_BODY_H
#define GODWIT_RT_DISK_BODY_H

#include "rt/disk.h"

struct disk_body {
    enum err (*dir_open)(struct disk *d, struct disk_dir *base, const char *name, struct disk_dir **ret);
    enum err (*dir_open_fd)(struct disk *d, int fd, struct disk_dir **ret);
    void (*dir_close)(struct disk_dir *dir); /* never NULL */
    enum err (*make_dir)(struct disk_dir *base, const char *name);
    enum err (*dir_sync)(struct disk_dir *dir);
    enum err (*dir_list)(struct disk_dir *dir, bool (*each)(void *arg, const char *name), void *arg);
    enum err (*rename)(struct disk_dir *from_dir, const char *from, struct disk_dir *to_dir, const char *to,
                       bool keeps_existing); /* keeps_existing: ERR_EXISTS when `to` is there */
    enum err (*unlink)(struct disk_dir *dir, const char *name);
    enum err (*remove_dir)(struct disk_dir *dir, const char *name);
    enum err (*stat_name)(struct disk_dir *dir, const char *name, struct disk_stat *ret);
    enum err (*space)(struct disk_dir *dir, struct disk_space *ret);
    enum disk_kind (*kind)(struct disk_dir *dir);     /* may be NULL: DISK_KIND_LOCAL */
    enum err (*set_nocow)(struct disk_dir *dir);      /* may be NULL: nothing to do */

    enum err (*open)(struct disk_dir *dir, const char *name, unsigned flags, struct disk_file **ret);
    enum err (*open_fd)(struct disk *d, int fd, struct disk_file **ret);
    enum err (*memory_fd)(struct disk *d, struct span content, int *ret);
    void (*close)(struct disk_file *file); /* never NULL */
    enum err (*stat_file)(struct disk_file *file, struct disk_stat *ret);
    enum err (*pwritev)(struct disk_file *file, uint64_t offset, const struct iovec *parts, size_t count);
    enum err (*pread)(struct disk_file *file, uint64_t offset, void *dst, size_t len, size_t *ret_n);
    enum err (*sync_data)(struct disk_file *file);
    void (*start_sync)(struct disk_file *file);    /* may be NULL: nothing to do */
    void (*forget_cached)(struct disk_file *file); /* may be NULL: nothing to do */
    enum err (*truncate)(struct disk_file *file, uint64_t size_bytes);
    enum err (*allocate)(struct disk_file *file, uint64_t offset, uint64_t len);
    int (*reopen_read)(struct disk_file *file);
};

struct disk {
    const struct disk_body *body;
};

struct disk_dir {
    struct disk *disk; /* borrowed; outlives every handle */
};

struct disk_file {
    struct disk *disk; /* borrowed */
};

/*
 * Whether `name` may be used below an open directory: not empty, relative, no component empty or ".."; "." alone means
 * the directory itself. What is not safe is refused with ERR_DENIED.
 */
bool disk_name_is_safe(const char *name);

#endif
