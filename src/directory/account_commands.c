/*
 * account_commands.c - make, change and remove accounts.
 *
 * The argument that is a password goes into a pool job to be hashed and nowhere else.
 */
#include "directory/command.h"
#include "directory/password.h"
#include "store/maildir/maildir.h"

/* The stored address of an account of ours that exists: its local part may differ in case from what was typed. */
static int
existing_account_parse(struct command *c, struct our_address *ret)
{
    int status = command_address_parse(c, command_argument(c, 0), ret);
    if (status == EX_OK)
        status = command_need_accounts(c);
    if (status != EX_OK)
        return status;
    const struct account *account = accounts_find(c->d->accounts, our_key(ret));
    if (account == NULL)
        return command_fail(c, EX_NOUSER, "there is no account %s; godwit account list shows those there are",
                    command_address_text(&ret->mailbox).text);
    struct span local = span_first(account->address, span_find_last(account->address, '@'));
    if (mailbox_from_parts(local, domain_span(&ret->mailbox.domain), &ret->mailbox) != ADDR_OK)
        return command_fail(c, EX_DATAERR, "the stored address of the account is damaged");
    return EX_OK;
}

/* --- the accounts_db calls --- */

static enum err
change_add(const struct change *change)
{
    return accounts_db_add(change->db, change->address, &change->account, change->hash);
}

static enum err
change_remove(const struct change *change)
{
    return accounts_db_remove(change->db, change->address);
}

static enum err
change_password(const struct change *change)
{
    return accounts_db_set_password(change->db, change->address, change->hash);
}

static enum err
change_quota(const struct change *change)
{
    return accounts_db_set_quota(change->db, change->address, change->account.has_quota, change->account.quota_bytes);
}

static enum err
change_suspended(const struct change *change)
{
    return accounts_db_set_suspended(change->db, change->address, change->account.is_suspended);
}

/* Replace the account in memory by `account`. Its texts may be those of the entry that is replaced. */
static int
account_refresh(struct command *c, const struct our_address *a, const struct account *account)
{
    if (accounts_put(c->d->accounts, our_key(a), account) == ERR_OK)
        return EX_OK;
    return command_fail(c, EX_TEMPFAIL, "done, but not in force: out of memory; restart the server");
}

/* --- passwords --- */

struct hashing {
    struct span password;
    uint8_t salt[PASSWORD_SALT_BYTES];
    struct buf hash;
    enum err status;
};

static void
hashing_run(void *arg)
{
    struct hashing *h = arg;
    h->status = password_hash(h->password, h->salt, &h->hash);
}

/* Hash a password given as an argument; *ret lives in `mem`, empty for an empty password. */
static int
password_argument_hash(struct command *c, struct span password, struct span *ret)
{
    uint8_t text[PASSWORD_HASH_MAX];
    struct hashing h = {.password = password};
    *ret = SPAN_EMPTY;
    if (span_is_empty(password))
        return EX_OK;
    buf_init_fixed(&h.hash, text, sizeof(text));
    rt_random(c->d->rt, h.salt, sizeof(h.salt));
    enum err e = semaphore_take(c->f, DEADLINE_NEVER, &c->d->hashes);
    if (e == ERR_OK) {
        e = rt_pool_run(c->f, hashing_run, &h);
        semaphore_give(&c->d->hashes);
    }
    if (e == ERR_OK)
        e = h.status;
    if (e == ERR_SYNTAX)
        return command_fail(c, EX_DATAERR, "a password has 1 to 256 octets and no NUL");
    if (e != ERR_OK || !arena_copy(c->mem, buf_span(&h.hash), ret))
        return command_fail(c, EX_TEMPFAIL, "the password could not be hashed (%s); try again", err_name(e));
    return EX_OK;
}

/* --- accounts --- */

