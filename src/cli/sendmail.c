/*
 * sendmail.c - main() of sendmail, mailq and newaliases: what programs of this machine send mail with.
 *
 * One program under three names, without any right of its own: the server knows from the kernel who calls. While the
 * server is down or takes nothing, the message goes into the drop directory and is taken up later; the exit status is 0
 * only when the message is durable in one place or the other. Exit statuses of sysexits(3).
 */
#include "cli/cli.h"
#include "cli/input_text.h"
#include "cli/sendmail_site.h"
#include "cli/smtp_relay.h"
#include "cli/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, TEXT_MAX = 64 * 1024, MESSAGE_SLACK = 1024 * 1024 };

/* What a run of the program is made of. */
struct program {
    struct sendmail_options options;
    struct sendmail_site site;
    struct cli cli;
    char user[64];       /* name of the caller; empty: the user id has none */
    char full_name[256]; /* as the list of users has it */
};

int
cli_fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("sendmail: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

/* Print lines that were gathered, each with our name before it. */
static void
print_lines(struct span text)
{
    while (text.len > 0) {
        size_t len = span_find(text, '\n');
        fprintf(stderr, "sendmail: " SPAN_FMT "\n", SPAN_ARG(span_first(text, len)));
        text = span_skip(text, len < text.len ? len + 1 : len);
    }
}

/* --- who calls ---------------------------------------------------------------------------------------------------- */

/* The full name in the list of users: up to the first comma. RFC 5322 knows nothing of "&", the login name of old. */
static void
find_user(struct program *p)
{
    const struct passwd *entry = getpwuid(geteuid());
    const char *name = entry != NULL ? entry->pw_name : geteuid() == 0 ? "root" : "";
    (void)!span_to_cstr(span_from_cstr(name), p->user, sizeof(p->user));
    if (entry != NULL && entry->pw_gecos != NULL)
        snprintf(p->full_name, sizeof(p->full_name), "%.*s", (int)strcspn(entry->pw_gecos, ","), entry->pw_gecos);
}

static int
check_user(const struct program *p)
{
    if (p->user[0] != '\0' || p->options.sender != NULL)
        return EX_OK;
    return cli_fail(EX_NOUSER, "user id %u has no name on this machine, so it has no address to send from",
                    (unsigned)geteuid());
}

/* --- a message ---------------------------------------------------------------------------------------------------- */

static int
read_message(const struct program *p, struct buf *content)
{
    struct input_text text;
    uint8_t bytes[READ_BYTES];
    ssize_t n;
    input_text_init(&text, !p->options.ignores_dots);
    while (text.state != INPUT_TEXT_ENDED && (n = read(STDIN_FILENO, bytes, sizeof(bytes))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cli_fail(EX_IOERR, "the message cannot be read: %s", strerror(errno));
        if (input_text_take(&text, span_of(bytes, (size_t)n), content) != ERR_OK)
            break;
    }
    if (buf_check(content) != ERR_OK || input_text_end(&text, content) != ERR_OK)
        return cli_fail(EX_UNAVAILABLE, "the message is larger than %llu octets, or memory ran out",
                        (unsigned long long)p->site.message_size_bytes);
    return EX_OK;
}

/* Leave what still waits in the drop directory. */
static int
leave(struct program *p, struct outgoing *o, const struct submit_report *report)
{
    struct buf complaint;
    buf_init(&complaint, TEXT_MAX);
    int status = EX_TEMPFAIL;
    if (p->site.drop_directory[0] == '\0')
        buf_append_cstr(&complaint, "there is no drop directory");
    else
        status = drop_store(p->site.drop_directory, &p->site.drop, o, &complaint);
    if (status != EX_OK) {
        print_lines(buf_span(&report->text));
        cli_fail(status, "the message was not taken: " SPAN_FMT, SPAN_ARG(buf_span(&complaint)));
    } else if (p->options.is_verbose) {
        print_lines(buf_span(&report->text));
        fprintf(stderr, "sendmail: left in %s, to be sent when the server takes it\n", p->site.drop_directory);
    }
    buf_done(&complaint);
    return status;
}

static void
connect_failed(const struct program *p, struct submit_report *report)
{
    buf_printf(&report->text, "%s: %s%s\n", p->site.socket, strerror(errno),
               p->site.is_by_default ? " (the configuration cannot be read; this is the default)" : "");
}

static int
hand_over(struct program *p, struct outgoing *o)
{
    struct submit_report report;
    submit_report_init(&report);
    int fd = smtp_client_connect(p->site.socket), status = EX_OK;
    if (fd < 0)
        connect_failed(p, &report);
    else
        submit_send(fd, o, span_from_cstr(p->user), &report);
    if (outgoing_count(o, OUTGOING_WAITING) > 0)
        status = leave(p, o, &report);
    if (report.status != EX_OK) {
        if (status == EX_OK)
            print_lines(buf_span(&report.text));
        status = report.status;
    }
    if (p->options.is_verbose && outgoing_count(o, OUTGOING_DONE) > 0)
        fprintf(stderr, "sendmail: accepted for %zu recipients\n", outgoing_count(o, OUTGOING_DONE));
    submit_report_done(&report);
    return status;
}

/* Recipients and wishes from the command line; what is wrong is printed. */
static int
take_options(struct program *p, struct outgoing *o)
{
    struct buf complaint;
    buf_init(&complaint, TEXT_MAX);
    o->full_name = span_from_cstr(p->full_name);
    int status = outgoing_take_options(o, &p->options, &complaint);
    if (status != EX_OK)
        print_lines(buf_span(&complaint));
    buf_done(&complaint);
    return status;
}

static int
take_content(struct program *p, struct outgoing *o, struct buf *content)
{
    struct buf complaint;
    buf_init(&complaint, TEXT_MAX);
    int status = read_message(p, content);
    if (status == EX_OK)
        status = outgoing_take_content(o, outgoing_without_mbox_line(buf_span(content)), p->options.takes_recipients,
                                       &complaint);
    print_lines(buf_span(&complaint));
    buf_done(&complaint);
    return status;
}

static int
run_send(struct program *p)
{
    struct outgoing o;
    struct buf content;
    outgoing_init(&o);
    buf_init(&content, (size_t)p->site.message_size_bytes + MESSAGE_SLACK);
    int status = check_user(p);
    if (status == EX_OK)
        status = take_options(p, &o);
    if (status == EX_OK && o.recipient_count == 0 && !p->options.takes_recipients)
        status = cli_fail(EX_USAGE, "to whom? Name recipients, or say -t to take them from the message");
    if (status == EX_OK)
        status = take_content(p, &o, &content);
    if (status == EX_OK && o.recipient_count == 0)
        status = cli_fail(EX_USAGE, "the message names no recipient in To, Cc or Bcc");
    if (status == EX_OK)
        status = hand_over(p, &o);
    buf_done(&content);
    outgoing_done(&o);
    return status;
}

/* --- the other modes ---------------------------------------------------------------------------------------------- */

/* The fate of each recipient, one a line. */
static int
run_verify(struct program *p)
{
    struct outgoing o;
    struct submit_report report;
    outgoing_init(&o);
    submit_report_init(&report);
    int status = check_user(p), fd = -1;
    if (status == EX_OK)
        status = take_options(p, &o);
    if (status == EX_OK && (fd = smtp_client_connect(p->site.socket)) < 0) {
        connect_failed(p, &report);
        status = EX_TEMPFAIL;
    } else if (status == EX_OK) {
        submit_verify(fd, &o, span_from_cstr(p->user), &report);
        status = report.status;
    }
    for (size_t i = 0; fd >= 0 && i < o.recipient_count; i++) {
        struct buf text;
        buf_init(&text, TEXT_MAX);
        const struct outgoing_recipient *r = &o.recipients[i];
        if (address_list_item_format(&r->address, &text) == ERR_OK && r->state == OUTGOING_WAITING && !r->is_tried)
            printf(SPAN_FMT ": deliverable\n", SPAN_ARG(buf_span(&text)));
        else if (status == EX_OK)
            status = EX_TEMPFAIL;
        buf_done(&text);
    }
    print_lines(buf_span(&report.text));
    submit_report_done(&report);
    outgoing_done(&o);
    return status;
}

static int
run_smtp(struct program *p)
{
    int fd = smtp_client_connect(p->site.socket);
    if (fd < 0) {
        printf("421 4.3.2 The server is not running (%s: %s)\r\n", p->site.socket, strerror(errno));
        return EX_TEMPFAIL;
    }
    int status = smtp_relay(fd, STDIN_FILENO, STDOUT_FILENO);
    close(fd);
    return status;
}

static int
run_queue_list(struct program *p)
{
    const struct span arguments[] = {SPAN("mailq")};
    return cli_ask(&p->cli, arguments, ARRAY_LEN(arguments));
}

static int
run_queue_retry(struct program *p)
{
    const struct span arguments[] = {SPAN("queue-retry"),
                                     span_from_cstr(p->options.queue_id == NULL ? "all" : p->options.queue_id)};
    return cli_ask(&p->cli, arguments, ARRAY_LEN(arguments));
}

/* Packages call it while the server is down: nothing is to be done then, the server reads the file when it starts. */
static int
run_aliases(struct program *p)
{
    const struct span arguments[] = {SPAN("aliases-reload")};
    int fd = smtp_client_connect(p->site.socket);
    if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED)) {
        fputs("sendmail: the server is not running; it reads the aliases file when it starts\n", stderr);
        return EX_OK;
    }
    if (fd >= 0)
        close(fd);
    return cli_ask(&p->cli, arguments, ARRAY_LEN(arguments));
}

