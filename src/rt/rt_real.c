/*
 * rt_real.c - the loop of one process of Linux.
 *
 * A turn: read the clock, wake whom a deadline has passed, run ready fibers until none is left (or TURN_STEPS_MAX have
 * run), write the log, wait for events. Nothing here blocks but that wait. libuv offers the wait, the signals, the
 * thread pool and its wake-up; descriptors are ours (real_socket.c).
 */
#include "rt/rt_real.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "rt/rt_real_body.h"

enum {
    TURN_STEPS_MAX = 512,     /* fibers run between two looks at the sockets */
    TRIM_COUNT_MAX = 64,      /* stacks trimmed a turn */
    LOG_SLICE_BYTES = 4096,   /* PIPE_BUF: lines of several processes do not mix, a pipe with room takes it at once */
};

#define TRIM_AGE_NS NS_PER_S
#define END_LINGER_NS (500 * NS_PER_MS) /* how long the end of a process waits for peers to read its last words */

static int64_t
clock_ns(clockid_t clock)
{
    struct timespec t;
    int failed = clock_gettime(clock, &t);
    ASSERT(failed == 0);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t
real_wall_us(struct rt *rt)
{
    (void)rt;
    return clock_ns(CLOCK_REALTIME) / NS_PER_US;
}

static void
random_draw(uint8_t *dst, size_t len)
{
    while (len > 0) {
        ssize_t n = getrandom(dst, len, 0);
        ASSERT(n > 0 || errno == EINTR);
        if (n > 0) {
            dst += n;
            len -= (size_t)n;
        }
    }
}

static void
real_random(struct rt *rt, void *dst, size_t len)
{
    struct rt_real *r = rt_real_of(rt);
    if (len > sizeof(r->random) / 4) {
        random_draw(dst, len);
        return;
    }
    if (r->random_left < len) {
        random_draw(r->random, sizeof(r->random));
        r->random_left = sizeof(r->random);
    }
    r->random_left -= len;
    memcpy(dst, r->random + r->random_left, len);
    memset(r->random + r->random_left, 0, len);
}

/* --- the log sink ------------------------------------------------------------------------------------------------- */

/* The length of the leading whole lines that fit a slice; one longer line counts as it is. */
static size_t
log_slice(const struct rt_real *r, size_t from)
{
    size_t left = r->log_len - from;
    if (left <= LOG_SLICE_BYTES)
        return left;
    size_t at = span_find_last(span_of(r->log + from, LOG_SLICE_BYTES), '\n');
    if (at < LOG_SLICE_BYTES)
        return at + 1;
    return span_find(span_of(r->log + from, left), '\n') + 1;
}

static void
log_flush(struct rt_real *r)
{
    size_t done = 0;
    while (done < r->log_len) {
        struct pollfd sink = {.fd = r->log_fd, .events = POLLOUT};
        if (poll(&sink, 1, 0) == 0)
            break; /* full: keep what there is for the next turn */
        size_t slice = log_slice(r, done);
        ssize_t n = write(r->log_fd, r->log + done, slice);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        done += n > 0 ? (size_t)n : slice; /* a sink that is gone takes everything */
    }
    if (done > 0)
        memmove(r->log, r->log + done, r->log_len - done);
    r->log_len -= done;
}

static void
real_log_line(struct rt *rt, struct span line)
{
    struct rt_real *r = rt_real_of(rt);
    if (r->log_fd < 0)
        return;
    if (line.len >= sizeof(r->log) - r->log_len)
        log_flush(r);
    if (line.len >= sizeof(r->log) - r->log_len) {
        r->log_dropped++;
        return;
    }
    if (line.len > 0)
        memcpy(r->log + r->log_len, line.data, line.len);
    r->log_len += line.len;
    r->log[r->log_len++] = '\n';
}

uint64_t
rt_real_log_dropped(const struct rt *rt)
{
    return CONTAINER_OF(rt, const struct rt_real, rt)->log_dropped;
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

/* On the stack of the fiber that waits for it, deaf to everything else. */
struct pool_job {
    uv_work_t work;
    struct fiber *fiber;
    void (*job)(void *arg);
    void *arg;
};

static void
pool_job_run(uv_work_t *work)
{
    struct pool_job *j = CONTAINER_OF(work, struct pool_job, work);
    j->job(j->arg);
}

static void
pool_job_done(uv_work_t *work, int status)
{
    ASSERT(status == 0); /* nobody cancels it */
    fiber_unpark(CONTAINER_OF(work, struct pool_job, work)->fiber, ERR_OK);
}

static enum err
real_pool_run(struct fiber *f, void (*job)(void *arg), void *arg)
{
    struct pool_job j = {.fiber = f, .job = job, .arg = arg};
    if (uv_queue_work(&rt_real_of(f->rt)->loop, &j.work, pool_job_run, pool_job_done) != 0)
        return ERR_LIMIT;
    return fiber_park_uncancelable(f);
}

static void
real_fd_close(struct rt *rt, int fd)
{
    (void)rt;
    close(fd);
}

static int
real_fd_dup(struct rt *rt, int fd)
{
    (void)rt;
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static const struct rt_body_ops real_ops = {
    .wall_us = real_wall_us,
    .random = real_random,
    .log_line = real_log_line,
    .pool_run = real_pool_run,
    .fd_close = real_fd_close,
    .fd_dup = real_fd_dup,
    .listener_open = real_listener_open,
    .listener_close = real_listener_close,
    .accept = real_accept,
    .connect = real_connect,
    .connect_unix = real_connect_unix,
    .stream_open_fd = real_stream_open_fd,
    .read = real_stream_read,
    .write = real_stream_write,
    .post = real_stream_post,
    .close = real_stream_close,
    .packet_open = real_packet_open,
    .packet_close = real_packet_close,
    .packet_send = real_packet_send,
    .packet_recv = real_packet_recv,
};

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static void
timer_fired(uv_timer_t *timer)
{
    CONTAINER_OF(timer, struct rt_real, timer)->timer_at_ns = INT64_MAX;
    uv_stop(timer->loop); /* one that is due fires before the wait: uv_run() must not wait for another event then */
}

static void
keeper_woken(uv_async_t *keeper)
{
    (void)keeper;
}

static void
stop_signaled(uv_signal_t *handle, int signal_number)
{
    (void)signal_number;
    rt_stop(handle->data);
}

/*
 * Have the loop wake at `at_ns`. An earlier alarm that is already set stays: it wakes once for nothing, which is
 * cheaper.
 */
static void
alarm_set(struct rt_real *r, int64_t at_ns)
{
    if (at_ns >= r->timer_at_ns)
        return;
    int64_t wait_ns = at_ns - clock_ns(CLOCK_MONOTONIC);
    uint64_t wait_ms = wait_ns <= 0 ? 0 : ((uint64_t)wait_ns + (uint64_t)NS_PER_MS - 1) / (uint64_t)NS_PER_MS;
    uv_update_time(&r->loop);
    int error = uv_timer_start(&r->timer, timer_fired, wait_ms, 0);
    ASSERT(error == 0);
    r->timer_at_ns = at_ns;
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void
loop_turn(struct rt_real *r)
{
    struct rt *rt = &r->rt;
    rt->now_ns = clock_ns(CLOCK_MONOTONIC);
    rt_core_expire(rt);
    for (int steps = 0; steps < TURN_STEPS_MAX && rt_core_step(rt); steps++)
        ;
    if (r->log_len > 0)
        log_flush(r);
    int64_t linger_ns = real_linger_expire(r, rt->now_ns);
    int64_t trim_ns = rt_core_trim(rt, TRIM_AGE_NS, TRIM_COUNT_MAX);
    if (r->is_ending)
        rt_core_cancel_all(rt); /* each turn: one that unwinds may have started another */
    if (rt_core_has_ready(rt) || (r->is_ending && rt->fiber_count == 0)) {
        uv_run(&r->loop, UV_RUN_NOWAIT);
        return;
    }
    int64_t wake_ns = earlier(rt_core_next_deadline_ns(rt), earlier(linger_ns, trim_ns));
    if (r->log_len > 0)
        wake_ns = earlier(wake_ns, rt->now_ns + 10 * NS_PER_MS);
    if (wake_ns != INT64_MAX)
        alarm_set(r, wake_ns);
    uv_run(&r->loop, UV_RUN_ONCE);
}

struct first_fiber {
    fiber_fn *fn;
    void *arg;
};

static void
first_fiber_run(struct fiber *f, void *arg)
{
    struct first_fiber *first = arg;
    first->fn(f, first->arg);
    rt_real_of(f->rt)->is_ending = true;
}

enum err
rt_real_run(struct rt *rt, fiber_fn *fn, void *arg)
{
    struct rt_real *r = rt_real_of(rt);
    struct first_fiber first = {.fn = fn, .arg = arg};
    TRY(fiber_spawn(rt, "rt.main", first_fiber_run, &first, NULL));
    while (rt->fiber_count > 0)
        loop_turn(r);
    r->is_ending = false;
    struct deadline by = deadline_in(rt, END_LINGER_NS);
    while (r->linger_count > 0 && rt->now_ns < by.at_ns) {
        alarm_set(r, by.at_ns);
        loop_turn(r);
    }
    log_flush(r);
    return ERR_OK;
}

/* --- making and ending it ----------------------------------------------------------------------------------------- */

static enum err
loop_open(struct rt_real *r)
{
    if (uv_loop_init(&r->loop) != 0)
        return ERR_LIMIT;
    r->is_loop_open = true;
    bool ok = uv_timer_init(&r->loop, &r->timer) == 0 && uv_async_init(&r->loop, &r->keeper, keeper_woken) == 0;
    static const int numbers[ARRAY_LEN(r->stop_signals)] = {SIGTERM, SIGINT};
    for (size_t i = 0; ok && r->catches_signals && i < ARRAY_LEN(r->stop_signals); i++) {
        ok = uv_signal_init(&r->loop, &r->stop_signals[i]) == 0;
        r->stop_signals[i].data = &r->rt;
        ok = ok && uv_signal_start(&r->stop_signals[i], stop_signaled, numbers[i]) == 0;
    }
    return ok ? ERR_OK : ERR_LIMIT;
}

/* libuv reads the size of its pool from the environment when the first job is queued. */
static void
pool_size_set(unsigned threads)
{
    char number[16];
    snprintf(number, sizeof(number), "%u", threads == 0 ? (unsigned)RT_REAL_POOL_THREADS : threads);
    setenv("UV_THREADPOOL_SIZE", number, threads != 0);
}

enum err
rt_real_new(const struct rt_real_options *options, struct rt **ret)
{
    static const struct rt_real_options defaults = {.log_fd = STDERR_FILENO};
    if (options == NULL)
        options = &defaults;
    struct rt_real *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_LIMIT;
    list_init(&r->sockets);
    list_init(&r->lingering);
    list_init(&r->processes);
    r->timer_at_ns = INT64_MAX;
    r->log_fd = options->log_fd;
    r->catches_signals = options->catches_signals;
    pool_size_set(options->pool_threads);
    signal(SIGPIPE, SIG_IGN);
    struct disk *disk = disk_real_new();
    enum err e = disk == NULL ? ERR_LIMIT : rt_core_init(&r->rt, &real_ops, disk);
    if (e == ERR_OK)
        e = loop_open(r);
    if (e != ERR_OK) {
        rt_real_free(&r->rt);
        return e;
    }
    if (options->fibers_max != 0)
        r->rt.fiber_max = options->fibers_max;
    r->rt.now_ns = clock_ns(CLOCK_MONOTONIC);
    *ret = &r->rt;
    return ERR_OK;
}

static void
handle_close(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void
loop_close(struct rt_real *r)
{
    real_processes_done(r);
    for (struct list *link = list_take_first(&r->sockets); link != NULL; link = list_take_first(&r->sockets)) {
        struct real_socket *s = CONTAINER_OF(link, struct real_socket, link);
        s->reader = s->writer = NULL; /* of fibers that were dropped */
        real_socket_close(s);
    }
    uv_walk(&r->loop, handle_close, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT); /* ends when the last handle is closed and the last job has returned */
    int error = uv_loop_close(&r->loop);
    ASSERT(error == 0);
}

void
rt_real_free(struct rt *rt)
{
    if (rt == NULL)
        return;
    struct rt_real *r = rt_real_of(rt);
    if (r->is_loop_open)
        loop_close(r);
    rt_core_done(rt);
    if (r->log_len > 0)
        log_flush(r);
    disk_real_free(rt->disk);
    free(r);
}

struct uv_loop_s *
rt_real_loop(struct rt *rt)
{
    return &rt_real_of(rt)->loop;
}
