/* cmd_rset.c - RSET: the transaction is forgotten, the connection stays. RFC 5321 §4.1.1.5, requirements 28, 29. */
#include "edge/commands.h"

enum err
cmd_rset(UNUSED struct fiber *f, struct session *s, UNUSED const struct smtp_command *command)
{
    tx_abort(s);
    session_event(s, SMTP_EVENT_RESET);
    session_reply(s, reply_of(REPLY_RSET_OK));
    return ERR_OK;
}
