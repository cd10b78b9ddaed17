/*
 * deliver.h - one delivery to a user of the machine, in a process that is that user; private to src/deliver.
 *
 * The parent starts the process with descriptors and a record (store/user_delivery.h), never with text of strangers in
 * arguments. The process becomes the user before it touches a path, does what ~/.forward says or writes into the
 * user's Maildir, and answers in a memory file. It has no system call filter, since the user's commands would inherit
 * it: what holds is that it can do what that user can do, and nothing more.
 *
 *   main.c         wires              identity.c  becoming the user for good
 *   job.c          the order of it    plan.c      what is to be done, from ~/.forward or the aliases file
 *   user_file.c    which files of a user are believed
 *   command_line.c words of a command environment.c  its variables
 *   command.c      running one        exit_status.c  what its end means
 *   mailbox.c      the Maildir in the home directory
 *
 * Blocking, one thread, no event loop.
 */
#ifndef GODWIT_DELIVER_DELIVER_H
#define GODWIT_DELIVER_DELIVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "rt/disk.h"
#include "store/maildir/maildir.h"
#include "store/recipient.h"
#include "store/user_delivery.h"

enum {
    DELIVER_FORWARD_BYTES_MAX = 64 * 1024,
    DELIVER_COMMANDS_MAX = 50,
    DELIVER_WORDS_MAX = 64,          /* of one command */
    DELIVER_OUTPUT_BYTES_MAX = 1024, /* of a command, the rest is thrown away */
    DELIVER_STATUS_MAX = 16,
    DELIVER_MEMORY_MAX = 48 * 1024 * 1024, /* an aliases file and what it says */
};

/* What became of the delivery so far. */
struct deliver_verdict {
    enum delivery_class class;
    char status[DELIVER_STATUS_MAX];
    struct buf text; /* over `text_octets`; foreign octets allowed, the reader escapes */
    uint8_t text_octets[USER_DELIVERY_TEXT_MAX];
};

/* Set the verdict; `format` as printf, a text that is too long is cut. */
FORMAT(4, 5)
void deliver_verdict_set(struct deliver_verdict *v, enum delivery_class class, const char *status, const char *format,
                         ...);

/* --- plan.c ----------------------------------------------------------------------------------------------------- */

/* What is to be done. Spans live in the arena it was made with. */
struct deliver_plan {
    bool to_mailbox;
    bool is_discarded;  /* /dev/null stands there */
    struct span commands[DELIVER_COMMANDS_MAX];
    size_t command_count;
    struct buf forwards; /* addresses, one a line; owned */
};

void deliver_plan_done(struct deliver_plan *plan);

/*
 * Read the text of a ~/.forward file for the delivery `d`. An empty one, and one that names only the user, means the
 * Maildir. False: the verdict says why nothing may be done.
 */
bool deliver_plan_from_forward(const struct user_delivery *d, struct span text, struct arena *mem,
                               struct deliver_plan *plan, struct deliver_verdict *verdict);

/* Take the commands of entry d->alias out of the text of an aliases file. False as above. */
bool deliver_plan_from_aliases(const struct user_delivery *d, struct span text, struct arena *mem,
                               struct deliver_plan *plan, struct deliver_verdict *verdict);

/* Whether an address or name in ~/.forward is the user's own: his name, with or without detail, alone or in the domain
 * of the recipient. Such an address is his Maildir. */
bool deliver_address_is_own(const struct user_delivery *d, struct span address);

/* --- user_file.c ------------------------------------------------------------------------------------------------ */

/*
 * Open the home directory: it has to be a directory of that user which not everybody may write to. -1: *ret_why says
 * why not ("is not a directory", or the error of the system).
 */
int deliver_home_open(const char *path, uint64_t uid, const char **ret_why);

/*
 * Read ~/.forward: a regular file with one name, of the user or root, that neither group nor others may write to, of
 * at most DELIVER_FORWARD_BYTES_MAX octets. `*ret_exists` false: there is none. False: *ret_why says why it is not
 * believed.
 */
bool deliver_forward_read(int home, uint64_t uid, struct buf *to, bool *ret_exists, const char **ret_why);

/* Append all of a file to `to`, whatever its position. */
NODISCARD enum err deliver_file_read(int fd, struct buf *to);

/* --- command_line.c --------------------------------------------------------------------------------------------- */

/*
 * Divide a command into words at blanks and tabs. 'single quotes' keep everything, "double quotes" everything but a
 * backslash before " or \, a backslash outside takes the next octet as it is. No other octet means anything: there is
 * no shell, so $, *, ; and | are plain text. The words are NUL-terminated, in `mem`; argv[count] is NULL.
 * ERR_SYNTAX: a quote that does not end, a backslash at the end, no word, a NUL; ERR_LIMIT: too many, no memory.
 */
NODISCARD enum err deliver_command_split(struct span text, struct arena *mem, char *argv[DELIVER_WORDS_MAX + 1],
                                         size_t *ret_count);

/* --- exit_status.c ---------------------------------------------------------------------------------------------- */

/*
 * What the end of a command means: `code` its exit status (-1 when `signal` killed it), `output` the beginning of what
 * it wrote. sysexits.h; "x.y.z text" at the start of the output wins over the status of a command that failed.
 */
void deliver_exit_eval(int code, int signal, struct span output, struct deliver_verdict *verdict);

/* --- environment.c ---------------------------------------------------------------------------------------------- */

#define DELIVER_PATH "/usr/local/bin:/usr/bin:/bin"

enum { DELIVER_VARIABLES_MAX = 24 };

/*
 * The environment of a command. In values that come from the message every octet but letters, digits, octets above 127
 * and "!@%-_=+:,./" is written '_', so that a careless script is not led astray. In `mem`. ERR_LIMIT.
 */
NODISCARD enum err deliver_environment_make(const struct user_delivery *d, struct arena *mem,
                                            char *envp[DELIVER_VARIABLES_MAX + 1]);

/* --- job.c ------------------------------------------------------------------------------------------------------ */

struct deliver_job {
    struct user_delivery d;
    struct disk *disk;
    int home;              /* -1: none needed */
    struct span content;   /* in `mem` */
    int file_fd;           /* -1: none */
    int64_t deadline_ns;   /* monotonic */
    struct arena mem;
    struct deliver_verdict verdict;
    struct deliver_plan plan;
};

/* The message as it is to be delivered. The caller closes content_file. False: the verdict says why not. */
bool deliver_message_open(struct deliver_job *job, struct maildir_delivery *ret);

/* Do all of it; job->verdict and job->plan.forwards are the answer. The process is the user already. */
void deliver_job_run(struct deliver_job *job);

/* --- command.c, mailbox.c --------------------------------------------------------------------------------------- */

/* Run one command with the message on its standard input; the verdict says how it ended. */
void deliver_command_run(struct deliver_job *job, struct span command);

/* Write into the Maildir; the verdict says what came of it. */
void deliver_mailbox_write(struct deliver_job *job);

/* --- identity.c ------------------------------------------------------------------------------------------------- */

/*
 * Become the user of the delivery for good: groups, ids, no new privileges, limits, an own session, death with the
 * parent. False: the verdict says what was refused; nothing may be done then.
 */
bool deliver_identity_take(const struct user_delivery *d, struct deliver_verdict *verdict);

#endif
