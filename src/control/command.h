/*
 * command.h - one operator's command while control carries it out.
 *
 * A verb is a function that reads its arguments, asks the roles, prints, and leaves an exit status; the table of verbs is in
 * verbs.c. Everything printed goes back over the command socket; a client that does not read only stops its own fiber.
 */
#ifndef GODWIT_CONTROL_COMMAND_H
#define GODWIT_CONTROL_COMMAND_H

#include "base/arena.h"
#include "base/buf.h"
#include "net/command_socket.h"
#include "net/role.h"
#include "rt/stream.h"

#include <sysexits.h>

struct control;

struct command {
    struct fiber *f;
    struct deadline by;
    struct control *control;
    struct stream *stream;
    struct arena *mem;        /* lives until the command has ended */
    struct span arguments[COMMAND_ARGUMENTS_MAX]; /* verb first */
    size_t argument_count;
    bool is_json;             /* --json stood among the arguments (and was taken out) */
    struct buf text;          /* output not yet framed */
    enum err failed;          /* the client is gone: stop printing */
};

/* What control shares among its commands. */
struct control {
    struct role_env *env;
    struct history *history;
    size_t commands_open;
    struct fiber_group commands; /* their fibers */
};

/* A verb as the client names it, and what it needs. */
struct verb {
    const char *name;
    size_t arguments_min; /* beside the verb */
    size_t arguments_max;
    bool changes_something; /* logged with who asked */
    int (*run)(struct command *c); /* returns the exit status, sysexits(3) */
    const char *usage;
};

/* The verb of that name, NULL when there is none. */
const struct verb *verb_find(struct span name);

/* Print to standard output of the client. May suspend. */
void command_print(struct command *c, struct span text);
FORMAT(2, 3) void command_printf(struct command *c, const char *format, ...);

/* Print foreign text with everything escaped that is not printable ASCII. */
void command_print_escaped(struct command *c, struct span text);

/* Print a JSON string, quotes included. */
void command_print_json_string(struct command *c, struct span text);

/* Print one sentence to standard error of the client: what is wrong, and the next step. Returns `status`. */
FORMAT(3, 4) int command_fail(struct command *c, int status, const char *format, ...);

/* As command_fail() for a call to a role that went wrong; says which and what to do. */
int command_fail_call(struct command *c, enum ipc_role role, enum err e);

int verb_status(struct command *c);
int verb_queue_list(struct command *c);
int verb_queue_show(struct command *c);
int verb_queue_message(struct command *c);
int verb_queue_change(struct command *c);
int verb_mailq(struct command *c);
int verb_directory(struct command *c);
int verb_why(struct command *c);
int verb_parent(struct command *c);

#endif
