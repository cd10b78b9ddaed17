/*
 * access.c - who may. See access.h for the order in which things are asked.
 *
 * Each function reads top to bottom as a list of what can speak against a client; whatever nothing speaks against is
 * accepted. A limit is passed when its number is exceeded, so the limit itself is still allowed.
 */
#include "policy/access.h"

#include "base/assert.h"

/* A refusal: what the caller does next follows from the code of the reply. */
static struct verdict
refused(enum reason reason, struct reply reply, struct source_pos rule, uint64_t facts_used)
{
    return (struct verdict){
        .action = smtp_reply_is_transient(reply.id) ? VERDICT_DEFER : VERDICT_REFUSE,
        .ends_session = smtp_reply_code(reply.id) == 421,
        .reason = reason,
        .reply = reply,
        .rule = rule,
        .facts_used = facts_used,
    };
}

static struct verdict
accepted(enum reason reason, struct source_pos rule, uint64_t facts_used)
{
    return (struct verdict){.action = VERDICT_ACCEPT, .reason = reason, .rule = rule, .facts_used = facts_used};
}

/* --- rules of the operator ---------------------------------------------------------------------------------------- */

static bool
name_matches(const struct access_pattern *pattern, const struct domain *name)
{
    switch (pattern->kind) {
    case ACCESS_PATTERN_NAME: return domain_equal(name, &pattern->domain);
    case ACCESS_PATTERN_BELOW: return domain_is_within(name, &pattern->domain) && !domain_equal(name, &pattern->domain);
    case ACCESS_PATTERN_NETWORK:
    case ACCESS_PATTERN_MAILBOX:
    case ACCESS_PATTERN_NULL: return false;
    }
    return false;
}

static bool
path_matches(const struct access_pattern *pattern, const struct path *path)
{
    if (path->kind == PATH_NULL)
        return pattern->kind == ACCESS_PATTERN_NULL;
    if (pattern->kind != ACCESS_PATTERN_MAILBOX)
        return path->mailbox.domain.len > 0 && name_matches(pattern, &path->mailbox.domain);
    return span_equal_nocase(mailbox_local(&path->mailbox), mailbox_local(&pattern->mailbox)) &&
           domain_equal(&path->mailbox.domain, &pattern->mailbox.domain) &&
           address_literal_equal(&path->mailbox.literal, &pattern->mailbox.literal);
}

static bool
client_matches(const struct access_pattern *pattern, const struct access_client *client)
{
    return client->address.family != ADDRESS_LITERAL_NONE && network_contains(&pattern->network, &client->address);
}

static bool
helo_matches(const struct access_pattern *pattern, const struct access_client *client)
{
    struct domain name;
    return domain_parse(client->helo, false, &name) == ADDR_OK && name_matches(pattern, &name);
}

static bool
rule_matches(const struct access_rule *rule, const struct access_rcpt_facts *facts)
{
    switch (rule->subject) {
    case ACCESS_RULE_CLIENT: return client_matches(&rule->pattern, &facts->client);
    case ACCESS_RULE_HELO: return helo_matches(&rule->pattern, &facts->client);
    case ACCESS_RULE_SENDER: return path_matches(&rule->pattern, facts->sender);
    case ACCESS_RULE_RECIPIENT: return path_matches(&rule->pattern, facts->recipient);
    }
    return false;
}

static struct span
rule_text(const struct access_rule *rule)
{
    if (!span_is_empty(rule->text))
        return rule->text;
    return rule->action == ACCESS_RULE_DEFER ? SPAN("Not now, try again later")
                                             : SPAN("Refused by the rules of this server");
}

