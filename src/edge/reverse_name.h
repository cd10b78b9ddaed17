/*
 * reverse_name.h - the verified name of the client's address, looked up while the client says hello.
 *
 * Wanted for the Received field and the log only: mail is never refused for the lack of it. Requirement 63.
 */
#ifndef GODWIT_EDGE_REVERSE_NAME_H
#define GODWIT_EDGE_REVERSE_NAME_H

#include "edge/session.h"

/*
 * Begin the look-up in a child fiber, if the configuration wants names and the client has an address. Never suspends.
 */
void reverse_name_begin(struct session *s);

/*
 * At the first MAIL: wait for the name, but not longer than the configuration says; then it is unknown for this
 * session. ERR_CANCELED.
 */
NODISCARD enum err reverse_name_await(struct fiber *f, struct session *s);

#endif
