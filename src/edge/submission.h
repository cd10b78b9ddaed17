/*
 * submission.h - who submits on the local socket, and whether it may use that sender address.
 *
 * The kernel tells the user id; its name is asked of the directory, once a session. Users send as themselves, trusted
 * ones as anybody.
 */
#ifndef GODWIT_EDGE_SUBMISSION_H
#define GODWIT_EDGE_SUBMISSION_H

#include "edge/session.h"

/*
 * At MAIL: VERDICT_ACCEPT on every other listener, and for a sender address the user may use; else the verdict, noted
 * in log and trail. Suspends while the directory is asked.
 */
struct verdict submission_judge(struct fiber *f, struct session *s, const struct path *sender);

#endif
