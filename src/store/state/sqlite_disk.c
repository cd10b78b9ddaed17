/*
 * sqlite_disk.c - an SQLite VFS of one directory: names are resolved below a disk_dir, never by path.
 *
 * What SQLite needs of a file system, and no more: main database and rollback journal. No locks: one process, one
 * connection. A file that was created has its directory synced with its first sync, as SQLite's own Unix VFS does; a
 * sync that failed is final (I5), SQLite then rolls back and the caller's transaction did not happen.
 */
#include "store/state/sqlite_disk.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum {
    NAME_MAX_BYTES = 128,
    SECTOR_BYTES = 4096,            /* what a power cut may spoil around a write */
};

struct sqlite_disk {
    sqlite3_vfs vfs;
    char vfs_name[48];
    struct disk_dir *dir; /* borrowed */
    sqlite3 *db;
};

/* One open file, in memory that SQLite allocates. */
struct state_file {
    sqlite3_file base;
    struct disk_file *file;     /* owned */
    struct sqlite_disk *owner;
    bool needs_dir_sync;        /* created, its entry not yet durable */
    bool is_deleted_on_close;
    char name[NAME_MAX_BYTES];
};

static struct state_file *
state_file(sqlite3_file *base)
{
    return CONTAINER_OF(base, struct state_file, base);
}

static int
code_from_err(enum err e, int otherwise)
{
    return e == ERR_FULL ? SQLITE_FULL : e == ERR_LIMIT ? SQLITE_NOMEM : otherwise;
}

/* --- files --- */

static int
file_close(sqlite3_file *base)
{
    struct state_file *f = state_file(base);
    disk_close(f->file);
    f->file = NULL;
    if (f->is_deleted_on_close && disk_unlink(f->owner->dir, f->name) != ERR_OK)
        return SQLITE_IOERR_DELETE;
    return SQLITE_OK;
}

static int
file_read(sqlite3_file *base, void *dst, int amount, sqlite3_int64 offset)
{
    size_t n = 0;
    if (disk_pread(state_file(base)->file, (uint64_t)offset, dst, (size_t)amount, &n) != ERR_OK)
        return SQLITE_IOERR_READ;
    if (n == (size_t)amount)
        return SQLITE_OK;
    memset((uint8_t *)dst + n, 0, (size_t)amount - n);
    return SQLITE_IOERR_SHORT_READ;
}

static int
file_write(sqlite3_file *base, const void *src, int amount, sqlite3_int64 offset)
{
    enum err e = disk_pwrite(state_file(base)->file, (uint64_t)offset, span_of(src, (size_t)amount));
    return e == ERR_OK ? SQLITE_OK : code_from_err(e, SQLITE_IOERR_WRITE);
}

static int
file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    return disk_truncate(state_file(base)->file, (uint64_t)size) == ERR_OK ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int
file_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    struct state_file *f = state_file(base);
    if (disk_sync_data(f->file) != ERR_OK)
        return SQLITE_IOERR_FSYNC;
    if (f->needs_dir_sync && disk_dir_sync(f->owner->dir) != ERR_OK)
        return SQLITE_IOERR_DIR_FSYNC;
    f->needs_dir_sync = false;
    return SQLITE_OK;
}

static int
file_size(sqlite3_file *base, sqlite3_int64 *ret)
{
    struct disk_stat st;
    if (disk_stat_file(state_file(base)->file, &st) != ERR_OK)
        return SQLITE_IOERR_FSTAT;
    *ret = (sqlite3_int64)st.size_bytes;
    return SQLITE_OK;
}

static int
file_lock(sqlite3_file *base, int level)
{
    (void)base;
    (void)level;
    return SQLITE_OK;
}

static int
file_check_reserved(sqlite3_file *base, int *ret)
{
    (void)base;
    *ret = 0;
    return SQLITE_OK;
}

static int
file_control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int
file_sector_size(sqlite3_file *base)
{
    (void)base;
    return SECTOR_BYTES;
}

