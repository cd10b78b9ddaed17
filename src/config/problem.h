/*
 * problem.h - what is wrong with a configuration, or odd about it, each with its place.
 *
 * All problems of a run are collected, so that an operator repairs a file once and not ten times; past
 * CONFIG_PROBLEMS_MAX they are only counted. Texts are sentences for people: "unknown key 'mesage-size'; did you mean
 * 'message-size'?". What they quote of the file is escaped. Owns its memory; outlives the configuration.
 */
#ifndef GODWIT_CONFIG_PROBLEM_H
#define GODWIT_CONFIG_PROBLEM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/source_pos.h"

enum { CONFIG_PROBLEMS_MAX = 100, CONFIG_PROBLEM_TEXT_MAX = 600 /* octets of one text */ };

struct config_problem {
    struct source_pos pos; /* line 0: of the file as a whole, or of no file when that is empty */
    uint32_t order;        /* index of its source, for sorting */
    struct span text;      /* without place and line end */
};

struct config_problems {
    struct arena memory;
    struct config_problem items[CONFIG_PROBLEMS_MAX];
    size_t count;
    size_t dropped; /* were found beyond the first CONFIG_PROBLEMS_MAX, or for want of memory */
};

/* An empty collection. Release with config_problems_done(). */
void config_problems_init(struct config_problems *p);
void config_problems_done(struct config_problems *p);

/* A word of the file made fit for a message: printable, at most 80 octets, NUL-terminated. Print `text` with %s. */
struct config_quoted {
    char text[84];
};

struct config_quoted config_quote(struct span s);

/* Add one, printf-like; what does not fit into CONFIG_PROBLEM_TEXT_MAX is cut off. Never fails: see `dropped`. */
FORMAT(4, 5) void config_problem_add(struct config_problems *p, uint32_t order, struct source_pos pos,
                                     const char *format, ...);

/* Sort by file in the order of reading, line and column; those found first at one place stay first. */
void config_problems_sort(struct config_problems *p);

/*
 * Append one line each, `file:line:column: text`, and a last one when some were dropped. ERR_LIMIT when `to` is full.
 */
NODISCARD enum err config_problems_print(const struct config_problems *p, struct buf *to);

#endif
