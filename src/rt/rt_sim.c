/* rt_sim.c - the loop of a simulated world: time, events, processes and their deaths. See rt_sim.h. */
#include "rt/rt_sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "rt/rt_sim_body.h"

enum {
    LOG_BYTES_MAX = 256 * 1024,
    UNWIND_STEPS_MAX = 50000, /* of the fibers of a killed process, until they end */
    STEP_NS = 2000,            /* at most; a fiber's step takes 100 ns and more */
    JOB_START_NS = 50000,      /* at most; until a thread takes a job */
};

#define UNWIND_NS (3600 * NS_PER_S) /* likewise, of its own time */
#define WALL_START_US INT64_C(1767225600000000)

struct sim_timer {
    struct sim_event event;
    struct list node; /* in sim_world.timers */
    struct sim_world *world;
    void (*fn)(void *arg);
    void *arg;
};

/* On the stack of the fiber that waits for it. */
struct sim_job {
    struct sim_event event;
    struct list node; /* in sim_process.jobs */
    struct sim_process *process;
    struct fiber *fiber;
    void (*job)(void *arg);
    void *arg;
    bool has_run;
};

/* --- events --- */

static struct sim_event *
event_of(struct heap_node *node)
{
    return node != NULL ? CONTAINER_OF(node, struct sim_event, node) : NULL;
}

static bool
event_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct sim_event *x = CONTAINER_OF(a, struct sim_event, node), *y = CONTAINER_OF(b, struct sim_event, node);
    return x->at_ns != y->at_ns ? x->at_ns < y->at_ns : x->order < y->order;
}

void
sim_event_cancel(struct sim_world *w, struct sim_event *event)
{
    heap_remove(&w->events, &event->node);
}

void
sim_event_set(struct sim_world *w, struct sim_event *event, int64_t at_ns, void (*fire)(struct sim_event *event))
{
    sim_event_cancel(w, event);
    event->at_ns = at_ns > w->now_ns ? at_ns : w->now_ns;
    event->order = sim_random_next(&w->net_chance);
    event->fire = fire;
    ASSERT(heap_push(&w->events, &event->node) == ERR_OK);
}

int64_t
sim_latency_ns(struct sim_world *w, bool is_local)
{
    int64_t min_ns = w->net.latency_min_ns, max_ns = w->net.latency_max_ns;
    int64_t ns = min_ns + (int64_t)sim_random_below(&w->net_chance, (uint64_t)(max_ns - min_ns) + 1);
    return is_local ? ns / 10 : ns;
}

/* --- the operations of a process --- */

static int64_t
wall_us(struct rt *rt)
{
    struct sim_process *p = sim_process_of(rt);
    return WALL_START_US + p->world->wall_offset_us + p->world->now_ns / 1000;
}

static void
random_fill(struct rt *rt, void *dst, size_t len)
{
    struct sim_process *p = sim_process_of(rt);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t value = sim_random_next(&p->chance);
        memcpy((uint8_t *)dst + i, &value, len - i < 8 ? len - i : 8);
    }
}

static void
log_line(struct rt *rt, struct span line)
{
    struct sim_process *p = sim_process_of(rt);
    if (!sim_has_effect(p))
        return;
    if (p->world->is_printing)
        fprintf(stderr, "%12.6f %s: " SPAN_FMT "\n", (double)p->world->now_ns / 1e9, p->name, SPAN_ARG(line));
    if (p->log.len + line.len + 1 > LOG_BYTES_MAX)
        buf_consume(&p->log, p->log.len / 2);
    buf_append(&p->log, line);
    buf_append_octet(&p->log, '\n');
}

static void
fd_close(struct rt *rt, int fd)
{
    struct sim_process *p = sim_process_of(rt);
    if (!sim_has_effect(p))
        return;
    struct sim_object *object = sim_fd_take(p->world, p, fd);
    ASSERT(object != NULL); /* closed twice, or never its own */
    sim_object_unref(object);
}

static int
fd_dup(struct rt *rt, int fd)
{
    struct sim_process *p = sim_process_of(rt);
    if (!sim_has_effect(p))
        return -1;
    struct sim_object *object = sim_fd_find_any(p->world, p, fd);
    ASSERT(object != NULL); /* not a descriptor of this process */
    object->refs++;
    return sim_fd_new(p->world, object, p);
}

/* --- jobs --- */

static void
job_end(struct sim_event *event)
{
    struct sim_job *job = CONTAINER_OF(event, struct sim_job, event);
    sim_wake(job->fiber, ERR_OK);
}

