/* submit.c - transactions, one after the other, until every recipient has been tried. */
#include "cli/submit.h"

#include "proto/addr/path.h"
#include "proto/msg/header_block.h"
#include "proto/msg/header_mend.h"
#include "text/ascii.h"
#include "text/utf8.h"
#include "text/xtext.h"

#include <sysexits.h>

enum { REPORT_BYTES_MAX = 256 * 1024, COMMAND_BYTES_MAX = 4096, FROM_BYTES_MAX = 4096 };

/* One message on its way. */
struct sending {
    struct smtp_client client;
    struct outgoing *o;
    struct submit_report *report;
    struct mailbox sender; /* what MAIL says; local_len 0: the null sender */
    struct buf from;       /* a From field that the message lacks, and the empty line if it lacks that */
};

void
submit_report_init(struct submit_report *r)
{
    *r = (struct submit_report){.status = EX_OK};
    buf_init(&r->text, REPORT_BYTES_MAX);
}

void
submit_report_done(struct submit_report *r)
{
    buf_done(&r->text);
}

/* --- what replies mean -------------------------------------------------------------------------------------------- */

/* The exit status for a refusal with that enhanced status code. */
static int
status_of(const unsigned code[3])
{
    static const struct {
        unsigned subject, detail; /* detail 999: any */
        int status;
    } rows[] = {
        {1, 2, EX_NOHOST}, {4, 4, EX_NOHOST}, {1, 7, EX_DATAERR},  {1, 8, EX_DATAERR},
        {1, 999, EX_NOUSER}, {6, 999, EX_DATAERR}, {7, 999, EX_NOPERM},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (code[1] == rows[i].subject && (code[2] == rows[i].detail || rows[i].detail == 999))
            return rows[i].status;
    return EX_UNAVAILABLE;
}

static bool
is_refusal(unsigned code)
{
    return code >= 500;
}

/* Begin a line of the report with "<address>: ". A full report is cut. */
static void
report_about(struct sending *s, const struct address_list_item *about)
{
    if (address_list_item_format(about, &s->report->text) == ERR_OK)
        buf_append_cstr(&s->report->text, ": ");
}

/* The last reply as a line of the report. */
static void
report_reply(struct sending *s)
{
    smtp_client_describe(&s->client, &s->report->text);
    buf_append_octet(&s->report->text, '\n');
}

static void
change(struct sending *s, struct outgoing_recipient *r, enum outgoing_state state)
{
    r->state = state;
    if (s->report->on_change != NULL)
        s->report->on_change(s->report->ctx, r);
}

static void
refuse(struct sending *s, struct outgoing_recipient *r, int status)
{
    if (s->report->status == EX_OK)
        s->report->status = status;
    change(s, r, OUTGOING_REFUSED);
}

/* Note the last reply for every recipient of `first` to `end` that waits and is not tried yet. */
static void
settle(struct sending *s, unsigned code, size_t first, size_t end)
{
    bool is_news = false;
    for (size_t i = first; i < end; i++) {
        struct outgoing_recipient *r = &s->o->recipients[i];
        if (r->state != OUTGOING_WAITING || r->is_tried)
            continue;
        is_news = true;
        if (is_refusal(code))
            refuse(s, r, status_of(s->client.reply.status));
        else if (code == 250)
            change(s, r, OUTGOING_DONE);
        else
            r->is_tried = true;
    }
    if (is_news && code != 250)
        report_reply(s);
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

/* An address with our host's name where it has no domain. */
static bool
qualify(const struct sending *s, const struct address_list_item *address, struct mailbox *ret)
{
    struct span domain = address->domain.len > 0 ? address->domain : domain_span(&s->client.host);
    return mailbox_from_parts(address->local, domain, ret) == ADDR_OK;
}

static bool
find_sender(struct sending *s, struct span user)
{
    const struct address_list_item own = {.local = user};
    if (s->o->has_sender && s->o->sender.local.len == 0)
        return true;
    return qualify(s, s->o->has_sender ? &s->o->sender : &own, &s->sender);
}

/* A From field where there is none: the sender, or for the null sender the user. */
static void
make_from(struct sending *s, struct span user)
{
    struct mailbox address = s->sender;
    const struct address_list_item own = {.local = user};
    uint8_t bytes[MAILBOX_TEXT_MAX];
    struct buf text;
    buf_init_fixed(&text, bytes, sizeof(bytes));
    if (header_count(s->o->header, SPAN("From")) > 0 || (address.local_len == 0 && !qualify(s, &own, &address)) ||
        mailbox_format(&address, &text) != ERR_OK)
        return;
    (void)!header_from_format(s->o->full_name, buf_span(&text), &s->from);
    if (!s->o->has_header && s->o->header.len == 0)
        buf_append(&s->from, SPAN("\r\n"));
}

/* --- one transaction ---------------------------------------------------------------------------------------------- */

/* Whether the message needs SMTPUTF8 (RFC 6531 §3.4): for an address, or for a header in UTF-8. */
static bool
needs_smtputf8(const struct sending *s)
{
    if (s->sender.is_utf8 || (!ascii_is_7bit(s->o->header) && utf8_is_valid(s->o->header)))
        return true;
    for (size_t i = 0; i < s->o->recipient_count; i++)
        if (!ascii_is_7bit(s->o->recipients[i].address.local))
            return true;
    return false;
}

static unsigned
say_mail(struct sending *s)
{
    uint8_t bytes[COMMAND_BYTES_MAX];
    struct buf line;
    struct path path = {.kind = s->sender.local_len == 0 ? PATH_NULL : PATH_MAILBOX, .mailbox = s->sender};
    const struct outgoing *o = s->o;
    buf_init_fixed(&line, bytes, sizeof(bytes));
    buf_append_cstr(&line, "MAIL FROM:");
    (void)!path_format(&path, &line);
    buf_printf(&line, " SIZE=%zu", s->from.len + o->header.len + o->body.len);
    if (!ascii_is_7bit(o->header) || !ascii_is_7bit(o->body))
        buf_append_cstr(&line, " BODY=8BITMIME");
    if (needs_smtputf8(s))
        buf_append_cstr(&line, " SMTPUTF8");
    if (o->ret != ENVELOPE_RET_UNSET)
        buf_append_cstr(&line, o->ret == ENVELOPE_RET_FULL ? " RET=FULL" : " RET=HDRS");
    if (o->envid.len > 0) {
        buf_append_cstr(&line, " ENVID=");
        (void)!xtext_encode(o->envid, &line);
    }
    buf_append_cstr(&line, "\r\n");
    return smtp_client_command(&s->client, buf_span(&line));
}

static void
append_notify(unsigned notify, struct buf *line)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{ENVELOPE_NOTIFY_NEVER, "NEVER"},
                 {ENVELOPE_NOTIFY_SUCCESS, "SUCCESS"},
                 {ENVELOPE_NOTIFY_FAILURE, "FAILURE"},
                 {ENVELOPE_NOTIFY_DELAY, "DELAY"}};
    const char *before = " NOTIFY=";
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((notify & names[i].bit) == 0)
            continue;
        buf_append_cstr(line, before);
        buf_append_cstr(line, names[i].name);
        before = ",";
    }
}

