/* real_stream_test.c - streams and listeners over real sockets on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "real_rt.h"
#include "rt/rt_real_body.h"
#include "rt/stream.h"

/* --- helpers ------------------------------------------------------------------------------------------------------ */

/* One end as a stream, the other as a plain blocking socket of the test. */
struct half {
    struct stream *stream;
    int peer;
};

static struct half
half_open(struct fiber *f)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct half h = {.peer = pair[1]};
    OK(stream_open_fd(fiber_rt(f), pair[0], &h.stream));
    return h;
}

static int
listen_on(int family, struct stream_address *ret)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    if (family == AF_INET) {
        assert_int_equal(bind(fd, (struct sockaddr *)&v4, sizeof(v4)), 0);
        socklen_t len = sizeof(v4);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&v4, &len), 0);
        v6.sin6_port = v4.sin_port;
    } else {
        int off = 0;
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
        if (bind(fd, (struct sockaddr *)&v6, sizeof(v6)) != 0) {
            close(fd);
            return -1;
        }
        socklen_t len = sizeof(v6);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&v6, &len), 0);
    }
    *ret = (struct stream_address){.family = ADDRESS_IPV4, .ip = {127, 0, 0, 1}, .port = ntohs(v6.sin6_port)};
    return fd;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void
read_what_comes(struct fiber *f, void *arg)
{
    (void)arg;
    struct half h = half_open(f);
    char got[64];
    size_t n = 0;
    assert_int_equal(write(h.peer, "one", 3), 3);
    OK(stream_read(f, PATIENCE(f), h.stream, got, sizeof(got), &n));
    assert_memory_equal(got, "one", 3);
    assert_int_equal(n, 3);

    /* In pieces, as the reader wants them. */
    assert_int_equal(write(h.peer, "abcdef", 6), 6);
    for (const char *want = "abcdef"; *want != '\0'; want++) {
        OK(stream_read(f, PATIENCE(f), h.stream, got, 1, &n));
        assert_int_equal(n, 1);
        assert_int_equal(got[0], *want);
    }

    /* Nothing comes: the deadline, and nothing is lost afterwards. */
    assert_int_equal(stream_read(f, deadline_in(fiber_rt(f), NS_PER_MS), h.stream, got, sizeof(got), &n), ERR_TIMEOUT);
    assert_int_equal(write(h.peer, "late", 4), 4);
    OK(stream_read(f, PATIENCE(f), h.stream, got, sizeof(got), &n));
    assert_memory_equal(got, "late", 4);

    /* What was sent before the end comes before the end. */
    assert_int_equal(write(h.peer, "bye", 3), 3);
    close(h.peer);
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), 5 * NS_PER_MS)));
    OK(stream_read(f, PATIENCE(f), h.stream, got, 2, &n));
    OK(stream_read(f, PATIENCE(f), h.stream, got, sizeof(got), &n));
    assert_int_equal(n, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(stream_read(f, PATIENCE(f), h.stream, got, sizeof(got), &n), ERR_CLOSED);
    stream_close(h.stream);
}

/* Bytes that arrive while nobody reads: some are taken ahead, the rest waits in the kernel, all come in order. */
static void
read_after_a_pause(struct fiber *f, void *arg)
{
    (void)arg;
    enum { TOTAL = 150000 };
    struct half h = half_open(f);
    int size = 1 << 20;
    setsockopt(h.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    fcntl(h.peer, F_SETFL, O_NONBLOCK);
    char got[64];
    size_t n;
    struct deadline soon = deadline_in(fiber_rt(f), NS_PER_MS);
    assert_int_equal(stream_read(f, soon, h.stream, got, 1, &n), ERR_TIMEOUT); /* armed from now on */
    uint8_t *sent = malloc(TOTAL), *received = malloc(TOTAL);
    assert_true(sent != NULL && received != NULL);
    for (size_t i = 0; i < TOTAL; i++)
        sent[i] = (uint8_t)(i * 7 + i / 251);
    size_t at = 0, done = 0;
    while (done < TOTAL) {
        ssize_t w = at < TOTAL ? write(h.peer, sent + at, TOTAL - at) : 0;
        at += w > 0 ? (size_t)w : 0;
        OK(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_MS))); /* events with no reader */
        OK(stream_read(f, PATIENCE(f), h.stream, received + done, TOTAL - done < 30000 ? TOTAL - done : 30000, &n));
        done += n;
    }
    assert_memory_equal(sent, received, TOTAL);
    free(sent);
    free(received);
    close(h.peer);
    stream_close(h.stream);
}

