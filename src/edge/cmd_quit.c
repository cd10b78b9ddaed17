/* cmd_quit.c - QUIT: a last reply, then the end. RFC 5321 §4.1.1.10, requirement 30. */
#include "edge/commands.h"

enum err
cmd_quit(UNUSED struct fiber *f, struct session *s, UNUSED const struct smtp_command *command)
{
    session_end(s, session_reply_from_host(s, REPLY_QUIT, SPAN_EMPTY), SPAN("quit"));
    return ERR_OK;
}
