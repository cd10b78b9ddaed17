/*
 * recipient.h - the words in which the roles answer each other about recipients, commits and deliveries.
 *
 * Values travel in IPC messages and trails: never renumbered.
 */
#ifndef GODWIT_STORE_RECIPIENT_H
#define GODWIT_STORE_RECIPIENT_H

/* directory about one recipient address */
enum recipient_status {
    RECIPIENT_STATUS_OK = 0,          /* deliverable here */
    RECIPIENT_STATUS_UNKNOWN = 1,     /* our domain, no such user: 550 5.1.1 */
    RECIPIENT_STATUS_NOT_LOCAL = 2,   /* not a domain of ours */
    RECIPIENT_STATUS_SUSPENDED = 3,   /* 550 5.2.1 */
    RECIPIENT_STATUS_OVER_QUOTA = 4,  /* 452 4.2.2 */
    RECIPIENT_STATUS_TOO_BIG = 5,     /* 552 5.2.3 */
    RECIPIENT_STATUS_UNAVAILABLE = 6, /* the look-up failed: 451 4.3.0, never 550 */
};

/* queue about one commit */
enum commit_result {
    COMMIT_DURABLE = 0, /* answer 250 */
    COMMIT_FULL = 1,    /* 452 4.3.1 */
    COMMIT_BUSY = 2,    /* backlog or memory budget: 451 4.3.2 */
    COMMIT_FAULT = 3,   /* 451 4.3.0 */
};

/* local, deliver or relay about one delivery */
enum delivery_class {
    DELIVERY_DONE = 0,
    DELIVERY_DEFERRED = 1, /* try again */
    DELIVERY_FAILED = 2,   /* for good */
};

enum message_part { MESSAGE_PART_ENVELOPE = 0, MESSAGE_PART_HEADER = 1, MESSAGE_PART_BODY = 2 };

#endif
