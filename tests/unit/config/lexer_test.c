/* lexer_test.c - words, signs, quotes, comments, places, and octets that have no place in a text. */
#include "check.h"

#include "config/lexer.h"

/* Write the tokens of `text` as "line:column word" each, signs as themselves, quoted words in "", then the problems. */
static void
tokens_write(struct span text, struct buf *to)
{
    struct config_problems problems;
    struct arena memory;
    struct config_lexer lexer;
    config_problems_init(&problems);
    arena_init(&memory, 100000);
    config_lexer_init(&lexer, &problems, &memory, 0, SPAN("f"), text);
    for (struct config_token t; (t = config_lexer_next(&lexer)).kind != CONFIG_TOKEN_END;) {
        static const char signs[] = {[CONFIG_TOKEN_OPEN] = '{', [CONFIG_TOKEN_CLOSE] = '}',
            [CONFIG_TOKEN_SEMICOLON] = ';'};
        (void)buf_printf(to, "%u:%u ", t.pos.line, t.pos.column);
        if (t.kind != CONFIG_TOKEN_WORD)
            (void)buf_append_octet(to, (uint8_t)signs[t.kind]);
        else
            (void)buf_printf(to, t.is_quoted ? "\"%.*s\"" : "%.*s", SPAN_ARG(t.text));
        (void)buf_append_octet(to, '\n');
    }
    assert_int_equal(config_problems_print(&problems, to), ERR_OK);
    config_problems_done(&problems);
    arena_clear(&memory);
}

static void
test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span text;
        const char *wanted;
    } rows[] = {
        {"empty", SPAN(""), ""},
        {"blanks alone", SPAN(" \t\r\n \n"), ""},
        {"words", SPAN("a bc\n  d"), "1:1 a\n1:3 bc\n2:3 d\n"},
        {"signs need no blanks", SPAN("a{b;}"), "1:1 a\n1:2 {\n1:3 b\n1:4 ;\n1:5 }\n"},
        {"CRLF", SPAN("a;\r\nb;\r\n"), "1:1 a\n1:2 ;\n2:1 b\n2:2 ;\n"},
        {"comment", SPAN("# x {\na # y;\nb;#z"), "2:1 a\n3:1 b\n3:2 ;\n"},
        {"# inside a word is part of it", SPAN("a#b c"), "1:1 a#b\n1:5 c\n"},
        {"addresses", SPAN("[::]:25 unix:/p"), "1:1 [::]:25\n1:9 unix:/p\n"},
        {"backslash outside of quotes", SPAN("a\\b"), "1:1 a\\b\n"},
        {"quoted", SPAN("\"a b;{}#\" 'c\"d'"), "1:1 \"a b;{}#\"\n1:11 \"c\"d\"\n"},
        {"empty quotes", SPAN("\"\" a"), "1:1 \"\"\n1:4 a\n"},
        {"escapes", SPAN("\"a\\\"b\\\\c\\'d\""), "1:1 \"a\"b\\c'd\"\n"},
        {"unknown escape", SPAN("\"a\\nb\""), "1:1 \"anb\"\nf:1:4: unknown escape '\\n'; a backslash is written "
         "\\\\\n"},
        {"quote not closed", SPAN("a \"b c;\nd;"),
         "1:1 a\n1:3 \"b c;\"\n2:1 d\n2:2 ;\nf:1:3: a quote that is not closed on its line\n"},
        {"quote not closed at the end", SPAN("\"b\\"), "1:1 \"b\\\"\nf:1:1: a quote that is not closed on its line\n"},
        {"word against a closing quote", SPAN("\"a\"b"),
         "1:1 \"a\"\n1:4 b\nf:1:4: a blank or ';' is missing after the closing quote\n"},
        {"quote in a word", SPAN("a\"b\""), "1:1 a\n1:2 \"b\"\nf:1:2: a quote in the middle of a word; quote all of "
         "it\n"},
        {"UTF-8 in words, columns in octets", SPAN("b\xc3\xbc x"), "1:1 b\xc3\xbc\n1:5 x\n"},
        {"byte order mark", SPAN("\xef\xbb\xbf" "a"), "1:1 a\n"},
        {"NUL", SPAN("a\0b"), "1:1 a\nf:1:2: a NUL octet; is this a text file?\n"},
        {"control octets, one problem a line", SPAN("a\x01 \x02\n\x7f"),
         "1:1 a\x01\n1:4 \x02\n2:1 \x7f\nf:1:2: a control octet, 0x01\nf:2:1: a control octet, 0x7f\n"},
        {"bare CR", SPAN("a\rb"), "1:1 a\n1:3 b\nf:1:2: a CR that is not part of a line end\n"},
        {"not UTF-8", SPAN("a \xfc;"), "1:1 a\n1:3 \xfc\n1:4 ;\nf:1:3: octet 0xfc is not UTF-8; save the file as "
         "UTF-8\n"},
        {"overlong UTF-8", SPAN("\xc0\xaf"), "1:1 \xc0\xaf\nf:1:1: octet 0xc0 is not UTF-8; save the file as UTF-8\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf got;
        buf_init(&got, 10000);
        tokens_write(rows[i].text, &got);
        /* A NUL ends what "%.*s" prints of a word; that row shows its place only. */
        CHECK_SPAN(rows[i].name, buf_span(&got), span_from_cstr(rows[i].wanted));
        buf_done(&got);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