struct canceled_read {
    struct half h;
    enum err first, second;
};

static void
read_until_canceled(struct fiber *f, void *arg)
{
    struct canceled_read *c = arg;
    char got[8];
    size_t n;
    c->first = stream_read(f, DEADLINE_NEVER, c->h.stream, got, sizeof(got), &n);
    c->second = stream_read(f, DEADLINE_NEVER, c->h.stream, got, sizeof(got), &n);
}

static void
cancel_a_reader(struct fiber *f, void *arg)
{
    (void)arg;
    struct canceled_read c = {.h = half_open(f)};
    struct fiber_group g;
    fiber_group_init(&g, f);
    OK(fiber_group_spawn(&g, "test", read_until_canceled, &c));
    OK(fiber_yield(f));
    assert_int_equal(write(c.h.peer, "x", 1), 1); /* readable, but cancelled before the loop looks */
    fiber_group_end(f, &g);
    assert_int_equal(c.first, ERR_CANCELED);
    assert_int_equal(c.second, ERR_CANCELED); /* though a byte is there */
    char got[8];
    size_t n;
    OK(stream_read(f, PATIENCE(f), c.h.stream, got, sizeof(got), &n)); /* the byte was not lost */
    assert_int_equal(n, 1);
    close(c.h.peer);
    stream_close(c.h.stream);
}

static void
yield_until_told(struct fiber *f, void *arg)
{
    const bool *is_over = arg;
    while (!*is_over)
        OK(fiber_yield(f));
}

/* So many others are ready that the loop looks at the sockets before the cancelled reader has run. */
static void
cancel_a_reader_in_a_crowd(struct fiber *f, void *arg)
{
    (void)arg;
    enum { CROWD = 1500 };
    struct canceled_read c = {.h = half_open(f)};
    struct fiber_group reader, crowd;
    bool is_over = false;
    fiber_group_init(&reader, f);
    fiber_group_init(&crowd, f);
    OK(fiber_group_spawn(&reader, "test", read_until_canceled, &c));
    for (int i = 0; i < CROWD; i++)
        OK(fiber_group_spawn(&crowd, "test", yield_until_told, &is_over));
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), 5 * NS_PER_MS)));
    assert_int_equal(write(c.h.peer, "x", 1), 1);
    fiber_group_end(f, &reader);
    assert_int_equal(c.first, ERR_CANCELED);
    is_over = true;
    OK(fiber_group_join(f, PATIENCE(f), &crowd));
    char got[8];
    size_t n;
    OK(stream_read(f, PATIENCE(f), c.h.stream, got, sizeof(got), &n)); /* the byte was not lost */
    assert_int_equal(got[0], 'x');
    close(c.h.peer);
    stream_close(c.h.stream);
}

/* --- the turn rule ------------------------------------------------------------------------------------------------ */

struct turns {
    int other_ran;
    bool stop;
};

static void
count_turns(struct fiber *f, void *arg)
{
    struct turns *t = arg;
    while (!t->stop) {
        t->other_ran++;
        OK(fiber_yield(f));
    }
}

