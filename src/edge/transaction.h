/*
 * transaction.h - all that is known between MAIL and the end of data, in one arena that ends at once.
 *
 * Requirement 28: reverse path, recipients, parameters, content on its way and verdicts are all here, and tx_abort()
 * is the only way to end one: RSET, EHLO, a refused or accepted end of data, a failed chunk, a lost connection all
 * call it.
 */
#ifndef GODWIT_EDGE_TRANSACTION_H
#define GODWIT_EDGE_TRANSACTION_H

#include "base/arena.h"
#include "edge/intake.h"
#include "proto/addr/path.h"
#include "proto/smtp/mail_args.h"
#include "proto/smtp/rcpt_args.h"
#include "store/message_id.h"

struct session;

/* An accepted recipient; kept in the transaction's arena. */
struct tx_recipient {
    struct tx_recipient *next;
    struct span address; /* forward path as given, without brackets and route */
    struct span orcpt;   /* decoded, empty when not given */
    unsigned notify;     /* enum smtp_notify */
    bool is_utf8;
};

struct transaction {
    struct message_id id;
    struct smtp_mail_args mail;        /* its spans live in the arena */
    struct span sender;                /* reverse path as given, without brackets; empty: null sender */
    struct tx_recipient *first;
    struct tx_recipient **last;        /* where the next one goes */
    size_t recipient_count;
    struct buf trail;                  /* verdicts so far */
    bool has_refusal;                  /* the trail has something refused: leave it even if no message carries it */
    struct intake intake;              /* content on its way, from DATA or the first BDAT on */
};

/*
 * Begin a transaction with what MAIL said; spans of `mail` are copied. False without memory (452): nothing has begun.
 */
bool tx_begin(struct session *s, const struct smtp_mail_args *mail);

/* Add an accepted recipient. False without memory (452): the recipient is not added. */
bool tx_add_recipient(struct session *s, const struct smtp_rcpt_args *rcpt);

/*
 * End the transaction, if there is one: forget its upload, leave its trail with control when something was refused
 * and no message carries it, and free all of it. The only reset there is. Never suspends.
 */
void tx_abort(struct session *s);

#endif
