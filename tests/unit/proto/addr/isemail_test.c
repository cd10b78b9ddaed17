/*
 * isemail_test.c - Dominic Sayers' is_email() addresses as an envelope must judge them.
 *
 * usage: isemail_test tests.xml. Category ISEMAIL_CFWS and above must be refused, the rest is grammatical except
 * ""@iana.org (erratum 5414). Exit status 77, "skipped", when the file is not there.
 */
#include "check.h"

#include "proto/addr/path.h"
#include "text/utf8.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 1024 * 1024 };

/* The text between `open` and `close` in *xml, which then begins after it. */
static bool
take_between(struct span *xml, const char *open, const char *close, struct span *ret)
{
    const uint8_t *start = memmem(xml->data, xml->len, open, strlen(open));
    if (start == NULL)
        return false;
    struct span from = span_skip(*xml, (size_t)(start - xml->data) + strlen(open));
    const uint8_t *end = memmem(from.data, from.len, close, strlen(close));
    assert_non_null(end);
    *ret = span_first(from, (size_t)(end - from.data));
    *xml = span_skip(from, ret->len + strlen(close));
    return true;
}

/* Entities, and U+2400 to U+241F that stand for control characters. */
static void
unescape(struct span s, struct buf *to)
{
    while (s.len > 0) {
        uint32_t c = 0;
        size_t n = utf8_take(s, &c);
        struct span entity;
        assert_true(n > 0);
        struct span rest = s;
        if (c == '&' && take_between(&rest, "&", ";", &entity)) {
            n = entity.len + 2;
            if (entity.data[0] == '#')
                c = (uint32_t)strtoul((const char *)entity.data + 2, NULL, 16);
            else
                c = span_equal(entity, SPAN("lt")) ? '<' : span_equal(entity, SPAN("gt")) ? '>'
                    : span_equal(entity, SPAN("quot")) ? '"' : span_equal(entity, SPAN("apos")) ? '\'' : '&';
        }
        if (c >= 0x2400 && c < 0x2420)
            c -= 0x2400;
        assert_int_equal(utf8_append(to, c), ERR_OK);
        s = span_skip(s, n);
    }
}

static bool
is_to_be_refused(struct span category, struct span address)
{
    static const char *const refused[] = {"ISEMAIL_CFWS", "ISEMAIL_DEPREC", "ISEMAIL_RFC5322", "ISEMAIL_ERR"};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (span_equal(category, span_from_cstr(refused[i])))
            return true;
    return span_equal(address, SPAN("\"\"@iana.org"));
}

int
main(int argc, char **argv)
{
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL) {
        puts("skipped: the address set is not there");
        return 77;
    }
    uint8_t *bytes = malloc(FILE_MAX);
    struct span xml = span_of(bytes, fread(bytes, 1, FILE_MAX, file)), test;
    fclose(file);
    int tests = 0, wrong = 0;
    while (take_between(&xml, "<test id=", "</test>", &test)) {
        struct span address = SPAN_EMPTY, category, rest = test;
        struct buf path_text;
        buf_init(&path_text, 2048);
        take_between(&rest, "<address>", "</address>", &address);
        rest = test;
        assert_true(take_between(&rest, "<category>", "</category>", &category));
        buf_append_octet(&path_text, '<');
        unescape(address, &path_text);
        struct span decoded = span_skip(buf_span(&path_text), 1);
        bool is_refused_wanted = is_to_be_refused(category, decoded);
        buf_append_octet(&path_text, '>');
        /* As a whole path, so that what follows the mailbox and the path's length count too. */
        struct span s = buf_span(&path_text);
        struct path p;
        bool is_refused = path_take(&s, 0, &p) != ADDR_OK || s.len > 0;
        tests++;
        if (is_refused != is_refused_wanted) {
            wrong++;
            printf("%s though %.*s: %.*s\n", is_refused ? "refused" : "accepted", SPAN_ARG(category),
                   SPAN_ARG(address));
        }
        buf_done(&path_text);
    }
    free(bytes);
    printf("%d addresses, %d judged wrong\n", tests, wrong);
    return tests == 164 && wrong == 0 ? 0 : 1;
}
