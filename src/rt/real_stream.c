/*
 * real_stream.c - streams and listeners over sockets.
 *
 * Reading: while a fiber waits, what comes goes straight to where it wants it. While none does, up to
 * STREAM_AHEAD_BYTES are read ahead into a buffer that exists only as long as it holds something; when it is full the
 * socket is disarmed and the kernel makes the peer wait. Writing: at once, waiting only when the kernel takes no more.
 * Closing in order: a socket closed with unread bytes in it sends a reset that can destroy the reply before it, so the
 * sending side is shut down and the rest read and dropped for a while (lingering), as an HTTP server does.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "rt/rt_real_body.h"

enum { STREAM_AHEAD_BYTES = 16 * 1024, STREAM_WRITE_SLICE = 64 * 1024, LISTEN_BACKLOG = 4096 };

struct real_stream {
    struct stream stream;
    struct real_socket socket;

    uint8_t *dst; /* of the waiting reader */
    size_t dst_cap;
    size_t dst_len;

    uint8_t *ahead; /* owned, STREAM_AHEAD_BYTES, or NULL */
    uint32_t ahead_at;
    uint32_t ahead_end;

    struct list linger_link;
    int64_t linger_until_ns;
    uint32_t linger_bytes;

    bool is_ended;        /* the peer's end or an error was read */
    bool is_write_broken; /* a write was given up half done: nothing may follow it */
    bool is_lingering;
};

struct real_listener {
    struct listener listener;
    struct real_socket socket;
};

static struct real_stream *
stream_of(struct stream *s)
{
    return CONTAINER_OF(s, struct real_stream, stream);
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

union address_any {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
};

static struct stream_address
address_from_system(const union address_any *a)
{
    static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};
    struct stream_address to = {.family = ADDRESS_UNIX};
    if (a->any.sa_family == AF_INET) {
        to.family = ADDRESS_IPV4;
        to.port = ntohs(a->v4.sin_port);
        memcpy(to.ip, &a->v4.sin_addr, 4);
    } else if (a->any.sa_family == AF_INET6) {
        const uint8_t *ip = a->v6.sin6_addr.s6_addr;
        bool is_mapped = memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
        to.family = is_mapped ? ADDRESS_IPV4 : ADDRESS_IPV6;
        to.port = ntohs(a->v6.sin6_port);
        memcpy(to.ip, is_mapped ? ip + 12 : ip, is_mapped ? 4 : 16);
    }
    return to;
}

static socklen_t
address_to_system(const struct stream_address *a, union address_any *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (a->family == ADDRESS_IPV4) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(a->port);
        memcpy(&ret->v4.sin_addr, a->ip, 4);
        return sizeof(ret->v4);
    }
    ASSERT(a->family == ADDRESS_IPV6);
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(a->port);
    memcpy(&ret->v6.sin6_addr, a->ip, 16);
    return sizeof(ret->v6);
}

static void
peer_credentials(int fd, struct stream_address *to)
{
    struct ucred credentials;
    socklen_t len = sizeof(credentials);
    to->uid = to->gid = UINT32_MAX;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) != 0 || len != sizeof(credentials))
        return;
    to->uid = credentials.uid;
    to->gid = credentials.gid;
    to->pid = credentials.pid;
}

/* --- making streams ----------------------------------------------------------------------------------------------- */

static void stream_readable(struct real_socket *socket);

static void
stream_closed(struct real_socket *socket)
{
    struct real_stream *s = CONTAINER_OF(socket, struct real_stream, socket);
    free(s->ahead);
    free(s);
}

