/*
 * aliases_file.c - logical lines, then "name:", then a list of targets. Pure; one pass; memory is the caller's arena.
 *
 * Quoting is RFC 5322's: inside "..." a backslash takes the next octet as it is. Commas, colons and # count only
 * outside quotes. A comment line may stand between a line and its continuation, as Postfix reads it.
 */
#include "store/aliases/aliases_file.h"

#include "base/buf.h"
#include "text/ascii.h"

/* One logical line under way. */
struct logical_line {
    struct buf text;      /* owned */
    uint32_t number;      /* of its first physical line */
    bool is_open;
    bool is_too_long;
};

struct parse {
    struct arena *mem;
    const struct aliases_sink *sink;
    bool has_names;
    struct logical_line line;
};

static void
problem_report(const struct parse *p, const char *what)
{
    p->sink->problem(p->sink->ctx, p->line.number, what);
}

/* --- words with quotes --- */

/* The length of the quoted string at the start of `s`, quotes included; 0 when it does not end. */
static size_t
quoted_len(struct span s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.data[i] == '\\')
            i++;
        else if (s.data[i] == '"')
            return i + 1;
    }
    return 0;
}

/* The length of the comment in parentheses at the start of `s`; 0 when it does not end. Nested ones count. */
static size_t
comment_len(struct span s)
{
    unsigned depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '\\')
            i++;
        else if (s.data[i] == '(')
            depth++;
        else if (s.data[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* The position of the first `octet` outside quotes; s.len when there is none; false for a quote that does not end. */
static bool
find_unquoted(struct span s, uint8_t octet, size_t *ret)
{
    size_t i = 0;
    while (i < s.len && s.data[i] != octet) {
        size_t step = 1;
        if (s.data[i] == '\\' && i + 1 < s.len)
            step = 2;
        else if (s.data[i] == '"')
            step = quoted_len(span_skip(s, i));
        if (step == 0)
            return false;
        i += step;
    }
    *ret = i;
    return true;
}

/* A quoted string, quotes included, without its quotes and backslashes. */
static bool
unquote(struct arena *mem, struct span quoted, struct span *ret)
{
    uint8_t *text = arena_alloc(mem, quoted.len);
    if (text == NULL)
        return false;
    size_t len = 0;
    for (size_t i = 1; i + 1 < quoted.len; i++) {
        if (quoted.data[i] == '\\' && i + 2 < quoted.len)
            i++;
        text[len++] = quoted.data[i];
    }
    *ret = span_of(text, len);
    return true;
}

/* `s` itself, or what stands between its quotes when all of it is one quoted string. False without memory. */
static bool
unquote_whole(struct arena *mem, struct span s, struct span *ret)
{
    if (s.len >= 2 && s.data[0] == '"' && quoted_len(s) == s.len)
        return unquote(mem, s, ret);
    *ret = s;
    return true;
}

/* --- targets --- */

/* "Name (comment) <address>" to "address": comments out, then what is in the brackets when there are any. */
static bool
address_strip(struct arena *mem, struct span s, struct span *ret)
{
    uint8_t *text = arena_alloc(mem, s.len);
    if (text == NULL)
        return false;
    size_t len = 0, i = 0;
    while (i < s.len) {
        size_t skip = s.data[i] == '(' ? comment_len(span_skip(s, i)) : 0;
        size_t keep = s.data[i] == '"' ? quoted_len(span_skip(s, i)) : 1;
        if (skip == 0 && keep == 0)
            return false; /* find_unquoted() has seen that quotes end */
        if (skip == 0)
            memcpy(text + len, s.data + i, keep);
        len += skip == 0 ? keep : 0;
        i += skip == 0 ? keep : skip;
    }
    struct span plain = span_trim(span_of(text, len));
    size_t open = 0;
    if (plain.len > 0 && plain.data[plain.len - 1] == '>' && find_unquoted(plain, '<', &open) && open < plain.len)
        plain = span_trim(span_of(plain.data + open + 1, plain.len - open - 2));
    *ret = plain;
    return true;
}

/* No blank or control octet outside quotes: one address or name. */
static bool
address_is_one_word(struct span s)
{
    for (size_t i = 0; i < s.len;) {
        size_t step = s.data[i] == '"' ? quoted_len(span_skip(s, i)) : 1;
        if (step == 0 || (step == 1 && ascii_is(s.data[i], ASCII_CONTROL | ASCII_BLANK)) || s.data[i] == '<' ||
            s.data[i] == '>')
            return false;
        i += step;
    }
    return s.len > 0;
}

/* The forms that begin with a mark, after quotes around the whole were taken off. */
static bool
marked_target_parse(struct arena *mem, struct span s, struct alias_target *ret)
{
    static const struct {
        struct span mark;
        enum alias_target_kind kind;
        bool keeps_mark;
    } marks[] = {
        {SPAN("|"), ALIAS_COMMAND, false},
        {SPAN("/"), ALIAS_FILE, true},
        {SPAN(":include:"), ALIAS_INCLUDE, false},
        {SPAN("\\"), ALIAS_FINAL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if (!span_has_prefix_nocase(s, marks[i].mark))
            continue;
        struct span rest = marks[i].keeps_mark ? s : span_trim(span_skip(s, marks[i].mark.len));
        struct span text;
        if (!unquote_whole(mem, rest, &text))
            return false;
        *ret = (struct alias_target){marks[i].kind, text};
        return true;
    }
    return false;
}

/* NULL, or why it is no target. */
static const char *
target_parse(struct arena *mem, struct span s, struct alias_target *ret)
{
    struct span whole;
    if (!unquote_whole(mem, s, &whole))
        return "out of memory";
    struct alias_target target;
    if (!marked_target_parse(mem, whole, &target)) {
        if (s.data[0] == ':')
            return "only :include:/file may begin with a colon";
        target.kind = ALIAS_ADDRESS;
        if (!address_strip(mem, s, &target.text) || !address_is_one_word(target.text))
            return "not an address (a command or file name with blanks needs quotes)";
    }
    if (span_is_empty(target.text))
        return "an empty name, command or file name";
    if (target.text.len > ALIASES_TARGET_MAX)
        return "longer than 1024 octets";
    if (target.kind == ALIAS_INCLUDE && target.text.data[0] != '/')
        return ":include: needs an absolute file name";
    *ret = target;
    return NULL;
}

static size_t
octet_count(struct span s, uint8_t octet)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += s.data[i] == octet;
    return count;
}

/*
 * Read the comma-separated list. A target that cannot be read spoils the entry: half a list delivered would look like a
 * whole one. NULL, or what is wrong with it.
 */
static const char *
targets_parse(struct arena *mem, struct span list, struct alias_target **ret, size_t *ret_count)
{
    size_t room = octet_count(list, ',') + 1;
    if (room > ALIASES_TARGETS_MAX)
        return "more than 10000 targets";
    struct alias_target *targets = arena_alloc(mem, room * sizeof(*targets));
    if (targets == NULL)
        return "out of memory";
    size_t count = 0;
    while (!span_is_empty(list)) {
        size_t comma;
        if (!find_unquoted(list, ',', &comma))
            return "a quote that does not end";
        struct span one = span_trim(span_first(list, comma));
        list = comma < list.len ? span_skip(list, comma + 1) : SPAN_EMPTY;
        if (span_is_empty(one))
            continue;
        const char *what = target_parse(mem, one, &targets[count]);
        if (what != NULL)
            return what;
        count++;
    }
    *ret = targets;
    *ret_count = count;
    return NULL;
}

/* --- entries --- */

/* Cut "name:" off *line. NULL, or what is wrong with it. */
static const char *
name_take(struct arena *mem, struct span *line, struct span *ret)
{
    size_t colon;
    if (!find_unquoted(*line, ':', &colon))
        return "a quote that does not end";
    if (colon == line->len)
        return "no colon: expected \"name: target\"";
    struct span written = span_trim(span_first(*line, colon)), name;
    if (!unquote_whole(mem, written, &name))
        return "out of memory";
    if (span_is_empty(name))
        return "no name before the colon";
    if (name.len > ALIASES_NAME_MAX)
        return "a name longer than 256 octets";
    if (span_equal(written, name) && !address_is_one_word(name))
        return "a name with blanks needs quotes";
    if (span_equal(written, name) && span_find(name, '@') < name.len)
        return "names stand here without @domain; for addresses use \"godwit alias add\"";
    uint8_t *lower = arena_alloc(mem, name.len);
    if (lower == NULL)
        return "out of memory";
    for (size_t i = 0; i < name.len; i++)
        lower[i] = ascii_lower(name.data[i]);
    *ret = span_of(lower, name.len);
    *line = span_skip(*line, colon + 1);
    return NULL;
}

static bool
has_control_octet(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] != '\t' && ascii_is(s.data[i], ASCII_CONTROL))
            return true;
    return false;
}

