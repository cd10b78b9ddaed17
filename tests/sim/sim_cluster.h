/*
 * sim_cluster.h - one machine that runs Godwit, simulated: its roles, its disk, and a parent that restarts what dies.
 *
 * Edge, queue, local, directory and control are the real roles, run by the same x_run() as in production, each in a
 * process of its own (rt_sim.h) and all on one disk (disk_sim.h). Stand-ins play the parent (channels, restarts; system
 * users do not exist here), the resolver (no address has a name) and the operator, who makes the accounts over the
 * command socket. Processes can be killed and the power cut at any time; the parent brings everything up again as the
 * real one does, the machine boots a moment later.
 */
#ifndef GODWIT_TESTS_SIM_CLUSTER_H
#define GODWIT_TESTS_SIM_CLUSTER_H

#include "base/buf.h"
#include "ipc/role.h"
#include "rt/rt_sim.h"

struct role_env;
struct sim_cluster;

struct sim_cluster_options {
    uint64_t seed;
    const char *config;              /* the configuration's text; has a listener "mx" at sim_cluster_address */
    const char *const *accounts;     /* addresses, NULL-terminated; made at the first start */
    unsigned edges;                  /* processes that serve the listener, at least 1 */
};

/* Where the listener "mx" listens. */
extern const struct stream_address sim_cluster_address;

/* A machine that is booting. Aborts when the configuration is wrong. Never NULL. */
struct sim_cluster *sim_cluster_new(const struct sim_cluster_options *options);

/* Kill everything and free it. */
void sim_cluster_free(struct sim_cluster *c);

struct sim_world *sim_cluster_world(struct sim_cluster *c);
struct disk_sim *sim_cluster_disk(struct sim_cluster *c);

/* Run the world until the accounts are made. False when that takes more than a minute of virtual time. */
bool sim_cluster_settle(struct sim_cluster *c);

/* Kill a process of that role, at once or after some more steps of its disk; it is started anew a moment later. */
void sim_cluster_kill(struct sim_cluster *c, enum ipc_role role, uint16_t instance);
void sim_cluster_kill_after(struct sim_cluster *c, enum ipc_role role, uint16_t instance, uint64_t steps);

/* Ask it to stop, as the parent does at a reload; it is started anew once it has ended. */
void sim_cluster_stop(struct sim_cluster *c, enum ipc_role role, uint16_t instance, uint32_t grace_ms);

/* Cut the power, now or at a step of the disk; the machine boots a moment later. */
void sim_cluster_cut_power(struct sim_cluster *c);
void sim_cluster_cut_power_after(struct sim_cluster *c, uint64_t steps);

/* Processes that died by kill or by themselves (not those asked to stop), and power cuts, since the start. */
unsigned sim_cluster_deaths(const struct sim_cluster *c);
unsigned sim_cluster_power_cuts(const struct sim_cluster *c);

/* Lives that a role's run function ended although nobody had asked: each is a fault unless a sync failed. */
unsigned sim_cluster_unasked_ends(const struct sim_cluster *c);

/* One use of the `godwit` program. */
struct sim_command {
    const char *arguments[16]; /* the verb first, as control names it; NULL-terminated */
    int status;                /* of sysexits(3); EX_TEMPFAIL when no answer came */
    struct buf output;
    struct buf errors;
    bool is_done;
};

/* Let an operator run the command, and the world meanwhile. sim_command_done() has to follow. */
void sim_cluster_command(struct sim_cluster *c, struct sim_command *command);
void sim_command_done(struct sim_command *command);

/* Print the last lines of every process's log on standard error. */
void sim_cluster_print_logs(struct sim_cluster *c);

/*
 * Call `each` for every message file in new/ and cur/ of the mailbox of `address`, with its content. For checks: reads
 * the page cache, no step.
 */
void sim_cluster_mailbox(struct sim_cluster *c, const char *address, void (*each)(void *arg, struct span content),
                         void *arg);

#endif
