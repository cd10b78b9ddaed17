/*
 * main.c - godwit-deliver: read what is to be done, become the user, do it, answer.
 *
 * Started by the parent alone, with the descriptors of store/user_delivery.h. Exit status 0 when there is an answer.
 */
#include "deliver/deliver.h"

#include "rt/rt_real.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { CONTENT_BYTES_MAX = 64 * 1024 };

static bool
answer_write(const struct deliver_job *job)
{
    const struct user_delivery_result result = {
        .class = job->verdict.class,
        .status = span_from_cstr(job->verdict.status),
        .text = buf_span(&job->verdict.text),
        .forwards = buf_span(&job->plan.forwards),
    };
    struct buf bytes;
    buf_init(&bytes, USER_DELIVERY_RESULT_BYTES_MAX);
    bool is_good = user_delivery_result_encode(&result, &bytes) == ERR_OK &&
                   pwrite(USER_DELIVERY_FD_RESULT, bytes.data, bytes.len, 0) == (ssize_t)bytes.len;
    buf_done(&bytes);
    return is_good;
}

static bool
content_read(struct deliver_job *job, struct buf *content)
{
    buf_init(content, CONTENT_BYTES_MAX + 16 * 1024);
    if (deliver_file_read(USER_DELIVERY_FD_CONTENT, content) == ERR_OK) {
        job->content = buf_span(content);
        return true;
    }
    deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.3.0", "the message cannot be read");
    return false;
}

static int64_t
deadline_after(uint64_t time_ms)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec + (int64_t)time_ms * NS_PER_MS;
}

static int
deliver(struct deliver_job *job)
{
    struct buf content;
    buf_init(&content, 0);
    arena_init(&job->mem, DELIVER_MEMORY_MAX);
    job->deadline_ns = deadline_after(job->d.time_ms);
    job->file_fd = job->d.has_file != 0 ? USER_DELIVERY_FD_FILE : -1;
    job->disk = disk_real_new();
    deliver_verdict_set(&job->verdict, DELIVERY_DEFERRED, "4.3.0", "no memory");
    if (deliver_identity_take(&job->d, &job->verdict) && job->disk != NULL && content_read(job, &content))
        deliver_job_run(job);
    bool is_answered = answer_write(job);
    deliver_plan_done(&job->plan);
    buf_done(&content);
    arena_clear(&job->mem);
    if (job->home >= 0)
        close(job->home);
    disk_real_free(job->disk);
    return is_answered ? EX_OK : EX_TEMPFAIL;
}

int
main(void)
{
    struct buf record;
    struct deliver_job *job = calloc(1, sizeof(*job));
    (void)signal(SIGPIPE, SIG_IGN);
    buf_init(&record, 2 * USER_DELIVERY_BYTES_MAX);
    int status = EX_SOFTWARE;
    if (job != NULL && deliver_file_read(USER_DELIVERY_FD_RECORD, &record) == ERR_OK &&
        user_delivery_parse(buf_span(&record), &job->d) == ERR_OK) {
        job->home = -1;
        status = deliver(job);
    }
    buf_done(&record);
    free(job);
    return status;
}
