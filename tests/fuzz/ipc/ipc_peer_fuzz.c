/*
 * ipc_peer_fuzz.c - a hub whose peer sends anything: frames, descriptors, replies to a call under way.
 *
 * Input: role of the hub, role of the peer, then packets: length (2 octets, big-endian), descriptors (1 octet), so
 * many octets. Each request that decodes is served by reading all of it. Nothing may crash, leak or read what is not
 * there.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "ipc/ipc_messages.h"
#include "rt/rt_real.h"

enum { PACKETS_MAX = 64, FDS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct attack {
    enum ipc_role self;
    enum ipc_role peer;
    struct span rest;
};

/* Encode the request again: that touches every octet of every text. Its descriptors are ours to close. */
static void
serve(const void *service, struct fiber *f, void *ctx, struct ipc_peer *from, const void *request, struct arena *mem,
      void *reply)
{
    const struct ipc_form *form = service;
    size_t bytes, fd_count;
    int fds[IPC_FORM_FDS_MAX];
    (void)ctx, (void)from, (void)reply;
    ASSERT(ipc_form_measure(form, request, &bytes) == ERR_OK);
    uint8_t *copy = arena_alloc(mem, bytes);
    if (copy != NULL)
        ipc_form_put(form, request, copy, bytes, fds, &fd_count);
    else
        fd_count = 0;
    for (size_t i = 0; i < fd_count; i++)
        rt_fd_close(fiber_rt(f), fds[i]);
    enum err e = fiber_yield(f);
    (void)e;
}

#define EACH_TYPE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) \
    X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
#define SERVE_TYPE(n) \
    static void serve_##n(const void *service, struct fiber *f, void *ctx, struct ipc_peer *from, const void *request, \
                          struct arena *mem, void *reply) \
    { \
        (void)service; \
        serve(ipc_types[n < IPC_TYPE_COUNT ? n : 0].request, f, ctx, from, request, mem, reply); \
    }
EACH_TYPE(SERVE_TYPE)
#define TABLE_ENTRY(n) serve_##n,
static ipc_serve_fn *const table[] = {EACH_TYPE(TABLE_ENTRY)};
_Static_assert(IPC_TYPE_COUNT <= sizeof(table) / sizeof(table[0]), "one more X() for each new message");

static bool
next_packet(struct attack *a, struct span *packet, size_t *fd_count)
{
    if (a->rest.len < 3)
        return false;
    size_t len = (size_t)a->rest.data[0] << 8 | a->rest.data[1];
    *fd_count = a->rest.data[2] % (FDS_MAX + 1);
    a->rest = span_skip(a->rest, 3);
    if (len > a->rest.len)
        len = a->rest.len;
    *packet = span_first(a->rest, len);
    a->rest = span_skip(a->rest, len);
    return true;
}

static void
send_packet(int to, int fd, struct span packet, size_t fd_count)
{
    struct iovec part = {(void *)(uintptr_t)packet.data, packet.len};
    union {
        char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        for (size_t i = 0; i < fd_count; i++)
            memcpy(CMSG_DATA(header) + sizeof(int) * i, &fd, sizeof(int));
    }
    (void)!sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A call under way, so that a reply may find its slot: the first one has id IPC_CREDITS. */
static void
call(struct fiber *f, void *arg)
{
    struct ipc_hub *hub = arg;
    struct ipc_recipient_check request = {.local_part = SPAN("a")};
    struct ipc_recipient_check_reply reply;
    struct arena mem;
    arena_init(&mem, 4096);
    enum err e = ipc_recipient_check(f, deadline_in(fiber_rt(f), 50 * NS_PER_MS), ipc_hub_link(hub, ROLE_DIRECTORY),
                                     &request, &mem,
                                     &reply);
    (void)e;
    arena_clear(&mem);
}

static void
attack_run(struct fiber *f, void *arg)
{
    struct attack *a = arg;
    struct rt *rt = fiber_rt(f);
    struct packet_socket *socket;
    struct ipc_hub *hub;
    struct fiber_group group;
    struct span packet;
    int fds[2];
    size_t fd_count;
    ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ASSERT(ipc_hub_new(rt, a->self, 0, &hub) == ERR_OK);
    ipc_hub_serve_table(hub, a->self, table, NULL, NULL);
    ipc_hub_serve_system_table(hub, table, NULL, NULL);
    ASSERT(packet_socket_open(rt, fds[0], &socket) == ERR_OK);
    ASSERT(ipc_hub_attach(hub, a->peer, 0, socket) == ERR_OK);
    fiber_group_init(&group, f);
    if (a->self == ROLE_EDGE && a->peer == ROLE_DIRECTORY)
        ASSERT(fiber_group_spawn(&group, "fuzz.call", call, hub) == ERR_OK);
    enum err e = fiber_yield(f);
    for (size_t i = 0; i < PACKETS_MAX && e == ERR_OK && next_packet(a, &packet, &fd_count); i++) {
        if (packet.len > 0)
            send_packet(fds[1], null, packet, fd_count);
        e = fiber_yield(f);
    }
    close(fds[1]);
    close(null);
    while (ipc_link_is_attached(ipc_hub_link(hub, a->peer)))
        e = fiber_sleep(f, deadline_in(rt, NS_PER_MS / 10));
    ipc_hub_free(f, hub);
    fiber_group_end(f, &group);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum ipc_role roles[] = {ROLE_EDGE, ROLE_QUEUE, ROLE_LOCAL, ROLE_RESOLVER, ROLE_DIRECTORY,
                                          ROLE_CONTROL, ROLE_PARENT};
    struct rt_real_options options = {.log_fd = -1};
    struct rt *rt;
    if (size < 2)
        return 0;
    struct attack attack = {
        .self = roles[data[0] % ARRAY_LEN(roles)],
        .peer = roles[data[1] % ARRAY_LEN(roles)],
        .rest = span_of(data + 2, size - 2),
    };
    ASSERT(rt_real_new(&options, &rt) == ERR_OK);
    ASSERT(rt_real_run(rt, attack_run, &attack) == ERR_OK);
    rt_real_free(rt);
    return 0;
}
