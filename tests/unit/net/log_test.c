/* log_test.c - lines that can be read by people and machines, whatever a peer put into the values (standards P29). */
#include "net/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Stand-ins for the two functions of the runtime that the log needs: they make this test independent of any body. */
static char last_line[LOG_LINE_MAX + 1];
static size_t last_len;
static int lines_written;

void
rt_log_line(UNUSED struct rt *rt, struct span line)
{
    assert_true(line.len <= LOG_LINE_MAX);
    memcpy(last_line, line.data, line.len);
    last_line[line.len] = '\0';
    last_len = line.len;
    lines_written++;
}

int64_t
rt_wall_us(UNUSED struct rt *rt)
{
    return INT64_C(1795557583000123); /* 2026-11-24T21:59:43.000123Z */
}

static void
start(struct log *log, struct log_options options)
{
    log_init(log, NULL, SPAN("edge"), 1, options);
    lines_written = 0;
    last_len = 0;
    last_line[0] = '\0';
}

struct value_row {
    const char *name;
    const char *value;
    size_t len;
    const char *text; /* after from= */
    const char *json; /* after "from": */
};

#define VALUE(v) v, sizeof(v) - 1

static const struct value_row value_rows[] = {
    {"plain", VALUE("a@example.test"), "a@example.test", "\"a@example.test\""},
    {"empty is quoted", VALUE(""), "\"\"", "\"\""},
    {"space", VALUE("a b"), "\"a b\"", "\"a b\""},
    {"equals sign cannot start a key", VALUE("x=y"), "\"x=y\"", "\"x=y\""},
    {"quote", VALUE("a\"b"), "\"a\\\"b\"", "\"a\\\"b\""},
    {"backslash", VALUE("a\\b"), "\"a\\\\b\"", "\"a\\\\\\\\b\""},
    {"line end", VALUE("a\r\nevent=x"), "\"a\\x0D\\x0Aevent=x\"", "\"a\\\\x0D\\\\x0Aevent=x\""},
    {"NUL", VALUE("a\0b"), "\"a\\x00b\"", "\"a\\\\x00b\""},
    {"terminal escape", VALUE("\x1b[2J"), "\"\\x1B[2J\"", "\"\\\\x1B[2J\""},
    {"DEL", VALUE("\x7f"), "\"\\x7F\"", "\"\\\\x7F\""},
    {"8 bit", VALUE("\xc3\xa9"), "\"\\xC3\\xA9\"", "\"\\\\xC3\\\\xA9\""},
    {"C1 control", VALUE("\x9b"), "\"\\x9B\"", "\"\\\\x9B\""},
};

static void
test_values(UNUSED void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(value_rows); i++) {
        const struct value_row *row = &value_rows[i];
        struct log log;
        char expected[256];
        start(&log, (struct log_options){.min_severity = LOG_DEBUG});
        log_write(&log, LOG_SESSION_CLOSED, LOG_TEXT(KEY_FROM, span_of(row->value, row->len)));
        snprintf(expected, sizeof(expected), "event=session-closed severity=info origin=edge.1 from=%s", row->text);
        if (strcmp(last_line, expected) != 0)
            fail_msg("%s: %s, not %s", row->name, last_line, expected);

        start(&log, (struct log_options){.min_severity = LOG_DEBUG, .is_json = true});
        log_write(&log, LOG_SESSION_CLOSED, LOG_TEXT(KEY_FROM, span_of(row->value, row->len)));
        snprintf(expected, sizeof(expected),
                 "{\"event\":\"session-closed\",\"severity\":\"info\",\"origin\":\"edge.1\",\"from\":%s}", row->json);
        if (strcmp(last_line, expected) != 0)
            fail_msg("%s: %s, not %s", row->name, last_line, expected);
    }
}

/* Every octet, alone and between others, gives a line of printable ASCII. */
static void
test_every_octet_is_made_printable(UNUSED void **state)
{
    for (int json = 0; json < 2; json++)
        for (unsigned octet = 0; octet < 256; octet++) {
            struct log log;
            start(&log, (struct log_options){.is_json = json == 1});
            uint8_t value[3] = {'a', (uint8_t)octet, 'b'};
            log_write(&log, LOG_SESSION_CLOSED, LOG_TEXT(KEY_HELO, span_of(value, 3)));
            assert_true(last_len > 0);
            for (size_t i = 0; i < last_len; i++)
                assert_true(last_line[i] >= 0x20 && last_line[i] <= 0x7e);
        }
}

/* What ends a value never eats the space before the next key. */
static void
test_keys_stay_apart(UNUSED void **state)
{
    struct log log;
    start(&log, (struct log_options){0});
    log_write(&log, LOG_SESSION_CLOSED, LOG_TEXT(KEY_FROM, SPAN("<a>")), LOG_TEXT(KEY_TO, SPAN("{")),
              LOG_U64(KEY_SIZE, 1));
    assert_string_equal(last_line, "event=session-closed severity=info origin=edge.1 from=<a> to={ size=1");
}