static int
run_not_offered(struct program *p)
{
    return cli_fail(EX_USAGE, "%s", p->options.complaint);
}

static int (*const modes[])(struct program *p) = {
    [SENDMAIL_SEND] = run_send,
    [SENDMAIL_SMTP] = run_smtp,
    [SENDMAIL_QUEUE_LIST] = run_queue_list,
    [SENDMAIL_QUEUE_RETRY] = run_queue_retry,
    [SENDMAIL_ALIASES] = run_aliases,
    [SENDMAIL_VERIFY] = run_verify,
    [SENDMAIL_NOT_OFFERED] = run_not_offered,
};

/* Descriptors 0 to 2 are open, whatever the caller did: nothing we open takes their place. */
static bool
open_standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

int
main(int argc, char **argv)
{
    struct program p = {.user = ""};
    if (!open_standard_descriptors())
        return EX_OSERR;
    (void)signal(SIGPIPE, SIG_IGN);
    const char **recipients = calloc((size_t)argc + 1, sizeof(*recipients));
    if (recipients == NULL)
        return cli_fail(EX_OSERR, "out of memory");
    int status = sendmail_options_parse(argc, argv, recipients, &p.options);
    if (status != EX_OK)
        return cli_fail(status, "%s", p.options.complaint);
    const char *from_environment = getenv("GODWIT_CONFIG");
    const char *named = p.options.config_path != NULL ? p.options.config_path : from_environment;
    p.cli = (struct cli){.config_path = named != NULL ? named : CLI_CONFIG_DEFAULT, .has_config_path = named != NULL};
    sendmail_site_find(p.cli.config_path, &p.site);
    find_user(&p);
    status = modes[p.options.mode](&p);
    free(recipients);
    if (fflush(stdout) != 0 && status == EX_OK)
        status = EX_IOERR;
    return status;
}
