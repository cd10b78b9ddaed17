/*
 * cli.h - the `godwit` program: one function a command, one table of them.
 *
 * Commands that ask the running server go over the command socket (remote.c); `check` and `spool` need no server. Every failure is one
 * sentence on standard error that ends with the next step, and an exit status of sysexits(3).
 */
#ifndef GODWIT_CLI_CLI_H
#define GODWIT_CLI_CLI_H

#include "config/config.h"

#include <sysexits.h>

#define CLI_CONFIG_DEFAULT "/etc/godwit/godwit.conf"

/* What the options before the command say. */
struct cli {
    const char *config_path; /* -c, else $GODWIT_CONFIG, else CLI_CONFIG_DEFAULT */
    bool has_config_path;    /* it was named by the user */
};

struct cli_command {
    const char *name;
    const char *usage; /* after "godwit " */
    const char *summary;
    int (*run)(const struct cli *cli, int argc, char **argv); /* argv[0] is the command */
};

int cmd_check(const struct cli *cli, int argc, char **argv);
int cmd_domain(const struct cli *cli, int argc, char **argv);
int cmd_spool(const struct cli *cli, int argc, char **argv);
int cmd_account(const struct cli *cli, int argc, char **argv);
/* queue, alias, aliases: "queue list x" is the verb "queue-list x". */
int cmd_two_words(const struct cli *cli, int argc, char **argv);
/* status, why, resolve, reload, stop. */
int cmd_one_word(const struct cli *cli, int argc, char **argv);

/* Print "godwit: ..." and a line end to standard error; returns `status`. */
FORMAT(2, 3) int cli_fail(int status, const char *format, ...);

/*
 * Read the configuration. EX_OK with *ret (config_free()); else the problems have been printed and EX_CONFIG or EX_NOINPUT is
 * to be returned.
 */
int cli_config_load(const struct cli *cli, struct config **ret);

/* Ask the server: send the arguments, copy its answer to standard output and error, return its exit status. */
int cli_ask(const struct cli *cli, const struct span *arguments, size_t count);

/*
 * Read a password into `to` (cap chosen by the caller): from the terminal, twice and unseen, or one line of standard input
 * when that is no terminal. EX_OK, or the failure was printed.
 */
int cli_read_password(struct buf *to);

#endif
