/*
 * disk_sim.h - a disk in memory that crashes: the simulated body of disk.h.
 *
 * For tests only. One `struct disk_sim` is the disk of one machine; processes reach it through mounts (struct disk), so
 * that the handles of a killed process can be dropped together. What programs see is the page cache; what a power cut
 * leaves is kept apart from it:
 *
 * - Content is durable in sectors of 512 bytes, which never tear. disk_sync_data() makes all sectors and the size of
 *   that file durable, and nothing of its directory. Of what was not synced a crash leaves any subset, sector by
 *   sector, old or new; a sector written twice between syncs may also come back as it was in between. An unsynced size
 *   comes back as the old one, the new one or a multiple of 512 between them; bytes that never arrived read as zeros.
 * - Directory entries are durable after disk_dir_sync() of the directory that holds them. Creations, renames and
 *   removals wait as operations; a crash keeps any subset that respects order where operations touch the same name. A
 *   rename is one operation: it is durable whole or not at all, and syncing either directory makes it durable (as the
 *   journals of ext4, xfs and btrfs do). So a file whose old entry was durable is never lost by an unsynced rename.
 *   A directory's own entry in its parent is not made durable by syncing the directory. A file with content but without
 *   a durable entry is gone after the crash.
 * - disk_start_sync() brings some sectors to the disk, or none, and promises nothing; disk_forget_cached() makes reads
 *   show the disk where a failed sync lost what was written.
 * - When more than 1024 directory operations wait, the oldest become durable, as a journal commits now and then.
 * - A failed sync of data writes any subset of the file's unsynced sectors and marks the others clean: later syncs
 *   return ERR_OK and never write them, the page cache goes on showing them, DISK_NO_CACHE reads and a reboot show the
 *   disk (what Linux does; I5). A failed sync of a directory makes nothing durable.
 *
 * Everything that changes something or syncs is a step, counted from 1; reads are not. A crash test runs its work once
 * to learn the number of steps, then for each step: disk_sim_crash_at(step), the work (every call fails with ERR_IO
 * from that step on and changes nothing, so the code unwinds), disk_sim_reboot(seed), recovery, checks.
 * disk_sim_clone() before the reboot lets one crash be looked at with many seeds. Same seeds and same calls give the
 * same bytes. A mutex makes calls from several threads safe; determinism is then up to the threads. Not simulated:
 * links, permissions (uid 0, or as set), atime, sectors that tear, a disk that lies about flushes (but for the two
 * negative controls).
 */
#ifndef GODWIT_RT_DISK_SIM_H
#define GODWIT_RT_DISK_SIM_H

#include "rt/disk.h"

enum {
    DISK_SIM_SECTOR_BYTES = 512,
    DISK_SIM_FILE_BYTES_MAX = 1 << 30, /* a larger file is refused with ERR_FULL */
    DISK_SIM_PENDING_MAX = 1024,       /* directory operations that wait at most */
};

struct disk_sim;

/* An empty disk of unlimited size. `seed` decides what happens by chance before a crash. Never NULL. */
struct disk_sim *disk_sim_new(uint64_t seed);

/* Free the disk, its mounts and every handle still open. NULL is accepted. */
void disk_sim_free(struct disk_sim *sim);

/*
 * An independent copy: content, waiting operations, counters and switches, but no mounts. Pages are shared until
 * written.
 */
struct disk_sim *disk_sim_clone(struct disk_sim *sim);

/*
 * The mount for programs that need only one; lives as long as `sim`. Its root is disk_dir_open(disk, NULL, "/", ...).
 */
struct disk *disk_sim_disk(struct disk_sim *sim);

/* Another mount of the same disk, for one process. */
struct disk *disk_sim_mount(struct disk_sim *sim);

/* Close every handle of the mount and free it, as the kernel does at kill -9. The page cache stays as it is. */
void disk_sim_unmount(struct disk *mount);

/*
 * Kill the process of this mount in the middle of its work: after `steps` more steps through it, every call through it
 * returns ERR_IO and changes nothing. Others go on. The handles stay until disk_sim_unmount().
 */
void disk_sim_mount_die(struct disk *mount, uint64_t steps);
bool disk_sim_mount_is_dead(const struct disk *mount);

/* The disk behind a mount. */
struct disk_sim *disk_sim_of(struct disk *mount);

/* --- steps and crashes --- */

/* Steps so far, in this life and those before. */
uint64_t disk_sim_steps(const struct disk_sim *sim);

