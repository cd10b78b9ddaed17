/*
 * spool_crash.c - the spool stopped at every step of its work, by power cut, by kill and by failing sync.
 *
 * usage: spool_crash MODE [--expect-loss]
 *
 * A workload is run once to count its disk steps, then again for each step, stopped there. MODE:
 *   power   the power fails; each crash is looked at with several seeds (what of the unsynced survived)
 *   kill    the process is killed (the page cache survives); then the power fails during or after recovery
 *   sync    each sync of data, each sync of a directory fails: the process ends, starts again, then the power fails
 *   full    each step meets a full disk once, the work goes on; then the power fails
 *   all     all of them
 * After each recovery the spool is held against the model, works on, is stopped again and recovers again.
 * With --expect-loss (the negative controls, whose spool lacks a sync or a check) success is that a violation was
 * found.
 */
#include <stdio.h>
#include <string.h>

#include "crash/spool_workload.h"

enum {
    ACTIONS = 700,       /* of the workload that is stopped */
    MORE_ACTIONS = 30,   /* after each recovery */
    REBOOT_SEEDS = 3,
};

static const uint64_t WORKLOAD_SEEDS[] = {4711, 1830};

struct verdict {
    uint64_t crashes;
    uint64_t recoveries;
    uint64_t violations;
    bool stops_at_first; /* a negative control needs one violation only */
    uint64_t workload_seed;
};

static bool
is_enough(const struct verdict *v)
{
    return v->stops_at_first && v->violations > 0;
}

/* Open, hold against the model, go on working, power cut at the end or in the middle, open and check again. */
static void
recover_twice(struct verdict *v, const struct workload *crashed, struct disk_sim *sim, uint64_t seed, const char *phase)
{
    struct workload *w = malloc(sizeof(*w));
    ASSERT(w != NULL);
    workload_fork(w, crashed, sim);
    w->phase = phase;
    w->seed = seed;
    w->is_quiet = v->stops_at_first;
    w->random = (struct sim_random){seed * 31 + 7};
    enum err e = workload_open(w);
    if (e != ERR_OK)
        workload_violation(w, "recovery: %s", err_name(e));
    else
        workload_check(w);
    v->recoveries++;
    if (w->violations == 0) {
        uint64_t stop = disk_sim_steps(sim) + 1 + sim_random_below(&w->random, 120);
        disk_sim_crash_at(sim, seed % 3 == 0 ? 0 : stop);
        e = workload_run(w, MORE_ACTIONS);
        if (e != ERR_OK && !disk_sim_is_crashed(sim))
            workload_violation(w, "work after recovery: %s", err_name(e));
        workload_kill(w);
        disk_sim_reboot(sim, seed + 1000);
        e = workload_open(w);
        if (e != ERR_OK)
            workload_violation(w, "second recovery: %s", err_name(e));
        else
            workload_check(w);
        v->recoveries++;
    }
    v->violations += w->violations;
    workload_done(w);
    free(w);
}

/* The workload up to the end or to the fault that `arm` prepares; the disk is as it was left. */
static enum err
run_until(struct workload *w, uint64_t seed, struct disk_sim *sim, void (*arm)(struct disk_sim *sim, uint64_t n),
          uint64_t n)
{
    workload_init(w, sim, seed);
    w->step_number = n;
    arm(sim, n);
    enum err e = workload_open(w);
    return e == ERR_OK ? workload_run(w, ACTIONS) : e;
}

static void
arm_crash(struct disk_sim *sim, uint64_t step)
{
    disk_sim_crash_at(sim, step);
}

static void
arm_data_sync(struct disk_sim *sim, uint64_t n)
{
    disk_sim_fail_data_sync(sim, n);
}

static void
arm_dir_sync(struct disk_sim *sim, uint64_t n)
{
    disk_sim_fail_dir_sync(sim, n);
}

static void
arm_full(struct disk_sim *sim, uint64_t step)
{
    disk_sim_fail_at(sim, step, ERR_FULL);
}

static void
crash_power(struct verdict *v, uint64_t step)
{
    struct disk_sim *sim = disk_sim_new(step);
    struct workload *w = malloc(sizeof(*w));
    ASSERT(w != NULL);
    enum err ignored = run_until(w, v->workload_seed, sim, arm_crash, step);
    (void)ignored;
    v->violations += w->violations;
    v->crashes++;
    workload_kill(w);
    for (uint64_t seed = 1; seed <= REBOOT_SEEDS && !is_enough(v); seed++) {
        struct disk_sim *after = disk_sim_clone(sim);
        disk_sim_reboot(after, step * 16 + seed);
        recover_twice(v, w, after, step * 16 + seed, "power");
        disk_sim_free(after);
    }
    workload_done(w);
    free(w);
    disk_sim_free(sim);
}

/* Killed at a step: what was written stays in the cache. The power fails while the next start recovers, or later. */
static void
crash_kill(struct verdict *v, uint64_t step)
{
    struct disk_sim *sim = disk_sim_new(step);
    struct workload *w = malloc(sizeof(*w));
    ASSERT(w != NULL);
    workload_init(w, sim, v->workload_seed);
    w->step_number = step;
    disk_sim_fail_at(sim, step, ERR_IO);
    enum err e = workload_open(w);
    if (e == ERR_OK)
        e = workload_run(w, ACTIONS);
    v->violations += w->violations;
    v->crashes++;
    struct disk_sim *after = disk_sim_clone(sim); /* mounts, and with them the process, are not cloned */
    workload_kill(w);
    if (step % 2 == 0) {
        disk_sim_crash_at(after, disk_sim_steps(after) + 1 + step % 7);
        struct harness h;
        harness_init(&h, after, step);
        enum err ignored = harness_open(&h);
        (void)ignored;
        harness_done(&h);
        disk_sim_reboot(after, step);
    }
    recover_twice(v, w, after, step * 16 + 5, "kill");
    disk_sim_free(after);
    workload_done(w);
    free(w);
    disk_sim_free(sim);
}

