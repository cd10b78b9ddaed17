/*
 * drop_main.c - godwit-drop: one file of the drop directory, handed to the server.
 *
 * Started by the parent, never by people. It connects to the local socket with the user id of the file's owner, so that
 * the server knows from the kernel whose mail it is and judges it as if the owner had called sendmail just now. Then it
 * gives up every right, enters a sandbox, and only then reads the file: what a user wrote is never parsed by anybody
 * who could do more than its owner. What it has achieved it notes in the file itself (drop_file.h).
 *
 *     godwit-drop SOCKET OWNER-UID UID GID
 *
 * Descriptor 0 is the file, read and write; 1 takes a report; 3 is an empty directory. UID 0: nobody changes user ids,
 * the parent is not root. Exit status: 0 done, 75 some recipients still wait, others of sysexits(3): refused.
 */
#include "cli/drop_file.h"
#include "cli/submit.h"
#include "rt/sandbox.h"
#include "store/drop.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    FILE_FD = STDIN_FILENO,
    REPORT_FD = STDOUT_FILENO,
    EMPTY_DIR_FD = 3,
    READ_BYTES = 256 * 1024,
    FILE_BYTES_MAX = 2000 * 1024 * 1024,
    REPORT_MAX = 2048,
    TIME_MAX_S = 30 * 60,
};

struct owner {
    uid_t uid;
    char name[64]; /* empty: the user id has none */
};

/* Say in one line what went wrong. */
static int
report(int status, struct span text)
{
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    if (text.len > REPORT_MAX)
        text.len = REPORT_MAX;
    ssize_t n = write(REPORT_FD, text.data, text.len);
    return n < 0 ? EX_IOERR : status;
}

static bool
read_number(const char *text, uint32_t *ret)
{
    uint64_t number;
    if (!span_to_u64(span_from_cstr(text), UINT32_MAX, &number))
        return false;
    *ret = (uint32_t)number;
    return true;
}

/* --- rights ------------------------------------------------------------------------------------------------------- */

static void
find_name(struct owner *owner)
{
    const struct passwd *entry = getpwuid(owner->uid);
    const char *name = entry != NULL ? entry->pw_name : owner->uid == 0 ? "root" : "";
    (void)!span_to_cstr(span_from_cstr(name), owner->name, sizeof(owner->name));
}

/* Connect as the owner: the effective user id is what the server is told. The real one stays: nobody can touch us. */
static int
connect_as(const char *socket, const struct owner *owner)
{
    bool changes = geteuid() == 0 && owner->uid != 0;
    if (changes && seteuid(owner->uid) != 0)
        return -1;
    int fd = smtp_client_connect(socket);
    int error = errno;
    if (changes && seteuid(0) != 0)
        _exit(EX_OSERR);
    errno = error;
    return fd;
}

static bool
give_up_rights(uint32_t uid, uint32_t gid)
{
    struct sandbox_report ignored;
    struct sandbox_spec spec = {
        .role = SPAN("drop"),
        .root_fd = EMPTY_DIR_FD,
        .changes_ids = uid != 0,
        .uid = uid,
        .gid = gid,
        .death_signal = SIGKILL,
    };
    return sandbox_enter(&spec, &ignored) == ERR_OK;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static enum err
read_file(struct buf *to)
{
    for (;;) {
        uint8_t *at = buf_reserve(to, READ_BYTES);
        if (at == NULL)
            return ERR_LIMIT;
        ssize_t n = read(FILE_FD, at, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? ERR_OK : ERR_IO;
        buf_advance(to, (size_t)n);
    }
}

/* Note the state of a recipient in the file. If that fails it may get its mail twice, which is better than never. */
static void
note_state(void *ctx, const struct outgoing_recipient *recipient)
{
    struct span mark = drop_file_mark(recipient->state);
    (void)ctx;
    if (lseek(FILE_FD, (off_t)recipient->mark_offset, SEEK_SET) == (off_t)recipient->mark_offset) {
        ssize_t n = write(FILE_FD, mark.data, mark.len);
        (void)n;
    }
}

static int
send_all(int fd, struct outgoing *o, const struct owner *owner)
{
    struct submit_report sent;
    submit_report_init(&sent);
    sent.on_change = note_state;
    submit_send(fd, o, span_from_cstr(owner->name), &sent);
    int status = EX_OK;
    if (outgoing_count(o, OUTGOING_WAITING) > 0)
        status = EX_TEMPFAIL;
    else if (outgoing_count(o, OUTGOING_REFUSED) > 0)
        status = sent.status != EX_OK ? sent.status : EX_UNAVAILABLE; /* refused at an earlier attempt */
    if (status != EX_OK)
        status = report(status, sent.text.len > 0 ? buf_span(&sent.text) : SPAN("recipients were refused"));
    submit_report_done(&sent);
    return status;
}

static int
send_file(int fd, const struct owner *owner)
{
    struct buf text, complaint;
    struct outgoing o;
    buf_init(&text, FILE_BYTES_MAX);
    buf_init(&complaint, REPORT_MAX);
    outgoing_init(&o);
    int status = EX_TEMPFAIL;
    enum err e = read_file(&text);
    if (e == ERR_OK)
        status = drop_file_parse(buf_span(&text), &o, &complaint);
    else
        buf_append_cstr(&complaint, "the file cannot be read");
    if (status != EX_OK) {
        close(fd);
        status = report(status, buf_span(&complaint));
    } else {
        status = send_all(fd, &o, owner);
    }
    outgoing_done(&o);
    buf_done(&complaint);
    buf_done(&text);
    return status;
}

int
main(int argc, char **argv)
{
    struct owner owner;
    uint32_t uid, gid;
    (void)prctl(PR_SET_NAME, "godwit-drop");
    if (argc != 5 || !read_number(argv[2], &owner.uid) || !read_number(argv[3], &uid) || !read_number(argv[4], &gid)) {
        fputs("godwit-drop is started by godwitd\n", stderr);
        return EX_USAGE;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(TIME_MAX_S);
    if (geteuid() == 0 && setgroups(0, NULL) != 0)
        return report(EX_TEMPFAIL, SPAN("groups cannot be given up"));
    find_name(&owner);
    int fd = connect_as(argv[1], &owner);
    if (fd < 0)
        return report(EX_TEMPFAIL, span_from_cstr(strerror(errno)));
    if (!give_up_rights(uid, gid))
        return report(EX_TEMPFAIL, SPAN("the sandbox cannot be entered"));
    return send_file(fd, &owner);
}
