/*
 * queue.h - the role that owns the spool: takes messages in, decides when each is tried, keeps what became of them.
 *
 * Serves the edges (message_chunk, message_commit), asks directory for expansion and local for deliveries. A message is
 * acknowledged after it is durable (I1), and every result enters the log with all it creates (I3); see docs/spool.md.
 */
#ifndef GODWIT_QUEUE_QUEUE_H
#define GODWIT_QUEUE_QUEUE_H

#include "net/role.h"

/*
 * Serve until the process is asked to stop and deliveries in hand have ended (or `stop_by` has passed), or until a sync has
 * failed: then the process has to end at once, its memory is no longer what the disk holds (I5).
 */
void queue_run(struct fiber *f, struct role_env *env);

#endif
