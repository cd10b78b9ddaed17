/*
 * resolve.c - the order in which an address is looked up, and what each place says about it.
 *
 * A search asks one place after the other, each first for the whole local part, then for what stands before the
 * subaddress separator. The first place that knows the name, or that failed to answer, decides. Suspends only inside
 * the functions of resolve_world; no pointer into a table is kept across them.
 */
#include "directory/resolve.h"

#include "base/assert.h"
#include "text/ascii.h"

enum {
    REDIRECTS_MAX = 3,           /* catch-all and postmaster that lead to one another */
    USER_NAME_OCTETS_MAX = 32,   /* useradd(8) */
    ALIAS_MARK_OCTETS_MAX = 64,  /* of ":NAME", as deliver_user takes it */
};

struct search {
    const struct resolve_world *world;
    const struct resolve_question *question;
    const struct config_domain *domain; /* NULL: an unqualified name */
    struct arena *mem;
    unsigned depth;
    uint32_t position;                  /* of the next target in the whole list */
    struct resolution *result;
};

/* One form of the local part: all of it, or what is left without its detail. */
struct form {
    struct span local;
    struct span detail;
};

static void
search_decide(struct search *s, enum resolve_kind kind, struct source_pos pos)
{
    s->result->status = RECIPIENT_STATUS_OK;
    s->result->kind = kind;
    s->result->pos = pos;
    s->result->reason = "";
}

static void
search_refuse(struct search *s, enum recipient_status status, const char *reason)
{
    s->result->status = status;
    s->result->reason = reason;
}

/* --- targets --- */

/* Add a target to the answer if it is asked for. Its texts are copied. */
static enum err
target_add(struct search *s, struct resolve_target target)
{
    struct resolution *r = s->result;
    uint32_t position = s->position++;
    if (!s->question->wants_targets || position < s->question->offset)
        return ERR_OK;
    if (r->target_count == RESOLVE_TARGETS_MAX) {
        r->has_more = true;
        return ERR_OK;
    }
    if (r->targets == NULL)
        r->targets = arena_alloc(s->mem, RESOLVE_TARGETS_MAX * sizeof(*r->targets));
    if (r->targets == NULL || !arena_copy(s->mem, target.name, &target.name) ||
        !arena_copy(s->mem, target.detail, &target.detail))
        return ERR_LIMIT;
    r->targets[r->target_count++] = target;
    return ERR_OK;
}

/* A recipient that the domain's store takes. */
static enum err
target_add_stored(struct search *s, struct span address, struct span detail, uint64_t quota_bytes)
{
    struct resolve_target target = {
        .kind = TARGET_MAILBOX, .name = address, .detail = detail, .quota_bytes = quota_bytes};
    if (s->domain->deliver.kind == CONFIG_DELIVER_LMTP)
        target = (struct resolve_target){.kind = TARGET_LMTP, .name = s->domain->deliver.lmtp.text, .detail = detail};
    return target_add(s, target);
}

/* An address of ours gets the detail that was cut off: mail for sales+x goes to bob+x when sales stands for bob. */
static enum err
address_with_detail(struct search *s, const struct mailbox *mailbox, struct span detail, struct buf *to)
{
    const struct config_domain *domain = config_domain_find(s->world->config, domain_span(&mailbox->domain));
    struct span separator = domain == NULL ? SPAN_EMPTY : domain->subaddress.value;
    struct span local = mailbox_local(mailbox);
    if (separator.len != 1 || span_is_empty(detail) || span_find(local, separator.data[0]) < local.len ||
        local.len + 1 + detail.len > MAILBOX_LOCAL_OCTETS_MAX)
        return mailbox_format(mailbox, to);
    uint8_t octets[MAILBOX_LOCAL_OCTETS_MAX];
    struct buf joined;
    buf_init_fixed(&joined, octets, sizeof(octets));
    buf_append(&joined, local);
    buf_append(&joined, separator);
    buf_append(&joined, detail);
    struct mailbox with_detail;
    if (mailbox_from_parts(buf_span(&joined), domain_span(&mailbox->domain), &with_detail) != ADDR_OK)
        return mailbox_format(mailbox, to);
    return mailbox_format(&with_detail, to);
}

static enum err
target_add_address(struct search *s, struct span text, struct span detail)
{
    uint8_t octets[MAILBOX_TEXT_MAX];
    struct buf address;
    struct mailbox mailbox;
    buf_init_fixed(&address, octets, sizeof(octets));
    if (mailbox_parse(text, true, &mailbox) != ADDR_OK) {
        search_refuse(s, RECIPIENT_STATUS_UNAVAILABLE, "a target of this alias is not an address");
        return ERR_OK;
    }
    TRY(address_with_detail(s, &mailbox, detail, &address));
    return target_add(s, (struct resolve_target){.kind = TARGET_UNEXPANDED, .name = buf_span(&address)});
}

