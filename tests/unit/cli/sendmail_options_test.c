/* sendmail_options_test.c - command lines as programs write them. */
#include "check.h"

#include "cli/sendmail_options.h"

#include <sysexits.h>

enum { ARGUMENTS_MAX = 12 };

static const struct row {
    const char *name;
    const char *argv[ARGUMENTS_MAX];
    int status;
    enum sendmail_mode mode;
    const char *sender, *full_name, *envid, *config, *queue_id; /* NULL: not given */
    unsigned notify;
    enum envelope_ret ret;
    bool takes_recipients, ignores_dots, is_verbose;
    const char *recipients; /* with a blank after each */
} rows[] = {
    {.name = "cron", .argv = {"/usr/sbin/sendmail", "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root"},
     .full_name = "CronDaemon", .ignores_dots = true, .recipients = "root "},
    {.name = "cron of Debian", .argv = {"sendmail", "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "-t"},
     .full_name = "CronDaemon",
     .ignores_dots = true, .takes_recipients = true},
    {.name = "PHP", .argv = {"sendmail", "-t", "-i", "-fwww@example.test"}, .sender = "www@example.test",
     .takes_recipients = true,
     .ignores_dots = true},
    {.name = "mutt", .argv = {"sendmail", "-oem", "-oi", "-f", "a@b.test", "--", "c@d.test", "-e@f.test"},
     .sender = "a@b.test",
     .ignores_dots = true, .recipients = "c@d.test -e@f.test "},
    {.name = "git", .argv = {"sendmail", "-f", "a@b.test", "-i", "c@d.test", "e@f.test"}, .sender = "a@b.test",
     .ignores_dots = true,
     .recipients = "c@d.test e@f.test "},
    {.name = "nagios", .argv = {"sendmail", "-G", "-U", "-v", "a@b.test"}, .is_verbose = true,
     .recipients = "a@b.test "},
    {.name = "options behind recipients", .argv = {"sendmail", "a@b.test", "-i", "c@d.test"}, .ignores_dots = true,
     .recipients = "a@b.test c@d.test "},
    {.name = "letters in one word", .argv = {"sendmail", "-tiv"}, .takes_recipients = true, .ignores_dots = true,
     .is_verbose = true},
    {.name = "letters and an argument in one word", .argv = {"sendmail", "-tif", "x@y.test"}, .takes_recipients = true,
     .ignores_dots = true, .sender = "x@y.test"},
    {.name = "-r", .argv = {"sendmail", "-r", "x@y.test", "z"}, .sender = "x@y.test", .recipients = "z "},
    {.name = "the last -f counts", .argv = {"sendmail", "-fa", "-fb", "z"}, .sender = "b", .recipients = "z "},
    {.name = "an empty -f", .argv = {"sendmail", "-f", "", "z"}, .sender = "", .recipients = "z "},
    {.name = "the null sender", .argv = {"sendmail", "-f", "<>", "z"}, .sender = "<>", .recipients = "z "},
    {.name = "DSN", .argv = {"sendmail", "-N", "success,delay,failure", "-R", "hdrs", "-V", "x1", "z"}, .notify = 14,
     .ret = ENVELOPE_RET_HDRS, .envid = "x1", .recipients = "z "},
    {.name = "DSN, other case", .argv = {"sendmail", "-NNever", "-RFULL", "z"}, .notify = 1, .ret = ENVELOPE_RET_FULL,
     .recipients = "z "},
    {.name = "ignored with arguments", .argv = {"sendmail", "-Am", "-L", "tag", "-O", "QueueDirectory=/x", "-X", "/log",
                                                "-h", "3", "z"},
     .recipients = "z "},
    {.name = "ignored without", .argv = {"sendmail", "-n", "-m", "-s", "-x", "-c", "-E", "-em", "-d0.1", "-pESMTP",
                                         "z"},
     .recipients = "z "},
    {.name = "-O IgnoreDots", .argv = {"sendmail", "-OIgnoreDots=True", "z"}, .ignores_dots = true, .recipients = "z "},
    {.name = "-oi", .argv = {"sendmail", "-oi", "z"}, .ignores_dots = true, .recipients = "z "},
    {.name = "-oitrue", .argv = {"sendmail", "-oitrue", "z"}, .ignores_dots = true, .recipients = "z "},
    {.name = "-odb and others of -o", .argv = {"sendmail", "-odb", "-om", "-o7", "-oQ/x", "z"}, .recipients = "z "},
    {.name = "-C", .argv = {"sendmail", "-C", "/x.conf", "z"}, .config = "/x.conf", .recipients = "z "},
    {.name = "a dash is a recipient", .argv = {"sendmail", "-"}, .recipients = "- "},
    /* modes */
    {.name = "-bm", .argv = {"sendmail", "-bm", "z"}, .recipients = "z "},
    {.name = "-bs", .argv = {"sendmail", "-bs"}, .mode = SENDMAIL_SMTP},
    {.name = "-b s", .argv = {"sendmail", "-b", "s"}, .mode = SENDMAIL_SMTP},
    {.name = "-bp", .argv = {"sendmail", "-bp"}, .mode = SENDMAIL_QUEUE_LIST},
    {.name = "-bi", .argv = {"sendmail", "-bi"}, .mode = SENDMAIL_ALIASES},
    {.name = "-I", .argv = {"sendmail", "-I"}, .mode = SENDMAIL_ALIASES},
    {.name = "-bv", .argv = {"sendmail", "-bv", "z"}, .mode = SENDMAIL_VERIFY, .recipients = "z "},
    {.name = "-q", .argv = {"sendmail", "-q"}, .mode = SENDMAIL_QUEUE_RETRY},
    {.name = "-qf", .argv = {"sendmail", "-qf"}, .mode = SENDMAIL_QUEUE_RETRY},
    {.name = "-qI", .argv = {"sendmail", "-qIabc"}, .mode = SENDMAIL_QUEUE_RETRY, .queue_id = "abc"},
    {.name = "a daemon", .argv = {"sendmail", "-bd", "-q15m"}, .mode = SENDMAIL_NOT_OFFERED},
    {.name = "a queue runner", .argv = {"sendmail", "-q15m"}, .mode = SENDMAIL_NOT_OFFERED},
    {.name = "-bt", .argv = {"sendmail", "-bt"}, .mode = SENDMAIL_NOT_OFFERED},
    {.name = "-bh", .argv = {"sendmail", "-bh"}, .mode = SENDMAIL_NOT_OFFERED},
    {.name = "mailq", .argv = {"/usr/bin/mailq"}, .mode = SENDMAIL_QUEUE_LIST},
    {.name = "newaliases", .argv = {"newaliases"}, .mode = SENDMAIL_ALIASES},
    {.name = "another name", .argv = {"/usr/lib/mailq/send-mail", "z"}, .recipients = "z "},
    /* errors */
    {.name = "no such option", .argv = {"sendmail", "-z"}, .status = EX_USAGE},
    {.name = "a long option", .argv = {"sendmail", "--help"}, .status = EX_USAGE},
    {.name = "no such mode", .argv = {"sendmail", "-bz"}, .status = EX_USAGE},
    {.name = "an argument is missing", .argv = {"sendmail", "-f"}, .status = EX_USAGE},
    {.name = "-N of two minds", .argv = {"sendmail", "-N", "never,delay"}, .status = EX_USAGE},
    {.name = "-N of no mind", .argv = {"sendmail", "-N", "always"}, .status = EX_USAGE},
    {.name = "-N with an empty word", .argv = {"sendmail", "-N", "delay,"}, .status = EX_USAGE},
    {.name = "-R", .argv = {"sendmail", "-R", "some"}, .status = EX_USAGE},
    {.name = "-V with a control octet", .argv = {"sendmail", "-V", "a\nb"}, .status = EX_USAGE},
    {.name = "an empty -V", .argv = {"sendmail", "-V", ""}, .status = EX_USAGE},
};

static void
check_text(const char *name, const char *got, const char *wanted)
{
    CHECK(name, (got == NULL) == (wanted == NULL));
    if (got != NULL)
        CHECK_SPAN(name, span_from_cstr(got), span_from_cstr(wanted));
}

static void
check_row(const struct row *row, const struct sendmail_options *o)
{
    struct buf recipients;
    buf_init(&recipients, 1000);
    CHECK(row->name, o->mode == row->mode);
    check_text(row->name, o->sender, row->sender);
    check_text(row->name, o->full_name, row->full_name);
    check_text(row->name, o->envid, row->envid);
    check_text(row->name, o->config_path, row->config);
    check_text(row->name, o->queue_id, row->queue_id);
    CHECK(row->name, o->notify == row->notify && o->ret == row->ret);
    CHECK(row->name, o->takes_recipients == row->takes_recipients && o->ignores_dots == row->ignores_dots);
    CHECK(row->name, o->is_verbose == row->is_verbose);
    CHECK(row->name, (o->mode == SENDMAIL_NOT_OFFERED) == (o->complaint[0] != '\0'));
    for (size_t i = 0; i < o->recipient_count; i++) {
        buf_append_cstr(&recipients, o->recipients[i]);
        buf_append_octet(&recipients, ' ');
    }
    CHECK_SPAN(row->name, buf_span(&recipients), span_from_cstr(row->recipients == NULL ? "" : row->recipients));
    buf_done(&recipients);
}

static void
test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *argv[ARGUMENTS_MAX + 1] = {NULL};
        const char *recipients[ARGUMENTS_MAX];
        struct sendmail_options o;
        int argc = 0;
        while (argc < ARGUMENTS_MAX && rows[i].argv[argc] != NULL) {
            argv[argc] = (char *)(uintptr_t)rows[i].argv[argc];
            argc++;
        }
        int status = sendmail_options_parse(argc, argv, recipients, &o);
        CHECK(rows[i].name, status == rows[i].status);
        if (status == EX_OK)
            check_row(&rows[i], &o);
        else
            CHECK(rows[i].name, o.complaint[0] != '\0');
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
