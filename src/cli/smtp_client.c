/* smtp_client.c - see smtp_client.h. */
#include "cli/smtp_client.h"

#include "text/ascii.h"
#include "text/escape.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    GREETING_WAIT_MS = 60 * 1000,
    REPLY_WAIT_MS = 5 * 60 * 1000,  /* RFC 5321 §4.5.3.2 */
    COMMIT_WAIT_MS = 10 * 60 * 1000,
    WRITE_WAIT_MS = 3 * 60 * 1000,
    OUTPUT_BYTES = 64 * 1024,
};

int
smtp_client_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!span_to_cstr(span_from_cstr(path), address.sun_path, sizeof(address.sun_path))) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* --- octets ------------------------------------------------------------------------------------------------------- */

static bool
wait_for(struct smtp_client *c, short events, int wait_ms)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    int n;
    while ((n = poll(&p, 1, wait_ms)) < 0 && errno == EINTR)
        continue;
    c->is_broken = c->is_broken || n <= 0;
    return n > 0;
}

static void
send_all(struct smtp_client *c, struct span data)
{
    while (data.len > 0 && !c->is_broken && wait_for(c, POLLOUT, WRITE_WAIT_MS)) {
        ssize_t n = send(c->fd, data.data, data.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            data = span_skip(data, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            c->is_broken = true;
    }
}

static bool
fill(struct smtp_client *c, int wait_ms)
{
    if (!wait_for(c, POLLIN, wait_ms))
        return false;
    ssize_t n = recv(c->fd, c->input, sizeof(c->input), 0);
    if (n < 0 && errno == EINTR)
        return true;
    c->is_broken = n <= 0;
    c->input_at = 0;
    c->input_len = n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* Wait for a whole reply: its code, 0 when there is none. */
static unsigned
await_reply(struct smtp_client *c, int wait_ms)
{
    smtp_reply_parser_clear(&c->reply);
    while (!c->is_broken) {
        struct span in = span_of(c->input + c->input_at, c->input_len - c->input_at);
        enum smtp_reply_status status = smtp_reply_parser_take(&c->reply, &in);
        c->input_at = c->input_len - in.len;
        if (status == SMTP_REPLY_WHOLE)
            return c->reply.code;
        c->is_broken = status == SMTP_REPLY_BROKEN || !fill(c, wait_ms);
    }
    smtp_reply_parser_clear(&c->reply);
    return 0;
}

/* --- the conversation --------------------------------------------------------------------------------------------- */

/* The host's name is the first word of its reply to EHLO. */
static bool
learn_host(struct smtp_client *c)
{
    struct span line = smtp_reply_parser_line(&c->reply, 0);
    return domain_parse(span_first(line, span_find(line, ' ')), false, &c->host) == ADDR_OK;
}

bool
smtp_client_open(struct smtp_client *c, int fd)
{
    *c = (struct smtp_client){.fd = fd};
    smtp_reply_parser_init(&c->reply);
    if (await_reply(c, GREETING_WAIT_MS) != 220)
        return false;
    return smtp_client_command(c, SPAN("EHLO localhost\r\n")) == 250 && learn_host(c);
}

void
smtp_client_close(struct smtp_client *c)
{
    if (!c->is_broken)
        (void)smtp_client_command(c, SPAN("QUIT\r\n"));
    smtp_reply_parser_done(&c->reply);
    close(c->fd);
}

unsigned
smtp_client_command(struct smtp_client *c, struct span line)
{
    send_all(c, line);
    return await_reply(c, REPLY_WAIT_MS);
}

void
smtp_client_send_content(struct smtp_client *c, struct span content, bool *is_line_start)
{
    uint8_t bytes[OUTPUT_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < content.len && !c->is_broken; i++) {
        if (len + 2 > sizeof(bytes)) {
            send_all(c, span_of(bytes, len));
            len = 0;
        }
        if (*is_line_start && content.data[i] == '.')
            bytes[len++] = '.';
        bytes[len++] = content.data[i];
        *is_line_start = content.data[i] == '\n';
    }
    send_all(c, span_of(bytes, len));
}

unsigned
smtp_client_end_content(struct smtp_client *c, bool is_line_start)
{
    send_all(c, is_line_start ? SPAN(".\r\n") : SPAN("\r\n.\r\n"));
    return await_reply(c, COMMIT_WAIT_MS);
}

void
smtp_client_describe(const struct smtp_client *c, struct buf *to)
{
    if (c->reply.code == 0) {
        buf_append_cstr(to, "the server broke off");
        return;
    }
    buf_printf(to, "%u ", c->reply.code);
    const unsigned *s = c->reply.status;
    if (s[0] != 0)
        buf_printf(to, "%u.%u.%u ", s[0], s[1], s[2]);
    escape_append_reply(smtp_reply_parser_line(&c->reply, 0), to);
}
