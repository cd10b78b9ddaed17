/*
 * tree.c - tokens to nodes, by recursive descent with a bound on depth.
 *
 * Recovery: a directive without its ";" ends where a "{" or "}" or the end of the file says it must have; a stray
 * sign is skipped. The likeliest slips are worded as such.
 */
#include "config/tree.h"

#include "config/lexer.h"

struct parser {
    const struct config_sources *sources;
    struct arena *memory;
    struct config_problems *problems;
    void (*found)(void *ctx, struct config_node *include); /* not NULL: includes are shown to it, not followed */
    void *found_ctx;
    bool is_out_of_memory;
};

/* One source being read. */
struct reading {
    struct parser *parser;
    struct config_lexer lexer;
    struct config_token token; /* the one at hand */
    unsigned includes;         /* sources that led here */
};

/* Where nodes are appended. */
struct tail {
    struct config_node **at;
};

#define NODE_PROBLEM(p, node, ...) \
    config_problem_add((p)->problems, (node)->order, (node)->words->pos, __VA_ARGS__)

static void items_parse(struct reading *r, struct tail *to, const struct config_node *inside, unsigned depth);

static void
step(struct reading *r)
{
    r->token = config_lexer_next(&r->lexer);
}

static void *
allocate(struct parser *p, size_t size)
{
    void *memory = arena_alloc(p->memory, size);
    if (memory == NULL)
        p->is_out_of_memory = true;
    return memory;
}

/* Take the words of a directive; NULL without memory. */
static struct config_node *
words_take(struct reading *r)
{
    struct config_node *node = allocate(r->parser, sizeof(*node));
    struct config_word **last = node == NULL ? NULL : &node->words;
    while (r->token.kind == CONFIG_TOKEN_WORD) {
        struct config_word *word = allocate(r->parser, sizeof(*word));
        if (word == NULL || node == NULL)
            return NULL;
        *word = (struct config_word){.text = r->token.text, .pos = r->token.pos, .is_quoted = r->token.is_quoted};
        *last = word;
        last = &word->next;
        node->word_count++;
        step(r);
    }
    if (node != NULL) {
        node->order = r->lexer.order;
        node->end = r->token.pos;
    }
    return node;
}

/* --- include ------------------------------------------------------------------------------------------------------ */

bool
config_is_pattern(struct span path)
{
    return span_find(path, '*') != path.len || span_find(path, '?') != path.len || span_find(path, '[') != path.len;
}

static void
source_parse(struct parser *p, uint32_t index, struct tail *to, const struct config_node *inside, unsigned depth,
             unsigned includes)
{
    struct reading r = {.parser = p, .includes = includes};
    const struct config_source *source = &p->sources->items[index];
    config_lexer_init(&r.lexer, p->problems, p->memory, index, source->name, source->text);
    step(&r);
    items_parse(&r, to, inside, depth);
    while (r.token.kind == CONFIG_TOKEN_CLOSE && !p->is_out_of_memory) { /* an included text must close what it opens */
        config_problem_add(p->problems, index, r.token.pos, "'}' closes a block that this file did not open");
        step(&r);
        items_parse(&r, to, inside, depth);
    }
    p->is_out_of_memory |= r.lexer.is_out_of_memory;
}

/* Read the sources that an include brought in. */
static void
include_parse(struct reading *r, struct config_node *node, struct tail *to, const struct config_node *inside,
              unsigned depth)
{
    struct parser *p = r->parser;
    struct source_pos pos = node->words->pos;
    if (node->word_count != 2 || node->is_block) {
        config_problem_add(p->problems, node->order, pos, "include takes one path: 'include conf.d/*.conf;'");
        return;
    }
    if (p->found != NULL) {
        p->found(p->found_ctx, node);
        return;
    }
    struct span path = node->words->next->text;
    bool is_found = config_is_pattern(path); /* a pattern may match nothing */
    for (uint32_t i = node->order + 1; i < p->sources->count; i++) {
        const struct config_source *source = &p->sources->items[i];
        if (source->includer != node->order || source->include_line != pos.line || source->include_column != pos.column)
            continue;
        is_found = true;
        if (!span_is_empty(source->fault))
            config_problem_add(p->problems, node->order, node->words->next->pos, "cannot include '%s': %s",
                               config_quote(source->name).text, config_quote(source->fault).text);
        else if (r->includes == CONFIG_INCLUDE_DEPTH_MAX)
            config_problem_add(p->problems, node->order, pos, "more than %d files that include one another",
                               CONFIG_INCLUDE_DEPTH_MAX);
        else
            source_parse(p, i, to, inside, depth, r->includes + 1);
    }
    if (!is_found)
        config_problem_add(p->problems, node->order, node->words->next->pos, "cannot include '%s': no such file",
                           config_quote(path).text);
}

/* --- blocks and directives ---------------------------------------------------------------------------------------- */

