/*
 * mail_sim_test.c - promise 1, end to end: what was answered 250 arrives, whole, whatever dies meanwhile.
 *
 * Many worlds, a seed each: clients send mail to several accounts while processes are killed, the power is cut and
 * connections break. Afterwards all is left in peace, and every message answered 250 must be in the Maildir of each
 * recipient, none lost or damaged, at most one repeat for each crash (I1, I3). Negative controls show that the test
 * would notice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim_mail.h"

static const char config[] =
    "hostname mx.example.org;\n"
    "postmaster admin@example.org;\n"
    "listener mx { address 192.0.2.1:25; }\n"
    "domain example.org { recipients accounts; }\n"
    "domain example.net { recipients accounts; }\n"
    "limits { rcpt-failures 1000; sessions-per-address 1000; }\n"
    "delivery { schedule 1s 2s 5s 10s; }\n";

static const char *const accounts[] = {"admin@example.org", "alice@example.org", "bob@example.org", "carol@example.net",
                                       "dan@example.net",   NULL};

/* What goes wrong in one world. */
struct trouble {
    const char *name;
    unsigned kills;        /* of processes */
    unsigned stops;        /* of processes, in order */
    unsigned power_cuts;
    unsigned failed_syncs;
    unsigned full_disks;   /* times that the disk is full for a while */
    unsigned clock_jumps;  /* of the wall clock, up to an hour either way */
    uint32_t reset_ppm;    /* of pieces sent on connections */
    int64_t for_ns;        /* within this time */
    bool ignores_data_syncs; /* negative controls */
    bool ignores_dir_syncs;
};

struct scenario {
    struct sim_cluster *cluster;
    struct sim_random chance;
};

struct victim {
    enum ipc_role role;
    uint16_t instance;
};

static struct victim
victim_pick(struct scenario *s)
{
    static const struct victim victims[] = {{ROLE_EDGE, 0},      {ROLE_EDGE, 1},    {ROLE_QUEUE, 0},
                                            {ROLE_QUEUE, 0},     {ROLE_LOCAL, 0},   {ROLE_LOCAL, 0},
                                            {ROLE_DIRECTORY, 0}, {ROLE_CONTROL, 0}, {ROLE_RESOLVER, 0}};
    return victims[sim_random_below(&s->chance, ARRAY_LEN(victims))];
}

static void
kill_something(void *arg)
{
    struct scenario *s = arg;
    struct victim v = victim_pick(s);
    if (sim_random_chance(&s->chance, 1, 2))
        sim_cluster_kill(s->cluster, v.role, v.instance);
    else
        sim_cluster_kill_after(s->cluster, v.role, v.instance, sim_random_below(&s->chance, 20));
}

static void
stop_something(void *arg)
{
    struct scenario *s = arg;
    struct victim v = victim_pick(s);
    sim_cluster_stop(s->cluster, v.role, v.instance, (uint32_t)sim_random_below(&s->chance, 2000));
}

static void
cut_power(void *arg)
{
    struct scenario *s = arg;
    if (sim_random_chance(&s->chance, 1, 4))
        sim_cluster_cut_power(s->cluster);
    else
        sim_cluster_cut_power_after(s->cluster, sim_random_below(&s->chance, 60));
}

static void
fail_sync(void *arg)
{
    struct scenario *s = arg;
    if (sim_random_chance(&s->chance, 3, 4))
        disk_sim_fail_data_sync(sim_cluster_disk(s->cluster), sim_random_below(&s->chance, 6));
    else
        disk_sim_fail_dir_sync(sim_cluster_disk(s->cluster), sim_random_below(&s->chance, 6));
}

static void
empty_disk(void *arg)
{
    struct scenario *s = arg;
    disk_sim_set_capacity(sim_cluster_disk(s->cluster), UINT64_MAX);
}

static void
fill_disk(void *arg)
{
    struct scenario *s = arg;
    struct disk_sim *disk = sim_cluster_disk(s->cluster);
    disk_sim_set_capacity(disk, disk_sim_used_bytes(disk) + sim_random_below(&s->chance, 300000));
    int64_t full_ns = (int64_t)sim_random_below(&s->chance, (uint64_t)(3 * NS_PER_S));
    sim_at(sim_cluster_world(s->cluster), full_ns, empty_disk, s);
}

