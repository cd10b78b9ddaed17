/*
 * value_text.c - words with a meaning: choices, names, users, paths, domains, addresses.
 */
#include "config/suggest.h"
#include "config/value.h"

enum { TEXT_MAX = 255, PATH_TEXT_MAX = 4095, NAME_MAX_OCTETS = 32 };

static bool
has_word(const struct value_reader *r, struct span text)
{
    return r->key->word != NULL && span_equal(text, span_from_cstr(r->key->word));
}

static bool
is_letter_or_digit(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits, "-", "_" and ".", beginning with one of the first two; at most NAME_MAX_OCTETS. */
static bool
is_name(struct span s)
{
    if (s.len == 0 || s.len > NAME_MAX_OCTETS || !is_letter_or_digit(s.data[0]))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_letter_or_digit(s.data[i]) && s.data[i] != '-' && s.data[i] != '_' && s.data[i] != '.')
            return false;
    return true;
}

/* --- config_text -------------------------------------------------------------------------------------------------- */

/* Take a word that `is_wanted` likes, or the key's word for "not set". */
static bool
text_take_if(struct value_reader *r, bool (*is_wanted)(struct span), struct config_text *ret)
{
    const struct config_word *word = value_word_take(r);
    if (word == NULL)
        return false;
    bool is_unset = has_word(r, word->text);
    if (!is_unset && !is_wanted(word->text)) {
        value_problem_unwanted(r, word, r->key->type->name);
        return false;
    }
    *ret = (struct config_text){.value = is_unset ? SPAN_EMPTY : word->text, .pos = word->pos};
    return true;
}

static bool
is_text(struct span s)
{
    return s.len > 0 && s.len <= TEXT_MAX;
}

static bool
text_take(struct value_reader *r, void *ret_item)
{
    return text_take_if(r, is_text, ret_item);
}

static bool
name_take(struct value_reader *r, void *ret_item)
{
    return text_take_if(r, is_name, ret_item);
}

/* A name of /etc/passwd or a number that is no special value of the kernel. */
static bool
is_user(struct span s)
{
    uint64_t number;
    if (s.len > 0 && s.data[0] >= '0' && s.data[0] <= '9')
        return span_to_u64(s, UINT32_MAX - 1, &number);
    return is_name(s) || (s.len > 1 && s.data[0] == '_' && is_name(span_skip(s, 1)));
}

static bool
user_take(struct value_reader *r, void *ret_item)
{
    return text_take_if(r, is_user, ret_item);
}

static bool
is_separator(struct span s)
{
    return s.len == 1 && strchr("+-=_#%~!", s.data[0]) != NULL;
}

static bool
separator_take(struct value_reader *r, void *ret_item)
{
    return text_take_if(r, is_separator, ret_item);
}

static enum err
text_format(const void *item, const struct schema_key *key, struct buf *to)
{
    const struct config_text *text = item;
    if (span_is_empty(text->value))
        return buf_append_cstr(to, key->word == NULL ? "" : key->word);
    return value_word_format(text->value, to);
}

static bool
text_is_set(const void *item)
{
    const struct config_text *text = item;
    return !span_is_empty(text->value);
}

/* --- paths -------------------------------------------------------------------------------------------------------- */

/* The directory of the file a value stands in, with its "/"; empty when the file's name has none. */
static struct span
directory_of(struct span file)
{
    size_t slash = span_find_last(file, '/');
    return slash == file.len ? SPAN_EMPTY : span_first(file, slash + 1);
}

/* "<run-directory>/x" of a default: the directory that is meant, *path what stands below it. */
static struct span
directory_of_default(const struct value_reader *r, struct span *path)
{
    static const struct {
        const char *prefix;
        size_t offset;
    } directories[] = {
        {"<run-directory>", offsetof(struct config, run_directory)},
        {"<state-directory>", offsetof(struct config, state_directory)},
    };
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        struct span prefix = span_from_cstr(directories[i].prefix);
        if (!span_has_prefix(*path, prefix))
            continue;
        const struct config_text *directory = (const void *)((const char *)r->config + directories[i].offset);
        *path = span_skip(*path, prefix.len);
        return directory->value;
    }
    return SPAN_EMPTY;
}

