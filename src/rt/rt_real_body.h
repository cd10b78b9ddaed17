/*
 * rt_real_body.h - private to src/rt: the parts of the real body that its files share.
 *
 * rt_real.c has the loop, clocks, threads and the log sink; real_socket.c one watched descriptor; real_stream.c and
 * real_packet.c what is made of it; process.c children. Every watched descriptor is a uv_poll_t that stays armed for
 * reading while somebody can use what comes: no epoll_ctl(2) a wait.
 */
#ifndef GODWIT_RT_RT_REAL_BODY_H
#define GODWIT_RT_RT_REAL_BODY_H

#include <uv.h>

#include "rt/rt_body.h"
#include "rt/rt_real.h"

enum {
    LINGER_MAX = 512,                     /* connections that are read to their end after we closed them */
    LINGER_BYTES_MAX = 1024 * 1024,       /* what one of them may still send */
    REAL_RANDOM_BYTES = 256,
    REAL_LOG_BYTES = 64 * 1024,
};

#define LINGER_NS (2 * NS_PER_S)

struct rt_real {
    struct rt rt;
    uv_loop_t loop;
    uv_timer_t timer;
    int64_t timer_at_ns; /* when it fires, INT64_MAX while it does not */
    uv_async_t keeper;   /* keeps uv_run() waiting when nothing else does */
    uv_signal_t stop_signals[2];
    bool catches_signals;
    bool is_loop_open;
    bool is_ending; /* the first fiber has returned: the others are cancelled */

    struct list sockets;   /* every real_socket not yet closed */
    struct list lingering; /* real_stream.linger_link, the oldest first */
    size_t linger_count;

    uv_signal_t child_signal; /* started with the first child */
    bool watches_children;
    struct list processes;

    uint8_t random[REAL_RANDOM_BYTES]; /* drawn ahead: a system call a few hundred bytes */
    size_t random_left;

    int log_fd;
    uint64_t log_dropped;
    size_t log_len;
    char log[REAL_LOG_BYTES];
};

static inline struct rt_real *
rt_real_of(struct rt *rt)
{
    return CONTAINER_OF(rt, struct rt_real, rt);
}

/* One watched descriptor. */
struct real_socket {
    uv_poll_t poll;
    struct rt_real *real;
    struct list link;
    struct fiber *reader; /* parked here until on_readable wakes it, or NULL */
    struct fiber *writer; /* parked until the descriptor takes more, or NULL */
    void (*on_readable)(struct real_socket *s);
    void (*on_closed)(struct real_socket *s); /* frees it */
    int fd;                                   /* owned */
    uint8_t armed;                            /* UV_READABLE | UV_WRITABLE */
};

/* Watch `fd` (owned from now on, closed on failure). Not armed yet. `on_closed` is not called on failure. */
NODISCARD enum err real_socket_open(struct rt_real *real, struct real_socket *s, int fd,
                                    void (*on_readable)(struct real_socket *s),
                                    void (*on_closed)(struct real_socket *s));

/* Close the descriptor now; `on_closed` follows from the loop. */
void real_socket_close(struct real_socket *s);

/* Watch for these events, and no others. */
void real_socket_arm(struct real_socket *s, unsigned events);

/* Park the fiber as the reader (armed) or the writer (armed for this wait). What fiber_park() returns. */
NODISCARD enum err real_socket_wait_readable(struct fiber *f, struct deadline by, struct real_socket *s);
NODISCARD enum err real_socket_wait_writable(struct fiber *f, struct deadline by, struct real_socket *s);

/* Wake the reader. False: nobody waits, so what came has to stay where it is. */
static inline bool
real_socket_has_reader(const struct real_socket *s)
{
    return s->reader != NULL && fiber_is_parked(s->reader);
}

/* What a failed call on a socket means: ERR_CLOSED for all that is the peer's or the network's doing. */
enum err err_from_socket(int errnum);

/* real_stream.c */
enum err real_listener_open(struct rt *rt, int fd, struct listener **ret);
void real_listener_close(struct listener *l);
enum err real_accept(struct fiber *f, struct deadline by, struct listener *l, struct stream **ret);
enum err real_connect(struct fiber *f, struct deadline by, const struct stream_address *to,
                      const struct stream_address *source, struct stream **ret);
enum err real_connect_unix(struct fiber *f, struct deadline by, const char *path, struct stream **ret);
enum err real_stream_open_fd(struct rt *rt, int fd, struct stream **ret);
enum err real_stream_read(struct fiber *f, struct deadline by, struct stream *s, void *dst, size_t cap, size_t *ret_n);
enum err real_stream_write(struct fiber *f, struct deadline by, struct stream *s, struct span data);
void real_stream_post(struct stream *s, struct span data);
void real_stream_close(struct stream *s, bool reset);

/*
 * End the lingering connections whose time is over at `now_ns`. Returns when to call again, INT64_MAX for not at all.
 */
int64_t real_linger_expire(struct rt_real *real, int64_t now_ns);

/* real_packet.c */
enum err real_packet_open(struct rt *rt, int fd, struct packet_socket **ret);
void real_packet_close(struct packet_socket *p);
enum err real_packet_send(struct fiber *f, struct deadline by, struct packet_socket *p, struct span data,
                          const int *fds, size_t fd_count);
enum err real_packet_recv(struct fiber *f, struct deadline by, struct packet_socket *p, void *dst, size_t cap,
                          size_t *ret_len, int fds[PACKET_FDS_MAX], size_t *ret_fd_count);

/* process.c: forget all children and stop watching, before the loop is closed. */
void real_processes_done(struct rt_real *real);

#endif
