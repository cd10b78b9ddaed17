/*
 * fresh.h - the bytes of a message that was just committed, kept in memory for its first delivery.
 *
 * They are durable in the spool already; this copy only spares reading them back. A budget for all of them together
 * bounds the memory: past it a message is read from the spool like an old one.
 */
#ifndef GODWIT_QUEUE_FRESH_H
#define GODWIT_QUEUE_FRESH_H

#include "base/span.h"

struct fresh_budget {
    size_t used_bytes;
    size_t max_bytes;
};

struct fresh_message {
    struct fresh_budget *budget; /* borrowed; given back at the end */
    size_t total_bytes;
    struct span envelope;        /* tagged form, in this allocation */
    struct span content;         /* header block and body, in this allocation */
};

/* A copy of both parts, or NULL when the budget or memory is used up. `content` is given in two pieces. */
struct fresh_message *fresh_message_new(struct fresh_budget *budget, struct span envelope, struct span header,
                                        struct span body);

/* NULL is accepted. */
void fresh_message_free(struct fresh_message *fresh);

#endif
