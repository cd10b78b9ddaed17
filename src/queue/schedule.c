/* schedule.c - the places a queued message can be in, and the way from one to the other. */
#include "queue/schedule.h"

#include "base/assert.h"
#include "queue/fresh.h"

#include <stdlib.h>

static struct queued *
queued_of_due(const struct heap_node *node)
{
    return (struct queued *)((char *)(uintptr_t)node - offsetof(struct queued, due));
}

static bool
due_before(const struct heap_node *a, const struct heap_node *b)
{
    return queued_of_due(a)->next_attempt_us < queued_of_due(b)->next_attempt_us;
}

void
schedule_init(struct schedule *s, size_t messages_max, const uint64_t seed[2])
{
    *s = (struct schedule){0};
    map_init(&s->messages, messages_max, seed);
    list_init(&s->ready);
    heap_init(&s->later, due_before);
}

static struct span
key_of(const struct queued *q)
{
    return span_of(q->key, sizeof(q->key));
}

struct message_id
queued_id(const struct queued *q)
{
    return message_id_decode(q->key);
}

/* Take `q` out of the place it is in. */
static void
leave(struct schedule *s, struct queued *q)
{
    switch ((enum queued_place)q->place) {
    case QUEUED_READY:
        list_unlink(&q->link);
        s->ready_count--;
        break;
    case QUEUED_IN_HAND: s->in_hand_count--; break;
    case QUEUED_LATER: heap_remove(&s->later, &q->due); break;
    case QUEUED_HELD: s->held_count--; break;
    }
}

static void
enter_ready(struct schedule *s, struct queued *q)
{
    q->place = QUEUED_READY;
    list_append(&s->ready, &q->link);
    s->ready_count++;
}

void
schedule_done(struct schedule *s)
{
    if (s == NULL)
        return;
    struct map_cursor cursor;
    void *value;
    heap_done(&s->later); /* first: it clears the nodes, which are in the messages */
    map_walk(&s->messages, &cursor);
    while (map_next(&s->messages, &cursor, NULL, &value)) {
        struct queued *q = value;
        fresh_message_free(q->fresh);
        free(q);
    }
    map_done(&s->messages);
    list_init(&s->ready);
    s->ready_count = s->in_hand_count = s->held_count = 0;
}

struct queued *
schedule_add(struct schedule *s, struct message_id id)
{
    struct queued *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    message_id_encode(id, q->key);
    list_init(&q->link);
    void *old;
    if (map_put(&s->messages, key_of(q), q, &old) != ERR_OK) {
        free(q);
        return NULL;
    }
    ASSERT(old == NULL);
    enter_ready(s, q);
    return q;
}

struct queued *
schedule_find(struct schedule *s, struct message_id id)
{
    uint8_t key[MESSAGE_ID_BYTES];
    message_id_encode(id, key);
    return map_get(&s->messages, span_of(key, sizeof(key)));
}

void
schedule_set_ready(struct schedule *s, struct queued *q)
{
    leave(s, q);
    enter_ready(s, q);
}

void
schedule_set_in_hand(struct schedule *s, struct queued *q)
{
    leave(s, q);
    q->place = QUEUED_IN_HAND;
    s->in_hand_count++;
}

void
schedule_set_held(struct schedule *s, struct queued *q)
{
    leave(s, q);
    q->place = QUEUED_HELD;
    s->held_count++;
}

enum err
schedule_set_later(struct schedule *s, struct queued *q, int64_t next_attempt_us)
{
    leave(s, q);
    q->next_attempt_us = next_attempt_us;
    enum err e = heap_push(&s->later, &q->due);
    if (e == ERR_OK)
        q->place = QUEUED_LATER;
    else
        enter_ready(s, q);
    return e;
}

void
schedule_remove(struct schedule *s, struct queued *q)
{
    leave(s, q);
    map_remove(&s->messages, key_of(q));
    fresh_message_free(q->fresh);
    free(q);
}

int64_t
schedule_advance(struct schedule *s, int64_t now_us)
{
    struct heap_node *first;
    while ((first = heap_first(&s->later)) != NULL) {
        struct queued *q = queued_of_due(first);
        if (q->next_attempt_us > now_us)
            return q->next_attempt_us;
        schedule_set_ready(s, q);
    }
    return INT64_MAX;
}

struct queued *
schedule_take(struct schedule *s)
{
    if (list_is_empty(&s->ready))
        return NULL;
    struct queued *q = CONTAINER_OF(s->ready.next, struct queued, link);
    schedule_set_in_hand(s, q);
    return q;
}

static int
compare_ids(const void *a, const void *b)
{
    const struct queued *const *left = a, *const *right = b;
    return memcmp((*left)->key, (*right)->key, MESSAGE_ID_BYTES);
}

/* Let the item at `at` sink in a heap whose greatest id is on top. */
static void
sink(struct queued **items, size_t count, size_t at)
{
    for (;;) {
        size_t greatest = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (compare_ids(&items[child], &items[greatest]) > 0)
                greatest = child;
        if (greatest == at)
            return;
        struct queued *q = items[at];
        items[at] = items[greatest];
        items[greatest] = q;
        at = greatest;
    }
}

size_t
schedule_list_after(struct schedule *s, struct message_id after, struct queued **items, size_t cap)
{
    uint8_t floor[MESSAGE_ID_BYTES];
    message_id_encode(after, floor);
    struct map_cursor cursor;
    void *value;
    size_t count = 0;
    map_walk(&s->messages, &cursor);
    while (cap > 0 && map_next(&s->messages, &cursor, NULL, &value)) {
        struct queued *q = value;
        if (memcmp(q->key, floor, MESSAGE_ID_BYTES) <= 0)
            continue;
        /* Keep the `cap` smallest, from when there are as many with the greatest of them on top. */
        if (count < cap) {
            items[count++] = q;
            for (size_t at = count == cap ? cap / 2 : 0; at-- > 0;)
                sink(items, count, at);
        } else if (memcmp(q->key, items[0]->key, MESSAGE_ID_BYTES) < 0) {
            items[0] = q;
            sink(items, count, 0);
        }
    }
    qsort(items, count, sizeof(struct queued *), compare_ids);
    return count;
}
