/*
 * submit.h - an outgoing message handed to the server, in as many transactions as it takes.
 *
 * A recipient is done only when the server has said 250 to the content: the message is durable then. What is refused
 * for good is reported; everything else still waits, and the caller decides who keeps it.
 */
#ifndef GODWIT_CLI_SUBMIT_H
#define GODWIT_CLI_SUBMIT_H

#include "cli/outgoing.h"
#include "cli/smtp_client.h"

/* What became of it, for people and for the exit status. */
struct submit_report {
    int status;      /* of sysexits(3), of the first refusal; EX_OK without one */
    struct buf text; /* a line for each refusal, and why the rest waits */
    /* Called when the state of a recipient has changed; may be NULL. */
    void (*on_change)(void *ctx, const struct outgoing_recipient *recipient);
    void *ctx;
};

void submit_report_init(struct submit_report *r);
void submit_report_done(struct submit_report *r);

/*
 * Say it all over `fd`, a connected socket (owned from now on). `user` is the local part of the sender's own address.
 * Afterwards no recipient is OUTGOING_WAITING but those that the server could not take now.
 */
void submit_send(int fd, struct outgoing *o, struct span user, struct submit_report *report);

/* Ask for each recipient whether the server would take it, without sending anything (-bv). */
void submit_verify(int fd, struct outgoing *o, struct span user, struct submit_report *report);

#endif
