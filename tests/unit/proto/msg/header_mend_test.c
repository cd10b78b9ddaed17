/* header_mend_test.c - RFC 6409 §8.2 to 8.4, RFC 5322 §3.6, RFC 2047 §2 and §5. */
#include "check.h"

#include "proto/msg/address_list.h"
#include "proto/msg/header_block.h"
#include "proto/msg/header_mend.h"

#define DATE "Date: Thu, 1 Jan 1970 01:00:00 +0100\r\n"
#define ID "Message-ID: <x1@mx.example.test>\r\n"
#define FROM "From: ann@mx.example.test\r\n"

static const struct {
    const char *name;
    const char *section;
    const char *wanted;
} sections[] = {
    {"nothing is there", "", DATE ID FROM},
    {"only the empty line", "\r\n", DATE ID FROM "\r\n"},
    {"everything is there", "Date: x\r\nMessage-ID: y\r\nFrom: z\r\n\r\n",
     "Date: x\r\nMessage-ID: y\r\nFrom: z\r\n\r\n"},
    {"names in any case", "date: x\r\nMESSAGE-id: y\r\nfrom: z\r\n", "date: x\r\nMESSAGE-id: y\r\nfrom: z\r\n"},
    {"only a subject", "Subject: a\r\n\r\n", DATE ID FROM "Subject: a\r\n\r\n"},
    {"no date", "Message-ID: y\r\nFrom: z\r\n", DATE "Message-ID: y\r\nFrom: z\r\n"},
    {"no message id", "Date: x\r\nFrom: z\r\n", ID "Date: x\r\nFrom: z\r\n"},
    {"no From, but others like it", "Date: x\r\nMessage-ID: y\r\nX-From: z\r\nSender: s\r\nResent-From: r\r\n",
     FROM "Date: x\r\nMessage-ID: y\r\nX-From: z\r\nSender: s\r\nResent-From: r\r\n"},
    {"Bcc goes, folded and twice",
     "Date: x\r\nMessage-ID: y\r\nFrom: z\r\nBcc: a@b,\r\n c@d\r\nTo: e@f\r\nbcc:\r\n\r\n",
     "Date: x\r\nMessage-ID: y\r\nFrom: z\r\nTo: e@f\r\n\r\n"},
    {"Resent-Bcc and Return-Path go",
     "Return-Path: <a@b>\r\nDate: x\r\nMessage-ID: y\r\nFrom: z\r\nResent-Bcc: c@d\r\n",
     "Date: x\r\nMessage-ID: y\r\nFrom: z\r\n"},
    {"other fields stay as they are", "Date: x\r\nMessage-ID: y\r\nFrom: z\r\nX:  odd \r\n\t folded\r\nX-Bcc: b\r\n",
     "Date: x\r\nMessage-ID: y\r\nFrom: z\r\nX:  odd \r\n\t folded\r\nX-Bcc: b\r\n"},
    {"an empty From is one", "Date: x\r\nMessage-ID: y\r\nFrom:\r\n", "Date: x\r\nMessage-ID: y\r\nFrom:\r\n"},
};

static void
test_sections(void **state)
{
    (void)state;
    const struct header_mend with = {.address = SPAN("ann@mx.example.test"),
                                     .message_id = SPAN("x1@mx.example.test"),
                                     .wall_us = 0,
                                     .zone_minutes = 60};
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        struct buf to, again;
        buf_init(&to, 4096);
        buf_init(&again, 4096);
        CHECK(sections[i].name, header_mend(span_from_cstr(sections[i].section), &with, &to) == ERR_OK);
        CHECK_SPAN(sections[i].name, buf_span(&to), span_from_cstr(sections[i].wanted));
        /* What was mended once stays as it is. */
        CHECK(sections[i].name, header_mend(buf_span(&to), &with, &again) == ERR_OK);
        CHECK_SPAN(sections[i].name, buf_span(&again), buf_span(&to));
        buf_done(&to);
        buf_done(&again);
    }
}

static void
test_nothing_to_add(void **state)
{
    (void)state;
    const struct header_mend with = {.wall_us = -1};
    struct buf to;
    buf_init(&to, 100);
    assert_int_equal(header_mend(SPAN("Subject: a\r\nBcc: b\r\n"), &with, &to), ERR_OK);
    CHECK_SPAN("only removed", buf_span(&to), SPAN("Subject: a\r\n"));
    buf_done(&to);
}

