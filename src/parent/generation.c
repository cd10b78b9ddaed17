/* generation.c - a configuration file read, parsed and looked at from all sides before anything uses it. */
#include "parent/parent.h"

#include "config/load.h"

#include <unistd.h>

static size_t
edges_wanted(const struct config *config)
{
    if (config->edges.value != 0)
        return (size_t)config->edges.value;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < 1 ? 1 : processors > PARENT_EDGES_MAX ? PARENT_EDGES_MAX : (size_t)processors;
}

static enum err
read_sources(const char *path, struct config_sources *sources, struct config_problems *problems, struct generation *g)
{
    TRY(config_load(path, sources));
    TRY(config_parse(sources, problems, &g->config));
    config_files_check(g->config, problems);
    if (problems->count > 0)
        return ERR_SYNTAX;
    return config_sources_pack(sources, &g->packed);
}

bool
generation_read(const char *path, uint32_t number, struct config_problems *problems, struct generation *ret)
{
    struct generation g = {.number = number};
    struct config_sources sources;
    config_sources_init(&sources);
    buf_init(&g.packed, IPC_START_CONFIG_MAX);
    enum err e = read_sources(path, &sources, problems, &g);
    config_sources_done(&sources);
    if (e == ERR_OK) {
        g.edges = edges_wanted(g.config);
        *ret = g;
        return true;
    }
    if (problems->count == 0)
        config_problem_add(problems, 0, SOURCE_POS_DEFAULT, "%s: cannot be read: %s", path, err_name(e));
    generation_done(&g);
    return false;
}

void
generation_done(struct generation *g)
{
    config_free(g->config);
    g->config = NULL;
    buf_done(&g->packed);
}
