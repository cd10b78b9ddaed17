/*
 * schedule.h - the messages of the queue in memory: which there are, and which is due when.
 *
 * One `struct queued` is what the queue keeps of a waiting message in memory, about 100 octets beside the spool's own index;
 * everything else is read from the spool when the message is due. A message is in exactly one place (enum queued_place).
 * Not for: what a message says or where it goes; nothing here suspends or touches the disk.
 */
#ifndef GODWIT_QUEUE_SCHEDULE_H
#define GODWIT_QUEUE_SCHEDULE_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "store/message_id.h"

struct fresh_message;

enum queued_place {
    QUEUED_READY,   /* due now, waits for a delivery to begin */
    QUEUED_IN_HAND, /* a fiber delivers it */
    QUEUED_LATER,   /* due at next_attempt_us */
    QUEUED_HELD,    /* waits for the operator */
};

struct queued {
    uint8_t key[MESSAGE_ID_BYTES]; /* encoded id */
    uint8_t place;                 /* enum queued_place */
    uint8_t crashes;               /* of the delivering process while it had the message (I9) */
    bool is_removed;               /* an operator removed it while in hand */
    bool wants_hold;               /* an operator held it while in hand */
    bool wants_retry;              /* an operator asked for a try while in hand */
    int64_t next_attempt_us;       /* wall clock; for QUEUED_LATER */
    struct list link;              /* QUEUED_READY */
    struct heap_node due;          /* QUEUED_LATER */
    struct fresh_message *fresh;   /* owned; its bytes while they are still in memory, or NULL */
};

struct schedule {
    struct map messages; /* key -> struct queued */
    struct list ready;   /* first come, first served */
    struct heap later;   /* by next_attempt_us */
    size_t ready_count;
    size_t in_hand_count;
    size_t held_count;
};

void schedule_init(struct schedule *s, size_t messages_max, const uint64_t seed[2]);

/* Forget every message. NULL is accepted. */
void schedule_done(struct schedule *s);

/* Add a new message, ready. NULL at the cap or without memory. The id must be new. */
struct queued *schedule_add(struct schedule *s, struct message_id id);

/* The message, or NULL. */
struct queued *schedule_find(struct schedule *s, struct message_id id);

struct message_id queued_id(const struct queued *q);

/* Move a message to another place. */
void schedule_set_ready(struct schedule *s, struct queued *q);
void schedule_set_in_hand(struct schedule *s, struct queued *q);
void schedule_set_held(struct schedule *s, struct queued *q);

/* ERR_LIMIT without memory: it is ready then, rather too early than never. */
enum err schedule_set_later(struct schedule *s, struct queued *q, int64_t next_attempt_us);

/* End a message; frees `q`. */
void schedule_remove(struct schedule *s, struct queued *q);

/* Make ready what is due at `now_us`. Returns when the next one is due, INT64_MAX when none is. */
int64_t schedule_advance(struct schedule *s, int64_t now_us);

/* Take the longest ready message in hand, NULL when there is none. */
struct queued *schedule_take(struct schedule *s);

/*
 * The first `cap` messages after `after` (exclusive) in order of id. For listings; costs a walk of the whole map, so ask for many
 * at a time.
 */
size_t schedule_list_after(struct schedule *s, struct message_id after, struct queued **items, size_t cap);

#endif
