/*
 * value.c - numbers with and without units, switches, and what all types share.
 */
#include "config/value.h"

/* --- shared ------------------------------------------------------------------------------------------------------- */

const struct config_word *
value_word_take(struct value_reader *r)
{
    const struct config_word *word = r->next;
    if (word == NULL) {
        VALUE_PROBLEM(r, r->pos, "'%s' has no value; it wants %s", config_quote(r->name).text, r->key->type->name);
        return NULL;
    }
    r->next = word->next;
    return word;
}

void
value_problem_unwanted(struct value_reader *r, const struct config_word *word, const char *wanted)
{
    VALUE_PROBLEM(r, word->pos, "'%s' wants %s, not '%s'", config_quote(r->name).text, wanted,
                  config_quote(word->text).text);
}

static bool
is_key_word(const struct schema_key *key, struct span text)
{
    return key->word != NULL && span_equal(text, span_from_cstr(key->word));
}

enum err
value_word_format(struct span word, struct buf *to)
{
    bool is_plain = word.len > 0 && word.data[0] != '#';
    for (size_t i = 0; i < word.len; i++)
        is_plain = is_plain && strchr(" \t\n\r{};\"'\\", word.data[i]) == NULL;
    if (is_plain)
        return buf_append(to, word);
    (void)buf_append_octet(to, '"');
    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] == '"' || word.data[i] == '\\')
            (void)buf_append_octet(to, '\\');
        (void)buf_append_octet(to, word.data[i]);
    }
    (void)buf_append_octet(to, '"');
    return buf_check(to);
}

/* --- units -------------------------------------------------------------------------------------------------------- */

struct unit {
    const char *name;
    uint64_t factor;
};

/* What people write, and what they probably mean. */
struct misnomer {
    const char *written; /* "a|b" */
    const char *meant;
};

struct measure {
    const struct unit *units;   /* from the smallest to the largest; the first `whole_count` print values */
    size_t unit_count;
    size_t whole_count;
    const struct misnomer *misnomers;
    size_t misnomer_count;
    const char *example;        /* a unit for the message about a bare number */
    const char *list;
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", UINT64_C(1) << 10}, {"MiB", UINT64_C(1) << 20}, {"GiB", UINT64_C(1) << 30}, {"TiB", UINT64_C(1) << 40},
    {"kB", 1000},               {"MB", 1000000},            {"GB", 1000000000},         {"TB", 1000000000000},
};

static const struct misnomer size_misnomers[] = {
    {"b|byte|bytes|octet|octets", "B"}, {"k|K|KB|kb|kib|Kib", "KiB"}, {"m|M|mb|Mb|mib|Mib", "MiB"},
    {"g|G|gb|Gb|gib|Gib", "GiB"},       {"t|T|tb|Tb|tib|Tib", "TiB"},
};

static const struct measure size_measure = {
    .units = size_units, .unit_count = ARRAY_LEN(size_units), .whole_count = 5,
    .misnomers = size_misnomers, .misnomer_count = ARRAY_LEN(size_misnomers),
    .example = "MiB", .list = "B, KiB, MiB, GiB, TiB, kB, MB, GB, TB",
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"min", 60 * 1000}, {"h", 60 * 60 * 1000}, {"d", 24 * 60 * 60 * 1000},
};

static const struct misnomer duration_misnomers[] = {
    {"msec|millisecond|milliseconds", "ms"}, {"S|sec|secs|second|seconds", "s"},
    {"m|M|mn|mins|minute|minutes|Min", "min"}, {"H|hr|hrs|hour|hours", "h"}, {"D|day|days", "d"},
};

static const struct measure duration_measure = {
    .units = duration_units, .unit_count = ARRAY_LEN(duration_units), .whole_count = ARRAY_LEN(duration_units),
    .misnomers = duration_misnomers, .misnomer_count = ARRAY_LEN(duration_misnomers),
    .example = "s", .list = "ms, s, min, h, d",
};

static const struct unit *
unit_find(const struct measure *measure, struct span name)
{
    for (size_t i = 0; i < measure->unit_count; i++)
        if (span_equal(name, span_from_cstr(measure->units[i].name)))
            return &measure->units[i];
    return NULL;
}

/* Whether `name` is one of the words of `list`, "a|b|c". */
static bool
list_has(const char *list, struct span name)
{
    struct span rest = span_from_cstr(list), first;
    while (span_cut(rest, '|', &first, &rest))
        if (span_equal(first, name))
            return true;
    return span_equal(rest, name);
}

static const char *
misnomer_find(const struct measure *measure, struct span name)
{
    for (size_t i = 0; i < measure->misnomer_count; i++)
        if (list_has(measure->misnomers[i].written, name))
            return measure->misnomers[i].meant;
    return NULL;
}

/* Split "50MiB" or "50 MiB" into digits and unit. */
static void
digits_cut(struct span text, struct span *ret_digits, struct span *ret_unit)
{
    size_t at = 0;
    while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9')
        at++;
    *ret_digits = span_first(text, at);
    *ret_unit = span_trim(span_skip(text, at));
}

