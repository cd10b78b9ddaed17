/*
 * smtp_load.c - a generator of SMTP load: many sessions from one thread, as fast as the server answers.
 *
 * usage: smtp_load -p PORT [-H 127.0.0.1] [-s SESSIONS] [-m MESSAGES | -d SECONDS] [-n PER-CONNECTION] [-l BYTES]
 *                  [-r RECIPIENT] [-P] [-i] [-t SECONDS]
 * Sends messages of BYTES octets, PER-CONNECTION a connection, over SESSIONS connections at a time: MESSAGES of them,
 * or as many as are begun within -d seconds. -P sends MAIL, RCPT and DATA in one write. With -i it opens SESSIONS
 * connections, sends EHLO on each, says so on standard output, holds them idle until -t seconds or SIGTERM, and
 * counts those that then still answer NOOP. Only loopback addresses are accepted. Prints one line: messages, errors,
 * seconds, messages per second, the generator's own CPU seconds. Ends by itself after -t seconds (60). Exit status 0
 * when every message (or idle session) was answered.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REPLY_MAX = 4096, EVENTS = 256, NOOP_SECONDS = 20 };

enum step { STEP_GREETING, STEP_EHLO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_BODY, STEP_NOOP, STEP_QUIT };

struct session {
    int fd;
    enum step step;
    unsigned replies_due; /* of the pipelined group */
    unsigned sent;        /* messages on this connection */
    char input[REPLY_MAX];
    size_t input_len;
    const char *output;
    size_t output_len;
};

struct load {
    struct sockaddr_in address;
    unsigned sessions, per_connection;
    uint64_t messages, begun, done, errors;
    bool is_pipelined, is_idle;
    double seconds_max;
    double begin_seconds, begin_until; /* of -d; 0 without */
    unsigned idle;                     /* sessions that were answered EHLO */
    int epoll;
    char *body;      /* message and final dot */
    size_t body_len;
    char mail[256], rcpt[256], group[768];
    char last_error[REPLY_MAX];
};

static double
now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
watch(struct load *load, struct session *s, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = s};
    epoll_ctl(load->epoll, op, s->fd, &event);
}