static void
jump_clock(void *arg)
{
    struct scenario *s = arg;
    const int64_t hour_us = INT64_C(3600000000);
    int64_t delta_us = (int64_t)sim_random_below(&s->chance, (uint64_t)(2 * hour_us)) - hour_us;
    sim_wall_jump(sim_cluster_world(s->cluster), delta_us);
}

static void
trouble_plan(struct scenario *s, const struct trouble *t)
{
    struct sim_world *w = sim_cluster_world(s->cluster);
    const struct {
        unsigned count;
        void (*happen)(void *arg);
    } plans[] = {{t->kills, kill_something},    {t->stops, stop_something},  {t->power_cuts, cut_power},
                 {t->failed_syncs, fail_sync}, {t->full_disks, fill_disk}, {t->clock_jumps, jump_clock}};
    for (size_t i = 0; i < ARRAY_LEN(plans); i++)
        for (unsigned j = 0; j < plans[i].count; j++)
            sim_at(w, (int64_t)sim_random_below(&s->chance, (uint64_t)t->for_ns), plans[i].happen, s);
    sim_set_net(w, &(struct sim_net){50 * NS_PER_US, 5 * NS_PER_MS, 25, t->reset_ppm, 64 * 1024});
    disk_sim_ignore_data_syncs(sim_cluster_disk(s->cluster), t->ignores_data_syncs);
    disk_sim_ignore_dir_syncs(sim_cluster_disk(s->cluster), t->ignores_dir_syncs);
}

/* What could each repeat a delivery. A failed sync of a Maildir's directory is one: the message may be there (D3). */
static unsigned
crashes_of(const struct scenario *s, const struct trouble *t)
{
    return sim_cluster_deaths(s->cluster) + sim_cluster_power_cuts(s->cluster) + t->failed_syncs;
}

static void
operate(struct scenario *s, const char *verb, const char *argument)
{
    struct sim_command command = {.arguments = {verb, argument}};
    sim_cluster_command(s->cluster, &command);
    sim_command_done(&command);
}

/* The operator's word for it. */
static bool
is_queue_empty(struct scenario *s, bool is_printing)
{
    struct sim_command command = {.arguments = {"queue-list"}};
    sim_cluster_command(s->cluster, &command);
    bool is_empty = command.status == 0 && span_equal(buf_span(&command.output), SPAN("The queue is empty.\n"));
    if (!is_empty && is_printing)
        fprintf(stderr, "queue list: %d " SPAN_FMT SPAN_FMT, command.status, SPAN_ARG(buf_span(&command.output)),
                SPAN_ARG(buf_span(&command.errors)));
    sim_command_done(&command);
    return is_empty;
}

/* No more trouble: wait until everything acknowledged has arrived, for a while. */
static void
peace_await(struct scenario *s, const struct trouble *t, struct mail_load *load)
{
    struct sim_world *w = sim_cluster_world(s->cluster);
    sim_set_net(w, &(struct sim_net){50 * NS_PER_US, 5 * NS_PER_MS, 25, 0, 64 * 1024});
    empty_disk(s);
    (void)!sim_run_until(w, mail_load_is_sent, load, 3600 * NS_PER_S);
    for (unsigned i = 0; i < 10; i++) {
        sim_run_for(w, 60 * NS_PER_S);
        if (is_queue_empty(s, false))
            break;
        if (i > 0) {
            operate(s, "queue-release", "all"); /* what was in hand at several deaths of local is held (I9) */
            sim_run_for(w, 2 * 3600 * NS_PER_S); /* clocks may have been set back */
        }
    }
    mail_load_count(load, crashes_of(s, t));
}

struct outcome {
    struct mail_faults faults;
    unsigned crashes;
    unsigned repeats;
    unsigned attempts;
    uint64_t hash;
    uint64_t dropped_fibers; /* of killed processes: they did not end when cancelled */
    unsigned unasked_ends;   /* of processes: only a failed sync is a reason */
    bool has_rest;           /* in the queue, when all has arrived */
};

