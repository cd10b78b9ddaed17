/*
 * wire_world.h - an edge that runs for real, with stand-ins for those it asks, and clients that speak to it.
 *
 * The edge is src/edge itself in a simulated process (rt_sim.h): real sessions, real IPC, virtual time. Directory,
 * queue, resolver and control are stand-ins in processes of their own; what they answer is set by knobs and by the
 * local part of a recipient. Everything that was accepted and every trail is kept here, for the test to look at.
 *
 * Checks inside a client fiber do not stop the test (the fiber has to unwind): the first failure is kept and the rest
 * is skipped.
 */
#ifndef GODWIT_TESTS_WIRE_WORLD_H
#define GODWIT_TESTS_WIRE_WORLD_H

#include "base/arena.h"
#include "base/buf.h"
#include "rt/rt_sim.h"
#include "store/envelope.h"
#include "store/recipient.h"

enum { WIRE_MESSAGES_MAX = 20000, WIRE_TRAILS_MAX = 4000, WIRE_FAILURE_MAX = 2000, WIRE_UPLOADS_MAX = 64 };

/* One message that the queue's stand-in was given and called durable. */
struct wire_message {
    struct envelope envelope; /* decoded in `mem` */
    struct arena mem;
    struct buf envelope_bytes;
    struct buf header;
    struct buf body;
};

struct wire_upload {
    uint64_t number;
    struct wire_message *message;
};

/* How a stand-in answers. */
enum wire_mood { WIRE_ANSWERS, WIRE_SILENT, WIRE_GARBLED };

struct wire_world {
    struct sim_world *sim;
    struct sim_process *edge;
    struct sim_process *directory;
    struct sim_process *queue;
    struct sim_process *resolver;
    struct sim_process *control;
    struct sim_process *client;
    struct ipc_hub *hub; /* the edge's */
    bool is_queue_restarting;
    struct ipc_hub *control_hub; /* of the control's stand-in, for calls to the edge */
    int listeners[8]; /* descriptors of the world, in the order of the configuration's listeners */
    const struct config *config;

    /* knobs */
    enum wire_mood directory_mood;
    enum wire_mood queue_mood;
    enum wire_mood resolver_mood;
    enum commit_result commit_result; /* what the queue answers a commit */
    enum commit_result chunk_result;  /* and a chunk */
    int64_t commit_delay_ns;
    int64_t directory_delay_ns;
    int64_t stop_grace_ns;            /* how long a stopping edge lets transactions go on */
    const char *ptr_name;             /* what the resolver says of every address; NULL: no such name */
    bool is_ptr_forged;               /* the name has another address */

    /* what happened */
    struct wire_message *messages[WIRE_MESSAGES_MAX];
    size_t message_count;
    struct wire_upload uploads[WIRE_UPLOADS_MAX]; /* number 0: free */
    uint64_t chunks;
    uint64_t aborts;
    uint64_t checks;                  /* questions to the directory */
    struct buf trails;                /* as text, one after the other */
    size_t trail_count;
    bool has_edge_ended;
    char failure[WIRE_FAILURE_MAX];
};

/*
 * A world with an edge that serves. `config_more` is added to the configuration (may be NULL); listeners: mx (SMTP,
 * 192.0.2.10:25), lenient (early pipelining and NUL accepted, :26), fixing (bare newlines made CRLF, :27), lmtp and
 * @sendmail (unix sockets). The edge starts after `edge_delay_ns`; clients can connect before. Never NULL: aborts
 * when the configuration is wrong.
 */
struct wire_world *wire_world_new(const char *config_more, uint64_t seed, int64_t edge_delay_ns);

/* Stop the edge, check that it ends and that nothing is left behind, and free everything. False: see standard error. */
bool wire_world_free(struct wire_world *w);

/* Run `fn(f, arg)` as a fiber of the client process, and the world until it returns, a day of virtual time at most. */
void wire_run(struct wire_world *w, void (*fn)(struct fiber *f, void *arg), void *arg);

/* Let the world go on until nothing is under way for a while (what a vanished client left behind is cleaned up). */
void wire_settle(struct wire_world *w, int64_t for_ns);

/* Keep the first failure. */
FORMAT(2, 3) void wire_fail(struct wire_world *w, const char *format, ...);
bool wire_has_failed(const struct wire_world *w);

/* The process restarts: what it knew is gone, its channels are new. */
void wire_restart_queue(struct wire_world *w);

/* --- a client, used in its fiber --------------------------------------------------------------------------------- */

struct wire_client {
    struct wire_world *world;
    struct fiber *f;
    struct stream *stream;
    struct buf input;       /* read and not taken */
    struct buf line;        /* the line taken last */
    size_t piece;           /* octets a write; 0: all at once */
    int64_t pause_ns;       /* between writes */
    int64_t patience_ns;    /* how long a reply is awaited */
    bool is_closed;         /* the server has closed */
};

/* Connect to a listener by name. Failures are the world's. */
void wire_connect(struct wire_client *c, struct wire_world *w, struct fiber *f, const char *listener);
void wire_close(struct wire_client *c);

/* Like wire_close(), by a reset. */
void wire_abort(struct wire_client *c);

void wire_send(struct wire_client *c, struct span bytes);
void wire_send_line(struct wire_client *c, const char *line);

/*
 * Take one reply line without its CRLF; checks that it is one (three digits, 512 octets, printable ASCII). False when
 * the server has closed or says nothing in time; *ret borrows until the next call.
 */
bool wire_take_line(struct wire_client *c, struct span *ret);

/* Take a whole reply and return its code, 0 when there is none. `ret_last` (may be NULL): its last line. */
unsigned wire_take_reply(struct wire_client *c, struct span *ret_last);

/* Take a reply and require its code. */
void wire_expect(struct wire_client *c, unsigned code, const char *what);

/* Send a line and require the code of its reply. */
void wire_talk(struct wire_client *c, const char *line, unsigned code);

/* Require that the server has closed and said nothing more. */
void wire_expect_closed(struct wire_client *c);

/* Whether `text` fits `pattern`, in which * stands for any octets. */
bool wire_matches(struct span pattern, struct span text);

#endif
