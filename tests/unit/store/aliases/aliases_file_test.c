/* aliases_file_test.c - the classic aliases file, .forward and :include: files, row by row. */
#include "check.h"

#include <stdlib.h>

#include "store/aliases/aliases_file.h"

/* What the parser said, as text: "LINE NAME: K target, K target" and "LINE! problem". */
struct said {
    struct buf text;
};

static bool
on_entry(void *ctx, uint32_t line, struct span name, const struct alias_target *targets, size_t target_count)
{
    static const char kinds[] = {
        [ALIAS_ADDRESS] = '@', [ALIAS_FINAL] = '\\', [ALIAS_COMMAND] = '|', [ALIAS_FILE] = '/', [ALIAS_INCLUDE] = 'i'};
    struct said *said = ctx;
    buf_printf(&said->text, "%u ", line);
    buf_append(&said->text, name);
    buf_append_cstr(&said->text, ":");
    for (size_t i = 0; i < target_count; i++) {
        buf_printf(&said->text, "%s%c ", i == 0 ? " " : ", ", kinds[targets[i].kind]);
        buf_append(&said->text, targets[i].text);
    }
    buf_append_cstr(&said->text, "\n");
    return true;
}

static void
on_problem(void *ctx, uint32_t line, const char *what)
{
    struct said *said = ctx;
    buf_printf(&said->text, "%u! %s\n", line, what);
}

static void
check_rows_parse(const char *name, bool has_names, struct span text, const char *wanted)
{
    struct said said;
    struct arena mem;
    buf_init(&said.text, 1 << 20);
    arena_init(&mem, 1 << 24);
    const struct aliases_sink sink = {on_entry, on_problem, &said};
    enum err e = has_names ? aliases_file_parse(text, &mem, &sink) : aliases_list_parse(text, &mem, &sink);
    CHECK(name, e == ERR_OK);
    CHECK_SPAN(name, buf_span(&said.text), span_from_cstr(wanted));
    arena_clear(&mem);
    buf_done(&said.text);
}

