/*
 * fill.c - tree to struct, led by the schema.
 *
 * For each key of a block: the directives of that name are read into its field, or its default is. What the tree
 * holds beyond the schema is unknown. The struct's fields are written through their offsets; the types in value.h
 * know what is there. Every directive is looked at, whatever was wrong with those before.
 */
#include "config/build.h"
#include "config/suggest.h"
#include "config/value.h"

static void block_fill(struct config_builder *b, const struct schema_block *block, const struct config_node *self,
                       const struct config_node *children, void *ret_block);

#define NODE_PROBLEM(b, node, ...) \
    config_problem_add((b)->problems, (node)->order, (node)->words->pos, __VA_ARGS__)

static void *
allocate(struct config_builder *b, size_t count, size_t size)
{
    size_t bytes;
    void *memory = __builtin_mul_overflow(count, size, &bytes) ? NULL : arena_alloc(b->memory, bytes);
    if (memory == NULL)
        b->is_out_of_memory = true;
    return memory;
}

static struct span
node_name(const struct config_node *node)
{
    return node->words->text;
}

/* --- the values of a key ------------------------------------------------------------------------------------------ */

/* A field that is being filled. */
struct filling {
    struct config_builder *b;
    const struct schema_key *key;
    void *field;
    uint8_t *items; /* of a list; room for every word there is */
    size_t count;
};

static bool
is_list_type(const struct value_type *type)
{
    return type->arity == VALUE_LIST || type->arity == VALUE_REPEATED || type->arity == VALUE_EACH;
}

/* One value more than the key takes; often the directive before lacks its ";". */
static void
problem_extra_word(struct value_reader *r)
{
    struct config_quoted extra = config_quote(r->next->text), key = config_quote(r->name);
    if (r->next->pos.line > r->pos.line)
        VALUE_PROBLEM(r, r->next->pos, "is a ';' missing before this line? '%s' of line %u takes no '%s'", key.text,
                      r->pos.line, extra.text);
    else
        VALUE_PROBLEM(r, r->next->pos, "'%s' takes no further '%s'", key.text, extra.text);
}

/* Take the items of one directive of a list. */
static void
items_take(struct filling *f, struct value_reader *r)
{
    const struct value_type *type = f->key->type;
    do {
        if (!type->take(r, f->items + f->count * type->item_size))
            return;
        f->count++;
    } while (r->next != NULL && type->arity != VALUE_EACH);
    if (r->next != NULL)
        problem_extra_word(r);
}

static void
values_take(struct filling *f, struct value_reader *r)
{
    bool is_word_for_none = f->key->word != NULL && r->next != NULL && r->next->next == NULL &&
                            span_equal(r->next->text, span_from_cstr(f->key->word));
    if (is_list_type(f->key->type)) {
        if (!is_word_for_none)
            items_take(f, r);
    } else if (f->key->type->take(r, f->field) && r->next != NULL) {
        problem_extra_word(r);
    }
    f->b->is_out_of_memory |= r->is_out_of_memory;
}

static struct value_reader
reader_of(const struct filling *f, const struct config_node *node)
{
    return (struct value_reader){
        .memory = f->b->memory, .problems = f->b->problems, .config = f->b->config, .key = f->key,
        .name = node == NULL ? span_from_cstr(f->key->name) : node_name(node),
        .order = node == NULL ? 0 : node->order,
        .pos = node == NULL ? SOURCE_POS_DEFAULT : node->words->pos,
        .next = node == NULL ? NULL : node->words->next,
    };
}

/* The words of a default, split at blanks. */
static const struct config_word *
default_words(struct config_builder *b, const char *text)
{
    struct config_word *first = NULL, **last = &first;
    struct span rest = span_from_cstr(text);
    while (!span_is_empty(rest)) {
        struct span word = rest, after = SPAN_EMPTY;
        (void)span_cut(rest, ' ', &word, &after);
        rest = after;
        struct config_word *made = allocate(b, 1, sizeof(*made));
        if (made == NULL)
            return NULL;
        made->text = word;
        *last = made;
        last = &made->next;
    }
    return first;
}