/* What the rules say about a recipient; REASON_ALLOWED when none matches. */
static struct verdict
rules_eval(const struct access_policy *policy, const struct access_rcpt_facts *facts)
{
    static const uint64_t subject_facts[] = {
        [ACCESS_RULE_CLIENT] = UINT64_C(1) << FACT_CLIENT_ADDRESS,
        [ACCESS_RULE_HELO] = UINT64_C(1) << FACT_HELO,
        [ACCESS_RULE_SENDER] = UINT64_C(1) << FACT_SENDER,
        [ACCESS_RULE_RECIPIENT] = UINT64_C(1) << FACT_RECIPIENT,
    };
    uint64_t used = 0;
    for (size_t i = 0; i < policy->rules.count; i++) {
        const struct access_rule *rule = &policy->rules.items[i];
        used |= subject_facts[rule->subject];
        if (!rule_matches(rule, facts))
            continue;
        switch (rule->action) {
        case ACCESS_RULE_ACCEPT: return accepted(REASON_RULE_ACCEPT, rule->pos, used);
        case ACCESS_RULE_DEFER:
            return refused(REASON_RULE_DEFER, reply_with_text(REPLY_POLICY_DEFERRED, rule_text(rule)), rule->pos, used);
        case ACCESS_RULE_REJECT:
        case ACCESS_RULE_DROP: /* matched at connect already, unless the session is older than the rule */
            return refused(REASON_RULE_REJECT, reply_with_text(REPLY_POLICY_REFUSED, rule_text(rule)), rule->pos, used);
        }
    }
    return accepted(REASON_ALLOWED, SOURCE_POS_DEFAULT, used);
}

/* The rule that drops this client: the first rule about clients that matches, if it is one of that kind. */
static const struct access_rule *
drop_find(const struct access_policy *policy, const struct access_client *client)
{
    for (size_t i = 0; i < policy->rules.count; i++) {
        const struct access_rule *rule = &policy->rules.items[i];
        if (rule->subject == ACCESS_RULE_CLIENT && client_matches(&rule->pattern, client))
            return rule->action == ACCESS_RULE_DROP ? rule : NULL;
    }
    return NULL;
}

/* --- patterns ----------------------------------------------------------------------------------------------------- */

/* "name" or ".name". */
static bool
name_pattern_parse(struct span text, struct access_pattern *ret)
{
    bool is_below = !span_is_empty(text) && text.data[0] == '.';
    struct access_pattern pattern = {.kind = is_below ? ACCESS_PATTERN_BELOW : ACCESS_PATTERN_NAME};
    if (domain_parse(span_skip(text, is_below ? 1 : 0), true, &pattern.domain) != ADDR_OK)
        return false;
    *ret = pattern;
    return true;
}

bool
access_pattern_parse(enum access_rule_subject subject, struct span text, struct access_pattern *ret)
{
    if (subject == ACCESS_RULE_CLIENT) {
        struct access_pattern client = {.kind = ACCESS_PATTERN_NETWORK};
        if (network_parse(text, &client.network) != NETWORK_OK)
            return false;
        *ret = client;
        return true;
    }
    if (subject == ACCESS_RULE_HELO)
        return name_pattern_parse(text, ret);
    if (subject == ACCESS_RULE_SENDER && span_equal(text, SPAN("<>"))) {
        *ret = (struct access_pattern){.kind = ACCESS_PATTERN_NULL};
        return true;
    }
    if (span_find(text, '@') == text.len)
        return name_pattern_parse(text, ret);
    struct access_pattern address = {.kind = ACCESS_PATTERN_MAILBOX};
    if (mailbox_parse(text, true, &address.mailbox) != ADDR_OK)
        return false;
    *ret = address;
    return true;
}

enum err
access_pattern_format(const struct access_pattern *pattern, struct buf *to)
{
    switch (pattern->kind) {
    case ACCESS_PATTERN_NETWORK: return network_format(&pattern->network, to);
    case ACCESS_PATTERN_BELOW: TRY(buf_append_octet(to, '.')); FALLTHROUGH;
    case ACCESS_PATTERN_NAME: return buf_append(to, domain_span(&pattern->domain));
    case ACCESS_PATTERN_MAILBOX: return mailbox_format(&pattern->mailbox, to);
    case ACCESS_PATTERN_NULL: return buf_append(to, SPAN("<>"));
    }
    return ERR_OK;
}

/* --- verdicts ----------------------------------------------------------------------------------------------------- */

