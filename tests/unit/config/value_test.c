/* value_test.c - sizes, times, numbers and switches: what is read, what is refused and how it is said. */
#include "parsing.h"

#include "config/value.h"

#include <stdio.h>

static void
test_size_and_duration(void **state)
{
    (void)state;
    static const struct {
        bool (*parse)(struct span, uint64_t *);
        enum err (*format)(uint64_t, struct buf *);
        const char *text;
        uint64_t value;
        const char *canonical; /* NULL: refused */
    } rows[] = {
        {value_size_parse, value_size_format, "50 MiB", 52428800, "50 MiB"},
        {value_size_parse, value_size_format, "50MiB", 52428800, "50 MiB"},
        {value_size_parse, value_size_format, "1024 KiB", 1048576, "1 MiB"},
        {value_size_parse, value_size_format, "1000 kB", 1000000, "1000000 B"},
        {value_size_parse, value_size_format, "1 TB", 1000000000000, "976562500 KiB"},
        {value_size_parse, value_size_format, "0 B", 0, "0 B"},
        {value_size_parse, value_size_format, "18446744073709551615 B", UINT64_MAX, "18446744073709551615 B"},
        {value_size_parse, value_size_format, "18446744073709551616 B", 0, NULL},
        {value_size_parse, value_size_format, "16777216 TiB", 0, NULL},
        {value_size_parse, value_size_format, "50", 0, NULL},
        {value_size_parse, value_size_format, "MiB", 0, NULL},
        {value_size_parse, value_size_format, "50 mib", 0, NULL},
        {value_size_parse, value_size_format, "-1 B", 0, NULL},
        {value_size_parse, value_size_format, "1.5 MiB", 0, NULL},
        {value_size_parse, value_size_format, "", 0, NULL},
        {value_duration_parse, value_duration_format, "5 min", 300000, "5 min"},
        {value_duration_parse, value_duration_format, "90s", 90000, "90 s"},
        {value_duration_parse, value_duration_format, "3600 s", 3600000, "1 h"},
        {value_duration_parse, value_duration_format, "48 h", 172800000, "2 d"},
        {value_duration_parse, value_duration_format, "1500 ms", 1500, "1500 ms"},
        {value_duration_parse, value_duration_format, "0 s", 0, "0 s"},
        {value_duration_parse, value_duration_format, "5 m", 0, NULL},
        {value_duration_parse, value_duration_format, "213503982335 d", 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 12345;
        bool is_one = rows[i].parse(span_from_cstr(rows[i].text), &value);
        CHECK(rows[i].text, is_one == (rows[i].canonical != NULL));
        CHECK(rows[i].text, value == (is_one ? rows[i].value : 12345));
        if (!is_one)
            continue;
        struct buf text;
        buf_init(&text, 100);
        CHECK(rows[i].text, rows[i].format(value, &text) == ERR_OK);
        CHECK_SPAN(rows[i].text, buf_span(&text), span_from_cstr(rows[i].canonical));
        buf_done(&text);
    }
}

static void
test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* after "hostname a.example;\n" */
        const char *wanted;
    } rows[] = {
        {"limits { message-size big; }", "2:23: 'message-size' wants a size such as 50 MiB, not 'big'\n"},
        {"limits { message-size 25M; }",
         "2:23: 'M' is not a unit; did you mean '25 MiB'? (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)\n"},
        {"limits { message-size 25 mb; }",
         "2:23: 'mb' is not a unit; did you mean '25 MiB'? (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)\n"},
        {"limits { message-size 25 furlongs; }", "2:23: 'furlongs' is not a unit (units: B, KiB, MiB, GiB, TiB, kB, "
         "MB, GB, TB)\n"},
        {"limits { message-size 1 KiB; }", "2:23: 'message-size' is 1 KiB; it must be at least 64 KiB\n"},
        {"limits { message-size 1 TiB; }", "2:23: 'message-size' is 1 TiB; it must be at most 10 GiB\n"},
        {"limits { message-size 99999999999999999999 B; }", "2:23: '99999999999999999999' is too large a number\n"},
        {"limits { message-size 1.5MiB; }", "2:23: '.5MiB' is not a unit (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, "
         "TB)\n"},
        {"limits { idle-timeout 300; }", "2:23: 'idle-timeout' needs a unit: write '300 s' (units: ms, s, min, h, "
         "d)\n"},
        {"limits { idle-timeout 5 minutes; }", "2:23: 'minutes' is not a unit; did you mean '5 min'? (units: ms, s, "
         "min, h, d)\n"},
        {"delivery { schedule 5 6min; }", "2:21: 'schedule' needs a unit: write '5 s' (units: ms, s, min, h, d)\n"},
        {"limits { idle-timeout none; }", "2:23: 'idle-timeout' wants a time such as 5 min, not 'none'\n"},
        {"limits { recipients many; }", "2:21: 'recipients' wants a number, not 'many'\n"},
        {"limits { recipients 1,000; }", "2:21: 'recipients' wants a number, not '1,000'\n"},
        {"limits { recipients 10001; }", "2:21: 'recipients' is 10001; it must be at most 10000\n"},
        {"edges 0;", "2:7: 'edges' is 0; it must be at least 1\n"},
        {"spool { may-be-lost yes; }", "2:21: 'may-be-lost' wants on or off, not 'yes' (did you mean 'on'?)\n"},
        {"spool { may-be-lost 0; }", "2:21: 'may-be-lost' wants on or off, not '0' (did you mean 'off'?)\n"},
        {"spool { may-be-lost perhaps; }", "2:21: 'may-be-lost' wants on or off, not 'perhaps'\n"},
        {"delivery { schedule 1 min soon; }", "2:27: 'schedule' wants times such as 5 min 1 h, not 'soon'\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[500];
        assert_true((size_t)snprintf(text, sizeof(text), "hostname a.example;\n%s", rows[i].text) < sizeof(text));
        parsing_says(rows[i].text, text, rows[i].wanted);
    }
}

