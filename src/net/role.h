/*
 * role.h - what a role is given to run with, and the way from main() to there.
 *
 * A role is `void NAME_run(struct fiber *f, struct role_env *env)` in a library without mutable static data; its main.c
 * holds a role_desc and calls role_main(). The simulation and tests fill a role_env themselves.
 *
 * The bootstrap is trusted: it comes from the parent over inherited descriptors. Order in role_main(), which is the
 * point of it: descriptors, start record, sandbox (before the first thread and the first foreign byte),
 * configuration, runtime, hub, `ready` to the parent, run. It leaves when the role's run function has returned.
 */
#ifndef GODWIT_NET_ROLE_H
#define GODWIT_NET_ROLE_H

#include "ipc/channel.h"
#include "net/log.h"
#include "rt/stream.h"

struct config;
struct disk_dir;

/* A socket the parent listens on for this process. */
struct role_listener {
    struct span name;          /* of the configuration's listener block, borrowed from the start record */
    struct listener *listener; /* owned by the process; NULL once role_listeners_close() was called */
};

struct role_env {
    struct rt *rt;
    const struct config *config; /* of `generation`; changes under a role that sets on_reconfigure, see there */
    uint32_t generation;
    /*
     * The role calls ipc_hub_serve() on it. A role whose handlers use what ends with its run function frees it there
     * (ipc_hub_free(), hub = NULL); otherwise it is freed after run has returned.
     */
    struct ipc_hub *hub;
    struct log *log;
    struct disk_dir *data_dir;   /* NULL without */
    uint16_t instance;
    struct role_listener *listeners;
    size_t listener_count;

    /*
     * Once rt_is_stopping(): finish by then what is under way, and return. DEADLINE_NEVER before. Both may change
     * once more while the process stops: look again.
     */
    struct deadline stop_by;
    /*
     * A newer generation of this role has taken over, new work goes there: sessions go on as if nothing had happened
     * until stop_by, only listening ends. False: the server stops, finish transactions in hand and answer 421 to the
     * rest.
     */
    bool is_superseded;
    /*
     * Called, if set, at each further stop while the process stops already: the two values above have changed. Never
     * suspends.
     */
    void (*on_stop)(void *ctx);
    void *on_stop_ctx;

    /*
     * A role that can change its configuration while it runs sets this at the start of its run function, before its
     * first suspend. After a reload `config` and `generation` have the new values and this is called, on the loop; it
     * must not suspend. The configuration before it stays valid for ROLE_CONFIG_KEEP_S seconds more, for calls that
     * began under it. A role that leaves it NULL is stopped and started anew at a reload. (Edges are always started
     * anew beside the old ones.)
     */
    void (*on_reconfigure)(void *ctx);
    void *on_reconfigure_ctx;
};

enum { ROLE_CONFIG_KEEP_S = 24 * 60 * 60 };

struct role_desc {
    enum ipc_role role;
    void (*run)(struct fiber *f, struct role_env *env);
    /* Once, before the sandbox and any foreign byte: load what the sandbox would refuse later. May be NULL. */
    void (*warm_up)(void);
};

/* Descriptors that a role's process inherits from the parent; others stand in the start record. */
enum {
    ROLE_FD_CHANNEL = 3, /* one end of a packet socket pair to the parent */
    ROLE_FD_START = 4,   /* a memory file: the record `start` of messages.def */
    ROLE_FD_FIRST = 5,   /* the first free number */
    ROLE_FD_NONE = 65535,
};

/*
 * Stop listening: close the listeners of `env`, which nobody may be accepting on any more. For a role that stops and
 * still has sessions; until then connections would wait for it in vain. Harmless twice; otherwise done after run has
 * returned.
 */
void role_listeners_close(struct role_env *env);

/* How a process of Godwit writes its log: what the configuration says, and where standard error leads. */
struct log_options role_log_options(const struct config *config);

/*
 * The whole life of a role's process; returns its exit status: 0 stopped as asked, 70 its run function returned
 * unasked, 71 the system refused something, 78 a start record or configuration it does not understand. Called as
 * `godwit-NAME --sandbox-test` it enters the role's sandbox, tries what must be refused (sandbox_self_test()), prints
 * one line and returns 0, 1 when something was allowed, 77 where the kernel offers no sandbox.
 */
int role_main(int argc, char **argv, const struct role_desc *desc);

#endif
