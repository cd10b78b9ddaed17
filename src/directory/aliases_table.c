/* aliases_table.c - entries in an arena, a map over them, includes spliced in at the end. */
#include "directory/aliases_table.h"

#include <stdlib.h>

#include "proto/addr/mailbox.h"

struct aliases_table {
    struct arena mem;
    struct map entries;
    const struct aliases_problems *problems; /* borrowed until finished */
    struct aliases_include *includes;        /* in `mem` */
    size_t include_count;
    struct aliases_include *current;         /* the include being read, NULL: the aliases file */
};

struct aliases_table *
aliases_table_new(const uint64_t seed[2], const struct aliases_problems *problems)
{
    struct aliases_table *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    arena_init(&t->mem, ALIASES_MEMORY_MAX);
    map_init(&t->entries, ALIASES_ENTRIES_MAX, seed);
    t->problems = problems;
    t->includes = arena_alloc(&t->mem, ALIASES_INCLUDES_MAX * sizeof(*t->includes));
    if (t->includes == NULL) {
        aliases_table_free(t);
        return NULL;
    }
    return t;
}

void
aliases_table_free(struct aliases_table *t)
{
    if (t == NULL)
        return;
    map_done(&t->entries);
    arena_clear(&t->mem);
    free(t);
}

static void
problem_report(struct aliases_table *t, uint32_t line, const char *what)
{
    struct span file = t->current == NULL ? SPAN_EMPTY : t->current->path;
    t->problems->report(t->problems->ctx, file, line, what);
}

static void
on_problem(void *ctx, uint32_t line, const char *what)
{
    problem_report(ctx, line, what);
}

/* Addresses with a domain must be addresses of an envelope; bare names are looked up when the time comes. */
static bool
target_is_usable(const struct alias_target *target)
{
    struct mailbox mailbox;
    return target->kind != ALIAS_ADDRESS || span_find(target->text, '@') == target->text.len ||
           mailbox_parse(target->text, true, &mailbox) == ADDR_OK;
}

static bool
targets_are_usable(const struct alias_target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!target_is_usable(&targets[i]))
            return false;
    return true;
}

static bool
include_note(struct aliases_table *t, struct span path)
{
    for (size_t i = 0; i < t->include_count; i++)
        if (span_equal(t->includes[i].path, path))
            return true;
    if (t->include_count == ALIASES_INCLUDES_MAX)
        return false;
    t->includes[t->include_count++] = (struct aliases_include){.path = path};
    return true;
}

static bool
on_entry(void *ctx, uint32_t line, struct span name, const struct alias_target *targets, size_t target_count)
{
    struct aliases_table *t = ctx;
    if (map_get(&t->entries, name) != NULL) {
        problem_report(t, line, "this name stands further up already; the first entry counts");
        return true;
    }
    struct aliases_entry *entry = arena_alloc(&t->mem, sizeof(*entry));
    if (entry == NULL)
        return false;
    *entry = (struct aliases_entry){.name = name, .line = line, .targets = targets, .target_count = target_count};
    entry->is_unavailable = target_count == 0;
    if (!targets_are_usable(targets, target_count)) {
        problem_report(t, line, "a target is not an address; mail for this name waits");
        entry->is_unavailable = true;
    }
    for (size_t i = 0; i < target_count; i++)
        if (targets[i].kind == ALIAS_INCLUDE && !include_note(t, targets[i].text))
            return false;
    return map_put(&t->entries, name, entry, NULL) == ERR_OK;
}

enum err
aliases_table_read(struct aliases_table *t, struct span text)
{
    const struct aliases_sink sink = {.entry = on_entry, .problem = on_problem, .ctx = t};
    return aliases_file_parse(text, &t->mem, &sink);
}

struct span
aliases_table_include_path(const struct aliases_table *t, size_t index)
{
    return index < t->include_count ? t->includes[index].path : SPAN_EMPTY;
}

/* The lines of an include, gathered before they are put into one array. */
struct include_lines {
    struct aliases_table *table;
    struct alias_target *targets; /* owned */
    size_t count;
    size_t room;
};

/* NULL, or why a line of an included file is left out. Only the aliases file itself names commands and files. */
static const char *
include_fault(const struct alias_target *target)
{
    if (target->kind == ALIAS_INCLUDE)
        return "an included file cannot include another one";
    if (target->kind == ALIAS_COMMAND || (target->kind == ALIAS_FILE && !span_equal(target->text, SPAN("/dev/null"))))
        return "an included file cannot name commands or files; this target is left out";
    return target_is_usable(target) ? NULL : "not an address; this line is left out";
}

