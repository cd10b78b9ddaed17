/*
 * process.h - children of the parent: started from an executable that is already open, watched until they end.
 *
 * Real body only. An executable is opened once, when the parent starts, and run by descriptor: installing a new version
 * beneath a running parent never mixes the two. The child gets exactly the descriptors listed, an environment as
 * listed, default signal handlers and an empty signal mask. What it may do, and as whom, is its own sandbox's business
 * (sandbox.h).
 */
#ifndef GODWIT_RT_PROCESS_H
#define GODWIT_RT_PROCESS_H

#include "rt/fiber.h"

struct process;

/* A descriptor of ours and the number the child sees it under. */
struct process_fd {
    int from; /* borrowed */
    int to;   /* below PROCESS_FD_MAX, each once */
};

enum { PROCESS_FD_MAX = 256 };

struct process_spec {
    int executable_fd;        /* from executable_open() */
    const char *const *argv;  /* NULL-terminated */
    const char *const *envp;  /* NULL-terminated */
    const struct process_fd *fds;
    size_t fd_count;
    int death_signal;         /* sent to the child when this process dies, 0: none. sandbox.h renews it after setuid */
};

struct process_exit {
    int32_t pid;
    int code;   /* exit status, -1 when it was killed */
    int signal; /* the signal that killed it, or 0 */
};

/* Open an executable for process_start(). `path` is the administrator's. ERR_NOT_FOUND, ERR_DENIED (not executable). */
NODISCARD enum err executable_open(const char *path, int *ret_fd);

/*
 * Start a child. Blocks for the fork and the exec (about a millisecond), never suspends. When the child ends `on_exit`
 * is called on the loop, once, outside of any fiber: it may spawn, unpark and start anew, not suspend. `on_exit` may be
 * NULL: then process_wait() is used. ERR_LIMIT: no process or memory; ERR_DENIED, ERR_NOT_FOUND, ERR_IO: exec refused.
 * *ret is owned by the caller: process_free().
 */
NODISCARD enum err process_start(struct rt *rt, const struct process_spec *spec,
                                 void (*on_exit)(void *arg, struct process *p, const struct process_exit *exit),
                                 void *arg, struct process **ret);

/* Suspend until the child has ended. One waiter at a time; returns at once when it has ended already. */
NODISCARD enum err process_wait(struct fiber *f, struct deadline by, struct process *p, struct process_exit *ret);

/* Send a signal; ignored when the child has ended. */
void process_signal(struct process *p, int signal_number);

int32_t process_pid(const struct process *p);
bool process_has_ended(const struct process *p);

/*
 * Forget the child, also from `on_exit`. One that still runs goes on, unwatched, but is still reaped. NULL is accepted.
 */
void process_free(struct process *p);

#endif
