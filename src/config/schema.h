/*
 * schema.h - schema.def as tables that a program can walk: the reader, the printer and the documentation do.
 */
#ifndef GODWIT_CONFIG_SCHEMA_H
#define GODWIT_CONFIG_SCHEMA_H

#include "config/config.h"
#include "config/tree.h"

struct value_reader;
struct schema_block;
struct schema_key;

/* How many directives and words fill a field. */
enum value_arity {
    VALUE_ONE,         /* one directive, one value */
    VALUE_LIST,        /* one directive, several values: a list */
    VALUE_REPEATED,    /* any number of directives, each with several values: a list */
    VALUE_EACH,        /* any number of directives, each with one value: a list */
    VALUE_ACCUMULATED, /* any number of directives that together fill one struct */
};

/* A type of the schema: how it is read and written. */
struct value_type {
    const char *name;       /* for messages: "a size such as 50 MiB" */
    const char *short_name; /* for documentation: "size"; NULL: `name` serves */
    enum value_arity arity;
    size_t item_size;  /* of the field, or of one element of its list */
    /* Take one value from the words at hand. False after adding a problem. */
    bool (*take)(struct value_reader *r, void *ret_item);
    /*
     * Append the value as it is written, without the key's name (with it when the key has several) and ";". ERR_LIMIT.
     */
    enum err (*format)(const void *item, const struct schema_key *key, struct buf *to);
    size_t pos_offset; /* of the struct source_pos in an item */
    /* Whether there is a value at all. NULL: always. */
    bool (*is_set)(const void *item);
};

/* A line of a block: a key, or a block that stands in it. */
struct schema_key {
    const char *name;         /* "first|second" are keys that fill one list */
    const struct value_type *type; /* NULL: a block */
    size_t offset;            /* of the field in the block's struct */
    const char *default_text; /* as a user would write it; "" not set; NULL: required */
    const char *floor;        /* as a user would write it; NULL: none */
    const char *ceiling;
    const char *word;         /* stands for zero or not set; NULL: none */
    const char *choices;      /* "first|second"; NULL: none */
    const char *effect;
    const char *sentence;
    const struct schema_block *child; /* of a block */
    bool is_list;                     /* a block that may stand many times */
};

struct schema_block {
    const char *name;         /* "" for the file itself */
    const char *sentence;
    const struct schema_key *title; /* its title as a key, type NULL when it has none */
    const struct schema_key *keys;
    size_t key_count;
    size_t size;              /* of its struct, which begins with a struct source_pos */
};

/* Every list in the structs of config.h begins like this. */
struct config_any_list {
    const void *items;
    size_t count;
};

/* The block of the file itself; all others hang on it. */
const struct schema_block *config_schema(void);

/* Whether `name` is one of the names of the key. */
bool schema_key_is(const struct schema_key *key, struct span name);

/* The key or block of that name in `block`, NULL when there is none. */
const struct schema_key *schema_key_find(const struct schema_block *block, struct span name);

#endif
