/* load.c - the database opened and read in a pool job, the tables swapped on the loop. */
#include <stdlib.h>

#include "directory/directory_state.h"

/* What the job needs and makes. Nothing of the loop. */
struct load {
    struct disk_dir *dir;
    struct accounts_db *db;       /* in and out */
    const struct config *config;
    uint64_t seed[2];
    struct accounts *accounts;    /* out */
    uint64_t problems;
    enum err status;
    const char *step;
};

static bool
key_of(const struct load *load, const struct mailbox *address, struct address_key *ret)
{
    const struct config_domain *domain = config_domain_find(load->config, domain_span(&address->domain));
    bool is_case_sensitive = domain != NULL && domain->is_case_sensitive.value;
    return address_key_make(mailbox_local(address), domain_span(&address->domain), is_case_sensitive, ret);
}

static bool
on_account(void *ctx, const struct mailbox *address, const struct account *account)
{
    struct load *load = ctx;
    struct address_key key;
    if (!key_of(load, address, &key))
        return true;
    /* Two accounts that differ in case alone, from a time when the domain told case apart: the first keeps the name. */
    if (accounts_find(load->accounts, address_key_span(&key)) != NULL) {
        load->problems++;
        return true;
    }
    return accounts_put(load->accounts, address_key_span(&key), account) == ERR_OK;
}

static bool
on_alias(void *ctx, const struct mailbox *address, const struct alias *alias)
{
    struct load *load = ctx;
    struct address_key key;
    if (!key_of(load, address, &key))
        return true;
    if (accounts_find_alias(load->accounts, address_key_span(&key)) != NULL) {
        load->problems++;
        return true;
    }
    return accounts_put_alias(load->accounts, address_key_span(&key), alias) == ERR_OK;
}

static void
on_problem(void *ctx, struct span address, const char *what)
{
    (void)address;
    (void)what;
    struct load *load = ctx;
    load->problems++;
}

static enum err
load_all(struct load *load)
{
    const struct accounts_db_sink sink = {.account = on_account, .alias = on_alias, .problem = on_problem, .ctx = load};
    const struct accounts_db_range everything = {.limit = UINT64_MAX};
    load->step = "open";
    if (load->db == NULL)
        TRY(accounts_db_open(load->dir, &load->db));
    load->step = "read";
    load->accounts = calloc(1, sizeof(*load->accounts));
    if (load->accounts == NULL)
        return ERR_LIMIT;
    accounts_init(load->accounts, load->seed);
    return accounts_db_read(load->db, &everything, &sink);
}

static void
accounts_free(struct accounts *a)
{
    accounts_done(a);
    free(a);
}

static void
load_run(void *arg)
{
    struct load *load = arg;
    load->status = load_all(load);
    if (load->status != ERR_OK) {
        accounts_free(load->accounts);
        load->accounts = NULL;
    }
}

static void
free_run(void *arg)
{
    accounts_free(arg);
}

enum err
directory_db_run(struct fiber *f, struct directory *d, void (*job)(void *arg), void *arg)
{
    TRY(semaphore_take(f, DEADLINE_NEVER, &d->db_lock));
    enum err e = rt_pool_run(f, job, arg);
    semaphore_give(&d->db_lock);
    return e;
}

enum err
directory_load(struct fiber *f, struct directory *d)
{
    TRY(semaphore_take(f, DEADLINE_NEVER, &d->db_lock));
    struct load load = {
        .dir = d->env->data_dir, .db = d->db, .config = d->env->config, .seed = {d->seed[0], d->seed[1]}};
    enum err e = rt_pool_run(f, load_run, &load);
    d->db = load.db;
    if (e == ERR_OK)
        e = load.status;
    struct accounts *old = NULL;
    if (e == ERR_OK) {
        old = d->accounts;
        d->accounts = load.accounts;
    }
    semaphore_give(&d->db_lock);
    if (old != NULL && rt_pool_run(f, free_run, old) != ERR_OK)
        accounts_free(old);
    if (e != ERR_OK)
        log_write(d->log, LOG_DIRECTORY_FAILED, LOG_ERR(KEY_ERROR, e),
                  LOG_CSTR(KEY_PHASE, load.step == NULL ? "pool" : load.step), LOG_CSTR(KEY_FILE, "accounts.db"));
    else
        log_write(d->log, LOG_DIRECTORY_OPENED, LOG_U64(KEY_COUNT, d->accounts->accounts.count),
                  LOG_U64(KEY_ERRORS, load.problems));
    return e;
}
