/*
 * build.h - between the files that make a struct config of a tree: filling it by the schema, then what one value
 * demands of another.
 */
#ifndef GODWIT_CONFIG_BUILD_H
#define GODWIT_CONFIG_BUILD_H

#include "config/schema.h"

struct config_builder {
    const struct config_sources *sources; /* copies in `memory` */
    struct arena *memory;
    struct config_problems *problems;
    struct config *config;
    bool is_out_of_memory;
};

/* Fill b->config from the tree: defaults, values, everything the schema alone can judge. */
void config_fill(struct config_builder *b, const struct config_node *tree);

/*
 * Add the listener and the domain that go without saying, order the domains by name, and judge values by one another.
 * After config_fill(), also when that found problems.
 */
void config_complete(struct config_builder *b);

#endif
