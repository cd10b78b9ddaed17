/*
 * source.h - the texts a configuration is made of: the main file and what it includes, flattened into one list.
 *
 * Source 0 is the main file; every other one names the `include` that brought it in, by the index, line and column of
 * that directive, and the sources of one directive stand in the order in which it reads them. So the reader needs no
 * file system, and the list travels from the parent to the roles as bytes (config_sources_pack()).
 */
#ifndef GODWIT_CONFIG_SOURCE_H
#define GODWIT_CONFIG_SOURCE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/span.h"

enum {
    CONFIG_SOURCES_MAX = 1000,                /* files of one configuration */
    CONFIG_SOURCE_BYTES_MAX = 4 * 1024 * 1024, /* of one file */
    CONFIG_SOURCES_BYTES_MAX = 16 * 1024 * 1024, /* of all */
    CONFIG_INCLUDE_DEPTH_MAX = 10,            /* files that include one another */
};

struct config_source {
    struct span name;         /* as messages print it: the path; relative values are resolved against its directory */
    struct span text;         /* empty when there is a fault */
    struct span fault;        /* why the text could not be had ("no such file"), empty when it could */
    uint32_t includer;        /* index of the source with the include; lower than its own; 0 for source 0 itself */
    uint32_t include_line;    /* place of the word `include` there; 0 for source 0 */
    uint32_t include_column;
};

struct config_sources {
    struct arena memory;         /* owns names, texts, faults and `items` */
    struct config_source *items;
    size_t count;
    size_t room;                 /* of `items` */
};

/* An empty list. Release with config_sources_done(). */
void config_sources_init(struct config_sources *s);
void config_sources_done(struct config_sources *s);

/* Append a copy of `source`. ERR_LIMIT past a cap above; the list is unchanged then. */
NODISCARD enum err config_sources_add(struct config_sources *s, const struct config_source *source);

/* A list of one source without includes, for tests and programs that make their configuration. */
NODISCARD enum err config_sources_from_text(struct config_sources *s, struct span name, struct span text);

/* Append the list as bytes. ERR_LIMIT when `to` is full. */
NODISCARD enum err config_sources_pack(const struct config_sources *s, struct buf *to);

/* Read packed bytes whole into the empty list `s`. ERR_DAMAGED or ERR_LIMIT; `s` is empty then. */
NODISCARD enum err config_sources_unpack(struct span bytes, struct config_sources *s);

#endif
