/*
 * smtp_relay.h - sendmail -bs: SMTP on standard input and output, spoken by the server behind its local socket.
 *
 * The server knows from the kernel who speaks. Programs that end their lines with LF alone are helped: when the first
 * line does, each LF becomes CRLF.
 */
#ifndef GODWIT_CLI_SMTP_RELAY_H
#define GODWIT_CLI_SMTP_RELAY_H

/* Carry octets both ways between `server`, a connected socket, and the descriptors until it closes. EX_OK, EX_IOERR. */
int smtp_relay(int server, int in, int out);

#endif
