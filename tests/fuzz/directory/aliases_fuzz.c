/*
 * aliases_fuzz.c - an aliases file of any octets, read as such, as an included list and as a file of recipients; then
 * every name in it is looked up. The first octet cuts the input in two: aliases file and include.
 */
#include "base/assert.h"
#include "directory/aliases_table.h"
#include "directory/recipients_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint64_t seed[2] = {1, 2};

static bool
entry_check(void *ctx, uint32_t line, struct span name, const struct alias_target *targets, size_t target_count)
{
    (void)ctx;
    ASSERT(line > 0 && name.len <= ALIASES_NAME_MAX && target_count <= ALIASES_TARGETS_MAX);
    for (size_t i = 0; i < target_count; i++) {
        ASSERT(targets[i].text.len > 0 && targets[i].text.len <= ALIASES_TARGET_MAX);
        ASSERT(targets[i].kind != ALIAS_INCLUDE || targets[i].text.data[0] == '/');
        for (size_t k = 0; k < targets[i].text.len; k++)
            ASSERT(targets[i].text.data[k] >= ' ' || targets[i].text.data[k] == '\t');
    }
    return true;
}

static void
ignore_problem(void *ctx, uint32_t line, const char *what)
{
    (void)ctx;
    ASSERT(line > 0 && what[0] != '\0');
}

static void
ignore_table_problem(void *ctx, struct span file, uint32_t line, const char *what)
{
    (void)ctx, (void)file;
    ASSERT(line > 0 && what[0] != '\0');
}

static void
table_check(struct span text, struct span included)
{
    const struct aliases_problems problems = {ignore_table_problem, NULL};
    struct aliases_table *table = aliases_table_new(seed, &problems);
    ASSERT(table != NULL);
    if (aliases_table_read(table, text) == ERR_OK) {
        for (size_t i = 0; !span_is_empty(aliases_table_include_path(table, i)) && i < 3; i++)
            ASSERT(aliases_table_include(table, i, included) == ERR_OK);
        ASSERT(aliases_table_finish(table) == ERR_OK);
        for (size_t from = 0; from + 3 < text.len; from += 3) {
            const struct aliases_entry *entry = aliases_table_find(table, span_of(text.data + from, 3));
            for (size_t i = 0; entry != NULL && !entry->is_unavailable && i < entry->target_count; i++)
                ASSERT(entry->targets[i].kind != ALIAS_INCLUDE);
        }
    }
    aliases_table_free(table);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct span text = span_of(data + 1, size - 1);
    size_t cut = text.len * data[0] / 255;
    const struct aliases_sink sink = {entry_check, ignore_problem, NULL};
    struct arena mem;
    arena_init(&mem, 64 * 1024 * 1024);
    ASSERT(aliases_file_parse(text, &mem, &sink) == ERR_OK);
    ASSERT(aliases_list_parse(text, &mem, &sink) == ERR_OK);
    arena_clear(&mem);
    table_check(span_first(text, cut), span_skip(text, cut));
    struct recipients_set *set;
    const struct recipients_file_spec spec = {SPAN("example.test"), data[0] % 2 == 0, ignore_problem, NULL};
    ASSERT(recipients_file_parse(text, seed, &spec, &set) == ERR_OK);
    recipients_set_free(set);
    return 0;
}