static void
share_the_loop(struct fiber *f, void *arg)
{
    (void)arg;
    struct half h = half_open(f);
    struct turns t = {0};
    struct fiber_group g;
    fiber_group_init(&g, f);
    OK(fiber_group_spawn(&g, "test", count_turns, &t));
    char byte;
    size_t n;
    for (int calls = 0; calls < 256; calls++) { /* small calls, always ready */
        assert_int_equal(write(h.peer, "x", 1), 1);
        OK(stream_read(f, PATIENCE(f), h.stream, &byte, 1, &n));
    }
    assert_in_range(t.other_ran, 3, 5); /* about every 64 calls */
    t.other_ran = 0;
    static uint8_t big[16 * 1024];
    for (int calls = 0; calls < 16; calls++) { /* 256 KiB, always ready */
        OK(stream_write(f, PATIENCE(f), h.stream, span_of(big, sizeof(big))));
        assert_int_equal(recv(h.peer, big, sizeof(big), MSG_WAITALL), sizeof(big));
    }
    assert_in_range(t.other_ran, 3, 5); /* about every 64 KiB */
    t.stop = true;
    OK(fiber_group_join(f, PATIENCE(f), &g));
    close(h.peer);
    stream_close(h.stream);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

struct transfer {
    struct stream *from, *to;
    size_t total;
    enum err written;
};

static void
write_all(struct fiber *f, void *arg)
{
    struct transfer *t = arg;
    uint8_t *data = malloc(t->total);
    assert_non_null(data);
    for (size_t i = 0; i < t->total; i++)
        data[i] = (uint8_t)(i % 253);
    t->written = stream_write(f, PATIENCE(f), t->from, span_of(data, t->total));
    free(data);
}

static void
write_more_than_the_kernel_holds(struct fiber *f, void *arg)
{
    (void)arg;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct transfer t = {.total = 5 << 20};
    OK(stream_open_fd(fiber_rt(f), pair[0], &t.from));
    OK(stream_open_fd(fiber_rt(f), pair[1], &t.to));
    struct fiber_group g;
    fiber_group_init(&g, f);
    OK(fiber_group_spawn(&g, "test", write_all, &t));
    static uint8_t got[50000];
    size_t done = 0, n;
    while (done < t.total) {
        OK(stream_read(f, PATIENCE(f), t.to, got, sizeof(got), &n));
        for (size_t i = 0; i < n; i++)
            if (got[i] != (uint8_t)((done + i) % 253))
                fail_msg("byte %zu", done + i);
        done += n;
    }
    OK(fiber_group_join(f, PATIENCE(f), &g));
    OK(t.written);
    stream_close(t.from);
    stream_close(t.to);
}

static void
write_to_one_that_does_not_read(struct fiber *f, void *arg)
{
    (void)arg;
    struct half h = half_open(f);
    static uint8_t big[4 << 20];
    assert_int_equal(stream_write(f, deadline_in(fiber_rt(f), 10 * NS_PER_MS), h.stream, span_of(big, sizeof(big))),
                     ERR_TIMEOUT);
    /* Half of it has gone out: nothing may follow, so nothing does. */
    int before = 0, after = 0;
    assert_int_equal(ioctl(h.peer, FIONREAD, &before), 0);
    assert_int_equal(recv(h.peer, big, 100000, 0) > 0, true);
    stream_post(h.stream, SPAN("421"));
    assert_int_equal(stream_write(f, PATIENCE(f), h.stream, SPAN("more")), ERR_CLOSED);
    assert_int_equal(ioctl(h.peer, FIONREAD, &after), 0);
    assert_true(after < before);
    close(h.peer);
    stream_close(h.stream);
}

static void
write_to_one_that_is_gone(struct fiber *f, void *arg)
{
    (void)arg;
    struct half h = half_open(f);
    close(h.peer);
    enum err e = ERR_OK;
    for (int i = 0; i < 3 && e == ERR_OK; i++)
        e = stream_write(f, PATIENCE(f), h.stream, SPAN("anybody there?")); /* no SIGPIPE either */
    assert_int_equal(e, ERR_CLOSED);
    stream_post(h.stream, SPAN("421"));
    stream_close(h.stream);
}

/* --- closing ------------------------------------------------------------------------------------------------------ */

/* A reply written before the close arrives although the peer goes on sending what nobody reads. */
static void
close_while_the_peer_sends(struct fiber *f, void *arg)
{
    (void)arg;
    struct stream_address at;
    int fd = listen_on(AF_INET, &at);
    struct listener *l;
    struct stream *server, *client;
    OK(listener_open(fiber_rt(f), fd, &l));
    OK(stream_connect(f, PATIENCE(f), &at, NULL, &client));
    OK(stream_accept(f, PATIENCE(f), l, &server));
    static uint8_t junk[100000];
    OK(stream_write(f, PATIENCE(f), client, span_of(junk, sizeof(junk))));
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), 5 * NS_PER_MS)));
    stream_post(server, SPAN("421 bye"));
    stream_close(server); /* with 100 kB unread: a plain close would reset */
    OK(stream_write(f, PATIENCE(f), client, span_of(junk, 1000)));
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), 5 * NS_PER_MS)));
    OK(stream_write(f, PATIENCE(f), client, span_of(junk, 1000)));
    char got[64];
    size_t n = 0;
    OK(stream_read(f, PATIENCE(f), client, got, sizeof(got), &n));
    assert_memory_equal(got, "421 bye", 7);
    assert_int_equal(stream_read(f, PATIENCE(f), client, got, sizeof(got), &n), ERR_CLOSED);
    assert_int_equal(rt_real_of(fiber_rt(f))->linger_count, 1);
    stream_close(client);
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), 20 * NS_PER_MS)));
    assert_int_equal(rt_real_of(fiber_rt(f))->linger_count, 0); /* it saw the client's end */
    listener_close(l);
}

