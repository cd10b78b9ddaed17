/*
 * lexer.h - the words and signs of a configuration text.
 *
 * Words are separated by blanks and line ends; `{` `}` `;` stand for themselves; `#` where a word could begin starts
 * a comment up to the line's end. A word in "..." or '...' may hold all of these; in it \" \' and \\ are escapes. A
 * quoted word ends on the line it began on. Whatever is wrong is added to the problems and skipped, so reading goes
 * on.
 */
#ifndef GODWIT_CONFIG_LEXER_H
#define GODWIT_CONFIG_LEXER_H

#include "base/arena.h"
#include "base/source_pos.h"
#include "config/problem.h"

enum config_token_kind {
    CONFIG_TOKEN_WORD,
    CONFIG_TOKEN_OPEN,
    CONFIG_TOKEN_CLOSE,
    CONFIG_TOKEN_SEMICOLON,
    CONFIG_TOKEN_END,
};

struct config_token {
    enum config_token_kind kind;
    bool is_quoted;        /* a word in quotes */
    struct span text;      /* of a word, escapes resolved; borrowed from the source's text or in `memory` */
    struct source_pos pos; /* of its first octet */
};

struct config_lexer {
    struct config_problems *problems;
    struct arena *memory;
    uint32_t order;        /* index of the source, for problems */
    struct span text;
    size_t at;
    struct source_pos pos; /* of text.data[at] */
    bool is_out_of_memory; /* the tree cannot be trusted */
};

/*
 * Begin to read `text` of the file called `file`; both borrowed by the tokens. Looks through all of it for octets
 * that are not allowed: NUL, other control octets, what is not UTF-8; one problem a line.
 */
void config_lexer_init(struct config_lexer *l, struct config_problems *problems, struct arena *memory, uint32_t order,
                       struct span file, struct span text);

/* Take the next token; CONFIG_TOKEN_END at the end, again and again. */
struct config_token config_lexer_next(struct config_lexer *l);

#endif
