/* cmd_help.c - HELP: which commands there are. RFC 5321 §4.1.1.8. */
#include "edge/commands.h"

enum err
cmd_help(UNUSED struct fiber *f, struct session *s, UNUSED const struct smtp_command *command)
{
    struct span commands = s->listener->is_lmtp ? SPAN("LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT")
                                                : SPAN("EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT");
    session_reply(s, reply_with_text(REPLY_HELP, commands));
    return ERR_OK;
}