static void
abort_resets(struct fiber *f, void *arg)
{
    (void)arg;
    struct stream_address at;
    int fd = listen_on(AF_INET, &at);
    struct listener *l;
    struct stream *server;
    OK(listener_open(fiber_rt(f), fd, &l));
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(at.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
    OK(stream_accept(f, PATIENCE(f), l, &server));
    stream_abort(server);
    char got;
    assert_int_equal(recv(client, &got, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(client);
    listener_close(l);
    stream_close(NULL);
    stream_abort(NULL);
    listener_close(NULL);
}

/* --- listening and connecting ------------------------------------------------------------------------------------- */

static void
accept_and_look_at_addresses(struct fiber *f, void *arg)
{
    (void)arg;
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        struct stream_address at;
        int fd = listen_on(families[i], &at);
        if (fd < 0)
            continue; /* no IPv6 here */
        struct listener *l;
        struct stream *server, *client;
        OK(listener_open(fiber_rt(f), fd, &l));
        assert_int_equal(stream_accept(f, deadline_in(fiber_rt(f), NS_PER_MS), l, &server), ERR_TIMEOUT);
        struct stream_address source = {.family = ADDRESS_IPV4, .ip = {127, 0, 0, 9}};
        OK(stream_connect(f, PATIENCE(f), &at, &source, &client));
        OK(stream_accept(f, PATIENCE(f), l, &server));
        assert_int_equal(stream_peer(server)->family, ADDRESS_IPV4); /* also when it came mapped into IPv6 */
        assert_memory_equal(stream_peer(server)->ip, source.ip, 4);
        assert_int_equal(stream_local(server)->port, at.port);
        assert_int_equal(stream_peer(client)->port, at.port);
        assert_int_equal(stream_local(client)->port, stream_peer(server)->port);
        assert_memory_equal(stream_local(client)->ip, source.ip, 4);
        int no_delay = 0;
        socklen_t len = sizeof(no_delay);
        struct real_stream_view {
            struct stream stream;
            struct real_socket socket;
        } *view = (struct real_stream_view *)server;
        assert_int_equal(getsockopt(view->socket.fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &len), 0);
        assert_int_equal(no_delay, 1);
        stream_close(client);
        stream_close(server);
        listener_close(l);
        assert_int_equal(stream_connect(f, PATIENCE(f), &at, NULL, &client), ERR_CLOSED); /* refused */
    }
}

static void
connect_to_a_unix_socket(struct fiber *f, void *arg)
{
    (void)arg;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/godwit-stream-%d", (int)getpid());
    unlink(at.sun_path);
    struct stream *server, *client;
    assert_int_equal(stream_connect_unix(f, PATIENCE(f), at.sun_path, &client), ERR_NOT_FOUND);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    struct listener *l;
    OK(listener_open(fiber_rt(f), fd, &l));
    OK(stream_connect_unix(f, PATIENCE(f), at.sun_path, &client));
    OK(stream_accept(f, PATIENCE(f), l, &server));
    const struct stream *ends[] = {server, client};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(stream_peer(ends[i])->family, ADDRESS_UNIX);
        assert_int_equal(stream_peer(ends[i])->uid, geteuid());
        assert_int_equal(stream_peer(ends[i])->gid, getegid());
        assert_int_equal(stream_peer(ends[i])->pid, getpid());
    }
    stream_close(client);
    stream_close(server);
    listener_close(l);
    unlink(at.sun_path);
    char too_long[200];
    memset(too_long, 'x', sizeof(too_long));
    too_long[sizeof(too_long) - 1] = '\0';
    assert_int_equal(stream_connect_unix(f, PATIENCE(f), too_long, &client), ERR_LIMIT);
}

static int64_t
cpu_us(const struct rusage *u)
{
    return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000 + u->ru_utime.tv_usec + u->ru_stime.tv_usec;
}

static void
accept_without_descriptors(struct fiber *f, void *arg)
{
    (void)arg;
    struct stream_address at;
    int fd = listen_on(AF_INET, &at);
    struct listener *l;
    struct stream *server, *client;
    OK(listener_open(fiber_rt(f), fd, &l));
    /* It has waited before, so the loop watches the socket. */
    assert_int_equal(stream_accept(f, deadline_in(fiber_rt(f), NS_PER_MS), l, &server), ERR_TIMEOUT);
    OK(stream_connect(f, PATIENCE(f), &at, NULL, &client));
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(stream_accept(f, PATIENCE(f), l, &server), ERR_LIMIT);
    struct rusage start, end;
    getrusage(RUSAGE_SELF, &start);
    /* The connection stays pending; the loop must not spin. */
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), 100 * NS_PER_MS)));
    getrusage(RUSAGE_SELF, &end);
    int64_t busy_us = cpu_us(&end) - cpu_us(&start);
    assert_true(busy_us < 5000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    OK(stream_accept(f, PATIENCE(f), l, &server));
    stream_close(client);
    stream_close(server);
    listener_close(l);
}