static void
job_start(struct sim_event *event)
{
    struct sim_job *job = CONTAINER_OF(event, struct sim_job, event);
    struct sim_process *p = job->process;
    struct sim_world *w = p->world;
    disk_sim_set_wall_us(p->disk, wall_us(&p->rt));
    (void)disk_sim_take_cost_ns(p->mount);
    job->has_run = true;
    job->job(job->arg);
    int64_t cost_ns = disk_sim_take_cost_ns(p->mount) + (int64_t)sim_random_below(&w->chance, STEP_NS);
    sim_event_set(w, event, w->now_ns + cost_ns, job_end);
}

static enum err
pool_run(struct fiber *f, void (*job)(void *arg), void *arg)
{
    struct sim_process *p = sim_process_of(f->rt);
    struct sim_world *w = p->world;
    if (!sim_has_effect(p)) { /* its disk refuses everything */
        job(arg);
        return ERR_OK;
    }
    struct sim_job waiting = {.process = p, .fiber = f, .job = job, .arg = arg};
    list_append(&p->jobs, &waiting.node);
    sim_event_set(w, &waiting.event, w->now_ns + (int64_t)sim_random_below(&w->chance, JOB_START_NS), job_start);
    enum err e = fiber_park_uncancelable(f);
    list_unlink(&waiting.node);
    return e;
}

/* The process is gone: what has run is done, what has not finds a disk that refuses everything. */
static void
jobs_drop(struct sim_process *p)
{
    LIST_FOR_EACH(node, &p->jobs) {
        struct sim_job *job = CONTAINER_OF(node, struct sim_job, node);
        sim_event_cancel(p->world, &job->event);
        list_unlink(&job->node);
        if (!job->has_run)
            job->job(job->arg);
        sim_wake(job->fiber, ERR_OK);
    }
}

static const struct rt_body_ops sim_ops = {
    .wall_us = wall_us,
    .random = random_fill,
    .log_line = log_line,
    .pool_run = pool_run,
    .fd_close = fd_close,
    .fd_dup = fd_dup,
    .listener_open = sim_listener_open,
    .listener_close = sim_listener_close,
    .accept = sim_accept,
    .connect = sim_connect,
    .connect_unix = sim_connect_unix,
    .stream_open_fd = sim_stream_open_fd,
    .read = sim_read,
    .write = sim_write,
    .post = sim_post,
    .close = sim_close_stream,
    .packet_open = sim_packet_open,
    .packet_close = sim_packet_close,
    .packet_send = sim_packet_send,
    .packet_recv = sim_packet_recv,
};

/* --- life and death of a process --- */

static void
process_boot(struct sim_process *p)
{
    struct sim_world *w = p->world;
    ASSERT(rt_core_init(&p->rt, &sim_ops, NULL) == ERR_OK);
    p->mount = disk_sim_mount(p->disk);
    p->rt.disk = p->mount;
    p->rt.now_ns = w->now_ns;
    disk_sim_set_fds(p->mount, &(struct disk_sim_fds){sim_fd_give_file, sim_fd_take_file, p});
    p->address.pid = ++w->next_pid;
    p->state = SIM_ALIVE;
}

struct sim_process *
sim_process_new(struct sim_world *w, const char *name, struct disk_sim *disk)
{
    struct sim_process *p = calloc(1, sizeof *p);
    ASSERT(p != NULL);
    p->world = w;
    p->number = ++w->process_count;
    p->name = strdup(name);
    ASSERT(p->name != NULL);
    p->disk = disk != NULL ? disk : w->own_disk;
    p->chance = sim_random_split(&w->chance);
    p->address = (struct stream_address){.family = ADDRESS_IPV4, .ip = {127, 0, 0, 1}, .uid = 1000, .gid = 1000};
    list_init(&p->ends);
    list_init(&p->acceptors);
    list_init(&p->packets);
    list_init(&p->jobs);
    buf_init(&p->log, LOG_BYTES_MAX);
    list_append(&w->processes, &p->node);
    process_boot(p);
    return p;
}

/* From now on nothing it does has any effect. */
static void
process_cut_off(struct sim_process *p, enum sim_exit how)
{
    sim_trace(p->world, 0xdead0000 + p->number);
    p->how = how;
    p->state = SIM_DYING;
    sim_streams_drop(p, how == SIM_EXIT_POWER);
    sim_packets_drop(p);
    sim_fds_drop(p->world, p);
    disk_sim_mount_die(p->mount, 0);
    jobs_drop(p);
}