/* --- accounts and aliases of addresses --- */

static struct source_pos
recipients_pos(const struct search *s, struct source_pos key)
{
    return key.line > 0 ? key : s->domain->recipients.pos.line > 0 ? s->domain->recipients.pos : s->domain->pos;
}

static bool
key_make(const struct search *s, struct span local, struct address_key *ret)
{
    return address_key_make(local, domain_span(&s->domain->title.value), s->domain->is_case_sensitive.value, ret);
}

static enum err
account_decide(struct search *s, const struct account *account, struct form form)
{
    uint64_t quota = account->has_quota ? account->quota_bytes : s->domain->quota_bytes.value;
    search_decide(s, RESOLVED_ACCOUNT, recipients_pos(s, (struct source_pos){.line = 0}));
    if (account->is_suspended)
        search_refuse(s, RECIPIENT_STATUS_SUSPENDED, "the account is suspended");
    else if (quota > 0 && s->question->size_bytes > quota)
        search_refuse(s, RECIPIENT_STATUS_TOO_BIG, "the message is larger than the account's quota");
    return target_add_stored(s, account->address, form.detail, quota);
}

/* owner-NAME at the same place makes NAME a list (RFC 5321 §3.9.2); an owner's own mail has no further owner. */
static bool
owner_name(struct span local, uint8_t *octets, struct span *ret)
{
    struct buf name;
    buf_init_fixed(&name, octets, MAILBOX_LOCAL_OCTETS_MAX);
    if (span_has_prefix_nocase(local, SPAN("owner-")))
        return false;
    buf_append_cstr(&name, "owner-");
    buf_append(&name, local);
    if (name.failed)
        return false;
    *ret = buf_span(&name);
    return true;
}

static enum err
owner_set(struct search *s, struct span local, struct span domain)
{
    uint8_t octets[MAILBOX_TEXT_MAX];
    struct buf text;
    struct mailbox mailbox;
    buf_init_fixed(&text, octets, sizeof(octets));
    if (mailbox_from_parts(local, domain, &mailbox) != ADDR_OK)
        return ERR_OK;
    TRY(mailbox_format(&mailbox, &text));
    return arena_copy(s->mem, buf_span(&text), &s->result->owner) ? ERR_OK : ERR_LIMIT;
}

static enum err
alias_decide(struct search *s, const struct alias *alias, struct form form)
{
    search_decide(s, RESOLVED_ALIAS, recipients_pos(s, (struct source_pos){.line = 0}));
    for (size_t i = 0; i < alias->target_count; i++)
        TRY(target_add_address(s, alias->targets[i], form.detail));
    uint8_t octets[MAILBOX_LOCAL_OCTETS_MAX];
    struct span owner;
    struct address_key key;
    if (!owner_name(form.local, octets, &owner) || !key_make(s, owner, &key))
        return ERR_OK;
    const struct accounts *accounts = *s->world->accounts;
    if (accounts_find(accounts, address_key_span(&key)) == NULL &&
        accounts_find_alias(accounts, address_key_span(&key)) == NULL)
        return ERR_OK;
    return owner_set(s, owner, domain_span(&s->domain->title.value));
}

static enum err
accounts_search(struct search *s, struct form form, bool *found)
{
    struct address_key key;
    if (!s->domain->recipients.has_accounts)
        return ERR_OK;
    const struct accounts *accounts = *s->world->accounts;
    *found = true;
    if (accounts == NULL) {
        search_refuse(s, RECIPIENT_STATUS_UNAVAILABLE, "the accounts cannot be read");
        return ERR_OK;
    }
    *found = false;
    if (!key_make(s, form.local, &key))
        return ERR_OK;
    const struct account *account = accounts_find(accounts, address_key_span(&key));
    const struct alias *alias = accounts_find_alias(accounts, address_key_span(&key));
    *found = account != NULL || alias != NULL;
    if (account != NULL)
        return account_decide(s, account, form);
    return alias != NULL ? alias_decide(s, alias, form) : ERR_OK;
}

/* --- lists kept elsewhere --- */

