/*
 * aliases_table.h - the classic aliases file and the files it includes, in memory, found by name.
 *
 * Made anew at each reload: read the file, then each file named by :include:, then finish; from then on it does not
 * change. A table that could not be made leaves the one before in use. An entry whose targets, or an include of it,
 * could not be read is there but `is_unavailable`: its mail waits, it is never refused as unknown.
 */
#ifndef GODWIT_DIRECTORY_ALIASES_TABLE_H
#define GODWIT_DIRECTORY_ALIASES_TABLE_H

#include "base/map.h"
#include "store/aliases/aliases_file.h"

enum {
    ALIASES_ENTRIES_MAX = 1000 * 1000,
    ALIASES_INCLUDES_MAX = 1000,
    ALIASES_MEMORY_MAX = 128 * 1024 * 1024,
};

struct aliases_entry {
    struct span name;                   /* lower case */
    uint32_t line;
    const struct alias_target *targets; /* no ALIAS_INCLUDE among them once finished, unless unavailable */
    size_t target_count;
    bool is_unavailable;
};

struct aliases_include {
    struct span path;
    const struct alias_target *targets;
    size_t target_count;
    bool is_read;
};

/* Receives what cannot be used: `file` is empty for the aliases file itself. */
struct aliases_problems {
    void (*report)(void *ctx, struct span file, uint32_t line, const char *what);
    void *ctx;
};

struct aliases_table;

/* An empty table. NULL without memory. `problems` is borrowed until the table is finished. */
struct aliases_table *aliases_table_new(const uint64_t seed[2], const struct aliases_problems *problems);

/* NULL is accepted. */
void aliases_table_free(struct aliases_table *t);

/* Take the text of the aliases file. ERR_LIMIT: too large, too many entries, or memory. */
NODISCARD enum err aliases_table_read(struct aliases_table *t, struct span text);

/* The path of include number `index` from 0; empty past the last. */
struct span aliases_table_include_path(const struct aliases_table *t, size_t index);

/* Take the text of include `index`. ERR_LIMIT as above. One that is never taken makes its entries unavailable. */
NODISCARD enum err aliases_table_include(struct aliases_table *t, size_t index, struct span text);

/* Put the includes in their places. ERR_LIMIT: memory. */
NODISCARD enum err aliases_table_finish(struct aliases_table *t);

/* The entry of a name in lower case, NULL when there is none. */
const struct aliases_entry *aliases_table_find(const struct aliases_table *t, struct span name);

size_t aliases_table_count(const struct aliases_table *t);

#endif
