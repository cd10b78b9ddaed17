/*
 * commands.h - the handlers, one file each, and the table that finds them.
 *
 * A handler is called when its command is in order (smtp_state.h) but BDAT, whose octets follow whether or not it is.
 * It reads parse, facts, policy, act, reply. An error ends the session; everything a client can do wrong is a reply.
 */
#ifndef GODWIT_EDGE_COMMANDS_H
#define GODWIT_EDGE_COMMANDS_H

#include "edge/session.h"

typedef enum err command_fn(struct fiber *f, struct session *s, const struct smtp_command *command);

command_fn cmd_hello; /* EHLO, HELO, LHLO: cmd_ehlo.c */
command_fn cmd_mail;
command_fn cmd_rcpt;
command_fn cmd_data;
command_fn cmd_bdat;
command_fn cmd_rset;
command_fn cmd_noop;
command_fn cmd_quit;
command_fn cmd_vrfy;
command_fn cmd_help;

/* Serve one line of the client: cut it, check its order, run its handler. Suspends as the handler does. */
NODISCARD enum err dispatch_line(struct fiber *f, struct session *s, struct span line);

/* After a command: end the session when it has gone too far. Never suspends. */
void dispatch_judge(struct session *s);

/* What our sessions are judged by in smtp_state_check(). */
struct smtp_session_kind session_kind(const struct session *s);

#endif