static void
default_fill(struct filling *f, const struct config_node *self)
{
    const struct schema_key *key = f->key;
    if (key->default_text == NULL) {
        struct source_pos file = {.file = f->b->sources->items[0].name};
        config_problem_add(f->b->problems, self == NULL ? 0 : self->order, self == NULL ? file : self->words->pos,
                           "'%s' is missing; it wants %s", key->name, key->type->name);
        return;
    }
    struct value_reader r = reader_of(f, NULL);
    r.next = default_words(f->b, key->default_text);
    if (r.next != NULL)
        values_take(f, &r);
}

/* How many items a list may get: one a word is enough for every type. */
static size_t
list_room(const struct schema_key *key, const struct config_node *children)
{
    size_t room = key->default_text == NULL ? 0 : strlen(key->default_text);
    for (const struct config_node *node = children; node != NULL; node = node->next)
        if (schema_key_is(key, node_name(node)))
            room += node->word_count;
    return room;
}

static void
problem_repeated(struct config_builder *b, const struct config_node *again, const struct config_node *first)
{
    struct config_quoted name = config_quote(node_name(again)), file = config_quote(first->words->pos.file);
    NODE_PROBLEM(b, again, "'%s' stands here again; the first is at %s:%u:%u", name.text, file.text,
                 first->words->pos.line, first->words->pos.column);
}

static void
key_fill(struct config_builder *b, const struct schema_key *key, const struct config_node *self,
         const struct config_node *children, void *ret_block)
{
    struct filling f = {.b = b, .key = key, .field = (uint8_t *)ret_block + key->offset};
    if (is_list_type(key->type)) {
        f.items = allocate(b, list_room(key, children) + 1, key->type->item_size);
        if (f.items == NULL)
            return;
    }
    const struct config_node *first = NULL;
    for (const struct config_node *node = children; node != NULL; node = node->next) {
        if (!schema_key_is(key, node_name(node)))
            continue;
        bool is_again = first != NULL && (key->type->arity == VALUE_ONE || key->type->arity == VALUE_LIST);
        if (node->is_block) {
            NODE_PROBLEM(b, node, "'%s' is no block; write '%s VALUE;'", config_quote(node_name(node)).text,
                         config_quote(node_name(node)).text);
        } else if (is_again) {
            problem_repeated(b, node, first);
        } else {
            struct value_reader r = reader_of(&f, node);
            values_take(&f, &r);
        }
        first = first == NULL ? node : first;
    }
    if (first == NULL)
        default_fill(&f, self);
    if (is_list_type(key->type)) {
        struct config_any_list list = {f.items, f.count};
        memcpy(f.field, &list, sizeof(list));
    }
}

/* --- blocks in a block -------------------------------------------------------------------------------------------- */

/* Whether `node` has the form of the block it is called: `name { }` or `name title { }`. */
static bool
is_well_formed(struct config_builder *b, const struct schema_key *key, const struct config_node *node)
{
    const char *title = key->child->title->type == NULL ? "" : key->child->title->name;
    uint32_t words = *title == '\0' ? 1 : 2;
    if (node->is_block && node->word_count == words)
        return true;
    NODE_PROBLEM(b, node, "'%s' is a block: write '%s%s%s { ... }'", key->name, key->name, *title == '\0' ? "" : " ",
                 title);
    return false;
}

static void
nested_fill(struct config_builder *b, const struct schema_key *key, const struct config_node *children, void *ret_block)
{
    const struct config_node *self = NULL;
    for (const struct config_node *node = children; node != NULL; node = node->next) {
        if (!schema_key_is(key, node_name(node)) || !is_well_formed(b, key, node))
            continue;
        if (self != NULL)
            problem_repeated(b, node, self);
        else
            self = node;
    }
    block_fill(b, key->child, self, self == NULL ? NULL : self->children, (uint8_t *)ret_block + key->offset);
}

