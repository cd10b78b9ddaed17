/*
 * edge.h - the SMTP and LMTP server role: sessions with clients nobody knows.
 *
 * The only process that parses what strangers send on a listener, and therefore the one with nothing to steal: it
 * holds no secret, no file and no socket but those handed to it, and whatever it wants to know or keep it asks of
 * another process (directory: does this recipient exist; queue: make this durable). RFC 5321, 2920, 1870, 6152, 3030,
 * 6531, 2034, 9422, 2033.
 */
#ifndef GODWIT_EDGE_EDGE_H
#define GODWIT_EDGE_EDGE_H

#include "net/role.h"

/*
 * Serve every listener of `env` until the process is asked to stop; then let transactions under way finish until
 * env->stop_by, answer 421 to the rest and return when the last session has ended. Suspends.
 */
void edge_run(struct fiber *f, struct role_env *env);

#endif