/* Who does not end when cancelled is a fault of the program under test. */
static void
fibers_drop(struct sim_process *p)
{
    const struct list *lists[] = {&p->rt.ready, &p->rt.parked, &p->rt.idle};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        LIST_FOR_EACH(node, lists[i]) {
            const struct fiber *f = CONTAINER_OF(node, struct fiber, link);
            fprintf(stderr, "%s: fiber %s of a killed process does not end\n", p->name, f->site);
        }
    }
    p->world->dropped_fibers += p->rt.fiber_count;
    rt_core_done(&p->rt);
}

/* Run a fiber of a process that is cut off, or let time pass for it alone. False: nothing can happen any more. */
static bool
steps_or_time(struct sim_process *p, int64_t end_ns)
{
    if (rt_core_step(&p->rt))
        return true;
    int64_t next_ns = rt_core_next_deadline_ns(&p->rt);
    if (next_ns > end_ns)
        return false;
    p->rt.now_ns = next_ns > p->rt.now_ns ? next_ns : p->rt.now_ns;
    rt_core_expire(&p->rt);
    return true;
}

/*
 * Let the fibers of a process that is cut off end, so that their memory is freed; then free the rest of it. The main
 * fiber first: it ends what it began in the order it is used to. Then all.
 */
static void
process_unwind(struct sim_process *p)
{
    int64_t end_ns = p->rt.now_ns + UNWIND_NS;
    unsigned steps = 0, before = UINT32_MAX;
    if (p->main_fiber != NULL) {
        fiber_cancel(p->main_fiber);
        while (p->main_fiber != NULL && steps < UNWIND_STEPS_MAX && steps_or_time(p, end_ns))
            steps++;
    }
    while (p->rt.fiber_count > 0 && steps != before) {
        before = steps;
        rt_core_cancel_all(&p->rt);
        while (steps < 2 * UNWIND_STEPS_MAX && rt_core_step(&p->rt))
            steps++;
    }
    fibers_drop(p);
    sim_streams_free(p);
    sim_packets_free(p);
    disk_sim_unmount(p->mount);
    p->mount = NULL;
    p->main_fiber = NULL;
    p->state = SIM_DEAD;
    if (p->on_exit != NULL)
        p->on_exit(p->on_exit_arg, p, p->how);
}

static bool
is_in_fiber(const struct sim_world *w)
{
    LIST_FOR_EACH(node, &w->processes) {
        if (CONTAINER_OF(node, struct sim_process, node)->rt.running != NULL)
            return true;
    }
    return false;
}

static void
process_end(struct sim_process *p, enum sim_exit how)
{
    if (!sim_has_effect(p))
        return;
    process_cut_off(p, how);
    if (!is_in_fiber(p->world)) /* else the loop does it */
        process_unwind(p);
}

void
sim_process_kill(struct sim_process *p)
{
    process_end(p, SIM_EXIT_KILLED);
}

void
sim_process_kill_after(struct sim_process *p, uint64_t steps)
{
    if (sim_has_effect(p))
        disk_sim_mount_die(p->mount, steps);
}

void
sim_power_cut(struct sim_world *w, struct disk_sim *disk)
{
    disk_sim_crash(disk);
    LIST_FOR_EACH(node, &w->processes) { /* nobody outlives another's on_exit */
        struct sim_process *p = CONTAINER_OF(node, struct sim_process, node);
        if (p->disk == disk && sim_has_effect(p))
            process_cut_off(p, SIM_EXIT_POWER);
    }
    LIST_FOR_EACH(node, &w->processes) {
        struct sim_process *p = CONTAINER_OF(node, struct sim_process, node);
        if (p->state == SIM_DYING && !is_in_fiber(w))
            process_unwind(p);
    }
}

static void
process_main(struct fiber *f, void *arg)
{
    struct sim_process *p = arg;
    p->main_fn(f, p->main_arg);
    p->main_fiber = NULL;
    if (p->state == SIM_ALIVE)
        p->state = SIM_RETURNED;
}

void
sim_process_start(struct sim_process *p, fiber_fn *fn, void *arg)
{
    ASSERT(p->state == SIM_ALIVE || p->state == SIM_DEAD);
    if (p->state == SIM_DEAD)
        process_boot(p);
    p->main_fn = fn;
    p->main_arg = arg;
    ASSERT(fiber_spawn(&p->rt, "sim.main", process_main, p, &p->main_fiber) == ERR_OK);
}

struct rt *
sim_rt(struct sim_process *p)
{
    return &p->rt;
}

void
sim_process_on_exit(struct sim_process *p, void (*fn)(void *arg, struct sim_process *p, enum sim_exit how), void *arg)
{
    p->on_exit = fn;
    p->on_exit_arg = arg;
}

bool
sim_process_is_alive(const struct sim_process *p)
{
    return sim_has_effect(p);
}

