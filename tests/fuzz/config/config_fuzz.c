/*
 * config_fuzz.c - any text as a configuration, any bytes as packed sources.
 *
 * Input that begins with "GWCF" is taken as packed sources. Anything else is text; lines of "=====" cut it into
 * files, of which each include takes the next. Checked besides memory: a refused text has a problem with a printable
 * sentence, problems are sorted; an accepted one survives packing, and what `--effective` prints of it reads back to
 * the same values.
 */
#include "base/assert.h"
#include "config/config.h"
#include "config/tree.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 16 * 1024 * 1024, FILES_MAX = 16 };

/* Files still to be handed out to includes. */
struct files {
    struct config_sources *sources;
    struct span rest;
    bool has_more;
    uint32_t includer;
};

/* Take the text up to the next line of "=====". */
static struct span
file_take(struct files *f)
{
    struct span rest = f->rest, line, after;
    while (span_cut(rest, '\n', &line, &after)) {
        if (span_equal(line, SPAN("====="))) {
            struct span file = span_of(f->rest.data, (size_t)(line.data - f->rest.data));
            f->rest = after;
            return file;
        }
        rest = after;
    }
    f->has_more = false;
    return f->rest;
}

static void
include_found(void *ctx, struct config_node *include)
{
    struct files *f = ctx;
    if (!f->has_more || f->sources->count == FILES_MAX)
        return;
    struct source_pos pos = include->words->pos;
    struct config_source source = {.name = SPAN("/f/included"), .text = file_take(f), .includer = f->includer,
                                   .include_line = pos.line, .include_column = pos.column};
    if (source.text.len % 7 == 6) {
        source.text = SPAN_EMPTY;
        source.fault = SPAN("no such file");
    }
    ASSERT(config_sources_add(f->sources, &source) == ERR_OK);
}

static void
sources_from_text(struct span text, struct config_sources *ret)
{
    struct files f = {.sources = ret, .rest = text, .has_more = true};
    struct config_source main_file = {.name = SPAN("/f/main"), .text = file_take(&f)};
    ASSERT(config_sources_add(ret, &main_file) == ERR_OK);
    for (; f.includer < ret->count; f.includer++) {
        struct arena memory;
        arena_init(&memory, CONFIG_MEMORY_MAX);
        ASSERT(config_tree_includes(ret->items[f.includer].text, &memory, include_found, &f) == ERR_OK);
        arena_clear(&memory);
    }
}

static void
check_problems(const struct config_problems *p)
{
    struct buf text;
    ASSERT(p->count > 0);
    for (size_t i = 0; i < p->count; i++) {
        ASSERT(p->items[i].text.len > 0);
        for (size_t j = 0; j < p->items[i].text.len; j++)
            ASSERT(p->items[i].text.data[j] >= 0x20 && p->items[i].text.data[j] < 0x7f);
        ASSERT(i == 0 || p->items[i - 1].order <= p->items[i].order);
    }
    buf_init(&text, TEXT_MAX);
    ASSERT(config_problems_print(p, &text) == ERR_OK);
    buf_done(&text);
}

/* What `--effective` prints, without the comments that name places. */
static void
values_print(const struct config *config, struct buf *to)
{
    struct buf all;
    buf_init(&all, TEXT_MAX);
    ASSERT(config_effective_print(config, &all) == ERR_OK);
    for (struct span rest = buf_span(&all), line; span_cut(rest, '\n', &line, &rest);) {
        size_t comment = span_find_last(line, '#');
        while (comment > 0 && comment < line.len && line.data[comment - 1] == ' ')
            comment--;
        (void)buf_append(to, span_first(line, comment));
        (void)buf_append_octet(to, '\n');
    }
    ASSERT(!to->failed);
    buf_done(&all);
}

/* Whether a file's name could be taken for the comment that names it. */
static bool
has_odd_names(const struct config_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        if (span_find(sources->items[i].name, '#') != sources->items[i].name.len)
            return true;
    return false;
}

static void
check_round_trip(const struct config *config)
{
    struct buf printed, before, after;
    struct config_sources sources;
    struct config_problems problems;
    struct config *again = NULL;
    buf_init(&printed, TEXT_MAX);
    buf_init(&before, TEXT_MAX);
    buf_init(&after, TEXT_MAX);
    config_sources_init(&sources);
    config_problems_init(&problems);
    ASSERT(config_effective_print(config, &printed) == ERR_OK);
    if (config_sources_from_text(&sources, SPAN("/f/effective"), buf_span(&printed)) == ERR_OK) {
        ASSERT(config_parse(&sources, &problems, &again) == ERR_OK);
        values_print(config, &before);
        values_print(again, &after);
        ASSERT(span_equal(buf_span(&before), buf_span(&after)));
    }
    config_free(again);
    config_problems_done(&problems);
    config_sources_done(&sources);
    buf_done(&printed);
    buf_done(&before);
    buf_done(&after);
}

static void
check_packing(const struct config_sources *sources)
{
    struct buf bytes, again;
    struct config_sources unpacked;
    buf_init(&bytes, 2 * CONFIG_SOURCES_BYTES_MAX);
    buf_init(&again, 2 * CONFIG_SOURCES_BYTES_MAX);
    config_sources_init(&unpacked);
    ASSERT(config_sources_pack(sources, &bytes) == ERR_OK);
    ASSERT(config_sources_unpack(buf_span(&bytes), &unpacked) == ERR_OK);
    ASSERT(config_sources_pack(&unpacked, &again) == ERR_OK);
    ASSERT(span_equal(buf_span(&bytes), buf_span(&again)));
    config_sources_done(&unpacked);
    buf_done(&bytes);
    buf_done(&again);
}

static void
check_sources(const struct config_sources *sources)
{
    struct config_problems problems;
    struct config *config = NULL;
    config_problems_init(&problems);
    enum err e = config_parse(sources, &problems, &config);
    ASSERT((e == ERR_OK) == (config != NULL));
    if (e == ERR_SYNTAX)
        check_problems(&problems);
    config_problems_done(&problems);
    if (e != ERR_OK)
        return;
    struct config_problems warnings;
    config_problems_init(&warnings);
    (void)!config_check(config, &(struct config_circumstances){.is_root = false}, &warnings);
    config_problems_done(&warnings);
    if (!has_odd_names(sources))
        check_round_trip(config);
    check_packing(sources);
    config_free(config);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_sources sources;
    struct span input = span_of(data, size);
    config_sources_init(&sources);
    if (size > CONFIG_SOURCE_BYTES_MAX)
        return 0;
    if (!span_has_prefix(input, SPAN("GWCF")))
        sources_from_text(input, &sources);
    else if (config_sources_unpack(input, &sources) != ERR_OK)
        return 0;
    check_sources(&sources);
    config_sources_done(&sources);
    return 0;
}
