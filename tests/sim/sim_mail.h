/*
 * sim_mail.h - clients that send numbered mail over SMTP until it is taken, and the account of what became of it.
 *
 * Each attempt to send a mail has a tag of its own in its first header field, "X-Sim-Tag: MAIL.ATTEMPT", and a text
 * that follows from it alone. So what lies in a mailbox tells which attempt it came from and whether it is whole. A
 * client that does not hear 250 tries again, as the next attempt: that the unanswered one may have arrived as well is
 * part of SMTP.
 */
#ifndef GODWIT_TESTS_SIM_MAIL_H
#define GODWIT_TESTS_SIM_MAIL_H

#include "sim_cluster.h"

enum { MAIL_ATTEMPTS_MAX = 64, MAIL_ACCOUNTS_MAX = 8 };

struct mail_attempt {
    bool is_acknowledged;                  /* 250 after the end of data */
    unsigned found[MAIL_ACCOUNTS_MAX];     /* whole, in that account's mailbox */
};

struct mail {
    unsigned number;
    unsigned recipients;                   /* a bit an account */
    size_t size_bytes;                     /* about */
    unsigned attempt_count;
    bool is_done;                          /* acknowledged once */
    struct mail_attempt attempts[MAIL_ATTEMPTS_MAX];
};

/* What is wrong in the end; all zero is right. */
struct mail_faults {
    unsigned lost;      /* acknowledged, and not in a recipient's mailbox */
    unsigned repeated;  /* more often in a mailbox than crashes explain */
    unsigned damaged;   /* files in mailboxes that are not the text that was sent */
    unsigned misplaced; /* in the mailbox of somebody else */
    unsigned unsent;    /* not taken although all trouble was over */
    unsigned refused;   /* recipients that exist and were refused for good */
};

struct mail_load {
    struct sim_cluster *cluster;
    const char *const *accounts; /* NULL-terminated */
    unsigned account_count;
    struct mail *mails;
    size_t mail_count;
    unsigned clients_running;
    unsigned refused;
    bool is_quiet;               /* differences in texts are not printed */
    struct mail_faults faults;   /* of the last mail_load_count() */
};

/* `mail_count` mails of various sizes and recipients, from `clients` processes that begin to send at once. */
void mail_load_start(struct mail_load *load, struct sim_cluster *cluster, const char *const *accounts,
                     size_t mail_count, unsigned clients);
void mail_load_done(struct mail_load *load);

/* Whether every client has finished (for sim_run_until). */
bool mail_load_is_sent(void *load);

/* Look into all mailboxes and fill load->faults; `crashes` is how many could each repeat a delivery. */
void mail_load_count(struct mail_load *load, unsigned crashes);

/* Copies beyond the first, of all attempts: how much was repeated. After mail_load_count(). */
unsigned mail_load_repeats(const struct mail_load *load);

#endif