bool
value_path_resolve(struct value_reader *r, struct span path, struct span *ret)
{
    struct span directory = directory_of_default(r, &path);
    if (span_is_empty(directory) && path.data[0] != '/') {
        directory = directory_of(r->pos.file);
        if (span_has_prefix(path, SPAN("./")))
            path = span_skip(path, 2);
    }
    while (path.len > 1 && path.data[path.len - 1] == '/')
        path.len--;
    if (span_is_empty(directory)) {
        *ret = path;
        return true;
    }
    uint8_t *joined = arena_alloc(r->memory, directory.len + path.len);
    if (joined == NULL) {
        r->is_out_of_memory = true;
        return false;
    }
    memcpy(joined, directory.data, directory.len);
    memcpy(joined + directory.len, path.data, path.len);
    *ret = span_of(joined, directory.len + path.len);
    return true;
}

static bool
is_path(struct span s)
{
    return s.len > 0 && s.len <= PATH_TEXT_MAX && span_find(s, 0) == s.len;
}

static bool
file_path_take(struct value_reader *r, void *ret_item)
{
    struct config_text *ret = ret_item, written;
    if (!text_take_if(r, is_path, &written))
        return false;
    if (!span_is_empty(written.value) && !value_path_resolve(r, written.value, &written.value))
        return false;
    *ret = written;
    return true;
}

/* --- choices ------------------------------------------------------------------------------------------------------ */

/* The index of `name` in "a|b|c"; false when it is none. */
static bool
choice_find(const char *choices, struct span name, unsigned *ret)
{
    struct span rest = span_from_cstr(choices), first = rest;
    for (unsigned i = 0;; i++) {
        bool has_more = span_cut(rest, '|', &first, &rest);
        if (span_equal(has_more ? first : rest, name)) {
            *ret = i;
            return true;
        }
        if (!has_more)
            return false;
    }
}

/* "a|b|c" as "a, b, c". */
static struct config_quoted
choices_listed(const char *choices)
{
    uint8_t text[80];
    struct buf listed;
    buf_init_fixed(&listed, text, sizeof(text));
    for (; *choices != '\0'; choices++)
        (void)(*choices == '|' ? buf_append_cstr(&listed, ", ") : buf_append_octet(&listed, (uint8_t)*choices));
    return config_quote(buf_span(&listed));
}

static bool
choice_take(struct value_reader *r, void *ret_item)
{
    struct config_choice *ret = ret_item;
    const struct config_word *word = value_word_take(r);
    unsigned value;
    if (word == NULL)
        return false;
    if (!choice_find(r->key->choices, word->text, &value)) {
        struct config_suggestion meant = config_suggest(word->text);
        config_suggest_offer(&meant, span_from_cstr(r->key->choices));
        struct config_quoted key = config_quote(r->name), written = config_quote(word->text);
        if (span_is_empty(meant.best))
            VALUE_PROBLEM(r, word->pos, "'%s' wants one of %s, not '%s'", key.text,
                          choices_listed(r->key->choices).text, written.text);
        else
            VALUE_PROBLEM(r, word->pos, "'%s' wants one of %s, not '%s'; did you mean '%s'?", key.text,
                          choices_listed(r->key->choices).text, written.text, config_quote(meant.best).text);
        return false;
    }
    *ret = (struct config_choice){.value = value, .pos = word->pos};
    return true;
}

static enum err
choice_format(const void *item, const struct schema_key *key, struct buf *to)
{
    const struct config_choice *choice = item;
    struct span rest = span_from_cstr(key->choices), first = rest;
    for (unsigned i = 0; i < choice->value; i++)
        (void)span_cut(rest, '|', &first, &rest);
    return buf_append(to, span_cut(rest, '|', &first, &rest) ? first : rest);
}

/* --- domains and addresses ---------------------------------------------------------------------------------------- */

static const char *
addr_fault_text(enum addr_fault fault)
{
    switch (fault) {
    case ADDR_OK:
    case ADDR_SYNTAX:
    case ADDR_UTF8_NOT_ALLOWED: return "";
    case ADDR_LOCAL_TOO_LONG: return " (what stands before the @ has more than 64 octets)";
    case ADDR_DOMAIN_TOO_LONG: return " (more than 255 octets, or 63 between two dots)";
    case ADDR_PATH_TOO_LONG: return " (more than 254 octets)";
    case ADDR_UTF8_INVALID: return " (a character that names cannot have)";
    }
    return "";
}