const char *
sim_process_name(const struct sim_process *p)
{
    return p->name;
}

struct span
sim_process_log(const struct sim_process *p)
{
    return buf_span(&p->log);
}

void
sim_process_set_ip(struct sim_process *p, enum address_family family, const uint8_t ip[16])
{
    p->address.family = family;
    memcpy(p->address.ip, ip, 16);
}

void
sim_process_set_uid(struct sim_process *p, uint32_t uid)
{
    p->address.uid = p->address.gid = uid;
}

/* --- the world --- */

struct sim_world *
sim_world_new(uint64_t seed)
{
    struct sim_world *w = calloc(1, sizeof *w);
    ASSERT(w != NULL);
    w->chance = (struct sim_random){seed};
    w->net_chance = sim_random_split(&w->chance);
    w->trace = seed;
    w->net = (struct sim_net){50 * NS_PER_US, 500 * NS_PER_US, 25, 0, 64 * 1024};
    heap_init(&w->events, event_before);
    struct list *const lists[] = {&w->processes, &w->listeners, &w->objects, &w->conns, &w->timers, &w->kernels};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        list_init(lists[i]);
    w->own_disk = disk_sim_new(sim_random_next(&w->chance));
    return w;
}

static void
process_free(struct sim_process *p)
{
    list_unlink(&p->node);
    buf_done(&p->log);
    free(p->name);
    free(p);
}

static void
timer_free(struct sim_timer *timer)
{
    sim_event_cancel(timer->world, &timer->event);
    list_unlink(&timer->node);
    free(timer);
}

void
sim_world_free(struct sim_world *w)
{
    if (w == NULL)
        return;
    LIST_FOR_EACH(node, &w->processes)
        CONTAINER_OF(node, struct sim_process, node)->on_exit = NULL;
    LIST_FOR_EACH(node, &w->processes)
        sim_process_kill(CONTAINER_OF(node, struct sim_process, node));
    sim_fds_drop(w, NULL);
    while (!list_is_empty(&w->objects)) { /* descriptors under way in circles */
        struct sim_object *object = CONTAINER_OF(w->objects.next, struct sim_object, node);
        object->refs = 1;
        sim_object_unref(object);
    }
    sim_conns_free(w);
    LIST_FOR_EACH(node, &w->processes)
        process_free(CONTAINER_OF(node, struct sim_process, node));
    LIST_FOR_EACH(node, &w->timers)
        timer_free(CONTAINER_OF(node, struct sim_timer, node));
    LIST_FOR_EACH(node, &w->kernels) {
        struct sim_kernel *kernel = CONTAINER_OF(node, struct sim_kernel, node);
        disk_sim_unmount(kernel->mount);
        free(kernel);
    }
    disk_sim_free(w->own_disk);
    heap_done(&w->events);
    free(w->fds);
    free(w);
}

int64_t
sim_now_ns(const struct sim_world *w)
{
    return w->now_ns;
}

void
sim_wall_jump(struct sim_world *w, int64_t delta_us)
{
    w->wall_offset_us += delta_us;
}

static void
timer_fire(struct sim_event *event)
{
    struct sim_timer *timer = CONTAINER_OF(event, struct sim_timer, event);
    void (*fn)(void *arg) = timer->fn;
    void *arg = timer->arg;
    timer_free(timer);
    fn(arg);
}

void
sim_at(struct sim_world *w, int64_t in_ns, void (*fn)(void *arg), void *arg)
{
    struct sim_timer *timer = calloc(1, sizeof *timer);
    ASSERT(timer != NULL);
    timer->world = w;
    timer->fn = fn;
    timer->arg = arg;
    list_append(&w->timers, &timer->node);
    sim_event_set(w, &timer->event, w->now_ns + in_ns, timer_fire);
}

struct sim_random *
sim_chance(struct sim_world *w)
{
    return &w->chance;
}

uint64_t
sim_trace_hash(const struct sim_world *w)
{
    return w->trace;
}

uint64_t
sim_steps(const struct sim_world *w)
{
    return w->steps;
}

uint64_t
sim_dropped_fibers(const struct sim_world *w)
{
    return w->dropped_fibers;
}

void
sim_print_logs(struct sim_world *w, bool is_printing)
{
    w->is_printing = is_printing;
}

void
sim_set_net(struct sim_world *w, const struct sim_net *net)
{
    ASSERT(net->latency_min_ns >= 0 && net->latency_max_ns >= net->latency_min_ns && net->window_bytes > 0);
    w->net = *net;
}

/* --- the loop --- */