/* "quota=1G" and "class=bulk" behind the password. */
static int
account_options_parse(struct command *c, size_t from, struct account *ret)
{
    for (size_t i = from; i < c->argument_count; i++) {
        struct span key, value;
        if (!span_cut(command_argument(c, i), '=', &key, &value))
            return command_fail(c, EX_USAGE, "\"" SPAN_FMT "\" is no option; there are quota=SIZE and class=NAME",
                                SPAN_ARG(command_argument(c, i)));
        if (span_equal(key, SPAN("quota"))) {
            if (!command_quota_parse(value, &ret->quota_bytes))
                return command_fail(c, EX_USAGE, "a quota is a size such as 1G or 500M, or none");
            ret->has_quota = true;
        } else if (span_equal(key, SPAN("class"))) {
            if (!span_equal(value, SPAN("normal")) && !span_equal(value, SPAN("bulk")))
                return command_fail(c, EX_USAGE, "a class is normal or bulk");
            ret->class = value;
        } else {
            return command_fail(c, EX_USAGE, "\"" SPAN_FMT "\" is no option; there are quota=SIZE and class=NAME",
                                SPAN_ARG(key));
        }
    }
    return EX_OK;
}

/* Where the mail of an account is, below the mail directory. False when it has no such place. */
static bool
mailbox_path(const struct mailbox *m, char ret[MAILDIR_PATH_MAX])
{
    uint8_t text[ADDRESS_KEY_MAX];
    struct buf address;
    buf_init_fixed(&address, text, sizeof(text));
    buf_append(&address, mailbox_local(m));
    buf_append_octet(&address, '@');
    buf_append(&address, domain_span(&m->domain));
    return !address.failed && maildir_path_format(buf_span(&address), ret) == ERR_OK;
}

/* Whether the address can become an account's. */
static int
account_is_free(struct command *c, const struct our_address *a)
{
    char path[MAILDIR_PATH_MAX];
    int status = command_need_accounts(c);
    if (status != EX_OK)
        return status;
    if (accounts_find(c->d->accounts, our_key(a)) != NULL)
        return command_fail(c, EX_CANTCREAT, "%s exists already; godwit account password %s sets a new password",
                    command_address_text(&a->mailbox).text, command_address_text(&a->mailbox).text);
    if (accounts_find_alias(c->d->accounts, our_key(a)) != NULL)
        return command_fail(c, EX_CANTCREAT, "%s is an alias; remove it first: godwit alias remove %s",
                    command_address_text(&a->mailbox).text, command_address_text(&a->mailbox).text);
    if (!mailbox_path(&a->mailbox, path))
        return command_fail(c, EX_DATAERR, "%s is too long for the name of a mailbox",
                            command_address_text(&a->mailbox).text);
    return EX_OK;
}

/* With db_lock held: look once more whether it is free, then make it. */
static int
account_add_locked(struct command *c, const struct our_address *a, struct change *change)
{
    int status = account_is_free(c, a);
    if (status != EX_OK)
        return status;
    enum err e = command_change(c, change);
    if (e == ERR_EXISTS)
        return command_fail(c, EX_CANTCREAT, "%s exists already", command_address_text(&a->mailbox).text);
    if (e != ERR_OK)
        return command_fail_database(c, e);
    change->account.address = our_key(a);
    return account_refresh(c, a, &change->account);
}

int
command_account_add(struct command *c)
{
    struct our_address a;
    struct account account = {.class = SPAN("normal"), .created_us = rt_wall_us(c->d->rt)};
    struct span hash = SPAN_EMPTY;
    int status = command_address_parse(c, command_argument(c, 0), &a);
    if (status == EX_OK)
        status = account_options_parse(c, 2, &account);
    if (status == EX_OK)
        status = account_is_free(c, &a);
    if (status == EX_OK)
        status = password_argument_hash(c, command_argument(c, 1), &hash);
    if (status != EX_OK)
        return status;
    account.has_password = !span_is_empty(hash);
    /*
     * A case-sensitive domain keeps the local part as it was typed, every other in lower case; the key is the same
     * text.
     */
    struct change change = {.run = change_add, .address = &a.mailbox, .account = account, .hash = hash};
    if (semaphore_take(c->f, DEADLINE_NEVER, &c->d->db_lock) != ERR_OK)
        return command_fail(c, EX_TEMPFAIL, "the server is stopping");
    status = account_add_locked(c, &a, &change);
    semaphore_give(&c->d->db_lock);
    if (status != EX_OK)
        return status;
    command_log(c, "account-add", &a.mailbox);
    command_append_mailbox(&c->out, &a.mailbox);
    buf_append_cstr(&c->out, account.has_password ? " added\n"
                                                  : " added without a password: it receives mail, nobody can log in\n");
    return EX_OK;
}

