/*
 * address_list.c - one pass over tokens. What comes before a "<" or a ":" was a display name, whatever it looked like:
 * so each element is read as an address first, and that is thrown away when one of the two follows.
 */
#include "proto/msg/address_list.h"

#include "text/ascii.h"

enum { UTF8_LEAST = 0x80 };

/* --- tokens ------------------------------------------------------------------------------------------------------- */

enum token_kind {
    TOKEN_END,
    TOKEN_ATOM,    /* text: its octets */
    TOKEN_QUOTED,  /* text: between the quotes, still with backslashes */
    TOKEN_LITERAL, /* text: with its brackets */
    TOKEN_SPECIAL, /* octet: one of < > : ; , @ . */
    TOKEN_BROKEN,
};

struct token {
    enum token_kind kind;
    uint8_t octet;
    struct span text;
};

static bool
is_atom_octet(uint8_t c)
{
    return c >= UTF8_LEAST || ascii_is(c, ASCII_ATEXT);
}

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Whether an octet may stand in a quoted string, a literal or a comment: no control but blanks (folding). */
static bool
is_text(uint8_t c)
{
    return is_blank(c) || !ascii_is(c, ASCII_CONTROL);
}

/* Skip the comment that *s begins with. False when it has no end or is too deep. */
static bool
skip_comment(struct span *s)
{
    unsigned depth = 0;
    for (size_t i = 0; i < s->len; i++) {
        uint8_t c = s->data[i];
        if (c == '\\' && ++i == s->len)
            return false;
        if (!is_text(s->data[i]))
            return false;
        if (c == '(' && ++depth > ADDRESS_LIST_COMMENT_DEPTH_MAX)
            return false;
        if (c == ')' && --depth == 0) {
            *s = span_skip(*s, i + 1);
            return true;
        }
    }
    return false;
}

/* Skip blanks, folds and comments. False at a broken comment. */
static bool
skip_space(struct span *s)
{
    while (s->len > 0) {
        if (is_blank(s->data[0]))
            *s = span_skip(*s, 1);
        else if (s->data[0] != '(')
            return true;
        else if (!skip_comment(s))
            return false;
    }
    return true;
}

/* The position of the `close` that ends what *s begins with, s.len when there is none. */
static size_t
find_close(struct span s, uint8_t close)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.data[i] == close)
            return i;
        if (s.data[i] == '\\' && ++i == s.len)
            break;
        if (!is_text(s.data[i]) || (close == ']' && s.data[i] == '['))
            break;
    }
    return s.len;
}

/* Take the next token off *s. */
static struct token
token_take(struct span *s)
{
    static const struct token broken = {.kind = TOKEN_BROKEN};
    if (!skip_space(s))
        return broken;
    if (s->len == 0)
        return (struct token){.kind = TOKEN_END};
    uint8_t c = s->data[0];
    size_t len = 0;
    if (c == '"' || c == '[') {
        size_t close = find_close(*s, c == '"' ? '"' : ']');
        if (close == s->len)
            return broken;
        struct span inner = span_of(s->data + 1, close - 1), whole = span_first(*s, close + 1);
        *s = span_skip(*s, close + 1);
        if (c == '"')
            return (struct token){.kind = TOKEN_QUOTED, .text = inner};
        return (struct token){.kind = TOKEN_LITERAL, .text = whole};
    }
    while (len < s->len && is_atom_octet(s->data[len]))
        len++;
    if (len > 0) {
        struct token atom = {.kind = TOKEN_ATOM, .text = span_first(*s, len)};
        *s = span_skip(*s, len);
        return atom;
    }
    if (c == '\0' || span_find(SPAN("<>:;,@."), c) == SPAN("<>:;,@.").len)
        return broken;
    *s = span_skip(*s, 1);
    return (struct token){.kind = TOKEN_SPECIAL, .octet = c};
}

/* --- one address -------------------------------------------------------------------------------------------------- */

enum spec_state {
    SPEC_EMPTY,
    SPEC_LOCAL,      /* after a word of the local part: may end here */
    SPEC_LOCAL_DOT,
    SPEC_AT,
    SPEC_DOMAIN,     /* after a label: may end here */
    SPEC_DOMAIN_DOT,
    SPEC_LITERAL,    /* may end here */
    SPEC_NOT,        /* no address: a display name, or an error */
};