/* Deaths that a disk has caused, and ends that are due. */
static void
processes_settle(struct sim_world *w)
{
    LIST_FOR_EACH(node, &w->processes) {
        struct sim_process *p = CONTAINER_OF(node, struct sim_process, node);
        if (sim_has_effect(p) && disk_sim_is_crashed(p->disk))
            sim_power_cut(w, p->disk);
        else if (sim_has_effect(p) && disk_sim_mount_is_dead(p->mount))
            process_end(p, SIM_EXIT_KILLED);
        else if (p->state == SIM_DYING)
            process_unwind(p);
        if (p->state == SIM_RETURNED)
            rt_core_cancel_all(&p->rt);
        if (p->state == SIM_RETURNED && p->rt.fiber_count == 0)
            process_end(p, SIM_EXIT_RETURNED);
    }
}

/* Fire what is due, the events of this moment in an order of chance. False: nothing was due. */
static bool
event_fire(struct sim_world *w)
{
    struct sim_event *event = event_of(heap_first(&w->events));
    if (event == NULL || event->at_ns > w->now_ns)
        return false;
    heap_remove(&w->events, &event->node);
    sim_trace(w, (uint64_t)event->at_ns);
    event->fire(event);
    return true;
}

/* Set the clocks; any process that has a fiber to run, all alike likely. NULL: none. */
static struct sim_process *
process_pick(struct sim_world *w)
{
    struct sim_process *picked = NULL;
    uint64_t count = 0;
    LIST_FOR_EACH(node, &w->processes) {
        struct sim_process *p = CONTAINER_OF(node, struct sim_process, node);
        if (!sim_has_effect(p))
            continue;
        p->rt.now_ns = w->now_ns;
        rt_core_expire(&p->rt);
        if (rt_core_has_ready(&p->rt) && sim_random_below(&w->chance, ++count) == 0)
            picked = p;
    }
    return picked;
}

/* Most turns go in order, as they do for real; now and then another of the first few goes before. */
static void
ready_shuffle(struct sim_process *p)
{
    uint64_t r = sim_random_next(&p->world->chance);
    if ((r & 7) != 0)
        return;
    struct list *node = p->rt.ready.next;
    for (uint64_t skip = r >> 8 & 7; skip > 0 && node->next != &p->rt.ready; skip--)
        node = node->next;
    list_unlink(node);
    list_prepend(&p->rt.ready, node);
}

static void
process_step(struct sim_world *w, struct sim_process *p)
{
    ready_shuffle(p);
    sim_trace(w, p->number << 32 | p->rt.fiber_count);
    (void)rt_core_step(&p->rt);
    w->steps++;
    w->now_ns += 100 + (int64_t)sim_random_below(&w->chance, STEP_NS);
}

/* Nobody can run: when something will happen. INT64_MAX: never. */
static int64_t
next_ns(const struct sim_world *w)
{
    struct sim_event *event = event_of(heap_first(&w->events));
    int64_t at_ns = event != NULL ? event->at_ns : INT64_MAX;
    LIST_FOR_EACH(node, &w->processes) {
        struct sim_process *p = CONTAINER_OF(node, struct sim_process, node);
        int64_t deadline_ns = sim_has_effect(p) ? rt_core_next_deadline_ns(&p->rt) : INT64_MAX;
        at_ns = deadline_ns < at_ns ? deadline_ns : at_ns;
    }
    return at_ns;
}

static bool
run(struct sim_world *w, bool (*done)(void *arg), void *arg, int64_t for_ns)
{
    int64_t end_ns = for_ns < INT64_MAX - w->now_ns ? w->now_ns + for_ns : INT64_MAX;
    ASSERT(!w->is_running);
    w->is_running = true;
    bool is_done = false;
    for (;;) {
        processes_settle(w);
        is_done = done != NULL && done(arg);
        if (is_done || w->now_ns >= end_ns)
            break;
        if (event_fire(w))
            continue;
        struct sim_process *p = process_pick(w);
        if (p != NULL) {
            process_step(w, p);
            continue;
        }
        int64_t at_ns = next_ns(w);
        if (at_ns > end_ns || at_ns == INT64_MAX) {
            w->now_ns = end_ns < INT64_MAX ? end_ns : w->now_ns;
            break;
        }
        w->now_ns = at_ns > w->now_ns ? at_ns : w->now_ns;
    }
    w->is_running = false;
    return is_done;
}

bool
sim_run_until(struct sim_world *w, bool (*done)(void *arg), void *arg, int64_t for_ns)
{
    return run(w, done, arg, for_ns);
}

void
sim_run_for(struct sim_world *w, int64_t for_ns)
{
    (void)run(w, NULL, NULL, for_ns);
}