/*
 * The verbs that change an account that exists differ in what they put into `change` and how the entry in memory looks
 * afterwards: the new account, none for a removal.
 */
static int
account_change(struct command *c, const char *verb, struct change *change)
{
    struct our_address a;
    int status = existing_account_parse(c, &a);
    if (status != EX_OK)
        return status;
    change->address = &a.mailbox;
    if (semaphore_take(c->f, DEADLINE_NEVER, &c->d->db_lock) != ERR_OK)
        return command_fail(c, EX_TEMPFAIL, "the server is stopping");
    enum err e = command_change(c, change);
    const struct account *now = e == ERR_OK ? accounts_find(c->d->accounts, our_key(&a)) : NULL;
    if (now != NULL && change->run == change_remove) {
        accounts_remove(c->d->accounts, our_key(&a));
    } else if (now != NULL) {
        struct account changed = *now;
        if (change->run == change_password)
            changed.has_password = !span_is_empty(change->hash);
        if (change->run == change_suspended)
            changed.is_suspended = change->account.is_suspended;
        if (change->run == change_quota) {
            changed.has_quota = change->account.has_quota;
            changed.quota_bytes = change->account.quota_bytes;
        }
        status = account_refresh(c, &a, &changed);
    }
    semaphore_give(&c->d->db_lock);
    if (e == ERR_NOT_FOUND)
        return command_fail(c, EX_NOUSER, "there is no account %s", command_address_text(&a.mailbox).text);
    if (e != ERR_OK)
        return command_fail_database(c, e);
    if (status != EX_OK)
        return status;
    command_log(c, verb, &a.mailbox);
    command_append_mailbox(&c->out, &a.mailbox);
    return EX_OK;
}

int
command_account_remove(struct command *c)
{
    struct change change = {.run = change_remove};
    struct our_address a;
    char path[MAILDIR_PATH_MAX];
    int status = existing_account_parse(c, &a);
    if (status == EX_OK)
        status = account_change(c, "account-remove", &change);
    if (status != EX_OK)
        return status;
    buf_append_cstr(&c->out, " removed");
    if (mailbox_path(&a.mailbox, path))
        buf_printf(&c->out, "; its mail stays in %s below the mail directory", path);
    buf_append_octet(&c->out, '\n');
    return EX_OK;
}

int
command_account_password(struct command *c)
{
    struct change change = {.run = change_password};
    struct our_address a;
    int status = existing_account_parse(c, &a);
    if (status == EX_OK)
        status = password_argument_hash(c, command_argument(c, 1), &change.hash);
    if (status == EX_OK)
        status = account_change(c, "account-password", &change);
    if (status == EX_OK)
        buf_append_cstr(&c->out, span_is_empty(change.hash) ? ": password removed, nobody can log in\n"
                                                            : ": password changed\n");
    return status;
}

int
command_account_quota(struct command *c)
{
    struct change change = {.run = change_quota, .account = {.has_quota = true}};
    if (span_equal(command_argument(c, 1), SPAN("default")))
        change.account.has_quota = false;
    else if (!command_quota_parse(command_argument(c, 1), &change.account.quota_bytes))
        return command_fail(c, EX_USAGE, "a quota is a size such as 1G or 500M, none, or default (the domain's)");
    int status = account_change(c, "account-quota", &change);
    if (status != EX_OK)
        return status;
    if (!change.account.has_quota)
        buf_append_cstr(&c->out, ": the quota of its domain\n");
    else if (change.account.quota_bytes == 0)
        buf_append_cstr(&c->out, ": no quota\n");
    else
        buf_printf(&c->out, ": quota %llu bytes\n", (unsigned long long)change.account.quota_bytes);
    return EX_OK;
}

static int
suspend_or_resume(struct command *c, const char *verb, bool is_suspended)
{
    struct change change = {.run = change_suspended, .account = {.is_suspended = is_suspended}};
    int status = account_change(c, verb, &change);
    if (status == EX_OK)
        buf_append_cstr(&c->out,
                        is_suspended ? " suspended: its mail is refused, nobody can log in\n" : " is active again\n");
    return status;
}

int
command_account_suspend(struct command *c)
{
    return suspend_or_resume(c, "account-suspend", true);
}

int
command_account_resume(struct command *c)
{
    return suspend_or_resume(c, "account-resume", false);
}

