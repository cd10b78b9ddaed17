/* disk_sim_tree.c - see the header: inodes, entries and the operations that wait to become durable. */
#include "rt/disk_sim_tree.h"

#include <stdlib.h>

#include "base/assert.h"
#include "rt/disk_sim.h"

enum operation_kind { OPERATION_ADD, OPERATION_REMOVE, OPERATION_RENAME };

struct operation {
    struct list node;
    enum operation_kind kind;
    bool is_marked; /* sync: to become durable; crash: lost */
    struct sim_inode *inode;
    struct sim_inode *dir;
    char *name;
    struct sim_inode *to_dir; /* of a rename, else NULL */
    char *to;
};

static struct operation *
operation_of(struct list *node)
{
    return CONTAINER_OF(node, struct operation, node);
}

static char *
name_copy(struct span name)
{
    char *copy = malloc(name.len + 1);
    ASSERT(copy != NULL);
    memcpy(copy, name.data, name.len);
    copy[name.len] = '\0';
    return copy;
}

/* The position of `name`, or where it would go. */
static size_t
entries_position(const struct sim_entries *e, struct span name, bool *ret_is_found)
{
    size_t low = 0, high = e->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = span_compare(span_from_cstr(e->items[middle].name), name);
        if (order == 0) {
            *ret_is_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_is_found = false;
    return low;
}

struct sim_inode *
sim_entries_find(const struct sim_entries *e, struct span name)
{
    bool is_found;
    size_t i = entries_position(e, name, &is_found);
    return is_found ? e->items[i].inode : NULL;
}

/* Let `name` lead to `inode`. The inode it led to before, NULL when none. */
static struct sim_inode *
entries_set(struct sim_entries *e, struct span name, struct sim_inode *inode)
{
    bool is_found;
    size_t i = entries_position(e, name, &is_found);
    if (is_found) {
        struct sim_inode *before = e->items[i].inode;
        e->items[i].inode = inode;
        return before;
    }
    if (e->count == e->cap) {
        e->cap = e->cap == 0 ? 8 : 2 * e->cap;
        e->items = realloc(e->items, e->cap * sizeof *e->items);
        ASSERT(e->items != NULL);
    }
    memmove(e->items + i + 1, e->items + i, (e->count - i) * sizeof *e->items);
    e->items[i] = (struct sim_entry){name_copy(name), inode};
    e->count++;
    return NULL;
}

/* The inode that `name` led to, NULL when there is no such name. */
static struct sim_inode *
entries_remove(struct sim_entries *e, struct span name)
{
    bool is_found;
    size_t i = entries_position(e, name, &is_found);
    if (!is_found)
        return NULL;
    struct sim_inode *inode = e->items[i].inode;
    free(e->items[i].name);
    e->count--;
    memmove(e->items + i, e->items + i + 1, (e->count - i) * sizeof *e->items);
    return inode;
}

static void
entries_done(struct sim_entries *e)
{
    for (size_t i = 0; i < e->count; i++)
        free(e->items[i].name);
    free(e->items);
    *e = (struct sim_entries){0};
}

static void
entries_copy(const struct sim_entries *from, struct sim_entries *to)
{
    *to = (struct sim_entries){calloc(from->count + 1, sizeof *to->items), from->count, from->count + 1};
    ASSERT(to->items != NULL);
    for (size_t i = 0; i < from->count; i++)
        to->items[i] = (struct sim_entry){name_copy(span_from_cstr(from->items[i].name)), from->items[i].inode};
}

struct sim_inode *
sim_inode_new(struct sim_tree *t, bool is_directory)
{
    struct sim_inode *inode = calloc(1, sizeof *inode);
    ASSERT(inode != NULL);
    inode->number = ++t->last_number;
    inode->is_directory = is_directory;
    sim_content_init(&inode->content);
    list_append(&t->inodes, &inode->node);
    return inode;
}

static void
inode_free(struct sim_inode *inode)
{
    list_unlink(&inode->node);
    sim_content_done(&inode->content);
    entries_done(&inode->view);
    entries_done(&inode->durable);
    free(inode);
}

/* After links or handles went: give back its space, and itself when nothing leads to it any more. */
static void
inode_settle(struct sim_tree *t, struct sim_inode *inode)
{
    if (inode->view_links > 0 || inode->handles > 0)
        return;
    if (inode->is_counted) {
        t->used_blocks -= inode->content.block_count;
        inode->is_counted = false;
    }
    if (inode->durable_links > 0 || inode->operation_refs > 0 || inode == t->root)
        return;
    /* What a removed directory still holds on the disk goes with it. */
    struct sim_entries orphans = inode->durable;
    inode->durable = (struct sim_entries){0};
    LIST_FOR_EACH(node, &t->inodes) {
        struct sim_inode *other = CONTAINER_OF(node, struct sim_inode, node);
        if (!inode->is_directory)
            break;
        if (other->durable_parent == inode)
            other->durable_parent = NULL;
        if (other->parent == inode)
            other->parent = NULL;
    }
    inode_free(inode);
    for (size_t i = 0; i < orphans.count; i++) {
        orphans.items[i].inode->durable_links--;
        inode_settle(t, orphans.items[i].inode);
    }
    entries_done(&orphans);
}

void
sim_inode_hold(struct sim_inode *inode)
{
    inode->handles++;
}

void
sim_inode_release(struct sim_tree *t, struct sim_inode *inode)
{
    inode->handles--;
    inode_settle(t, inode);
}

void
sim_inode_recount(struct sim_tree *t, struct sim_inode *inode, uint64_t before)
{
    if (inode->is_counted)
        t->used_blocks -= before;
    t->used_blocks += inode->content.block_count;
    inode->is_counted = true;
}

void
sim_tree_init(struct sim_tree *t)
{
    *t = (struct sim_tree){0};
    list_init(&t->inodes);
    list_init(&t->operations);
    t->root = sim_inode_new(t, true);
}

static void
operation_free(struct sim_tree *t, struct operation *o)
{
    list_unlink(&o->node);
    t->operation_count--;
    free(o->name);
    free(o->to);
    free(o);
}

void
sim_tree_done(struct sim_tree *t)
{
    LIST_FOR_EACH(node, &t->operations)
        operation_free(t, operation_of(node));
    LIST_FOR_EACH(node, &t->inodes)
        inode_free(CONTAINER_OF(node, struct sim_inode, node));
}

/* --- copying a whole tree --- */

static void
entries_point_to_clones(struct sim_entries *e)
{
    for (size_t i = 0; i < e->count; i++)
        e->items[i].inode = e->items[i].inode->clone;
}

static void
inode_clone(struct sim_inode *from, struct sim_tree *to)
{
    struct sim_inode *copy = calloc(1, sizeof *copy);
    ASSERT(copy != NULL);
    *copy = *from;
    list_append(&to->inodes, &copy->node);
    copy->handles = 0;
    sim_content_clone(&from->content, &copy->content);
    entries_copy(&from->view, &copy->view);
    entries_copy(&from->durable, &copy->durable);
    from->clone = copy;
}

static void
operation_clone(const struct operation *from, struct sim_tree *to)
{
    struct operation *copy = calloc(1, sizeof *copy);
    ASSERT(copy != NULL);
    *copy = *from;
    copy->inode = from->inode->clone;
    copy->dir = from->dir->clone;
    copy->name = name_copy(span_from_cstr(from->name));
    copy->to_dir = from->to_dir != NULL ? from->to_dir->clone : NULL;
    copy->to = from->to != NULL ? name_copy(span_from_cstr(from->to)) : NULL;
    list_append(&to->operations, &copy->node);
}

/* Free one of the inodes that only a handle of the original kept, with what hangs on it. */
static bool
settle_one(struct sim_tree *t)
{
    LIST_FOR_EACH(node, &t->inodes) {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        if (inode->view_links == 0 && inode->durable_links == 0 && inode->operation_refs == 0 && inode != t->root) {
            inode_settle(t, inode);
            return true;
        }
    }
    return false;
}

void
sim_tree_clone(struct sim_tree *from, struct sim_tree *to)
{
    *to = *from;
    list_init(&to->inodes);
    list_init(&to->operations);
    LIST_FOR_EACH(node, &from->inodes)
        inode_clone(CONTAINER_OF(node, struct sim_inode, node), to);
    LIST_FOR_EACH(node, &to->inodes) {
        struct sim_inode *copy = CONTAINER_OF(node, struct sim_inode, node);
        entries_point_to_clones(&copy->view);
        entries_point_to_clones(&copy->durable);
        copy->parent = copy->parent != NULL ? copy->parent->clone : NULL;
        copy->durable_parent = copy->durable_parent != NULL ? copy->durable_parent->clone : NULL;
    }
    LIST_FOR_EACH(node, &from->operations)
        operation_clone(operation_of(node), to);
    to->root = from->root->clone;
    while (settle_one(to)) {
    }
}

/* --- walking --- */

enum err
sim_tree_find_parent(struct sim_inode *dir, struct span path, struct sim_inode **ret_dir, struct span *ret_name)
{
    for (;;) {
        struct span component = path, after = SPAN_EMPTY;
        bool has_more = span_cut(path, '/', &component, &after);
        if (!has_more)
            break;
        if (!span_is_empty(component) && !span_equal(component, SPAN("."))) {
            dir = sim_entries_find(&dir->view, component);
            if (dir == NULL)
                return ERR_NOT_FOUND;
            if (!dir->is_directory)
                return ERR_IO;
        }
        path = after;
    }
    *ret_dir = dir;
    *ret_name = path;
    return ERR_OK;
}

enum err
sim_tree_find(struct sim_inode *dir, struct span path, struct sim_inode **ret)
{
    struct span name;
    TRY(sim_tree_find_parent(dir, path, &dir, &name));
    if (!span_is_empty(name) && !span_equal(name, SPAN("."))) {
        dir = sim_entries_find(&dir->view, name);
        if (dir == NULL)
            return ERR_NOT_FOUND;
    }
    *ret = dir;
    return ERR_OK;
}

/* --- what becomes durable --- */

static void
durable_drop(struct sim_tree *t, struct sim_inode *inode, const struct sim_inode *dir)
{
    if (inode == NULL)
        return;
    if (inode->durable_parent == dir)
        inode->durable_parent = NULL;
    inode->durable_links--;
    inode_settle(t, inode);
}

static void
durable_set(struct sim_tree *t, struct sim_inode *dir, const char *name, struct sim_inode *inode)
{
    inode->durable_links++;
    struct sim_inode *before = entries_set(&dir->durable, span_from_cstr(name), inode);
    durable_drop(t, before, dir);
    if (inode->is_directory)
        inode->durable_parent = dir;
}

/* Do to the disk what the operation says, and forget it. */
static void
operation_apply(struct sim_tree *t, struct operation *o)
{
    if (o->kind != OPERATION_ADD)
        durable_drop(t, entries_remove(&o->dir->durable, span_from_cstr(o->name)), o->dir);
    if (o->kind == OPERATION_ADD)
        durable_set(t, o->dir, o->name, o->inode);
    if (o->kind == OPERATION_RENAME)
        durable_set(t, o->to_dir, o->to, o->inode);
}

static void
operation_forget(struct sim_tree *t, struct operation *o)
{
    struct sim_inode *touched[] = {o->inode, o->dir, o->to_dir};
    operation_free(t, o);
    for (size_t i = 0; i < ARRAY_LEN(touched); i++) {
        if (touched[i] == NULL)
            continue;
        touched[i]->operation_refs--;
    }
    for (size_t i = 0; i < ARRAY_LEN(touched); i++) {
        bool is_seen = false;
        for (size_t j = 0; j < i; j++)
            is_seen |= touched[j] == touched[i];
        if (touched[i] != NULL && !is_seen)
            inode_settle(t, touched[i]);
    }
}

static bool
touches_name(const struct operation *o, const struct sim_inode *dir, const char *name)
{
    if (dir == NULL)
        return false;
    return (o->dir == dir && strcmp(o->name, name) == 0) || (o->to_dir == dir && strcmp(o->to, name) == 0);
}

static bool
touches_dir(const struct operation *o, const struct sim_inode *dir)
{
    return o->dir == dir || o->to_dir == dir;
}

/* Whether `later` must not become durable without `earlier`. */
static bool
depends_on(const struct operation *later, const struct operation *earlier)
{
    if (touches_name(earlier, later->dir, later->name) || touches_name(earlier, later->to_dir, later->to))
        return true;
    return later->kind == OPERATION_REMOVE && later->inode->is_directory && touches_dir(earlier, later->inode);
}

static bool
is_durably_reachable(const struct sim_tree *t, const struct sim_inode *dir)
{
    while (dir != NULL && dir != t->root)
        dir = dir->durable_parent;
    return dir == t->root;
}

/* Whether the rename takes something from a durable name into a directory that a crash might take away. */
static bool
is_risky_rename(const struct sim_tree *t, const struct operation *o)
{
    return o->kind == OPERATION_RENAME && sim_entries_find(&o->dir->durable, span_from_cstr(o->name)) == o->inode &&
           is_durably_reachable(t, o->dir) && !is_durably_reachable(t, o->to_dir);
}

/* Whether `earlier` makes one of the directories on the way to `dir`. */
static bool
makes_way_to(const struct operation *earlier, const struct sim_inode *dir)
{
    for (; dir != NULL; dir = dir->parent) {
        if (earlier->inode == dir)
            return true;
    }
    return false;
}

/* Mark whatever the marked operation `o` needs; the operations are looked at from the youngest to the oldest. */
static void
mark_needs(struct sim_tree *t, struct operation *o)
{
    bool brings_way = is_risky_rename(t, o);
    for (struct list *node = o->node.prev; node != &t->operations; node = node->prev) {
        struct operation *earlier = operation_of(node);
        if (!earlier->is_marked)
            earlier->is_marked = depends_on(o, earlier) || (brings_way && makes_way_to(earlier, o->to_dir));
    }
}

size_t
sim_tree_sync(struct sim_tree *t, struct sim_inode *dir)
{
    for (struct list *node = t->operations.prev; node != &t->operations; node = node->prev) {
        struct operation *o = operation_of(node);
        o->is_marked |= touches_dir(o, dir);
        if (o->is_marked)
            mark_needs(t, o);
    }
    size_t count = 0;
    LIST_FOR_EACH(node, &t->operations) {
        struct operation *o = operation_of(node);
        if (!o->is_marked)
            continue;
        operation_apply(t, o);
        operation_forget(t, o);
        count++;
    }
    return count;
}

static bool
needs_a_lost_one(struct sim_tree *t, const struct operation *o)
{
    for (struct list *node = o->node.prev; node != &t->operations; node = node->prev) {
        if (operation_of(node)->is_marked && depends_on(o, operation_of(node)))
            return true;
    }
    return is_risky_rename(t, o);
}

/* Only what the disk leads to from the root is left, and the view is what the disk has. */
static void
view_reset(struct sim_tree *t, struct sim_inode *inode)
{
    entries_done(&inode->view);
    if (inode->is_reached)
        entries_copy(&inode->durable, &inode->view);
    inode->view_links = inode->durable_links;
    inode->parent = inode->durable_parent;
    inode->is_counted = inode->is_reached && !inode->is_directory;
    if (inode->is_counted)
        t->used_blocks += inode->content.block_count;
    if (!inode->is_reached)
        entries_done(&inode->durable);
}

static void
mark_reached(struct sim_inode *inode, unsigned depth)
{
    ASSERT(depth < 1000);
    inode->is_reached = true;
    for (size_t i = 0; i < inode->durable.count; i++) {
        struct sim_inode *entry = inode->durable.items[i].inode;
        entry->durable_links++;
        entry->durable_parent = entry->is_directory ? inode : NULL;
        mark_reached(entry, depth + 1);
    }
}

void
sim_tree_crash(struct sim_tree *t, struct sim_random *chance, const struct sim_odds *odds)
{
    LIST_FOR_EACH(node, &t->operations) {
        struct operation *o = operation_of(node);
        o->is_marked = !sim_random_chance(chance, odds->entries, 256) || needs_a_lost_one(t, o);
        if (!o->is_marked)
            operation_apply(t, o);
    }
    LIST_FOR_EACH(node, &t->operations)
        operation_forget(t, operation_of(node));
    LIST_FOR_EACH(node, &t->inodes) {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        inode->is_reached = false;
        inode->durable_links = 0;
        inode->durable_parent = NULL;
        sim_content_crash(&inode->content, chance, odds);
    }
    mark_reached(t->root, 0);
    t->used_blocks = 0;
    LIST_FOR_EACH(node, &t->inodes)
        view_reset(t, CONTAINER_OF(node, struct sim_inode, node));
    for (struct list *node = t->inodes.next, *next; node != &t->inodes; node = next) {
        next = node->next;
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        if (!inode->is_reached && inode->handles == 0)
            inode_free(inode);
    }
}

/* --- what programs change --- */

static struct operation *
operation_new(struct sim_tree *t, enum operation_kind kind, struct sim_inode *dir, struct span name,
              struct sim_inode *inode)
{
    struct operation *o = calloc(1, sizeof *o);
    ASSERT(o != NULL);
    o->kind = kind;
    o->dir = dir;
    o->name = name_copy(name);
    o->inode = inode;
    dir->operation_refs++;
    inode->operation_refs++;
    list_append(&t->operations, &o->node);
    t->operation_count++;
    return o;
}

/* A journal commits now and then: what waits does not grow without end. */
static void
operations_age(struct sim_tree *t)
{
    while (t->operation_count > DISK_SIM_PENDING_MAX) {
        struct operation *oldest = operation_of(t->operations.next);
        operation_apply(t, oldest);
        operation_forget(t, oldest);
    }
}

static void
view_drop(struct sim_tree *t, struct sim_inode *inode, const struct sim_inode *dir)
{
    if (inode == NULL)
        return;
    if (inode->parent == dir)
        inode->parent = NULL;
    inode->view_links--;
    inode_settle(t, inode);
}

static void
view_set(struct sim_tree *t, struct sim_inode *dir, struct span name, struct sim_inode *inode)
{
    inode->view_links++;
    view_drop(t, entries_set(&dir->view, name, inode), dir);
    if (inode->is_directory)
        inode->parent = dir;
}

void
sim_tree_add(struct sim_tree *t, struct sim_inode *dir, struct span name, struct sim_inode *inode)
{
    (void)operation_new(t, OPERATION_ADD, dir, name, inode);
    view_set(t, dir, name, inode);
    operations_age(t);
}

void
sim_tree_remove(struct sim_tree *t, struct sim_inode *dir, struct span name)
{
    struct sim_inode *inode = sim_entries_find(&dir->view, name);
    (void)operation_new(t, OPERATION_REMOVE, dir, name, inode);
    view_drop(t, entries_remove(&dir->view, name), dir);
    operations_age(t);
}

void
sim_tree_rename(struct sim_tree *t, struct sim_inode *dir, struct span name, struct sim_inode *to_dir, struct span to)
{
    struct sim_inode *inode = sim_entries_find(&dir->view, name);
    struct operation *o = operation_new(t, OPERATION_RENAME, dir, name, inode);
    o->to_dir = to_dir;
    o->to = name_copy(to);
    to_dir->operation_refs++;
    sim_inode_hold(inode); /* for the moment without a name */
    view_drop(t, entries_remove(&dir->view, name), dir);
    view_set(t, to_dir, to, inode);
    sim_inode_release(t, inode);
    operations_age(t);
}
