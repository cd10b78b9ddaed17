/*
 * rt_sim.h - a world of processes in one program: the simulated body of rt.h, with virtual time and one seed.
 *
 * For tests. A world has processes (each a `struct rt`), a network of streams and packet sockets between them, and
 * disks (disk_sim.h). Time is virtual: it moves by a little with each fiber that runs and jumps to the next event when
 * nobody can run, so minutes of waiting cost nothing. The seed decides, and so the same seed and the same calls give
 * the same run (sim_trace_hash() proves it): which ready process goes next, now and then which of its ready fibers, how
 * long bytes travel and how writes are cut, when connections break, what rt_random() gives, how long jobs take.
 *
 * Death. sim_process_kill() is kill -9: from that moment on nothing the process does has any effect. Peers see its
 * streams and packet sockets end, descriptors close, the page cache of its disk stays. So that the memory of a killed
 * process does not leak, its fibers are cancelled (the main one first) and unwound by the loop afterwards, cut off from
 * the world: disk calls return ERR_IO, posts and writes go nowhere, log lines are dropped, jobs that did not start run
 * without effect. A process whose main function returns ends in order instead: the remaining fibers are cancelled and
 * unwind with effect. A power cut (sim_power_cut(), or a step of disk_sim_crash_at()) kills every process of that disk;
 * their peers hear nothing for a while, then a reset. A process may also die between two steps of a job
 * (sim_process_kill_after()).
 *
 * Jobs of rt_pool_run() run on the loop, after a start latency, and take the time their disk calls cost. Simulated
 * descriptors are numbers from SIM_FD_FIRST on; each belongs to the process that got it (or to the world, which plays
 * the parent) and closes with it. Everything is called from one thread, and sim_run_*() never from inside a fiber.
 */
#ifndef GODWIT_RT_RT_SIM_H
#define GODWIT_RT_RT_SIM_H

#include "rt/disk_sim.h"
#include "rt/fiber.h"
#include "rt/packet.h"
#include "rt/sim_random.h"
#include "rt/stream.h"

enum { SIM_FD_FIRST = 100000 };

struct sim_world;
struct sim_process;

/* --- the world ---------------------------------------------------------------------------------------------------- */

/* An empty world at virtual time 0, the wall clock at 2026-01-01 00:00 UTC. Never NULL. */
struct sim_world *sim_world_new(uint64_t seed);

/* Kill what still runs, unwind it and free everything but the disks given. NULL is accepted. */
void sim_world_free(struct sim_world *w);

/*
 * Run until `done(arg)` is true (looked at after every step; NULL: never), `for_ns` of virtual time has passed or
 * nothing can happen any more. True only in the first case; in the last one time is moved to its end.
 */
NODISCARD bool sim_run_until(struct sim_world *w, bool (*done)(void *arg), void *arg, int64_t for_ns);
void sim_run_for(struct sim_world *w, int64_t for_ns);

int64_t sim_now_ns(const struct sim_world *w);

/* The wall clock jumps, for every process. */
void sim_wall_jump(struct sim_world *w, int64_t delta_us);

/* Call `fn(arg)` on the loop, `in_ns` from now, outside of any fiber: where tests kill, cut and restart. */
void sim_at(struct sim_world *w, int64_t in_ns, void (*fn)(void *arg), void *arg);

/* The world's chance, for what a test decides itself. */
struct sim_random *sim_chance(struct sim_world *w);

/* A hash of everything that happened so far. */
uint64_t sim_trace_hash(const struct sim_world *w);

/* Fiber steps so far, in all processes. */
uint64_t sim_steps(const struct sim_world *w);

/* Fibers that did not unwind after their process was killed: what they owned has leaked. A test wants 0. */
uint64_t sim_dropped_fibers(const struct sim_world *w);

/* Print every log line, with its time and process, on standard error. */
void sim_print_logs(struct sim_world *w, bool is_printing);

/*
 * How the network behaves. TCP and Unix streams share the rest; only TCP breaks. Applies to what is sent from now on.
 */