/* An address as it is being read. Both parts are octets of `room`, which is as long as the text. */
struct spec {
    enum spec_state state;
    uint8_t *room;
    size_t local_len;
    size_t len;
};

static void
spec_add(struct spec *spec, const struct token *t, struct span text)
{
    bool is_local = spec->state == SPEC_EMPTY || spec->state == SPEC_LOCAL || spec->state == SPEC_LOCAL_DOT;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '\\')
            c = text.data[++i]; /* in quotes and brackets alone, and their end is never escaped */
        if (c == '\r' || c == '\n' || (t->kind == TOKEN_LITERAL && is_blank(c)))
            continue; /* a fold inside quotes: the blank after it stays */
        spec->room[spec->len++] = c == '\t' ? ' ' : c;
    }
    if (is_local)
        spec->local_len = spec->len;
}

/* The state after a token that is part of an address; SPEC_NOT when it is out of place. */
static enum spec_state
spec_next(enum spec_state state, const struct token *t)
{
    bool is_word = t->kind == TOKEN_ATOM || t->kind == TOKEN_QUOTED;
    bool is_dot = t->kind == TOKEN_SPECIAL && t->octet == '.', is_at = t->kind == TOKEN_SPECIAL && t->octet == '@';
    switch (state) {
    case SPEC_EMPTY:
    case SPEC_LOCAL_DOT: return is_word ? SPEC_LOCAL : SPEC_NOT;
    case SPEC_LOCAL: return is_dot ? SPEC_LOCAL_DOT : is_at ? SPEC_AT : SPEC_NOT;
    case SPEC_AT: return t->kind == TOKEN_ATOM ? SPEC_DOMAIN : t->kind == TOKEN_LITERAL ? SPEC_LITERAL : SPEC_NOT;
    case SPEC_DOMAIN: return is_dot ? SPEC_DOMAIN_DOT : SPEC_NOT;
    case SPEC_DOMAIN_DOT: return t->kind == TOKEN_ATOM ? SPEC_DOMAIN : SPEC_NOT;
    case SPEC_LITERAL:
    case SPEC_NOT: return SPEC_NOT;
    }
    return SPEC_NOT;
}

static void
spec_take(struct spec *spec, const struct token *t)
{
    enum spec_state next = spec_next(spec->state, t);
    bool is_dot = t->kind == TOKEN_SPECIAL && t->octet == '.';
    if (next != SPEC_NOT)
        spec_add(spec, t, is_dot ? SPAN(".") : t->text); /* an "@" has no text */
    spec->state = next;
}

static void
spec_clear(struct spec *spec)
{
    spec->state = SPEC_EMPTY;
    spec->local_len = spec->len = 0;
}

