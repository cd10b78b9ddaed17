/*
 * sqlite_disk.h - SQLite on rt/disk.h: its files go through the directory handle of the role, real or simulated.
 *
 * So a database needs no path (the role may live in an empty root), follows no link, runs in the simulation and can be
 * crashed there. For databases of one process and one connection: the file is opened in exclusive locking mode with a
 * rollback journal and full syncs. No lock is taken: other programs must leave the file alone while the role runs (it
 * belongs to the role's user and nobody else can read it). Blocking: every call on the connection belongs into a pool
 * job, one at a time.
 */
#ifndef GODWIT_STORE_STATE_SQLITE_DISK_H
#define GODWIT_STORE_STATE_SQLITE_DISK_H

#include "base/err.h"
#include "rt/disk.h"

struct sqlite3;
struct sqlite_disk;

/*
 * Open or create database `name` in `dir` (borrowed until sqlite_disk_close()). On success *ret_db is the connection,
 * closed by sqlite_disk_close(). ERR_DAMAGED: it is no database. ERR_IO, ERR_FULL, ERR_DENIED, ERR_LIMIT.
 */
NODISCARD enum err sqlite_disk_open(struct disk_dir *dir, const char *name, struct sqlite_disk **ret,
                                    struct sqlite3 **ret_db);

/* Close the connection (all statements must be finalized) and forget the directory. NULL is accepted. */
void sqlite_disk_close(struct sqlite_disk *s);

/* What an SQLite result code means to a caller. */
enum err sqlite_disk_err(int code);

#endif
