/* drop_file_test.c - what sendmail leaves is what is taken up, and nothing else is. */
#include "check.h"

#include "cli/drop_file.h"

#include <sysexits.h>

#define MAGIC "godwit-drop 1\n"

static void
test_round_trip(void **state)
{
    (void)state;
    struct outgoing o, again;
    struct buf text, complaint, once_more;
    const char *recipients[] = {"root, \"a b\"@c.test", "d@[192.0.2.1]", "j\xc3\xb6rg@b.test"};
    const struct sendmail_options options = {.sender = "Ann <ann@example.test>", .full_name = "Ann\nEx\xc3\xa4mple",
                                             .envid = "x y",
                                             .notify = 6, .ret = ENVELOPE_RET_HDRS, .recipients = recipients,
                                             .recipient_count = 3};
    outgoing_init(&o);
    outgoing_init(&again);
    buf_init(&text, 4096);
    buf_init(&complaint, 4096);
    buf_init(&once_more, 4096);
    assert_int_equal(outgoing_take_options(&o, &options, &complaint), EX_OK);
    assert_int_equal(outgoing_take_content(&o, SPAN("Subject: x\r\n\r\nbody\r\n"), false, &complaint), EX_OK);
    assert_int_equal(drop_file_format(&o, &text), ERR_OK);
    CHECK_SPAN("the head", buf_span(&text),
               SPAN(MAGIC "from <ann@example.test>\nname Ann Ex\xc3\xa4mple\nnotify 6\nret hdrs\nenvid x y\nto <root>\n"
                          "to <\"a b\"@c.test>\nto <d@[192.0.2.1]>\nto <j\xc3\xb6rg@b.test>\n\nSubject: x\r\n\r\n"));
    buf_append(&text, o.body);
    assert_int_equal(drop_file_parse(buf_span(&text), &again, &complaint), EX_OK);
    assert_int_equal(drop_file_format(&again, &once_more), ERR_OK);
    buf_append(&once_more, again.body);
    CHECK_SPAN("read and written again", buf_span(&once_more), buf_span(&text));
    buf_done(&text);
    buf_done(&complaint);
    buf_done(&once_more);
    outgoing_done(&o);
    outgoing_done(&again);
}

/* A recipient's state stands at its offset, two octets whatever it is; those that are done are not written again. */
static void
test_marks(void **state)
{
    (void)state;
    struct outgoing o;
    struct buf complaint, text;
    char file[] = MAGIC "to <a@b.test>\nok <c@d.test>\nno <e@f.test>\nto <a@b.test>\n\nx: y\r\n";
    outgoing_init(&o);
    buf_init(&complaint, 4096);
    buf_init(&text, 4096);
    assert_int_equal(drop_file_parse(span_from_cstr(file), &o, &complaint), EX_OK);
    assert_int_equal(o.recipient_count, 3);
    assert_int_equal(o.recipients[0].state, OUTGOING_WAITING);
    assert_int_equal(o.recipients[1].state, OUTGOING_DONE);
    assert_int_equal(o.recipients[2].state, OUTGOING_REFUSED);
    for (size_t i = 0; i < 3; i++) {
        struct span mark = drop_file_mark(o.recipients[i].state);
        assert_int_equal(mark.len, 2);
        assert_memory_equal(file + o.recipients[i].mark_offset, mark.data, 2);
    }
    assert_false(o.has_sender);
    assert_int_equal(drop_file_format(&o, &text), ERR_OK);
    CHECK_SPAN("only who waits", buf_span(&text), SPAN(MAGIC "to <a@b.test>\n\nx: y\r\n"));
    buf_done(&text);
    buf_done(&complaint);
    outgoing_done(&o);
}

static const struct {
    const char *name;
    struct span file;
} bad[] = {
    {"nothing", SPAN("")},
    {"another version", SPAN("godwit-drop 2\nto <a@b.test>\n\n")},
    {"another file", SPAN("root:x:0:0:root:/root:/bin/sh\n")},
    {"no end of the head", SPAN(MAGIC "to <a@b.test>\n")},
    {"a line without an end", SPAN(MAGIC "to <a@b.test>")},
    {"no recipient", SPAN(MAGIC "\nx: y\r\n")},
    {"a word nobody knows", SPAN(MAGIC "to <a@b.test>\nbcc <c@d.test>\n\n")},
    {"a line without a value", SPAN(MAGIC "to\n\n")},
    {"no address", SPAN(MAGIC "to a b\n\n")},
    {"two addresses", SPAN(MAGIC "to <a@b.test>, <c@d.test>\n\n")},
    {"the null recipient", SPAN(MAGIC "to <>\n\n")},
    {"two senders in one line", SPAN(MAGIC "from <a@b.test>,<c@d.test>\nto <a@b.test>\n\n")},
    {"a NUL in an address", SPAN(MAGIC "to <a\0@b.test>\n\n")},
    {"notify 0", SPAN(MAGIC "notify 0\nto <a@b.test>\n\n")},
    {"notify 16", SPAN(MAGIC "notify 16\nto <a@b.test>\n\n")},
    {"notify never and more", SPAN(MAGIC "notify 3\nto <a@b.test>\n\n")},
    {"a strange ret", SPAN(MAGIC "ret some\nto <a@b.test>\n\n")},
    {"an empty envid", SPAN(MAGIC "envid \nto <a@b.test>\n\n")},
    {"a control octet in envid", SPAN(MAGIC "envid a\x01\nto <a@b.test>\n\n")},
    {"CRLF in the head", SPAN(MAGIC "to <a@b.test>\r\n\r\n")},
};

static void
test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct outgoing o;
        struct buf complaint;
        outgoing_init(&o);
        buf_init(&complaint, 4096);
        CHECK(bad[i].name, drop_file_parse(bad[i].file, &o, &complaint) == EX_DATAERR && complaint.len > 0);
        buf_done(&complaint);
        outgoing_done(&o);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_marks),
                                       cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
