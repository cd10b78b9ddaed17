/* lexer.c - octets to words. Lines and columns are counted in octets, from 1; a tab is one column. */
#include "config/lexer.h"

#include "text/utf8.h"

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_word_octet(uint8_t c)
{
    return !is_blank(c) && c != '{' && c != '}' && c != ';' && c != '"' && c != '\'';
}

/* --- octets that have no place in a text -------------------------------------------------------------------------- */

/* The length of what stands at `rest` when it is allowed, 0 when it is not. */
static size_t
allowed_octets(struct span rest)
{
    uint8_t c = rest.data[0];
    if (c >= 0x80)
        return utf8_take(rest, NULL);
    if (c == '\r')
        return rest.len > 1 && rest.data[1] == '\n' ? 1 : 0;
    return c == '\t' || c == '\n' || (c >= 0x20 && c != 0x7f) ? 1 : 0;
}

static void
report_octet(struct config_lexer *l, struct source_pos pos, uint8_t c)
{
    if (c == 0)
        config_problem_add(l->problems, l->order, pos, "a NUL octet; is this a text file?");
    else if (c == '\r')
        config_problem_add(l->problems, l->order, pos, "a CR that is not part of a line end");
    else if (c < 0x80)
        config_problem_add(l->problems, l->order, pos, "a control octet, 0x%02x", c);
    else
        config_problem_add(l->problems, l->order, pos, "octet 0x%02x is not UTF-8; save the file as UTF-8", c);
}

/* Report the first octet of each line that is not allowed. */
static void
check_octets(struct config_lexer *l)
{
    struct source_pos pos = l->pos;
    bool is_line_reported = false;
    for (size_t at = l->at; at < l->text.len;) {
        struct span rest = span_skip(l->text, at);
        size_t len = allowed_octets(rest);
        if (len == 0 && !is_line_reported) {
            report_octet(l, pos, rest.data[0]);
            is_line_reported = true;
        }
        len = len == 0 ? 1 : len;
        at += len;
        pos.column += (uint32_t)len;
        if (rest.data[0] == '\n') {
            pos.line++;
            pos.column = 1;
            is_line_reported = false;
        }
    }
}

/* --- tokens ------------------------------------------------------------------------------------------------------- */

void
config_lexer_init(struct config_lexer *l, struct config_problems *problems, struct arena *memory, uint32_t order,
                  struct span file, struct span text)
{
    *l = (struct config_lexer){.problems = problems, .memory = memory, .order = order, .text = text};
    l->pos = (struct source_pos){.file = file, .line = 1, .column = 1};
    if (span_has_prefix(text, SPAN("\xef\xbb\xbf"))) /* the byte order mark some editors write */
        l->at = 3;
    check_octets(l);
}

static bool
is_at_end(const struct config_lexer *l)
{
    return l->at == l->text.len;
}

static uint8_t
peek(const struct config_lexer *l)
{
    return l->text.data[l->at];
}

static void
advance(struct config_lexer *l)
{
    bool is_line_end = peek(l) == '\n';
    l->at++;
    l->pos.column++;
    if (is_line_end) {
        l->pos.line++;
        l->pos.column = 1;
    }
}

static void
skip_blanks_and_comments(struct config_lexer *l)
{
    while (!is_at_end(l) && (is_blank(peek(l)) || peek(l) == '#')) {
        if (peek(l) == '#')
            while (!is_at_end(l) && peek(l) != '\n')
                advance(l);
        else
            advance(l);
    }
}

/* The text between quotes with its escapes resolved; `raw` has a whole octet after each backslash. */
static struct span
unescape(struct config_lexer *l, struct span raw)
{
    uint8_t *text = arena_alloc(l->memory, raw.len);
    if (text == NULL) {
        l->is_out_of_memory = true;
        return SPAN_EMPTY;
    }
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] == '\\')
            i++;
        text[len++] = raw.data[i];
    }
    return span_of(text, len);
}

/* After a backslash in quotes. */
static void
check_escape(struct config_lexer *l)
{
    uint8_t c = peek(l);
    if (c != '\\' && c != '"' && c != '\'')
        config_problem_add(l->problems, l->order, l->pos, "unknown escape '\\%s'; a backslash is written \\\\",
                           config_quote(span_of(&c, 1)).text);
}

static struct config_token
take_quoted(struct config_lexer *l)
{
    struct config_token token = {.kind = CONFIG_TOKEN_WORD, .is_quoted = true, .pos = l->pos};
    uint8_t quote = peek(l);
    bool has_escapes = false;
    advance(l);
    size_t start = l->at;
    while (!is_at_end(l) && peek(l) != quote && peek(l) != '\n') {
        bool is_escape = peek(l) == '\\';
        advance(l);
        if (!is_escape || is_at_end(l) || peek(l) == '\n')
            continue;
        has_escapes = true;
        check_escape(l);
        advance(l);
    }
    struct span raw = span_of(l->text.data + start, l->at - start);
    if (is_at_end(l) || peek(l) != quote) {
        config_problem_add(l->problems, l->order, token.pos, "a quote that is not closed on its line");
        token.text = span_trim(raw);
        return token;
    }
    advance(l);
    token.text = has_escapes ? unescape(l, raw) : raw;
    if (!is_at_end(l) && (is_word_octet(peek(l)) || peek(l) == quote))
        config_problem_add(l->problems, l->order, l->pos, "a blank or ';' is missing after the closing quote");
    return token;
}

static struct config_token
take_word(struct config_lexer *l)
{
    struct config_token token = {.kind = CONFIG_TOKEN_WORD, .pos = l->pos};
    size_t start = l->at;
    while (!is_at_end(l) && is_word_octet(peek(l)))
        advance(l);
    token.text = span_of(l->text.data + start, l->at - start);
    if (!is_at_end(l) && (peek(l) == '"' || peek(l) == '\''))
        config_problem_add(l->problems, l->order, l->pos, "a quote in the middle of a word; quote all of it");
    return token;
}

struct config_token
config_lexer_next(struct config_lexer *l)
{
    skip_blanks_and_comments(l);
    if (is_at_end(l))
        return (struct config_token){.kind = CONFIG_TOKEN_END, .pos = l->pos};
    struct config_token sign = {.pos = l->pos};
    switch (peek(l)) {
    case '{': sign.kind = CONFIG_TOKEN_OPEN; break;
    case '}': sign.kind = CONFIG_TOKEN_CLOSE; break;
    case ';': sign.kind = CONFIG_TOKEN_SEMICOLON; break;
    case '"':
    case '\'': return take_quoted(l);
    default: return take_word(l);
    }
    advance(l);
    return sign;
}
