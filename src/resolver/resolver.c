/*
 * resolver.c - look-ups through libunbound, waited for by fibers.
 *
 * The security status is looked at before the packet: an answer that fails validation carries data all the same, and none of
 * it leaves this process (requirement 196).
 */
#include "resolver/resolver.h"

#include "config/config.h"
#include "ipc/ipc_messages.h"
#include "net/dns_client.h"
#include "net/log.h"
#include "rt/rt_real.h"

#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>
#include <uv.h>

enum {
    DNS_CLASS_IN = 1,
    DNS_RCODE_NOERROR = 0,
    DNS_RCODE_NXDOMAIN = 3,
    RECORDS_MAX = 100,
    ANSWER_BYTES_MAX = 60 * 1024, /* records beyond it are left out: nothing Godwit asks for is that long */
    OPTION_MAX = 512,
};

struct resolver {
    struct role_env *env;
    struct ub_ctx *unbound;
    uv_poll_t *poll; /* owned; tells that answers wait */
    uint64_t lookups, failures, bogus, timeouts;
    size_t open;
};

/* One look-up, on the stack of the fiber that waits for it. */
struct lookup {
    struct fiber *f;
    bool is_done;
    int error;
    struct ub_result *result; /* owned */
};

/* --- setting up --------------------------------------------------------------------------------------------------- */

/* The root's keys of 2017 and 2024 (IANA), for when the file that `trust-anchor` names cannot be read from here. */
static const char *const root_keys[] = {
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

static bool
set_option(struct ub_ctx *unbound, const char *name, const char *value)
{
    return ub_ctx_set_option(unbound, name, value) == 0;
}

/* "192.0.2.53:5353" as libunbound writes it, "192.0.2.53@5353". False for what is no IP address. */
static bool
format_server(const struct config_endpoint *endpoint, char text[OPTION_MAX])
{
    struct span address = endpoint->text;
    size_t colon = span_find_last(address, ':');
    if (endpoint->kind == CONFIG_ENDPOINT_UNIX || colon == address.len)
        return false;
    address = span_first(address, colon);
    if (address.len > 2 && address.data[0] == '[')
        address = span_of(address.data + 1, address.len - 2);
    return snprintf(text, OPTION_MAX, "%.*s@%u", SPAN_ARG(address), (unsigned)endpoint->port) < OPTION_MAX;
}

static bool
add_servers(struct ub_ctx *unbound, const struct config_resolver *config)
{
    char server[OPTION_MAX], zone[OPTION_MAX];
    for (size_t i = 0; i < config->servers.count; i++)
        if (!format_server(&config->servers.items[i], server) || ub_ctx_set_fwd(unbound, server) != 0)
            return false;
    for (size_t i = 0; i < config->stubs.count; i++) {
        const struct config_stub *stub = &config->stubs.items[i];
        if (!span_to_cstr(domain_span(&stub->zone), zone, sizeof(zone)))
            return false;
        for (size_t n = 0; n < stub->servers.count; n++)
            if (!format_server(&stub->servers.items[n], server) || ub_ctx_set_stub(unbound, zone, server, 0) != 0)
                return false;
    }
    return true;
}

static bool
set_up_validation(struct ub_ctx *unbound, const struct config_resolver *config)
{
    if (!config->dnssec.value)
        return set_option(unbound, "module-config:", "iterator");
    for (size_t i = 0; i < ARRAY_LEN(root_keys); i++)
        if (ub_ctx_add_ta(unbound, root_keys[i]) != 0)
            return false;
    return true;
}

static bool
set_up_cache(struct ub_ctx *unbound, const struct config_resolver *config)
{
    char bytes[32];
    snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)config->cache_size_bytes.value / 2);
    return set_option(unbound, "msg-cache-size:", bytes) && set_option(unbound, "rrset-cache-size:", bytes);
}

/* A context as configured, or NULL. */
static struct ub_ctx *
set_up(const struct config_resolver *config)
{
    struct ub_ctx *unbound = ub_ctx_create();
    if (unbound == NULL)
        return NULL;
    bool is_fine = ub_ctx_debugout(unbound, NULL) == 0 && ub_ctx_async(unbound, 1) == 0 &&
                   set_option(unbound, "do-not-query-localhost:", "no") && /* servers on loopback are usual for validation */
                   set_option(unbound, "qname-minimisation:", "yes") && set_up_cache(unbound, config) &&
                   set_up_validation(unbound, config) && add_servers(unbound, config);
    if (!is_fine) {
        ub_ctx_delete(unbound);
        return NULL;
    }
    return unbound;
}

/* --- looking up --------------------------------------------------------------------------------------------------- */

static void
on_answer(void *arg, int error, struct ub_result *result)
{
    struct lookup *lookup = arg;
    lookup->error = error;
    lookup->result = result;
    lookup->is_done = true;
    fiber_unpark(lookup->f, ERR_OK);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct resolver *resolver = poll->data;
    ub_process(resolver->unbound);
}

static enum dns_status
status_of(const struct ub_result *result)
{
    if (result->bogus)
        return DNS_STATUS_BOGUS;
    if (result->rcode == DNS_RCODE_NXDOMAIN)
        return DNS_STATUS_NO_NAME;
    if (result->rcode != DNS_RCODE_NOERROR)
        return DNS_STATUS_FAILED;
    return result->havedata ? DNS_STATUS_OK : DNS_STATUS_NO_DATA;
}

