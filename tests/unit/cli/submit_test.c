/*
 * submit_test.c - conversations with a server that answers as a script says. RFC 5321, RFC 3461 §4.
 *
 * The server is a thread at the other end of a socket pair: each line of its script is "> expected" or "< said". "> ."
 * takes the content of a message up to its dot and keeps it.
 */
#include "check.h"

#include "cli/submit.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum { CONTENT_MAX = 4096 };

struct server {
    int fd;
    const char *const *script; /* ends with NULL: close */
    char failure[512];
    char content[CONTENT_MAX]; /* of the last message, dots still stuffed */
    char input[8192];
    size_t input_len;
};

/* Take a line without its CRLF. False: the client has closed. */
static bool
take_line(struct server *s, char line[1024])
{
    for (;;) {
        char *end = memmem(s->input, s->input_len, "\r\n", 2);
        if (end != NULL) {
            size_t len = (size_t)(end - s->input);
            snprintf(line, 1024, "%.*s", (int)len, s->input);
            s->input_len -= len + 2;
            memmove(s->input, end + 2, s->input_len);
            return true;
        }
        ssize_t n = read(s->fd, s->input + s->input_len, sizeof(s->input) - s->input_len);
        if (n <= 0)
            return false;
        s->input_len += (size_t)n;
    }
}

static void
take_content(struct server *s)
{
    char line[1024];
    size_t len = 0;
    while (take_line(s, line) && strcmp(line, ".") != 0)
        len += (size_t)snprintf(s->content + len, sizeof(s->content) - len, "%s\n", line);
    s->content[len] = '\0';
}

static void *
serve(void *arg)
{
    struct server *s = arg;
    for (size_t i = 0; s->script[i] != NULL && s->failure[0] == '\0'; i++) {
        const char *text = s->script[i] + 2;
        char line[1024];
        if (s->script[i][0] == '<') {
            snprintf(line, sizeof(line), "%s\r\n", text);
            if (write(s->fd, line, strlen(line)) < 0)
                snprintf(s->failure, sizeof(s->failure), "nobody hears: %s", text);
        } else if (strcmp(text, ".") == 0) {
            take_content(s);
        } else if (!take_line(s, line)) {
            snprintf(s->failure, sizeof(s->failure), "closed instead of: %s", text);
        } else if (strcmp(line, text) != 0) {
            snprintf(s->failure, sizeof(s->failure), "%.200s instead of %.200s", line, text);
        }
    }
    close(s->fd);
    return NULL;
}

#define HELLO "< 220 mx.test ESMTP", "> EHLO localhost", "< 250-mx.test greets localhost", "< 250 SIZE"
#define BYE "> QUIT", "< 221 bye", NULL
#define HEADER "From: x@y.test\r\n\r\n"

