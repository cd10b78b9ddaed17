/*
 * disk.h - the file system as blocking calls, for pool jobs and start-up.
 *
 * Two bodies: the real one, whose names go through openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, and the
 * simulated one (disk_sim.h), which loses any subset of unsynced sectors and directory entries, fails syncs and stops
 * at any step. Crash safety is tested through this interface, so everything that must survive goes through it. Names
 * are relative to an open directory and may hold several components; none may be ".." (ERR_DENIED), none may be a
 * symbolic link. Blocking: never called on the loop while fibers run. Every call may be made from any thread; one file
 * or directory handle is used by one thread at a time, except that disk_pread(), and whatever names something below a
 * directory, may run beside anything.
 */
#ifndef GODWIT_RT_DISK_H
#define GODWIT_RT_DISK_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/span.h"

struct disk;
struct disk_dir;
struct disk_file;

enum disk_open_flags {
    DISK_READ = 1,
    DISK_WRITE = 2,       /* with DISK_READ: read and write */
    DISK_CREATE = 4,      /* create when missing, mode 0600 */
    DISK_EXCLUSIVE = 8,   /* with DISK_CREATE: ERR_EXISTS when it is there */
    DISK_NO_CACHE = 16,   /* read past the page cache (recovery after a crash) where the file system can */
    DISK_APPEND = 32,
};

struct disk_stat {
    uint64_t size_bytes;
    int64_t mtime_us; /* wall clock */
    uint64_t inode;
    uint32_t uid;
    uint32_t link_count;
    bool is_directory;
    bool is_regular;
};

struct disk_space {
    uint64_t free_bytes;  /* available to this user */
    uint64_t total_bytes;
    uint64_t free_inodes; /* UINT64_MAX where the file system does not count them */
};

struct iovec;

/* Open a directory below `base`; `base` NULL means `name` is a path of the process (start-up only). */
NODISCARD enum err disk_dir_open(struct disk *d, struct disk_dir *base, const char *name, struct disk_dir **ret);
/* Take over an open directory descriptor (real body). */
NODISCARD enum err disk_dir_open_fd(struct disk *d, int fd, struct disk_dir **ret);
void disk_dir_close(struct disk_dir *dir);

/* Create a directory, mode 0700. ERR_EXISTS when there. Durable after disk_dir_sync() of the directory it is in. */
NODISCARD enum err disk_mkdir(struct disk_dir *base, const char *name);

/*
 * Make the entries of `dir` itself durable: creations, renames and removals in it. A failure is final for the process
 * (I5).
 */
NODISCARD enum err disk_dir_sync(struct disk_dir *dir);

/* Call `each` for every entry but "." and "..", in no order, until it returns false. */
NODISCARD enum err disk_dir_list(struct disk_dir *dir, bool (*each)(void *arg, const char *name), void *arg);

NODISCARD enum err disk_rename(struct disk_dir *from_dir, const char *from, struct disk_dir *to_dir, const char *to);
/* Rename that fails with ERR_EXISTS when `to` is there. */
NODISCARD enum err disk_rename_new(struct disk_dir *from_dir, const char *from, struct disk_dir *to_dir,
                                    const char *to);
NODISCARD enum err disk_unlink(struct disk_dir *dir, const char *name);
NODISCARD enum err disk_rmdir(struct disk_dir *dir, const char *name);
NODISCARD enum err disk_stat_name(struct disk_dir *dir, const char *name, struct disk_stat *ret);
NODISCARD enum err disk_space(struct disk_dir *dir, struct disk_space *ret);

/* What the directory lies on, as far as durability goes (I6). */
enum disk_kind {
    DISK_KIND_LOCAL,   /* a local file system, or one we do not know */
    DISK_KIND_TMPFS,   /* memory: nothing survives */
    DISK_KIND_NETWORK, /* NFS, SMB, 9p, FUSE and their like: syncs mean what a server makes of them */
    DISK_KIND_BTRFS,   /* local; files written in place want disk_set_nocow() */
};
enum disk_kind disk_kind(struct disk_dir *dir);

/*
 * Have files created in `dir` from now on written in place (btrfs NOCOW). ERR_OK without effect on other file systems.
 */
NODISCARD enum err disk_set_nocow(struct disk_dir *dir);

NODISCARD enum err disk_open(struct disk_dir *dir, const char *name, unsigned flags, struct disk_file **ret);
/*
 * Read a file that another process handed over (`fd`, owned from now on; ERR_DENIED unless it is a regular file).
 * Does not block.
 */
NODISCARD enum err disk_open_fd(struct disk *d, int fd, struct disk_file **ret);

/*
 * A read-only descriptor of an anonymous file in memory that holds a copy of `content` and can never change (memfd with
 * seals), for another process. The caller closes it with rt_fd_close(). Does not block. ERR_LIMIT: no descriptor or
 * memory.
 */
NODISCARD enum err disk_memory_fd(struct disk *d, struct span content, int *ret);

/* Close without any promise of durability. NULL is accepted. */
void disk_close(struct disk_file *file);
NODISCARD enum err disk_stat_file(struct disk_file *file, struct disk_stat *ret);

/*
 * Write all of it at `offset`. ERR_FULL when the disk is full. Not durable until disk_sync_data() has returned ERR_OK.
 */
NODISCARD enum err disk_pwrite(struct disk_file *file, uint64_t offset, struct span data);
NODISCARD enum err disk_pwritev(struct disk_file *file, uint64_t offset, const struct iovec *parts, size_t count);

/* Read up to `len` bytes at `offset`; fewer only at the end of the file. */
NODISCARD enum err disk_pread(struct disk_file *file, uint64_t offset, void *dst, size_t len, size_t *ret_n);

/*
 * fdatasync: contents and size are durable once this returns ERR_OK. A failure is final for the process (I5): never try
 * again.
 */
NODISCARD enum err disk_sync_data(struct disk_file *file);

/*
 * Send what was written on its way to the disk and do not wait: of several files all are under way before the first is
 * synced. Promises nothing; disk_sync_data() has to follow.
 */
void disk_start_sync(struct disk_file *file);

/*
 * The file will not be read soon: its durable contents need not stay in the system's memory. Advice only. Pages that
 * are given back are used again for what is written next, which costs much less than touching new ones.
 */
void disk_forget_cached(struct disk_file *file);

NODISCARD enum err disk_truncate(struct disk_file *file, uint64_t size_bytes);

/* Allocate the range now so that later writes cannot meet a full disk. */
NODISCARD enum err disk_allocate(struct disk_file *file, uint64_t offset, uint64_t len);

/*
 * A read-only descriptor of the file for another process (I8), -1 when none can be had: the file has to have been
 * opened with DISK_READ and without DISK_WRITE. The caller closes it with rt_fd_close(). Simulated descriptors are
 * numbers of the simulated world.
 */
int disk_file_reopen_read(struct disk_file *file);

#endif