/* Copy the records into the answer; ERR_LIMIT when there is no room for them in `mem`. */
static enum err
copy_records(const struct ub_result *result, struct arena *mem, struct ipc_dns_lookup_reply *ret)
{
    struct ipc_dns_record *records = arena_alloc(mem, RECORDS_MAX * sizeof(*records));
    size_t count = 0, bytes = 0;
    if (records == NULL)
        return ERR_LIMIT;
    while (count < RECORDS_MAX && result->data[count] != NULL) {
        struct span data = span_of(result->data[count], (size_t)result->len[count]);
        bytes += data.len;
        if (bytes > ANSWER_BYTES_MAX)
            break;
        if (!arena_copy(mem, data, &records[count].data))
            return ERR_LIMIT;
        count++;
    }
    ret->records = records;
    ret->records_count = count;
    return ERR_OK;
}

static void
answer(struct resolver *resolver, const struct ub_result *result, struct arena *mem, struct ipc_dns_lookup_reply *ret)
{
    enum dns_status status = status_of(result);
    ret->is_secure = result->secure && !result->bogus;
    ret->ttl_s = result->ttl > 0 ? (uint32_t)result->ttl : 0;
    if (result->canonname != NULL)
        (void)!arena_copy(mem, span_from_cstr(result->canonname), &ret->canonical);
    if (status == DNS_STATUS_OK && copy_records(result, mem, ret) != ERR_OK)
        status = DNS_STATUS_FAILED;
    if (status == DNS_STATUS_BOGUS) {
        resolver->bogus++;
        log_write(resolver->env->log, LOG_LOOKUP_BOGUS, LOG_CSTR(KEY_NAME, result->qname), LOG_U64(KEY_TYPE, (uint64_t)result->qtype),
                  LOG_CSTR(KEY_DETAIL, result->why_bogus != NULL ? result->why_bogus : ""));
    }
    ret->status = (uint8_t)status;
}

static void
on_dns_lookup(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_dns_lookup *request, struct arena *mem,
              struct ipc_dns_lookup_reply *ret)
{
    (void)from;
    struct resolver *resolver = ctx;
    char name[256 + 1];
    ret->status = DNS_STATUS_FAILED;
    resolver->lookups++;
    if (resolver->unbound == NULL || !span_to_cstr(request->name, name, sizeof(name)))
        return;
    struct deadline by = deadline_in(resolver->env->rt, config_duration_ns(resolver->env->config->resolver.timeout_ms));
    struct lookup lookup = {.f = f};
    int id = 0;
    if (ub_resolve_async(resolver->unbound, name, request->type, DNS_CLASS_IN, &lookup, on_answer, &id) != 0) {
        resolver->failures++;
        return;
    }
    resolver->open++;
    enum err e = ERR_OK;
    while (!lookup.is_done && e == ERR_OK)
        e = fiber_park(f, by);
    if (!lookup.is_done)
        ub_cancel(resolver->unbound, id);
    resolver->open--;
    if (lookup.is_done && lookup.error == 0) {
        answer(resolver, lookup.result, mem, ret);
    } else {
        resolver->failures++;
        resolver->timeouts += e == ERR_TIMEOUT;
        log_write(resolver->env->log, LOG_LOOKUP_FAILED, LOG_TEXT(KEY_NAME, request->name), LOG_U64(KEY_TYPE, request->type),
                  LOG_ERR(KEY_ERROR, e));
    }
    if (lookup.result != NULL)
        ub_resolve_free(lookup.result);
}

static void
on_role_status(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_role_status *request, struct arena *mem,
               struct ipc_role_status_reply *ret)
{
    (void)f;
    (void)from;
    (void)request;
    const struct resolver *resolver = ctx;
    const struct ipc_counter counters[] = {
        {SPAN("lookups_total"), resolver->lookups},   {SPAN("failures_total"), resolver->failures},
        {SPAN("timeouts_total"), resolver->timeouts}, {SPAN("bogus_total"), resolver->bogus},
        {SPAN("open"), resolver->open},
    };
    struct ipc_counter *copy = arena_alloc(mem, sizeof(counters));
    if (copy == NULL)
        return;
    memcpy(copy, counters, sizeof(counters));
    ret->counters = copy;
    ret->counters_count = ARRAY_LEN(counters);
}

static const struct ipc_resolver_service service = {.dns_lookup = on_dns_lookup, .role_status = on_role_status};

/* --- the role ----------------------------------------------------------------------------------------------------- */

static void
on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Have libunbound's answers taken up as they come. */
static bool
start_polling(struct resolver *resolver)
{
    uv_poll_t *poll = resolver->unbound == NULL ? NULL : calloc(1, sizeof(*poll));
    if (poll == NULL)
        return false;
    if (uv_poll_init(rt_real_loop(resolver->env->rt), poll, ub_fd(resolver->unbound)) != 0) {
        free(poll);
        return false;
    }
    poll->data = resolver;
    resolver->poll = poll;
    return uv_poll_start(poll, UV_READABLE, on_readable) == 0;
}

void
resolver_run(struct fiber *f, struct role_env *env)
{
    struct resolver resolver = {.env = env, .unbound = set_up(&env->config->resolver)};
    if (!start_polling(&resolver))
        log_write(env->log, LOG_INTERNAL_FAULT, LOG_CSTR(KEY_PHASE, "start"),
                  LOG_CSTR(KEY_DETAIL, "libunbound refuses the configuration; every look-up fails"));
    ipc_hub_serve(env->hub, &service, &resolver);
    enum err e = rt_wait_stop(f, DEADLINE_NEVER);
    (void)e;
    ipc_hub_free(f, env->hub); /* no look-up is under way any more: `resolver` can go */
    env->hub = NULL;
    if (resolver.poll != NULL)
        uv_close((uv_handle_t *)resolver.poll, on_poll_closed);
    ub_ctx_delete(resolver.unbound);
}
