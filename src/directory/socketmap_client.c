/*
 * socketmap_client.c - asking a socketmap: one question at a time on a connection, connections kept for the next
 * question.
 *
 * The parent connects (this role has no network). A kept connection may have been closed by the server meanwhile: then
 * the question is asked once more on a new one. Every failure is LOOKUP_FAILED, so that mail waits.
 */
#include <stdlib.h>

#include "directory/directory_state.h"
#include "directory/socketmap.h"
#include "rt/stream.h"
#include "store/parent_open.h"

enum { IDLE_MAX_S = 30, IDLE_CONNECTIONS_MAX = 32 };

struct socketmap_connection {
    struct list node;
    struct domain domain; /* whose socketmap it leads to */
    struct stream *stream; /* owned */
    int64_t idle_since_ns;
};

static void
connection_free(struct socketmap_connection *c)
{
    stream_close(c->stream);
    free(c);
}

/* A connection kept for that domain, NULL when there is none. Those idle for long are closed on the way. */
static struct socketmap_connection *
idle_take(struct directory *d, const struct domain *domain)
{
    struct socketmap_connection *found = NULL;
    int64_t now_ns = rt_now_ns(d->rt);
    LIST_FOR_EACH(node, &d->idle_socketmaps)
    {
        struct socketmap_connection *c = CONTAINER_OF(node, struct socketmap_connection, node);
        bool is_stale = now_ns - c->idle_since_ns > IDLE_MAX_S * NS_PER_S;
        if (!is_stale && (found != NULL || !domain_equal(&c->domain, domain)))
            continue;
        list_unlink(&c->node);
        if (is_stale)
            connection_free(c);
        else
            found = c;
    }
    return found;
}

static void
idle_keep(struct directory *d, struct socketmap_connection *c)
{
    size_t count = 0;
    LIST_FOR_EACH(node, &d->idle_socketmaps)
        count++;
    if (count >= IDLE_CONNECTIONS_MAX) {
        connection_free(c);
        return;
    }
    c->idle_since_ns = rt_now_ns(d->rt);
    list_prepend(&d->idle_socketmaps, &c->node);
}

static enum err
connection_open(struct directory_ask *ask, const struct domain *domain, struct socketmap_connection **ret)
{
    int fd = -1;
    TRY(directory_parent_open(ask, PARENT_OPEN_SOCKETMAP, domain_span(domain), &fd));
    struct socketmap_connection *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        rt_fd_close(ask->directory->rt, fd);
        return ERR_LIMIT;
    }
    c->domain = *domain;
    list_init(&c->node);
    enum err e = stream_open_fd(ask->directory->rt, fd, &c->stream);
    if (e != ERR_OK) {
        free(c);
        return e;
    }
    *ret = c;
    return ERR_OK;
}

/* Read one reply; its text is of no use here. */
static enum err
reply_read(struct directory_ask *ask, struct stream *stream, struct buf *octets, enum socketmap_status *ret)
{
    struct socketmap_reply reply;
    size_t len = 0;
    for (;;) {
        enum err e = socketmap_reply_parse(buf_span(octets), &len, &reply);
        if (e == ERR_OK && len < octets->len)
            return ERR_PROTOCOL; /* more than was asked for */
        if (e != ERR_AGAIN) {
            if (e == ERR_OK)
                *ret = reply.status;
            return e;
        }
        uint8_t *to = buf_reserve(octets, 4096);
        size_t n = 0;
        if (to == NULL)
            return ERR_PROTOCOL;
        TRY(stream_read(ask->f, ask->by, stream, to, 4096, &n));
        buf_advance(octets, n);
    }
}

static enum err
question_ask(struct directory_ask *ask, struct stream *stream, const struct config_domain *domain, struct span address,
             enum socketmap_status *ret)
{
    uint8_t text[SOCKETMAP_REQUEST_MAX + 16];
    struct buf request, octets;
    buf_init_fixed(&request, text, sizeof(text));
    TRY(socketmap_request_format(domain->recipients.socketmap_name, address, &request));
    TRY(stream_write(ask->f, ask->by, stream, buf_span(&request)));
    buf_init(&octets, SOCKETMAP_REPLY_MAX + 8192);
    enum err e = reply_read(ask, stream, &octets, ret);
    buf_done(&octets);
    return e;
}

/* Ask on `c` (owned from now on); it is kept when that went well. */
static enum err
connection_ask(struct directory_ask *ask, struct socketmap_connection *c, const struct config_domain *domain,
               struct span address, enum socketmap_status *ret)
{
    enum err e = question_ask(ask, c->stream, domain, address, ret);
    if (e == ERR_OK)
        idle_keep(ask->directory, c);
    else
        connection_free(c);
    return e;
}

static enum err
socketmap_ask(struct directory_ask *ask, const struct config_domain *domain, struct span address,
              enum socketmap_status *ret)
{
    const struct domain name = domain->title.value;
    struct socketmap_connection *c = idle_take(ask->directory, &name);
    if (c != NULL) {
        enum err e = connection_ask(ask, c, domain, address, ret);
        if (e != ERR_CLOSED)
            return e;
    }
    TRY(connection_open(ask, &name, &c));
    return connection_ask(ask, c, domain, address, ret);
}

enum lookup
directory_socketmap_has(void *ctx, const struct config_domain *domain, struct span address)
{
    struct directory_ask *ask = ctx;
    struct directory *d = ask->directory;
    if (semaphore_take(ask->f, ask->by, &d->socketmaps) != ERR_OK)
        return LOOKUP_FAILED;
    enum socketmap_status status = SOCKETMAP_FAILED;
    enum err e = socketmap_ask(ask, domain, address, &status);
    semaphore_give(&d->socketmaps);
    if (e != ERR_OK || status == SOCKETMAP_FAILED)
        return LOOKUP_FAILED;
    return status == SOCKETMAP_FOUND ? LOOKUP_YES : LOOKUP_NO;
}

void
directory_socketmaps_done(struct directory *d)
{
    for (struct list *node; (node = list_take_first(&d->idle_socketmaps)) != NULL;)
        connection_free(CONTAINER_OF(node, struct socketmap_connection, node));
}