struct sim_net {
    int64_t latency_min_ns; /* one way; Unix streams and packets take a tenth */
    int64_t latency_max_ns;
    uint32_t split_percent; /* of the writes, cut into pieces of any size */
    uint32_t reset_ppm;     /* of the pieces sent, in a million: the connection breaks here */
    uint32_t window_bytes;  /* under way and unread in one direction; then the writer waits */
};

/* At first 50 us to 500 us, 25 %, no resets, 64 KiB. */
void sim_set_net(struct sim_world *w, const struct sim_net *net);

/* --- processes ---------------------------------------------------------------------------------------------------- */

/*
 * A process with a mount of `disk`; NULL for one that has no disk of its own (a client). Descriptors of files travel
 * only between processes of one disk: give every process of a machine its disk, with or without a directory to open.
 * `name` is copied. It is alive at once: fibers may be spawned in sim_rt() before or without sim_process_start().
 */
struct sim_process *sim_process_new(struct sim_world *w, const char *name, struct disk_sim *disk);

/* The process's runtime. Valid while it is alive; after a restart the same address, another life. */
struct rt *sim_rt(struct sim_process *p);

/* Run `fn(f, arg)` as the main fiber: when it returns the process ends. Restarts a process that has ended. */
void sim_process_start(struct sim_process *p, fiber_fn *fn, void *arg);

enum sim_exit {
    SIM_EXIT_RETURNED, /* its main function did */
    SIM_EXIT_KILLED,
    SIM_EXIT_POWER,
};

/* Be told on the loop once the process is gone and unwound; `fn` may start it again. */
void sim_process_on_exit(struct sim_process *p, void (*fn)(void *arg, struct sim_process *p, enum sim_exit how),
                         void *arg);

/* kill -9, now. From anywhere, also from its own fibers (which run on, without effect). Harmless when it has ended. */
void sim_process_kill(struct sim_process *p);

/* kill -9 before the step of its disk after `steps` more, that is: within a job, or at its end. */
void sim_process_kill_after(struct sim_process *p, uint64_t steps);

/*
 * The machine of this disk loses power now: the disk crashes, its processes are gone. disk_sim_reboot() and a new start
 * are up to the caller, not before the processes have ended (on_exit).
 */
void sim_power_cut(struct sim_world *w, struct disk_sim *disk);

/* Whether it was started (or is new) and has not ended, been killed or lost power. */
bool sim_process_is_alive(const struct sim_process *p);

const char *sim_process_name(const struct sim_process *p);

/* What it wrote with rt_log_line(), one line each; the last 256 KiB over all its lives. */
struct span sim_process_log(const struct sim_process *p);

/*
 * What stream_peer() of others shows: its address (127.0.0.1 at first, the port is chosen per connection), uid and
 * pid.
 */
void sim_process_set_ip(struct sim_process *p, enum address_family family, const uint8_t ip[16]);
void sim_process_set_uid(struct sim_process *p, uint32_t uid);

/* --- sockets and descriptors -------------------------------------------------------------------------------------- */

/*
 * A listening socket, as a descriptor of the world: for stream_connect() to `address`, or with NULL for
 * stream_connect_unix() to `name`. It outlives the processes that use it: give each sim_fd_give() of it.
 */
int sim_listener(struct sim_world *w, const char *name, const struct stream_address *address);

/* A descriptor for `to` of the same thing as `fd` of the world (which stays). */
int sim_fd_give(struct sim_world *w, int fd, struct sim_process *to);

/* Close a descriptor of the world. */
void sim_fd_close(struct sim_world *w, int fd);

/* Two connected packet sockets, a descriptor each for the processes (NULL: the world's). */
void sim_packet_pair(struct sim_world *w, struct sim_process *a, int *ret_a, struct sim_process *b, int *ret_b);

/* Two connected streams as over TCP, for tests of one side. */
void sim_stream_pair(struct sim_process *a, struct stream **ret_a, struct sim_process *b, struct stream **ret_b);

/*
 * Turn a stream into a descriptor of its process (from then on not a stream there), to be passed on: the process that
 * opens it with stream_open_fd() has the connection, other descriptors of it are then worthless.
 */
int sim_stream_fd(struct stream *s);

/* Descriptors open, in all processes and the world: tests look for leaks. */
size_t sim_fd_count(const struct sim_world *w);

#endif
