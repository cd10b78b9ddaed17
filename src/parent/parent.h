/*
 * parent.h - the process that starts, feeds and buries all others; private to src/parent.
 *
 * The only one that stays root. It parses its own configuration and nothing from the network; what its children say is
 * decoded by src/ipc and judged here: they name things, the parent decides. One file a concern:
 *
 *   main.c         arguments, the first configuration, exit status
 *   generation.c   a configuration read, checked, numbered
 *   identity.c     which uid a role runs as            directories.c  the directories of the roles, the lock
 *   bind.c         listening sockets                   holder.c       who holds an address we want
 *   spawn.c        one process started                 supervise.c    restarted, connected, stopped
 *   reload.c       SIGHUP                              notify.c       the service manager
 *   service.c      what children say and ask           open.c, deliver_spawn.c  the larger answers
 *   status.c       what there is to see                user.c         names of user ids
 *   drop.c, drop_directory.c   mail that waited for the server
 *   parent.c       all of it together
 *
 * Real runtime only.
 */
#ifndef GODWIT_PARENT_PARENT_H
#define GODWIT_PARENT_PARENT_H

#include "config/config.h"
#include "ipc/ipc_messages.h"
#include "net/log.h"
#include "net/role.h"
#include "rt/process.h"

enum {
    PARENT_PATH_MAX = 1024,
    PARENT_EDGES_MAX = 64,
    PARENT_ENVIRONMENT_MAX = 16,
    PARENT_KILL_AFTER_S = 5,    /* what a child gets beyond its grace period before it is killed */
    PARENT_NEW_EDGES_WAIT_S = 30,
};

/* --- identity.c ------------------------------------------------------------------------------------------------- */

struct identity {
    uint32_t uid; /* 0: as the parent, which is not root then */
    uint32_t gid;
};

/*
 * Find what each role runs as. A user named in the configuration has to exist; where nobody named one and the default
 * name does not exist either, a number is taken that needs no entry anywhere. False: `problems` say why.
 */
bool identities_find(const struct config *config, bool is_root, struct config_problems *problems,
                     struct identity ids[ROLE_COUNT]);

/* The number of a group by name or number; false when it does not exist. */
bool identity_group_find(struct span name, uint32_t *ret);

/* --- directories.c ---------------------------------------------------------------------------------------------- */

struct directories {
    int data[ROLE_COUNT]; /* descriptors, -1: none */
    int empty;            /* for roles without data */
    int lock;             /* of the spool; the queue inherits it, so it lasts as long as either */
};

/* Make and open the directories of all roles, and lock the spool. False: `problems` say why; nothing is left open. */
bool directories_open(const struct config *config, const struct identity ids[ROLE_COUNT], bool is_root,
                      struct config_problems *problems, struct directories *ret);
void directories_close(struct directories *d);

/* --- bind.c, holder.c ------------------------------------------------------------------------------------------- */

/* A listening socket. */
struct bound {
    enum ipc_role role; /* who accepts on it */
    uint16_t slot;      /* the edge it is for; BOUND_SHARED: all */
    int fd;
    char name[IPC_START_LISTENER_NAME_MAX + 1]; /* of the listener block, or one of ours, which begins with @ */
    char address[PARENT_PATH_MAX];              /* as the configuration prints it */
};

enum { BOUND_SHARED = 65535, BOUND_SETS_MAX = 4 };

struct bound_set {
    struct bound *items; /* owned */
    size_t count;
};

/*
 * Open every socket that `config` wants for `edges` edge processes: those that `old` (may be NULL) has are shared
 * with it, the others are bound anew. False: `problems` say why, nothing was changed.
 */
bool bound_set_open(const struct config *config, size_t edges, const struct bound_set *old,
                    struct config_problems *problems, struct bound_set *ret);

/* Close what `keep` (may be NULL) does not share, and remove the names of Unix sockets. */
void bound_set_close(struct bound_set *set, const struct bound_set *keep);

/*
 * Say in `to` who listens on that TCP port and how to stop it: "master (pid 812); stop it with: systemctl stop
 * postfix.service". Empty when nobody can be found.
 */
void holder_describe(const struct config_endpoint *endpoint, struct buf *to);

/* --- generation.c ----------------------------------------------------------------------------------------------- */

/* A configuration in use, or about to be. */
struct generation {
    uint32_t number;
    size_t edges;
    struct config *config; /* owned */
    struct buf packed;     /* its sources, as roles receive them */
};

/* Read and check the file. Blocks. False: `problems` say why. */
bool generation_read(const char *path, uint32_t number, struct config_problems *problems, struct generation *ret);
void generation_done(struct generation *g);

/* --- the parent ------------------------------------------------------------------------------------------------- */

enum child_state { CHILD_STARTING, CHILD_READY, CHILD_STOPPING, CHILD_WAITING };

/* One process of a role, through all its restarts. */
struct child {
    struct list node; /* in parent->children */
    struct parent *parent;
    enum ipc_role role;
    uint16_t instance;        /* its number among those of its role, for its life */
    uint16_t slot;            /* of an edge: which sockets it has */
    uint32_t generation;      /* of the configuration it runs with */
    enum child_state state;
    struct process *process;  /* NULL while none runs */
    struct process_exit exit; /* valid once has_ended */
    bool has_ended;
    bool is_unwanted;         /* do not start it again */
    bool connects;            /* its sandbox lets it connect somewhere */
    struct deadline kill_at;
    struct cond event;        /* it ended, or has to be stopped */
    int64_t started_at_ns;
    uint32_t restarts;
    uint32_t quick_deaths;    /* in a row, soon after the start */
    struct ipc_ready report;  /* valid when CHILD_READY */
};

