/*
 * smtp_client.h - one conversation with our own server over a connected socket, in blocking calls.
 *
 * For sendmail and godwit-drop. The server is trusted no further than any peer: replies are bounded, waits have an end.
 * Anything that goes wrong with the conversation itself reads as "try again later". RFC 5321.
 */
#ifndef GODWIT_CLI_SMTP_CLIENT_H
#define GODWIT_CLI_SMTP_CLIENT_H

#include "proto/addr/mailbox.h"
#include "proto/smtp/reply_parse.h"

struct smtp_client {
    int fd;                         /* owned */
    struct smtp_reply_parser reply; /* the last one */
    uint8_t input[4096];            /* read and not parsed yet */
    size_t input_at, input_len;
    bool is_broken;                 /* no more can be said */
    struct domain host;             /* what the server calls itself */
};

/* Connect to a Unix socket. -1 with errno set. */
int smtp_client_connect(const char *path);

/* Take over a connected socket, be greeted and say EHLO. False: the server takes nothing now. */
bool smtp_client_open(struct smtp_client *c, int fd);

/* Say QUIT if that can still be said, and close. */
void smtp_client_close(struct smtp_client *c);

/* Send a command (with its CRLF) and wait for the reply: its code, 0 when there is none. */
unsigned smtp_client_command(struct smtp_client *c, struct span line);

/* Send a piece of a message's content, stuffed with dots, after DATA was answered 354. *is_line_start begins true. */
void smtp_client_send_content(struct smtp_client *c, struct span content, bool *is_line_start);

/* Send the final dot and wait for the reply as above, longer. */
unsigned smtp_client_end_content(struct smtp_client *c, bool is_line_start);

/* Append the last reply on one line, "550 5.1.1 text"; what happened, when there is none. */
void smtp_client_describe(const struct smtp_client *c, struct buf *to);

#endif
