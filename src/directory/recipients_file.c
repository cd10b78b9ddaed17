/* recipients_file.c - first words of lines, made addresses, kept by key. */
#include "directory/recipients_file.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/map.h"
#include "directory/accounts.h"
#include "text/ascii.h"

struct recipients_set {
    struct arena mem;
    struct map keys;
    bool has_everybody;
};

/* The first word of a line; a quoted local part may hold blanks. */
static struct span
first_word(struct span line)
{
    bool is_quoted = false;
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] == '\\' && is_quoted)
            i++;
        else if (line.data[i] == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && ascii_is(line.data[i], ASCII_BLANK))
            return span_first(line, i);
    }
    return line;
}

static bool
word_has_domain(struct span word)
{
    size_t at = span_find_last(word, '@');
    return at < word.len && word.data[word.len - 1] != '"';
}

/* NULL, or why the word is no recipient. */
static const char *
word_take(struct recipients_set *set, struct span word, const struct recipients_file_spec *spec)
{
    uint8_t text[2 * MAILBOX_TEXT_MAX];
    struct buf written;
    buf_init_fixed(&written, text, sizeof(text));
    buf_append(&written, word);
    if (!word_has_domain(word)) {
        buf_append_octet(&written, '@');
        buf_append(&written, spec->domain);
    }
    if (buf_check(&written) != ERR_OK)
        return "longer than an address can be";
    struct span address = buf_span(&written);
    if (address.data[0] == '@') {
        set->has_everybody |= span_equal_nocase(span_skip(address, 1), spec->domain);
        return NULL;
    }
    struct mailbox mailbox;
    if (mailbox_parse(address, true, &mailbox) != ADDR_OK)
        return "not an address or local part";
    if (!span_equal_nocase(domain_span(&mailbox.domain), spec->domain))
        return NULL;
    struct address_key key;
    struct span kept;
    if (!address_key_make(mailbox_local(&mailbox), spec->domain, spec->is_case_sensitive, &key))
        return "not an address or local part";
    if (!arena_copy(&set->mem, address_key_span(&key), &kept) || map_put(&set->keys, kept, set, NULL) != ERR_OK)
        return "out of memory";
    return NULL;
}

static enum err
lines_take(struct recipients_set *set, struct span text, const struct recipients_file_spec *spec)
{
    if (text.len > RECIPIENTS_FILE_BYTES_MAX)
        return ERR_LIMIT;
    for (uint32_t number = 1; !span_is_empty(text); number++) {
        struct span line = text, rest = SPAN_EMPTY;
        span_cut(text, '\n', &line, &rest);
        text = rest;
        if (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        struct span word = first_word(span_trim(line));
        if (span_is_empty(word) || word.data[0] == '#')
            continue;
        const char *what = word_take(set, word, spec);
        if (what != NULL)
            spec->problem(spec->ctx, number, what);
    }
    return ERR_OK;
}

enum err
recipients_file_parse(struct span text, const uint64_t seed[2], const struct recipients_file_spec *spec,
                      struct recipients_set **ret)
{
    struct recipients_set *set = calloc(1, sizeof(*set));
    if (set == NULL)
        return ERR_LIMIT;
    arena_init(&set->mem, (size_t)RECIPIENTS_FILE_BYTES_MAX * 4);
    map_init(&set->keys, RECIPIENTS_MAX, seed);
    enum err e = lines_take(set, text, spec);
    if (e != ERR_OK) {
        recipients_set_free(set);
        return e;
    }
    *ret = set;
    return ERR_OK;
}

void
recipients_set_free(struct recipients_set *set)
{
    if (set == NULL)
        return;
    map_done(&set->keys);
    arena_clear(&set->mem);
    free(set);
}

bool
recipients_set_has(const struct recipients_set *set, struct span key)
{
    return set->has_everybody || map_get(&set->keys, key) != NULL;
}

size_t
recipients_set_count(const struct recipients_set *set)
{
    return set->keys.count;
}
