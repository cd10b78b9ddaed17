/*
 * smtp_sink.c - an SMTP server that throws everything away: the ceiling of the generator and of the loopback network.
 *
 * usage: smtp_sink PORT [PROCESSES]
 * Understands as much as smtp_load says; writes nothing to any disk. Listens on 127.0.0.1; ends with SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

enum { INPUT_MAX = 64 * 1024, OUTPUT_MAX = 4096, EVENTS = 256 };

struct client {
    int fd;
    bool is_data;
    char input[INPUT_MAX];
    size_t len;
    char output[OUTPUT_MAX];
    size_t output_len;
};

static void
say(struct client *c, const char *reply)
{
    size_t len = strlen(reply);
    if (c->output_len + len <= sizeof(c->output)) {
        memcpy(c->output + c->output_len, reply, len);
        c->output_len += len;
    }
}

/* Answer one command line; false for QUIT. */
static bool
answer(struct client *c, const char *line)
{
    if (strncasecmp(line, "EHLO", 4) == 0)
        say(c, "250-sink\r\n250 PIPELINING\r\n");
    else if (strncasecmp(line, "DATA", 4) == 0)
        c->is_data = true, say(c, "354 go\r\n");
    else if (strncasecmp(line, "QUIT", 4) == 0) {
        say(c, "221 bye\r\n");
        return false;
    } else
        say(c, "250 ok\r\n");
    return true;
}

/* Take what is whole off the input. False when the client is to be closed. */
static bool
consume(struct client *c)
{
    size_t at = 0;
    bool is_open = true;
    while (is_open) {
        char *rest = c->input + at;
        size_t left = c->len - at;
        if (c->is_data) {
            char *end = left == 0 ? NULL : memmem(rest, left, "\r\n.\r\n", 5);
            if (end == NULL) {
                at = left > 4 ? c->len - 4 : at;
                break;
            }
            at = (size_t)(end - c->input) + 5;
            c->is_data = false;
            say(c, "250 ok\r\n");
        } else {
            char *end = left == 0 ? NULL : memchr(rest, '\n', left);
            if (end == NULL)
                break;
            *end = '\0';
            at = (size_t)(end - c->input) + 1;
            is_open = answer(c, rest);
        }
    }
    memmove(c->input, c->input + at, c->len - at);
    c->len -= at;
    return is_open;
}

static void
serve(int listener)
{
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (c == NULL) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
                if (fd < 0)
                    continue;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                c = calloc(1, sizeof(*c));
                if (c == NULL)
                    exit(71);
                c->fd = fd;
                event = (struct epoll_event){.events = EPOLLIN, .data.ptr = c};
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                say(c, "220 sink\r\n");
            } else {
                ssize_t got = recv(c->fd, c->input + c->len, sizeof(c->input) - c->len, 0);
                if (got < 0 && errno == EAGAIN)
                    continue;
                c->len += got > 0 ? (size_t)got : 0;
                if (got <= 0 || !consume(c)) {
                    if (c->output_len > 0)
                        (void)!send(c->fd, c->output, c->output_len, MSG_NOSIGNAL);
                    close(c->fd);
                    free(c);
                    continue;
                }
            }
            if (c->output_len > 0)
                (void)!send(c->fd, c->output, c->output_len, MSG_NOSIGNAL);
            c->output_len = 0;
        }
    }
}

int
main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 0, processes = argc > 2 ? atoi(argv[2]) : 1, one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (port <= 0 || bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 1024) != 0) {
        perror("smtp_sink");
        return 71;
    }
    for (int i = 1; i < processes; i++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            serve(listener);
        }
    }
    serve(listener);
    return 0;
}