enum reload_outcome { RELOAD_NONE, RELOAD_DONE, RELOAD_REFUSED };

struct parent {
    const char *config_path;
    const char *libexec;
    bool is_root;
    struct rt *rt;
    struct log log;
    struct ipc_hub *hub;
    struct generation now;
    struct identity ids[ROLE_COUNT];
    struct directories directories;
    struct bound_set bound;
    int executables[ROLE_COUNT]; /* -1: not started by us */
    int drop_executable;         /* of drop.c, -1: there is none */
    const char *environment[PARENT_ENVIRONMENT_MAX + 1];

    struct fiber_group fibers; /* one a child */
    struct list children;
    struct cond changed;       /* a child became ready or ended */
    uint64_t restarts;
    bool is_stopping;
    bool is_sandbox_told;      /* that a part of it is missing */

    /* reload.c */
    struct cond reload_wanted;
    uint64_t reloads_wanted;
    uint64_t reloads_begun;
    uint64_t reloads_ended;
    enum reload_outcome reload_outcome;
    struct buf reload_text;    /* what was wrong, or that nothing was */
    struct semaphore outside_jobs; /* open.c: look-ups and connects under way */

    /* deliver_spawn.c */
    size_t user_deliveries; /* under way, of at most local { processes } */
    struct cond user_delivery_ended;
};

/* --- spawn.c ---------------------------------------------------------------------------------------------------- */

/* Open the executables of the roles below parent->libexec or beside our own. False: said on standard error. */
bool executables_open(struct parent *parent);

/* Keep of our own environment what a child gets. */
void environment_choose(struct parent *parent);

/* Whether the configuration has this role connect somewhere itself, which its sandbox has to know. */
bool role_connects(const struct config *config, enum ipc_role role);

/* Start the process of a child and give it a channel. Blocks for the fork. */
NODISCARD enum err child_start(struct child *child);

/* --- supervise.c ------------------------------------------------------------------------------------------------ */

/* Begin to keep a process of `role` alive; edges have their slot. ERR_LIMIT. */
NODISCARD enum err child_new(struct parent *parent, enum ipc_role role, uint16_t slot, struct child **ret);

/* The child of that role and number, NULL when there is none. */
struct child *child_find(struct parent *parent, enum ipc_role role, uint16_t instance);

/* Ask it to end within `grace_ms`, then kill it. It is started again unless `is_unwanted`. Never suspends. */
void child_stop(struct child *child, uint64_t grace_ms, bool is_superseded, bool is_unwanted);

/* Start every role. */
NODISCARD enum err supervise_start(struct parent *parent);

/* End every role in order: edges, queue, then those that serve them. Suspends until all have ended. */
void supervise_stop(struct fiber *f, struct parent *parent);

bool supervise_all_ready(struct parent *parent);

/* --- reload.c, notify.c, status.c ------------------------------------------------------------------------------- */

/* Waits for wishes to reload and fulfils them, one at a time. A fiber. */
fiber_fn reload_run;

/* Ask for a reload; several at once are one. Returns its number, for reload_await(). Never suspends. */
uint64_t reload_request(struct parent *parent);
NODISCARD enum err reload_await(struct fiber *f, struct deadline by, struct parent *parent, uint64_t number);

/* Tell the service manager, if there is one: "READY=1". Never suspends, never fails. */
void notify_send(const char *state);
void notify_reloading(struct rt *rt);

/* A line a process: what it is, as whom it runs, what holds it in. */
void status_print(struct parent *parent, struct buf *to);

/* The counters of the parent, in `mem`. ERR_LIMIT. */
NODISCARD enum err status_count(struct parent *parent, struct arena *mem, struct ipc_role_status_reply *ret);

/* --- service.c, open.c, deliver_spawn.c ------------------------------------------------------------------------- */

extern const struct ipc_parent_service parent_service;

void parent_open(struct fiber *f, struct parent *parent, struct ipc_peer *from, const struct ipc_parent_open *request,
                 struct arena *mem, struct ipc_parent_open_reply *ret);

/*
 * Deliver to a user of this machine by a process of that user. Suspends until it has ended. The descriptors of
 * `request` stay the caller's.
 */
void deliver_spawn(struct fiber *f, struct parent *parent, const struct ipc_deliver_user *request, struct arena *mem,
                   struct ipc_deliver_user_reply *ret);

/* --- user.c ------------------------------------------------------------------------------------------------------- */

/* Find the name of a user id and whether it is one of `trusted-users`. Suspends for the look-up. */
void user_name_find(struct fiber *f, struct parent *parent, uint32_t uid, struct arena *mem,
                    struct ipc_user_name_reply *ret);

/* --- drop.c ------------------------------------------------------------------------------------------------------- */

/* Take up mail that sendmail left in the drop directory, at the start and from then on. A fiber. */
fiber_fn drop_run;

/* --- parent.c --------------------------------------------------------------------------------------------------- */

/* Run all roles until asked to stop and all have ended. The first fiber of the process. */
fiber_fn parent_run;

/* Write each problem as an event, and all of them as text to `to` (may be NULL). */
void parent_log_problems(struct parent *parent, enum log_event event, const struct config_problems *problems,
                         struct buf *to);

#endif
