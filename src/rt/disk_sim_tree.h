/*
 * disk_sim_tree.h - the directories of a simulated disk, twice: as programs see them and as a crash leaves them.
 *
 * For disk_sim.c only. A change of entries is made in the view at once and waits as an operation until a directory
 * sync, a crash or its age makes it durable. Operations on one name become durable in their order; more rules, all so
 * that what had a durable name keeps one: a directory's removal waits for the moves out of it, and a move into a
 * directory that has no durable way to it from the root brings that way along (sync) or is lost with it (crash).
 */
#ifndef GODWIT_RT_DISK_SIM_TREE_H
#define GODWIT_RT_DISK_SIM_TREE_H

#include "base/err.h"
#include "base/list.h"
#include "rt/disk_sim_content.h"

struct sim_entry {
    char *name; /* owned */
    struct sim_inode *inode;
};

/* Sorted by name. */
struct sim_entries {
    struct sim_entry *items; /* owned */
    size_t count;
    size_t cap;
};

struct sim_inode {
    struct list node;              /* in sim_tree.inodes */
    uint64_t number;
    bool is_directory;
    bool is_counted;               /* its blocks are in sim_tree.used_blocks */
    bool is_reached;               /* scratch of the sweep after a crash */
    int64_t mtime_us;
    struct sim_content content;    /* of a file */
    struct sim_entries view;       /* of a directory */
    struct sim_entries durable;
    struct sim_inode *parent;         /* a directory's, in the view; NULL for the root and what was removed */
    struct sim_inode *durable_parent; /* likewise on the disk */
    uint32_t view_links;
    uint32_t durable_links;
    uint32_t operation_refs;
    uint32_t handles;
    struct sim_inode *clone;       /* scratch of sim_tree_clone() */
};

struct sim_tree {
    struct list inodes;
    struct list operations;   /* waiting, oldest first */
    size_t operation_count;
    struct sim_inode *root;
    uint64_t last_number;
    uint64_t used_blocks;     /* of files that programs can still reach */
};

void sim_tree_init(struct sim_tree *t);

/* Frees every inode, also those with handles. */
void sim_tree_done(struct sim_tree *t);

void sim_tree_clone(struct sim_tree *from, struct sim_tree *to);

/* A file or directory without a name yet. */
struct sim_inode *sim_inode_new(struct sim_tree *t, bool is_directory);

void sim_inode_hold(struct sim_inode *inode);
void sim_inode_release(struct sim_tree *t, struct sim_inode *inode);

/* Say that the blocks of `inode` changed from `before`. */
void sim_inode_recount(struct sim_tree *t, struct sim_inode *inode, uint64_t before);

struct sim_inode *sim_entries_find(const struct sim_entries *e, struct span name);

/*
 * Walk from `dir` along `path`. ERR_NOT_FOUND: a component is missing; ERR_IO: one is no directory. With ret_dir and
 * ret_name the walk ends before the last component, which need not exist.
 */
NODISCARD enum err sim_tree_find(struct sim_inode *dir, struct span path, struct sim_inode **ret);
NODISCARD enum err sim_tree_find_parent(struct sim_inode *dir, struct span path, struct sim_inode **ret_dir,
                                        struct span *ret_name);

/* Change the view and let the operation wait. The caller has checked that it is possible. */
void sim_tree_add(struct sim_tree *t, struct sim_inode *dir, struct span name, struct sim_inode *inode);
void sim_tree_remove(struct sim_tree *t, struct sim_inode *dir, struct span name);
void sim_tree_rename(struct sim_tree *t, struct sim_inode *dir, struct span name, struct sim_inode *to_dir,
                     struct span to);

/* Make the operations of `dir`, and what they depend on, durable. The number of them. */
size_t sim_tree_sync(struct sim_tree *t, struct sim_inode *dir);

/* A crash: some operations survive; then the view is what the disk has. */
void sim_tree_crash(struct sim_tree *t, struct sim_random *chance, const struct sim_odds *odds);

#endif
