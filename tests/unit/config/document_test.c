/*
 * document_test.c - docs/configuration.md is what the schema says, and its examples are valid.
 *
 * usage: config_document_test SOURCE-ROOT
 */
#include "parsing.h"

#include "config/schema.h"

#include <stdio.h>

static const char *source_root;

static void
file_read(const char *path, struct buf *to)
{
    char full[4096];
    assert_true((size_t)snprintf(full, sizeof(full), "%s/%s", source_root, path) < sizeof(full));
    FILE *file = fopen(full, "rb");
    if (file == NULL)
        fail_msg("%s: cannot be read", full);
    uint8_t *at = buf_reserve(to, 1024 * 1024);
    assert_non_null(at);
    buf_advance(to, fread(at, 1, 1024 * 1024, file));
    assert_int_equal(fclose(file), 0);
}

static void
test_is_current(void **state)
{
    (void)state;
    struct buf committed, made;
    buf_init(&committed, 2 * 1024 * 1024);
    buf_init(&made, 4 * 1024 * 1024);
    file_read("docs/configuration.md", &committed);
    file_read("tools/configdoc.head.md", &made);
    assert_int_equal(config_document(&made), ERR_OK);
    if (!span_equal(buf_span(&committed), buf_span(&made)))
        fail_msg("docs/configuration.md is not current: run `ninja docs-configuration`");
    buf_done(&committed);
    buf_done(&made);
}

/* The replies the reference promises are those of the table of replies. */
static void
test_replies(void **state)
{
    (void)state;
    static const struct {
        const char *block, *key;
        enum reply_id reply;
    } rows[] = {
        {"limits", "message-size", REPLY_MESSAGE_TOO_LARGE},
        {"limits", "recipients", REPLY_RECIPIENTS_MAX},
        {"limits", "header-size", REPLY_HEADER_TOO_LARGE},
        {"limits", "received-hops", REPLY_LOOP},
        {"limits", "line-length", REPLY_TEXT_LINE_TOO_LONG},
        {"limits", "command-length", REPLY_COMMAND_TOO_LONG},
        {"limits", "discard-size", REPLY_TOO_MUCH_DISCARDED},
        {"limits", "free-space-factor", REPLY_DISK_FULL},
        {"limits", "sessions-per-address", REPLY_CLIENT_BUSY},
        {"limits", "sessions", REPLY_SERVER_BUSY},
        {"limits", "idle-timeout", REPLY_IDLE},
        {"limits", "data-timeout", REPLY_DATA_TIMEOUT},
        {"limits", "message-time", REPLY_DATA_TIMEOUT},
        {"limits", "session-time", REPLY_SESSION_TOO_LONG},
        {"limits", "bad-commands", REPLY_TOO_MANY_ERRORS},
        {"limits", "rcpt-failures", REPLY_TOO_MANY_BAD_RECIPIENTS},
        {"limits", "transactions-per-session", REPLY_TOO_MANY_TRANSACTIONS},
        {"limits", "lookup-timeout", REPLY_LOOKUP_FAILED},
        {"limits", "commit-timeout", REPLY_FAULT},
        {"limits", "session-memory", REPLY_SESSION_MEMORY},
        {"limits", "transaction-memory", REPLY_MEMORY},
        {"limits", "command-memory", REPLY_MEMORY},
        {"spool", "memory", REPLY_BACKLOG},
        {"spool", "backlog-max", REPLY_BACKLOG},
        {"listener", "bare-newline", REPLY_BARE_NEWLINE},
        {"listener", "early-pipelining", REPLY_PIPELINING},
        {"listener", "nul-in-body", REPLY_BODY_NUL},
        {"access", "reject", REPLY_POLICY_REFUSED},
        {"domain", "recipients", REPLY_USER_UNKNOWN},
        {"domain", "quota", REPLY_MAILBOX_FULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct schema_key *block = schema_key_find(config_schema(), span_from_cstr(rows[i].block));
        const struct schema_key *key = schema_key_find(block->child, span_from_cstr(rows[i].key));
        char reply[40];
        snprintf(reply, sizeof(reply), "%u %.*s", smtp_reply_code(rows[i].reply),
                 SPAN_ARG(smtp_reply_status(rows[i].reply)));
        if (!span_has_prefix(span_from_cstr(key->effect), span_from_cstr(reply)))
            fail_msg("%s: documented as %s, the reply is %s", key->name, key->effect, reply);
    }
}

/* Take the text of the next ```nginx block. */
static bool
example_take(struct span *rest, struct span *ret)
{
    struct span line, fence = SPAN("```nginx");
    while (span_cut(*rest, '\n', &line, rest)) {
        if (!span_equal(line, fence))
            continue;
        const uint8_t *start = rest->data;
        while (span_cut(*rest, '\n', &line, rest) && !span_equal(line, SPAN("```"))) {
        }
        *ret = span_of(start, (size_t)(line.data - start));
        return true;
    }
    return false;
}

static void
test_examples(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 2 * 1024 * 1024);
    file_read("docs/configuration.md", &text);
    struct span rest = buf_span(&text), example;
    unsigned count = 0;
    for (; example_take(&rest, &example); count++) {
        char copy[10000], name[40];
        assert_true(span_to_cstr(example, copy, sizeof(copy)));
        snprintf(name, sizeof(name), "example %u", count + 1);
        struct parsing p;
        struct config_problems warnings;
        parsing_valid(&p, name, copy);
        config_problems_init(&warnings);
        assert_int_equal(config_check(p.config, &(struct config_circumstances){.is_root = true}, &warnings), ERR_OK);
        CHECK(name, warnings.count == 0);
        config_problems_done(&warnings);
        parsing_done(&p);
    }
    assert_int_equal(count, 2);
    buf_done(&text);
}

int
main(int argc, char **argv)
{
    source_root = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_is_current), cmocka_unit_test(test_replies),
                                       cmocka_unit_test(test_examples)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
