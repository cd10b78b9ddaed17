/*
 * open.c - what sandboxed roles need from outside, opened for them: files, sockets, the existence of users
 * (store/parent_open.h).
 *
 * A request names a place in the configuration; the path is always the configuration's (or, for :include:, one that
 * the aliases file itself names). Everything that can block happens in the thread pool, a few at a time, on copies.
 */
#include "parent/parent.h"

#include "store/aliases/aliases_file.h"
#include "store/parent_open.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_WAIT_MS = 5000, PASSWD_BYTES_MAX = 64 * 1024, JOB_WAIT_S = 15 };

/* One request in the thread pool. */
struct job {
    enum parent_open_kind kind;
    char path[PARENT_PATH_MAX];     /* the file, or of PARENT_OPEN_INCLUDE the aliases file, or the user */
    char included[PARENT_PATH_MAX]; /* what is to be named there */
    struct config_endpoint endpoint; /* its spans are not used but for the path, which is `path` */
    uint64_t min_uid;
    enum parent_open_status status;
    const char *text;
    int fd;
};

static void
refuse(struct job *job, enum parent_open_status status, const char *text)
{
    job->status = status;
    job->text = text;
}

/* --- files ------------------------------------------------------------------------------------------------------ */

/* Open a regular file that nobody but root and ourselves can have written. */
static int
open_file(struct job *job, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        refuse(job, errno == ENOENT || errno == ENOTDIR ? PARENT_OPEN_NOT_FOUND : PARENT_OPEN_UNAVAILABLE,
               strerror(errno));
        return -1;
    }
    struct stat st;
    const char *text = NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        text = "not a regular file";
    else if (st.st_uid != 0 && st.st_uid != geteuid())
        text = "it belongs to neither root nor the server's user";
    else if ((st.st_mode & 0022) != 0)
        text = "others may write to it";
    if (text == NULL)
        return fd;
    refuse(job, PARENT_OPEN_REFUSED, text);
    close(fd);
    return -1;
}

static enum err
read_file(int fd, struct buf *to)
{
    for (;;) {
        uint8_t *at = buf_reserve(to, 64 * 1024);
        if (at == NULL)
            return ERR_LIMIT;
        ssize_t n = read(fd, at, 64 * 1024);
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            return ERR_OK;
        buf_advance(to, (size_t)n);
    }
}

/* Looks for one :include: among the targets of the aliases file. */
struct include_search {
    struct span path;
    bool is_found;
};

static bool
search_entry(void *ctx, uint32_t line, struct span name, const struct alias_target *targets, size_t target_count)
{
    struct include_search *search = ctx;
    (void)line, (void)name;
    for (size_t i = 0; i < target_count; i++)
        if (targets[i].kind == ALIAS_INCLUDE && span_equal(targets[i].text, search->path))
            search->is_found = true;
    return true;
}

static void
ignore_problem(void *ctx, uint32_t line, const char *what)
{
    (void)ctx, (void)line, (void)what;
}

static bool
is_included(struct job *job, int aliases_fd)
{
    struct include_search search = {.path = span_from_cstr(job->included)};
    const struct aliases_sink sink = {.entry = search_entry, .problem = ignore_problem, .ctx = &search};
    struct buf text;
    struct arena mem;
    buf_init(&text, ALIASES_FILE_BYTES_MAX);
    arena_init(&mem, 2 * (size_t)ALIASES_FILE_BYTES_MAX);
    enum err e = read_file(aliases_fd, &text);
    if (e == ERR_OK)
        e = aliases_file_parse(buf_span(&text), &mem, &sink);
    arena_clear(&mem);
    buf_done(&text);
    if (e != ERR_OK)
        refuse(job, PARENT_OPEN_UNAVAILABLE, "the aliases file cannot be read");
    else if (!search.is_found)
        refuse(job, PARENT_OPEN_REFUSED, "the aliases file does not include it");
    return search.is_found;
}

static void
open_include(struct job *job)
{
    int aliases = open_file(job, job->path);
    if (aliases < 0)
        return;
    bool is_named = is_included(job, aliases);
    close(aliases);
    if (is_named)
        job->fd = open_file(job, job->included);
}

/* --- sockets ---------------------------------------------------------------------------------------------------- */

static int
connect_to(const struct sockaddr *to, socklen_t len)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int error = connect(fd, to, len) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof(error);
        if (poll(&wait, 1, CONNECT_WAIT_MS) != 1)
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
    }
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static void
open_socket(struct job *job)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un local;
    } to = {.local = {.sun_family = AF_UNIX}};
    socklen_t len = sizeof(to.local);
    if (job->endpoint.kind == CONFIG_ENDPOINT_UNIX) {
        if (!span_to_cstr(span_from_cstr(job->path), to.local.sun_path, sizeof(to.local.sun_path))) {
            refuse(job, PARENT_OPEN_REFUSED, "the path is too long for a socket");
            return;
        }
    } else if (job->endpoint.kind == CONFIG_ENDPOINT_IPV4) {
        to.ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(job->endpoint.port)};
        memcpy(&to.ipv4.sin_addr, job->endpoint.ip, sizeof(to.ipv4.sin_addr));
        len = sizeof(to.ipv4);
    } else {
        to.ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(job->endpoint.port)};
        memcpy(&to.ipv6.sin6_addr, job->endpoint.ip, sizeof(to.ipv6.sin6_addr));
        len = sizeof(to.ipv6);
    }
    job->fd = connect_to(&to.any, len);
    if (job->fd < 0)
        refuse(job, errno == ENOENT ? PARENT_OPEN_NOT_FOUND : PARENT_OPEN_UNAVAILABLE, strerror(errno));
}

