/*
 * cmd_vrfy.c - VRFY: neither confirmed nor denied. RFC 5321 §3.5.3 and 7.3, RFC 6531 §3.7.4.2, requirement 42.
 *
 * An answer about a mailbox would be a present for those who collect addresses; RCPT has to be asked for real.
 */
#include "edge/commands.h"

static bool
has_octets_beyond_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] >= 0x80)
            return true;
    return false;
}

enum err
cmd_vrfy(UNUSED struct fiber *f, struct session *s, const struct smtp_command *command)
{
    struct span argument = command->argument;
    if (argument.len == 0) {
        session_reply(s, reply_with_text(REPLY_ARGUMENT_MISSING, smtp_verb_name(command->verb)));
        return ERR_OK;
    }
    bool is_smtputf8 = s->is_extended && span_has_suffix_nocase(argument, SPAN(" SMTPUTF8"));
    session_reply(s,
                  reply_of(has_octets_beyond_ascii(argument) && !is_smtputf8 ? REPLY_RECIPIENT_UTF8 : REPLY_VRFY_TRY));
    return ERR_OK;
}