struct verdict
access_connect(const struct access_policy *policy, const struct access_connect_facts *facts)
{
    uint64_t used = fact_bit(FACT_SESSIONS);
    if (facts->sessions > policy->sessions.value)
        return refused(REASON_SESSIONS, reply_with_text(REPLY_SERVER_BUSY, policy->host), policy->sessions.pos, used);

    used |= fact_bit(FACT_SESSIONS_OF_ADDRESS) | fact_bit(FACT_CLIENT_ADDRESS);
    if (facts->sessions_of_unit > policy->sessions_per_address.value)
        return refused(REASON_SESSIONS_OF_ADDRESS, reply_with_text(REPLY_CLIENT_BUSY, policy->host),
                       policy->sessions_per_address.pos, used);

    const struct access_rule *drop = drop_find(policy, &facts->client);
    if (drop != NULL) {
        struct reply reply = {.id = REPLY_GREETING_REFUSED, .text = {policy->host, rule_text(drop)}};
        return refused(REASON_RULE_DROP, reply, drop->pos, used);
    }
    return accepted(REASON_ALLOWED, SOURCE_POS_DEFAULT, used);
}

struct verdict
access_session(const struct access_policy *policy, const struct access_session_facts *facts)
{
    uint64_t used = fact_bit(FACT_SESSION_AGE);
    if (facts->age_ms > policy->session_time_ms.value)
        return refused(REASON_SESSION_TIME, reply_with_text(REPLY_SESSION_TOO_LONG, policy->host),
                       policy->session_time_ms.pos, used);

    used |= fact_bit(FACT_BAD_COMMANDS);
    if (facts->bad_commands > policy->bad_commands.value)
        return refused(REASON_BAD_COMMANDS, reply_with_text(REPLY_TOO_MANY_ERRORS, policy->host),
                       policy->bad_commands.pos, used);

    used |= fact_bit(FACT_RCPT_FAILURES);
    if (facts->refused_recipients > policy->rcpt_failures.value)
        return refused(REASON_RCPT_FAILURES, reply_with_text(REPLY_TOO_MANY_BAD_RECIPIENTS, policy->host),
                       policy->rcpt_failures.pos, used);
    return accepted(REASON_ALLOWED, SOURCE_POS_DEFAULT, used);
}

/* Whether `factor` messages of the largest size fit into `free_bytes`, without overflow. */
static bool
has_room(const struct access_policy *policy, uint64_t free_bytes)
{
    return free_bytes / policy->free_space_factor.value >= policy->message_size_bytes.value;
}

struct verdict
access_mail(const struct access_policy *policy, const struct access_mail_facts *facts)
{
    uint64_t used = fact_bit(FACT_TRANSACTIONS);
    if (facts->transactions >= policy->transactions.value)
        return refused(REASON_TRANSACTIONS, reply_with_text(REPLY_TOO_MANY_TRANSACTIONS, policy->host),
                       policy->transactions.pos, used);

    used |= fact_bit(FACT_DECLARED_SIZE);
    if (facts->has_declared_size && facts->declared_size_bytes > policy->message_size_bytes.value)
        return refused(REASON_DECLARED_SIZE,
                       reply_with_number(REPLY_MESSAGE_TOO_LARGE, policy->message_size_bytes.value),
                       policy->message_size_bytes.pos, used);

    if (facts->free_space.state == FACT_STATE_KNOWN) {
        used |= fact_bit(FACT_FREE_SPACE);
        if (!has_room(policy, facts->free_space.value))
            return refused(REASON_FREE_SPACE, reply_of(REPLY_DISK_FULL), policy->free_space_factor.pos, used);
    }
    return accepted(REASON_ALLOWED, SOURCE_POS_DEFAULT, used);
}

/* user@hostname, the address that a user of this machine has without asking anybody. */
static bool
is_own_address(const struct access_policy *policy, struct span user, const struct path *sender)
{
    return !span_is_empty(user) && sender->kind == PATH_MAILBOX && span_equal(mailbox_local(&sender->mailbox), user) &&
           span_equal_nocase(domain_span(&sender->mailbox.domain), policy->host);
}