/* What a logical line says; `name` is set before the targets are looked at. */
struct entry {
    struct span name;
    struct alias_target *targets;
    size_t count;
};

/* NULL, or what is wrong with the line. */
static const char *
entry_parse(struct parse *p, struct span line, struct entry *ret)
{
    const char *what = p->line.is_too_long ? "an entry longer than 256 KiB" : NULL;
    if (what == NULL && has_control_octet(line))
        what = "a control character";
    if (what == NULL && p->has_names)
        what = name_take(p->mem, &line, &ret->name);
    if (what == NULL)
        what = targets_parse(p->mem, line, &ret->targets, &ret->count);
    if (what == NULL && ret->count == 0 && p->has_names)
        what = "no target after the name";
    return what;
}

/* Hand on the logical line gathered so far, if any. ERR_LIMIT without memory or when the sink stops. */
static enum err
line_finish(struct parse *p)
{
    struct logical_line *l = &p->line;
    if (!l->is_open)
        return ERR_OK;
    l->is_open = false;
    struct span line;
    struct entry entry = {.name = SPAN_EMPTY};
    if (!arena_copy(p->mem, buf_span(&l->text), &line))
        return ERR_LIMIT;
    const char *what = entry_parse(p, line, &entry);
    if (what != NULL) {
        problem_report(p, what);
        entry.count = 0;
    }
    /* A name whose targets are not known is handed on, its mail waits; nothing at all is not. */
    if (entry.count == 0 && (what == NULL || span_is_empty(entry.name)))
        return ERR_OK;
    const struct alias_target *targets = entry.count == 0 ? NULL : entry.targets;
    return p->sink->entry(p->sink->ctx, l->number, entry.name, targets, entry.count) ? ERR_OK : ERR_LIMIT;
}

