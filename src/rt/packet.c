/* packet.c - packet sockets: limits, cancellation, the turn rule, then dispatch to the body. */
#include "rt/packet.h"

#include "base/assert.h"
#include "rt/rt_body.h"

enum err
packet_socket_open(struct rt *rt, int fd, struct packet_socket **ret)
{
    return rt->ops->packet_open(rt, fd, ret);
}

void
packet_socket_close(struct packet_socket *p)
{
    if (p != NULL)
        p->rt->ops->packet_close(p);
}

enum err
packet_send(struct fiber *f, struct deadline by, struct packet_socket *p, struct span data, const int *fds,
            size_t fd_count)
{
    ASSERT(data.len > 0 && data.len <= PACKET_BYTES_MAX && fd_count <= PACKET_FDS_MAX);
    TRY(turn_begin(f));
    TRY(p->rt->ops->packet_send(f, by, p, data, fds, fd_count));
    turn_charge(f, data.len);
    return ERR_OK;
}

enum err
packet_recv(struct fiber *f, struct deadline by, struct packet_socket *p, void *dst, size_t cap, size_t *ret_len,
            int fds[PACKET_FDS_MAX], size_t *ret_fd_count)
{
    ASSERT(cap >= PACKET_BYTES_MAX);
    TRY(turn_begin(f));
    size_t len = 0;
    TRY(p->rt->ops->packet_recv(f, by, p, dst, cap, &len, fds, ret_fd_count));
    turn_charge(f, len);
    *ret_len = len;
    return ERR_OK;
}
