/* password.c - a password from the terminal or standard input, never from arguments. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

/* Read one line without its end, octet by octet so that nothing after it is taken. False at the end of input or when too long. */
static bool
read_line(int fd, struct buf *to)
{
    for (;;) {
        uint8_t octet;
        ssize_t n = read(fd, &octet, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return to->len > 0;
        if (octet == '\n')
            return true;
        if (buf_append_octet(to, octet) != ERR_OK)
            return false;
    }
}

static bool
ask_unseen(const char *prompt, struct buf *to)
{
    struct termios seen;
    if (tcgetattr(STDIN_FILENO, &seen) != 0)
        return false;
    struct termios unseen = seen;
    unseen.c_lflag &= ~(tcflag_t)ECHO;
    fputs(prompt, stderr);
    fflush(stderr);
    bool is_read = tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen) == 0 && read_line(STDIN_FILENO, to);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &seen);
    fputc('\n', stderr);
    return is_read;
}

int
cli_read_password(struct buf *to)
{
    if (!isatty(STDIN_FILENO))
        return read_line(STDIN_FILENO, to) ? EX_OK : cli_fail(EX_DATAERR, "no password: give it as a line of standard input");
    uint8_t memory[1024];
    struct buf again;
    buf_init_fixed(&again, memory, sizeof(memory));
    int status = EX_OK;
    if (!ask_unseen("Password: ", to) || !ask_unseen("Again: ", &again))
        status = cli_fail(EX_DATAERR, "no password was given");
    else if (!span_equal(buf_span(to), buf_span(&again)))
        status = cli_fail(EX_DATAERR, "the two passwords differ; try again");
    explicit_bzero(memory, sizeof(memory));
    return status;
}
