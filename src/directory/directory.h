/*
 * directory.h - the role that knows who exists: domains, accounts, aliases.
 *
 * Serves recipient_check (edge: deliverable?), recipient_expand (queue: one step of expansion) and directory_command
 * (control). Domains come from the configuration, accounts and aliases of addresses from SQLite (data_dir), aliases of
 * unqualified names from the classic aliases file, recipients of a domain optionally from a file or a Postfix
 * socketmap. Accounts and aliases are held in memory: a check of a domain whose recipients are accounts is a hash
 * look-up. A failed look-up is RECIPIENT_STATUS_UNAVAILABLE, never RECIPIENT_STATUS_UNKNOWN (requirement 40).
 *
 * An address is looked up in this order; the first that knows it decides:
 *   account, alias, file of recipients, socketmap, aliases file and system users (where the domain has them), each with
 *   the whole local part, then without its detail ("+detail");
 *   postmaster, abuse and root: the account named by `postmaster`;
 *   catch-all.
 * An empty domain stands for unqualified names (<Postmaster>; names in the aliases file).
 *
 * Targets of recipient_expand:
 *   TARGET_UNEXPANDED   name: an address as in RFC 5321 §4.1.2 (quoted where needed), or a bare name without '@' (ask
 *                       with an empty domain)
 *   TARGET_MAILBOX      name: the account's address, octets after unquoting; detail; quota_bytes (0: none)
 *   TARGET_LMTP         name: the store as configured; detail
 *   TARGET_SYSTEM_USER  name: user, or ":NAME" for the commands and files of entry NAME of the aliases file, which the
 *                       deliver process reads itself; detail
 *   TARGET_DISCARD      /dev/null
 * `more`: the list has more than 200 targets; ask again with `offset` grown by the number received.
 *
 * directory_command verbs. `status` of the reply is the exit status of the command (sysexits.h, 0 fine); `text` is for
 * people, one line a thing; errors say the next step. `next_cursor` not 0: ask again with it for more lines.
 *   account-add ADDRESS PASSWORD [quota=SIZE] [class=NAME]   an empty password: no log-in
 *   account-remove ADDRESS            account-list [DOMAIN]
 *   account-password ADDRESS PASSWORD account-quota ADDRESS SIZE|none|default
 *   account-suspend ADDRESS           account-resume ADDRESS
 *   alias-add ADDRESS TARGET...       alias-remove ADDRESS [TARGET...]   alias-list [DOMAIN]
 *   aliases-reload                    resolve ADDRESS
 * Passwords are never logged and never in a reply.
 */
#ifndef GODWIT_DIRECTORY_DIRECTORY_H
#define GODWIT_DIRECTORY_DIRECTORY_H

#include "net/role.h"

/* Serve until the process is asked to stop. */
void directory_run(struct fiber *f, struct role_env *env);

#endif
