/*
 * packet.h - whole packets with descriptors between our own processes (SOCK_SEQPACKET, or its simulation).
 *
 * The other side is treated as hostile. ipc/channel.h is its only user in production.
 */
#ifndef GODWIT_RT_PACKET_H
#define GODWIT_RT_PACKET_H

#include "rt/fiber.h"

enum {
    PACKET_BYTES_MAX = 128 * 1024, /* the most one packet carries */
    PACKET_FDS_MAX = 16,           /* the most descriptors one packet carries */
};

struct packet_socket;

/* Take over one end of a socket pair (owned from now on). */
NODISCARD enum err packet_socket_open(struct rt *rt, int fd, struct packet_socket **ret);
void packet_socket_close(struct packet_socket *p);

/*
 * Send one packet of 1 to PACKET_BYTES_MAX bytes. Descriptors are duplicated into it; the caller keeps its own.
 * Suspends while the other side does not read. ERR_CLOSED when it is gone.
 */
NODISCARD enum err packet_send(struct fiber *f, struct deadline by, struct packet_socket *p, struct span data,
                               const int *fds, size_t fd_count);

/*
 * Receive one packet into dst[cap] (cap >= PACKET_BYTES_MAX). Received descriptors (close-on-exec) become the caller's.
 * ERR_CLOSED when the other side is gone, ERR_PROTOCOL for a packet too large or with too many descriptors.
 */
NODISCARD enum err packet_recv(struct fiber *f, struct deadline by, struct packet_socket *p, void *dst, size_t cap,
                               size_t *ret_len, int fds[PACKET_FDS_MAX], size_t *ret_fd_count);

#endif