static void
test_aliases_file(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span text;
        const char *wanted;
    } rows[] = {
        {"one", SPAN("root: alice\n"), "1 root: @ alice\n"},
        {"no line end at the end", SPAN("root: alice"), "1 root: @ alice\n"},
        {"several targets", SPAN("staff: alice, bob@example.org,carol\n"),
         "1 staff: @ alice, @ bob@example.org, @ carol\n"},
        {"names in any case", SPAN("PostMaster: Root\n"), "1 postmaster: @ Root\n"},
        {"blanks around", SPAN("  \nroot\t:\talice  ,  bob\t\n"), "2 root: @ alice, @ bob\n"},
        {"comments and empty lines", SPAN("# a\n\n  # b\nroot: alice\n# c\n"), "4 root: @ alice\n"},
        {"continuation", SPAN("staff: alice,\n  bob,\n\tcarol\nroot: dave\n"),
         "1 staff: @ alice, @ bob, @ carol\n4 root: @ dave\n"},
        {"a comment inside a continuation", SPAN("staff: alice,\n# not dave\n  bob\n"), "1 staff: @ alice, @ bob\n"},
        {"an empty line inside a continuation", SPAN("staff: alice,\n\n  bob\n"), "1 staff: @ alice, @ bob\n"},
        {"# inside a line is no comment", SPAN("root: a#b\n"), "1 root: @ a#b\n"},
        {"CRLF files", SPAN("root: alice,\r\n bob\r\n"), "1 root: @ alice, @ bob\n"},
        {"command", SPAN("prog: |/usr/bin/prog\n"), "1 prog: | /usr/bin/prog\n"},
        {"command in quotes", SPAN("prog: \"|/usr/bin/prog -x, y\"\n"), "1 prog: | /usr/bin/prog -x, y\n"},
        {"quotes behind the bar", SPAN("prog: |\"/usr/bin/prog a: b\"\n"), "1 prog: | /usr/bin/prog a: b\n"},
        {"quotes in a command", SPAN("prog: \"|prog \\\"a b\\\" \\\\c\"\n"), "1 prog: | prog \"a b\" \\c\n"},
        {"file", SPAN("log: /var/log/mail.box\n"), "1 log: / /var/log/mail.box\n"},
        {"file in quotes", SPAN("log: \"/var/log/a b\"\n"), "1 log: / /var/log/a b\n"},
        {"include", SPAN("list: :include:/etc/list, alice\n"), "1 list: i /etc/list, @ alice\n"},
        {"include in any case and quotes", SPAN("list: \":Include:/etc/my list\"\n"), "1 list: i /etc/my list\n"},
        {"stop", SPAN("alice: \\alice, bob\n"), "1 alice: \\ alice, @ bob\n"},
        {"quoted name", SPAN("\"john smith\": john\n"), "1 john smith: @ john\n"},
        {"quoted local part", SPAN("x: \"a, b: c\"@example.org\n"), "1 x: @ \"a, b: c\"@example.org\n"},
        {"address with a display name", SPAN("x: Fred Smith <fred@example.org>, (a, b) y\n"),
         "1! not an address (a command or file name with blanks needs quotes)\n1 x:\n"},
        {"display name and comment", SPAN("x: Fred Smith <fred@example.org>, joe (the boss)\n"),
         "1 x: @ fred@example.org, @ joe\n"},
        {"trailing comma", SPAN("x: a, ,b,\n"), "1 x: @ a, @ b\n"},
        {"same name twice is the reader's to judge", SPAN("x: a\nX: b\n"), "1 x: @ a\n2 x: @ b\n"},
        /* what is wrong is said, and what can be kept is kept */
        {"no colon", SPAN("root alice\nx: a\n"), "1! no colon: expected \"name: target\"\n2 x: @ a\n"},
        {"no name", SPAN(": alice\n"), "1! no name before the colon\n"},
        {"no target", SPAN("root:\n"), "1! no target after the name\n1 root:\n"},
        {"blanks in a name", SPAN("john smith: john\n"), "1! a name with blanks needs quotes\n"},
        {"a domain in a name", SPAN("a@b: c\n"),
         "1! names stand here without @domain; for addresses use \"godwit alias add\"\n"},
        {"blanks in a target", SPAN("x: a b\n"),
         "1! not an address (a command or file name with blanks needs quotes)\n1 x:\n"},
        {"an open quote", SPAN("x: \"a\ny: b\n"), "1! a quote that does not end\n1 x:\n2 y: @ b\n"},
        {"an open quote in the name", SPAN("\"x: a\n"), "1! a quote that does not end\n"},
        {"a directive of others", SPAN("x: :blackhole:\n"), "1! only :include:/file may begin with a colon\n1 x:\n"},
        {"include of a relative name", SPAN("x: :include:list\n"), "1! :include: needs an absolute file name\n1 x:\n"},
        {"an empty command", SPAN("x: |\n"), "1! an empty name, command or file name\n1 x:\n"},
        {"continues nothing", SPAN("  x: a\ny: b\n"), "1! a continuation line that continues nothing\n2 y: @ b\n"},
        {"control characters", SPAN("x: a\x01\n"), "1! a control character\n"},
        {"NUL", {(const uint8_t *)"x: a\0b\n", 7}, "1! a control character\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_rows_parse(rows[i].name, true, rows[i].text, rows[i].wanted);
}

static void
test_list_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span text;
        const char *wanted;
    } rows[] = {
        {"one a line", SPAN("alice\nbob@example.org\n"), "1 : @ alice\n2 : @ bob@example.org\n"},
        {"several a line", SPAN("alice, bob\n"), "1 : @ alice, @ bob\n"},
        {"comments", SPAN("# who\nalice\n\n"), "2 : @ alice\n"},
        {"forward with a copy kept", SPAN("\\alice, |\"/usr/bin/vacation alice\"\n"),
         "1 : \\ alice, | /usr/bin/vacation alice\n"},
        {"leading blanks do not continue", SPAN("alice\n  bob\n"), "1 : @ alice\n2 : @ bob\n"},
        {"a bad line, the others count", SPAN("alice\nb c\nbob\n"),
         "1 : @ alice\n2! not an address (a command or file name with blanks needs quotes)\n3 : @ bob\n"},
        {"commas only", SPAN(",,\n"), ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_rows_parse(rows[i].name, false, rows[i].text, rows[i].wanted);
}

static void
test_limits(void **state)
{
    (void)state;
    struct said said;
    struct arena mem;
    struct buf text;
    const struct aliases_sink sink = {on_entry, on_problem, &said};
    buf_init(&said.text, 1 << 22);
    buf_init(&text, (size_t)ALIASES_FILE_BYTES_MAX + 16);
    arena_init(&mem, 1 << 24);
    buf_append_cstr(&text, "x: a");
    while (text.len < ALIASES_LINE_BYTES_MAX + 10)
        buf_append_cstr(&text, "aaaaaaaaaaaaaaaa");
    buf_append_cstr(&text, "\ny: b\n");
    assert_int_equal(aliases_file_parse(buf_span(&text), &mem, &sink), ERR_OK);
    CHECK_SPAN("long line", buf_span(&said.text), SPAN("1! an entry longer than 256 KiB\n2 y: @ b\n"));
    buf_clear(&said.text);
    buf_clear(&text);
    buf_append_cstr(&text, "x: a");
    for (int i = 0; i < ALIASES_TARGETS_MAX; i++)
        buf_append_cstr(&text, ",b");
    assert_int_equal(aliases_file_parse(buf_span(&text), &mem, &sink), ERR_OK);
    CHECK_SPAN("many targets", buf_span(&said.text), SPAN("1! more than 10000 targets\n1 x:\n"));
    arena_clear(&mem);
    /* A file over the cap, and an arena that is too small, are the caller's trouble. */
    memset(buf_reserve(&text, ALIASES_FILE_BYTES_MAX + 1 - text.len), '#', ALIASES_FILE_BYTES_MAX + 1 - text.len);
    buf_advance(&text, ALIASES_FILE_BYTES_MAX + 1 - text.len);
    assert_int_equal(aliases_file_parse(buf_span(&text), &mem, &sink), ERR_LIMIT);
    arena_init(&mem, 64);
    assert_int_equal(aliases_file_parse(
                         SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: b\n"), &mem, &sink),
                     ERR_LIMIT);
    arena_clear(&mem);
    buf_done(&text);
    buf_done(&said.text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aliases_file),
        cmocka_unit_test(test_list_files),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
