/* config.c - from sources to a configuration, and finding things in it. */
#include "config/config.h"

#include "base/assert.h"
#include "config/build.h"
#include "config/tree.h"

#include <stdlib.h>

/* A configuration and the memory it lives in. */
struct config_holder {
    struct arena memory;
    struct config config;
};

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Copies of `sources` that live as long as the configuration. */
static enum err
sources_copy(struct arena *memory, const struct config_sources *sources, struct config_sources *ret)
{
    struct config_sources copy = {.count = sources->count};
    copy.items = arena_alloc(memory, sources->count * sizeof(*copy.items));
    if (copy.items == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < copy.count; i++) {
        copy.items[i] = sources->items[i];
        if (!arena_copy(memory, sources->items[i].name, &copy.items[i].name) ||
            !arena_copy(memory, sources->items[i].text, &copy.items[i].text))
            return ERR_LIMIT;
    }
    *ret = copy;
    return ERR_OK;
}

static enum err
holder_fill(struct config_holder *holder, const struct config_sources *sources, struct config_problems *problems)
{
    struct config_sources copy;
    struct config_node *tree;
    TRY(sources_copy(&holder->memory, sources, &copy));
    TRY(config_tree_parse(&copy, &holder->memory, problems, &tree));
    struct config_builder b = {
        .sources = &copy, .memory = &holder->memory, .problems = problems, .config = &holder->config};
    if (!span_is_empty(copy.items[0].fault))
        return ERR_OK; /* which is a problem already */
    config_fill(&b, tree);
    if (!b.is_out_of_memory)
        config_complete(&b);
    return b.is_out_of_memory ? ERR_LIMIT : ERR_OK;
}

enum err
config_parse(const struct config_sources *sources, struct config_problems *problems, struct config **ret)
{
    ASSERT(sources->count > 0 && problems->count == 0);
    struct config_holder *holder = calloc(1, sizeof(*holder));
    if (holder == NULL)
        return ERR_LIMIT;
    arena_init(&holder->memory, CONFIG_MEMORY_MAX);
    enum err e = holder_fill(holder, sources, problems);
    config_problems_sort(problems);
    if (e == ERR_OK && problems->count > 0)
        e = ERR_SYNTAX;
    if (e != ERR_OK) {
        config_free(&holder->config);
        return e;
    }
    *ret = &holder->config;
    return ERR_OK;
}

enum err
config_control_socket_find(const struct config_sources *sources, struct buf *to)
{
    struct config_problems ignored;
    struct config_holder *holder = calloc(1, sizeof(*holder));
    if (holder == NULL)
        return ERR_LIMIT;
    config_problems_init(&ignored);
    arena_init(&holder->memory, CONFIG_MEMORY_MAX);
    enum err e = holder_fill(holder, sources, &ignored);
    struct span path = holder->config.control.socket.value;
    if (e == ERR_OK)
        e = span_is_empty(path) ? ERR_NOT_FOUND : buf_append(to, path);
    config_free(&holder->config);
    config_problems_done(&ignored);
    return e;
}

void
config_free(struct config *config)
{
    if (config == NULL)
        return;
    struct config_holder *holder = CONTAINER_OF(config, struct config_holder, config);
    arena_clear(&holder->memory);
    free(holder);
}

/* --- finding ------------------------------------------------------------------------------------------------------ */

static int
name_order(const void *key, const void *item)
{
    const struct config_domain *domain = item;
    return span_compare(*(const struct span *)key, domain_span(&domain->title.value));
}

const struct config_domain *
config_domain_find(const struct config *config, struct span name)
{
    struct domain domain;
    if (domain_parse(name, false, &domain) != ADDR_OK)
        return NULL;
    struct span lower = domain_span(&domain);
    return bsearch(&lower, config->domains.items, config->domains.count, sizeof(*config->domains.items), name_order);
}

const struct config_listener *
config_listener_find(const struct config *config, struct span name)
{
    for (size_t i = 0; i < config->listeners.count; i++)
        if (span_equal(config->listeners.items[i].title.value, name))
            return &config->listeners.items[i];
    return NULL;
}

struct config_mailbox
config_postmaster(const struct config *config, const struct config_domain *domain)
{
    return domain != NULL && domain->postmaster.value.local_len > 0 ? domain->postmaster : config->postmaster;
}

bool
config_endpoint_is_public(const struct config_endpoint *endpoint)
{
    static const uint8_t loopback[16] = {[15] = 1};
    switch (endpoint->kind) {
    case CONFIG_ENDPOINT_UNIX: return false;
    case CONFIG_ENDPOINT_IPV4: return endpoint->ip[0] != 127;
    case CONFIG_ENDPOINT_IPV6: return memcmp(endpoint->ip, loopback, sizeof(loopback)) != 0;
    }
    return true;
}

/* --- what policy goes by ------------------------------------------------------------------------------------------ */

static struct access_limit
limit_of(struct config_u64 number)
{
    return (struct access_limit){.value = number.value, .pos = number.pos};
}

/* 1 when the choice is `chosen`, with its place. */
static struct access_limit
flag_of(struct config_choice choice, unsigned chosen)
{
    return (struct access_limit){.value = choice.value == chosen, .pos = choice.pos};
}

static const struct config_listener strict_listener = {0}; /* every choice is its first word: reject */

struct access_policy
config_access_policy(const struct config *config, const struct config_listener *listener)
{
    const struct config_limits *limits = &config->limits;
    if (listener == NULL)
        listener = &strict_listener;
    return (struct access_policy){
        .host = domain_span(&config->hostname.value),
        .rules = config->access.rules,
        .sessions_per_address = limit_of(limits->sessions_per_address),
        .sessions = limit_of(limits->sessions),
        .session_time_ms = limit_of(limits->session_time_ms),
        .bad_commands = limit_of(limits->bad_commands),
        .rcpt_failures = limit_of(limits->rcpt_failures),
        .transactions = limit_of(limits->transactions_per_session),
        .message_size_bytes = limit_of(limits->message_size_bytes),
        .free_space_factor = limit_of(limits->free_space_factor),
        .recipients = limit_of(limits->recipients),
        .header_size_bytes = limit_of(limits->header_size_bytes),
        .received_hops = limit_of(limits->received_hops),
        .line_length_bytes = limit_of(limits->line_length_bytes),
        .is_bare_newline_normalized = flag_of(listener->bare_newline, CONFIG_BARE_NEWLINE_NORMALIZE),
        .is_nul_in_body_accepted = flag_of(listener->nul_in_body, CONFIG_ACCEPT),
    };
}