static enum err
listed_decide(struct search *s, enum lookup answer, enum resolve_kind kind, struct source_pos pos, struct form form,
              bool *found)
{
    struct address_key key;
    if (answer == LOOKUP_NO || !key_make(s, form.local, &key))
        return ERR_OK;
    *found = true;
    search_decide(s, kind, recipients_pos(s, pos));
    if (answer == LOOKUP_FAILED) {
        search_refuse(s, RECIPIENT_STATUS_UNAVAILABLE, "the list of recipients cannot be read");
        return ERR_OK;
    }
    return target_add_stored(s, address_key_span(&key), form.detail, s->domain->quota_bytes.value);
}

static enum err
file_search(struct search *s, struct form form, bool *found)
{
    struct address_key key;
    if (span_is_empty(s->domain->recipients.file) || !key_make(s, form.local, &key))
        return ERR_OK;
    enum lookup answer = s->world->file_has(s->world->ctx, s->domain, address_key_span(&key));
    return listed_decide(s, answer, RESOLVED_FILE, s->domain->recipients.file_pos, form, found);
}

static enum err
socketmap_search(struct search *s, struct form form, bool *found)
{
    struct address_key key;
    if (!s->domain->recipients.has_socketmap || !key_make(s, form.local, &key))
        return ERR_OK;
    enum lookup answer = s->world->socketmap_has(s->world->ctx, s->domain, address_key_span(&key));
    return listed_decide(s, answer, RESOLVED_SOCKETMAP, s->domain->recipients.socketmap_pos, form, found);
}

/* --- names of the machine --- */

static bool
lower_make(struct span name, uint8_t octets[MAILBOX_LOCAL_OCTETS_MAX], struct span *ret)
{
    if (name.len == 0 || name.len > MAILBOX_LOCAL_OCTETS_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        octets[i] = ascii_lower(name.data[i]);
    *ret = span_of(octets, name.len);
    return true;
}

/* What useradd(8) lets a name be, so that nothing else is asked of the system. */
static bool
user_name_is_safe(struct span name)
{
    if (name.len == 0 || name.len > USER_NAME_OCTETS_MAX ||
        !(ascii_is(name.data[0], ASCII_ALNUM) || name.data[0] == '_'))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is(name.data[i], ASCII_ALNUM) && name.data[i] != '-' && name.data[i] != '_' && name.data[i] != '.')
            return false;
    return true;
}

static enum err
target_add_user(struct search *s, struct span user, struct span detail)
{
    return target_add(s, (struct resolve_target){.kind = TARGET_SYSTEM_USER, .name = user, .detail = detail});
}

/* "\name", or a name that stands in its own entry: the user, or who takes mail for root where users take none. */
static enum err
target_add_final(struct search *s, struct span name, struct span detail)
{
    if (s->world->config->local.system_users.value)
        return target_add_user(s, name, detail);
    struct config_mailbox postmaster = config_postmaster(s->world->config, s->domain);
    if (!resolve_is_reserved(name) || postmaster.value.local_len == 0) {
        search_refuse(s, RECIPIENT_STATUS_UNAVAILABLE, "the aliases file names a system user, but system-users is off");
        return ERR_OK;
    }
    uint8_t octets[MAILBOX_TEXT_MAX];
    struct buf text;
    buf_init_fixed(&text, octets, sizeof(octets));
    TRY(mailbox_format(&postmaster.value, &text));
    return target_add(s, (struct resolve_target){.kind = TARGET_UNEXPANDED, .name = buf_span(&text)});
}

/* All commands and files of an entry are one target: the deliver process reads them from the aliases file itself. */
static enum err
target_add_mark(struct search *s, struct span entry_name, struct span detail, bool *has_mark)
{
    uint8_t octets[ALIAS_MARK_OCTETS_MAX];
    struct buf mark;
    if (*has_mark)
        return ERR_OK;
    *has_mark = true;
    buf_init_fixed(&mark, octets, sizeof(octets));
    buf_append_octet(&mark, ':');
    buf_append(&mark, entry_name);
    if (mark.failed) {
        search_refuse(s, RECIPIENT_STATUS_UNAVAILABLE,
                      "the alias has a command or file and a name longer than 63 octets");
        return ERR_OK;
    }
    return target_add_user(s, buf_span(&mark), detail);
}

