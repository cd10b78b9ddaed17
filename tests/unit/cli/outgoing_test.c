/* outgoing_test.c - recipients and sender from the command line and the message. RFC 5322 §3.6.3 and §3.6.6. */
#include "check.h"

#include "cli/outgoing.h"

#include <sysexits.h>

static void
describe(const struct outgoing *o, struct buf *to)
{
    for (size_t i = 0; i < o->recipient_count; i++)
        assert_int_equal(address_list_item_format(&o->recipients[i].address, to), ERR_OK);
}

static const struct {
    const char *name;
    const char *arguments[4];
    const char *content;
    bool takes_recipients;
    int status;
    const char *recipients;
    const char *header; /* NULL: as it came */
    const char *body;   /* NULL: not looked at */
} rows[] = {
    {"arguments alone", {"a@b.test", "root"}, "Subject: x\r\nTo: c@d.test\r\n\r\nbody\r\n", false, EX_OK,
     "<a@b.test><root>", NULL,
     "body\r\n"},
    {"several in an argument", {"a@b.test, C <c@d.test>"}, "\r\n", false, EX_OK, "<a@b.test><c@d.test>", NULL, ""},
    {"-t", {NULL}, "To: a@b.test, root\r\nCc: \"c d\"@e.test\r\nBcc: f@g.test\r\n\r\nx\r\n", true, EX_OK,
     "<a@b.test><root><\"c d\"@e.test><f@g.test>", "To: a@b.test, root\r\nCc: \"c d\"@e.test\r\n\r\n", "x\r\n"},
    {"-t and arguments", {"z@b.test"}, "To: a@b.test\r\n\r\n", true, EX_OK, "<z@b.test><a@b.test>", NULL, ""},
    {"each once", {"a@b.test", "a@b.test"}, "To: <a@b.test>, A <a@b.test>\r\nCc: \"a\"@b.test\r\n\r\n", true, EX_OK,
     "<a@b.test>",
     NULL, ""},
    {"fields in any case, folded", {NULL}, "TO: a@b.test,\r\n c@d.test\r\nbcc:\r\n e@f.test\r\n\r\n", true, EX_OK,
     "<a@b.test><c@d.test><e@f.test>", "TO: a@b.test,\r\n c@d.test\r\n\r\n", ""},
    {"two To fields", {NULL}, "To: a@b.test\r\nTo: c@d.test\r\n\r\n", true, EX_OK, "<a@b.test><c@d.test>", NULL, ""},
    {"resent", {NULL}, "To: a@b.test\r\nBcc: x@y.test\r\nResent-To: c@d.test\r\nResent-Bcc: e@f.test\r\n\r\n", true,
     EX_OK,
     "<c@d.test><e@f.test>", "To: a@b.test\r\nResent-To: c@d.test\r\n\r\n", ""},
    {"an empty group", {"a@b.test"}, "To: undisclosed-recipients:;\r\n\r\n", true, EX_OK, "<a@b.test>", NULL, ""},
    {"nobody", {NULL}, "Subject: x\r\n\r\n", true, EX_OK, "", NULL, ""},
    {"Bcc stays without -t", {"a@b.test"}, "Bcc: c@d.test\r\n\r\n", false, EX_OK, "<a@b.test>", NULL, ""},
    {"other fields name nobody", {NULL},
     "Reply-To: a@b.test\r\nX-To: c@d.test\r\nSubject: To: e@f.test\r\n\r\nTo: g@h.test\r\n", true,
     EX_OK, "", NULL, "To: g@h.test\r\n"},
    {"no header at all", {"a@b.test"}, "just text\r\nTo: c@d.test\r\n", true, EX_OK, "<a@b.test>", "",
     "just text\r\nTo: c@d.test\r\n"},
    {"a From line of mbox", {NULL}, "From ann Tue Nov 24 2026\r\nTo: a@b.test\r\n\r\nx\r\n", true, EX_OK, "<a@b.test>",
     "To: a@b.test\r\n\r\n", "x\r\n"},
    {"no message", {"a@b.test"}, "", false, EX_OK, "<a@b.test>", "", ""},
    {"an argument that is none", {"a@b@c"}, "\r\n", false, EX_USAGE, NULL, NULL, NULL},
    {"the null address as an argument", {"<>"}, "\r\n", false, EX_USAGE, NULL, NULL, NULL},
    {"a To that is none", {NULL}, "To: alice bob\r\n\r\n", true, EX_DATAERR, NULL, NULL, NULL},
    {"the null address in To", {NULL}, "To: <>\r\n\r\n", true, EX_DATAERR, NULL, NULL, NULL},
};

