/*
 * directory_state.h - what the parts of the directory role share. Private to src/directory.
 *
 *   directory.c   the life of the role, the two questions about recipients, status
 *   commands.c    directory_command: one function a verb
 *   outside.c     what only the parent can open: the aliases file, lists of recipients, users of the system
 *   local_user.c  names of user ids, asked of the parent
 *   socketmap_client.c   connections to socketmaps
 *   load.c        accounts from the database into memory
 *
 * Everything here is used on the loop; pool jobs get what they need by argument. `db` is used by one pool job at a
 * time, whose fiber holds `db_lock`. Tables are replaced whole, so a pointer into one is good until the next suspend.
 */
#ifndef GODWIT_DIRECTORY_DIRECTORY_STATE_H
#define GODWIT_DIRECTORY_DIRECTORY_STATE_H

#include "base/list.h"
#include "directory/accounts_db.h"
#include "directory/directory.h"
#include "directory/recipients_file.h"
#include "directory/resolve.h"
#include "ipc/ipc_messages.h"
#include "net/log.h"

enum {
    DIRECTORY_PROBLEMS_MAX = 20,       /* lines of a file that are reported one by one */
    DIRECTORY_USERS_MAX = 4096,        /* answers about users that are kept */
    DIRECTORY_HASHES_AT_ONCE = 2,
    DIRECTORY_SOCKETMAPS_AT_ONCE = 32,
    DIRECTORY_WATCH_S = 10,            /* how often files are looked at */
};

/* Which version of a file was read. */
struct file_stamp {
    bool exists;
    uint64_t inode;
    uint64_t size_bytes;
    int64_t mtime_us;
};

/* The file of recipients of one domain. */
struct recipients_list {
    struct domain domain;
    struct recipients_set *set; /* owned; NULL: not read yet, or it cannot be read */
    struct file_stamp stamp;
    enum err error;            /* of the last look */
};

/* An include of the aliases file, for the watch. */
struct include_stamp {
    struct span path; /* owned by directory->aliases */
    struct file_stamp stamp;
};

struct directory {
    struct role_env *env;
    struct rt *rt;
    struct log *log;
    uint64_t seed[2];

    struct accounts_db *db;        /* NULL until it is open */
    struct semaphore db_lock;
    struct semaphore hashes;
    struct accounts *accounts;     /* owned; NULL until loaded */

    struct semaphore reload_lock;  /* one reading of outside files at a time */
    struct aliases_table *aliases; /* owned; NULL until read */
    struct file_stamp aliases_stamp;
    enum err aliases_error;        /* of the last look */
    uint64_t refusals;             /* of the parent, that were logged */
    int64_t refusal_told_ns;
    struct include_stamp *includes; /* owned */
    size_t include_count;
    struct recipients_list *lists;  /* owned */
    size_t list_count;

    struct map users;               /* name -> struct user_answer, owned */
    struct map local_users;         /* user id -> struct local_user_answer, owned */
    struct semaphore socketmaps;
    struct list idle_socketmaps;    /* struct socketmap_connection */

    bool has_tried_to_load;    /* accounts were read, or could not be: questions can be answered */
    struct cond loaded;        /* that became true */
    struct cond changed;            /* a new configuration, or the end */
    bool is_reconfigured;
    struct fiber_group background;

    uint64_t checks, expansions, unknown, unavailable, commands;
};

/* One question about recipients under way: the context of resolve_world's functions. */
struct directory_ask {
    struct directory *directory;
    struct fiber *f;
    struct deadline by;
};

/* A world for resolve() as it stands now; `ask` is borrowed. */
struct resolve_world directory_world(struct directory_ask *ask);

/* --- load.c --- */

/* Open the database if need be and read all of it anew. A failure is logged; what was loaded before stays. */
enum err directory_load(struct fiber *f, struct directory *d);

/* Run `job(arg)` in the pool with the database to itself. ERR_CANCELED, ERR_LIMIT: it did not run. */
NODISCARD enum err directory_db_run(struct fiber *f, struct directory *d, void (*job)(void *arg), void *arg);

/* --- outside.c --- */

/* Make a list for each domain that has a file of recipients, to be read by the next directory_reread(). Suspends. */
NODISCARD enum err directory_lists_reset(struct fiber *f, struct directory *d);

/*
 * Look at the aliases file, its includes and the lists of recipients, and read again what has changed, or with
 * `is_forced` everything. Appends to `report` (may be NULL) what cannot be used, for people.
 */
void directory_reread(struct fiber *f, struct directory *d, bool is_forced, struct buf *report);

/* Functions of resolve_world; ctx is a struct directory_ask. */
enum lookup directory_file_has(void *ctx, const struct config_domain *domain, struct span key);
enum lookup directory_user_exists(void *ctx, struct span user);

/* Ask the parent to open something. ERR_OK with *ret_fd (to be closed, -1 for users), ERR_NOT_FOUND, ERR_DENIED,
 * ERR_AGAIN. */
NODISCARD enum err directory_parent_open(struct directory_ask *ask, unsigned kind, struct span name, int *ret_fd);

void directory_outside_done(struct directory *d);

/* --- local_user.c --- */

void directory_on_local_user(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_local_user *request,
                             struct arena *mem, struct ipc_local_user_reply *ret);

/* Forget every answer: the configuration has changed, or the process ends. */
void directory_local_users_forget(struct directory *d);

/* --- socketmap_client.c --- */

enum lookup directory_socketmap_has(void *ctx, const struct config_domain *domain, struct span address);
void directory_socketmaps_done(struct directory *d);

/* --- commands.c --- */

void directory_on_command(struct fiber *f, void *ctx, struct ipc_peer *from,
                          const struct ipc_directory_command *request, struct arena *mem,
                          struct ipc_directory_command_reply *ret);

#endif
