/*
 * heap.h - intrusive binary heap: the first of many by an order the caller gives, with removal of any node.
 *
 * For schedules (next attempt, timers): the node lies in the object, the heap holds pointers. A node belongs to one
 * heap at a time and knows its place, so taking it out costs log(n).
 */
#ifndef GODWIT_BASE_HEAP_H
#define GODWIT_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct heap_node {
    size_t place; /* 1-based position in the heap's array; 0: in no heap */
};

/* Whether `a` comes before `b`. A strict order: false for equals. */
typedef bool heap_before(const struct heap_node *a, const struct heap_node *b);

struct heap {
    struct heap_node **nodes; /* owned array of borrowed nodes */
    size_t count;
    size_t size;              /* pointers at `nodes` */
    heap_before *before;
};

void heap_init(struct heap *h, heap_before *before);

/* Release the array; the nodes in it are in no heap then. NULL is accepted. */
void heap_done(struct heap *h);

/* A node in no heap. Zeroed memory is one as well. */
static inline void
heap_node_init(struct heap_node *n)
{
    n->place = 0;
}

static inline bool
heap_has(const struct heap_node *n)
{
    return n->place != 0;
}

/* Put `n`, which is in no heap. ERR_LIMIT without memory: nothing changed. */
NODISCARD enum err heap_push(struct heap *h, struct heap_node *n);

/* The first node, NULL when the heap is empty. It stays in. */
struct heap_node *heap_first(const struct heap *h);

/* Take the first node out, NULL when the heap is empty. */
struct heap_node *heap_take_first(struct heap *h);

/* Take `n` out, wherever it is. Harmless for a node in no heap. */
void heap_remove(struct heap *h, struct heap_node *n);

/* Say that the order of `n`, which is in this heap, has changed. */
void heap_update(struct heap *h, struct heap_node *n);

#endif
