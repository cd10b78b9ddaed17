/* fresh.c - one allocation for a message's bytes, counted against the budget of all of them. */
#include "queue/fresh.h"

#include <stdlib.h>

struct fresh_message *
fresh_message_new(struct fresh_budget *budget, struct span envelope, struct span header, struct span body)
{
    size_t total = sizeof(struct fresh_message) + envelope.len + header.len + body.len;
    if (total > budget->max_bytes - budget->used_bytes)
        return NULL;
    struct fresh_message *fresh = malloc(total);
    if (fresh == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(fresh + 1);
    *fresh = (struct fresh_message){.budget = budget, .total_bytes = total};
    fresh->envelope = span_of(at, envelope.len);
    fresh->content = span_of(at + envelope.len, header.len + body.len);
    const struct span parts[] = {envelope, header, body};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].len > 0)
            memcpy(at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    budget->used_bytes += total;
    return fresh;
}

void
fresh_message_free(struct fresh_message *fresh)
{
    if (fresh == NULL)
        return;
    fresh->budget->used_bytes -= fresh->total_bytes;
    free(fresh);
}