static const struct {
    const char *name;
    const char *full_name;
    const char *wanted;
} names[] = {
    {"no name", "", "From: a@b.test\r\n"},
    {"blanks", " \t ", "From: a@b.test\r\n"},
    {"a phrase", "Ann Example", "From: Ann Example <a@b.test>\r\n"},
    {"blanks around", "  Ann  ", "From: Ann <a@b.test>\r\n"},
    {"an initial", "Ann E. Xample", "From: \"Ann E. Xample\" <a@b.test>\r\n"},
    {"a comma", "Xample, Ann", "From: \"Xample, Ann\" <a@b.test>\r\n"},
    {"quotes and backslashes", "Ann \"the\" \\o/", "From: \"Ann \\\"the\\\" \\\\o/\" <a@b.test>\r\n"},
    {"brackets", "<evil@x.test>", "From: \"<evil@x.test>\" <a@b.test>\r\n"},
    {"a line end", "Ann\r\nBcc: evil@x.test", "From: \"Ann  Bcc: evil@x.test\" <a@b.test>\r\n"},
    {"UTF-8", "J\xc3\xb6rg", "From: =?utf-8?B?SsO2cmc=?= <a@b.test>\r\n"},
    {"Latin-1", "J\xf6rg", "From: =?unknown-8bit?B?SvZyZw==?= <a@b.test>\r\n"},
    {"what looks encoded", "=?utf-8?Q?x?=", "From: =?utf-8?B?PT91dGYtOD9RP3g/PQ==?= <a@b.test>\r\n"},
    {"more than one word holds, cut between characters",
     "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
     "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
     "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4.\xc3\xa4\xc3\xa4",
     "From: =?utf-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpC4=?=\r\n"
     " =?utf-8?B?w6TDpA==?= <a@b.test>\r\n"},
};

static void
test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf to;
        buf_init(&to, 1000);
        CHECK(names[i].name, header_from_format(span_from_cstr(names[i].full_name), SPAN("a@b.test"), &to) == ERR_OK);
        CHECK_SPAN(names[i].name, buf_span(&to), span_from_cstr(names[i].wanted));
        buf_done(&to);
    }
}

/* Whatever the name, what comes out is one field with that address. */
static void
test_any_octets(void **state)
{
    (void)state;
    uint8_t name[HEADER_FULL_NAME_MAX + 100];
    uint32_t random = 1;
    for (unsigned round = 0; round < 2000; round++) {
        size_t len = round % sizeof(name);
        for (size_t i = 0; i < len; i++) {
            random = random * 1664525 + 1013904223;
            name[i] = (uint8_t)(round % 2 == 0 ? random >> 24 : 32 + (random >> 24) % 95);
        }
        struct buf to;
        struct arena mem;
        struct header_field field;
        struct address_list list;
        buf_init(&to, 4096);
        arena_init(&mem, 64 * 1024);
        assert_int_equal(header_from_format(span_of(name, len), SPAN("a@b.test"), &to), ERR_OK);
        struct span rest = buf_span(&to);
        assert_true(header_field_take(&rest, &field));
        assert_int_equal(rest.len, 0);
        assert_int_equal(address_list_parse(field.value, &mem, &list), ERR_OK);
        assert_int_equal(list.count, 1);
        CHECK_SPAN("local", list.first->local, SPAN("a"));
        arena_clear(&mem);
        buf_done(&to);
    }
}

static void
test_room(void **state)
{
    (void)state;
    const struct header_mend with = {.address = SPAN("a@b.test"), .full_name = SPAN("J\xc3\xb6rg"),
                                     .message_id = SPAN("x@y")};
    struct buf whole;
    buf_init(&whole, 1000);
    assert_int_equal(header_mend(SPAN("Subject: a\r\n\r\n"), &with, &whole), ERR_OK);
    for (size_t cap = 0; cap <= whole.len; cap++) {
        struct buf to;
        buf_init(&to, cap);
        enum err e = header_mend(SPAN("Subject: a\r\n\r\n"), &with, &to);
        assert_int_equal(e, cap < whole.len ? ERR_LIMIT : ERR_OK);
        buf_done(&to);
    }
    buf_done(&whole);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections), cmocka_unit_test(test_nothing_to_add), cmocka_unit_test(test_names),
        cmocka_unit_test(test_any_octets), cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