/* --- everything at once ------------------------------------------------------------------------------------------- */

enum { STRESS_PAIRS = 30, STRESS_BYTES = 300000 };

struct stress {
    struct stream *from, *to;
    uint64_t seed;
};

static uint64_t
chance(uint64_t *seed, uint64_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (*seed >> 33) % below;
}

static void
stress_write(struct fiber *f, void *arg)
{
    struct stress *s = arg;
    uint64_t seed = s->seed;
    uint8_t data[20000];
    for (size_t sent = 0; sent < STRESS_BYTES;) {
        size_t n = 1 + chance(&seed, chance(&seed, 4) == 0 ? sizeof(data) : 200);
        n = n < STRESS_BYTES - sent ? n : STRESS_BYTES - sent;
        for (size_t i = 0; i < n; i++)
            data[i] = (uint8_t)((sent + i) % 251);
        OK(stream_write(f, PATIENCE(f), s->from, span_of(data, n)));
        sent += n;
        if (chance(&seed, 20) == 0)
            OK(fiber_sleep(f, deadline_in(fiber_rt(f), (int64_t)chance(&seed, 2) * NS_PER_MS)));
    }
}

/* Deadlines that pass at any moment must not lose a byte. */
static void
stress_read(struct fiber *f, void *arg)
{
    struct stress *s = arg;
    uint64_t seed = s->seed + 1;
    uint8_t data[20000];
    for (size_t got = 0; got < STRESS_BYTES;) {
        size_t n = 0, cap = 1 + chance(&seed, chance(&seed, 4) == 0 ? sizeof(data) : 300);
        struct deadline by = deadline_in(fiber_rt(f), (int64_t)chance(&seed, 3) * NS_PER_MS / 2);
        enum err e = stream_read(f, chance(&seed, 2) == 0 ? by : PATIENCE(f), s->to, data, cap, &n);
        if (e == ERR_TIMEOUT)
            continue;
        OK(e);
        for (size_t i = 0; i < n; i++)
            if (data[i] != (uint8_t)((got + i) % 251))
                fail_msg("byte %zu", got + i);
        got += n;
        if (chance(&seed, 30) == 0)
            OK(fiber_sleep(f, deadline_in(fiber_rt(f), (int64_t)chance(&seed, 2) * NS_PER_MS)));
    }
}

