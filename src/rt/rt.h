/*
 * rt.h - what a role asks of the outside world: time, chance, a log sink, work in threads.
 *
 * One `struct rt` is one process. It has two bodies behind this interface: the real one (rt_real.h: libuv, Linux)
 * and the simulated one (rt_sim.h: virtual time, lossy network, crashing disk, a seed). A role is a function
 * `x_run(struct fiber *, struct x_env *)`; it and everything below it uses the world through rt/ alone, has no mutable
 * static variable and so runs many times in one simulated program.
 *
 * A function that can suspend takes `struct fiber *` first and an absolute `struct deadline` second; all others never
 * suspend. Not thread-safe: everything here is called on the loop, only pool jobs run elsewhere.
 */
#ifndef GODWIT_RT_RT_H
#define GODWIT_RT_RT_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/span.h"
#include "rt/deadline.h"

struct rt;
struct fiber;
struct disk;

/* Monotonic time in nanoseconds since an arbitrary start; read once per turn of the loop. Never goes back. */
int64_t rt_now_ns(struct rt *rt);

/* Wall-clock time in microseconds since 1970-01-01 UTC. May jump. For dates, never for intervals. */
int64_t rt_wall_us(struct rt *rt);

/* The deadline `ns` nanoseconds (>= 0) from now. */
struct deadline deadline_in(struct rt *rt, int64_t ns);

/*
 * Fill dst with unpredictable bytes: getrandom(2) in the real body, the seed's stream in the simulated one. Never
 * fails.
 */
void rt_random(struct rt *rt, void *dst, size_t len);

/* A random number below `bound` (> 0), for jitter and choices. */
uint64_t rt_random_below(struct rt *rt, uint64_t bound);

/*
 * Write one line (no line end in it) to this process's log sink. Never suspends, may drop under pressure and then
 * counts.
 */
void rt_log_line(struct rt *rt, struct span line);

/*
 * Run `job(arg)` in the thread pool and suspend until it has returned. The job may block and use the disk (rt_disk(),
 * disk.h), touches nothing of the loop, and what it uses must stay alive until then: this wait ignores cancellation and
 * has no deadline. In the simulated body the job takes virtual time. ERR_LIMIT when it cannot be queued: the job did
 * not run.
 */
NODISCARD enum err rt_pool_run(struct fiber *f, void (*job)(void *arg), void *arg);

/* The file system this process sees, for use inside pool jobs and before the first fiber runs. */
struct disk *rt_disk(struct rt *rt);

/*
 * Descriptors that travel between processes (packet.h, disk_memory_fd(), disk_file_reopen_read()) are numbers of the
 * body: of the kernel, or of the simulated world. So they are closed and duplicated here and never with close(2).
 * rt_fd_close(-1) is harmless; rt_fd_dup() returns -1 when no descriptor is left.
 */
void rt_fd_close(struct rt *rt, int fd);
int rt_fd_dup(struct rt *rt, int fd);

/*
 * Whether this process was asked to stop (SIGTERM, or the parent went away), for loops that accept work. A stop also
 * wakes the fibers in rt_wait_stop().
 */
bool rt_is_stopping(struct rt *rt);

/* Suspend until the process is asked to stop (ERR_OK), the deadline passes or the fiber is cancelled. */
NODISCARD enum err rt_wait_stop(struct fiber *f, struct deadline by);

/* Ask this process to stop, as SIGTERM does. */
void rt_stop(struct rt *rt);

#endif
