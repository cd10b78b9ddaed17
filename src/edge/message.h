/*
 * message.h - what happens between the last octet of a message and the reply to it.
 */
#ifndef GODWIT_EDGE_MESSAGE_H
#define GODWIT_EDGE_MESSAGE_H

#include "edge/session.h"

/*
 * The content has ended (CRLF.CRLF, or BDAT LAST): judge the message, make it durable, reply (in LMTP once for each
 * recipient), and end the transaction, whatever came out. Requirements 28, 34, 35, 36. Suspends. ERR_CANCELED; other
 * trouble is a reply.
 */
NODISCARD enum err message_finish(struct fiber *f, struct session *s);

/*
 * Judge what came so far of a message whose chunk is not the last (RFC 3030 §2): REPLY_NONE while nothing speaks
 * against it, else the reply, which has been noted.
 */
struct reply message_judge_chunk(struct session *s);

#endif