static void
title_fill(struct config_builder *b, const struct schema_block *block, const struct config_node *node, void *ret_block)
{
    struct filling f = {.b = b, .key = block->title, .field = (uint8_t *)ret_block + block->title->offset};
    struct value_reader r = reader_of(&f, node);
    values_take(&f, &r);
}

static void
nested_list_fill(struct config_builder *b, const struct schema_key *key, const struct config_node *children,
                 void *ret_block)
{
    size_t room = 0, count = 0;
    for (const struct config_node *node = children; node != NULL; node = node->next)
        room += schema_key_is(key, node_name(node));
    uint8_t *items = allocate(b, room + 1, key->child->size); /* one to spare: see config_complete() */
    if (items == NULL)
        return;
    for (const struct config_node *node = children; node != NULL; node = node->next) {
        if (!schema_key_is(key, node_name(node)) || !is_well_formed(b, key, node))
            continue;
        uint8_t *item = items + count++ * key->child->size;
        title_fill(b, key->child, node, item);
        block_fill(b, key->child, node, node->children, item);
    }
    struct config_any_list list = {items, count};
    memcpy((uint8_t *)ret_block + key->offset, &list, sizeof(list));
}

/* --- what is not in the schema ------------------------------------------------------------------------------------ */

/* The block in which `name` would be a key, NULL when it is one nowhere. */
static const struct schema_block *
home_find(struct span name)
{
    const struct schema_block *root = config_schema();
    if (schema_key_find(root, name) != NULL)
        return root;
    for (size_t i = 0; i < root->key_count; i++)
        if (root->keys[i].child != NULL && schema_key_find(root->keys[i].child, name) != NULL)
            return root->keys[i].child;
    return NULL;
}

static void
problem_unknown(struct config_builder *b, const struct schema_block *block, const struct config_node *node)
{
    struct config_quoted name = config_quote(node_name(node));
    const struct schema_block *home = home_find(node_name(node));
    if (home != NULL && *home->name == '\0') {
        NODE_PROBLEM(b, node, "'%s' stands outside of '%s'; is a '}' missing before it?", name.text, block->name);
        return;
    }
    struct config_suggestion meant = config_suggest(node_name(node));
    for (size_t i = 0; i < block->key_count; i++)
        config_suggest_offer(&meant, span_from_cstr(block->keys[i].name));
    const char *where = *block->name == '\0' ? "" : " in ", *block_name = block->name;
    if (home != NULL)
        NODE_PROBLEM(b, node, "'%s' belongs into '%s { ... }'", name.text, home->name);
    else if (!span_is_empty(meant.best))
        NODE_PROBLEM(b, node, "unknown key '%s'%s%s; did you mean '%s'?", name.text, where, block_name,
                     config_quote(meant.best).text);
    else
        NODE_PROBLEM(b, node, "unknown key '%s'%s%s", name.text, where, block_name);
}

static void
block_fill(struct config_builder *b, const struct schema_block *block, const struct config_node *self,
           const struct config_node *children, void *ret_block)
{
    struct source_pos pos = self == NULL ? SOURCE_POS_DEFAULT : self->words->pos;
    memcpy(ret_block, &pos, sizeof(pos));
    for (size_t i = 0; i < block->key_count && !b->is_out_of_memory; i++) {
        const struct schema_key *key = &block->keys[i];
        if (key->child == NULL)
            key_fill(b, key, self, children, ret_block);
        else if (key->is_list)
            nested_list_fill(b, key, children, ret_block);
        else
            nested_fill(b, key, children, ret_block);
    }
    for (const struct config_node *node = children; node != NULL; node = node->next)
        if (schema_key_find(block, node_name(node)) == NULL)
            problem_unknown(b, block, node);
}

void
config_fill(struct config_builder *b, const struct config_node *tree)
{
    block_fill(b, config_schema(), NULL, tree, b->config);
}
