/*
 * directory.c - the life of the directory process, and its two answers: deliverable? and what does it stand for?
 *
 * It serves before everything is loaded: what is not known yet is RECIPIENT_STATUS_UNAVAILABLE, so a start or a broken
 * file delays mail and refuses none. A database that cannot be opened is tried again for as long as the process lives.
 */
#include "directory/directory.h"

#include <stdlib.h>

#include "base/assert.h"
#include "directory/directory_state.h"

enum {
    LOAD_AGAIN_S = 10,
    LOOKUP_SHARE_PERCENT = 80, /* of the caller's patience, so that the answer "unavailable" still reaches it */
};

/* --- questions about recipients --- */

struct resolve_world
directory_world(struct directory_ask *ask)
{
    struct directory *d = ask->directory;
    return (struct resolve_world){
        .config = d->env->config,
        .accounts = (const struct accounts *const *)&d->accounts,
        .aliases = (const struct aliases_table *const *)&d->aliases,
        .file_has = directory_file_has,
        .socketmap_has = directory_socketmap_has,
        .user_exists = directory_user_exists,
        .ctx = ask,
    };
}

static struct directory_ask
ask_begin(struct directory *d, struct fiber *f)
{
    int64_t patience_ns = config_duration_ns(d->env->config->limits.lookup_timeout_ms);
    return (struct directory_ask){d, f, deadline_in(d->rt, patience_ns / 100 * LOOKUP_SHARE_PERCENT)};
}

/* Answer a question; without memory the answer is "unavailable". */
static struct resolution
answer_make(struct directory *d, struct fiber *f, const struct resolve_question *question, struct arena *mem)
{
    struct directory_ask ask = ask_begin(d, f);
    struct resolve_world world = directory_world(&ask);
    struct resolution r;
    if (resolve(&world, question, mem, &r) != ERR_OK)
        r = (struct resolution){.status = RECIPIENT_STATUS_UNAVAILABLE, .reason = "out of memory"};
    d->unknown += r.status == RECIPIENT_STATUS_UNKNOWN;
    d->unavailable += r.status == RECIPIENT_STATUS_UNAVAILABLE;
    return r;
}

/* The deciding line as a list of one; none when there is no line or no memory for it. */
static size_t
rule_make(struct arena *mem, struct source_pos pos, const struct ipc_source_ref **ret)
{
    if (pos.line == 0 || pos.file.len > IPC_SOURCE_REF_FILE_MAX)
        return 0;
    struct ipc_source_ref *rule = arena_alloc(mem, sizeof(*rule));
    if (rule == NULL)
        return 0;
    *rule = (struct ipc_source_ref){.file = pos.file, .line = pos.line, .column = pos.column};
    *ret = rule;
    return 1;
}

static void
on_recipient_check(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_recipient_check *request,
                   struct arena *mem, struct ipc_recipient_check_reply *ret)
{
    (void)from;
    struct directory *d = ctx;
    const struct resolve_question question = {
        .local_part = request->local_part,
        .domain = request->domain,
        .size_bytes = request->size_bytes,
    };
    d->checks++;
    struct resolution r = answer_make(d, f, &question, mem);
    ret->status = (uint8_t)r.status;
    ret->rule_count = rule_make(mem, r.pos, &ret->rule);
}

static void
on_recipient_expand(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_recipient_expand *request,
                    struct arena *mem, struct ipc_recipient_expand_reply *ret)
{
    (void)from;
    struct directory *d = ctx;
    const struct resolve_question question = {
        .local_part = request->local_part,
        .domain = request->domain,
        .wants_targets = true,
        .offset = request->offset,
    };
    d->expansions++;
    struct resolution r = answer_make(d, f, &question, mem);
    if (r.status != RECIPIENT_STATUS_OK)
        r.target_count = 0;
    struct ipc_target *targets = arena_alloc(mem, r.target_count * sizeof(*targets));
    if (targets == NULL)
        r = (struct resolution){.status = RECIPIENT_STATUS_UNAVAILABLE};
    for (size_t i = 0; i < r.target_count; i++)
        targets[i] = (struct ipc_target){.kind = (uint8_t)r.targets[i].kind,
                                         .name = r.targets[i].name,
                                         .detail = r.targets[i].detail,
                                         .quota_bytes = r.targets[i].quota_bytes};
    ret->status = (uint8_t)r.status;
    ret->keeps_sender = span_is_empty(r.owner);
    ret->sender = r.owner;
    ret->targets = targets;
    ret->targets_count = r.target_count;
    ret->more = r.has_more;
    ret->rule_count = rule_make(mem, r.pos, &ret->rule);
}

/* --- status --- */

