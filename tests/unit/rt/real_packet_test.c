/* real_packet_test.c - packets and descriptors over SOCK_SEQPACKET, also from a peer that means harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "real_rt.h"
#include "rt/packet.h"

/* One end as ours, the other as a plain socket of the test. */
struct half {
    struct packet_socket *packets;
    int peer;
};

static struct half
half_open(struct fiber *f)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    struct half h = {.peer = pair[1]};
    OK(packet_socket_open(fiber_rt(f), pair[0], &h.packets));
    return h;
}

static size_t
open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static uint8_t big[PACKET_BYTES_MAX + 1];
static uint8_t got[PACKET_BYTES_MAX];

static int
text_fd(const char *text)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void
packets_keep_their_boundaries(struct fiber *f, void *arg)
{
    (void)arg;
    struct half a = half_open(f);
    struct packet_socket *b;
    OK(packet_socket_open(fiber_rt(f), a.peer, &b));
    int fds[PACKET_FDS_MAX];
    size_t len, count;
    static const size_t sizes[] = {1, 2, 4095, 65536, PACKET_BYTES_MAX};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        memset(big, (int)i + 1, sizes[i]);
        OK(packet_send(f, PATIENCE(f), a.packets, span_of(big, sizes[i]), NULL, 0));
        OK(packet_recv(f, PATIENCE(f), b, got, sizeof(got), &len, fds, &count));
        assert_int_equal(len, sizes[i]);
        assert_int_equal(count, 0);
        assert_memory_equal(got, big, len);
    }
    OK(packet_send(f, PATIENCE(f), a.packets, SPAN("one"), NULL, 0));
    OK(packet_send(f, PATIENCE(f), a.packets, SPAN("two"), NULL, 0));
    OK(packet_recv(f, PATIENCE(f), b, got, sizeof(got), &len, fds, &count));
    assert_memory_equal(got, "one", 3);
    assert_int_equal(len, 3);
    OK(packet_recv(f, PATIENCE(f), b, got, sizeof(got), &len, fds, &count));
    assert_memory_equal(got, "two", 3);
    struct deadline soon = deadline_in(fiber_rt(f), NS_PER_MS);
    assert_int_equal(packet_recv(f, soon, b, got, sizeof(got), &len, fds, &count), ERR_TIMEOUT);
    packet_socket_close(a.packets);
    assert_int_equal(packet_recv(f, PATIENCE(f), b, got, sizeof(got), &len, fds, &count), ERR_CLOSED);
    assert_int_equal(packet_send(f, PATIENCE(f), b, SPAN("x"), NULL, 0), ERR_CLOSED); /* and no SIGPIPE */
    packet_socket_close(b);
    packet_socket_close(NULL);
}

static void
descriptors_travel(struct fiber *f, void *arg)
{
    (void)arg;
    size_t before = open_descriptors();
    struct half a = half_open(f);
    struct packet_socket *b;
    OK(packet_socket_open(fiber_rt(f), a.peer, &b));
    int sent[PACKET_FDS_MAX], fds[PACKET_FDS_MAX];
    size_t len, count;
    for (size_t i = 0; i < PACKET_FDS_MAX; i++)
        sent[i] = text_fd(&"abcdefghijklmnop"[i]);
    OK(packet_send(f, PATIENCE(f), a.packets, SPAN("with"), sent, PACKET_FDS_MAX));
    for (size_t i = 0; i < PACKET_FDS_MAX; i++)
        close(sent[i]); /* the caller keeps its own, and may close them */
    OK(packet_recv(f, PATIENCE(f), b, got, sizeof(got), &len, fds, &count));
    assert_int_equal(count, PACKET_FDS_MAX);
    for (size_t i = 0; i < count; i++) {
        char c;
        assert_int_equal(pread(fds[i], &c, 1, 0), 1);
        assert_int_equal(c, 'a' + (int)i);
        assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        int copy = rt_fd_dup(fiber_rt(f), fds[i]);
        assert_true(copy >= 0 && (fcntl(copy, F_GETFD) & FD_CLOEXEC) != 0);
        rt_fd_close(fiber_rt(f), copy);
        rt_fd_close(fiber_rt(f), fds[i]);
    }
    rt_fd_close(fiber_rt(f), -1);
    packet_socket_close(a.packets);
    packet_socket_close(b);
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_MS)));
    assert_int_equal(open_descriptors(), before);
}

/* Send with sendmsg(2) what packet_send() would never send. */
static void
send_raw(int socket, size_t len, size_t fd_count, int fd)
{
    struct iovec part = {.iov_base = big, .iov_len = len};
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(64 * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        for (size_t i = 0; i < fd_count; i++)
            memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(fd));
    }
    assert_int_equal(sendmsg(socket, &message, 0), len);
}

