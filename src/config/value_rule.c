/*
 * value_rule.c - access rules: `reject client 192.0.2.0/24 "text";` into the rule types of policy.
 */
#include "config/suggest.h"
#include "config/value.h"

enum { RULE_TEXT_MAX = 200 };

static const struct {
    struct span name;
    enum access_rule_action action;
} actions[] = {
    {SPAN("accept"), ACCESS_RULE_ACCEPT},
    {SPAN("reject"), ACCESS_RULE_REJECT},
    {SPAN("defer"), ACCESS_RULE_DEFER},
    {SPAN("drop"), ACCESS_RULE_DROP},
};

static const struct {
    struct span name;
    enum access_rule_subject subject;
    const char *wanted;
} subjects[] = {
    {SPAN("client"), ACCESS_RULE_CLIENT, "an address or network such as 192.0.2.0/24"},
    {SPAN("helo"), ACCESS_RULE_HELO, "a name such as example.com or .example.com"},
    {SPAN("sender"), ACCESS_RULE_SENDER, "user@example.com, example.com, .example.com or <>"},
    {SPAN("recipient"), ACCESS_RULE_RECIPIENT, "user@example.com, example.com or .example.com"},
};

/* The row of `subjects` that `word` names; false after adding a problem. */
static bool
subject_find(struct value_reader *r, const struct config_word *word, size_t *ret_row)
{
    struct config_suggestion meant = config_suggest(word->text);
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        if (span_equal(word->text, subjects[i].name)) {
            *ret_row = i;
            return true;
        }
        config_suggest_offer(&meant, subjects[i].name);
    }
    struct config_quoted action = config_quote(r->name), written = config_quote(word->text);
    if (span_is_empty(meant.best))
        VALUE_PROBLEM(r, word->pos, "'%s' wants client, helo, sender or recipient, not '%s'", action.text,
                      written.text);
    else
        VALUE_PROBLEM(r, word->pos, "'%s' wants client, helo, sender or recipient, not '%s'; did you mean '%s'?",
                      action.text, written.text, config_quote(meant.best).text);
    return false;
}

static bool
pattern_take(struct value_reader *r, size_t row, struct access_pattern *ret)
{
    const struct config_word *word = value_word_take(r);
    if (word == NULL)
        return false;
    if (access_pattern_parse(subjects[row].subject, word->text, ret))
        return true;
    struct network network;
    if (subjects[row].subject == ACCESS_RULE_CLIENT && network_parse(word->text, &network) == NETWORK_HOST_BITS)
        VALUE_PROBLEM(r, word->pos, "'%s' has bits set beyond its prefix; write the first address of the network",
                      config_quote(word->text).text);
    else
        VALUE_PROBLEM(r, word->pos, "'%s' wants %s, not '%s'", config_quote(subjects[row].name).text,
                      subjects[row].wanted, config_quote(word->text).text);
    return false;
}

/* Take the text for the client, if one follows. */
static bool
text_take(struct value_reader *r, struct access_rule *rule)
{
    const struct config_word *word = r->next;
    if (word == NULL)
        return true;
    r->next = word->next;
    if (rule->action == ACCESS_RULE_ACCEPT) {
        VALUE_PROBLEM(r, word->pos, "'accept' takes no text: the client is told nothing");
        return false;
    }
    bool is_fit = word->text.len > 0 && word->text.len <= RULE_TEXT_MAX;
    for (size_t i = 0; i < word->text.len; i++)
        is_fit = is_fit && word->text.data[i] >= 0x20 && word->text.data[i] < 0x7f;
    if (!is_fit) {
        VALUE_PROBLEM(r, word->pos, "the text for the client is 1 to %d printable ASCII characters", RULE_TEXT_MAX);
        return false;
    }
    rule->text = word->text;
    return true;
}

static bool
rule_take(struct value_reader *r, void *ret_item)
{
    struct access_rule *ret = ret_item, rule = {.pos = r->pos};
    const struct config_word *subject = value_word_take(r);
    size_t row;
    if (subject == NULL || !subject_find(r, subject, &row))
        return false;
    rule.subject = subjects[row].subject;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (span_equal(r->name, actions[i].name))
            rule.action = actions[i].action;
    if (rule.action == ACCESS_RULE_DROP && rule.subject != ACCESS_RULE_CLIENT) {
        VALUE_PROBLEM(r, subject->pos,
                      "'drop' acts before the greeting, when only the client is known; did you mean 'reject %s'?",
                      config_quote(subject->text).text);
        return false;
    }
    if (!pattern_take(r, row, &rule.pattern) || !text_take(r, &rule))
        return false;
    *ret = rule;
    return true;
}

static enum err
rule_format(const void *item, const struct schema_key *key, struct buf *to)
{
    (void)key;
    const struct access_rule *rule = item;
    uint8_t text[MAILBOX_TEXT_MAX + 64];
    struct buf pattern;
    buf_init_fixed(&pattern, text, sizeof(text));
    TRY(access_pattern_format(&rule->pattern, &pattern));
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (actions[i].action == rule->action)
            (void)buf_append(to, actions[i].name);
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
        if (subjects[i].subject == rule->subject)
            (void)buf_printf(to, " " SPAN_FMT " ", SPAN_ARG(subjects[i].name));
    TRY(value_word_format(buf_span(&pattern), to));
    if (!span_is_empty(rule->text)) {
        (void)buf_append_octet(to, ' ');
        TRY(value_word_format(rule->text, to));
    }
    return buf_check(to);
}

const struct value_type value_type_RULES = {
    .name = "client, helo, sender or recipient, and a pattern", .arity = VALUE_EACH,
    .item_size = sizeof(struct access_rule), .take = rule_take, .format = rule_format,
    .pos_offset = offsetof(struct access_rule, pos)};
