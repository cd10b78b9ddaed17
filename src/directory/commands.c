/*
 * commands.c - the commands of `godwit account`, `godwit alias`, `newaliases` and `godwit resolve`: the table, and what
 * verbs share.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory/command.h"
#include "text/ascii.h"
#include "text/escape.h"

struct span
command_argument(const struct command *c, size_t i)
{
    return i < c->argument_count ? c->arguments[i].value : SPAN_EMPTY;
}

/* --- saying things --- */

int
command_fail(struct command *c, int status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0)
        n = 0;
    buf_clear(&c->out);
    escape_append_reply(span_of(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1), &c->out);
    buf_append_octet(&c->out, '\n');
    return status;
}

int
command_fail_database(struct command *c, enum err e)
{
    if (e == ERR_FULL)
        return command_fail(c, EX_TEMPFAIL, "the disk is full; make room and try again");
    if (e == ERR_DAMAGED)
        return command_fail(c, EX_IOERR, "accounts.db is damaged; restore it from a backup");
    return command_fail(c, EX_TEMPFAIL, "accounts.db cannot be changed (%s); see the log", err_name(e));
}

void
command_append_mailbox(struct buf *to, const struct mailbox *m)
{
    uint8_t text[MAILBOX_TEXT_MAX];
    struct buf plain;
    buf_init_fixed(&plain, text, sizeof(text));
    if (mailbox_format(m, &plain) == ERR_OK)
        escape_append_reply(buf_span(&plain), to);
}

struct address_text
command_address_text(const struct mailbox *m)
{
    struct address_text t = {.text = ""};
    struct buf plain;
    buf_init_fixed(&plain, t.text, MAILBOX_TEXT_MAX);
    if (mailbox_format(m, &plain) != ERR_OK)
        t.text[0] = '\0';
    return t;
}

/* --- arguments --- */

/* A size such as 1G, 500 MiB or 1048576. */
static bool
size_parse(struct span s, uint64_t *ret)
{
    static const struct {
        char letter;
        unsigned shift;
    } units[] = {{'k', 10}, {'m', 20}, {'g', 30}, {'t', 40}};
    size_t digits = ascii_run(s, ASCII_DIGIT);
    uint64_t value = 0;
    if (!span_to_u64(span_first(s, digits), UINT64_MAX >> 1, &value))
        return false;
    struct span unit = span_trim(span_skip(s, digits));
    unsigned shift = 0;
    for (size_t i = 0; i < ARRAY_LEN(units) && unit.len > 0; i++)
        if (ascii_lower(unit.data[0]) == (uint8_t)units[i].letter)
            shift = units[i].shift;
    if (shift > 0)
        unit = span_skip(unit, 1);
    if (!span_is_empty(unit) && !span_equal_nocase(unit, SPAN("b")) &&
        (shift == 0 || !span_equal_nocase(unit, SPAN("ib"))))
        return false;
    if (value > (UINT64_MAX >> 1) >> shift)
        return false;
    *ret = value << shift;
    return true;
}

/* A quota: "none" is 0. */
bool
command_quota_parse(struct span s, uint64_t *ret)
{
    if (span_equal(s, SPAN("none"))) {
        *ret = 0;
        return true;
    }
    uint64_t value = 0;
    if (!size_parse(s, &value) || value == 0)
        return false;
    *ret = value;
    return true;
}

/* The same local part in lower case: how an account of a domain that does not tell case apart is stored. */
static bool
mailbox_lower(const struct mailbox *m, struct mailbox *ret)
{
    uint8_t local[MAILBOX_LOCAL_OCTETS_MAX];
    for (size_t i = 0; i < m->local_len; i++)
        local[i] = ascii_lower(m->local[i]);
    return mailbox_from_parts(span_of(local, m->local_len), domain_span(&m->domain), ret) == ADDR_OK;
}

/* 0 and *ret, or an exit status after saying why not. */
static int
our_address_parse(struct command *c, struct span text, struct our_address *ret)
{
    struct our_address a;
    if (span_find(text, '@') == text.len)
        return command_fail(c, EX_USAGE, "\"" SPAN_FMT "\" has no domain: write it as name@domain", SPAN_ARG(text));
    if (mailbox_parse(text, true, &a.mailbox) != ADDR_OK)
        return command_fail(c, EX_DATAERR, "\"" SPAN_FMT "\" is not an address", SPAN_ARG(text));
    struct span domain = domain_span(&a.mailbox.domain);
    a.domain = config_domain_find(c->d->env->config, domain);
    if (a.domain == NULL)
        return command_fail(c, EX_NOHOST,
                            SPAN_FMT " is not a domain of this server; add it first: godwit domain add " SPAN_FMT,
                            SPAN_ARG(domain), SPAN_ARG(domain));
    bool is_case_sensitive = a.domain->is_case_sensitive.value;
    if ((!is_case_sensitive && !mailbox_lower(&a.mailbox, &a.mailbox)) ||
        !address_key_make(mailbox_local(&a.mailbox), domain, is_case_sensitive, &a.key))
        return command_fail(c, EX_DATAERR, "\"" SPAN_FMT "\" is not an address", SPAN_ARG(text));
    *ret = a;
    return EX_OK;
}

