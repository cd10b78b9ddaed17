/*
 * bind.c - every socket Godwit listens on, opened by the parent, which alone may use low ports.
 *
 * A TCP address has one socket per edge (SO_REUSEPORT), so that the kernel spreads connections over the edges; the
 * parent keeps them open, so that a connection waits for a restarted edge instead of being refused. SO_REUSEPORT
 * would also let a second Godwit of the same user in silently: a probe without it comes first. Unix sockets are
 * shared by all edges.
 */
#include "parent/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, UNIX_PREFIX = 5 /* "unix:" */ };

/* One address, for whom, and who may connect to it if it is a path. */
struct wish {
    enum ipc_role role;
    struct span name;
    const struct config_endpoint *endpoint;
    mode_t mode;
    uint32_t group; /* 0: none */
};

/* The work of one bound_set_open(). */
struct binding {
    const struct bound_set *old;
    struct config_problems *problems;
    struct bound_set set;
    size_t room;
    size_t edges;
};

/* --- sockets ---------------------------------------------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_un local;
};

static bool
address_make(const struct config_endpoint *endpoint, union address *to, socklen_t *ret_len)
{
    memset(to, 0, sizeof(*to));
    switch (endpoint->kind) {
    case CONFIG_ENDPOINT_IPV4:
        to->ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
        memcpy(&to->ipv4.sin_addr, endpoint->ip, sizeof(to->ipv4.sin_addr));
        *ret_len = sizeof(to->ipv4);
        return true;
    case CONFIG_ENDPOINT_IPV6:
        to->ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
        memcpy(&to->ipv6.sin6_addr, endpoint->ip, sizeof(to->ipv6.sin6_addr));
        *ret_len = sizeof(to->ipv6);
        return true;
    case CONFIG_ENDPOINT_UNIX:
        to->local.sun_family = AF_UNIX;
        *ret_len = sizeof(to->local);
        return span_to_cstr(endpoint->path, to->local.sun_path, sizeof(to->local.sun_path));
    }
    return false;
}

/* A bound socket, -1 with errno set. */
static int
socket_bind(const union address *address, socklen_t len, bool shares_port)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0)
        return -1;
    bool ok = true;
    if (address->any.sa_family != AF_UNIX)
        ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
    if (ok && address->any.sa_family == AF_INET6)
        ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
    if (ok && shares_port)
        ok = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0;
    if (ok && bind(fd, &address->any, len) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void
complain(struct binding *b, const struct wish *wish)
{
    int error = errno;
    struct buf holder;
    buf_init(&holder, 1024);
    if (error == EADDRINUSE)
        holder_describe(wish->endpoint, &holder);
    const char *text = error == EADDRINUSE ? "the address is in use" : strerror(error);
    bool is_low = error == EACCES && wish->endpoint->kind != CONFIG_ENDPOINT_UNIX && wish->endpoint->port < 1024;
    config_problem_add(b->problems, 0, wish->endpoint->pos, "cannot listen on " SPAN_FMT ": %s%s" SPAN_FMT "%s",
                       SPAN_ARG(wish->endpoint->text), text, holder.len > 0 ? " by " : "", SPAN_ARG(buf_span(&holder)),
                       is_low ? "; ports below 1024 need root or CAP_NET_BIND_SERVICE" : "");
    buf_done(&holder);
}

/* --- the set ---------------------------------------------------------------------------------------------------- */

static bool
endpoint_is(const struct bound *bound, const struct wish *wish)
{
    return span_equal(span_from_cstr(bound->address), wish->endpoint->text) &&
           span_equal(span_from_cstr(bound->name), wish->name) && bound->role == wish->role;
}

static const struct bound *
old_find(const struct binding *b, const struct wish *wish, uint16_t slot)
{
    for (size_t i = 0; b->old != NULL && i < b->old->count; i++)
        if (endpoint_is(&b->old->items[i], wish) && b->old->items[i].slot == slot)
            return &b->old->items[i];
    return NULL;
}

static bool
set_add(struct binding *b, const struct wish *wish, uint16_t slot, int fd)
{
    if (b->set.count == b->room) {
        size_t room = b->room == 0 ? 16 : b->room * 2;
        struct bound *items = realloc(b->set.items, room * sizeof(*items));
        if (items == NULL)
            return false;
        b->set.items = items;
        b->room = room;
    }
    struct bound bound = {.role = wish->role, .slot = slot, .fd = fd};
    if (!span_to_cstr(wish->name, bound.name, sizeof(bound.name)) ||
        !span_to_cstr(wish->endpoint->text, bound.address, sizeof(bound.address)))
        return false;
    b->set.items[b->set.count++] = bound;
    return true;
}

/* Put a socket that listens, new or ours already, into the set; it is closed when that fails. */
static bool
set_take(struct binding *b, const struct wish *wish, uint16_t slot, int fd)
{
    if (fd >= 0 && set_add(b, wish, slot, fd))
        return true;
    if (fd >= 0) {
        errno = ENOMEM;
        close(fd);
    }
    complain(b, wish);
    return false;
}

/* Whether one of our own sockets, of now or of before, is on that port: then the probe would meet ourselves. */
static bool
is_port_ours(const struct binding *b, uint16_t port)
{
    char ending[16];
    int n = snprintf(ending, sizeof(ending), ":%u", port);
    const struct bound_set *sets[] = {&b->set, b->old};
    for (size_t s = 0; s < ARRAY_LEN(sets); s++)
        for (size_t i = 0; sets[s] != NULL && i < sets[s]->count; i++)
            if (span_has_suffix_nocase(span_from_cstr(sets[s]->items[i].address), span_of(ending, (size_t)n)))
                return true;
    return false;
}

static int
listen_tcp(struct binding *b, const struct wish *wish)
{
    union address address;
    socklen_t len;
    if (!address_make(wish->endpoint, &address, &len))
        return -1;
    if (!is_port_ours(b, wish->endpoint->port)) {
        int probe = socket_bind(&address, len, false);
        if (probe < 0)
            return -1;
        close(probe);
    }
    int fd = socket_bind(&address, len, true);
    if (fd >= 0 && listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int
dup_cloexec(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static bool
open_tcp(struct binding *b, const struct wish *wish)
{
    for (size_t slot = 0; slot < b->edges; slot++) {
        const struct bound *old = old_find(b, wish, (uint16_t)slot);
        if (!set_take(b, wish, (uint16_t)slot, old != NULL ? dup_cloexec(old->fd) : listen_tcp(b, wish)))
            return false;
    }
    return true;
}

/*
 * Remove a socket that nobody listens on any more. False with errno EADDRINUSE when somebody does, or it is no
 * socket.
 */
static bool
remove_stale(const union address *address, socklen_t len)
{
    struct stat st;
    if (lstat(address->local.sun_path, &st) != 0)
        return errno == ENOENT;
    int fd = S_ISSOCK(st.st_mode) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    bool is_stale = fd >= 0 && connect(fd, &address->any, len) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (is_stale && unlink(address->local.sun_path) == 0)
        return true;
    errno = EADDRINUSE;
    return false;
}

/* Who may connect: only now the mode and group of the wish, before it was nobody else. */
static bool
permit(const struct wish *wish)
{
    char path[PARENT_PATH_MAX];
    return span_to_cstr(wish->endpoint->path, path, sizeof(path)) &&
           (wish->group == 0 || chown(path, (uid_t)-1, wish->group) == 0) && chmod(path, wish->mode) == 0;
}

static int
listen_unix(const struct wish *wish)
{
    union address address;
    socklen_t len;
    if (!address_make(wish->endpoint, &address, &len)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (!remove_stale(&address, len))
        return -1;
    mode_t mask = umask(0177);
    int fd = socket_bind(&address, len, false);
    umask(mask);
    if (fd < 0)
        return -1;
    if (permit(wish) && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    (void)unlink(address.local.sun_path);
    errno = error;
    return -1;
}

static bool
open_wish(struct binding *b, const struct wish *wish)
{
    if (wish->endpoint->kind != CONFIG_ENDPOINT_UNIX)
        return open_tcp(b, wish);
    const struct bound *old = old_find(b, wish, BOUND_SHARED);
    if (old == NULL)
        return set_take(b, wish, BOUND_SHARED, listen_unix(wish));
    return set_take(b, wish, BOUND_SHARED, permit(wish) ? dup_cloexec(old->fd) : -1);
}

/* --- what the configuration wishes ------------------------------------------------------------------------------ */

static bool
group_of(struct binding *b, const struct config_text *group, struct wish *wish)
{
    if (span_is_empty(group->value))
        return true;
    if (identity_group_find(group->value, &wish->group)) {
        wish->mode = 0660;
        return true;
    }
    config_problem_add(b->problems, 0, group->pos, "there is no group '" SPAN_FMT "' on this machine",
                       SPAN_ARG(group->value));
    return false;
}

static bool
open_listener(struct binding *b, const struct config_listener *listener)
{
    struct wish wish = {.role = ROLE_EDGE, .name = listener->title.value, .mode = 0600};
    bool is_good = group_of(b, &listener->socket_group, &wish);
    for (size_t i = 0; i < listener->addresses.count; i++) {
        wish.endpoint = &listener->addresses.items[i];
        is_good = open_wish(b, &wish) && is_good;
    }
    return is_good;
}

/* A socket of our own at a path of the configuration. */
static bool
open_own(struct binding *b, enum ipc_role role, struct span name, const struct config_text *path, mode_t mode,
         const struct config_text *group)
{
    char text[PARENT_PATH_MAX];
    int n = snprintf(text, sizeof(text), "unix:" SPAN_FMT, SPAN_ARG(path->value));
    if (n < 0 || (size_t)n >= sizeof(text))
        n = UNIX_PREFIX;
    struct config_endpoint endpoint = {.kind = CONFIG_ENDPOINT_UNIX, .path = path->value,
                                       .text = span_of(text, (size_t)n),
                                       .pos = path->pos};
    struct wish wish = {.role = role, .name = name, .endpoint = &endpoint, .mode = mode};
    return (group == NULL || group_of(b, group, &wish)) && open_wish(b, &wish);
}

bool
bound_set_open(const struct config *config, size_t edges, const struct bound_set *old, struct config_problems *problems,
               struct bound_set *ret)
{
    struct binding b = {.old = old, .problems = problems, .edges = edges};
    bool is_good = true;
    for (size_t i = 0; i < config->listeners.count; i++)
        is_good = open_listener(&b, &config->listeners.items[i]) && is_good;
    is_good = open_own(&b, ROLE_CONTROL, SPAN("@control"), &config->control.socket, 0600,
                       &config->control.group) && is_good;
    is_good = open_own(&b, ROLE_EDGE, SPAN("@sendmail"), &config->sendmail.socket, 0666, NULL) && is_good;
    if (is_good) {
        *ret = b.set;
        return true;
    }
    bound_set_close(&b.set, old);
    return false;
}

static bool
is_kept(const struct bound *bound, const struct bound_set *keep)
{
    for (size_t i = 0; keep != NULL && i < keep->count; i++)
        if (strcmp(keep->items[i].address, bound->address) == 0)
            return true;
    return false;
}

void
bound_set_close(struct bound_set *set, const struct bound_set *keep)
{
    for (size_t i = 0; i < set->count; i++) {
        struct bound *bound = &set->items[i];
        close(bound->fd);
        if (bound->slot == BOUND_SHARED && !is_kept(bound, keep))
            (void)unlink(bound->address + UNIX_PREFIX);
    }
    free(set->items);
    *set = (struct bound_set){0};
}
