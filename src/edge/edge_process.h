/*
 * edge_process.h - what all sessions of one edge process share.
 *
 * Private to src/edge. Lives in the frame of edge_run(); sessions borrow it and have ended before it goes.
 */
#ifndef GODWIT_EDGE_EDGE_PROCESS_H
#define GODWIT_EDGE_EDGE_PROCESS_H

#include "base/list.h"
#include "config/config.h"
#include "edge/client_units.h"
#include "edge/trail_sampler.h"
#include "net/log.h"
#include "net/role.h"
#include "net/wire_reader.h"
#include "policy/access.h"
#include "store/message_id.h"

#define EDGE_DISK_FULL_NS (5 * NS_PER_S) /* so long MAIL is answered 452 after the queue said that its disk is full */

enum {
    EDGE_UNITS_MAX = 65536,
    EDGE_INTAKE_BYTES_MAX = 256 * 1024 * 1024, /* octets of messages on their way held by all sessions; beyond it 452 */
    EDGE_DATA_RATE_MIN = 16, /* octets a second below which a message that drips is given up */
};

/* One listener, with what its sessions are judged by. */
struct edge_listener {
    struct edge *edge;                    /* borrowed */
    struct listener *socket;              /* borrowed from the role's environment */
    const struct config_listener *config; /* borrowed from the configuration, or `own` */
    struct config_listener own;           /* of the sendmail socket, which has no block of its own */
    struct access_policy policy;
    bool is_lmtp;
    bool is_local_submission;             /* clients are users of this machine, named by the kernel (SO_PEERCRED) */
};

/* The name under which the parent hands over the socket of the sendmail command. */
#define EDGE_SENDMAIL_LISTENER SPAN("@sendmail")

/* Work done since the start, for status. What a log event counts is not counted here again. */
struct edge_counters {
    uint64_t sessions;
    uint64_t sessions_refused;
    uint64_t commands;
    uint64_t recipients_accepted;
    uint64_t recipients_refused;
    uint64_t messages_accepted;
    uint64_t octets_accepted;
    uint64_t octets_discarded; /* of messages and chunks that were refused already */
    uint64_t uploads_left;     /* that the queue could not be told to forget: it does so when this process ends */
    uint64_t trails_posted;
    uint64_t trails_skipped;   /* not sampled, or control did not keep up */
};

struct edge {
    struct role_env *env;
    struct rt *rt;
    struct log *log;
    const struct config *config;
    struct span hostname;            /* borrowed from `config` */
    struct edge_listener *listeners; /* owned */
    size_t listener_count;
    struct ipc_link *directory;
    struct ipc_link *queue;
    struct ipc_link *resolver;
    struct ipc_link *control;
    struct message_id_source ids;
    struct wire_pool buffers;
    struct client_units units;
    size_t intake_bytes;             /* octets of messages on their way held now */
    struct list sessions;            /* of struct session, by its link */
    size_t session_count;
    struct cond session_ended;       /* also when the process is asked once more to stop */
    struct fiber_group session_fibers; /* children of edge_run(): it outlives them */
    uint64_t session_last;           /* number of the newest session */
    uint64_t upload_last;            /* number of the newest upload */
    int64_t disk_full_until_ns;      /* 0: not known to be full */
    struct trail_sampler sampler;
    struct edge_counters counters;
};

/* Whether the server stops. A reload ends this process too, but lets its sessions go on as if nothing had happened. */
static inline bool
edge_is_closing(const struct edge *edge)
{
    return rt_is_stopping(edge->rt) && !edge->env->is_superseded;
}

#endif
