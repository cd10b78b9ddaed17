/*
 * accounts_db.h - accounts and aliases on disk: one SQLite file, accounts.db in the role's directory.
 *
 * Blocking, for pool jobs, one at a time. Every change is a transaction that is durable when the call returns ERR_OK.
 * Statements are prepared, values are bound. What is read back is input too: a row that is no address is reported and
 * passed over. The schema has a version (user_version); an older one is brought forward, a newer one refused. Password
 * hashes (crypt(5)) go in and, for checking, out; they never reach a log or a reply.
 */
#ifndef GODWIT_DIRECTORY_ACCOUNTS_DB_H
#define GODWIT_DIRECTORY_ACCOUNTS_DB_H

#include "directory/accounts.h"
#include "rt/disk.h"

enum { ACCOUNTS_DB_VERSION = 1, PASSWORD_HASH_MAX = 384 };

struct accounts_db;

/*
 * Open accounts.db in `dir` (borrowed), made when missing. ERR_DAMAGED: not our database; ERR_DENIED: it cannot be
 * opened, or a newer Godwit made it; ERR_IO, ERR_FULL, ERR_LIMIT.
 */
NODISCARD enum err accounts_db_open(struct disk_dir *dir, struct accounts_db **ret);

/* NULL is accepted. */
void accounts_db_close(struct accounts_db *db);

/*
 * Receives rows; spans live until it returns. Return false to stop (ERR_LIMIT). Members that are NULL are not asked
 * for.
 */
struct accounts_db_sink {
    bool (*account)(void *ctx, const struct mailbox *address, const struct account *account);
    bool (*alias)(void *ctx, const struct mailbox *address, const struct alias *alias);
    void (*problem)(void *ctx, struct span address, const char *what);
    void *ctx;
};

/* Which rows, in order of domain and local part. */
struct accounts_db_range {
    struct span domain; /* empty: all */
    uint64_t offset;
    uint64_t limit;     /* UINT32_MAX or more: all */
};

NODISCARD enum err accounts_db_read(struct accounts_db *db, const struct accounts_db_range *range,
                                    const struct accounts_db_sink *sink);

/* Add an account. `hash` empty: no password. `account->address` is not looked at. ERR_EXISTS. */
NODISCARD enum err accounts_db_add(struct accounts_db *db, const struct mailbox *address, const struct account *account,
                                   struct span hash);

/* These give ERR_NOT_FOUND when there is no such account. */
NODISCARD enum err accounts_db_remove(struct accounts_db *db, const struct mailbox *address);
NODISCARD enum err accounts_db_set_password(struct accounts_db *db, const struct mailbox *address, struct span hash);
NODISCARD enum err accounts_db_set_quota(struct accounts_db *db, const struct mailbox *address, bool has_quota,
                                         uint64_t quota_bytes);
NODISCARD enum err accounts_db_set_suspended(struct accounts_db *db, const struct mailbox *address, bool is_suspended);

/* The hash of an account's password, in `ret` (cap PASSWORD_HASH_MAX); empty when it has none. ERR_NOT_FOUND. */
NODISCARD enum err accounts_db_password(struct accounts_db *db, const struct mailbox *address, struct buf *ret);

/* Replace the targets of an alias; none removes it (ERR_NOT_FOUND when it was not there). */
NODISCARD enum err accounts_db_put_alias(struct accounts_db *db, const struct mailbox *address,
                                         const struct span *targets, size_t target_count);

#endif
