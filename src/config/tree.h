/*
 * tree.h - a configuration text as directives and blocks, before anybody asks what they mean.
 *
 * `name word word;` is a directive, `name word { ... }` a block; each is a node. An `include` is replaced by the
 * nodes of its sources. Nodes and words live in the arena they were made in and borrow from the sources' texts.
 * Mistakes are added to the problems and reading goes on behind them, so that one run finds them all.
 */
#ifndef GODWIT_CONFIG_TREE_H
#define GODWIT_CONFIG_TREE_H

#include "base/arena.h"
#include "base/err.h"
#include "config/problem.h"
#include "config/source.h"

enum { CONFIG_NESTING_MAX = 8 /* blocks in one another */ };

struct config_word {
    struct config_word *next;
    struct span text;
    struct source_pos pos;
    bool is_quoted;
};

struct config_node {
    struct config_node *next;
    struct config_node *children; /* of a block, in order */
    struct config_word *words;    /* the first is its name; never NULL */
    uint32_t word_count;
    uint32_t order;               /* index of its source, for problems */
    bool is_block;
    struct source_pos end;        /* of its ";" or "{", or of what stood there instead */
};

/*
 * Read `sources`, from the first on, into *ret (NULL when it is empty). ERR_LIMIT when `memory` is full; else ERR_OK,
 * also when there were problems. `sources` must outlive the tree.
 */
NODISCARD enum err config_tree_parse(const struct config_sources *sources, struct arena *memory,
                                     struct config_problems *problems, struct config_node **ret);

/*
 * Find the includes of one text without following them: `found` gets each that names one path, in order; its words
 * borrow from `text` and `memory`, its `next` is the callee's to use. Mistakes are passed over. ERR_LIMIT when
 * `memory` is full.
 */
NODISCARD enum err config_tree_includes(struct span text, struct arena *memory,
                                        void (*found)(void *ctx, struct config_node *include), void *ctx);

/* Whether a path to include is a pattern, which may match no file. */
bool config_is_pattern(struct span path);

#endif
