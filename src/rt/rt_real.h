/*
 * rt_real.h - the real body of rt.h: one process of Linux, its libuv loop, sockets and threads.
 *
 * For the main function of a process, for tests and for the command line; roles below see rt.h alone. Several in one
 * process are possible one after the other (tests); SIGPIPE is ignored from the first on. Everything here is called
 * from the thread that made the `struct rt`.
 */
#ifndef GODWIT_RT_RT_REAL_H
#define GODWIT_RT_RT_REAL_H

#include "rt/fiber.h"

struct rt_real_options {
    size_t fibers_max;     /* 0: as many as vm.max_map_count allows, near 32,000 */
    unsigned pool_threads; /* 0: RT_REAL_POOL_THREADS. One number a process: the first rt decides */
    int log_fd;            /* where rt_log_line() writes, borrowed; -1: nowhere */
    bool catches_signals;  /* SIGTERM and SIGINT mean rt_stop() */
};

/*
 * Jobs of rt_pool_run() start in order, each on the first free thread. A short job that must not wait (a commit) is
 * safe as long as the long ones (syncs of large files, copies) never take all threads: who starts long jobs bounds them
 * with a semaphore so that two threads stay free.
 */
enum { RT_REAL_POOL_THREADS = 8 };

struct uv_loop_s;

/* NULL options: all zero, but log_fd 2. No thread is started yet. ERR_LIMIT or ERR_IO when the loop cannot be made. */
NODISCARD enum err rt_real_new(const struct rt_real_options *options, struct rt **ret);

/*
 * Run `fn(f, arg)` as the first fiber and the loop until it has returned; then cancel the fibers that are left and run
 * on until they have ended too. ERR_LIMIT when the first fiber cannot be started.
 */
NODISCARD enum err rt_real_run(struct rt *rt, fiber_fn *fn, void *arg);

/* Free the loop and what is left on it (open streams are closed). Not from inside rt_real_run(). NULL is accepted. */
void rt_real_free(struct rt *rt);

/*
 * The loop, for what only the resolver (an event interface of its own) needs. Callbacks run between fibers and never
 * suspend.
 */
struct uv_loop_s *rt_real_loop(struct rt *rt);

/* Lines that rt_log_line() dropped because the sink did not take them. */
uint64_t rt_real_log_dropped(const struct rt *rt);

/* The real file system without a runtime (command line, bootstrap). NULL without memory. */
struct disk *disk_real_new(void);
void disk_real_free(struct disk *d);

#endif
