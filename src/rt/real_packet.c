/*
 * real_packet.c - packets with descriptors over SOCK_SEQPACKET.
 *
 * A reader first takes what is there, then waits: a busy channel hands over many packets a turn of the loop. The kernel
 * refuses nothing that is larger than we allow, so size and number of descriptors are checked here and what does not
 * fit is closed, not leaked.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "rt/rt_real_body.h"

enum { PACKET_SOCKET_BUFFER = 1024 * 1024 };

struct real_packet {
    struct packet_socket packet;
    struct real_socket socket;
};

union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(PACKET_FDS_MAX * sizeof(int))];
};

static struct real_packet *
packet_of(struct packet_socket *p)
{
    return CONTAINER_OF(p, struct real_packet, packet);
}

static void
packet_readable(struct real_socket *socket)
{
    if (real_socket_has_reader(socket))
        fiber_unpark(socket->reader, ERR_OK);
    else
        real_socket_arm(socket, socket->armed & ~(unsigned)UV_READABLE);
}

static void
packet_closed(struct real_socket *socket)
{
    free(CONTAINER_OF(socket, struct real_packet, socket));
}

enum err
real_packet_open(struct rt *rt, int fd, struct packet_socket **ret)
{
    struct real_packet *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        close(fd);
        return ERR_LIMIT;
    }
    int size = PACKET_SOCKET_BUFFER; /* the system's maximum limits it; smaller works too */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    p->packet.rt = rt;
    enum err e = real_socket_open(rt_real_of(rt), &p->socket, fd, packet_readable, packet_closed);
    if (e != ERR_OK) {
        free(p);
        return e;
    }
    *ret = &p->packet;
    return ERR_OK;
}

void
real_packet_close(struct packet_socket *packet)
{
    real_socket_close(&packet_of(packet)->socket);
}

enum err
real_packet_send(struct fiber *f, struct deadline by, struct packet_socket *packet, struct span data, const int *fds,
                 size_t fd_count)
{
    struct real_packet *p = packet_of(packet);
    struct iovec part = {.iov_base = (void *)(uintptr_t)data.data, .iov_len = data.len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union control control;
    if (fd_count > 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
    }
    for (;;) {
        ssize_t n = sendmsg(p->socket.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            return ERR_OK;
        if (errno == EAGAIN)
            TRY(real_socket_wait_writable(f, by, &p->socket));
        else if (errno == ETOOMANYREFS)
            return ERR_LIMIT; /* too many descriptors under way: the receiver does not take them */
        else if (errno != EINTR)
            return err_from_socket(errno);
    }
}

/* Take the descriptors out of a received message; all of them, whatever else it holds. */
static size_t
fds_take(struct msghdr *message, int fds[PACKET_FDS_MAX])
{
    size_t count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        ASSERT(n <= PACKET_FDS_MAX - count); /* the control buffer has room for no more */
        memcpy(fds + count, CMSG_DATA(header), n * sizeof(int));
        count += n;
    }
    return count;
}

static enum err
packet_take(struct real_packet *p, void *dst, size_t *ret_len, int fds[PACKET_FDS_MAX], size_t *ret_fd_count)
{
    struct iovec part = {.iov_base = dst, .iov_len = PACKET_BYTES_MAX};
    union control control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(p->socket.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_CLOSED;
    int taken[PACKET_FDS_MAX];
    size_t count = fds_take(&message, taken);
    if (n == 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        for (size_t i = 0; i < count; i++)
            close(taken[i]);
        return n == 0 ? ERR_CLOSED : ERR_PROTOCOL;
    }
    memcpy(fds, taken, count * sizeof(int));
    *ret_len = (size_t)n;
    *ret_fd_count = count;
    return ERR_OK;
}

enum err
real_packet_recv(struct fiber *f, struct deadline by, struct packet_socket *packet, void *dst, size_t cap,
                 size_t *ret_len, int fds[PACKET_FDS_MAX], size_t *ret_fd_count)
{
    struct real_packet *p = packet_of(packet);
    (void)cap;
    for (;;) {
        enum err e = packet_take(p, dst, ret_len, fds, ret_fd_count);
        if (e != ERR_AGAIN)
            return e;
        TRY(real_socket_wait_readable(f, by, &p->socket));
    }
}