static void
a_hostile_peer_is_caught(struct fiber *f, void *arg)
{
    (void)arg;
    static const struct {
        const char *name;
        size_t len;
        size_t fds;
        enum err expected;
    } cases[] = {
        {"largest", PACKET_BYTES_MAX, PACKET_FDS_MAX, ERR_OK},
        {"too large", PACKET_BYTES_MAX + 1, 0, ERR_PROTOCOL},
        {"too large, with descriptors", PACKET_BYTES_MAX + 1, 3, ERR_PROTOCOL},
        {"too many descriptors", 10, PACKET_FDS_MAX + 1, ERR_PROTOCOL},
        {"far too many", 10, 60, ERR_PROTOCOL},
        {"an empty packet", 0, 0, ERR_CLOSED},
        {"an empty packet with descriptors", 0, 2, ERR_CLOSED},
    };
    size_t before = open_descriptors();
    int fd = text_fd("x");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct half h = half_open(f);
        int size = 1 << 20, fds[PACKET_FDS_MAX];
        setsockopt(h.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        size_t len = 0, count = 0;
        send_raw(h.peer, cases[i].len, cases[i].fds, fd);
        enum err e = packet_recv(f, PATIENCE(f), h.packets, got, sizeof(got), &len, fds, &count);
        if (e != cases[i].expected)
            fail_msg("%s: %s", cases[i].name, err_name(e));
        for (size_t n = 0; e == ERR_OK && n < count; n++)
            close(fds[n]);
        packet_socket_close(h.packets);
        close(h.peer);
        OK(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_MS)));
    }
    close(fd);
    assert_int_equal(open_descriptors(), before); /* nothing leaked */
}

/* --- flow control ------------------------------------------------------------------------------------------------- */

struct flow {
    struct packet_socket *from, *to;
    uint32_t sent, received;
};

enum { FLOW_PACKETS = 3000, FLOW_BYTES = 20000 };

static void
flow_send(struct fiber *f, void *arg)
{
    struct flow *flow = arg;
    for (; flow->sent < FLOW_PACKETS; flow->sent++) {
        memcpy(big, &flow->sent, sizeof(flow->sent));
        OK(packet_send(f, PATIENCE(f), flow->from, span_of(big, FLOW_BYTES), NULL, 0));
    }
}

static void
a_slow_reader_makes_the_writer_wait(struct fiber *f, void *arg)
{
    (void)arg;
    struct half h = half_open(f);
    struct flow flow = {.from = h.packets};
    OK(packet_socket_open(fiber_rt(f), h.peer, &flow.to));
    struct fiber_group g;
    fiber_group_init(&g, f);
    OK(fiber_group_spawn(&g, "test", flow_send, &flow));
    OK(fiber_sleep(f, deadline_in(fiber_rt(f), 20 * NS_PER_MS)));
    assert_in_range(flow.sent, 1, FLOW_PACKETS / 2); /* it waits */
    int fds[PACKET_FDS_MAX];
    size_t len, count;
    for (; flow.received < FLOW_PACKETS; flow.received++) {
        OK(packet_recv(f, PATIENCE(f), flow.to, got, sizeof(got), &len, fds, &count));
        assert_int_equal(len, FLOW_BYTES);
        assert_memory_equal(got, &flow.received, sizeof(flow.received));
    }
    OK(fiber_group_join(f, PATIENCE(f), &g));
    packet_socket_close(flow.from);
    packet_socket_close(flow.to);
}

static void
a_send_gives_up_at_its_deadline(struct fiber *f, void *arg)
{
    (void)arg;
    struct half h = half_open(f);
    enum err e = ERR_OK;
    for (int i = 0; i < 1000 && e == ERR_OK; i++)
        e = packet_send(f, deadline_in(fiber_rt(f), 5 * NS_PER_MS), h.packets, span_of(big, 10000), NULL, 0);
    assert_int_equal(e, ERR_TIMEOUT);
    packet_socket_close(h.packets);
    close(h.peer);
}

#define IN_FIBER(name) \
    static void test_##name(void **state) \
    { \
        (void)state; \
        real_rt_run(name, NULL); \
    }

IN_FIBER(packets_keep_their_boundaries)
IN_FIBER(descriptors_travel)
IN_FIBER(a_hostile_peer_is_caught)
IN_FIBER(a_slow_reader_makes_the_writer_wait)
IN_FIBER(a_send_gives_up_at_its_deadline)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_keep_their_boundaries),
        cmocka_unit_test(test_descriptors_travel),
        cmocka_unit_test(test_a_hostile_peer_is_caught),
        cmocka_unit_test(test_a_slow_reader_makes_the_writer_wait),
        cmocka_unit_test(test_a_send_gives_up_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