static const struct row {
    const char *name;
    const char *script[40];
    const char *sender; /* -f */
    const char *recipients;
    const char *content;
    const char *full_name, *envid;
    unsigned notify;
    enum envelope_ret ret;
    bool verifies;
    int status;
    const char *states;  /* of the recipients: d done, r refused, w waiting */
    const char *report;  /* NULL: not looked at */
    const char *kept;    /* what the server has of the message, NULL: not looked at */
} rows[] = {
    {.name = "the user itself, to a bare name",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=21", "< 250 2.1.0 ok", "> RCPT TO:<root@mx.test>",
                "< 250 2.1.5 ok", "> DATA",
                "< 354 go", "> .", "< 250 2.0.0 ok", BYE},
     .recipients = "root", .content = HEADER "x\r\n", .states = "d", .report = "", .kept = "From: x@y.test\n\nx\n"},
    {.name = "a sender, several recipients, dots",
     .script = {HELLO, "> MAIL FROM:<x@y.test> SIZE=28", "< 250 ok", "> RCPT TO:<a@b.test>", "< 250 ok",
                "> RCPT TO:<\"c d\"@e.test>",
                "< 250 ok", "> DATA", "< 354 go", "> .", "< 250 ok", BYE},
     .sender = "x@y.test", .recipients = "a@b.test, \"c d\"@e.test", .content = HEADER ".\r\n..a\r\nb.", .states = "dd",
     .report = "",
     .kept = "From: x@y.test\n\n..\n...a\nb.\n"},
    {.name = "the null sender and wishes",
     .script = {HELLO, "> MAIL FROM:<> SIZE=18 RET=HDRS ENVID=a+20b", "< 250 ok",
                "> RCPT TO:<a@b.test> NOTIFY=FAILURE,DELAY", "< 250 ok",
                "> DATA", "< 354 go", "> .", "< 250 ok", BYE},
     .sender = "<>", .recipients = "a@b.test", .content = HEADER, .envid = "a b", .notify = 12,
     .ret = ENVELOPE_RET_HDRS,
     .states = "d", .report = ""},
    {.name = "a From field is added, with the name",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=35", "< 250 ok", "> RCPT TO:<a@b.test>", "< 250 ok", "> DATA",
                "< 354 go", "> .",
                "< 250 ok", BYE},
     .recipients = "a@b.test", .content = "S: x\r\n\r\n", .full_name = "Ann E", .states = "d",
     .kept = "From: Ann E <ann@mx.test>\nS: x\n\n"},
    {.name = "a From field and an empty line",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=32", "< 250 ok", "> RCPT TO:<a@b.test>", "< 250 ok", "> DATA",
                "< 354 go", "> .",
                "< 250 ok", BYE},
     .recipients = "a@b.test", .content = "only text\r\n", .states = "d", .kept = "From: ann@mx.test\n\nonly text\n"},
    {.name = "8-bit body",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=21 BODY=8BITMIME", "< 250 ok", "> RCPT TO:<a@b.test>",
                "< 250 ok", "> DATA",
                "< 354 go", "> .", "< 250 ok", BYE},
     .recipients = "a@b.test", .content = HEADER "\xff\r\n", .states = "d"},
    {.name = "an address in UTF-8",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18 SMTPUTF8", "< 250 ok", "> RCPT TO:<j\xc3\xb6rg@b.test>",
                "< 250 ok", "> DATA",
                "< 354 go", "> .", "< 250 ok", BYE},
     .recipients = "j\xc3\xb6rg@b.test", .content = HEADER, .states = "d"},
    {.name = "one of two refused",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18", "< 250 ok", "> RCPT TO:<a@b.test>",
                "< 550 5.1.1 no such user",
                "> RCPT TO:<c@d.test>", "< 250 ok", "> DATA", "< 354 go", "> .", "< 250 ok", BYE},
     .recipients = "a@b.test, c@d.test", .content = HEADER, .status = EX_NOUSER, .states = "rd",
     .report = "<a@b.test>: 550 5.1.1 no such user\n"},
    {.name = "all refused",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18", "< 250 ok", "> RCPT TO:<a@b.test>", "< 550 5.4.4 no way",
                "> RSET", "< 250 ok",
                BYE},
     .recipients = "a@b.test", .content = HEADER, .status = EX_NOHOST, .states = "r",
     .report = "<a@b.test>: 550 5.4.4 no way\n"},
    {.name = "the sender refused",
     .script = {HELLO, "> MAIL FROM:<x@y.test> SIZE=18", "< 550 5.7.1 not yours", BYE}, .sender = "x@y.test",
     .recipients = "a, b",
     .content = HEADER, .status = EX_NOPERM, .states = "rr", .report = "550 5.7.1 not yours\n"},
    {.name = "the message refused",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18", "< 250 ok", "> RCPT TO:<a@b.test>", "< 250 ok", "> DATA",
                "< 354 go", "> .",
                "< 554 5.6.0 NUL", BYE},
     .recipients = "a@b.test", .content = HEADER, .status = EX_DATAERR, .states = "r", .report = "554 5.6.0 NUL\n"},
    {.name = "not now, at MAIL", .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18", "< 452 4.3.1 full", BYE},
     .recipients = "a@b.test",
     .content = HEADER, .states = "w", .report = "452 4.3.1 full\n"},
    {.name = "not now, one of two",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18", "< 250 ok", "> RCPT TO:<a@b.test>", "< 452 4.2.2 full",
                "> RCPT TO:<c@d.test>",
                "< 250 ok", "> DATA", "< 354 go", "> .", "< 250 ok", BYE},
     .recipients = "a@b.test, c@d.test", .content = HEADER, .states = "wd", .report = "<a@b.test>: 452 4.2.2 full\n"},
    {.name = "not now, at the end of data",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18", "< 250 ok", "> RCPT TO:<a@b.test>", "< 250 ok", "> DATA",
                "< 354 go", "> .",
                "< 451 4.3.0 fault", BYE},
     .recipients = "a@b.test", .content = HEADER, .states = "w", .report = "451 4.3.0 fault\n"},
    {.name = "more recipients than one transaction takes (RFC 5321 §4.5.3.1.10)",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18", "< 250 ok", "> RCPT TO:<a@b.test>", "< 250 ok",
                "> RCPT TO:<c@d.test>",
                "< 452 4.5.3 too many", "> DATA", "< 354 go", "> .", "< 250 ok", "> MAIL FROM:<ann@mx.test> SIZE=18",
                "< 250 ok",
                "> RCPT TO:<c@d.test>", "< 250 ok", "> DATA", "< 354 go", "> .", "< 250 ok", BYE},
     .recipients = "a@b.test, c@d.test", .content = HEADER, .states = "dd", .report = ""},
    {.name = "a server that takes no recipient for now",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18", "< 250 ok", "> RCPT TO:<a@b.test>", "< 452 4.5.3 too many",
                "> RSET", "< 250 ok",
                BYE},
     .recipients = "a@b.test", .content = HEADER, .states = "w"},
    {.name = "it is stopping", .script = {"< 421 4.3.2 stopping", NULL}, .recipients = "a@b.test", .content = HEADER,
     .states = "w",
     .report = "421 4.3.2 stopping\n"},
    {.name = "it goes away at once", .script = {NULL}, .recipients = "a@b.test", .content = HEADER, .states = "w",
     .report = "the server broke off\n"},
    {.name = "it goes away before the last reply",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18", "< 250 ok", "> RCPT TO:<a@b.test>", "< 250 ok", "> DATA",
                "< 354 go", "> .", NULL},
     .recipients = "a@b.test", .content = HEADER, .states = "w", .report = "the server broke off\n"},
    {.name = "it speaks nonsense", .script = {"< HTTP/1.0 400", NULL}, .recipients = "a@b.test", .content = HEADER,
     .states = "w"},
    {.name = "it does not say who it is", .script = {"< 220 x", "> EHLO localhost", "< 250 not_a_name", "> QUIT",
                                                     "< 221 bye", NULL},
     .recipients = "a@b.test", .content = HEADER, .states = "w"},
    {.name = "an address that cannot be said",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=18", "< 250 ok", "> RSET", "< 250 ok", BYE},
     .recipients = "a@b_c", .content = HEADER,
     .status = EX_NOUSER, .states = "r", .report = "<a@b_c>: mail cannot be addressed so\n"},
    {.name = "a sender that cannot be said", .script = {HELLO, BYE}, .sender = "a@b_c", .recipients = "a@b.test",
     .content = HEADER,
     .status = EX_DATAERR, .states = "r", .report = "mail cannot have that sender address\n"},
    {.name = "only asking",
     .script = {HELLO, "> MAIL FROM:<ann@mx.test> SIZE=0", "< 250 ok", "> RCPT TO:<a@b.test>", "< 250 ok",
                "> RCPT TO:<c@d.test>",
                "< 550 5.1.1 no", BYE},
     .recipients = "a@b.test, c@d.test", .content = "", .verifies = true, .status = EX_NOUSER, .states = "wr",
     .report = "<c@d.test>: 550 5.1.1 no\n"},
};

