/*
 * rt_sim_body.h - private to src/rt: what the files of the simulated body share.
 *
 * rt_sim.c has the world's loop, processes and jobs; sim_stream.c listeners and streams; sim_packet.c packet sockets;
 * sim_fd.c the table of descriptors. Everything that takes time is an event in one heap; an event lies in the object it
 * is about.
 */
#ifndef GODWIT_RT_RT_SIM_BODY_H
#define GODWIT_RT_RT_SIM_BODY_H

#include "base/buf.h"
#include "base/heap.h"
#include "rt/rt_body.h"
#include "rt/rt_sim.h"

/* --- events --- */

struct sim_event {
    struct heap_node node;
    int64_t at_ns;
    uint64_t order; /* of events at the same time: by chance */
    void (*fire)(struct sim_event *event);
};

/* Set or move the event. */
void sim_event_set(struct sim_world *w, struct sim_event *event, int64_t at_ns, void (*fire)(struct sim_event *event));
void sim_event_cancel(struct sim_world *w, struct sim_event *event);

/* --- things descriptors lead to --- */

enum sim_object_kind { SIM_OBJECT_LISTENER, SIM_OBJECT_PACKETS, SIM_OBJECT_FILE, SIM_OBJECT_STREAM };

/* Counted: descriptors, open handles and packets under way hold it. */
struct sim_object {
    struct list node; /* in sim_world.objects */
    struct sim_world *world;
    enum sim_object_kind kind;
    uint32_t refs;
};

struct sim_object *sim_object_init(struct sim_world *w, struct sim_object *object, enum sim_object_kind kind);
void sim_object_unref(struct sim_object *object); /* the last one closes and frees it */

/* What closing means, by kind; each frees the object. */
void sim_listener_destroy(struct sim_object *object);
void sim_packets_destroy(struct sim_object *object);
void sim_file_destroy(struct sim_object *object);
void sim_stream_destroy(struct sim_object *object);

struct sim_fd {
    struct sim_object *object; /* NULL: free */
    struct sim_process *owner; /* NULL: the world */
};

/* A number for `object`, whose reference it takes over. */
int sim_fd_new(struct sim_world *w, struct sim_object *object, struct sim_process *owner);

/* The object behind a descriptor of `owner`, borrowed; NULL when it has no such descriptor. */
struct sim_object *sim_fd_find_any(struct sim_world *w, const struct sim_process *owner, int fd);

/* Likewise; NULL also when it is not of that kind. */
struct sim_object *sim_fd_find(struct sim_world *w, const struct sim_process *owner, int fd, enum sim_object_kind kind);

/* Forget the number and return the reference it held; NULL when `owner` has no such descriptor. */
struct sim_object *sim_fd_take(struct sim_world *w, const struct sim_process *owner, int fd);

/* Close all descriptors of a process. */
void sim_fds_drop(struct sim_world *w, const struct sim_process *owner);

/* The hooks of disk_sim_set_fds(); `arg` is the process. */
int sim_fd_give_file(void *arg, struct disk_file *file);
struct disk_file *sim_fd_take_file(void *arg, int fd);

/* --- the world and its processes --- */

/* A mount that belongs to no process: where files under way between two of them live. */
struct sim_kernel {
    struct list node; /* in sim_world.kernels */
    struct disk_sim *disk;
    struct disk *mount;
};

struct disk *sim_kernel_mount(struct sim_world *w, struct disk_sim *disk);

struct sim_world {
    struct sim_random chance;     /* of the loop and the tests */
    struct sim_random net_chance; /* of everything that travels */
    int64_t now_ns;
    int64_t wall_offset_us;
    uint64_t trace;
    uint64_t steps;
    uint64_t dropped_fibers;
    bool is_printing;
    bool is_running;
    struct sim_net net;
    struct heap events;
    struct list processes; /* in the order they were made */
    size_t process_count;
    struct list listeners; /* struct sim_listen.by_name */
    struct list objects;
    struct list conns;     /* every struct sim_conn */
    struct list timers;    /* of sim_at() */
    struct list kernels;
    struct disk_sim *own_disk; /* of processes without one */
    struct sim_fd *fds;
    size_t fd_count; /* entries, used or not */
    uint16_t next_port;
    int32_t next_pid;
};

