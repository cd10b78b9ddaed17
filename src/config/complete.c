/*
 * complete.c - what goes without saying, and what one value demands of another.
 *
 * Each rule here is a function of the whole configuration that adds problems at the place of the value it blames. A
 * value that could not be read is not set here and blamed for nothing more.
 */
#include "config/build.h"

#include <stdlib.h>

enum { SMTP_PORT = 25 };

/* The index of the source a value stands in, for sorting problems. */
static uint32_t
order_of(const struct config_builder *b, struct source_pos pos)
{
    for (uint32_t i = 0; i < b->sources->count; i++)
        if (b->sources->items[i].name.data == pos.file.data)
            return i;
    return 0;
}

#define PROBLEM(b, pos, ...) config_problem_add((b)->problems, order_of((b), (pos)), (pos), __VA_ARGS__)

/* --- what goes without saying ------------------------------------------------------------------------------------- */

/* Without any listener: 127.0.0.1:25. */
static void
default_listener_add(struct config_builder *b)
{
    struct config *c = b->config;
    if (c->listeners.count > 0)
        return;
    struct config_endpoint *loopback = arena_alloc(b->memory, sizeof(*loopback));
    struct config_listener *listener = arena_alloc(b->memory, sizeof(*listener));
    if (loopback == NULL || listener == NULL) {
        b->is_out_of_memory = true;
        return;
    }
    *loopback = (struct config_endpoint){
        .kind = CONFIG_ENDPOINT_IPV4, .ip = {127, 0, 0, 1}, .port = SMTP_PORT, .text = SPAN("127.0.0.1:25")};
    *listener = (struct config_listener){.title.value = SPAN("loopback"), .addresses = {loopback, 1}};
    c->listeners.items = listener;
    c->listeners.count = 1;
}

static int
domain_order(const void *a, const void *b)
{
    const struct config_domain *x = a, *y = b;
    return span_compare(domain_span(&x->title.value), domain_span(&y->title.value));
}

/* The hostname is a domain of ours, with accounts and the names of the machine. Sorts the domains. */
static void
hostname_domain_add(struct config_builder *b)
{
    struct config *c = b->config;
    struct config_domain *domains = (struct config_domain *)c->domains.items; /* of config_fill(), with one to spare */
    for (size_t i = 0; i < c->domains.count; i++)
        if (domain_equal(&domains[i].title.value, &c->hostname.value))
            return;
    domains[c->domains.count++] = (struct config_domain){
        .title.value = c->hostname.value,
        .recipients = {.has_accounts = true, .has_local = true},
        .subaddress.value = SPAN("+"),
    };
}

/* --- what one value demands of another ---------------------------------------------------------------------------- */

static bool
is_localhost(const struct domain *name)
{
    return !domain_is_qualified(name) || span_has_prefix(domain_span(name), SPAN("localhost.")) ||
           span_has_suffix_nocase(domain_span(name), SPAN(".localhost"));
}

/* The first address that is reachable from elsewhere, NULL when there is none. */
static const struct config_endpoint *
public_endpoint_find(const struct config *c)
{
    for (size_t i = 0; i < c->listeners.count; i++)
        for (size_t j = 0; j < c->listeners.items[i].addresses.count; j++)
            if (config_endpoint_is_public(&c->listeners.items[i].addresses.items[j]))
                return &c->listeners.items[i].addresses.items[j];
    return NULL;
}

static void
check_hostname(struct config_builder *b)
{
    const struct config_name *hostname = &b->config->hostname;
    const struct config_endpoint *public_endpoint = public_endpoint_find(b->config);
    if (public_endpoint != NULL && hostname->value.len > 0 && is_localhost(&hostname->value))
        PROBLEM(b, hostname->pos,
                "'hostname' must be a full name such as mail.example.org, not '%s': other servers can reach %s (line "
                "%u)",
                config_quote(domain_span(&hostname->value)).text, config_quote(public_endpoint->text).text,
                public_endpoint->pos.line);
}

static void
check_domains_once(struct config_builder *b)
{
    for (size_t i = 1; i < b->config->domains.count; i++) {
        const struct config_domain *a = &b->config->domains.items[i - 1], *z = &b->config->domains.items[i];
        if (a->title.value.len == 0 || !domain_equal(&a->title.value, &z->title.value))
            continue;
        uint32_t order_a = order_of(b, a->pos), order_z = order_of(b, z->pos);
        bool is_z_first = order_z < order_a || (order_z == order_a && z->pos.line < a->pos.line);
        const struct config_domain *first = is_z_first ? z : a, *again = is_z_first ? a : z;
        PROBLEM(b, again->title.pos, "domain '%s' stands here again; the first is at %s:%u:%u",
                config_quote(domain_span(&again->title.value)).text, config_quote(first->title.pos.file).text,
                first->title.pos.line, first->title.pos.column);
    }
}