static int
file_characteristics(sqlite3_file *base)
{
    (void)base;
    return 0; /* nothing is promised: SQLite journals and syncs as if the disk were the worst */
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

/* --- the directory --- */

static int
vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
    struct sqlite_disk *s = vfs->pAppData;
    struct state_file *f = state_file(base);
    *f = (struct state_file){.owner = s};
    if (name == NULL || strlen(name) >= sizeof(f->name))
        return SQLITE_CANTOPEN; /* temporary files live in memory (temp_store) */
    memcpy(f->name, name, strlen(name) + 1);
    const unsigned access = flags & SQLITE_OPEN_READWRITE ? DISK_READ | DISK_WRITE : DISK_READ;
    enum err e = disk_open(s->dir, f->name, access, &f->file);
    if (e == ERR_NOT_FOUND && (flags & SQLITE_OPEN_CREATE)) {
        e = disk_open(s->dir, f->name, access | DISK_CREATE | DISK_EXCLUSIVE, &f->file);
        f->needs_dir_sync = true;
    }
    if (e != ERR_OK)
        return code_from_err(e, SQLITE_CANTOPEN);
    f->is_deleted_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    f->base.pMethods = &file_methods;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int
vfs_delete(sqlite3_vfs *vfs, const char *name, int syncs_dir)
{
    struct sqlite_disk *s = vfs->pAppData;
    enum err e = disk_unlink(s->dir, name);
    if (e == ERR_NOT_FOUND)
        return SQLITE_IOERR_DELETE_NOENT;
    if (e != ERR_OK)
        return SQLITE_IOERR_DELETE;
    if (syncs_dir && disk_dir_sync(s->dir) != ERR_OK)
        return SQLITE_IOERR_DIR_FSYNC;
    return SQLITE_OK;
}

static int
vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    (void)flags;
    struct sqlite_disk *s = vfs->pAppData;
    struct disk_stat st;
    enum err e = disk_stat_name(s->dir, name, &st);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return SQLITE_IOERR_ACCESS;
    *ret = e == ERR_OK && st.size_bytes > 0;
    return SQLITE_OK;
}

static int
vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
    (void)vfs;
    size_t len = strlen(name);
    if (len >= (size_t)size)
        return SQLITE_CANTOPEN;
    memcpy(ret, name, len + 1);
    return SQLITE_OK;
}

/* Chance and time are SQLite's own matter (journal nonces): its default VFS gives them. */
static int
vfs_randomness(sqlite3_vfs *vfs, int size, char *dst)
{
    (void)vfs;
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    return system->xRandomness(system, size, dst);
}

static int
vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us; /* only asked for when a lock is busy, which here it never is */
}

static int
vfs_time(sqlite3_vfs *vfs, double *ret)
{
    (void)vfs;
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    return system->xCurrentTime(system, ret);
}

static int
vfs_last_error(sqlite3_vfs *vfs, int size, char *dst)
{
    (void)vfs;
    (void)size;
    (void)dst;
    return 0;
}

static void
vfs_init(struct sqlite_disk *s)
{
    snprintf(s->vfs_name, sizeof(s->vfs_name), "godwit-%p", (void *)s);
    s->vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = sizeof(struct state_file),
        .mxPathname = NAME_MAX_BYTES,
        .zName = s->vfs_name,
        .pAppData = s,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_last_error,
    };
}

/* --- opening --- */

enum err
sqlite_disk_err(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return ERR_OK;
    case SQLITE_FULL: return ERR_FULL;
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG: return ERR_LIMIT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ERR_AGAIN;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ERR_DAMAGED;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN: return ERR_DENIED;
    case SQLITE_CONSTRAINT: return ERR_EXISTS;
    default: return ERR_IO;
    }
}

static int
db_configure(sqlite3 *db)
{
    static const char pragmas[] = "PRAGMA locking_mode=EXCLUSIVE;"
                                  "PRAGMA journal_mode=TRUNCATE;"
                                  "PRAGMA synchronous=FULL;"
                                  "PRAGMA temp_store=MEMORY;"
                                  "PRAGMA foreign_keys=ON;"
                                  "PRAGMA trusted_schema=OFF;"
                                  "PRAGMA cell_size_check=ON;";
    return sqlite3_exec(db, pragmas, NULL, NULL, NULL);
}

enum err
sqlite_disk_open(struct disk_dir *dir, const char *name, struct sqlite_disk **ret, struct sqlite3 **ret_db)
{
    struct sqlite_disk *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_LIMIT;
    s->dir = dir;
    vfs_init(s);
    int code = sqlite3_vfs_register(&s->vfs, 0);
    if (code == SQLITE_OK)
        code = sqlite3_open_v2(name, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                               s->vfs_name);
    if (code == SQLITE_OK)
        code = db_configure(s->db);
    if (code != SQLITE_OK) {
        sqlite_disk_close(s);
        return sqlite_disk_err(code);
    }
    *ret = s;
    *ret_db = s->db;
    return ERR_OK;
}

void
sqlite_disk_close(struct sqlite_disk *s)
{
    if (s == NULL)
        return;
    int code = sqlite3_close(s->db);
    ASSERT(code == SQLITE_OK);
    sqlite3_vfs_unregister(&s->vfs);
    free(s);
}