/* Make a stream of a connected (or connecting) socket, owned from now on. `peer` NULL: ask. */
static enum err
stream_make(struct rt *rt, int fd, const union address_any *peer, struct real_stream **ret)
{
    union address_any local = {0}, asked = {0};
    socklen_t len = sizeof(local);
    struct real_stream *s = calloc(1, sizeof(*s));
    if (s == NULL || getsockname(fd, &local.any, &len) != 0) {
        enum err e = s == NULL ? ERR_LIMIT : err_from_socket(errno);
        close(fd);
        free(s);
        return e;
    }
    if (peer == NULL) {
        len = sizeof(asked);
        (void)getpeername(fd, &asked.any, &len); /* gone already: its address stays empty, the first read says so */
        peer = &asked;
    }
    enum err e = real_socket_open(rt_real_of(rt), &s->socket, fd, stream_readable, stream_closed);
    if (e != ERR_OK) {
        free(s);
        return e;
    }
    list_init(&s->linger_link);
    s->stream.rt = rt;
    s->stream.local = address_from_system(&local);
    s->stream.peer = address_from_system(peer);
    if (s->stream.local.family == ADDRESS_UNIX) {
        s->stream.peer.family = ADDRESS_UNIX;
        peer_credentials(fd, &s->stream.peer);
    }
    *ret = s;
    return ERR_OK;
}

static void
set_no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* a Unix socket has none and needs none */
}

enum err
real_stream_open_fd(struct rt *rt, int fd, struct stream **ret)
{
    struct real_stream *s;
    set_no_delay(fd);
    TRY(stream_make(rt, fd, NULL, &s));
    *ret = &s->stream;
    return ERR_OK;
}

/* --- listening ---------------------------------------------------------------------------------------------------- */

static void
listener_readable(struct real_socket *socket)
{
    if (real_socket_has_reader(socket))
        fiber_unpark(socket->reader, ERR_OK);
    else
        real_socket_arm(socket, 0);
}

static void
listener_closed(struct real_socket *socket)
{
    free(CONTAINER_OF(socket, struct real_listener, socket));
}

enum err
real_listener_open(struct rt *rt, int fd, struct listener **ret)
{
    int is_listening = 0;
    socklen_t len = sizeof(is_listening);
    set_no_delay(fd); /* accepted sockets inherit it */
    bool failed = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) != 0 ||
                  (is_listening == 0 && listen(fd, LISTEN_BACKLOG) != 0);
    struct real_listener *l = failed ? NULL : calloc(1, sizeof(*l));
    if (l == NULL) {
        enum err e = failed ? err_from_socket(errno) : ERR_LIMIT;
        close(fd);
        return e;
    }
    l->listener.rt = rt;
    enum err e = real_socket_open(rt_real_of(rt), &l->socket, fd, listener_readable, listener_closed);
    if (e != ERR_OK) {
        free(l);
        return e;
    }
    *ret = &l->listener;
    return ERR_OK;
}

void
real_listener_close(struct listener *l)
{
    real_socket_close(&CONTAINER_OF(l, struct real_listener, listener)->socket);
}

/* Errors of accept(2) that belong to the connection that failed, not to the listener (accept(2), "Error handling"). */
static bool
is_connection_lost(int errnum)
{
    static const int lost[] = {ECONNABORTED, EINTR, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
                               EOPNOTSUPP, ENETUNREACH, ETIMEDOUT};
    for (size_t i = 0; i < ARRAY_LEN(lost); i++)
        if (lost[i] == errnum)
            return true;
    return false;
}