static void
on_role_status(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_role_status *request,
               struct arena *mem, struct ipc_role_status_reply *ret)
{
    (void)f;
    (void)from;
    (void)request;
    const struct directory *d = ctx;
    const struct ipc_counter counters[] = {
        {SPAN("accounts"), d->accounts == NULL ? 0 : d->accounts->accounts.count},
        {SPAN("aliases"), d->accounts == NULL ? 0 : d->accounts->aliases.count},
        {SPAN("aliases_file_entries"), d->aliases == NULL ? 0 : aliases_table_count(d->aliases)},
        {SPAN("accounts_unavailable"), d->accounts == NULL},
        {SPAN("checks_total"), d->checks},
        {SPAN("expansions_total"), d->expansions},
        {SPAN("unknown_total"), d->unknown},
        {SPAN("unavailable_total"), d->unavailable},
        {SPAN("commands_total"), d->commands},
    };
    struct span text;
    if (!arena_copy(mem, span_of(counters, sizeof(counters)), &text))
        return;
    ret->counters = (const struct ipc_counter *)(const void *)text.data;
    ret->counters_count = ARRAY_LEN(counters);
}

/* --- the life of the role --- */

static const struct ipc_directory_service service = {
    .recipient_check = on_recipient_check,
    .recipient_expand = on_recipient_expand,
    .local_user = directory_on_local_user,
    .role_status = on_role_status,
    .directory_command = directory_on_command,
};

static void
on_reconfigure(void *ctx)
{
    struct directory *d = ctx;
    d->is_reconfigured = true;
    directory_local_users_forget(d); /* trusted-users may be others */
    cond_broadcast(&d->changed);
}

/* Have the accounts in memory under the present configuration; try until it is so. */
static void
keep_accounts(struct fiber *f, void *arg)
{
    struct directory *d = arg;
    bool is_loaded = false;
    for (;;) {
        if (!is_loaded || d->is_reconfigured) {
            d->is_reconfigured = false;
            is_loaded = directory_load(f, d) == ERR_OK;
            d->has_tried_to_load = true;
            cond_broadcast(&d->loaded);
        }
        struct deadline next = is_loaded ? DEADLINE_NEVER : deadline_in(d->rt, LOAD_AGAIN_S * NS_PER_S);
        if (!d->is_reconfigured && cond_wait(f, next, &d->changed) == ERR_CANCELED)
            return;
    }
}

/* Look at outside files now and then, and at once after a new configuration. */
static void
keep_outside(struct fiber *f, void *arg)
{
    struct directory *d = arg;
    const struct config *seen = NULL;
    for (;;) {
        bool is_new = seen != d->env->config;
        seen = d->env->config;
        if (is_new && directory_lists_reset(f, d) == ERR_CANCELED)
            return;
        directory_reread(f, d, is_new, NULL);
        if (seen == d->env->config &&
            cond_wait(f, deadline_in(d->rt, DIRECTORY_WATCH_S * NS_PER_S), &d->changed) == ERR_CANCELED)
            return;
    }
}

static void
directory_init(struct directory *d, struct role_env *env)
{
    *d = (struct directory){.env = env, .rt = env->rt, .log = env->log};
    rt_random(d->rt, d->seed, sizeof(d->seed));
    semaphore_init(&d->db_lock, 1);
    semaphore_init(&d->reload_lock, 1);
    semaphore_init(&d->hashes, DIRECTORY_HASHES_AT_ONCE);
    semaphore_init(&d->socketmaps, DIRECTORY_SOCKETMAPS_AT_ONCE);
    list_init(&d->idle_socketmaps);
    cond_init(&d->loaded);
    cond_init(&d->changed);
    map_init(&d->users, DIRECTORY_USERS_MAX, d->seed);
    map_init(&d->local_users, DIRECTORY_USERS_MAX, d->seed);
}

static void
close_run(void *arg)
{
    accounts_db_close(arg);
}

static void
directory_done(struct fiber *f, struct directory *d)
{
    directory_socketmaps_done(d);
    directory_outside_done(d);
    directory_local_users_forget(d);
    accounts_done(d->accounts);
    free(d->accounts);
    if (d->db != NULL && rt_pool_run(f, close_run, d->db) != ERR_OK)
        accounts_db_close(d->db);
}

void
directory_run(struct fiber *f, struct role_env *env)
{
    struct directory directory;
    struct directory *d = &directory;
    ASSERT(env->data_dir != NULL);
    directory_init(d, env);
    env->on_reconfigure_ctx = d;
    env->on_reconfigure = on_reconfigure;
    fiber_group_init(&d->background, f);
    enum err e = fiber_group_spawn(&d->background, "directory.accounts", keep_accounts, d);
    if (e == ERR_OK)
        e = fiber_group_spawn(&d->background, "directory.outside", keep_outside, d);
    while (e == ERR_OK && !d->has_tried_to_load)
        e = cond_wait(f, DEADLINE_NEVER, &d->loaded);
    if (e == ERR_OK) {
        ipc_hub_serve(env->hub, &service, d);
        e = rt_wait_stop(f, DEADLINE_NEVER);
    }
    if (e != ERR_OK)
        log_write(d->log, LOG_INTERNAL_FAULT, LOG_ERR(KEY_ERROR, e), LOG_CSTR(KEY_PHASE, "serve"));
    env->on_reconfigure = NULL;
    fiber_group_end(f, &d->background);
    ipc_hub_free(f, env->hub); /* ends the calls being served: nothing refers to `d` any more */
    env->hub = NULL;
    directory_done(f, d);
}
