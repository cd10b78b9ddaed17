/*
 * resolver.h - the role that asks the DNS: one cache, validated answers, for all other processes.
 *
 * Serves `dns_lookup`. The work is libunbound's, in a thread of its own with a stack of its own (it needs 200 KiB, more than a fiber
 * has). A dead server costs libunbound many seconds, so every look-up here has its own deadline (resolver { timeout }) and
 * is cancelled then. Real runtime only: the simulation puts a stand-in at the IPC.
 */
#ifndef GODWIT_RESOLVER_RESOLVER_H
#define GODWIT_RESOLVER_RESOLVER_H

#include "net/role.h"

/* Serve until the process is asked to stop. */
void resolver_run(struct fiber *f, struct role_env *env);

#endif
