/* problem.c - collecting, sorting and printing what is wrong with a configuration. */
#include "config/problem.h"

#include "text/escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROBLEMS_MEMORY_MAX = CONFIG_PROBLEMS_MAX * (CONFIG_PROBLEM_TEXT_MAX + 4096 + 64) };

void
config_problems_init(struct config_problems *p)
{
    p->count = 0;
    p->dropped = 0;
    arena_init(&p->memory, PROBLEMS_MEMORY_MAX);
}

void
config_problems_done(struct config_problems *p)
{
    arena_clear(&p->memory);
    p->count = 0;
    p->dropped = 0;
}

void
config_problem_add(struct config_problems *p, uint32_t order, struct source_pos pos, const char *format, ...)
{
    char text[CONFIG_PROBLEM_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t kept = len < 0 ? 0 : (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;

    struct config_problem problem = {.pos = pos, .order = order};
    if (p->count == CONFIG_PROBLEMS_MAX || !arena_copy(&p->memory, span_of(text, kept), &problem.text) ||
        !arena_copy(&p->memory, pos.file, &problem.pos.file)) {
        p->dropped++;
        return;
    }
    p->items[p->count++] = problem;
}

/* Whether `a` stands before `b`. */
static bool
is_before(const struct config_problem *a, const struct config_problem *b)
{
    if (a->order != b->order)
        return a->order < b->order;
    int by_file = span_compare(a->pos.file, b->pos.file);
    if (by_file != 0)
        return by_file < 0;
    if (a->pos.line != b->pos.line)
        return a->pos.line < b->pos.line;
    return a->pos.column < b->pos.column;
}

void
config_problems_sort(struct config_problems *p)
{
    /* Insertion keeps the order of equals, and there are at most CONFIG_PROBLEMS_MAX. */
    for (size_t i = 1; i < p->count; i++) {
        struct config_problem moving = p->items[i];
        size_t at = i;
        for (; at > 0 && is_before(&moving, &p->items[at - 1]); at--)
            p->items[at] = p->items[at - 1];
        p->items[at] = moving;
    }
}

enum err
config_problems_print(const struct config_problems *p, struct buf *to)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct config_problem *problem = &p->items[i];
        if (!span_is_empty(problem->pos.file)) {
            (void)escape_append_reply(problem->pos.file, to); /* names of files are foreign too */
            if (problem->pos.line > 0)
                (void)buf_printf(to, ":%u:%u", problem->pos.line, problem->pos.column);
            (void)buf_append(to, SPAN(": "));
        }
        (void)buf_append(to, problem->text);
        (void)buf_append_octet(to, '\n');
    }
    if (p->dropped > 0)
        (void)buf_printf(to, "... and %zu more\n", p->dropped);
    return buf_check(to);
}

struct config_quoted
config_quote(struct span s)
{
    static const char hex[] = "0123456789abcdef";
    struct config_quoted q;
    size_t at = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (at > sizeof(q.text) - 8) {
            memcpy(q.text + at, "...", 3);
            at += 3;
            break;
        }
        uint8_t c = s.data[i];
        if (c >= 0x20 && c < 0x7f) {
            q.text[at++] = (char)c;
            continue;
        }
        q.text[at++] = '\\';
        q.text[at++] = 'x';
        q.text[at++] = hex[c >> 4];
        q.text[at++] = hex[c & 15];
    }
    q.text[at] = '\0';
    return q;
}