struct verdict
access_submission(const struct access_policy *policy, const struct access_submission_facts *facts)
{
    uint64_t used = fact_bit(FACT_SENDER) | fact_bit(FACT_CLIENT_USER);
    if (facts->user_state == FACT_STATE_UNKNOWN)
        return (struct verdict){.action = VERDICT_NEED_FACTS, .facts_needed = fact_bit(FACT_CLIENT_USER)};
    if (facts->user_state == FACT_STATE_FAILED)
        return refused(REASON_USER_LOOKUP_FAILED, reply_of(REPLY_FAULT), SOURCE_POS_DEFAULT, used);
    if (facts->is_trusted)
        return accepted(REASON_USER_TRUSTED, facts->trusted_users, used);
    if (is_own_address(policy, facts->user, facts->sender))
        return accepted(REASON_ALLOWED, SOURCE_POS_DEFAULT, used);
    return refused(REASON_SENDER_NOT_OWN,
                   reply_with_text(REPLY_POLICY_REFUSED,
                                   SPAN("You may send as yourself only; trusted-users may send as anybody")),
                   facts->trusted_users, used);
}

/* A recipient that is not ours: only those who may relay get as far as the question where it should go. */
static struct verdict
remote_recipient_eval(const struct access_rcpt_facts *facts, uint64_t used)
{
    used |= fact_bit(FACT_CLIENT_KIND);
    bool may_relay = facts->client.kind != ACCESS_CLIENT_STRANGER;
    enum reason reason = may_relay ? REASON_NO_ROUTE : REASON_RELAY_DENIED;
    enum reply_id reply = may_relay ? REPLY_NO_ROUTE : REPLY_RELAY_DENIED;
    return refused(reason, reply_with_text(reply, facts->recipient->text), facts->status.rule, used);
}

/* What the directory's answer means. */
static struct verdict
recipient_status_eval(const struct access_rcpt_facts *facts, uint64_t used)
{
    static const struct {
        enum reason reason;
        enum reply_id reply;
    } outcome[] = {
        [ACCESS_RECIPIENT_OK] = {REASON_RECIPIENT_OK, REPLY_NONE},
        [ACCESS_RECIPIENT_UNKNOWN] = {REASON_RECIPIENT_UNKNOWN, REPLY_USER_UNKNOWN},
        [ACCESS_RECIPIENT_NOT_LOCAL] = {REASON_RELAY_DENIED, REPLY_RELAY_DENIED},
        [ACCESS_RECIPIENT_SUSPENDED] = {REASON_RECIPIENT_SUSPENDED, REPLY_MAILBOX_DISABLED},
        [ACCESS_RECIPIENT_OVER_QUOTA] = {REASON_RECIPIENT_OVER_QUOTA, REPLY_MAILBOX_FULL},
        [ACCESS_RECIPIENT_TOO_BIG] = {REASON_RECIPIENT_TOO_BIG, REPLY_MAILBOX_TOO_BIG},
        [ACCESS_RECIPIENT_UNAVAILABLE] = {REASON_LOOKUP_FAILED, REPLY_LOOKUP_FAILED},
    };
    ASSERT((size_t)facts->status.value < ARRAY_LEN(outcome));
    if (facts->status.value == ACCESS_RECIPIENT_NOT_LOCAL)
        return remote_recipient_eval(facts, used);
    enum reason reason = outcome[facts->status.value].reason;
    enum reply_id reply = outcome[facts->status.value].reply;
    if (reply == REPLY_NONE)
        return accepted(reason, facts->status.rule, used);
    return refused(reason, reply_with_text(reply, facts->recipient->text), facts->status.rule, used);
}