/*
 * A sync fails: the process has to end by itself; the next start must not believe the cache (I5). False: no such sync.
 */
static bool
fail_sync(struct verdict *v, void (*arm)(struct disk_sim *sim, uint64_t n), uint64_t n)
{
    struct disk_sim *sim = disk_sim_new(n + 77);
    struct workload *w = malloc(sizeof(*w));
    ASSERT(w != NULL);
    enum err e = run_until(w, v->workload_seed, sim, arm, n);
    bool is_hit = e == ERR_IO;
    v->violations += w->violations;
    struct disk_sim *killed = disk_sim_clone(sim), *cut = disk_sim_clone(sim);
    workload_kill(w);
    if (is_hit) {
        v->crashes++;
        recover_twice(v, w, killed, n * 16 + 9, "sync, then a restart");
        disk_sim_reboot(cut, n);
        if (!is_enough(v))
            recover_twice(v, w, cut, n * 16 + 10, "sync, then a power cut");
    } else if (e != ERR_OK) {
        workload_violation(w, "run with a failing sync: %s", err_name(e));
        v->violations++;
    }
    disk_sim_free(killed);
    disk_sim_free(cut);
    workload_done(w);
    free(w);
    disk_sim_free(sim);
    return is_hit;
}

static void
meet_full(struct verdict *v, uint64_t step)
{
    struct disk_sim *sim = disk_sim_new(step);
    struct workload *w = malloc(sizeof(*w));
    ASSERT(w != NULL);
    enum err e = run_until(w, v->workload_seed, sim, arm_full, step);
    bool is_open = w->h.spool != NULL; /* a full disk may forbid the creation of the spool */
    if (is_open && e != ERR_OK && e != ERR_IO)
        workload_violation(w, "full disk: %s", err_name(e));
    v->violations += w->violations;
    v->crashes++;
    workload_kill(w);
    struct disk_sim *after = disk_sim_clone(sim);
    disk_sim_reboot(after, step);
    recover_twice(v, w, after, step * 16 + 3, "full");
    disk_sim_free(after);
    workload_done(w);
    free(w);
    disk_sim_free(sim);
}

/* The workload without any fault; also a first check of the spool. */
static uint64_t
count_steps(struct verdict *v)
{
    struct disk_sim *sim = disk_sim_new(0);
    struct workload *w = malloc(sizeof(*w));
    ASSERT(w != NULL);
    enum err e = run_until(w, v->workload_seed, sim, arm_crash, 0);
    w->is_quiet = v->stops_at_first;
    if (e != ERR_OK)
        workload_violation(w, "without any fault: %s", err_name(e));
    else
        workload_check(w);
    v->violations += w->violations;
    struct spool_stats stats = {0};
    if (w->h.spool != NULL)
        spool_stats_get(w->h.spool, &stats);
    uint64_t steps = disk_sim_steps(sim);
    printf("workload: %llu steps, %u messages, %llu live, %u segments, %llu bytes copied by the last process\n",
           (unsigned long long)steps, (unsigned)w->message_count, (unsigned long long)stats.messages,
               (unsigned)stats.segments,
           (unsigned long long)stats.copied_bytes);
    workload_done(w);
    free(w);
    disk_sim_free(sim);
    return steps;
}

static void
run_mode(struct verdict *v, const char *mode, uint64_t steps)
{
    bool is_all = strcmp(mode, "all") == 0;
    for (uint64_t step = 1; step <= steps && !is_enough(v); step++) {
        if (is_all || strcmp(mode, "power") == 0)
            crash_power(v, step);
        if (!is_enough(v) && (is_all || strcmp(mode, "kill") == 0))
            crash_kill(v, step);
        if (!is_enough(v) && (is_all || strcmp(mode, "full") == 0))
            meet_full(v, step);
    }
    if (!is_all && strcmp(mode, "sync") != 0)
        return;
    for (uint64_t n = 0; !is_enough(v) && fail_sync(v, arm_data_sync, n); n++)
        continue;
    for (uint64_t n = 0; !is_enough(v) && fail_sync(v, arm_dir_sync, n); n++)
        continue;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s power|kill|sync|full|all [--expect-loss]\n", argv[0]);
        return 64;
    }
    bool expects_loss = argc > 2 && strcmp(argv[2], "--expect-loss") == 0;
    struct verdict v = {.stops_at_first = expects_loss};
    for (size_t i = 0; i < ARRAY_LEN(WORKLOAD_SEEDS) && !is_enough(&v); i++) {
        v.workload_seed = WORKLOAD_SEEDS[i];
        run_mode(&v, argv[1], count_steps(&v));
    }
    printf("%s: %llu stops, %llu recoveries, %llu violations\n", argv[1], (unsigned long long)v.crashes,
           (unsigned long long)v.recoveries, (unsigned long long)v.violations);
    if (expects_loss)
        return v.violations > 0 ? 0 : 1;
    return v.violations == 0 && v.crashes > 0 ? 0 : 1;
}
