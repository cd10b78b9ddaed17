/* heap.c - sifting up and down; every move tells the node its place. */
#include "base/heap.h"

#include "base/assert.h"

#include <stdlib.h>

enum { HEAP_FIRST_SIZE = 16 };

void
heap_init(struct heap *h, heap_before *before)
{
    *h = (struct heap){.before = before};
}

void
heap_done(struct heap *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->count; i++)
        heap_node_init(h->nodes[i]);
    free(h->nodes);
    h->nodes = NULL;
    h->count = h->size = 0;
}

static void
place(struct heap *h, size_t at, struct heap_node *n)
{
    h->nodes[at - 1] = n;
    n->place = at;
}

/* Move the node at `at` (from 1) towards the top while it comes before its parent. */
static void
sift_up(struct heap *h, size_t at)
{
    struct heap_node *n = h->nodes[at - 1];
    for (; at > 1 && h->before(n, h->nodes[at / 2 - 1]); at /= 2)
        place(h, at, h->nodes[at / 2 - 1]);
    place(h, at, n);
}

/* Move the node at `at` (from 1) towards the bottom while a child comes before it. */
static void
sift_down(struct heap *h, size_t at)
{
    struct heap_node *n = h->nodes[at - 1];
    for (size_t child = at * 2; child <= h->count; child = at * 2) {
        if (child < h->count && h->before(h->nodes[child], h->nodes[child - 1]))
            child++;
        if (!h->before(h->nodes[child - 1], n))
            break;
        place(h, at, h->nodes[child - 1]);
        at = child;
    }
    place(h, at, n);
}

enum err
heap_push(struct heap *h, struct heap_node *n)
{
    ASSERT(!heap_has(n));
    if (h->count == h->size) {
        size_t size = h->size == 0 ? HEAP_FIRST_SIZE : h->size * 2;
        struct heap_node **nodes = reallocarray(h->nodes, size, sizeof(*nodes));
        if (nodes == NULL)
            return ERR_LIMIT;
        h->nodes = nodes;
        h->size = size;
    }
    h->count++;
    place(h, h->count, n);
    sift_up(h, h->count);
    return ERR_OK;
}

struct heap_node *
heap_first(const struct heap *h)
{
    return h->count == 0 ? NULL : h->nodes[0];
}

struct heap_node *
heap_take_first(struct heap *h)
{
    struct heap_node *first = heap_first(h);
    if (first != NULL)
        heap_remove(h, first);
    return first;
}

void
heap_remove(struct heap *h, struct heap_node *n)
{
    size_t at = n->place;
    if (at == 0)
        return;
    ASSERT(at <= h->count && h->nodes[at - 1] == n);
    struct heap_node *last = h->nodes[h->count - 1];
    h->count--;
    heap_node_init(n);
    if (last == n)
        return;
    place(h, at, last);
    heap_update(h, last);
}

void
heap_update(struct heap *h, struct heap_node *n)
{
    ASSERT(n->place > 0 && n->place <= h->count && h->nodes[n->place - 1] == n);
    sift_up(h, n->place);
    sift_down(h, n->place);
}
