/* suggest.c - edit distance (optimal string alignment) over three rows. */
#include "config/suggest.h"

enum { WORD_MAX = 48, DISTANCE_MAX = 3 };

static uint8_t
folded(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint8_t)(c + ('a' - 'A'));
    return c == '_' ? '-' : c;
}

static unsigned
least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned
config_edit_distance(struct span a, struct span b, unsigned cap)
{
    unsigned rows[3][WORD_MAX + 1];
    if (a.len > WORD_MAX || b.len > WORD_MAX)
        return cap;
    for (unsigned j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above_that = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            uint8_t x = folded(a.data[i - 1]), y = folded(b.data[j - 1]);
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == folded(b.data[j - 2]) && y == folded(a.data[i - 2]))
                row[j] = least(row[j], above_that[j - 2] + 1);
        }
    }
    return least(rows[a.len % 3][b.len], cap);
}

struct config_suggestion
config_suggest(struct span wanted)
{
    /* A third of the word may be wrong: "hst" is still host, "ab" is not "xy". */
    unsigned allowed = wanted.len < 3 ? 1 : least(1 + (unsigned)wanted.len / 4, DISTANCE_MAX);
    return (struct config_suggestion){.wanted = wanted, .distance = allowed + 1};
}

void
config_suggest_offer(struct config_suggestion *s, struct span candidates)
{
    struct span candidate = candidates, rest = SPAN_EMPTY;
    bool has_more = span_cut(candidates, '|', &candidate, &rest);
    for (;;) {
        unsigned distance = config_edit_distance(s->wanted, candidate, s->distance);
        if (distance < s->distance && distance < candidate.len) {
            s->distance = distance;
            s->best = candidate;
        }
        if (!has_more)
            return;
        candidate = rest;
        has_more = span_cut(rest, '|', &candidate, &rest);
    }
}
