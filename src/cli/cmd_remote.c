/* cmd_remote.c - commands that are carried out by the server: their words become the verb and its arguments. */
#include "cli/cli.h"

#include "net/command_socket.h"

#include <stdio.h>

/* The verb "first-second", or "first" alone, and the arguments after it. */
static int
ask(const struct cli *cli, const char *first, const char *second, int argc, char **argv, struct span secret)
{
    char verb[64];
    struct span arguments[COMMAND_ARGUMENTS_MAX];
    size_t count = 0;
    snprintf(verb, sizeof(verb), second == NULL ? "%s" : "%s-%s", first, second);
    arguments[count++] = span_from_cstr(verb);
    for (int i = 0; i < argc; i++) {
        if (count == COMMAND_ARGUMENTS_MAX - 1)
            return cli_fail(EX_USAGE, "too many arguments");
        arguments[count++] = span_from_cstr(argv[i]);
        if (i == 0 && secret.data != NULL)
            arguments[count++] = secret;
    }
    return cli_ask(cli, arguments, count);
}

int
cmd_one_word(const struct cli *cli, int argc, char **argv)
{
    return ask(cli, argv[0], NULL, argc - 1, argv + 1, SPAN_EMPTY);
}

int
cmd_two_words(const struct cli *cli, int argc, char **argv)
{
    if (argc < 2)
        return cli_fail(EX_USAGE, "%s what? `godwit help` says", argv[0]);
    return ask(cli, argv[0], argv[1], argc - 2, argv + 2, SPAN_EMPTY);
}

int
cmd_account(const struct cli *cli, int argc, char **argv)
{
    enum { PASSWORD_MAX = 1024 };
    bool wants_password = argc >= 2 && (strcmp(argv[1], "add") == 0 || strcmp(argv[1], "password") == 0);
    if (!wants_password)
        return cmd_two_words(cli, argc, argv);
    if (argc < 3)
        return cli_fail(EX_USAGE, "usage: godwit account %s ADDRESS", argv[1]);
    uint8_t memory[PASSWORD_MAX];
    struct buf password;
    buf_init_fixed(&password, memory, sizeof(memory));
    int status = cli_read_password(&password);
    if (status == EX_OK)
        status = ask(cli, argv[0], argv[1], argc - 2, argv + 2, buf_span(&password));
    explicit_bzero(memory, sizeof(memory));
    return status;
}