static bool
is_right(const struct mail_faults *f)
{
    return f->lost == 0 && f->repeated == 0 && f->damaged == 0 && f->misplaced == 0 && f->unsent == 0 &&
           f->refused == 0;
}

static void
disk_trace(void *arg, struct span what)
{
    fprintf(stderr, "%12.6f disk: " SPAN_FMT "\n", (double)sim_now_ns(arg) / 1e9, SPAN_ARG(what));
}

/* One world from its boot to its end. `is_printing`: the logs of one that went wrong. */
static struct outcome
world_run(uint64_t seed, const struct trouble *t, size_t mails, bool is_printing)
{
    struct sim_cluster_options options = {.seed = seed, .config = config, .accounts = accounts, .edges = 2};
    struct scenario s = {.cluster = sim_cluster_new(&options), .chance = {seed ^ 0x5eed}};
    struct mail_load load;
    struct outcome outcome = {0};
    sim_print_logs(sim_cluster_world(s.cluster), getenv("SIM_LOG") != NULL);
    if (getenv("SIM_DISK") != NULL)
        disk_sim_set_trace(sim_cluster_disk(s.cluster), disk_trace, sim_cluster_world(s.cluster));
    assert_true(sim_cluster_settle(s.cluster));
    mail_load_start(&load, s.cluster, accounts, mails, 3);
    load.is_quiet = !is_printing;
    trouble_plan(&s, t);
    sim_run_for(sim_cluster_world(s.cluster), t->for_ns);
    peace_await(&s, t, &load);
    outcome.faults = load.faults;
    outcome.has_rest = !is_queue_empty(&s, is_printing);
    outcome.unasked_ends = sim_cluster_unasked_ends(s.cluster);
    outcome.crashes = sim_cluster_deaths(s.cluster) + sim_cluster_power_cuts(s.cluster);
    outcome.repeats = mail_load_repeats(&load);
    for (size_t i = 0; i < load.mail_count; i++)
        outcome.attempts += load.mails[i].attempt_count;
    outcome.hash = sim_trace_hash(sim_cluster_world(s.cluster));
    outcome.dropped_fibers = sim_dropped_fibers(sim_cluster_world(s.cluster));
    if (is_printing && !is_right(&outcome.faults))
        sim_cluster_print_logs(s.cluster);
    sim_cluster_free(s.cluster);
    mail_load_done(&load);
    return outcome;
}

static void
outcome_print(const char *name, uint64_t seed, const struct outcome *o)
{
    const struct mail_faults *f = &o->faults;
    fprintf(stderr,
            "%s, seed %llu: lost %u, repeated %u, damaged %u, misplaced %u, unsent %u, refused %u, unasked ends %u, "
            "fibers dropped %llu%s (crashes %u, attempts %u, repeats %u)\n",
            name, (unsigned long long)seed, f->lost, f->repeated, f->damaged, f->misplaced, f->unsent, f->refused,
            o->unasked_ends, (unsigned long long)o->dropped_fibers, o->has_rest ? ", rest in queue" : "", o->crashes,
            o->attempts, o->repeats);
}

/* The number of seeds, and the first: SIM_SEEDS and SIM_SEED in the environment look further or at one again. */
static uint64_t
number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void
worlds_check(const struct trouble *t, uint64_t seeds, size_t mails)
{
    uint64_t first = number_from("SIM_SEED", 1);
    unsigned wrong = 0;
    seeds = number_from("SIM_SEEDS", seeds);
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        struct outcome o = world_run(seed, t, mails, wrong == 0);
        bool was_right =
            is_right(&o.faults) && o.dropped_fibers == 0 && !o.has_rest && o.unasked_ends <= t->failed_syncs;
        if (!was_right || getenv("SIM_VERBOSE") != NULL)
            outcome_print(t->name, seed, &o);
        wrong += !was_right;
    }
    assert_int_equal(wrong, 0);
}

