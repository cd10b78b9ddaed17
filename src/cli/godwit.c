/* godwit.c - main() of the operator's program: options, the table of commands, help. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct cli_command commands[] = {
    {"check", "check [-c FILE] [--effective]", "say what is wrong with a configuration, or print every value of it", cmd_check},
    {"status", "status [--json]", "every process, its sandbox, its counters", cmd_one_word},
    {"why", "why MESSAGE-ID|QUEUE-ID|ADDRESS", "what became of mail, and which line decided", cmd_one_word},
    {"queue", "queue list [from=ADDRESS] [to=ADDRESS] [--json] | queue show|message|retry|hold|release|remove QUEUE-ID",
     "what waits for delivery", cmd_two_words},
    {"account", "account add ADDRESS [quota=SIZE] | account remove|password|suspend|resume ADDRESS | account quota ADDRESS SIZE|none | account list [DOMAIN]",
     "who has a mailbox", cmd_account},
    {"alias", "alias add ADDRESS TARGET... | alias remove ADDRESS [TARGET] | alias list [DOMAIN]", "addresses that stand for others", cmd_two_words},
    {"aliases", "aliases reload", "read the classic aliases file again", cmd_two_words},
    {"resolve", "resolve ADDRESS", "where mail for an address would go", cmd_one_word},
    {"domain", "domain add DOMAIN [postmaster=ADDRESS]", "write conf.d/DOMAIN.conf and reload", cmd_domain},
    {"reload", "reload", "take the changed configuration, if it is valid", cmd_one_word},
    {"stop", "stop", "finish what is under way and end", cmd_one_word},
    {"spool", "spool verify | spool list | spool export QUEUE-ID", "look into the spool, also without the server", cmd_spool},
};

int
cli_fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("godwit: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

static int
help(FILE *to, int status)
{
    fputs("usage: godwit [-c FILE] COMMAND ...\n\n", to);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %s\n      %s\n", commands[i].usage, commands[i].summary);
    fputs("\nFILE is the configuration, " CLI_CONFIG_DEFAULT " unless $GODWIT_CONFIG or -c names another.\n", to);
    return status;
}

int
main(int argc, char **argv)
{
    const char *from_environment = getenv("GODWIT_CONFIG");
    struct cli cli = {.config_path = from_environment != NULL ? from_environment : CLI_CONFIG_DEFAULT,
                      .has_config_path = from_environment != NULL};
    int at = 1;
    while (at + 1 < argc && strcmp(argv[at], "-c") == 0) {
        cli.config_path = argv[at + 1];
        cli.has_config_path = true;
        at += 2;
    }
    if (at >= argc)
        return help(stderr, EX_USAGE);
    if (strcmp(argv[at], "help") == 0 || strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
        return help(stdout, EX_OK);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[at], commands[i].name) == 0)
            return commands[i].run(&cli, argc - at, argv + at);
    return cli_fail(EX_USAGE, "there is no command '%s'; `godwit help` lists them", argv[at]);
}
