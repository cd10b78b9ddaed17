/* queue_walk.h - every message of the queue, page by page. */
#ifndef GODWIT_CONTROL_QUEUE_WALK_H
#define GODWIT_CONTROL_QUEUE_WALK_H

#include "control/command.h"
#include "ipc/ipc_messages.h"

/* `entry` is borrowed until the call returns. May print, and so suspend. */
typedef void queue_walk_fn(struct command *c, const struct ipc_queue_entry *entry, void *arg);

/*
 * Call `each` for all messages that `request` selects, in order of id, until the client is gone. Errors of
 * ipc_queue_list().
 */
NODISCARD enum err queue_walk(struct command *c, const struct ipc_queue_list *request, queue_walk_fn *each, void *arg);

/* A request for everything. */
struct ipc_queue_list queue_walk_all(void);

#endif