static enum err
entry_target_add(struct search *s, const struct aliases_entry *entry, const struct alias_target *target,
                 struct span detail, bool *has_mark)
{
    switch (target->kind) {
    case ALIAS_ADDRESS:
        if (span_equal_nocase(target->text, entry->name))
            return target_add_final(s, entry->name, detail);
        if (span_find(target->text, '@') < target->text.len)
            return target_add_address(s, target->text, SPAN_EMPTY);
        return target_add(s, (struct resolve_target){.kind = TARGET_UNEXPANDED, .name = target->text});
    case ALIAS_FINAL:
        return target_add_final(s, target->text, detail);
    case ALIAS_FILE:
        if (span_equal(target->text, SPAN("/dev/null")))
            return target_add(s, (struct resolve_target){.kind = TARGET_DISCARD, .name = target->text});
        return target_add_mark(s, entry->name, detail, has_mark);
    case ALIAS_COMMAND:
        return target_add_mark(s, entry->name, detail, has_mark);
    case ALIAS_INCLUDE:
        break;
    }
    search_refuse(s, RECIPIENT_STATUS_UNAVAILABLE, "a file included by this alias cannot be read");
    return ERR_OK;
}

static enum err
entry_decide(struct search *s, const struct aliases_table *table, const struct aliases_entry *entry, struct form form)
{
    const struct config *config = s->world->config;
    search_decide(s, RESOLVED_ALIASES_FILE, (struct source_pos){config->local.aliases.value, entry->line, 1});
    if (entry->is_unavailable) {
        search_refuse(s, RECIPIENT_STATUS_UNAVAILABLE,
                      "its line in the aliases file, or a file included there, cannot be read");
        return ERR_OK;
    }
    bool has_mark = false;
    for (size_t i = 0; i < entry->target_count; i++)
        TRY(entry_target_add(s, entry, &entry->targets[i], form.detail, &has_mark));
    uint8_t octets[MAILBOX_LOCAL_OCTETS_MAX];
    struct span owner;
    if (!owner_name(entry->name, octets, &owner) || aliases_table_find(table, owner) == NULL)
        return ERR_OK;
    return owner_set(s, owner, domain_span(s->domain == NULL ? &config->hostname.value : &s->domain->title.value));
}

static bool
has_local_names(const struct search *s)
{
    return s->domain == NULL || s->domain->recipients.has_local;
}

static enum err
aliases_file_search(struct search *s, struct form form, bool *found)
{
    uint8_t octets[MAILBOX_LOCAL_OCTETS_MAX];
    struct span name;
    if (!has_local_names(s) || span_is_empty(s->world->config->local.aliases.value) ||
        !lower_make(form.local, octets, &name))
        return ERR_OK;
    const struct aliases_table *table = *s->world->aliases;
    if (table == NULL) {
        *found = true;
        search_refuse(s, RECIPIENT_STATUS_UNAVAILABLE, "the aliases file cannot be read");
        return ERR_OK;
    }
    const struct aliases_entry *entry = aliases_table_find(table, name);
    *found = entry != NULL;
    return entry != NULL ? entry_decide(s, table, entry, form) : ERR_OK;
}

static enum err
user_search(struct search *s, struct form form, bool *found)
{
    uint8_t octets[MAILBOX_LOCAL_OCTETS_MAX];
    struct span name;
    if (!has_local_names(s) || !s->world->config->local.system_users.value || !lower_make(form.local, octets, &name) ||
        !user_name_is_safe(name))
        return ERR_OK;
    enum lookup answer = s->world->user_exists(s->world->ctx, name);
    *found = answer != LOOKUP_NO;
    if (answer == LOOKUP_NO)
        return ERR_OK;
    search_decide(s, RESOLVED_USER, s->world->config->local.system_users.pos);
    if (answer == LOOKUP_YES)
        return target_add_user(s, name, form.detail);
    search_refuse(s, RECIPIENT_STATUS_UNAVAILABLE, "the users of the system cannot be looked up");
    return ERR_OK;
}

/* --- postmaster and catch-all --- */

bool
resolve_is_reserved(struct span local_part)
{
    return span_equal_nocase(local_part, SPAN("postmaster")) || span_equal_nocase(local_part, SPAN("abuse")) ||
           span_equal_nocase(local_part, SPAN("root"));
}

static enum err resolve_at(const struct resolve_world *world, const struct resolve_question *question,
                           struct arena *mem, unsigned depth, struct resolution *ret);