static void
put(struct load *load, struct session *s, const char *data, size_t len)
{
    ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    size_t sent = n > 0 ? (size_t)n : 0;
    s->output = data + sent;
    s->output_len = len - sent;
    if (s->output_len > 0)
        watch(load, s, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static bool
open_session(struct load *load, struct session *s)
{
    *s = (struct session){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .step = STEP_GREETING};
    int one = 1;
    if (s->fd < 0 || connect(s->fd, (const struct sockaddr *)&load->address, sizeof(load->address)) != 0)
        return false;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    watch(load, s, EPOLL_CTL_ADD, EPOLLIN);
    return true;
}

static void
close_session(struct session *s)
{
    close(s->fd);
    s->fd = -1;
}

static bool
has_begun_all(const struct load *load)
{
    return load->begun >= load->messages || (load->begin_until > 0 && now_s() >= load->begin_until);
}

/* Begin the next message on this connection, or say QUIT. */
static void
next_message(struct load *load, struct session *s)
{
    if (has_begun_all(load) || s->sent >= load->per_connection) {
        s->step = STEP_QUIT;
        put(load, s, "QUIT\r\n", 6);
        return;
    }
    load->begun++;
    s->sent++;
    if (load->is_pipelined) {
        s->step = STEP_DATA;
        s->replies_due = 3;
        put(load, s, load->group, strlen(load->group));
    } else {
        s->step = STEP_MAIL;
        put(load, s, load->mail, strlen(load->mail));
    }
}

static void
fail(struct load *load, struct session *s, const char *line)
{
    load->errors++;
    snprintf(load->last_error, sizeof(load->last_error), "%.*s", 200, line);
    close_session(s);
}

/* One whole reply has come; false when the session has ended. */
static bool
on_reply(struct load *load, struct session *s, const char *line)
{
    char wanted = s->step == STEP_DATA && s->replies_due <= 1 ? '3' : '2';
    if (line[0] != wanted) {
        fail(load, s, line);
        return false;
    }
    switch (s->step) {
    case STEP_GREETING:
        s->step = STEP_EHLO;
        put(load, s, "EHLO load.example\r\n", 19);
        break;
    case STEP_EHLO:
        if (load->is_idle)
            load->idle++;
        else
            next_message(load, s);
        break;
    case STEP_MAIL:
        s->step = STEP_RCPT;
        put(load, s, load->rcpt, strlen(load->rcpt));
        break;
    case STEP_RCPT:
        s->step = STEP_DATA;
        s->replies_due = 1;
        put(load, s, "DATA\r\n", 6);
        break;
    case STEP_DATA:
        if (--s->replies_due > 0)
            break;
        s->step = STEP_BODY;
        put(load, s, load->body, load->body_len);
        break;
    case STEP_BODY:
        load->done++;
        next_message(load, s);
        break;
    case STEP_NOOP:
        load->done++;
        close_session(s);
        return false;
    case STEP_QUIT: close_session(s); return false;
    }
    return true;
}

static void
on_readable(struct load *load, struct session *s)
{
    ssize_t n = recv(s->fd, s->input + s->input_len, sizeof(s->input) - 1 - s->input_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (s->step != STEP_QUIT)
            fail(load, s, "the server closed the connection");
        else
            close_session(s);
        return;
    }
    s->input_len += (size_t)n;
    char *line = s->input, *end;
    while ((end = memchr(line, '\n', s->input_len - (size_t)(line - s->input))) != NULL) {
        *end = '\0';
        bool is_last = end - line >= 4 && line[3] != '-';
        if (is_last && !on_reply(load, s, line))
            return;
        line = end + 1;
    }
    s->input_len -= (size_t)(line - s->input);
    memmove(s->input, line, s->input_len);
    if (s->input_len == sizeof(s->input) - 1)
        fail(load, s, "an endless reply");
}

static void
on_writable(struct load *load, struct session *s)
{
    put(load, s, s->output, s->output_len);
    if (s->output_len == 0)
        watch(load, s, EPOLL_CTL_MOD, EPOLLIN);
}

/* A message of `bytes` octets with a header, lines of 70 octets. */
static void
make_body(struct load *load, size_t bytes)
{
    static const char header[] = "From: <load@load.example>\r\nTo: <box@example.test>\r\nSubject: load\r\n"
                                 "Date: Tue, 24 Nov 2026 00:00:00 +0000\r\nMessage-ID: <load@load.example>\r\n\r\n";
    load->body = malloc(bytes + sizeof(header) + 128);
    if (load->body == NULL)
        exit(71);
    size_t len = sizeof(header) - 1;
    memcpy(load->body, header, len);
    while (len + 72 <= bytes) {
        memset(load->body + len, 'x', 70);
        memcpy(load->body + len + 70, "\r\n", 2);
        len += 72;
    }
    memcpy(load->body + len, ".\r\n", 3);
    load->body_len = len + 3;
}

static void
usage(void)
{
    fputs("usage: smtp_load -p PORT [-H ADDRESS] [-s SESSIONS] [-m MESSAGES | -d SECONDS] [-n PER-CONNECTION]\n"
          "                 [-l BYTES] [-r RECIPIENT] [-P] [-i] [-t SECONDS]\n",
          stderr);
    exit(64);
}

static void
read_options(struct load *load, int argc, char **argv)
{
    const char *recipient = "box@example.test", *host = "127.0.0.1";
    size_t bytes = 4096;
    int option, port = 0;
    while ((option = getopt(argc, argv, "H:p:s:m:d:n:l:r:t:Pi")) != -1) {
        switch (option) {
        case 'H': host = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 's': load->sessions = (unsigned)atoi(optarg); break;
        case 'm': load->messages = strtoull(optarg, NULL, 10); break;
        case 'd': load->begin_seconds = atof(optarg), load->messages = UINT64_MAX; break;
        case 'n': load->per_connection = (unsigned)atoi(optarg); break;
        case 'l': bytes = strtoul(optarg, NULL, 10); break;
        case 'r': recipient = optarg; break;
        case 't': load->seconds_max = atof(optarg); break;
        case 'P': load->is_pipelined = true; break;
        case 'i': load->is_idle = true; break;
        default: usage();
        }
    }
    load->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (port <= 0 || inet_pton(AF_INET, host, &load->address.sin_addr) != 1 || load->sessions == 0 ||
        load->per_connection == 0)
        usage();
    if ((ntohl(load->address.sin_addr.s_addr) >> 24) != 127) {
        fputs("smtp_load: only loopback addresses are load-tested\n", stderr);
        exit(64);
    }
    snprintf(load->mail, sizeof(load->mail), "MAIL FROM:<load@load.example>\r\n");
    snprintf(load->rcpt, sizeof(load->rcpt), "RCPT TO:<%s>\r\n", recipient);
    snprintf(load->group, sizeof(load->group), "%s%sDATA\r\n", load->mail, load->rcpt);
    make_body(load, bytes);
}

/* Whether this connection, which has ended, should be opened again. */
static bool
wants_more(const struct load *load)
{
    return !load->is_idle && !has_begun_all(load) && load->errors < 100;
}

static volatile sig_atomic_t is_told_to_end;

static void
on_term(int number)
{
    (void)number;
    is_told_to_end = 1;
}

/* Take what the sockets have for us; returns how many sessions ended for good. */
static unsigned
turn(struct load *load)
{
    struct epoll_event events[EVENTS];
    unsigned ended = 0;
    int n = epoll_wait(load->epoll, events, EVENTS, 100);
    for (int i = 0; i < n; i++) {
        struct session *s = events[i].data.ptr;
        if (s->fd >= 0 && (events[i].events & EPOLLOUT))
            on_writable(load, s);
        if (s->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            on_readable(load, s);
        if (s->fd < 0 && (!wants_more(load) || !open_session(load, s)))
            ended++;
    }
    return ended;
}

/* Hold the sessions, then ask each whether it is still there. */
static void
hold_idle(struct load *load, struct session *sessions, unsigned open, double ends)
{
    bool has_said = false;
    while (open > 0 && !is_told_to_end && now_s() < ends) {
        open -= turn(load);
        if (load->idle + load->errors >= load->sessions && !has_said) {
            printf("idle=%u errors=%llu\n", load->idle, (unsigned long long)load->errors);
            fflush(stdout);
            has_said = true;
        }
    }
    for (unsigned i = 0; i < load->sessions; i++) {
        if (sessions[i].fd < 0)
            continue;
        sessions[i].step = STEP_NOOP;
        put(load, &sessions[i], "NOOP\r\n", 6);
    }
    ends = now_s() + NOOP_SECONDS;
    while (open > 0 && now_s() < ends)
        open -= turn(load);
}

int
main(int argc, char **argv)
{
    struct load load = {.sessions = 50, .per_connection = 50, .messages = 10000, .seconds_max = 60,
                        .epoll = epoll_create1(EPOLL_CLOEXEC)};
    read_options(&load, argc, argv);
    struct rlimit files = {load.sessions + 64, load.sessions + 64};
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGTERM, on_term);
    struct session *sessions = calloc(load.sessions, sizeof(*sessions));
    if (sessions == NULL)
        return 71;
    double began = now_s(), ends = began + load.seconds_max;
    if (load.begin_seconds > 0)
        load.begin_until = began + load.begin_seconds;
    unsigned open = 0;
    for (unsigned i = 0; i < load.sessions; i++) {
        if (open_session(&load, &sessions[i]))
            open++;
        else
            load.errors++, sessions[i].fd = -1;
    }
    if (load.is_idle)
        hold_idle(&load, sessions, open, ends);
    else
        while (open > 0 && now_s() < ends)
            open -= turn(&load);
    double seconds = now_s() - began;
    struct rusage usage_self;
    getrusage(RUSAGE_SELF, &usage_self);
    double cpu = (double)(usage_self.ru_utime.tv_sec + usage_self.ru_stime.tv_sec) +
                 (double)(usage_self.ru_utime.tv_usec + usage_self.ru_stime.tv_usec) / 1e6;
    printf("messages=%llu errors=%llu seconds=%.3f rate=%.0f generator_cpu=%.2f%s%s\n", (unsigned long long)load.done,
           (unsigned long long)load.errors, seconds, seconds > 0 ? (double)load.done / seconds : 0, cpu,
           load.errors > 0 ? " last_error=" : "", load.errors > 0 ? load.last_error : "");
    uint64_t wanted = load.is_idle ? load.sessions : load.begin_seconds > 0 ? load.begun : load.messages;
    return load.errors == 0 && load.done == wanted ? 0 : 1;
}