static void
in_peace_everything_arrives_once(void **state)
{
    (void)state;
    const struct trouble peace = {.name = "peace", .for_ns = NS_PER_S};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct outcome o = world_run(seed, &peace, 20, true);
        if (!is_right(&o.faults) || o.repeats > 0 || o.attempts != 20)
            outcome_print(peace.name, seed, &o);
        assert_true(is_right(&o.faults));
        assert_int_equal(o.repeats, 0);
        assert_int_equal(o.attempts, 20);
        assert_int_equal(o.crashes, 0);
    }
}

static void
broken_connections_lose_nothing(void **state)
{
    (void)state;
    worlds_check(&(struct trouble){.name = "resets", .reset_ppm = 20000, .for_ns = 20 * NS_PER_S}, 5, 20);
}

static void
stopped_processes_lose_and_repeat_nothing(void **state)
{
    (void)state;
    worlds_check(&(struct trouble){.name = "stops", .stops = 20, .for_ns = 5 * NS_PER_S}, 10, 20);
}

static void
killed_processes_lose_nothing(void **state)
{
    (void)state;
    worlds_check(&(struct trouble){.name = "kills", .kills = 20, .for_ns = 5 * NS_PER_S}, 20, 20);
}

static void
power_cuts_lose_nothing(void **state)
{
    (void)state;
    worlds_check(&(struct trouble){.name = "power cuts", .power_cuts = 4, .for_ns = 8 * NS_PER_S}, 40, 20);
}

static void
failed_syncs_lose_nothing(void **state)
{
    (void)state;
    worlds_check(&(struct trouble){.name = "failed syncs", .failed_syncs = 6, .for_ns = 5 * NS_PER_S}, 10, 20);
}

static void
a_full_disk_loses_nothing(void **state)
{
    (void)state;
    worlds_check(&(struct trouble){.name = "full disk", .full_disks = 3, .for_ns = 5 * NS_PER_S}, 10, 20);
}

static void
a_jumping_clock_loses_nothing(void **state)
{
    (void)state;
    worlds_check(&(struct trouble){.name = "clock", .clock_jumps = 5, .kills = 5, .for_ns = 5 * NS_PER_S}, 5, 20);
}

static void
everything_at_once_loses_nothing(void **state)
{
    (void)state;
    const struct trouble t = {.name = "everything", .kills = 12, .stops = 2, .power_cuts = 3, .failed_syncs = 2,
                              .full_disks = 1, .clock_jumps = 1, .reset_ppm = 5000, .for_ns = 8 * NS_PER_S};
    worlds_check(&t, 40, 20);
}

static void
the_same_seed_gives_the_same_world(void **state)
{
    (void)state;
    const struct trouble t = {.name = "again", .kills = 5, .power_cuts = 2, .reset_ppm = 5000, .for_ns = 10 * NS_PER_S};
    struct outcome a = world_run(7, &t, 10, false), b = world_run(7, &t, 10, false), c = world_run(8, &t, 10, false);
    assert_int_equal(a.hash, b.hash);
    assert_int_not_equal(a.hash, c.hash);
}

/* Whether the checks notice when the disk only pretends to sync. */
static void
pretended_syncs_are_noticed(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 2; mode++) {
        const struct trouble t = {.name = "pretended", .power_cuts = 3, .for_ns = 10 * NS_PER_S,
                                  .ignores_data_syncs = mode == 0, .ignores_dir_syncs = mode == 1};
        unsigned wrong = 0;
        for (uint64_t seed = 1; seed <= 20 && wrong == 0; seed++) {
            struct outcome o = world_run(seed, &t, 20, false);
            wrong += !is_right(&o.faults);
        }
        assert_true(wrong > 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_peace_everything_arrives_once),
        cmocka_unit_test(broken_connections_lose_nothing),
        cmocka_unit_test(stopped_processes_lose_and_repeat_nothing),
        cmocka_unit_test(killed_processes_lose_nothing),
        cmocka_unit_test(power_cuts_lose_nothing),
        cmocka_unit_test(failed_syncs_lose_nothing),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(a_jumping_clock_loses_nothing),
        cmocka_unit_test(everything_at_once_loses_nothing),
        cmocka_unit_test(the_same_seed_gives_the_same_world),
        cmocka_unit_test(pretended_syncs_are_noticed),
    };
    if (getenv("SIM_TEST") != NULL)
        cmocka_set_test_filter(getenv("SIM_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
