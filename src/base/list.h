/*
 * list.h - intrusive doubly linked list with a head that is a node itself.
 *
 * A node belongs to one list at a time. A node that was initialised or unlinked points to itself, so
 * list_unlink() of it is harmless.
 */
#ifndef GODWIT_BASE_LIST_H
#define GODWIT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void
list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool
list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void
list_append(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void
list_prepend(struct list *head, struct list *node)
{
    list_append(head->next, node);
}

static inline void
list_unlink(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Unlink and return the first node, NULL when the list is empty. */
static inline struct list *
list_take_first(struct list *head)
{
    struct list *node = head->next;
    if (node == head)
        return NULL;
    list_unlink(node);
    return node;
}

/* Walk the list; the body may unlink `it` but no other node. */
#define LIST_FOR_EACH(it, head) \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

#endif
