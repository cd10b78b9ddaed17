/*
 * value.h - the types of values: reading words into them and writing them back.
 *
 * A value that is not what its key wants becomes one problem that says what is expected. Sizes and durations carry
 * units; a bare number is refused, because nobody remembers whether it was seconds or minutes. What a format function
 * writes reads back to the same value.
 */
#ifndef GODWIT_CONFIG_VALUE_H
#define GODWIT_CONFIG_VALUE_H

#include "config/schema.h"

/* Reading the words of one directive, or of a default. */
struct value_reader {
    struct arena *memory;
    struct config_problems *problems;
    const struct config *config;    /* as far as it is filled: directories that defaults begin with */
    const struct schema_key *key;
    struct span name;               /* as written: one of the key's names */
    uint32_t order;                 /* of the source, for problems */
    struct source_pos pos;          /* of the directive; SOURCE_POS_DEFAULT for a default */
    const struct config_word *next; /* the words still to take, NULL at the end */
    bool is_out_of_memory;
};

#define VALUE_TYPE(id) extern const struct value_type value_type_##id;
VALUE_TYPE(SIZE)
VALUE_TYPE(DURATION)
VALUE_TYPE(COUNT)
VALUE_TYPE(BOOL)
VALUE_TYPE(CHOICE)
VALUE_TYPE(TEXT)
VALUE_TYPE(NAME)
VALUE_TYPE(USER)
VALUE_TYPE(DOMAIN)
VALUE_TYPE(EMAIL)
VALUE_TYPE(PATH)
VALUE_TYPE(SEPARATOR)
VALUE_TYPE(NAMES)
VALUE_TYPE(DURATIONS)
VALUE_TYPE(ENDPOINTS)
VALUE_TYPE(ENDPOINTS_53)
VALUE_TYPE(STUBS)
VALUE_TYPE(RECIPIENTS)
VALUE_TYPE(DELIVER)
VALUE_TYPE(RULES)
#undef VALUE_TYPE

/* Read "50 MiB" or "50MiB" into bytes, "5 min" into milliseconds. False, *ret untouched, for anything else. */
bool value_size_parse(struct span text, uint64_t *ret_bytes);
bool value_duration_parse(struct span text, uint64_t *ret_ms);

/* Append a size or duration in the largest unit that divides it, "50 MiB". ERR_LIMIT. */
enum err value_size_format(uint64_t bytes, struct buf *to);
enum err value_duration_format(uint64_t ms, struct buf *to);

/* Append a word, in quotes if it needs them to be read back as one. ERR_LIMIT. */
enum err value_word_format(struct span word, struct buf *to);

/* --- for the files that implement types --------------------------------------------------------------------------- */

/* Add a problem with the value at `pos`, printf-like. */
#define VALUE_PROBLEM(r, pos, ...) config_problem_add((r)->problems, (r)->order, (pos), __VA_ARGS__)

/* Take the next word, or add a problem that says what is wanted and return NULL. */
const struct config_word *value_word_take(struct value_reader *r);

/* Add "'key' wants WANTED, not 'word'". */
void value_problem_unwanted(struct value_reader *r, const struct config_word *word, const char *wanted);

/*
 * The path a word means, absolute if the file's name is: relative ones are below the file's directory. False without
 * memory.
 */
bool value_path_resolve(struct value_reader *r, struct span path, struct span *ret);

/* Take "192.0.2.1:25", "[::1]:25" or "unix:/path"; with `default_port` not 0 the port may be left out. */
bool value_endpoint_take(struct value_reader *r, uint16_t default_port, struct config_endpoint *ret);

#endif
