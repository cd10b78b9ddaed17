/*
 * local.h - the role that puts mail into virtual Maildirs and hands it to LMTP stores.
 *
 * Serves `deliver` for the queue: TARGET_MAILBOX (a Maildir below data_dir, name: the account's address), TARGET_LMTP
 * (name: "unix:/path" or "host-or-ip:port", as directory gave it from the configuration), TARGET_SYSTEM_USER (passed to
 * the parent, which runs a deliver process as that user; name ":ALIAS" stands for the commands and files of that entry
 * of the aliases file) and TARGET_DISCARD. The answer is the fate of this one recipient: done, deferred (4.x.x) or
 * failed (5.x.x) with a text. At most LOCAL_DELIVERIES_MAX are in hand; further ones wait, and are deferred when they
 * wait too long, so a slow disk slows the queue.
 */
#ifndef GODWIT_LOCAL_LOCAL_H
#define GODWIT_LOCAL_LOCAL_H

#include "net/role.h"

enum {
    LOCAL_DELIVERIES_MAX = 256,    /* in hand at once */
    LOCAL_WAIT_S = 60,             /* for a place among them */
};

/* Serve until the process is asked to stop and what is in hand is done. */
void local_run(struct fiber *f, struct role_env *env);

#endif
