/*
 * plan.c - what is to be done with the message, found out whole before any of it is done.
 *
 * A line that cannot be read, or that asks for what is not permitted, stops all: half a ~/.forward obeyed would look
 * like a whole one. The file is the user's, read as the user: trusted to spend his rights, not to be well-formed.
 */
#include "deliver/deliver.h"

#include "proto/addr/mailbox.h"
#include "store/aliases/aliases_file.h"

enum { FORWARD_NAME_MAX = 64 };

struct planner {
    const struct user_delivery *d;
    struct deliver_plan *plan;
    struct deliver_verdict *verdict;
    const char *file;   /* for people */
    bool is_refused;
    bool is_found;      /* the entry of an aliases file */
};

void
deliver_plan_done(struct deliver_plan *plan)
{
    buf_done(&plan->forwards);
}

static void
refuse(struct planner *p, enum delivery_class class, uint32_t line, const char *why)
{
    if (p->is_refused)
        return;
    p->is_refused = true;
    deliver_verdict_set(p->verdict, class, class == DELIVERY_FAILED ? "5.7.1" : "4.3.5", "%s, line %u: %s", p->file,
                        (unsigned)line, why);
}

/* --- addresses -------------------------------------------------------------------------------------------------- */

bool
deliver_address_is_own(const struct user_delivery *d, struct span address)
{
    if (span_equal_nocase(address, d->recipient))
        return true;
    size_t at = span_find_last(address, '@');
    size_t own_at = span_find_last(d->recipient, '@');
    if (at < address.len &&
        (own_at == d->recipient.len ||
         !span_equal_nocase(span_skip(address, at + 1), span_skip(d->recipient, own_at + 1))))
        return false;
    struct span name = span_first(address, at);
    if (d->separator.len == 1)
        name = span_first(name, span_find(name, d->separator.data[0]));
    return span_equal_nocase(name, d->user);
}

/* An address of an envelope, or a bare name the directory can be asked about. */
static bool
address_is_usable(struct span address)
{
    struct mailbox mailbox;
    if (span_find(address, '@') < address.len)
        return mailbox_parse(address, true, &mailbox) == ADDR_OK;
    return address.len <= FORWARD_NAME_MAX && address.data[0] != ':' && address.data[0] != '"';
}

static void
plan_address(struct planner *p, uint32_t line, struct span address)
{
    struct buf *forwards = &p->plan->forwards;
    if (deliver_address_is_own(p->d, address)) {
        p->plan->to_mailbox = true;
        return;
    }
    if (!address_is_usable(address)) {
        refuse(p, DELIVERY_DEFERRED, line, "not an address");
        return;
    }
    if (forwards->len > 0)
        buf_append_octet(forwards, '\n');
    buf_append(forwards, address);
    if (forwards->failed)
        refuse(p, DELIVERY_DEFERRED, line, "more addresses than fit into 32 KiB");
}

/* --- targets ---------------------------------------------------------------------------------------------------- */

static void
plan_command(struct planner *p, uint32_t line, struct span command)
{
    struct deliver_plan *plan = p->plan;
    if (plan->command_count == DELIVER_COMMANDS_MAX)
        refuse(p, DELIVERY_DEFERRED, line, "more than 50 commands");
    else
        plan->commands[plan->command_count++] = command;
}

static void
plan_file(struct planner *p, uint32_t line, struct span path)
{
    if (span_equal(path, SPAN("/dev/null")))
        p->plan->is_discarded = true;
    else
        refuse(p, DELIVERY_FAILED, line, "mail is not appended to files; use the Maildir or a command");
}

static void
plan_forward_target(struct planner *p, uint32_t line, const struct alias_target *target)
{
    switch (target->kind) {
    case ALIAS_ADDRESS:
    case ALIAS_FINAL:
        plan_address(p, line, target->text);
        return;
    case ALIAS_COMMAND:
        if (p->d->runs_commands != 0)
            plan_command(p, line, target->text);
        else
            refuse(p, DELIVERY_FAILED, line, "commands are switched off on this server");
        return;
    case ALIAS_FILE:
        plan_file(p, line, target->text);
        return;
    case ALIAS_INCLUDE:
        refuse(p, DELIVERY_FAILED, line, ":include: is not permitted here");
        return;
    }
}

static bool
on_forward(void *ctx, uint32_t line, struct span name, const struct alias_target *targets, size_t target_count)
{
    struct planner *p = ctx;
    (void)name;
    for (size_t i = 0; i < target_count; i++)
        plan_forward_target(p, line, &targets[i]);
    return true;
}

static void
on_forward_problem(void *ctx, uint32_t line, const char *what)
{
    refuse(ctx, DELIVERY_DEFERRED, line, what);
}

bool
deliver_plan_from_forward(const struct user_delivery *d, struct span text, struct arena *mem, struct deliver_plan *plan,
                          struct deliver_verdict *verdict)
{
    struct planner p = {.d = d, .plan = plan, .verdict = verdict, .file = "~/.forward"};
    const struct aliases_sink sink = {.entry = on_forward, .problem = on_forward_problem, .ctx = &p};
    *plan = (struct deliver_plan){.to_mailbox = false};
    buf_init(&plan->forwards, USER_DELIVERY_FORWARDS_MAX);
    if (aliases_list_parse(text, mem, &sink) != ERR_OK)
        refuse(&p, DELIVERY_DEFERRED, 0, "more than fits into memory");
    bool is_empty = plan->command_count == 0 && plan->forwards.len == 0 && !plan->is_discarded;
    if (is_empty)
        plan->to_mailbox = true;
    return !p.is_refused;
}

/* --- the aliases file ------------------------------------------------------------------------------------------- */

/* Addresses of the entry are the directory's business; it has expanded them already. */
static bool
on_alias(void *ctx, uint32_t line, struct span name, const struct alias_target *targets, size_t target_count)
{
    struct planner *p = ctx;
    if (p->is_found || !span_equal_nocase(name, p->d->alias))
        return true;
    p->is_found = true;
    if (target_count == 0)
        refuse(p, DELIVERY_DEFERRED, line, "the entry cannot be read");
    for (size_t i = 0; i < target_count; i++) {
        if (targets[i].kind == ALIAS_COMMAND)
            plan_command(p, line, targets[i].text);
        else if (targets[i].kind == ALIAS_FILE)
            plan_file(p, line, targets[i].text);
    }
    if (!p->is_refused && p->plan->command_count == 0 && !p->plan->is_discarded)
        refuse(p, DELIVERY_DEFERRED, line, "the entry names no command (those of included files are not run)");
    return true;
}

static void
on_alias_problem(void *ctx, uint32_t line, const char *what)
{
    (void)ctx, (void)line, (void)what; /* of other entries; the directory has told the operator */
}

bool
deliver_plan_from_aliases(const struct user_delivery *d, struct span text, struct arena *mem, struct deliver_plan *plan,
                          struct deliver_verdict *verdict)
{
    struct planner p = {.d = d, .plan = plan, .verdict = verdict, .file = "the aliases file"};
    const struct aliases_sink sink = {.entry = on_alias, .problem = on_alias_problem, .ctx = &p};
    *plan = (struct deliver_plan){.to_mailbox = false};
    buf_init(&plan->forwards, USER_DELIVERY_FORWARDS_MAX);
    if (aliases_file_parse(text, mem, &sink) != ERR_OK)
        refuse(&p, DELIVERY_DEFERRED, 0, "more than fits into memory");
    else if (!p.is_found)
        refuse(&p, DELIVERY_DEFERRED, 0, "the entry is not there any more");
    return !p.is_refused;
}
