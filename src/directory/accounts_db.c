/* accounts_db.c - the SQL: schema, one function a change, one walk over all rows. */
#include "directory/accounts_db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "store/state/sqlite_disk.h"

static const char SCHEMA_1[] =
    "CREATE TABLE account ("
    " id INTEGER PRIMARY KEY,"
    " local_part TEXT NOT NULL,"
    " domain TEXT NOT NULL,"
    " password TEXT,"
    " quota_bytes INTEGER,"
    " class TEXT NOT NULL DEFAULT 'normal',"
    " is_suspended INTEGER NOT NULL DEFAULT 0,"
    " created_us INTEGER NOT NULL,"
    " UNIQUE (domain, local_part));"
    "CREATE TABLE alias ("
    " id INTEGER PRIMARY KEY,"
    " local_part TEXT NOT NULL,"
    " domain TEXT NOT NULL,"
    " UNIQUE (domain, local_part));"
    "CREATE TABLE alias_target ("
    " alias INTEGER NOT NULL REFERENCES alias (id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL,"
    " target TEXT NOT NULL,"
    " PRIMARY KEY (alias, position)) WITHOUT ROWID;"
    "PRAGMA application_id = 1195661396;" /* "GDWT" */
    "PRAGMA user_version = 1;";

struct accounts_db {
    struct sqlite_disk *disk;
    sqlite3 *db;
};

/* --- statements --- */

/* A statement under way; errors stick, so binds may go unchecked until the step. */
struct statement {
    sqlite3_stmt *stmt;
    int code;
    int bound;
};

static void
statement_done(struct statement *s)
{
    sqlite3_finalize(s->stmt);
    s->stmt = NULL;
}

static struct statement
statement_prepare(struct accounts_db *db, const char *sql)
{
    struct statement s = {.stmt = NULL};
    s.code = sqlite3_prepare_v2(db->db, sql, -1, &s.stmt, NULL);
    return s;
}

static void
bind_text(struct statement *s, struct span text)
{
    if (s->code == SQLITE_OK)
        s->code =
            sqlite3_bind_text(s->stmt, ++s->bound, (const char *)(text.len == 0 ? (const uint8_t *)"" : text.data),
                              (int)text.len, SQLITE_STATIC);
}

static void
bind_i64(struct statement *s, int64_t value)
{
    if (s->code == SQLITE_OK)
        s->code = sqlite3_bind_int64(s->stmt, ++s->bound, value);
}

static void
bind_null(struct statement *s)
{
    if (s->code == SQLITE_OK)
        s->code = sqlite3_bind_null(s->stmt, ++s->bound);
}

static void
bind_address(struct statement *s, const struct mailbox *address)
{
    bind_text(s, mailbox_local(address));
    bind_text(s, domain_span(&address->domain));
}

/* Run it to its next row. ERR_OK with a row, ERR_NOT_FOUND without one. */
static enum err
statement_step(struct statement *s)
{
    if (s->code == SQLITE_OK)
        s->code = sqlite3_step(s->stmt);
    if (s->code == SQLITE_DONE)
        return ERR_NOT_FOUND;
    enum err e = sqlite_disk_err(s->code);
    if (e == ERR_OK)
        s->code = SQLITE_OK;
    return e;
}

