/* smtp_relay.c - two directions, each with a buffer of its own; a direction that cannot write does not read. */
#include "cli/smtp_relay.h"

#include "base/span.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum { CHUNK = 16 * 1024 };

/* How the client ends its lines, known once its first line has ended. */
enum dialect { DIALECT_UNKNOWN, DIALECT_CRLF, DIALECT_LF };

struct direction {
    int from, to;
    uint8_t bytes[2 * CHUNK]; /* read and not written yet: LF may have become CRLF */
    size_t at, len;
    bool has_ended; /* nothing more comes */
};

struct translation {
    enum dialect dialect;
    uint8_t last;
};

/* Take `in` into the empty buffer of `d`, line ends as the server wants them. */
static void
translate(struct translation *t, struct span in, struct direction *d)
{
    d->at = d->len = 0;
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.data[i];
        if (c == '\n' && t->dialect == DIALECT_UNKNOWN)
            t->dialect = t->last == '\r' ? DIALECT_CRLF : DIALECT_LF;
        if (c == '\n' && t->dialect == DIALECT_LF && t->last != '\r')
            d->bytes[d->len++] = '\r';
        d->bytes[d->len++] = c;
        t->last = c;
    }
}

/* Read if there is room; without a translation as it is. */
static void
pull(struct direction *d, struct translation *t)
{
    uint8_t chunk[CHUNK];
    ssize_t n = read(d->from, chunk, sizeof(chunk));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        d->has_ended = true;
        return;
    }
    struct translation as_it_is = {.dialect = DIALECT_CRLF};
    translate(t == NULL ? &as_it_is : t, span_of(chunk, (size_t)n), d);
}

static bool
push(struct direction *d)
{
    ssize_t n = write(d->to, d->bytes + d->at, d->len - d->at);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    d->at += (size_t)n;
    return true;
}

static bool
is_full(const struct direction *d)
{
    return d->at < d->len;
}

/* Wait until one of them can go on. */
static bool
wait_for_either(const struct direction *up, const struct direction *down, struct pollfd p[4])
{
    p[0] = (struct pollfd){.fd = is_full(up) || up->has_ended ? -1 : up->from, .events = POLLIN};
    p[1] = (struct pollfd){.fd = is_full(up) ? up->to : -1, .events = POLLOUT};
    p[2] = (struct pollfd){.fd = is_full(down) ? -1 : down->from, .events = POLLIN};
    p[3] = (struct pollfd){.fd = is_full(down) ? down->to : -1, .events = POLLOUT};
    int n;
    while ((n = poll(p, 4, -1)) < 0 && errno == EINTR)
        continue;
    return n > 0;
}

int
smtp_relay(int server, int in, int out)
{
    struct direction up = {.from = in, .to = server}, down = {.from = server, .to = out};
    struct translation translation = {.dialect = DIALECT_UNKNOWN};
    struct pollfd p[4];
    while (!down.has_ended || is_full(&down)) {
        if (!wait_for_either(&up, &down, p))
            return EX_IOERR;
        if (p[0].revents != 0)
            pull(&up, &translation);
        if (p[1].revents != 0 && !push(&up))
            up.at = up.len = 0, up.has_ended = true; /* the server is gone; what it said is still shown */
        if (up.has_ended && !is_full(&up) && up.to >= 0) {
            (void)shutdown(server, SHUT_WR);
            up.to = -1;
        }
        if (p[2].revents != 0)
            pull(&down, NULL);
        if (p[3].revents != 0 && !push(&down))
            return EX_IOERR;
    }
    return EX_OK;
}