static void
test_word_format(void **state)
{
    (void)state;
    static const struct {
        struct span word;
        const char *written;
    } rows[] = {
        {SPAN("plain"), "plain"},      {SPAN("a b"), "\"a b\""},   {SPAN(""), "\"\""},           {SPAN("#x"), "\"#x\""},
        {SPAN("a#x"), "a#x"},          {SPAN("a;b"), "\"a;b\""},   {SPAN("a\"b"), "\"a\\\"b\""}, {SPAN("a\\b"),
         "\"a\\\\b\""},
        {SPAN("it's"), "\"it's\""},    {SPAN("{"), "\"{\""},       {SPAN("[::]:25"), "[::]:25"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text;
        buf_init(&text, 100);
        assert_int_equal(value_word_format(rows[i].word, &text), ERR_OK);
        CHECK_SPAN(rows[i].written, buf_span(&text), span_from_cstr(rows[i].written));
        buf_done(&text);
    }
}

/* Every bound and default of the schema is itself of its type: else a key could not be used. */
static void
test_schema_is_consistent(void **state)
{
    (void)state;
    const struct schema_block *root = config_schema();
    for (size_t b = 0; b <= root->key_count; b++) {
        const struct schema_block *block = b == root->key_count ? root : root->keys[b].child;
        for (size_t k = 0; block != NULL && k < block->key_count; k++) {
            const struct schema_key *key = &block->keys[k];
            uint64_t floor, ceiling;
            if (key->child != NULL)
                continue;
            CHECK(key->name, strlen(key->sentence) > 3 && key->sentence[strlen(key->sentence) - 1] != ' ');
            CHECK(key->name, (key->floor == NULL) == (key->ceiling == NULL));
            CHECK(key->name, (key->choices != NULL) == (key->type == &value_type_CHOICE));
            if (key->floor == NULL)
                continue;
            struct span floor_text = span_from_cstr(key->floor), ceiling_text = span_from_cstr(key->ceiling);
            bool is_size = value_size_parse(floor_text, &floor) && value_size_parse(ceiling_text, &ceiling);
            bool is_duration = value_duration_parse(floor_text, &floor) && value_duration_parse(ceiling_text, &ceiling);
            bool is_count = span_to_u64(floor_text, UINT64_MAX, &floor) && span_to_u64(ceiling_text, UINT64_MAX,
                &ceiling);
            CHECK(key->name, is_size == (key->type == &value_type_SIZE));
            CHECK(key->name, is_duration == (key->type == &value_type_DURATION || key->type == &value_type_DURATIONS));
            CHECK(key->name, is_count == (key->type == &value_type_COUNT));
            CHECK(key->name, floor < ceiling);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_size_and_duration), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_word_format), cmocka_unit_test(test_schema_is_consistent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
