/*
 * resolve_command.c - `godwit resolve`: an address, who knows it, and all that it stands for, with the deciding lines.
 */
#include "directory/command.h"
#include "text/escape.h"

enum {
    RESOLVE_DEPTH_MAX = 10,
    RESOLVE_LINES_MAX = 500,
    RESOLVE_MEMORY_MAX = 256 * 1024, /* of one step */
};

static const char *
kind_text(enum resolve_kind kind)
{
    switch (kind) {
    case RESOLVED_NOBODY: return "nobody";
    case RESOLVED_ACCOUNT: return "an account";
    case RESOLVED_ALIAS: return "an alias";
    case RESOLVED_FILE: return "in the domain's file of recipients";
    case RESOLVED_SOCKETMAP: return "known to the domain's socketmap";
    case RESOLVED_ALIASES_FILE: return "in the aliases file";
    case RESOLVED_USER: return "a user of this system";
    case RESOLVED_POSTMASTER: return "a reserved name, mail goes to the address named by postmaster";
    case RESOLVED_CATCH_ALL: return "nobody here, the catch-all takes it";
    }
    return "unknown";
}

static void
append_indent(struct buf *to, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        buf_append_cstr(to, "  ");
}

static void
append_target(struct buf *to, const struct resolve_target *target)
{
    static const char *const words[] = {
        [TARGET_MAILBOX] = "mailbox ", [TARGET_SYSTEM_USER] = "system user ", [TARGET_LMTP] = "LMTP store ",
        [TARGET_DISCARD] = "thrown away: ",
    };
    struct span name = target->name;
    if (target->kind == TARGET_SYSTEM_USER && name.len > 0 && name.data[0] == ':') {
        buf_append_cstr(to, "the commands and files of alias ");
        name = span_skip(name, 1);
    } else {
        buf_append_cstr(to, (size_t)target->kind < ARRAY_LEN(words) && words[target->kind] != NULL ? words[target->kind]
                                                                                                   : "");
    }
    escape_append_reply(name, to);
    if (target->quota_bytes > 0)
        buf_printf(to, ", quota %llu bytes", (unsigned long long)target->quota_bytes);
    buf_append_octet(to, '\n');
}

static void
append_resolution(struct buf *to, struct span address, const struct resolution *r)
{
    escape_append_reply(address, to);
    buf_append_cstr(to, ": ");
    if (r->kind != RESOLVED_NOBODY)
        buf_append_cstr(to, kind_text(r->kind));
    if (r->status != RECIPIENT_STATUS_OK) {
        buf_append_cstr(to, r->kind != RESOLVED_NOBODY ? ", but " : "");
        buf_append_cstr(to, r->reason);
    }
    if (!span_is_empty(r->detail)) {
        buf_append_cstr(to, ", detail ");
        escape_append_reply(r->detail, to);
    }
    if (!span_is_empty(r->owner)) {
        buf_append_cstr(to, ", a list: errors go to ");
        escape_append_reply(r->owner, to);
    }
    if (r->pos.line > 0) {
        buf_append_cstr(to, " [");
        escape_append_reply(r->pos.file, to);
        buf_printf(to, ":%u]", r->pos.line);
    }
    buf_append_octet(to, '\n');
}

/* The local part and domain of an address or bare name. */
static bool
question_parse(struct span text, struct mailbox *mailbox, struct resolve_question *ret)
{
    *ret = (struct resolve_question){.local_part = text, .wants_targets = true};
    if (span_find(text, '@') == text.len)
        return text.len > 0 && text.len <= MAILBOX_LOCAL_OCTETS_MAX;
    if (mailbox_parse(text, true, mailbox) != ADDR_OK)
        return false;
    ret->local_part = mailbox_local(mailbox);
    ret->domain = domain_span(&mailbox->domain);
    return true;
}

static enum err resolve_append(struct command *c, struct span address, unsigned depth, unsigned *lines);

/* Answer the question, print it, and go on to what the address stands for. */
static enum err
question_append(struct command *c, struct span address, const struct resolve_question *question, struct arena *mem,
                unsigned depth, unsigned *lines)
{
    int64_t patience_ns = config_duration_ns(c->d->env->config->limits.lookup_timeout_ms);
    struct directory_ask ask = {c->d, c->f, deadline_in(c->d->rt, patience_ns)};
    struct resolve_world world = directory_world(&ask);
    struct resolution r;
    TRY(resolve(&world, question, mem, &r));
    append_resolution(&c->out, address, &r);
    for (size_t i = 0; r.status == RECIPIENT_STATUS_OK && i < r.target_count && *lines <= RESOLVE_LINES_MAX; i++) {
        if (r.targets[i].kind == TARGET_UNEXPANDED) {
            TRY(resolve_append(c, r.targets[i].name, depth + 1, lines));
            continue;
        }
        ++*lines;
        append_indent(&c->out, depth + 1);
        append_target(&c->out, &r.targets[i]);
    }
    if (r.has_more) {
        append_indent(&c->out, depth + 1);
        buf_printf(&c->out, "... and more than %d others\n", RESOLVE_TARGETS_MAX);
    }
    return ERR_OK;
}

/* One address and what it stands for, indented below it. Depth is bounded, and so are the lines. */
static enum err
resolve_append(struct command *c, struct span address, unsigned depth, unsigned *lines)
{
    struct resolve_question question;
    struct mailbox mailbox;
    append_indent(&c->out, depth);
    if (++*lines > RESOLVE_LINES_MAX || depth > RESOLVE_DEPTH_MAX) {
        buf_append_cstr(&c->out, depth > RESOLVE_DEPTH_MAX ? "... deeper than 10 steps: a loop?\n" : "...\n");
        return ERR_OK;
    }
    if (!question_parse(address, &mailbox, &question)) {
        escape_append_reply(address, &c->out);
        buf_append_cstr(&c->out, ": not an address\n");
        return ERR_OK;
    }
    struct arena mem;
    arena_init(&mem, RESOLVE_MEMORY_MAX);
    enum err e = question_append(c, address, &question, &mem, depth, lines);
    arena_clear(&mem);
    return e;
}

int
command_resolve(struct command *c)
{
    unsigned lines = 0;
    enum err e = resolve_append(c, command_argument(c, 0), 0, &lines);
    return e == ERR_OK
               ? EX_OK
               : command_fail(c, EX_TEMPFAIL, "the address stands for too many others to print (%s)", err_name(e));
}