static void
note_change(void *ctx, const struct outgoing_recipient *recipient)
{
    assert_true(recipient->state != OUTGOING_WAITING);
    ++*(unsigned *)ctx;
}

static void
check_states(const struct row *row, const struct outgoing *o, unsigned changes)
{
    unsigned changed = 0;
    CHECK(row->name, o->recipient_count == strlen(row->states));
    for (size_t i = 0; i < o->recipient_count; i++) {
        enum outgoing_state state = o->recipients[i].state;
        char letter = state == OUTGOING_DONE ? 'd' : state == OUTGOING_REFUSED ? 'r' : 'w';
        CHECK(row->name, letter == row->states[i]);
        changed += letter != 'w';
    }
    CHECK(row->name, changed == changes);
}

static void
run_row(const struct row *row)
{
    int pair[2];
    struct outgoing o;
    struct buf complaint;
    struct submit_report report;
    pthread_t thread;
    unsigned changes = 0;
    const char *recipients[] = {row->recipients};
    struct sendmail_options options = {.sender = row->sender, .full_name = row->full_name, .envid = row->envid,
                                       .notify = row->notify,
                                       .ret = row->ret, .recipients = recipients, .recipient_count = 1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct server server = {.fd = pair[1], .script = row->script};
    outgoing_init(&o);
    buf_init(&complaint, 1000);
    submit_report_init(&report);
    report.on_change = note_change;
    report.ctx = &changes;
    CHECK(row->name, outgoing_take_options(&o, &options, &complaint) == EX_OK);
    CHECK(row->name, outgoing_take_content(&o, span_from_cstr(row->content), false, &complaint) == EX_OK);
    assert_int_equal(pthread_create(&thread, NULL, serve, &server), 0);
    (row->verifies ? submit_verify : submit_send)(pair[0], &o, SPAN("ann"), &report);
    pthread_join(thread, NULL);
    CHECK_SPAN(row->name, span_from_cstr(server.failure), SPAN(""));
    CHECK(row->name, report.status == row->status);
    check_states(row, &o, changes);
    if (row->report != NULL)
        CHECK_SPAN(row->name, buf_span(&report.text), span_from_cstr(row->report));
    if (row->kept != NULL)
        CHECK_SPAN(row->name, span_from_cstr(server.content), span_from_cstr(row->kept));
    submit_report_done(&report);
    buf_done(&complaint);
    outgoing_done(&o);
}

static void
test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        run_row(&rows[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
