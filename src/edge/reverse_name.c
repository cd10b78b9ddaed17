/* reverse_name.c - one child fiber a session, joined at the first MAIL. */
#include "edge/reverse_name.h"

#include "net/dns_client.h"

static void
look_up(struct fiber *f, void *arg)
{
    struct session *s = arg;
    struct edge *edge = s->edge;
    struct domain name;
    struct deadline by = deadline_in(edge->rt, config_duration_ns(edge->config->resolver.timeout_ms));
    if (dns_reverse_lookup(f, by, edge->resolver, &s->client, &name) != ERR_OK)
        return;
    struct span kept;
    if (arena_copy(&s->mem, domain_span(&name), &kept))
        s->client_name = kept;
}

void
reverse_name_begin(struct session *s)
{
    if (!s->edge->config->resolver.reverse_dns.value || s->client.family == ADDRESS_LITERAL_NONE)
        return;
    s->is_name_awaited = fiber_group_spawn(&s->children, "edge.reverse_name", look_up, s) == ERR_OK;
}

enum err
reverse_name_await(struct fiber *f, struct session *s)
{
    if (!s->is_name_awaited)
        return ERR_OK;
    struct deadline by = deadline_in(s->edge->rt, config_duration_ns(s->edge->config->resolver.reverse_dns_wait_ms));
    enum err e = fiber_group_join(f, by, &s->children);
    s->is_name_awaited = false;
    return e == ERR_CANCELED ? e : ERR_OK;
}