/* RCPT for one recipient: the code of the reply, 0 when there is none, 1 when the address cannot be said at all. */
static unsigned
say_rcpt(struct sending *s, const struct outgoing_recipient *r)
{
    uint8_t bytes[COMMAND_BYTES_MAX];
    struct buf line;
    struct path path = {.kind = PATH_MAILBOX};
    if (!qualify(s, &r->address, &path.mailbox))
        return 1;
    buf_init_fixed(&line, bytes, sizeof(bytes));
    buf_append_cstr(&line, "RCPT TO:");
    (void)!path_format(&path, &line);
    append_notify(s->o->notify, &line);
    buf_append_cstr(&line, "\r\n");
    return smtp_client_command(&s->client, buf_span(&line));
}

static bool
is_full_transaction(const struct smtp_client *c)
{
    const unsigned *status = c->reply.status;
    return c->reply.code == 452 && status[0] == 4 && status[1] == 5 && status[2] == 3;
}

/*
 * Name the recipients from *at on; *at becomes the first that was not named. Those that are accepted stay waiting and
 * untried. Returns how many were accepted.
 */
static size_t
say_recipients(struct sending *s, size_t *at)
{
    size_t accepted = 0;
    for (; *at < s->o->recipient_count && !s->client.is_broken; ++*at) {
        struct outgoing_recipient *r = &s->o->recipients[*at];
        if (r->state != OUTGOING_WAITING)
            continue;
        unsigned code = say_rcpt(s, r);
        if (code == 250) {
            accepted++;
        } else if (code == 1) {
            report_about(s, &r->address);
            buf_append_cstr(&s->report->text, "mail cannot be addressed so\n");
            refuse(s, r, EX_NOUSER);
        } else if (is_full_transaction(&s->client) && accepted > 0) {
            break; /* the next transaction takes it */
        } else {
            report_about(s, &r->address);
            report_reply(s);
            r->is_tried = !is_refusal(code);
            if (is_refusal(code))
                refuse(s, r, status_of(s->client.reply.status));
        }
    }
    return accepted;
}

