/*
 * control.h - the role that operators talk to, and that remembers.
 *
 * Serves the command socket (listener "control" of the parent) and takes the trails of finished messages and refused
 * sessions into the history. It may call every role, in fibers that serve nobody else (ipc/topology.def).
 */
#ifndef GODWIT_CONTROL_CONTROL_H
#define GODWIT_CONTROL_CONTROL_H

#include "net/role.h"

/* Serve until the process is asked to stop. */
void control_run(struct fiber *f, struct role_env *env);

#endif