static bool
measure_parse(const struct measure *measure, struct span text, uint64_t *ret)
{
    struct span digits, unit_name;
    uint64_t number, value;
    digits_cut(text, &digits, &unit_name);
    const struct unit *unit = unit_find(measure, unit_name);
    if (unit == NULL || !span_to_u64(digits, UINT64_MAX, &number) ||
        __builtin_mul_overflow(number, unit->factor, &value))
        return false;
    *ret = value;
    return true;
}

bool
value_size_parse(struct span text, uint64_t *ret_bytes)
{
    return measure_parse(&size_measure, text, ret_bytes);
}

bool
value_duration_parse(struct span text, uint64_t *ret_ms)
{
    return measure_parse(&duration_measure, text, ret_ms);
}

static enum err
measure_format(const struct measure *measure, uint64_t value, struct buf *to)
{
    const struct unit *unit = &measure->units[value == 0 && measure == &duration_measure ? 1 : 0];
    for (size_t i = 0; value != 0 && i < measure->whole_count; i++)
        if (value % measure->units[i].factor == 0)
            unit = &measure->units[i];
    (void)buf_append_u64(to, value / unit->factor);
    (void)buf_append_octet(to, ' ');
    (void)buf_append_cstr(to, unit->name);
    return buf_check(to);
}

enum err
value_size_format(uint64_t bytes, struct buf *to)
{
    return measure_format(&size_measure, bytes, to);
}

enum err
value_duration_format(uint64_t ms, struct buf *to)
{
    return measure_format(&duration_measure, ms, to);
}

/* Say what is wrong with the unit, or with the lack of one. */
static void
problem_unit(struct value_reader *r, const struct measure *measure, const struct config_word *word, struct span digits,
             struct span unit_name)
{
    struct config_quoted key = config_quote(r->name), number = config_quote(digits), unit = config_quote(unit_name);
    const char *meant = misnomer_find(measure, unit_name);
    if (span_is_empty(unit_name))
        VALUE_PROBLEM(r, word->pos, "'%s' needs a unit: write '%s %s' (units: %s)", key.text, number.text,
                      measure->example, measure->list);
    else if (meant != NULL)
        VALUE_PROBLEM(r, word->pos, "'%s' is not a unit; did you mean '%s %s'? (units: %s)", unit.text, number.text,
                      meant, measure->list);
    else
        VALUE_PROBLEM(r, word->pos, "'%s' is not a unit (units: %s)", unit.text, measure->list);
}

static bool
is_letters(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.data[i] >= 'a' && s.data[i] <= 'z') || (s.data[i] >= 'A' && s.data[i] <= 'Z')))
            return false;
    return s.len > 0;
}