enum err
real_accept(struct fiber *f, struct deadline by, struct listener *listener, struct stream **ret)
{
    struct real_listener *l = CONTAINER_OF(listener, struct real_listener, listener);
    for (;;) {
        union address_any peer = {0};
        socklen_t len = sizeof(peer);
        int fd = accept4(l->socket.fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            struct real_stream *s;
            TRY(stream_make(f->rt, fd, &peer, &s));
            *ret = &s->stream;
            return ERR_OK;
        }
        if (errno == EAGAIN)
            TRY(real_socket_wait_readable(f, by, &l->socket));
        else if (errno == ENOBUFS)
            return ERR_LIMIT;
        else if (!is_connection_lost(errno))
            return err_from_errno(errno);
    }
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static enum err
connect_finish(struct fiber *f, struct deadline by, struct real_stream *s, const union address_any *to,
               socklen_t to_len)
{
    int error = connect(s->socket.fd, &to->any, to_len) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        TRY(real_socket_wait_writable(f, by, &s->socket));
        socklen_t len = sizeof(error);
        if (getsockopt(s->socket.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
            error = errno;
    }
    return err_from_socket(error);
}

static enum err
connect_any(struct fiber *f, struct deadline by, int fd, const union address_any *to, socklen_t to_len,
            struct stream **ret)
{
    struct real_stream *s;
    TRY(stream_make(f->rt, fd, to, &s));
    enum err e = connect_finish(f, by, s, to, to_len);
    if (e != ERR_OK) {
        real_socket_close(&s->socket);
        return e;
    }
    union address_any local = {0};
    socklen_t len = sizeof(local);
    if (getsockname(fd, &local.any, &len) == 0)
        s->stream.local = address_from_system(&local);
    if (s->stream.peer.family == ADDRESS_UNIX)
        peer_credentials(fd, &s->stream.peer);
    *ret = &s->stream;
    return ERR_OK;
}

enum err
real_connect(struct fiber *f, struct deadline by, const struct stream_address *to, const struct stream_address *source,
             struct stream **ret)
{
    union address_any target, from;
    socklen_t target_len = address_to_system(to, &target);
    int fd = socket(target.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_from_socket(errno);
    set_no_delay(fd);
    if (source != NULL) {
        socklen_t from_len = address_to_system(source, &from);
        int on = 1;
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(fd, &from.any, from_len) != 0) {
            enum err e = err_from_socket(errno);
            close(fd);
            return e;
        }
    }
    return connect_any(f, by, fd, &target, target_len, ret);
}

enum err
real_connect_unix(struct fiber *f, struct deadline by, const char *path, struct stream **ret)
{
    union address_any target = {.local = {.sun_family = AF_UNIX}};
    size_t len = strlen(path);
    if (len >= sizeof(target.local.sun_path))
        return ERR_LIMIT;
    memcpy(target.local.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_from_socket(errno);
    return connect_any(f, by, fd, &target, sizeof(target.local), ret);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* recv(2): ERR_OK with 1 to cap bytes, ERR_AGAIN, or ERR_CLOSED, after which the stream has ended. */
static enum err
stream_take(struct real_stream *s, void *dst, size_t cap, size_t *ret_n)
{
    ssize_t n;
    do
        n = recv(s->socket.fd, dst, cap, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *ret_n = (size_t)n;
        return ERR_OK;
    }
    if (n < 0 && errno == EAGAIN)
        return ERR_AGAIN;
    s->is_ended = true;
    return ERR_CLOSED;
}

static void
read_ahead(struct real_stream *s)
{
    size_t n;
    if (s->ahead == NULL) {
        s->ahead = malloc(STREAM_AHEAD_BYTES);
        s->ahead_at = s->ahead_end = 0;
    }
    if (s->ahead == NULL || s->ahead_end == STREAM_AHEAD_BYTES)
        real_socket_arm(&s->socket, s->socket.armed & ~(unsigned)UV_READABLE);
    else if (stream_take(s, s->ahead + s->ahead_end, STREAM_AHEAD_BYTES - s->ahead_end, &n) == ERR_OK)
        s->ahead_end += (uint32_t)n;
}

static void linger_drain(struct real_stream *s);

static void
stream_readable(struct real_socket *socket)
{
    struct real_stream *s = CONTAINER_OF(socket, struct real_stream, socket);
    if (s->is_lingering) {
        linger_drain(s);
        return;
    }
    if (real_socket_has_reader(socket)) {
        enum err e = stream_take(s, s->dst, s->dst_cap, &s->dst_len);
        if (e != ERR_AGAIN)
            fiber_unpark(socket->reader, e);
        else
            real_socket_arm(socket, socket->armed | UV_READABLE); /* it was an error that a write has taken */
    } else {
        read_ahead(s);
    }
    if (s->is_ended)
        real_socket_arm(socket, socket->armed & ~(unsigned)UV_READABLE); /* an end stays readable for ever */
}

static size_t
ahead_take(struct real_stream *s, void *dst, size_t cap)
{
    size_t n = s->ahead_end - s->ahead_at;
    if (n > cap)
        n = cap;
    memcpy(dst, s->ahead + s->ahead_at, n);
    s->ahead_at += (uint32_t)n;
    if (s->ahead_at == s->ahead_end) {
        free(s->ahead);
        s->ahead = NULL;
    }
    return n;
}

enum err
real_stream_read(struct fiber *f, struct deadline by, struct stream *stream, void *dst, size_t cap, size_t *ret_n)
{
    struct real_stream *s = stream_of(stream);
    if (s->ahead != NULL && s->ahead_end > s->ahead_at) {
        *ret_n = ahead_take(s, dst, cap);
        return ERR_OK;
    }
    if (s->is_ended)
        return ERR_CLOSED;
    if ((s->socket.armed & UV_READABLE) == 0) {
        enum err e = stream_take(s, dst, cap, ret_n);
        if (e != ERR_AGAIN)
            return e;
    }
    s->dst = dst;
    s->dst_cap = cap;
    TRY(real_socket_wait_readable(f, by, &s->socket));
    *ret_n = s->dst_len;
    return ERR_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static enum err
write_step(struct fiber *f, struct deadline by, struct real_stream *s, struct span *data)
{
    size_t slice = data->len < STREAM_WRITE_SLICE ? data->len : STREAM_WRITE_SLICE;
    ssize_t n = send(s->socket.fd, data->data, slice, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN)
        return real_socket_wait_writable(f, by, &s->socket);
    if (n < 0)
        return errno == EINTR ? ERR_OK : err_from_socket(errno);
    *data = span_skip(*data, (size_t)n);
    if (data->len == 0 || (size_t)n < slice)
        return ERR_OK;
    if (f->rt->now_ns >= by.at_ns)
        return ERR_TIMEOUT;
    return fiber_yield(f); /* a peer that reads as fast as we write does not hold the loop */
}

enum err
real_stream_write(struct fiber *f, struct deadline by, struct stream *stream, struct span data)
{
    struct real_stream *s = stream_of(stream);
    size_t whole = data.len;
    if (s->is_write_broken)
        return ERR_CLOSED;
    while (data.len > 0) {
        enum err e = write_step(f, by, s, &data);
        if (e != ERR_OK) {
            s->is_write_broken = e == ERR_CLOSED || data.len < whole;
            return e;
        }
    }
    return ERR_OK;
}

void
real_stream_post(struct stream *stream, struct span data)
{
    struct real_stream *s = stream_of(stream);
    if (s->is_write_broken || s->socket.writer != NULL)
        return;
    ssize_t n = send(s->socket.fd, data.data, data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0 && (size_t)n < data.len)
        s->is_write_broken = true;
}

/* --- closing ------------------------------------------------------------------------------------------------------ */

static void
linger_end(struct real_stream *s)
{
    list_unlink(&s->linger_link);
    s->socket.real->linger_count--;
    real_socket_close(&s->socket);
}

static void
linger_drain(struct real_stream *s)
{
    uint8_t scratch[16 * 1024];
    size_t n = 0;
    enum err e = stream_take(s, scratch, sizeof(scratch), &n);
    s->linger_bytes += (uint32_t)n;
    if (e == ERR_CLOSED || s->linger_bytes > LINGER_BYTES_MAX)
        linger_end(s);
}

static void
linger_begin(struct real_stream *s)
{
    struct rt_real *real = s->socket.real;
    if (shutdown(s->socket.fd, SHUT_WR) != 0) {
        real_socket_close(&s->socket);
        return;
    }
    if (real->linger_count == LINGER_MAX)
        linger_end(CONTAINER_OF(real->lingering.next, struct real_stream, linger_link));
    free(s->ahead);
    s->ahead = NULL;
    s->is_lingering = true;
    s->linger_until_ns = real->rt.now_ns + LINGER_NS;
    list_append(&real->lingering, &s->linger_link);
    real->linger_count++;
    real_socket_arm(&s->socket, UV_READABLE);
}

int64_t
real_linger_expire(struct rt_real *real, int64_t now_ns)
{
    while (!list_is_empty(&real->lingering)) {
        struct real_stream *s = CONTAINER_OF(real->lingering.next, struct real_stream, linger_link);
        if (s->linger_until_ns > now_ns)
            return s->linger_until_ns;
        linger_end(s);
    }
    return INT64_MAX;
}

void
real_stream_close(struct stream *stream, bool reset)
{
    struct real_stream *s = stream_of(stream);
    ASSERT(s->socket.reader == NULL && s->socket.writer == NULL);
    if (reset) {
        struct linger none = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(s->socket.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
    if (reset || s->is_ended)
        real_socket_close(&s->socket);
    else
        linger_begin(s);
}