static unsigned
say_content(struct sending *s)
{
    bool is_line_start = true;
    unsigned code = smtp_client_command(&s->client, SPAN("DATA\r\n"));
    if (code != 354)
        return code == 250 ? 0 : code;
    smtp_client_send_content(&s->client, buf_span(&s->from), &is_line_start);
    smtp_client_send_content(&s->client, s->o->header, &is_line_start);
    smtp_client_send_content(&s->client, s->o->body, &is_line_start);
    return smtp_client_end_content(&s->client, is_line_start);
}

/* A transaction for recipients from *at on; *at becomes the first that was not part of it. */
static void
transact(struct sending *s, size_t *at)
{
    size_t first = *at;
    unsigned code = say_mail(s);
    if (code != 250) {
        *at = s->o->recipient_count;
        settle(s, code, first, *at);
        return;
    }
    if (say_recipients(s, at) > 0)
        settle(s, say_content(s), first, *at);
    else if (!s->client.is_broken)
        (void)smtp_client_command(&s->client, SPAN("RSET\r\n"));
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

/* Be greeted and find out who sends. False: everything waits, or is refused for a sender that is none. */
static bool
begin(struct sending *s, int fd, struct span user)
{
    buf_init(&s->from, FROM_BYTES_MAX);
    if (!smtp_client_open(&s->client, fd)) {
        report_reply(s);
        return false;
    }
    if (find_sender(s, user))
        return true;
    buf_append_cstr(&s->report->text, "mail cannot have that sender address\n");
    for (size_t i = 0; i < s->o->recipient_count; i++)
        refuse(s, &s->o->recipients[i], EX_DATAERR);
    return false;
}

static void
end(struct sending *s)
{
    smtp_client_close(&s->client);
    buf_done(&s->from);
}

void
submit_send(int fd, struct outgoing *o, struct span user, struct submit_report *report)
{
    struct sending s = {.o = o, .report = report};
    if (begin(&s, fd, user)) {
        make_from(&s, user);
        for (size_t at = 0; at < o->recipient_count && !s.client.is_broken;)
            transact(&s, &at);
    }
    end(&s);
}

void
submit_verify(int fd, struct outgoing *o, struct span user, struct submit_report *report)
{
    struct sending s = {.o = o, .report = report};
    if (begin(&s, fd, user)) {
        unsigned code = say_mail(&s);
        size_t at = code == 250 ? 0 : o->recipient_count;
        if (code != 250)
            settle(&s, code, 0, o->recipient_count);
        (void)say_recipients(&s, &at);
    }
    end(&s);
}