static void
test_kinds(UNUSED void **state)
{
    struct log log;
    struct message_id id = {.time_us = 1, .counter = 2, .process = 3};
    char id_text[MESSAGE_ID_TEXT + 1] = {0};
    message_id_format(id, id_text);
    start(&log, (struct log_options){.has_time = true, .has_priority = true});
    log_write(&log, LOG_MESSAGE_ACCEPTED, LOG_ID(KEY_ID, id), LOG_U64(KEY_SIZE, UINT64_MAX),
              LOG_I64(KEY_DELAY_S, INT64_MIN), LOG_ERR(KEY_ERROR, ERR_TIMEOUT), LOG_CSTR(KEY_DETAIL, "x y"),
              LOG_POS(KEY_RULE, SOURCE_POS_DEFAULT),
              LOG_POS(KEY_RULE, ((struct source_pos){SPAN("/etc/a b.conf"), 12, 3})));
    char expected[512];
    snprintf(expected, sizeof(expected),
             "<6>time=2026-11-24T21:59:43.000123Z event=message-accepted severity=info origin=edge.1 id=%s "
             "size=18446744073709551615 delay_s=-9223372036854775808 error=timeout detail=\"x y\" rule=default "
             "rule=\"/etc/a b.conf:12:3\"",
             id_text);
    assert_string_equal(last_line, expected);

    start(&log, (struct log_options){.has_time = true, .has_priority = true, .is_json = true});
    log_write(&log, LOG_ROLE_READY);
    assert_string_equal(last_line,
                        "<5>{\"time\":\"2026-11-24T21:59:43.000123Z\",\"event\":\"role-ready\",\"severity\":\"notice\","
                        "\"origin\":\"edge.1\"}");
}

struct time_row {
    int64_t wall_us;
    const char *text;
};

static const struct time_row time_rows[] = {
    {0, "1970-01-01T00:00:00.000000Z"},
    {-5, "1970-01-01T00:00:00.000000Z"},
    {INT64_C(951782399999999), "2000-02-28T23:59:59.999999Z"},
    {INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
    {INT64_C(1709164800000000), "2024-02-29T00:00:00.000000Z"},
    {INT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z"},
    {INT64_C(1795557583000123), "2026-11-24T21:59:43.000123Z"},
};

static void
test_times(UNUSED void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(time_rows); i++) {
        char text[64] = {0};
        struct buf to;
        buf_init_fixed(&to, text, sizeof(text) - 1);
        log_append_time(&to, time_rows[i].wall_us);
        assert_string_equal(text, time_rows[i].text);
    }
}

/* A value is cut, a line is cut by whole fields, and both say so. */
static void
test_caps(UNUSED void **state)
{
    uint8_t bytes[3000];
    memset(bytes, 0xff, sizeof(bytes));
    for (int json = 0; json < 2; json++) {
        struct log log;
        start(&log, (struct log_options){.is_json = json == 1});
        log_write(&log, LOG_SESSION_CLOSED, LOG_TEXT(KEY_FROM, span_of(bytes, sizeof(bytes))));
        assert_non_null(strstr(last_line, "\\xFF...\""));
        assert_null(strstr(last_line, "shortened"));

        log_write(&log, LOG_SESSION_CLOSED, LOG_TEXT(KEY_FROM, span_of(bytes, sizeof(bytes))),
                  LOG_TEXT(KEY_TO, span_of(bytes, sizeof(bytes))), LOG_TEXT(KEY_HELO, span_of(bytes, sizeof(bytes))),
                  LOG_U64(KEY_SIZE, 7));
        assert_true(last_len <= LOG_LINE_MAX);
        assert_non_null(strstr(last_line, json ? "\"size\":7,\"shortened\":1}" : " size=7 shortened=1"));
        assert_null(strstr(last_line, "helo"));
    }
}

/* Events below the severity wanted are counted all the same. */
static void
test_counts(UNUSED void **state)
{
    struct log log;
    start(&log, (struct log_options){.min_severity = LOG_WARNING});
    log_write(&log, LOG_MESSAGE_ACCEPTED, LOG_U64(KEY_SIZE, 1));
    log_write(&log, LOG_MESSAGE_ACCEPTED, LOG_U64(KEY_SIZE, 1));
    assert_int_equal(lines_written, 0);
    log_write(&log, LOG_DISK_FULL);
    assert_int_equal(lines_written, 1);
    assert_int_equal(log_count(&log, LOG_MESSAGE_ACCEPTED), 2);
    assert_int_equal(log_count(&log, LOG_DISK_FULL), 1);
    assert_int_equal(log_count(&log, LOG_ROLE_READY), 0);
}

/* The tables: names are lower case words with hyphens (events) or underscores (keys), each once. */
static void
test_tables(UNUSED void **state)
{
    for (int i = 0; i < LOG_EVENT_COUNT; i++) {
        struct span name = log_event_name((enum log_event)i);
        assert_true(name.len > 2);
        for (size_t at = 0; at < name.len; at++)
            assert_true((name.data[at] >= 'a' && name.data[at] <= 'z') || name.data[at] == '-');
        for (int k = 0; k < i; k++)
            assert_false(span_equal(name, log_event_name((enum log_event)k)));
    }
    for (int i = 0; i < LOG_KEY_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_false(span_equal(log_key_name((enum log_key)i), log_key_name((enum log_key)k)));
    for (int i = LOG_DEBUG; i <= LOG_CRITICAL; i++) {
        enum log_severity severity = LOG_DEBUG;
        assert_true(log_severity_parse(log_severity_name((enum log_severity)i), &severity));
        assert_int_equal(severity, i);
    }
    enum log_severity severity = LOG_ERROR;
    assert_false(log_severity_parse(SPAN("loud"), &severity));
    assert_int_equal(severity, LOG_ERROR);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_every_octet_is_made_printable),
        cmocka_unit_test(test_kinds),  cmocka_unit_test(test_times),
        cmocka_unit_test(test_caps),   cmocka_unit_test(test_counts),
        cmocka_unit_test(test_tables), cmocka_unit_test(test_keys_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
