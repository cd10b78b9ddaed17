/* remote.c - asking the running server over its command socket. */
#include "cli/cli.h"

#include "config/load.h"
#include "net/command_socket.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

/*
 * Where the command socket is: as the configuration says, else where it is by default. Other mistakes in the
 * configuration are no obstacle: the server keeps the one it has, and wants to be asked all the more.
 */
static int
socket_path(const struct cli *cli, char *path, size_t cap)
{
    if (access(cli->config_path, R_OK) != 0 && !cli->has_config_path) {
        snprintf(path, cap, "/run/godwit/control.sock");
        return EX_OK;
    }
    struct config_sources sources;
    struct buf found;
    config_sources_init(&sources);
    buf_init_fixed(&found, path, cap - 1);
    enum err e = config_load(cli->config_path, &sources);
    if (e == ERR_OK)
        e = config_control_socket_find(&sources, &found);
    int status = EX_OK;
    if (e == ERR_NOT_FOUND)
        status = cli_fail(EX_CONFIG, "cannot read %s: " SPAN_FMT, cli->config_path, SPAN_ARG(sources.items[0].fault));
    else if (e != ERR_OK)
        status = cli_fail(EX_CONFIG, "the path of the command socket is too long for a socket");
    config_sources_done(&sources);
    if (status == EX_OK)
        path[found.len] = '\0';
    return status;
}

static int
fail_to_connect(const char *path, int errnum)
{
    if (errnum == ENOENT || errnum == ECONNREFUSED)
        return cli_fail(EX_UNAVAILABLE, "the server is not running (nobody listens at %s); start it with: systemctl start godwit", path);
    if (errnum == EACCES || errnum == EPERM)
        return cli_fail(EX_NOPERM, "you may not use %s; run this as root, or as a member of the group that control { group } names", path);
    return cli_fail(EX_UNAVAILABLE, "cannot connect to %s: %s", path, strerror(errnum));
}

static int
connect_to_server(const struct cli *cli, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int status = socket_path(cli, address.sun_path, sizeof(address.sun_path));
    if (status != EX_OK)
        return status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return cli_fail(EX_OSERR, "cannot make a socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        status = fail_to_connect(address.sun_path, errno);
        close(fd);
        return status;
    }
    *ret_fd = fd;
    return EX_OK;
}

static bool
send_all(int fd, struct span data)
{
    while (data.len > 0) {
        ssize_t n = send(fd, data.data, data.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data = span_skip(data, (size_t)n);
    }
    return true;
}

/* Take whole frames off `input`; true when the last one has come, with its status. */
static bool
show_frames(struct buf *input, int *status)
{
    struct span rest = buf_span(input);
    struct command_frame frame;
    enum err e;
    bool is_end = false;
    while (!is_end && (e = command_frame_take(&rest, &frame)) == ERR_OK) {
        if (frame.kind == COMMAND_OUTPUT)
            fwrite(frame.data.data, 1, frame.data.len, stdout);
        else if (frame.kind == COMMAND_ERROR)
            fprintf(stderr, "godwit: " SPAN_FMT, SPAN_ARG(frame.data));
        else if (frame.kind == COMMAND_EXIT && frame.data.len == 1)
            is_end = true, *status = frame.data.data[0];
    }
    buf_consume(input, input->len - rest.len);
    return is_end;
}

static int
receive_answer(int fd)
{
    struct buf input;
    buf_init(&input, 2 * (COMMAND_FRAME_MAX + READ_BYTES));
    int status = EX_PROTOCOL;
    for (;;) {
        uint8_t *room = buf_reserve(&input, READ_BYTES);
        ssize_t n = room == NULL ? -1 : read(fd, room, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            cli_fail(EX_PROTOCOL, "the server broke off its answer; see its log");
            break;
        }
        buf_advance(&input, (size_t)n);
        if (show_frames(&input, &status))
            break;
    }
    buf_done(&input);
    return status;
}

int
cli_ask(const struct cli *cli, const struct span *arguments, size_t count)
{
    struct buf request;
    buf_init(&request, COMMAND_ARGUMENTS_MAX * (COMMAND_FRAME_MAX + COMMAND_FRAME_HEADER));
    if (count > COMMAND_ARGUMENTS_MAX)
        return cli_fail(EX_USAGE, "too many arguments");
    for (size_t i = 0; i < count; i++) {
        if (arguments[i].len > COMMAND_FRAME_MAX) {
            buf_done(&request);
            return cli_fail(EX_USAGE, "an argument is too long");
        }
        command_frame_append(&request, COMMAND_ARGUMENT, arguments[i]);
    }
    command_frame_append(&request, COMMAND_GO, SPAN_EMPTY);
    int fd = -1;
    int status = connect_to_server(cli, &fd);
    if (status == EX_OK) {
        status = send_all(fd, buf_span(&request)) ? receive_answer(fd) : cli_fail(EX_UNAVAILABLE, "the server closed the connection");
        close(fd);
    }
    buf_done(&request);
    if (fflush(stdout) != 0)
        return EX_IOERR;
    return status;
}
