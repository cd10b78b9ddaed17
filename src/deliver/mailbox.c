/*
 * mailbox.c - the Maildir in a home directory, by the code that writes all Maildirs.
 *
 * That code follows no link. What it would only call "denied" is looked at here first, so that the reason can be said.
 */
#include "deliver/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t
wall_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* One name, or two with a slash between; the directory that is written to is never the home itself. */
static bool
name_is_good(const char *name)
{
    const char *slash = strchr(name, '/');
    const char *last = slash == NULL ? name : slash + 1;
    return name[0] != '\0' && name[0] != '.' && name[0] != '/' && last[0] != '\0' && last[0] != '.' &&
           strchr(last, '/') == NULL;
}

/* NULL, or why the Maildir is not written to. What is not there yet will be made. */
static const char *
maildir_fault(const struct deliver_job *job, const char *name)
{
    struct stat st;
    if (fstatat(job->home, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? NULL : strerror(errno);
    if (S_ISLNK(st.st_mode))
        return "it is a symbolic link";
    if (!S_ISDIR(st.st_mode))
        return "it is not a directory";
    return st.st_uid == job->d.uid ? NULL : "it belongs to somebody else";
}

static void
verdict_from_error(struct deliver_verdict *v, const char *name, const struct maildir_delivery *m)
{
    if (m->ret_error == ERR_FULL)
        deliver_verdict_set(v, DELIVERY_DEFERRED, "4.2.2", "the disk or the user's part of it is full");
    else if (m->ret_error == ERR_SYNTAX)
        deliver_verdict_set(v, DELIVERY_FAILED, "5.1.3", "an address cannot stand in a header field");
    else
        deliver_verdict_set(v, DELIVERY_DEFERRED, "4.2.0", "~/%s: %s: %s", name, m->ret_step, err_name(m->ret_error));
}

static void
verdict_from_outcome(struct deliver_verdict *v, const char *name, enum maildir_outcome outcome)
{
    if (outcome == MAILDIR_LOOP)
        deliver_verdict_set(v, DELIVERY_FAILED, "5.4.6", "mail loop: the message was delivered to this address before");
    else
        deliver_verdict_set(v, DELIVERY_DONE, "2.0.0", "delivered to ~/%s", name);
}

static void
write_into(struct deliver_job *job, struct disk_dir *home, const char *name)
{
    struct maildir_names names;
    struct maildir_delivery m;
    char file_name[MAILDIR_NAME_MAX];
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random) || !deliver_message_open(job, &m))
        return;
    maildir_names_init(&names, job->d.hostname, (uint64_t)getpid(), random);
    maildir_name_next(&names, wall_us(), file_name);
    m.mailbox = name;
    m.name = file_name;
    m.now_us = wall_us();
    maildir_deliver(job->disk, home, &m, 1);
    if (m.ret_error != ERR_OK)
        verdict_from_error(&job->verdict, name, &m);
    else
        verdict_from_outcome(&job->verdict, name, m.ret_outcome);
    disk_close(m.content_file);
}

void
deliver_mailbox_write(struct deliver_job *job)
{
    char name[256];
    struct disk_dir *home;
    deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.3.0", "the delivery process lacks something it needs");
    if (!span_to_cstr(job->d.maildir, name, sizeof(name)) || !name_is_good(name)) {
        deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.3.5",
                            "local { maildir } is to be the name of a directory that does not begin with a dot");
        return;
    }
    const char *fault = maildir_fault(job, name);
    if (fault != NULL) {
        deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.2.0", "~/%s: %s", name, fault);
        return;
    }
    int fd = fcntl(job->home, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || disk_dir_open_fd(job->disk, fd, &home) != ERR_OK)
        return;
    write_into(job, home, name);
    disk_dir_close(home);
}
