/*
 * document.c - the reference part of docs/configuration.md, from the schema.
 *
 * One section a block with a table of its keys; columns that no key of a block needs are left out.
 */
#include "config/schema.h"

/* Append text for a table's cell: "|" would end the cell. */
static void
cell_append(struct buf *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            (void)buf_append_octet(to, '\\');
        (void)buf_append_octet(to, (uint8_t)*text);
    }
}

/* Append "`a`, `b`" for "a|b". */
static void
words_append(struct buf *to, const char *words)
{
    struct span rest = span_from_cstr(words), first;
    while (span_cut(rest, '|', &first, &rest))
        (void)buf_printf(to, "`" SPAN_FMT "`, ", SPAN_ARG(first));
    (void)buf_printf(to, "`" SPAN_FMT "`", SPAN_ARG(rest));
}

static void
value_append(struct buf *to, const struct schema_key *key)
{
    if (key->choices != NULL)
        words_append(to, key->choices);
    else
        cell_append(to, key->type->short_name == NULL ? key->type->name : key->type->short_name);
    if (key->word != NULL)
        (void)buf_printf(to, ", or `%s`", key->word);
}

static void
default_append(struct buf *to, const struct schema_key *key)
{
    if (key->default_text == NULL)
        (void)buf_append_cstr(to, "must be set");
    else if (*key->default_text == '\0')
        (void)buf_append_cstr(to, "not set");
    else
        (void)buf_printf(to, "`%s`", key->default_text);
}

/* What the table of a block has to show. */
struct columns {
    bool has_bounds;
    bool has_effects;
};

static struct columns
columns_of(const struct schema_block *block)
{
    struct columns columns = {0};
    for (size_t i = 0; i < block->key_count; i++)
        if (block->keys[i].child == NULL) {
            columns.has_bounds = columns.has_bounds || block->keys[i].floor != NULL;
            columns.has_effects = columns.has_effects || *block->keys[i].effect != '\0';
        }
    return columns;
}

static void
row_append(struct buf *to, const struct schema_key *key, struct columns columns)
{
    (void)buf_append_cstr(to, "| ");
    words_append(to, key->name);
    (void)buf_append_cstr(to, " | ");
    value_append(to, key);
    (void)buf_append_cstr(to, " | ");
    default_append(to, key);
    if (columns.has_bounds)
        (void)buf_printf(to, " | %s | %s", key->floor == NULL ? "" : key->floor,
                         key->ceiling == NULL ? "" : key->ceiling);
    if (columns.has_effects) {
        (void)buf_append_cstr(to, " | ");
        cell_append(to, key->effect);
    }
    (void)buf_append_cstr(to, " | ");
    cell_append(to, key->sentence);
    (void)buf_append_cstr(to, " |\n");
}

static void
table_append(struct buf *to, const struct schema_block *block)
{
    struct columns columns = columns_of(block);
    (void)buf_printf(to, "| key | value | default |%s%s meaning |\n|---|---|---|%s%s---|\n",
                     columns.has_bounds ? " floor | ceiling |" : "",
                     columns.has_effects ? " otherwise, or past it |" : "",
                     columns.has_bounds ? "---|---|" : "", columns.has_effects ? "---|" : "");
    for (size_t i = 0; i < block->key_count; i++)
        if (block->keys[i].child == NULL)
            row_append(to, &block->keys[i], columns);
}

static void
section_append(struct buf *to, const struct schema_block *block, bool may_repeat)
{
    if (*block->name == '\0')
        (void)buf_append_cstr(to, "\n## Outside of blocks\n\n");
    else if (block->title->type != NULL)
        (void)buf_printf(to, "\n## %s %s { ... }\n\n", block->name, block->title->name);
    else
        (void)buf_printf(to, "\n## %s { ... }\n\n", block->name);
    if (*block->name != '\0')
        (void)buf_printf(to, "%s%s\n\n", block->sentence, may_repeat ? " May stand any number of times." : "");
    table_append(to, block);
    for (size_t i = 0; i < block->key_count; i++)
        if (block->keys[i].child != NULL)
            section_append(to, block->keys[i].child, block->keys[i].is_list);
}

enum err
config_document(struct buf *to)
{
    section_append(to, config_schema(), false);
    return buf_check(to);
}
