/*
 * real_socket.c - one descriptor under the eyes of the loop.
 *
 * Watching is level-triggered and changing what is watched costs system calls, so a descriptor stays armed for reading
 * as long as its reader, or a buffer, takes what comes; it is disarmed when nobody does. Armed for writing only during
 * a wait.
 */
#include <errno.h>
#include <unistd.h>

#include "base/assert.h"
#include "rt/rt_real_body.h"

static void
socket_event(uv_poll_t *poll, int status, int events)
{
    struct real_socket *s = CONTAINER_OF(poll, struct real_socket, poll);
    if (status < 0) {
        /*
         * An error is pending and libuv has stopped watching: let whoever waits find it with a call of its own. Whoever
         * calls first takes it away, so a connect that waits to be writable is not robbed by reading ahead.
         */
        s->armed = 0;
        events = s->writer != NULL && s->reader == NULL ? UV_WRITABLE : UV_READABLE | UV_WRITABLE;
    }
    if ((events & UV_WRITABLE) != 0) {
        if (s->armed != 0)
            real_socket_arm(s, s->armed & ~(unsigned)UV_WRITABLE);
        if (s->writer != NULL)
            fiber_unpark(s->writer, ERR_OK);
    }
    if ((events & UV_READABLE) != 0)
        s->on_readable(s);
}

enum err
real_socket_open(struct rt_real *real, struct real_socket *s, int fd, void (*on_readable)(struct real_socket *s),
                 void (*on_closed)(struct real_socket *s))
{
    int error = uv_poll_init(&real->loop, &s->poll, fd);
    if (error != 0) {
        close(fd);
        return err_from_errno(-error);
    }
    s->real = real;
    s->fd = fd;
    s->on_readable = on_readable;
    s->on_closed = on_closed;
    s->reader = s->writer = NULL;
    s->armed = 0;
    list_append(&real->sockets, &s->link);
    return ERR_OK;
}

static void
socket_closed(uv_handle_t *handle)
{
    struct real_socket *s = CONTAINER_OF((uv_poll_t *)handle, struct real_socket, poll);
    s->on_closed(s);
}

void
real_socket_close(struct real_socket *s)
{
    ASSERT(s->reader == NULL && s->writer == NULL);
    list_unlink(&s->link);
    uv_close((uv_handle_t *)&s->poll, socket_closed);
    close(s->fd);
    s->fd = -1;
}

void
real_socket_arm(struct real_socket *s, unsigned events)
{
    if (s->armed == events)
        return;
    s->armed = (uint8_t)events;
    int error = events == 0 ? uv_poll_stop(&s->poll) : uv_poll_start(&s->poll, (int)events, socket_event);
    ASSERT(error == 0);
}

enum err
real_socket_wait_readable(struct fiber *f, struct deadline by, struct real_socket *s)
{
    ASSERT(s->reader == NULL);
    real_socket_arm(s, s->armed | UV_READABLE);
    s->reader = f;
    enum err e = fiber_park(f, by);
    s->reader = NULL;
    return e;
}

enum err
real_socket_wait_writable(struct fiber *f, struct deadline by, struct real_socket *s)
{
    ASSERT(s->writer == NULL);
    real_socket_arm(s, s->armed | UV_WRITABLE);
    s->writer = f;
    enum err e = fiber_park(f, by);
    s->writer = NULL;
    return e;
}

enum err
err_from_socket(int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ETIMEDOUT:
    case EPROTO:
    case EADDRNOTAVAIL:
    case EBADF: return ERR_CLOSED;
    default: return err_from_errno(errnum);
    }
}
