/* check.c - what is allowed and yet probably not meant. */
#include "config/build.h"

enum { PRIVILEGED_PORTS_END = 1024, RFC_IDLE_TIMEOUT_MS = 5 * 60 * 1000, ENVELOPE_BYTES_OF_RECIPIENT = 1024 };

static void
warn_postmaster(const struct config *c, struct config_problems *warnings)
{
    struct source_pos file = {.file = c->hostname.pos.file};
    if (c->postmaster.value.local_len == 0) {
        config_problem_add(warnings, 0, file,
                           "'postmaster' is not set: mail to postmaster, abuse and root is refused, and RFC 5321 asks "
                           "for a reader; write 'postmaster you@your.domain;'");
        return;
    }
    const struct domain *domain = &c->postmaster.value.domain;
    if (domain->len == 0 || config_domain_find(c, domain_span(domain)) == NULL)
        config_problem_add(warnings, 0, c->postmaster.pos,
                           "the postmaster's domain is none of ours, and this server sends no mail elsewhere");
}

static void
warn_listeners(const struct config *c, const struct config_circumstances *where, struct config_problems *warnings)
{
    bool is_reachable = false;
    for (size_t i = 0; i < c->listeners.count; i++)
        for (size_t j = 0; j < c->listeners.items[i].addresses.count; j++) {
            const struct config_endpoint *address = &c->listeners.items[i].addresses.items[j];
            is_reachable = is_reachable || config_endpoint_is_public(address);
            if (address->port > 0 && address->port < PRIVILEGED_PORTS_END && !where->is_root)
                config_problem_add(warnings, 0, address->pos,
                                   "port %u is for root: start Godwit as root or use a port from %d on", address->port,
                                   PRIVILEGED_PORTS_END);
        }
    if (!is_reachable && c->listeners.items[0].pos.line == 0)
        config_problem_add(warnings, 0, (struct source_pos){.file = c->hostname.pos.file},
                           "no 'listener' block: only programs on this machine can connect, to 127.0.0.1:25");
}

static void
warn_domains(const struct config *c, struct config_problems *warnings)
{
    for (size_t i = 0; i < c->domains.count; i++)
        if (c->domains.items[i].pos.line > 0)
            return;
    config_problem_add(warnings, 0, (struct source_pos){.file = c->hostname.pos.file},
                       "no 'domain' block: mail is taken for %s alone",
                       config_quote(domain_span(&c->hostname.value)).text);
}

static void
warn_limits(const struct config *c, struct config_problems *warnings)
{
    const struct config_limits *limits = &c->limits;
    if (limits->idle_timeout_ms.value < RFC_IDLE_TIMEOUT_MS)
        config_problem_add(warnings, 0, limits->idle_timeout_ms.pos,
                           "'idle-timeout' is under the 5 minutes that RFC 5321 asks for");
    uint64_t needed = limits->header_size_bytes.value + limits->recipients.value * ENVELOPE_BYTES_OF_RECIPIENT;
    if (needed > limits->transaction_memory_bytes.value) {
        bool is_header = limits->header_size_bytes.value > limits->transaction_memory_bytes.value / 2;
        config_problem_add(warnings, 0, is_header ? limits->header_size_bytes.pos : limits->recipients.pos,
                           "'transaction-memory' is too small for 'header-size' and 'recipients' at once: about %llu "
                           "KiB are needed",
                           (unsigned long long)(needed / 1024 + 1));
    }
}

enum err
config_check(const struct config *config, const struct config_circumstances *where, struct config_problems *warnings)
{
    size_t dropped = warnings->dropped;
    warn_postmaster(config, warnings);
    warn_listeners(config, where, warnings);
    warn_domains(config, warnings);
    warn_limits(config, warnings);
    if (config->spool.may_be_lost.value)
        config_problem_add(warnings, 0, config->spool.may_be_lost.pos,
                           "'may-be-lost' is on: accepted mail need not survive a power loss");
    config_problems_sort(warnings);
    return warnings->dropped == dropped ? ERR_OK : ERR_LIMIT;
}