struct verdict
access_rcpt(const struct access_policy *policy, const struct access_rcpt_facts *facts)
{
    ASSERT(facts->recipient->kind != PATH_NULL);
    uint64_t used = fact_bit(FACT_RECIPIENT_COUNT);
    if (facts->recipient_count >= policy->recipients.value)
        return refused(REASON_RECIPIENTS, reply_with_number(REPLY_RECIPIENTS_MAX, policy->recipients.value),
                       policy->recipients.pos, used);

    bool is_postmaster = mailbox_is_postmaster(&facts->recipient->mailbox);
    struct verdict by_rule = accepted(REASON_ALLOWED, SOURCE_POS_DEFAULT, 0);
    if (!is_postmaster)
        by_rule = rules_eval(policy, facts);
    used |= by_rule.facts_used | fact_bit(FACT_RECIPIENT);
    if (by_rule.action != VERDICT_ACCEPT) {
        by_rule.facts_used = used;
        return by_rule;
    }

    used |= fact_bit(FACT_RECIPIENT_STATUS);
    if (facts->status.state == FACT_STATE_UNKNOWN)
        return (struct verdict){.action = VERDICT_NEED_FACTS, .facts_needed = fact_bit(FACT_RECIPIENT_STATUS)};
    if (facts->status.state == FACT_STATE_FAILED)
        return refused(REASON_LOOKUP_FAILED, reply_of(REPLY_LOOKUP_FAILED), SOURCE_POS_DEFAULT, used);
    struct verdict verdict = recipient_status_eval(facts, used);
    if (verdict.action == VERDICT_ACCEPT && is_postmaster)
        verdict.reason = REASON_POSTMASTER;
    if (verdict.action == VERDICT_ACCEPT && by_rule.reason == REASON_RULE_ACCEPT)
        verdict = accepted(REASON_RULE_ACCEPT, by_rule.rule, used);
    return verdict;
}

struct verdict
access_data(const struct access_policy *policy, const struct access_data_facts *facts)
{
    unsigned flaws = facts->content->flaws;
    uint64_t used = fact_bit(FACT_SIZE) | fact_bit(FACT_HEADER_SIZE);
    if ((flaws & SMTP_CONTENT_TOO_LARGE) != 0 || facts->content->size_bytes > policy->message_size_bytes.value)
        return refused(REASON_SIZE, reply_with_number(REPLY_MESSAGE_TOO_LARGE, policy->message_size_bytes.value),
                       policy->message_size_bytes.pos, used);
    if (facts->is_header_too_large)
        return refused(REASON_HEADER_SIZE, reply_with_number(REPLY_HEADER_TOO_LARGE, policy->header_size_bytes.value),
                       policy->header_size_bytes.pos, used);

    used |= fact_bit(FACT_CONTENT_FLAWS);
    if ((flaws & (SMTP_CONTENT_BARE_CR | SMTP_CONTENT_BARE_LF)) != 0 && policy->is_bare_newline_normalized.value == 0)
        return refused(REASON_BARE_NEWLINE, reply_of(REPLY_BARE_NEWLINE), policy->is_bare_newline_normalized.pos, used);
    if ((flaws & SMTP_CONTENT_NUL_IN_HEADER) != 0)
        return refused(REASON_NUL_IN_HEADER, reply_of(REPLY_HEADER_NUL), SOURCE_POS_DEFAULT, used);
    if ((flaws & SMTP_CONTENT_NUL_IN_BODY) != 0 && policy->is_nul_in_body_accepted.value == 0)
        return refused(REASON_NUL_IN_BODY, reply_of(REPLY_BODY_NUL), policy->is_nul_in_body_accepted.pos, used);
    if ((flaws & SMTP_CONTENT_LINE_TOO_LONG) != 0)
        return refused(REASON_LINE_LENGTH, reply_with_number(REPLY_TEXT_LINE_TOO_LONG, policy->line_length_bytes.value),
                       policy->line_length_bytes.pos, used);

    used |= fact_bit(FACT_HOPS);
    if (facts->hops > policy->received_hops.value)
        return refused(REASON_HOPS, reply_with_number(REPLY_LOOP, facts->hops), policy->received_hops.pos, used);
    return accepted(REASON_ALLOWED, SOURCE_POS_DEFAULT, used);
}