/* "listener mx" of a block's words, for messages. */
static struct config_quoted
block_title(const struct config_node *node)
{
    struct config_quoted name = config_quote(node->words->text);
    if (node->word_count < 2)
        return name;
    uint8_t text[160];
    struct buf both;
    buf_init_fixed(&both, text, sizeof(text));
    (void)buf_append(&both, node->words->text);
    (void)buf_append_octet(&both, ' ');
    (void)buf_append(&both, node->words->next->text);
    return both.failed ? name : config_quote(buf_span(&both));
}

/* Read past a "{ ... }" that cannot be kept. */
static void
block_skip(struct reading *r)
{
    unsigned open = 0;
    do {
        open += r->token.kind == CONFIG_TOKEN_OPEN;
        open -= r->token.kind == CONFIG_TOKEN_CLOSE;
        step(r);
    } while (open > 0 && r->token.kind != CONFIG_TOKEN_END);
}

static void
block_parse(struct reading *r, struct config_node *node, unsigned depth)
{
    struct parser *p = r->parser;
    node->is_block = true;
    if (depth == CONFIG_NESTING_MAX) {
        NODE_PROBLEM(p, node, "more than %d blocks in one another", CONFIG_NESTING_MAX);
        block_skip(r);
        return;
    }
    step(r); /* the "{" */
    struct tail children = {&node->children};
    items_parse(r, &children, node, depth + 1);
    if (r->token.kind == CONFIG_TOKEN_CLOSE)
        step(r);
    else if (!p->is_out_of_memory)
        NODE_PROBLEM(p, node, "block '%s' opened here is not closed before the end of the file",
                     block_title(node).text);
}

/* Take one directive or block, of which the first word is at hand. */
static void
item_parse(struct reading *r, struct tail *to, const struct config_node *inside, unsigned depth)
{
    struct config_node *node = words_take(r);
    if (node == NULL)
        return;
    bool is_include = span_equal(node->words->text, SPAN("include"));
    switch (r->token.kind) {
    case CONFIG_TOKEN_OPEN: block_parse(r, node, depth); break;
    case CONFIG_TOKEN_SEMICOLON: step(r); break;
    case CONFIG_TOKEN_CLOSE:
    case CONFIG_TOKEN_END:
        config_problem_add(r->parser->problems, node->order, node->words->pos, "';' is missing after '%s'",
                           config_quote(node->words->text).text);
        break;
    case CONFIG_TOKEN_WORD: break; /* words_take() took them all */
    }
    if (is_include) {
        include_parse(r, node, to, inside, depth);
        return;
    }
    *to->at = node;
    to->at = &node->next;
}

/* Take directives and blocks until the "}" of `inside` or the end; the token that ended it stays at hand. */
static void
items_parse(struct reading *r, struct tail *to, const struct config_node *inside, unsigned depth)
{
    struct parser *p = r->parser;
    while (!p->is_out_of_memory) {
        struct source_pos pos = r->token.pos;
        switch (r->token.kind) {
        case CONFIG_TOKEN_END: return;
        case CONFIG_TOKEN_CLOSE:
            if (inside != NULL)
                return;
            config_problem_add(p->problems, r->lexer.order, pos, "'}' closes nothing");
            step(r);
            break;
        case CONFIG_TOKEN_SEMICOLON:
            config_problem_add(p->problems, r->lexer.order, pos, "';' ends nothing; blocks end with '}' alone");
            step(r);
            break;
        case CONFIG_TOKEN_OPEN:
            config_problem_add(p->problems, r->lexer.order, pos, "'{' opens a block without a name");
            block_skip(r);
            break;
        case CONFIG_TOKEN_WORD: item_parse(r, to, inside, depth); break;
        }
    }
}

enum err
config_tree_parse(const struct config_sources *sources, struct arena *memory, struct config_problems *problems,
                  struct config_node **ret)
{
    struct parser p = {.sources = sources, .memory = memory, .problems = problems};
    struct config_node *first = NULL;
    struct tail to = {&first};
    const struct config_source *main_source = &sources->items[0];
    if (!span_is_empty(main_source->fault))
        config_problem_add(problems, 0, (struct source_pos){.file = main_source->name}, "cannot be read: %s",
                           config_quote(main_source->fault).text);
    else
        source_parse(&p, 0, &to, NULL, 0, 0);
    if (p.is_out_of_memory)
        return ERR_LIMIT;
    *ret = first;
    return ERR_OK;
}

enum err
config_tree_includes(struct span text, struct arena *memory, void (*found)(void *ctx, struct config_node *include),
                     void *ctx)
{
    struct config_sources sources = {.items = &(struct config_source){.text = text}, .count = 1};
    struct config_problems *unused = arena_alloc(memory, sizeof(*unused));
    if (unused == NULL)
        return ERR_LIMIT;
    config_problems_init(unused);
    struct parser p = {.sources = &sources, .memory = memory, .problems = unused, .found = found, .found_ctx = ctx};
    struct config_node *tree = NULL;
    struct tail to = {&tree};
    source_parse(&p, 0, &to, NULL, 0, 0);
    config_problems_done(unused);
    return p.is_out_of_memory ? ERR_LIMIT : ERR_OK;
}