enum sim_process_state {
    SIM_ALIVE,
    SIM_RETURNED, /* the main function has; the other fibers unwind, with effect */
    SIM_DYING,    /* cut off; the loop will unwind it */
    SIM_DEAD,
};

struct sim_process {
    struct rt rt;
    struct sim_world *world;
    struct list node; /* in sim_world.processes */
    uint64_t number;
    char *name;
    enum sim_process_state state;
    enum sim_exit how;
    struct disk_sim *disk;
    struct disk *mount;
    struct sim_random chance;
    struct list ends;      /* struct sim_end.node: its streams */
    struct list acceptors; /* struct sim_acceptor.node: its listeners */
    struct list packets;   /* struct sim_packet.node: its packet sockets */
    struct list jobs;      /* struct sim_job.node */
    struct buf log;
    struct fiber *main_fiber; /* until it has returned */
    fiber_fn *main_fn;
    void *main_arg;
    void (*on_exit)(void *arg, struct sim_process *p, enum sim_exit how);
    void *on_exit_arg;
    struct stream_address address;
};

static inline struct sim_process *
sim_process_of(struct rt *rt)
{
    return CONTAINER_OF(rt, struct sim_process, rt);
}

/* Whether what it does has effect. */
static inline bool
sim_has_effect(const struct sim_process *p)
{
    return p->state == SIM_ALIVE || p->state == SIM_RETURNED;
}

/* Wake a fiber that waits in *fiber, if it still does. */
static inline void
sim_wake(struct fiber *fiber, enum err result)
{
    if (fiber != NULL && fiber_is_parked(fiber))
        fiber_unpark(fiber, result);
}

/* Add to the trace. */
static inline void
sim_trace(struct sim_world *w, uint64_t what)
{
    w->trace = (w->trace ^ what) * UINT64_C(0x9e3779b97f4a7c15);
    w->trace ^= w->trace >> 29;
}

/* A travel time. */
int64_t sim_latency_ns(struct sim_world *w, bool is_local);

/* --- sim_stream.c --- */

struct sim_end;
enum err sim_listener_open(struct rt *rt, int fd, struct listener **ret);
void sim_listener_close(struct listener *l);
enum err sim_accept(struct fiber *f, struct deadline by, struct listener *l, struct stream **ret);
enum err sim_connect(struct fiber *f, struct deadline by, const struct stream_address *to,
                     const struct stream_address *source, struct stream **ret);
enum err sim_connect_unix(struct fiber *f, struct deadline by, const char *path, struct stream **ret);
enum err sim_stream_open_fd(struct rt *rt, int fd, struct stream **ret);
enum err sim_read(struct fiber *f, struct deadline by, struct stream *s, void *dst, size_t cap, size_t *ret_n);
enum err sim_write(struct fiber *f, struct deadline by, struct stream *s, struct span data);
void sim_post(struct stream *s, struct span data);
void sim_close_stream(struct stream *s, bool reset);

/* The process has died: what the kernel, or with `is_power` nobody, does with its streams and listeners. */
void sim_streams_drop(struct sim_process *p, bool is_power);

/* Free what the unwound process has not closed itself. */
void sim_streams_free(struct sim_process *p);

/* Free every connection, for the end of the world. */
void sim_conns_free(struct sim_world *w);

/* --- sim_packet.c --- */

enum err sim_packet_open(struct rt *rt, int fd, struct packet_socket **ret);
void sim_packet_close(struct packet_socket *p);
enum err sim_packet_send(struct fiber *f, struct deadline by, struct packet_socket *p, struct span data, const int *fds,
                         size_t fd_count);
enum err sim_packet_recv(struct fiber *f, struct deadline by, struct packet_socket *p, void *dst, size_t cap,
                         size_t *ret_len, int fds[PACKET_FDS_MAX], size_t *ret_fd_count);
void sim_packets_drop(struct sim_process *p);
void sim_packets_free(struct sim_process *p);

#endif