/* Send it on to `to`, if that leads anywhere. `nobody` is the status when it does not. */
static enum err
redirect_decide(struct search *s, enum resolve_kind kind, const struct config_mailbox *to, enum recipient_status nobody)
{
    uint8_t octets[MAILBOX_TEXT_MAX];
    struct buf text;
    struct resolution there;
    buf_init_fixed(&text, octets, sizeof(octets));
    search_decide(s, kind, to->pos);
    if (s->depth + 1 >= REDIRECTS_MAX) {
        search_refuse(s, nobody, "catch-all and postmaster addresses lead in a circle");
        return ERR_OK;
    }
    const struct resolve_question question = {
        .local_part = mailbox_local(&to->value),
        .domain = domain_span(&to->value.domain),
        .size_bytes = s->question->size_bytes,
    };
    TRY(resolve_at(s->world, &question, s->mem, s->depth + 1, &there));
    if (there.status == RECIPIENT_STATUS_UNKNOWN)
        search_refuse(s, nobody, kind == RESOLVED_POSTMASTER ? "the account named by postmaster does not exist"
                                                             : "the account named by catch-all does not exist");
    else if (there.status != RECIPIENT_STATUS_NOT_LOCAL && there.status != RECIPIENT_STATUS_OK)
        search_refuse(s, there.status, there.reason);
    TRY(mailbox_format(&to->value, &text));
    return target_add(s, (struct resolve_target){.kind = TARGET_UNEXPANDED, .name = buf_span(&text)});
}

static enum err
fallback_decide(struct search *s, struct span local)
{
    struct config_mailbox postmaster = config_postmaster(s->world->config, s->domain);
    bool is_reserved = resolve_is_reserved(local);
    if (is_reserved && postmaster.value.local_len > 0)
        return redirect_decide(s, RESOLVED_POSTMASTER, &postmaster, RECIPIENT_STATUS_UNAVAILABLE);
    if (s->domain != NULL && s->domain->catch_all.value.local_len > 0)
        return redirect_decide(s, RESOLVED_CATCH_ALL, &s->domain->catch_all, RECIPIENT_STATUS_UNKNOWN);
    /* RFC 5321 §4.5.1 wants it taken; refused for now, the sender's server tries again until somebody is named. */
    if (span_equal_nocase(local, SPAN("postmaster")))
        search_refuse(s, RECIPIENT_STATUS_UNAVAILABLE, "no account is named by postmaster in the configuration");
    return ERR_OK;
}

/* --- the search --- */

/* The local part as it is, and without its detail. Returns how many forms there are. */
static size_t
forms_make(const struct search *s, struct form forms[2])
{
    struct span local = s->question->local_part;
    struct span separator = SPAN("+");
    if (s->domain != NULL)
        separator = s->domain->subaddress.value;
    forms[0] = (struct form){.local = local};
    if (separator.len != 1)
        return 1;
    size_t at = span_find(local, separator.data[0]);
    if (at == 0 || at == local.len)
        return 1;
    forms[1] = (struct form){.local = span_first(local, at), .detail = span_skip(local, at + 1)};
    return 2;
}

static enum err
search_run(struct search *s)
{
    static const struct {
        enum err (*search)(struct search *s, struct form form, bool *found);
        bool needs_domain;
    } places[] = {
        {accounts_search, true}, {file_search, true}, {socketmap_search, true}, {aliases_file_search, false},
        {user_search, false},
    };
    struct form forms[2];
    size_t form_count = forms_make(s, forms);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        for (size_t k = 0; k < form_count; k++) {
            bool found = false;
            if (places[i].needs_domain && s->domain == NULL)
                continue;
            TRY(places[i].search(s, forms[k], &found));
            if (!found)
                continue;
            s->result->detail = forms[k].detail;
            return ERR_OK;
        }
    }
    return fallback_decide(s, s->question->local_part);
}

static enum err
resolve_at(const struct resolve_world *world, const struct resolve_question *question, struct arena *mem,
           unsigned depth, struct resolution *ret)
{
    struct resolution result = {.status = RECIPIENT_STATUS_UNKNOWN, .reason = "no such recipient"};
    struct search s = {.world = world, .question = question, .mem = mem, .depth = depth, .result = &result};
    if (!span_is_empty(question->domain)) {
        s.domain = config_domain_find(world->config, question->domain);
        if (s.domain == NULL) {
            *ret = (struct resolution){.status = RECIPIENT_STATUS_NOT_LOCAL, .reason = "not a domain of this server"};
            return ERR_OK;
        }
        result.pos = recipients_pos(&s, (struct source_pos){.line = 0});
    }
    if (question->local_part.len > 0 && question->local_part.len <= MAILBOX_LOCAL_OCTETS_MAX)
        TRY(search_run(&s));
    *ret = result;
    return ERR_OK;
}

enum err
resolve(const struct resolve_world *world, const struct resolve_question *question, struct arena *mem,
        struct resolution *ret)
{
    return resolve_at(world, question, mem, 0, ret);
}