/* Crash when step number `step` is about to happen: it and every later call return ERR_IO. 0: never. */
void disk_sim_crash_at(struct disk_sim *sim, uint64_t step);

/* Crash now. */
void disk_sim_crash(struct disk_sim *sim);

bool disk_sim_is_crashed(const struct disk_sim *sim);

/*
 * Power comes back: `seed` decides what of the unsynced survived, also how much of it (nothing and everything
 * included). Forgets a crash step that was set, failures that were not yet due, waiting operations and orphans. Handles
 * from before answer ERR_IO and are closed as usual. May be called without a crash before: then it is one.
 */
void disk_sim_reboot(struct disk_sim *sim, uint64_t seed);

/* --- faults --- */

/* The sync after `skip` further ones (of data, of a directory) fails with ERR_IO, as the head comment says. */
void disk_sim_fail_data_sync(struct disk_sim *sim, uint64_t skip);
void disk_sim_fail_dir_sync(struct disk_sim *sim, uint64_t skip);

/* Step number `step` returns `e` and changes nothing but the counter; a sync of data fails as above. One at a time. */
void disk_sim_fail_at(struct disk_sim *sim, uint64_t step, enum err e);

/* Forget clean pages that never reached the disk: from now on every read shows the disk. */
void disk_sim_drop_caches(struct disk_sim *sim);

/*
 * XOR `mask` (not 0) onto `len` bytes at `offset` of the file at `path` (from the root), in cache and on disk; not a
 * step. ERR_NOT_FOUND, or ERR_LIMIT where the file is shorter.
 */
NODISCARD enum err disk_sim_damage(struct disk_sim *sim, const char *path, uint64_t offset, uint64_t len, uint8_t mask);

/* The size of the disk: blocks of 4 KiB that are written or allocated count. UINT64_MAX (at first): never full. */
void disk_sim_set_capacity(struct disk_sim *sim, uint64_t bytes);

/* Bytes that count against the capacity now. */
uint64_t disk_sim_used_bytes(const struct disk_sim *sim);

/* Negative controls: syncs that say ERR_OK and do nothing. A crash test that still passes with them is worthless. */
void disk_sim_ignore_data_syncs(struct disk_sim *sim, bool is_ignoring);
void disk_sim_ignore_dir_syncs(struct disk_sim *sim, bool is_ignoring);

/* --- time --- */

/*
 * What calls cost in virtual time, nanoseconds; all 0 at first. A sync takes between half and twice its value by
 * chance.
 */
struct disk_sim_latency {
    int64_t call_ns;     /* any call */
    int64_t byte_ps;     /* picoseconds for each byte written to the cache or read */
    int64_t sync_ns;     /* a sync with something to do */
    int64_t sync_byte_ps;/* picoseconds for each byte that a sync writes */
};

void disk_sim_set_latency(struct disk_sim *sim, const struct disk_sim_latency *latency);

/* What the calls through this mount have cost since the last question. */
int64_t disk_sim_take_cost_ns(struct disk *mount);

/* The wall clock that files changed from now on carry. Until it is set, each step takes 1 us from 0 on. */
void disk_sim_set_wall_us(struct disk_sim *sim, int64_t wall_us);

/* The owner that disk_stat reports. */
void disk_sim_set_uid(struct disk_sim *sim, uint32_t uid);

/* --- descriptors and traces --- */

/*
 * How simulated descriptors come about: `give` takes a handle that reads (owned by it from then on) and returns a
 * number or -1; `take` returns the handle that belongs to a number and forgets the number, NULL when it is no file.
 * Without them disk_file_reopen_read() gives -1 and disk_open_fd() and disk_memory_fd() ERR_LIMIT.
 */
struct disk_sim_fds {
    int (*give)(void *arg, struct disk_file *file);
    struct disk_file *(*take)(void *arg, int fd);
    void *arg;
};

void disk_sim_set_fds(struct disk *mount, const struct disk_sim_fds *fds);

/* Duplicate a handle that reads, as another mount's (`to`, of the same disk); for the descriptor table. */
struct disk_file *disk_sim_file_dup(struct disk_file *file, struct disk *to);

/* Told of every step as it happens; `what` is a line such as "12 pwritev log.0 4096+512 ok". NULL: nobody. */
void disk_sim_set_trace(struct disk_sim *sim, void (*trace)(void *arg, struct span what), void *arg);

#endif