static void
check_listener_once(struct config_builder *b, size_t index)
{
    const struct config_listener *listener = &b->config->listeners.items[index];
    for (size_t i = 0; i < index; i++) {
        const struct config_listener *first = &b->config->listeners.items[i];
        if (!span_is_empty(first->title.value) && span_equal(first->title.value, listener->title.value))
            PROBLEM(b, listener->title.pos, "listener '%s' stands here again; the first is at %s:%u:%u",
                    config_quote(listener->title.value).text, config_quote(first->title.pos.file).text,
                    first->title.pos.line, first->title.pos.column);
    }
}

/* Whether all of `ip` is zero: every address of its family. */
static bool
is_any(const struct config_endpoint *e)
{
    static const uint8_t any[16];
    return e->kind != CONFIG_ENDPOINT_UNIX && memcmp(e->ip, any, sizeof(any)) == 0;
}

/* Whether both cannot be bound at once. */
static bool
is_conflict(const struct config_endpoint *a, const struct config_endpoint *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == CONFIG_ENDPOINT_UNIX)
        return span_equal(a->path, b->path);
    return a->port == b->port && (is_any(a) || is_any(b) || memcmp(a->ip, b->ip, sizeof(a->ip)) == 0);
}

/* Each address against those before it, in this listener and in others. */
static void
check_address_once(struct config_builder *b, const struct config_endpoint *address)
{
    const struct config *c = b->config;
    for (size_t i = 0; i < c->listeners.count; i++)
        for (size_t j = 0; j < c->listeners.items[i].addresses.count; j++) {
            const struct config_endpoint *first = &c->listeners.items[i].addresses.items[j];
            if (first == address)
                return;
            if (!is_conflict(first, address))
                continue;
            PROBLEM(b, address->pos, "'%s' is taken by '%s' at %s:%u:%u", config_quote(address->text).text,
                    config_quote(first->text).text, config_quote(first->pos.file).text, first->pos.line,
                    first->pos.column);
            return;
        }
}

static void
check_listener(struct config_builder *b, const struct config_listener *listener)
{
    for (size_t i = 0; i < listener->addresses.count; i++) {
        const struct config_endpoint *address = &listener->addresses.items[i];
        check_address_once(b, address);
        if (address->port != SMTP_PORT)
            continue;
        if (listener->protocol.value == CONFIG_PROTOCOL_LMTP)
            PROBLEM(b, listener->protocol.pos, "lmtp is not spoken on port 25 (RFC 2033); '%s' is one",
                    config_quote(address->text).text);
        if (listener->bare_newline.value == CONFIG_BARE_NEWLINE_NORMALIZE)
            PROBLEM(b, listener->bare_newline.pos,
                    "'normalize' is not for port 25, where it would let smuggled messages in; '%s' is one",
                    config_quote(address->text).text);
    }
}

/* No role may run as root. */
static void
check_users(struct config_builder *b)
{
    const struct config_users *users = &b->config->users;
    const struct config_text *each[] = {&users->edge,     &users->queue,     &users->local,   &users->resolver,
                                        &users->directory, &users->control, &b->config->local.command_user};
    for (size_t i = 0; i < ARRAY_LEN(each); i++) {
        uint64_t number;
        bool is_zero = span_to_u64(each[i]->value, UINT64_MAX, &number) && number == 0;
        if (is_zero || span_equal(each[i]->value, SPAN("root")))
            PROBLEM(b, each[i]->pos, "root is not allowed here: this process handles bytes of strangers");
    }
}

static void
check_backlog(struct config_builder *b)
{
    const struct config_spool *spool = &b->config->spool;
    bool is_slow_written = spool->backlog_slow.pos.line > 0;
    if (spool->backlog_max.value > 0 && spool->backlog_slow.value > spool->backlog_max.value)
        PROBLEM(b, is_slow_written ? spool->backlog_slow.pos : spool->backlog_max.pos,
                "'backlog-slow' (%llu) is over 'backlog-max' (%llu)", (unsigned long long)spool->backlog_slow.value,
                (unsigned long long)spool->backlog_max.value);
}

void
config_complete(struct config_builder *b)
{
    default_listener_add(b);
    hostname_domain_add(b);
    qsort((void *)b->config->domains.items, b->config->domains.count, sizeof(struct config_domain), domain_order);
    if (b->is_out_of_memory)
        return;

    check_hostname(b);
    check_domains_once(b);
    for (size_t i = 0; i < b->config->listeners.count; i++) {
        check_listener_once(b, i);
        check_listener(b, &b->config->listeners.items[i]);
    }
    check_users(b);
    check_backlog(b);
}
