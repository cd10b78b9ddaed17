/* cmd_noop.c - NOOP, with or without an argument. RFC 5321 §4.1.1.9. */
#include "edge/commands.h"

enum err
cmd_noop(UNUSED struct fiber *f, struct session *s, UNUSED const struct smtp_command *command)
{
    session_reply(s, reply_of(REPLY_NOOP_OK));
    return ERR_OK;
}