/* Run a change to its end and finish it. */
static enum err
statement_run(struct statement *s)
{
    enum err e = statement_step(s);
    statement_done(s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* As statement_run(); ERR_NOT_FOUND when no row was changed. */
static enum err
statement_run_changing(struct accounts_db *db, struct statement *s)
{
    TRY(statement_run(s));
    return sqlite3_changes(db->db) > 0 ? ERR_OK : ERR_NOT_FOUND;
}

static struct span
column_text(struct statement *s, int column)
{
    const void *text = sqlite3_column_text(s->stmt, column);
    int len = sqlite3_column_bytes(s->stmt, column);
    return text == NULL || len < 0 ? SPAN_EMPTY : span_of(text, (size_t)len);
}

static enum err
sql_run(struct accounts_db *db, const char *sql)
{
    return sqlite_disk_err(sqlite3_exec(db->db, sql, NULL, NULL, NULL));
}

/* --- opening --- */

static enum err
version_read(struct accounts_db *db, int64_t *ret)
{
    struct statement s = statement_prepare(db, "PRAGMA user_version");
    enum err e = statement_step(&s);
    if (e == ERR_OK)
        *ret = sqlite3_column_int64(s.stmt, 0);
    statement_done(&s);
    return e == ERR_NOT_FOUND ? ERR_DAMAGED : e;
}

/*
 * End a transaction: keep it when `e` is ERR_OK, else undo it (SQLite may have done so itself). Returns what became of
 * it.
 */
static enum err
transaction_end(struct accounts_db *db, enum err e)
{
    if (e == ERR_OK)
        e = sql_run(db, "COMMIT");
    if (e != ERR_OK && !sqlite3_get_autocommit(db->db) && sql_run(db, "ROLLBACK") != ERR_OK)
        return ERR_IO;
    return e;
}

/* Bring the schema to ACCOUNTS_DB_VERSION, all in one transaction. */
static enum err
schema_migrate(struct accounts_db *db)
{
    int64_t version = 0;
    TRY(version_read(db, &version));
    if (version == ACCOUNTS_DB_VERSION)
        return ERR_OK;
    if (version != 0)
        return ERR_DENIED;
    TRY(sql_run(db, "BEGIN IMMEDIATE"));
    return transaction_end(db, sql_run(db, SCHEMA_1));
}

enum err
accounts_db_open(struct disk_dir *dir, struct accounts_db **ret)
{
    struct accounts_db *db = calloc(1, sizeof(*db));
    if (db == NULL)
        return ERR_LIMIT;
    enum err e = sqlite_disk_open(dir, "accounts.db", &db->disk, &db->db);
    if (e == ERR_OK)
        e = schema_migrate(db);
    if (e != ERR_OK) {
        accounts_db_close(db);
        return e;
    }
    *ret = db;
    return ERR_OK;
}

void
accounts_db_close(struct accounts_db *db)
{
    if (db == NULL)
        return;
    sqlite_disk_close(db->disk);
    free(db);
}

/* --- reading --- */

/* The address in columns 0 and 1. False, and reported, when it is none. */
static bool
column_address(struct statement *s, const struct accounts_db_sink *sink, struct mailbox *ret)
{
    struct span local = column_text(s, 0), domain = column_text(s, 1);
    if (mailbox_from_parts(local, domain, ret) == ADDR_OK && ret->domain.len > 0)
        return true;
    sink->problem(sink->ctx, local, "a row of the accounts database is not an address");
    return false;
}

/* An address as accounts.h stores it: unquoted local part, "@", domain. */
static struct span
address_text(const struct mailbox *m, uint8_t text[ADDRESS_KEY_MAX])
{
    struct buf b;
    buf_init_fixed(&b, text, ADDRESS_KEY_MAX);
    buf_append(&b, mailbox_local(m));
    buf_append_octet(&b, '@');
    buf_append(&b, domain_span(&m->domain));
    return buf_span(&b);
}

static void
bind_range(struct statement *s, const struct accounts_db_range *range)
{
    bind_text(s, range->domain);
    bind_i64(s, range->limit >= UINT32_MAX ? -1 : (int64_t)range->limit);
    bind_i64(s, (int64_t)(range->offset < INT64_MAX ? range->offset : INT64_MAX));
}

static enum err
accounts_read(struct accounts_db *db, const struct accounts_db_range *range, const struct accounts_db_sink *sink)
{
    struct statement s = statement_prepare(db, "SELECT local_part, domain, password IS NOT NULL, quota_bytes, class,"
                                               " is_suspended, created_us FROM account WHERE ?1 = '' OR domain = ?1"
                                               " ORDER BY domain, local_part LIMIT ?2 OFFSET ?3");
    bind_range(&s, range);
    enum err e;
    while ((e = statement_step(&s)) == ERR_OK) {
        struct mailbox address;
        uint8_t text[ADDRESS_KEY_MAX];
        if (!column_address(&s, sink, &address))
            continue;
        int64_t quota = sqlite3_column_int64(s.stmt, 3);
        const struct account account = {
            .address = address_text(&address, text),
            .class = column_text(&s, 4),
            .quota_bytes = quota < 0 ? 0 : (uint64_t)quota,
            .has_quota = sqlite3_column_type(s.stmt, 3) != SQLITE_NULL,
            .has_password = sqlite3_column_int(s.stmt, 2) != 0,
            .is_suspended = sqlite3_column_int(s.stmt, 5) != 0,
            .created_us = sqlite3_column_int64(s.stmt, 6),
        };
        if (!sink->account(sink->ctx, &address, &account)) {
            e = ERR_LIMIT;
            break;
        }
    }
    statement_done(&s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* The targets of alias `id`, copied to `mem`. */
static enum err
targets_read(struct accounts_db *db, int64_t id, struct arena *mem, struct alias *ret)
{
    struct span *targets = arena_alloc(mem, ALIAS_TARGETS_MAX * sizeof(*targets));
    if (targets == NULL)
        return ERR_LIMIT;
    struct statement s = statement_prepare(db, "SELECT target FROM alias_target WHERE alias = ?1 ORDER BY position");
    bind_i64(&s, id);
    enum err e;
    size_t count = 0;
    while ((e = statement_step(&s)) == ERR_OK) {
        if (count == ALIAS_TARGETS_MAX || !arena_copy(mem, column_text(&s, 0), &targets[count])) {
            e = ERR_LIMIT;
            break;
        }
        count++;
    }
    statement_done(&s);
    if (e != ERR_NOT_FOUND)
        return e;
    ret->targets = targets;
    ret->target_count = count;
    return ERR_OK;
}

static enum err
aliases_read(struct accounts_db *db, const struct accounts_db_range *range, const struct accounts_db_sink *sink)
{
    struct statement s = statement_prepare(db, "SELECT local_part, domain, id FROM alias WHERE ?1 = '' OR domain = ?1"
                                               " ORDER BY domain, local_part LIMIT ?2 OFFSET ?3");
    bind_range(&s, range);
    struct arena mem;
    arena_init(&mem, ALIAS_TARGETS_MAX * (sizeof(struct span) + 2 * MAILBOX_TEXT_MAX));
    enum err e;
    while ((e = statement_step(&s)) == ERR_OK) {
        struct mailbox address;
        uint8_t text[ADDRESS_KEY_MAX];
        struct alias alias = {.target_count = 0};
        if (!column_address(&s, sink, &address))
            continue;
        alias.address = address_text(&address, text);
        e = targets_read(db, sqlite3_column_int64(s.stmt, 2), &mem, &alias);
        if (e == ERR_OK && !sink->alias(sink->ctx, &address, &alias))
            e = ERR_LIMIT;
        arena_clear(&mem);
        if (e != ERR_OK)
            break;
    }
    statement_done(&s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err
accounts_db_read(struct accounts_db *db, const struct accounts_db_range *range, const struct accounts_db_sink *sink)
{
    if (sink->account != NULL)
        TRY(accounts_read(db, range, sink));
    if (sink->alias != NULL)
        TRY(aliases_read(db, range, sink));
    return ERR_OK;
}

enum err
accounts_db_password(struct accounts_db *db, const struct mailbox *address, struct buf *ret)
{
    struct statement s = statement_prepare(db, "SELECT password FROM account WHERE local_part = ?1 AND domain = ?2");
    bind_address(&s, address);
    enum err e = statement_step(&s);
    if (e == ERR_OK)
        e = buf_append(ret, column_text(&s, 0));
    statement_done(&s);
    return e;
}

/* --- changing --- */

static void
bind_quota(struct statement *s, bool has_quota, uint64_t quota_bytes)
{
    if (has_quota)
        bind_i64(s, quota_bytes > INT64_MAX ? INT64_MAX : (int64_t)quota_bytes);
    else
        bind_null(s);
}

enum err
accounts_db_add(struct accounts_db *db, const struct mailbox *address, const struct account *account, struct span hash)
{
    struct statement s = statement_prepare(db, "INSERT INTO account (local_part, domain, password, quota_bytes, class,"
                                               " is_suspended, created_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    bind_address(&s, address);
    if (span_is_empty(hash))
        bind_null(&s);
    else
        bind_text(&s, hash);
    bind_quota(&s, account->has_quota, account->quota_bytes);
    bind_text(&s, account->class);
    bind_i64(&s, account->is_suspended);
    bind_i64(&s, account->created_us);
    return statement_run(&s);
}

enum err
accounts_db_remove(struct accounts_db *db, const struct mailbox *address)
{
    struct statement s = statement_prepare(db, "DELETE FROM account WHERE local_part = ?1 AND domain = ?2");
    bind_address(&s, address);
    return statement_run_changing(db, &s);
}

enum err
accounts_db_set_password(struct accounts_db *db, const struct mailbox *address, struct span hash)
{
    struct statement s =
        statement_prepare(db, "UPDATE account SET password = ?3 WHERE local_part = ?1 AND domain = ?2");
    bind_address(&s, address);
    if (span_is_empty(hash))
        bind_null(&s);
    else
        bind_text(&s, hash);
    return statement_run_changing(db, &s);
}

enum err
accounts_db_set_quota(struct accounts_db *db, const struct mailbox *address, bool has_quota, uint64_t quota_bytes)
{
    struct statement s =
        statement_prepare(db, "UPDATE account SET quota_bytes = ?3 WHERE local_part = ?1 AND domain = ?2");
    bind_address(&s, address);
    bind_quota(&s, has_quota, quota_bytes);
    return statement_run_changing(db, &s);
}

enum err
accounts_db_set_suspended(struct accounts_db *db, const struct mailbox *address, bool is_suspended)
{
    struct statement s =
        statement_prepare(db, "UPDATE account SET is_suspended = ?3 WHERE local_part = ?1 AND domain = ?2");
    bind_address(&s, address);
    bind_i64(&s, is_suspended);
    return statement_run_changing(db, &s);
}

static enum err
alias_replace(struct accounts_db *db, const struct mailbox *address, const struct span *targets, size_t target_count)
{
    struct statement s = statement_prepare(db, "DELETE FROM alias WHERE local_part = ?1 AND domain = ?2");
    bind_address(&s, address);
    enum err e = statement_run_changing(db, &s);
    if (target_count == 0 || (e != ERR_OK && e != ERR_NOT_FOUND))
        return e;
    s = statement_prepare(db, "INSERT INTO alias (local_part, domain) VALUES (?1, ?2)");
    bind_address(&s, address);
    TRY(statement_run(&s));
    int64_t id = sqlite3_last_insert_rowid(db->db);
    for (size_t i = 0; i < target_count; i++) {
        s = statement_prepare(db, "INSERT INTO alias_target (alias, position, target) VALUES (?1, ?2, ?3)");
        bind_i64(&s, id);
        bind_i64(&s, (int64_t)i);
        bind_text(&s, targets[i]);
        TRY(statement_run(&s));
    }
    return ERR_OK;
}

enum err
accounts_db_put_alias(struct accounts_db *db, const struct mailbox *address, const struct span *targets,
                      size_t target_count)
{
    TRY(sql_run(db, "BEGIN IMMEDIATE"));
    return transaction_end(db, alias_replace(db, address, targets, target_count));
}