/* --- users ------------------------------------------------------------------------------------------------------ */

static void
find_user(struct job *job)
{
    struct passwd entry, *found = NULL;
    char *bytes = malloc(PASSWD_BYTES_MAX);
    int error = bytes == NULL ? ENOMEM : getpwnam_r(job->path, &entry, bytes, PASSWD_BYTES_MAX, &found);
    if (error != 0 && error != ENOENT && error != ESRCH)
        refuse(job, PARENT_OPEN_UNAVAILABLE, strerror(error));
    else if (found == NULL)
        refuse(job, PARENT_OPEN_NOT_FOUND, "no such user");
    else if (entry.pw_uid == 0 || entry.pw_uid < job->min_uid)
        refuse(job, PARENT_OPEN_REFUSED, "its uid is below min-uid");
    free(bytes);
}

static void
job_run(void *arg)
{
    struct job *job = arg;
    switch (job->kind) {
    case PARENT_OPEN_ALIASES:
    case PARENT_OPEN_RECIPIENTS: job->fd = open_file(job, job->path); break;
    case PARENT_OPEN_INCLUDE: open_include(job); break;
    case PARENT_OPEN_SOCKETMAP:
    case PARENT_OPEN_LMTP: open_socket(job); break;
    case PARENT_OPEN_USER: find_user(job); break;
    }
}

/* --- requests --------------------------------------------------------------------------------------------------- */

/* Copy a path of the configuration; not set, it is refused. */
static bool
take_path(struct job *job, struct span path, char *dst)
{
    if (!span_is_empty(path) && span_to_cstr(path, dst, PARENT_PATH_MAX))
        return true;
    refuse(job, PARENT_OPEN_REFUSED, "the configuration does not name it");
    return false;
}

static bool
take_endpoint(struct job *job, const struct config_endpoint *endpoint)
{
    if (endpoint == NULL)
        return take_path(job, SPAN_EMPTY, job->path);
    job->endpoint = *endpoint;
    return endpoint->kind != CONFIG_ENDPOINT_UNIX || take_path(job, endpoint->path, job->path);
}

static const struct config_endpoint *
lmtp_find(const struct config *config, struct span name)
{
    for (size_t i = 0; i < config->domains.count; i++) {
        const struct config_deliver *deliver = &config->domains.items[i].deliver;
        if (deliver->kind == CONFIG_DELIVER_LMTP && span_equal(deliver->lmtp.text, name))
            return &deliver->lmtp;
    }
    return NULL;
}

/* Find in the configuration what the request names. False: it is refused. */
static bool
job_prepare(struct job *job, const struct config *config, struct span name)
{
    const struct config_domain *domain;
    bool has_map;
    switch (job->kind) {
    case PARENT_OPEN_ALIASES: return take_path(job, config->local.aliases.value, job->path);
    case PARENT_OPEN_INCLUDE:
        return take_path(job, config->local.aliases.value, job->path) && take_path(job, name, job->included);
    case PARENT_OPEN_RECIPIENTS:
        domain = config_domain_find(config, name);
        return take_path(job, domain == NULL ? SPAN_EMPTY : domain->recipients.file, job->path);
    case PARENT_OPEN_SOCKETMAP:
        domain = config_domain_find(config, name);
        has_map = domain != NULL && domain->recipients.has_socketmap;
        return take_endpoint(job, has_map ? &domain->recipients.socketmap : NULL);
    case PARENT_OPEN_LMTP: return take_endpoint(job, lmtp_find(config, name));
    case PARENT_OPEN_USER:
        job->min_uid = config->local.min_uid.value;
        return take_path(job, config->local.system_users.value ? name : SPAN_EMPTY, job->path);
    }
    refuse(job, PARENT_OPEN_REFUSED, "no such kind of request");
    return false;
}

static enum err
job_do(struct fiber *f, struct parent *parent, struct job *job)
{
    TRY(semaphore_take(f, deadline_in(parent->rt, JOB_WAIT_S * NS_PER_S), &parent->outside_jobs));
    enum err e = rt_pool_run(f, job_run, job);
    semaphore_give(&parent->outside_jobs);
    return e;
}

void
parent_open(struct fiber *f, struct parent *parent, struct ipc_peer *from, const struct ipc_parent_open *request,
            struct arena *mem, struct ipc_parent_open_reply *ret)
{
    struct job *job = calloc(1, sizeof(*job));
    (void)from;
    ret->status = PARENT_OPEN_UNAVAILABLE;
    if (job == NULL)
        return;
    job->kind = (enum parent_open_kind)request->kind;
    job->status = PARENT_OPEN_OK;
    job->text = "";
    job->fd = -1;
    if (job_prepare(job, parent->now.config, request->name)) {
        enum err e = job_do(f, parent, job);
        if (e != ERR_OK)
            refuse(job, PARENT_OPEN_UNAVAILABLE, err_name(e));
    }
    ret->status = (uint8_t)job->status;
    ret->file = job->fd;
    if (!arena_copy(mem, span_from_cstr(job->text), &ret->text))
        ret->text = SPAN_EMPTY;
    free(job);
}
