/* schema.c - schema.def as constant tables. */
#include "config/schema.h"

#include "config/value.h"

#define REQUIRED NULL
#define ANY .floor = NULL
#define RANGE(floor_, ceiling_) .floor = floor_, .ceiling = ceiling_
#define RANGE_OR(word_, floor_, ceiling_) .word = word_, .floor = floor_, .ceiling = ceiling_
#define OR(word_) .word = word_
#define CHOICES(choices_) .choices = choices_

#define BLOCK_BEGIN(block, name_, sentence_) \
    static const char block##_name[] = name_; \
    static const char block##_sentence[] = sentence_; \
    static const struct schema_key block##_title = {.name = ""}; \
    static const struct schema_key block##_keys[] = {
#define TITLED_BEGIN(block, name_, title_type, title_word, sentence_) \
    static const char block##_name[] = name_; \
    static const char block##_sentence[] = sentence_; \
    static const struct schema_key block##_title = { \
        .name = title_word, .type = &value_type_##title_type, .offset = offsetof(struct block, title)}; \
    static const struct schema_key block##_keys[] = {
#define KEY(block, type_, field, name_, default_text_, bounds, effect_, sentence_) \
    {.name = name_, .type = &value_type_##type_, .offset = offsetof(struct block, field), \
     .default_text = default_text_, .effect = effect_, .sentence = sentence_, bounds},
#define NESTED(block, field, child_) \
    {.name = child_##_name, .offset = offsetof(struct block, field), .default_text = "", .child = &child_##_block},
#define NESTED_LIST(block, field, child_) \
    {.name = child_##_name, .offset = offsetof(struct block, field), .default_text = "", .child = &child_##_block, \
     .is_list = true},
#define BLOCK_END(block) \
    } \
    ; \
    static const struct schema_block block##_block = { \
        .name = block##_name, .sentence = block##_sentence, .title = &block##_title, .keys = block##_keys, \
        .key_count = ARRAY_LEN(block##_keys), .size = sizeof(struct block)};
#include "config/schema.def"

const struct schema_block *
config_schema(void)
{
    return &config_block;
}

bool
schema_key_is(const struct schema_key *key, struct span name)
{
    struct span rest = span_from_cstr(key->name), first;
    while (span_cut(rest, '|', &first, &rest))
        if (span_equal(first, name))
            return true;
    return span_equal(rest, name);
}

const struct schema_key *
schema_key_find(const struct schema_block *block, struct span name)
{
    for (size_t i = 0; i < block->key_count; i++)
        if (schema_key_is(&block->keys[i], name))
            return &block->keys[i];
    return NULL;
}