/* Take a number and its unit, in one word or two. */
static bool
measure_take(struct value_reader *r, const struct measure *measure, const struct config_word *word, uint64_t *ret)
{
    struct span digits, unit_name;
    uint64_t number;
    digits_cut(word->text, &digits, &unit_name);
    if (span_is_empty(digits)) {
        value_problem_unwanted(r, word, r->key->type->name);
        return false;
    }
    if (span_is_empty(unit_name) && r->next != NULL && is_letters(r->next->text)) {
        unit_name = r->next->text;
        r->next = r->next->next;
    }
    const struct unit *unit = unit_find(measure, unit_name);
    if (unit == NULL) {
        problem_unit(r, measure, word, digits, unit_name);
        return false;
    }
    if (!span_to_u64(digits, UINT64_MAX, &number) || __builtin_mul_overflow(number, unit->factor, ret)) {
        VALUE_PROBLEM(r, word->pos, "'%s' is too large a number", config_quote(digits).text);
        return false;
    }
    return true;
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

/* One kind of number: how its bounds are read and its values written. */
struct number_kind {
    bool (*parse)(struct span text, uint64_t *ret);
    enum err (*format)(uint64_t value, struct buf *to);
};

static bool
count_parse(struct span text, uint64_t *ret)
{
    return span_to_u64(text, UINT64_MAX, ret);
}

static enum err
count_format(uint64_t value, struct buf *to)
{
    return buf_append_u64(to, value);
}

static const struct number_kind size_kind = {value_size_parse, value_size_format};
static const struct number_kind duration_kind = {value_duration_parse, value_duration_format};
static const struct number_kind count_kind = {count_parse, count_format};

static bool
is_within_bounds(struct value_reader *r, const struct number_kind *kind, const struct config_word *word, uint64_t value)
{
    uint64_t floor = 0, ceiling = UINT64_MAX;
    const struct schema_key *key = r->key;
    bool is_low = key->floor != NULL && kind->parse(span_from_cstr(key->floor), &floor) && value < floor;
    bool is_high = key->ceiling != NULL && kind->parse(span_from_cstr(key->ceiling), &ceiling) && value > ceiling;
    if (!is_low && !is_high)
        return true;
    uint8_t text[64];
    struct buf written;
    buf_init_fixed(&written, text, sizeof(text));
    (void)kind->format(value, &written);
    VALUE_PROBLEM(r, word->pos, "'%s' is %s; it must be %s %s", config_quote(r->name).text,
                  config_quote(buf_span(&written)).text, is_low ? "at least" : "at most",
                  is_low ? key->floor : key->ceiling);
    return false;
}

/* Take a number with a unit, or the key's word for zero. */
static bool
measured_take(struct value_reader *r, const struct measure *measure, const struct number_kind *kind,
              struct config_u64 *ret)
{
    const struct config_word *word = value_word_take(r);
    uint64_t value = 0;
    if (word == NULL)
        return false;
    if (!is_key_word(r->key, word->text) &&
        (!measure_take(r, measure, word, &value) || !is_within_bounds(r, kind, word, value)))
        return false;
    *ret = (struct config_u64){.value = value, .pos = word->pos};
    return true;
}

static bool
size_take(struct value_reader *r, void *ret_item)
{
    return measured_take(r, &size_measure, &size_kind, ret_item);
}

static bool
duration_take(struct value_reader *r, void *ret_item)
{
    return measured_take(r, &duration_measure, &duration_kind, ret_item);
}

static bool
count_take(struct value_reader *r, void *ret_item)
{
    struct config_u64 *ret = ret_item;
    const struct config_word *word = value_word_take(r);
    uint64_t value = 0;
    if (word == NULL)
        return false;
    if (!is_key_word(r->key, word->text)) {
        if (!count_parse(word->text, &value)) {
            value_problem_unwanted(r, word, r->key->type->name);
            return false;
        }
        if (!is_within_bounds(r, &count_kind, word, value))
            return false;
    }
    *ret = (struct config_u64){.value = value, .pos = word->pos};
    return true;
}

static enum err
number_format(const struct config_u64 *number, const struct schema_key *key, const struct number_kind *kind,
              struct buf *to)
{
    if (number->value == 0 && key->word != NULL)
        return buf_append_cstr(to, key->word);
    return kind->format(number->value, to);
}

static enum err
size_item_format(const void *item, const struct schema_key *key, struct buf *to)
{
    return number_format(item, key, &size_kind, to);
}

static enum err
duration_item_format(const void *item, const struct schema_key *key, struct buf *to)
{
    return number_format(item, key, &duration_kind, to);
}

static enum err
count_item_format(const void *item, const struct schema_key *key, struct buf *to)
{
    return number_format(item, key, &count_kind, to);
}

/* --- switches and choices ----------------------------------------------------------------------------------------- */

static bool
bool_take(struct value_reader *r, void *ret_item)
{
    struct config_bool *ret = ret_item;
    const struct config_word *word = value_word_take(r);
    if (word == NULL)
        return false;
    bool is_on = span_equal(word->text, SPAN("on"));
    if (!is_on && !span_equal(word->text, SPAN("off"))) {
        const char *meant = list_has("yes|true|1|On|ON|enabled", word->text)       ? " (did you mean 'on'?)"
                            : list_has("no|false|0|Off|OFF|disabled", word->text) ? " (did you mean 'off'?)"
                                                                                    : "";
        VALUE_PROBLEM(r, word->pos, "'%s' wants on or off, not '%s'%s", config_quote(r->name).text,
                      config_quote(word->text).text, meant);
        return false;
    }
    *ret = (struct config_bool){.value = is_on, .pos = word->pos};
    return true;
}

static enum err
bool_format(const void *item, const struct schema_key *key, struct buf *to)
{
    (void)key;
    const struct config_bool *b = item;
    return buf_append_cstr(to, b->value ? "on" : "off");
}

const struct value_type value_type_SIZE = {
    .name = "a size such as 50 MiB", .short_name = "size", .arity = VALUE_ONE, .item_size = sizeof(struct config_u64),
    .take = size_take, .format = size_item_format, .pos_offset = offsetof(struct config_u64, pos)};

const struct value_type value_type_DURATION = {
    .name = "a time such as 5 min", .short_name = "time", .arity = VALUE_ONE, .item_size = sizeof(struct config_u64),
    .take = duration_take, .format = duration_item_format, .pos_offset = offsetof(struct config_u64, pos)};

const struct value_type value_type_DURATIONS = {
    .name = "times such as 5 min 1 h", .short_name = "times", .arity = VALUE_LIST,
    .item_size = sizeof(struct config_u64), .take = duration_take, .format = duration_item_format,
    .pos_offset = offsetof(struct config_u64, pos)};

const struct value_type value_type_COUNT = {
    .name = "a number", .short_name = "number", .arity = VALUE_ONE, .item_size = sizeof(struct config_u64),
    .take = count_take, .format = count_item_format, .pos_offset = offsetof(struct config_u64, pos)};

const struct value_type value_type_BOOL = {
    .name = "on or off", .arity = VALUE_ONE, .item_size = sizeof(struct config_bool), .take = bool_take,
    .format = bool_format, .pos_offset = offsetof(struct config_bool, pos)};
