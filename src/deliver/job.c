/*
 * job.c - the order of a delivery: look, decide all of it, then commands, then the Maildir, then addresses.
 *
 * Commands come first because they are what fails for now most often: a command that asks for another attempt stops
 * everything behind it, so that the next attempt repeats as little as possible. A command that fails for good does not
 * keep the others from their copy.
 */
#include "deliver/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void
deliver_verdict_set(struct deliver_verdict *v, enum delivery_class class, const char *status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_init_fixed(&v->text, v->text_octets, sizeof(v->text_octets));
    int n = vsnprintf((char *)v->text_octets, sizeof(v->text_octets), format, args);
    va_end(args);
    if (n > 0)
        v->text.len = (size_t)n < sizeof(v->text_octets) ? (size_t)n : sizeof(v->text_octets) - 1;
    v->class = class;
    snprintf(v->status, sizeof(v->status), "%s", status);
}

/* The address in an ORCPT, for X-Original-To. */
static struct span
original_address(struct span original)
{
    struct span type, address;
    return span_cut(original, ';', &type, &address) ? address : original;
}

bool
deliver_message_open(struct deliver_job *job, struct maildir_delivery *ret)
{
    struct disk_file *file = NULL;
    int fd = job->file_fd < 0 ? -1 : fcntl(job->file_fd, F_DUPFD_CLOEXEC, 0);
    if (job->file_fd >= 0 && (fd < 0 || disk_open_fd(job->disk, fd, &file) != ERR_OK)) {
        deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.3.0", "the message's file cannot be read");
        return false;
    }
    *ret = (struct maildir_delivery){
        .sender = job->d.sender,
        .recipient = job->d.recipient,
        .original = original_address(job->d.original),
        .content = job->content,
        .content_file = file,
    };
    return true;
}

/* --- deciding --------------------------------------------------------------------------------------------------- */

static bool
plan_by_aliases(struct deliver_job *job)
{
    struct buf text;
    buf_init(&text, DELIVER_MEMORY_MAX);
    bool is_good = false;
    if (deliver_file_read(USER_DELIVERY_FD_ALIASES, &text) == ERR_OK)
        is_good = deliver_plan_from_aliases(&job->d, buf_span(&text), &job->mem, &job->plan, &job->verdict);
    else
        deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.3.0", "the aliases file cannot be read");
    buf_done(&text);
    return is_good;
}

static bool
home_open(struct deliver_job *job)
{
    char path[1024];
    const char *why = "its path is too long";
    if (span_to_cstr(job->d.home, path, sizeof(path)))
        job->home = deliver_home_open(path, job->d.uid, &why);
    if (job->home < 0)
        deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.2.0", "the home directory: %s", why);
    return job->home >= 0;
}

static bool
plan_by_forward(struct deliver_job *job)
{
    struct buf text;
    bool exists = false;
    const char *why = NULL;
    buf_init(&text, 2 * DELIVER_FORWARD_BYTES_MAX);
    bool is_good = true;
    if (job->d.reads_forward != 0)
        is_good = deliver_forward_read(job->home, job->d.uid, &text, &exists, &why);
    if (!is_good)
        deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.3.5", "~/.forward is not obeyed: %s", why);
    else
        is_good = deliver_plan_from_forward(&job->d, buf_span(&text), &job->mem, &job->plan, &job->verdict);
    buf_done(&text);
    return is_good;
}

/* --- doing ------------------------------------------------------------------------------------------------------ */

/* Set aside the first verdict that is not good, to be the answer at the end. */
static void
worst_keep(struct deliver_job *job, struct deliver_verdict *worst, bool *has_worst)
{
    if (job->verdict.class == DELIVERY_DONE || *has_worst)
        return;
    *has_worst = true;
    *worst = job->verdict;
    buf_init_fixed(&worst->text, worst->text_octets, sizeof(worst->text_octets));
    worst->text.len = job->verdict.text.len;
}

static void
verdict_restore(struct deliver_job *job, const struct deliver_verdict *from)
{
    job->verdict = *from;
    buf_init_fixed(&job->verdict.text, job->verdict.text_octets, sizeof(job->verdict.text_octets));
    job->verdict.text.len = from->text.len;
}

static void
plan_do(struct deliver_job *job)
{
    const struct deliver_plan *plan = &job->plan;
    struct deliver_verdict worst;
    bool has_worst = false;
    deliver_verdict_set(&job->verdict, DELIVERY_DONE, "2.0.0", "%s",
                        plan->forwards.len > 0 ? "forwarded as ~/.forward says" : "thrown away, as /dev/null says");
    for (size_t i = 0; i < plan->command_count; i++) {
        deliver_command_run(job, plan->commands[i]);
        if (job->verdict.class == DELIVERY_DEFERRED)
            return;
        worst_keep(job, &worst, &has_worst);
    }
    if (plan->to_mailbox) {
        deliver_mailbox_write(job);
        if (job->verdict.class == DELIVERY_DEFERRED)
            return;
        worst_keep(job, &worst, &has_worst);
    }
    if (has_worst)
        verdict_restore(job, &worst);
}

void
deliver_job_run(struct deliver_job *job)
{
    bool is_for_user = span_is_empty(job->d.alias);
    if (is_for_user && !home_open(job))
        return;
    if (is_for_user ? plan_by_forward(job) : plan_by_aliases(job))
        plan_do(job);
    if (job->verdict.class == DELIVERY_DEFERRED)
        buf_clear(&job->plan.forwards);
}
