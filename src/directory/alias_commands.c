/* alias_commands.c - aliases of addresses, and reading the classic aliases file again. */
#include "directory/command.h"
#include "text/escape.h"

/* --- aliases of addresses --- */

static enum err
change_alias(const struct change *change)
{
    return accounts_db_put_alias(change->db, change->address, change->targets, change->target_count);
}

/* A target as it is stored: an address; a bare name gets the alias's own domain. */
static int
target_parse(struct command *c, const struct our_address *a, struct span text, struct span *ret)
{
    uint8_t octets[MAILBOX_TEXT_MAX], joined_octets[MAILBOX_TEXT_MAX];
    struct buf written, joined;
    struct mailbox mailbox;
    buf_init_fixed(&written, octets, sizeof(octets));
    buf_init_fixed(&joined, joined_octets, sizeof(joined_octets));
    buf_append(&joined, text);
    if (span_find(text, '@') == text.len) {
        buf_append_octet(&joined, '@');
        buf_append(&joined, domain_span(&a->mailbox.domain));
    }
    if (joined.failed || mailbox_parse(buf_span(&joined), true, &mailbox) != ADDR_OK)
        return command_fail(c, EX_DATAERR, "\"" SPAN_FMT "\" is not an address", SPAN_ARG(text));
    if (mailbox_format(&mailbox, &written) != ERR_OK || !arena_copy(c->mem, buf_span(&written), ret))
        return command_fail(c, EX_TEMPFAIL, "out of memory");
    return EX_OK;
}

static bool
targets_have(const struct span *targets, size_t count, struct span target)
{
    for (size_t i = 0; i < count; i++)
        if (span_equal_nocase(targets[i], target))
            return true;
    return false;
}

/* All targets of the alias as it is, copied, in an array with room for ALIAS_TARGETS_MAX. NULL without memory. */
static struct span *
targets_copy(struct command *c, const struct our_address *a, size_t *ret_count)
{
    struct span *targets = arena_alloc(c->mem, ALIAS_TARGETS_MAX * sizeof(*targets));
    const struct alias *alias = accounts_find_alias(c->d->accounts, our_key(a));
    size_t count = alias == NULL ? 0 : alias->target_count;
    for (size_t i = 0; targets != NULL && i < count; i++)
        if (!arena_copy(c->mem, alias->targets[i], &targets[i]))
            return NULL;
    *ret_count = count;
    return targets;
}

/* Write the alias to the database and to memory. The caller holds db_lock. */
static int
alias_store(struct command *c, const struct our_address *a, const struct span *targets, size_t count)
{
    struct change change = {.run = change_alias, .address = &a->mailbox, .targets = targets, .target_count = count};
    enum err e = command_change(c, &change);
    if (e != ERR_OK)
        return command_fail_database(c, e);
    const struct alias alias = {.address = our_key(a), .targets = targets, .target_count = count};
    if (count == 0)
        accounts_remove_alias(c->d->accounts, our_key(a));
    else if (accounts_put_alias(c->d->accounts, our_key(a), &alias) != ERR_OK)
        return command_fail(c, EX_TEMPFAIL, "done, but not in force: out of memory; restart the server");
    return EX_OK;
}

static int
alias_add_locked(struct command *c, const struct our_address *a)
{
    size_t count = 0;
    struct span *targets = targets_copy(c, a, &count);
    if (targets == NULL)
        return command_fail(c, EX_TEMPFAIL, "out of memory");
    if (accounts_find(c->d->accounts, our_key(a)) != NULL)
        return command_fail(c, EX_CANTCREAT, "%s is an account; an account keeps its own mail",
                            command_address_text(&a->mailbox).text);
    for (size_t i = 1; i < c->argument_count; i++) {
        struct span target;
        int status = target_parse(c, a, command_argument(c, i), &target);
        if (status != EX_OK)
            return status;
        if (targets_have(targets, count, target))
            continue;
        if (count == ALIAS_TARGETS_MAX)
            return command_fail(c, EX_DATAERR, "an alias has at most %d targets", ALIAS_TARGETS_MAX);
        targets[count++] = target;
    }
    return alias_store(c, a, targets, count);
}

static int
alias_remove_locked(struct command *c, const struct our_address *a)
{
    size_t count = 0;
    struct span *targets = targets_copy(c, a, &count);
    if (targets == NULL)
        return command_fail(c, EX_TEMPFAIL, "out of memory");
    if (count == 0)
        return command_fail(c, EX_NOUSER, "there is no alias %s; godwit alias list shows those there are",
                    command_address_text(&a->mailbox).text);
    if (c->argument_count == 1)
        return alias_store(c, a, targets, 0);
    for (size_t i = 1; i < c->argument_count; i++) {
        struct span target;
        int status = target_parse(c, a, command_argument(c, i), &target);
        if (status != EX_OK)
            return status;
        size_t kept = 0;
        for (size_t k = 0; k < count; k++)
            if (!span_equal_nocase(targets[k], target))
                targets[kept++] = targets[k];
        if (kept == count)
            return command_fail(c, EX_NOUSER, SPAN_FMT " is no target of %s", SPAN_ARG(target),
                                command_address_text(&a->mailbox).text);
        count = kept;
    }
    return alias_store(c, a, targets, count);
}

static int
alias_change(struct command *c, const char *verb, int (*change)(struct command *c, const struct our_address *a),
             const char *done)
{
    struct our_address a;
    int status = command_address_parse(c, command_argument(c, 0), &a);
    if (status == EX_OK && semaphore_take(c->f, DEADLINE_NEVER, &c->d->db_lock) != ERR_OK)
        return command_fail(c, EX_TEMPFAIL, "the server is stopping");
    if (status != EX_OK)
        return status;
    status = command_need_accounts(c);
    if (status == EX_OK)
        status = change(c, &a);
    const struct alias *alias = status == EX_OK ? accounts_find_alias(c->d->accounts, our_key(&a)) : NULL;
    semaphore_give(&c->d->db_lock);
    if (status != EX_OK)
        return status;
    command_log(c, verb, &a.mailbox);
    command_append_mailbox(&c->out, &a.mailbox);
    if (alias == NULL)
        buf_append_cstr(&c->out, done);
    for (size_t i = 0; alias != NULL && i < alias->target_count; i++) {
        buf_append_cstr(&c->out, i == 0 ? ": " : ", ");
        escape_append_reply(alias->targets[i], &c->out);
    }
    buf_append_octet(&c->out, '\n');
    return EX_OK;
}

int
command_alias_add(struct command *c)
{
    return alias_change(c, "alias-add", alias_add_locked, "");
}

int
command_alias_remove(struct command *c)
{
    return alias_change(c, "alias-remove", alias_remove_locked, " removed");
}

/* --- the aliases file --- */

int
command_aliases_reload(struct command *c)
{
    struct directory *d = c->d;
    directory_reread(c->f, d, true, &c->out);
    if (span_is_empty(d->env->config->local.aliases.value))
        buf_append_cstr(&c->out, "no aliases file is configured (local { aliases })\n");
    else if (d->aliases != NULL && d->aliases_error == ERR_OK)
        buf_printf(&c->out, SPAN_FMT ": %zu entries%s\n", SPAN_ARG(d->env->config->local.aliases.value),
                   aliases_table_count(d->aliases), d->aliases_stamp.exists ? "" : " (there is no such file)");
    return d->aliases_error == ERR_OK ? EX_OK : EX_TEMPFAIL;
}