static void
test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outgoing o;
        struct buf complaint, text;
        struct sendmail_options options = {.recipients = (const char **)(uintptr_t)rows[i].arguments};
        while (options.recipient_count < 4 && rows[i].arguments[options.recipient_count] != NULL)
            options.recipient_count++;
        outgoing_init(&o);
        buf_init(&complaint, 1000);
        buf_init(&text, 1000);
        int status = outgoing_take_options(&o, &options, &complaint);
        if (status == EX_OK)
            status = outgoing_take_content(&o, outgoing_without_mbox_line(span_from_cstr(rows[i].content)),
                                           rows[i].takes_recipients, &complaint);
        CHECK(rows[i].name, status == rows[i].status && (status == EX_OK) == (complaint.len == 0));
        if (status == EX_OK) {
            describe(&o, &text);
            CHECK_SPAN(rows[i].name, buf_span(&text), span_from_cstr(rows[i].recipients));
            CHECK_SPAN(rows[i].name, o.body, span_from_cstr(rows[i].body));
            if (rows[i].header != NULL)
                CHECK_SPAN(rows[i].name, o.header, span_from_cstr(rows[i].header));
            else
                CHECK(rows[i].name, o.header.len + o.body.len == strlen(rows[i].content));
        }
        buf_done(&text);
        buf_done(&complaint);
        outgoing_done(&o);
    }
}

static const struct {
    const char *name;
    const char *sender;
    int status;
    bool has_sender;
    const char *wanted;
} senders[] = {
    {"none", NULL, EX_OK, false, "<>"},
    {"an address", "a@b.test", EX_OK, true, "<a@b.test>"},
    {"a bare name", "ann", EX_OK, true, "<ann>"},
    {"with a name", "Ann <a@b.test>", EX_OK, true, "<a@b.test>"},
    {"the null sender", "<>", EX_OK, true, "<>"},
    {"empty", "", EX_OK, true, "<>"},
    {"two", "a@b.test, c@d.test", EX_USAGE, false, NULL},
    {"nonsense", "a@", EX_USAGE, false, NULL},
};

static void
test_senders(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
        struct outgoing o;
        struct buf complaint, text;
        struct sendmail_options options = {.sender = senders[i].sender};
        outgoing_init(&o);
        buf_init(&complaint, 1000);
        buf_init(&text, 1000);
        CHECK(senders[i].name, outgoing_take_options(&o, &options, &complaint) == senders[i].status);
        if (senders[i].status == EX_OK) {
            CHECK(senders[i].name, o.has_sender == senders[i].has_sender);
            CHECK(senders[i].name, address_list_item_format(&o.sender, &text) == ERR_OK);
            CHECK_SPAN(senders[i].name, buf_span(&text), span_from_cstr(senders[i].wanted));
        }
        buf_done(&text);
        buf_done(&complaint);
        outgoing_done(&o);
    }
}

/* A header section larger than any server takes is refused before it is kept. */
static void
test_huge_header(void **state)
{
    (void)state;
    struct outgoing o;
    struct buf complaint, content;
    outgoing_init(&o);
    buf_init(&complaint, 1000);
    buf_init(&content, (size_t)2 * OUTGOING_HEADER_MAX);
    buf_append_cstr(&content, "X: ");
    memset(buf_reserve(&content, OUTGOING_HEADER_MAX), 'x', OUTGOING_HEADER_MAX);
    buf_advance(&content, OUTGOING_HEADER_MAX);
    buf_append_cstr(&content, "\r\n\r\n");
    assert_int_equal(outgoing_take_content(&o, buf_span(&content), false, &complaint), EX_DATAERR);
    buf_done(&content);
    buf_done(&complaint);
    outgoing_done(&o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_senders),
        cmocka_unit_test(test_huge_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
