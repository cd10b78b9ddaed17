/* suggest.h - "did you mean": the word of a list that a misspelt one is nearest to. */
#ifndef GODWIT_CONFIG_SUGGEST_H
#define GODWIT_CONFIG_SUGGEST_H

#include "base/span.h"

struct config_suggestion {
    struct span wanted;   /* what was written */
    struct span best;     /* the nearest candidate so far, empty when none is near */
    unsigned distance;    /* of `best` */
};

/* Begin a search for what `wanted` may have meant. */
struct config_suggestion config_suggest(struct span wanted);

/* Offer a candidate; "a|b" offers each. Letters of any case and "_" for "-" count as equal. */
void config_suggest_offer(struct config_suggestion *s, struct span candidates);

/*
 * The least number of insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`; at most
 * `cap`.
 */
unsigned config_edit_distance(struct span a, struct span b, unsigned cap);

#endif