/* As above, for a domain whose recipients are accounts. */
int
command_address_parse(struct command *c, struct span text, struct our_address *ret)
{
    int status = our_address_parse(c, text, ret);
    if (status != EX_OK || ret->domain->recipients.has_accounts)
        return status;
    struct source_pos pos = ret->domain->recipients.pos;
    return command_fail(c, EX_CONFIG,
                        "the recipients of " SPAN_FMT
                        " do not come from accounts; add \"recipients accounts;\" at " SPAN_FMT ":%u",
                        SPAN_ARG(domain_span(&ret->domain->title.value)), SPAN_ARG(pos.file), pos.line);
}

/* Tables in memory, or an exit status. */
int
command_need_accounts(struct command *c)
{
    return c->d->accounts != NULL
               ? EX_OK
               : command_fail(c, EX_TEMPFAIL, "accounts.db cannot be read at the moment; see the log");
}

/* --- changes in the database --- */

static void
change_run(void *arg)
{
    struct change *change = arg;
    change->status = change->run(change);
}

enum err
command_change(struct command *c, struct change *change)
{
    if (c->d->db == NULL)
        return ERR_AGAIN;
    change->db = c->d->db;
    TRY(rt_pool_run(c->f, change_run, change));
    return change->status;
}

void
command_log(struct command *c, const char *verb, const struct mailbox *address)
{
    log_write(c->d->log, LOG_ACCOUNT_CHANGED, LOG_CSTR(KEY_VERB, verb),
              LOG_CSTR(KEY_USER, command_address_text(address).text));
}

/* --- dispatch --- */

static const struct {
    const char *name;
    size_t arguments_min;
    size_t arguments_max;
    int (*run)(struct command *c);
    const char *usage;
} verbs[] = {
    {"account-add", 2, 4, command_account_add, "account-add ADDRESS PASSWORD [quota=SIZE] [class=NAME]"},
    {"account-remove", 1, 1, command_account_remove, "account-remove ADDRESS"},
    {"account-list", 0, 1, command_account_list, "account-list [DOMAIN]"},
    {"account-password", 2, 2, command_account_password, "account-password ADDRESS PASSWORD"},
    {"account-quota", 2, 2, command_account_quota, "account-quota ADDRESS SIZE|none|default"},
    {"account-suspend", 1, 1, command_account_suspend, "account-suspend ADDRESS"},
    {"account-resume", 1, 1, command_account_resume, "account-resume ADDRESS"},
    {"alias-add", 2, 8, command_alias_add, "alias-add ADDRESS TARGET..."},
    {"alias-remove", 1, 8, command_alias_remove, "alias-remove ADDRESS [TARGET...]"},
    {"alias-list", 0, 1, command_alias_list, "alias-list [DOMAIN]"},
    {"aliases-reload", 0, 0, command_aliases_reload, "aliases-reload"},
    {"resolve", 1, 1, command_resolve, "resolve ADDRESS"},
};

static int
command_run(struct command *c, struct span verb)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (!span_equal(verb, span_from_cstr(verbs[i].name)))
            continue;
        if (c->argument_count < verbs[i].arguments_min || c->argument_count > verbs[i].arguments_max)
            return command_fail(c, EX_USAGE, "usage: %s", verbs[i].usage);
        return verbs[i].run(c);
    }
    return command_fail(c, EX_USAGE, "the directory knows no command \"" SPAN_FMT "\"", SPAN_ARG(verb));
}

void
directory_on_command(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_directory_command *request,
                     struct arena *mem, struct ipc_directory_command_reply *ret)
{
    (void)from;
    struct directory *d = ctx;
    struct command c = {
        .d = d,
        .f = f,
        .mem = mem,
        .arguments = request->arguments,
        .argument_count = request->arguments_count,
        .cursor = request->cursor,
    };
    d->commands++;
    buf_init(&c.out, IPC_DIRECTORY_COMMAND_REPLY_TEXT_MAX);
    ret->status = (uint8_t)command_run(&c, request->verb);
    if (!arena_copy(mem, buf_span(&c.out), &ret->text))
        ret->status = EX_TEMPFAIL;
    ret->next_cursor = c.next_cursor;
    buf_done(&c.out);
}