static bool
on_include_entry(void *ctx, uint32_t line, struct span name, const struct alias_target *targets, size_t target_count)
{
    (void)name;
    struct include_lines *lines = ctx;
    for (size_t i = 0; i < target_count; i++) {
        const char *fault = include_fault(&targets[i]);
        if (fault != NULL) {
            problem_report(lines->table, line, fault);
            continue;
        }
        if (lines->count == ALIASES_TARGETS_MAX)
            return false;
        if (lines->count == lines->room) {
            size_t room = lines->room == 0 ? 64 : lines->room * 2;
            struct alias_target *grown = realloc(lines->targets, room * sizeof(*grown));
            if (grown == NULL)
                return false;
            lines->targets = grown;
            lines->room = room;
        }
        lines->targets[lines->count++] = targets[i];
    }
    return true;
}

static void
on_include_problem(void *ctx, uint32_t line, const char *what)
{
    struct include_lines *lines = ctx;
    problem_report(lines->table, line, what);
}

enum err
aliases_table_include(struct aliases_table *t, size_t index, struct span text)
{
    struct aliases_include *include = &t->includes[index];
    struct include_lines lines = {.table = t};
    const struct aliases_sink sink = {.entry = on_include_entry, .problem = on_include_problem, .ctx = &lines};
    t->current = include;
    enum err e = aliases_list_parse(text, &t->mem, &sink);
    t->current = NULL;
    struct span bytes = span_of(lines.targets, lines.count * sizeof(*lines.targets)), kept;
    if (e == ERR_OK && !arena_copy(&t->mem, bytes, &kept))
        e = ERR_LIMIT;
    if (e == ERR_OK) {
        include->targets = (const struct alias_target *)(const void *)kept.data;
        include->target_count = lines.count;
        include->is_read = true;
    }
    free(lines.targets);
    return e;
}

static const struct aliases_include *
include_find(const struct aliases_table *t, struct span path)
{
    for (size_t i = 0; i < t->include_count; i++)
        if (span_equal(t->includes[i].path, path))
            return &t->includes[i];
    return NULL;
}

/* How many targets the entry has with its includes in their places; one that is not read makes it unavailable. */
static size_t
entry_target_count(const struct aliases_table *t, struct aliases_entry *entry)
{
    size_t count = 0;
    for (size_t i = 0; i < entry->target_count; i++) {
        if (entry->targets[i].kind != ALIAS_INCLUDE) {
            count++;
            continue;
        }
        const struct aliases_include *include = include_find(t, entry->targets[i].text);
        if (include == NULL || !include->is_read)
            entry->is_unavailable = true;
        else
            count += include->target_count;
    }
    return count;
}

/* Replace the includes of one entry by what they hold. */
static enum err
entry_finish(struct aliases_table *t, struct aliases_entry *entry)
{
    size_t count = entry_target_count(t, entry);
    if (count > ALIASES_TARGETS_MAX) {
        problem_report(t, entry->line, "more than 10000 targets with the included files; mail for this name waits");
        entry->is_unavailable = true;
    }
    if (entry->is_unavailable)
        return ERR_OK;
    struct alias_target *flat = arena_alloc(&t->mem, count * sizeof(*flat));
    if (flat == NULL)
        return ERR_LIMIT;
    size_t at = 0;
    for (size_t i = 0; i < entry->target_count; i++) {
        const struct aliases_include *include = NULL;
        if (entry->targets[i].kind == ALIAS_INCLUDE)
            include = include_find(t, entry->targets[i].text);
        if (include == NULL)
            flat[at++] = entry->targets[i];
        else if (include->target_count > 0)
            memcpy(&flat[at], include->targets, include->target_count * sizeof(*flat));
        at += include == NULL ? 0 : include->target_count;
    }
    entry->targets = flat;
    entry->target_count = count;
    return ERR_OK;
}

static bool
entry_has_include(const struct aliases_entry *entry)
{
    for (size_t i = 0; i < entry->target_count; i++)
        if (entry->targets[i].kind == ALIAS_INCLUDE)
            return true;
    return false;
}

enum err
aliases_table_finish(struct aliases_table *t)
{
    struct map_cursor cursor;
    void *value;
    map_walk(&t->entries, &cursor);
    while (map_next(&t->entries, &cursor, NULL, &value)) {
        struct aliases_entry *entry = value;
        if (entry_has_include(entry))
            TRY(entry_finish(t, entry));
    }
    t->problems = NULL;
    return ERR_OK;
}

const struct aliases_entry *
aliases_table_find(const struct aliases_table *t, struct span name)
{
    return map_get(&t->entries, name);
}

size_t
aliases_table_count(const struct aliases_table *t)
{
    return t->entries.count;
}
