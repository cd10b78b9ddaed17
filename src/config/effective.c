/*
 * effective.c - the whole configuration written out, in the syntax it is read in, each value with where it came from.
 */
#include "config/schema.h"

#include "text/escape.h"

enum { INDENT = 4, COMMENT_COLUMN = 56 };

static void
indent_append(struct buf *to, unsigned depth)
{
    for (unsigned i = 0; i < depth * INDENT; i++)
        (void)buf_append_octet(to, ' ');
}

/* End a line that began at `line_start` with where its value comes from. */
static void
origin_append(struct buf *to, size_t line_start, struct source_pos pos)
{
    do
        (void)buf_append_octet(to, ' ');
    while (!to->failed && to->len - line_start < COMMENT_COLUMN);
    (void)buf_append(to, SPAN("# "));
    if (pos.line == 0) {
        (void)buf_append(to, SPAN("default"));
    } else {
        (void)escape_append_reply(pos.file, to);
        (void)buf_printf(to, ":%u", pos.line);
    }
    (void)buf_append_octet(to, '\n');
}

static struct source_pos
item_pos(const struct value_type *type, const void *item)
{
    struct source_pos pos;
    memcpy(&pos, (const uint8_t *)item + type->pos_offset, sizeof(pos));
    return pos;
}

static bool
has_one_name(const struct schema_key *key)
{
    return strchr(key->name, '|') == NULL;
}

/* One directive with `count` items. */
static void
directive_append(struct buf *to, unsigned depth, const struct schema_key *key, const uint8_t *items, size_t count)
{
    size_t line_start = to->len;
    indent_append(to, depth);
    if (has_one_name(key)) {
        (void)buf_append_cstr(to, key->name);
        (void)buf_append_octet(to, ' ');
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            (void)buf_append_octet(to, ' ');
        if (key->type->format(items + i * key->type->item_size, key, to) != ERR_OK)
            to->failed = true;
    }
    (void)buf_append_octet(to, ';');
    origin_append(to, line_start, item_pos(key->type, items));
}

/* A key that has no value: a comment, so that the text reads back to the same. */
static void
unset_append(struct buf *to, unsigned depth, const struct schema_key *key)
{
    size_t line_start = to->len;
    if (key->word != NULL) { /* "not set" can be written */
        indent_append(to, depth);
        (void)buf_printf(to, "%s %s;", key->name, key->word);
    } else {
        indent_append(to, depth);
        (void)buf_printf(to, "# %s", key->name);
    }
    do
        (void)buf_append_octet(to, ' ');
    while (!to->failed && to->len - line_start < COMMENT_COLUMN);
    (void)buf_append(to, SPAN("# not set\n"));
}

static void
key_append(struct buf *to, unsigned depth, const struct schema_key *key, const void *field)
{
    const struct value_type *type = key->type;
    struct config_any_list list = {field, 1};
    if (type->arity != VALUE_ONE && type->arity != VALUE_ACCUMULATED)
        memcpy(&list, field, sizeof(list));
    const uint8_t *items = list.items;
    if (list.count == 0 || (type->is_set != NULL && !type->is_set(items)))
        unset_append(to, depth, key);
    else if (type->arity == VALUE_LIST)
        directive_append(to, depth, key, items, list.count);
    else
        for (size_t i = 0; i < list.count; i++)
            directive_append(to, depth, key, items + i * type->item_size, 1);
}

static void keys_append(struct buf *to, unsigned depth, const struct schema_block *block, const void *values);

static void
block_append(struct buf *to, unsigned depth, const struct schema_block *block, const void *values)
{
    size_t line_start = to->len;
    struct source_pos pos;
    memcpy(&pos, values, sizeof(pos));
    (void)buf_append_octet(to, '\n');
    line_start++;
    indent_append(to, depth);
    (void)buf_append_cstr(to, block->name);
    if (block->title->type != NULL) {
        (void)buf_append_octet(to, ' ');
        if (block->title->type->format((const uint8_t *)values + block->title->offset, block->title, to) != ERR_OK)
            to->failed = true;
    }
    (void)buf_append_cstr(to, " {");
    origin_append(to, line_start, pos);
    keys_append(to, depth + 1, block, values);
    indent_append(to, depth);
    (void)buf_append_cstr(to, "}\n");
}

static void
keys_append(struct buf *to, unsigned depth, const struct schema_block *block, const void *values)
{
    for (size_t i = 0; i < block->key_count; i++) {
        const struct schema_key *key = &block->keys[i];
        const uint8_t *field = (const uint8_t *)values + key->offset;
        if (key->child == NULL) {
            key_append(to, depth, key, field);
            continue;
        }
        struct config_any_list list = {field, 1};
        if (key->is_list)
            memcpy(&list, field, sizeof(list));
        for (size_t j = 0; j < list.count; j++)
            block_append(to, depth, key->child, (const uint8_t *)list.items + j * key->child->size);
    }
}

enum err
config_effective_print(const struct config *config, struct buf *to)
{
    keys_append(to, 0, config_schema(), config);
    return buf_check(to);
}