static void
problem_address(struct value_reader *r, const struct config_word *word, enum addr_fault fault)
{
    VALUE_PROBLEM(r, word->pos, "'%s' wants %s, not '%s'%s", config_quote(r->name).text, r->key->type->name,
                  config_quote(word->text).text, addr_fault_text(fault));
}

static bool
domain_take(struct value_reader *r, void *ret_item)
{
    struct config_name *ret = ret_item, name = {0};
    const struct config_word *word = value_word_take(r);
    if (word == NULL)
        return false;
    enum addr_fault fault = domain_parse(word->text, true, &name.value);
    if (fault != ADDR_OK) {
        problem_address(r, word, fault);
        return false;
    }
    name.pos = word->pos;
    *ret = name;
    return true;
}

static enum err
domain_format(const void *item, const struct schema_key *key, struct buf *to)
{
    (void)key;
    const struct config_name *name = item;
    return value_word_format(domain_span(&name->value), to);
}

static bool
domain_is_set(const void *item)
{
    const struct config_name *name = item;
    return name->value.len > 0;
}

static bool
email_take(struct value_reader *r, void *ret_item)
{
    struct config_mailbox *ret = ret_item, mailbox = {0};
    const struct config_word *word = value_word_take(r);
    if (word == NULL)
        return false;
    enum addr_fault fault = mailbox_parse(word->text, true, &mailbox.value);
    if (fault != ADDR_OK) {
        problem_address(r, word, fault);
        return false;
    }
    mailbox.pos = word->pos;
    *ret = mailbox;
    return true;
}

static enum err
email_format(const void *item, const struct schema_key *key, struct buf *to)
{
    (void)key;
    const struct config_mailbox *mailbox = item;
    uint8_t text[MAILBOX_TEXT_MAX];
    struct buf written;
    buf_init_fixed(&written, text, sizeof(text));
    TRY(mailbox_format(&mailbox->value, &written));
    return value_word_format(buf_span(&written), to);
}

static bool
email_is_set(const void *item)
{
    const struct config_mailbox *mailbox = item;
    return mailbox->value.local_len > 0;
}

#define TEXT_TYPE(id, words, short_words, arity_, take_) \
    const struct value_type value_type_##id = { \
        .name = words, .short_name = short_words, .arity = arity_, .item_size = sizeof(struct config_text), \
        .take = take_, .format = text_format, \
        .pos_offset = offsetof(struct config_text, pos), .is_set = text_is_set}

TEXT_TYPE(TEXT, "a text of at most 255 octets", "text", VALUE_ONE, text_take);
TEXT_TYPE(NAME, "a name of letters, digits, '-', '_', '.'", "name", VALUE_ONE, name_take);
TEXT_TYPE(NAMES, "names of users", "users", VALUE_REPEATED, user_take);
TEXT_TYPE(USER, "a name or number", "name or number", VALUE_ONE, user_take);
TEXT_TYPE(PATH, "a path", "path", VALUE_ONE, file_path_take);
TEXT_TYPE(SEPARATOR, "one of + - = _ # % ~ !", NULL, VALUE_ONE, separator_take);

const struct value_type value_type_CHOICE = {
    .name = "a choice", .arity = VALUE_ONE, .item_size = sizeof(struct config_choice), .take = choice_take,
    .format = choice_format, .pos_offset = offsetof(struct config_choice, pos)};

const struct value_type value_type_DOMAIN = {
    .name = "a domain name such as example.com", .short_name = "domain name", .arity = VALUE_ONE,
    .item_size = sizeof(struct config_name), .take = domain_take, .format = domain_format,
    .pos_offset = offsetof(struct config_name, pos), .is_set = domain_is_set};

const struct value_type value_type_EMAIL = {
    .name = "an address such as alice@example.com", .short_name = "mail address", .arity = VALUE_ONE,
    .item_size = sizeof(struct config_mailbox), .take = email_take, .format = email_format,
    .pos_offset = offsetof(struct config_mailbox, pos), .is_set = email_is_set};
