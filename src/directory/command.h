/*
 * command.h - one operator's command in the directory: its arguments, its answer, and the helpers that all verbs share.
 * Private.
 *
 * A verb reads its arguments, looks whether it may be, changes the database in a pool job, then memory, and says so. A
 * change is answered after it is durable and in force. A verb returns an exit status (sysexits.h); errors say what to
 * do next.
 */
#ifndef GODWIT_DIRECTORY_COMMAND_H
#define GODWIT_DIRECTORY_COMMAND_H

#include <sysexits.h>

#include "directory/directory_state.h"

struct command {
    struct directory *d;
    struct fiber *f;
    struct arena *mem;
    const struct ipc_argument *arguments;
    size_t argument_count;
    uint64_t cursor;
    uint64_t next_cursor;
    struct buf out; /* owned: the reply's text */
};

/* Argument `i` from 0, empty past the last. */
struct span command_argument(const struct command *c, size_t i);

/* Make the answer one line, foreign octets escaped, and return `status`. */
FORMAT(3, 4) int command_fail(struct command *c, int status, const char *format, ...);

/* The same for a change of the database that failed. */
int command_fail_database(struct command *c, enum err e);

/* Append an address as it is written. */
void command_append_mailbox(struct buf *to, const struct mailbox *m);

/* An address as it is written, with a NUL, for command_fail(). */
struct address_text {
    char text[MAILBOX_TEXT_MAX + 1];
};
struct address_text command_address_text(const struct mailbox *m);

/* A quota: a size such as 1G, 500 MiB or 1048576; "none" is 0. */
bool command_quota_parse(struct span s, uint64_t *ret);

/* An address of one of our domains, in the form in which it is stored, and its key. */
struct our_address {
    struct mailbox mailbox;
    const struct config_domain *domain;
    struct address_key key;
};

static inline struct span
our_key(const struct our_address *a)
{
    return address_key_span(&a->key);
}

/* EX_OK and *ret for an address of a domain of ours whose recipients are accounts; otherwise why it is none. */
int command_address_parse(struct command *c, struct span text, struct our_address *ret);

/* EX_OK when accounts are in memory. */
int command_need_accounts(struct command *c);

/* The arguments of one accounts_db call, and its result. */
struct change {
    enum err (*run)(const struct change *change);
    struct accounts_db *db;
    const struct mailbox *address;
    struct account account;
    struct span hash;
    const struct span *targets;
    size_t target_count;
    enum err status;
};

/* Change the database. The caller holds db_lock, so that memory is changed in the same order. */
NODISCARD enum err command_change(struct command *c, struct change *change);

/* Log that an operator changed something. */
void command_log(struct command *c, const char *verb, const struct mailbox *address);

/* The verbs. */
int command_account_add(struct command *c);
int command_account_remove(struct command *c);
int command_account_password(struct command *c);
int command_account_quota(struct command *c);
int command_account_suspend(struct command *c);
int command_account_resume(struct command *c);
int command_account_list(struct command *c);
int command_alias_add(struct command *c);
int command_alias_remove(struct command *c);
int command_alias_list(struct command *c);
int command_aliases_reload(struct command *c);
int command_resolve(struct command *c);

#endif
