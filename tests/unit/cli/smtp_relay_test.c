/* smtp_relay_test.c - octets both ways, line ends helped only for those who need it. */
#include "check.h"

#include "cli/smtp_relay.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

struct scene {
    int server; /* the server's end */
    struct buf heard;
    const char *says;
    size_t says_times;
};

static void
write_all(int fd, const void *data, size_t len)
{
    for (const uint8_t *at = data; len > 0;) {
        ssize_t n = write(fd, at, len);
        assert_true(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

/* Hear everything, then answer and close. */
static void *
serve(void *arg)
{
    struct scene *s = arg;
    for (;;) {
        uint8_t *at = buf_reserve(&s->heard, 4096);
        ssize_t n = at == NULL ? -1 : read(s->server, at, 4096);
        if (n <= 0)
            break;
        buf_advance(&s->heard, (size_t)n);
    }
    for (size_t i = 0; i < s->says_times; i++)
        write_all(s->server, s->says, strlen(s->says));
    close(s->server);
    return NULL;
}

static int
file_with(struct span content)
{
    char path[] = "/tmp/relay-test.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    write_all(fd, content.data, content.len);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Relay `in` to a server that says `says` so often; *heard and *shown are what arrived on either side. */
static int
relay(struct span in, const char *says, size_t times, struct buf *heard, struct buf *shown)
{
    int pair[2], from = file_with(in), to = file_with(SPAN(""));
    pthread_t thread;
    struct scene s = {.says = says, .says_times = times};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    s.server = pair[1];
    buf_init(&s.heard, 8 * 1024 * 1024);
    assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
    int status = smtp_relay(pair[0], from, to);
    pthread_join(thread, NULL);
    close(pair[0]);
    close(from);
    *heard = s.heard;
    buf_init(shown, 8 * 1024 * 1024);
    lseek(to, 0, SEEK_SET);
    for (;;) {
        uint8_t *at = buf_reserve(shown, 65536);
        ssize_t n = at == NULL ? 0 : read(to, at, 65536);
        if (n <= 0)
            break;
        buf_advance(shown, (size_t)n);
    }
    close(to);
    return status;
}

static const struct {
    const char *name;
    struct span in;
    struct span heard;
} rows[] = {
    {"CRLF as it is", SPAN("EHLO x\r\nDATA\r\na\nb\r\n"), SPAN("EHLO x\r\nDATA\r\na\nb\r\n")},
    {"LF becomes CRLF", SPAN("EHLO x\nDATA\na\n.\n"), SPAN("EHLO x\r\nDATA\r\na\r\n.\r\n")},
    {"LF at first, CRLF later", SPAN("EHLO x\na\r\nb\n"), SPAN("EHLO x\r\na\r\nb\r\n")},
    {"no line at all", SPAN("EHLO"), SPAN("EHLO")},
    {"nothing", SPAN(""), SPAN("")},
    {"octets of any kind", SPAN("a\r\n\0\xff\r\r\n"), SPAN("a\r\n\0\xff\r\r\n")},
};

static void
test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf heard, shown;
        CHECK(rows[i].name, relay(rows[i].in, "220 hello\r\n", 1, &heard, &shown) == EX_OK);
        CHECK_SPAN(rows[i].name, buf_span(&heard), rows[i].heard);
        CHECK_SPAN(rows[i].name, buf_span(&shown), SPAN("220 hello\r\n"));
        buf_done(&heard);
        buf_done(&shown);
    }
}

/* More than any buffer holds, in both directions. */
static void
test_much(void **state)
{
    (void)state;
    struct buf in, heard, shown;
    buf_init(&in, 4 * 1024 * 1024);
    for (unsigned i = 0; i < 100000; i++)
        buf_printf(&in, "line %u\n", i);
    assert_int_equal(relay(buf_span(&in), "250 a line of some length\r\n", 50000, &heard, &shown), EX_OK);
    assert_int_equal(heard.len, in.len + 100000);
    assert_int_equal(shown.len, 50000 * strlen("250 a line of some length\r\n"));
    buf_done(&in);
    buf_done(&heard);
    buf_done(&shown);
}

/* A server that closes without hearing anything: what it said is shown, and it ends. */
static void
test_server_goes(void **state)
{
    (void)state;
    int pair[2], in[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(pipe(in), 0);
    int out = file_with(SPAN(""));
    write_all(pair[1], "421 no\r\n", 8);
    write_all(in[1], "EHLO x\r\n", 8); /* and the pipe stays open */
    close(pair[1]);
    assert_int_equal(smtp_relay(pair[0], in[0], out), EX_OK);
    char text[16];
    lseek(out, 0, SEEK_SET);
    assert_int_equal(read(out, text, sizeof(text)), 8);
    close(pair[0]);
    close(in[0]);
    close(in[1]);
    close(out);
}

int
main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_much),
                                       cmocka_unit_test(test_server_goes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