static void
nothing_is_lost_in_a_crowd(struct fiber *f, void *arg)
{
    (void)arg;
    static struct stress s[STRESS_PAIRS];
    struct fiber_group g;
    fiber_group_init(&g, f);
    for (size_t i = 0; i < STRESS_PAIRS; i++) {
        int pair[2], size = i % 2 == 0 ? 4096 : 100000;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
        s[i].seed = i * 77 + 5;
        OK(stream_open_fd(fiber_rt(f), pair[0], &s[i].from));
        OK(stream_open_fd(fiber_rt(f), pair[1], &s[i].to));
        OK(fiber_group_spawn(&g, "test", stress_write, &s[i]));
        OK(fiber_group_spawn(&g, "test", stress_read, &s[i]));
    }
    OK(fiber_group_join(f, deadline_in(fiber_rt(f), 60 * NS_PER_S), &g));
    for (size_t i = 0; i < STRESS_PAIRS; i++) {
        stream_close(s[i].from);
        stream_close(s[i].to);
    }
}

/* Streams left open when the process ends are closed with it: no leak, and the peer sees the end. */
static void
leave_open(struct fiber *f, void *arg)
{
    struct half *h = arg;
    *h = half_open(f);
}

/* --- */

#define IN_FIBER(name) \
    static void test_##name(void **state) \
    { \
        (void)state; \
        real_rt_run(name, NULL); \
    }

IN_FIBER(read_what_comes)
IN_FIBER(read_after_a_pause)
IN_FIBER(cancel_a_reader)
IN_FIBER(cancel_a_reader_in_a_crowd)
IN_FIBER(share_the_loop)
IN_FIBER(write_more_than_the_kernel_holds)
IN_FIBER(write_to_one_that_does_not_read)
IN_FIBER(write_to_one_that_is_gone)
IN_FIBER(close_while_the_peer_sends)
IN_FIBER(abort_resets)
IN_FIBER(accept_and_look_at_addresses)
IN_FIBER(connect_to_a_unix_socket)
IN_FIBER(accept_without_descriptors)
IN_FIBER(nothing_is_lost_in_a_crowd)

static void
test_streams_left_open_end_with_the_process(void **state)
{
    (void)state;
    struct half h;
    real_rt_run(leave_open, &h);
    char got;
    assert_int_equal(read(h.peer, &got, 1), 0);
    close(h.peer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_what_comes),
        cmocka_unit_test(test_read_after_a_pause),
        cmocka_unit_test(test_cancel_a_reader),
        cmocka_unit_test(test_cancel_a_reader_in_a_crowd),
        cmocka_unit_test(test_share_the_loop),
        cmocka_unit_test(test_write_more_than_the_kernel_holds),
        cmocka_unit_test(test_write_to_one_that_does_not_read),
        cmocka_unit_test(test_write_to_one_that_is_gone),
        cmocka_unit_test(test_close_while_the_peer_sends),
        cmocka_unit_test(test_abort_resets),
        cmocka_unit_test(test_accept_and_look_at_addresses),
        cmocka_unit_test(test_connect_to_a_unix_socket),
        cmocka_unit_test(test_accept_without_descriptors),
        cmocka_unit_test(test_nothing_is_lost_in_a_crowd),
        cmocka_unit_test(test_streams_left_open_end_with_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
