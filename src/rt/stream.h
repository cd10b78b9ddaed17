/*
 * stream.h - bytes to and from a peer: TCP and Unix stream sockets, or the simulated network.
 *
 * What comes in is hostile. A stream has one reader and one writer at a time (they may be two fibers). A stream yields
 * to other fibers after STREAM_TURN_BYTES even when more is ready, so no peer holds the loop.
 */
#ifndef GODWIT_RT_STREAM_H
#define GODWIT_RT_STREAM_H

#include "rt/fiber.h"

enum {
    STREAM_TURN_BYTES = 64 * 1024, /* after so much without a suspend, a stream call yields first */
    STREAM_ADDRESS_MAX = 48,       /* text of an IP address */
};

enum address_family { ADDRESS_UNIX, ADDRESS_IPV4, ADDRESS_IPV6 };

/* One end of a connection. IPv4-mapped IPv6 addresses are given as IPv4. */
struct stream_address {
    enum address_family family;
    uint8_t ip[16];  /* network order; 4 bytes used for IPv4, none for Unix */
    uint16_t port;   /* 0 for Unix */
    uint32_t uid;    /* Unix: peer credentials */
    uint32_t gid;
    int32_t pid;
};

struct stream;
struct listener;

/* Take over a listening socket that the parent opened (`fd`, owned from now on). */
NODISCARD enum err listener_open(struct rt *rt, int fd, struct listener **ret);
void listener_close(struct listener *l);

/* Suspend until a connection comes in. ERR_LIMIT: out of descriptors; wait a little, try again. */
NODISCARD enum err stream_accept(struct fiber *f, struct deadline by, struct listener *l, struct stream **ret);

/* Connect. Only roles whose sandbox grants socket(). `source` may be NULL. ERR_CLOSED when refused or unreachable. */
NODISCARD enum err stream_connect(struct fiber *f, struct deadline by, const struct stream_address *to,
                                  const struct stream_address *source, struct stream **ret);

/* Connect to a Unix socket by path (real body), or to the simulated listener of that name. */
NODISCARD enum err stream_connect_unix(struct fiber *f, struct deadline by, const char *path, struct stream **ret);

/* Take over a connected socket (`fd`, owned from now on), such as one passed over a channel. Real body only. */
NODISCARD enum err stream_open_fd(struct rt *rt, int fd, struct stream **ret);

const struct stream_address *stream_peer(const struct stream *s);
const struct stream_address *stream_local(const struct stream *s);

/*
 * Read at least 1 and at most `cap` bytes into dst. ERR_CLOSED when the peer ended, in order or not. Bytes already here
 * are returned without a suspend (but for the turn rule).
 */
NODISCARD enum err stream_read(struct fiber *f, struct deadline by, struct stream *s, void *dst, size_t cap,
                               size_t *ret_n);

/*
 * Write all of `data`, which must stay as it is until the call returns. ERR_CLOSED when the peer is gone. When
 * another error comes after a part has gone out, every later write is ERR_CLOSED and stream_post() says nothing.
 */
NODISCARD enum err stream_write(struct fiber *f, struct deadline by, struct stream *s, struct span data);

/* Last words: hand `data` (copied, at most 4 KiB) to the kernel if it takes it now; never waits, never fails. */
void stream_post(struct stream *s, struct span data);

/*
 * End the connection in order after what was written or posted; frees `s`. No fiber may wait in it: end its reader
 * and writer first. NULL is accepted. Never suspends.
 */
void stream_close(struct stream *s);

/* As stream_close(), but lets the peer see a reset where the network has one. */
void stream_abort(struct stream *s);

#endif