static void
line_begin(struct parse *p, uint32_t number)
{
    buf_clear(&p->line.text);
    p->line.number = number;
    p->line.is_open = true;
    p->line.is_too_long = false;
}

static enum err
physical_line_take(struct parse *p, struct span text, uint32_t number)
{
    if (text.len > 0 && text.data[text.len - 1] == '\r')
        text.len--;
    struct span trimmed = span_trim(text);
    if (span_is_empty(trimmed) || trimmed.data[0] == '#')
        return ERR_OK;
    bool is_continuation = p->has_names && ascii_is(text.data[0], ASCII_BLANK);
    if (is_continuation && !p->line.is_open) {
        p->line.number = number;
        problem_report(p, "a continuation line that continues nothing");
        return ERR_OK;
    }
    if (!is_continuation) {
        TRY(line_finish(p));
        line_begin(p, number);
    }
    if (buf_append(&p->line.text, text) != ERR_OK)
        p->line.is_too_long = true;
    return ERR_OK;
}

static enum err
file_parse(struct span text, struct parse *p)
{
    if (text.len > ALIASES_FILE_BYTES_MAX)
        return ERR_LIMIT;
    for (uint32_t number = 1; !span_is_empty(text); number++) {
        struct span line = text, rest = SPAN_EMPTY;
        span_cut(text, '\n', &line, &rest);
        text = rest;
        TRY(physical_line_take(p, line, number));
    }
    return line_finish(p);
}

static enum err
parse_all(struct span text, struct arena *mem, const struct aliases_sink *sink, bool has_names)
{
    struct parse p = {.mem = mem, .sink = sink, .has_names = has_names};
    buf_init(&p.line.text, ALIASES_LINE_BYTES_MAX);
    enum err e = file_parse(text, &p);
    buf_done(&p.line.text);
    return e;
}

enum err
aliases_file_parse(struct span text, struct arena *mem, const struct aliases_sink *sink)
{
    return parse_all(text, mem, sink, true);
}

enum err
aliases_list_parse(struct span text, struct arena *mem, const struct aliases_sink *sink)
{
    return parse_all(text, mem, sink, false);
}
