/* list_commands.c - accounts and aliases, a page an answer, one line each. */
#include "directory/command.h"
#include "net/log.h"
#include "text/escape.h"

enum { LIST_ROWS = 200 /* of one answer */ };

/* A page of rows, made into text in the pool job. */
struct listing {
    struct accounts_db *db;
    struct accounts_db_range range;
    bool has_aliases; /* aliases, else accounts */
    struct buf *out;
    uint64_t rows;
    enum err status;
};

static bool
list_account(void *ctx, const struct mailbox *address, const struct account *account)
{
    struct listing *l = ctx;
    l->rows++;
    command_append_mailbox(l->out, address);
    if (account->has_quota && account->quota_bytes > 0)
        buf_printf(l->out, " quota=%llu", (unsigned long long)account->quota_bytes);
    else
        buf_append_cstr(l->out, account->has_quota ? " quota=none" : " quota=default");
    buf_append_cstr(l->out, " class=");
    escape_append_reply(account->class, l->out);
    buf_append_cstr(l->out, account->has_password ? " password=yes" : " password=no");
    buf_append_cstr(l->out, account->is_suspended ? " state=suspended" : " state=active");
    buf_append_cstr(l->out, " created=");
    log_append_time(l->out, account->created_us);
    return buf_append_octet(l->out, '\n') == ERR_OK;
}

static bool
list_alias(void *ctx, const struct mailbox *address, const struct alias *alias)
{
    struct listing *l = ctx;
    size_t before = l->out->len;
    command_append_mailbox(l->out, address);
    for (size_t i = 0; i < alias->target_count; i++) {
        buf_append_cstr(l->out, i == 0 ? ": " : ", ");
        escape_append_reply(alias->targets[i], l->out);
    }
    if (buf_append_octet(l->out, '\n') == ERR_OK) {
        l->rows++;
        return true;
    }
    /* No room for this one: it begins the next answer, unless it fills one by itself. */
    l->out->len = before;
    l->out->failed = false;
    return false;
}

static void
list_problem(void *ctx, struct span address, const char *what)
{
    struct listing *l = ctx;
    l->rows++;
    escape_append_reply(address, l->out);
    buf_printf(l->out, ": %s\n", what);
}

static void
listing_run(void *arg)
{
    struct listing *l = arg;
    struct accounts_db_sink sink = {.problem = list_problem, .ctx = l};
    if (l->has_aliases)
        sink.alias = list_alias;
    else
        sink.account = list_account;
    l->status = accounts_db_read(l->db, &l->range, &sink);
}

static int
list_rows(struct command *c, bool has_aliases)
{
    struct domain domain = {.len = 0};
    if (c->argument_count > 0 && domain_parse(command_argument(c, 0), true, &domain) != ADDR_OK)
        return command_fail(c, EX_DATAERR, "\"" SPAN_FMT "\" is not a domain", SPAN_ARG(command_argument(c, 0)));
    struct listing l = {
        .range = {domain_span(&domain), c->cursor, LIST_ROWS}, .has_aliases = has_aliases, .out = &c->out};
    l.db = c->d->db;
    if (l.db == NULL)
        return command_need_accounts(c);
    enum err e = directory_db_run(c->f, c->d, listing_run, &l);
    bool is_cut = e == ERR_OK && l.status == ERR_LIMIT && l.rows > 0;
    if (e == ERR_OK && !is_cut)
        e = l.status;
    if (e != ERR_OK)
        return command_fail(c, EX_TEMPFAIL, "accounts.db cannot be read (%s); see the log", err_name(e));
    if (is_cut || l.rows == LIST_ROWS)
        c->next_cursor = c->cursor + l.rows;
    return EX_OK;
}

int
command_account_list(struct command *c)
{
    return list_rows(c, false);
}

int
command_alias_list(struct command *c)
{
    return list_rows(c, true);
}