static bool
spec_is_whole(const struct spec *spec)
{
    bool may_end = spec->state == SPEC_LOCAL || spec->state == SPEC_DOMAIN || spec->state == SPEC_LITERAL;
    return may_end && spec->local_len > 0;
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

struct parser {
    struct span rest;
    struct arena *mem;
    struct address_list list;
    struct address_list_item **last;
    struct spec spec;
    bool is_in_group;
};

/* Keep what `spec` holds; with nothing in it, the null address. */
static enum err
keep(struct parser *p)
{
    struct span whole = span_of(p->spec.room, p->spec.len), text;
    struct address_list_item *item = arena_alloc(p->mem, sizeof(*item));
    if (item == NULL || p->list.count == ADDRESS_LIST_ITEMS_MAX || !arena_copy(p->mem, whole, &text))
        return ERR_LIMIT;
    item->local = span_first(text, p->spec.local_len);
    item->domain = span_skip(text, p->spec.local_len);
    *p->last = item;
    p->last = &item->next;
    p->list.count++;
    spec_clear(&p->spec);
    return ERR_OK;
}

/* Skip "@domain,@domain:" after "<"; `t` is its first "@" and becomes what follows the ":". */
static void
skip_route(struct parser *p, struct token *t)
{
    while (t->kind == TOKEN_ATOM || t->kind == TOKEN_LITERAL ||
           (t->kind == TOKEN_SPECIAL && (t->octet == '@' || t->octet == ',' || t->octet == '.')))
        *t = token_take(&p->rest);
    *t = t->kind == TOKEN_SPECIAL && t->octet == ':' ? token_take(&p->rest) : (struct token){.kind = TOKEN_BROKEN};
}

/* After "<": an address up to ">". */
static enum err
take_angle(struct parser *p)
{
    spec_clear(&p->spec);
    struct token t = token_take(&p->rest);
    bool has_route = t.kind == TOKEN_SPECIAL && t.octet == '@';
    if (has_route)
        skip_route(p, &t);
    for (; t.kind != TOKEN_SPECIAL || t.octet != '>'; t = token_take(&p->rest)) {
        if (t.kind == TOKEN_END || t.kind == TOKEN_BROKEN)
            return ERR_SYNTAX;
        spec_take(&p->spec, &t);
    }
    bool is_null = p->spec.state == SPEC_EMPTY && !has_route;
    return is_null || spec_is_whole(&p->spec) ? keep(p) : ERR_SYNTAX;
}

/* What ends an element: ",", the ";" of a group, the end. */
static bool
is_end(const struct token *t)
{
    return t->kind == TOKEN_END || (t->kind == TOKEN_SPECIAL && (t->octet == ',' || t->octet == ';'));
}

/* Take one element, perhaps empty, and the token that ends it. */
static enum err
take_element(struct parser *p, struct token *ret_end)
{
    bool has_angle = false;
    spec_clear(&p->spec);
    for (;;) {
        struct token t = token_take(&p->rest);
        if (t.kind == TOKEN_BROKEN)
            return ERR_SYNTAX;
        if (is_end(&t)) {
            *ret_end = t;
            break;
        }
        if (has_angle)
            return ERR_SYNTAX; /* nothing but comments may follow */
        if (t.kind == TOKEN_SPECIAL && t.octet == '<') {
            TRY(take_angle(p));
            has_angle = true;
        } else if (t.kind == TOKEN_SPECIAL && t.octet == ':') {
            if (p->is_in_group || p->spec.state == SPEC_EMPTY)
                return ERR_SYNTAX;
            p->is_in_group = true;
            spec_clear(&p->spec);
        } else if (t.kind == TOKEN_SPECIAL && t.octet == '>') {
            return ERR_SYNTAX;
        } else {
            spec_take(&p->spec, &t);
        }
    }
    if (p->spec.state == SPEC_EMPTY)
        return ERR_OK;
    return spec_is_whole(&p->spec) ? keep(p) : ERR_SYNTAX;
}

static enum err
take_list(struct parser *p)
{
    for (;;) {
        struct token end;
        TRY(take_element(p, &end));
        if (end.kind == TOKEN_END)
            return p->is_in_group ? ERR_SYNTAX : ERR_OK;
        if (end.octet != ';')
            continue;
        if (!p->is_in_group)
            return ERR_SYNTAX;
        p->is_in_group = false;
        /* Behind a group stands a comma, or the end; "a: b; c: d;" without one is seen too. */
    }
}

enum err
address_list_parse(struct span text, struct arena *mem, struct address_list *ret)
{
    struct parser p = {.rest = text, .mem = mem};
    p.last = &p.list.first;
    p.spec.room = arena_alloc(mem, text.len + 1);
    if (p.spec.room == NULL)
        return ERR_LIMIT;
    TRY(take_list(&p));
    *ret = p.list;
    return ERR_OK;
}

/* Whether a local part can stand without quotes: atoms with single dots between. */
static bool
is_dot_atom(struct span local)
{
    bool was_dot = true;
    for (size_t i = 0; i < local.len; i++) {
        bool is_dot = local.data[i] == '.';
        if (is_dot ? was_dot : !is_atom_octet(local.data[i]))
            return false;
        was_dot = is_dot;
    }
    return !was_dot;
}

enum err
address_list_item_format(const struct address_list_item *item, struct buf *to)
{
    bool is_quoted = item->local.len > 0 && !is_dot_atom(item->local);
    TRY(buf_append(to, is_quoted ? SPAN("<\"") : SPAN("<")));
    for (size_t i = 0; i < item->local.len; i++) {
        if (is_quoted && (item->local.data[i] == '"' || item->local.data[i] == '\\'))
            TRY(buf_append_octet(to, '\\'));
        TRY(buf_append_octet(to, item->local.data[i]));
    }
    if (is_quoted)
        TRY(buf_append_octet(to, '"'));
    if (item->domain.len > 0)
        TRY(buf_append_octet(to, '@'));
    TRY(buf_append(to, item->domain));
    return buf_append_octet(to, '>');
}
