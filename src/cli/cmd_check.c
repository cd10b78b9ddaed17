/* cmd_check.c - `godwit check`: what is wrong with a configuration (exit 78), what is odd about it, or every value of it. */
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

static int
print_effective(const struct config *config)
{
    struct buf text;
    buf_init(&text, CONFIG_MEMORY_MAX);
    enum err e = config_effective_print(config, &text);
    if (e == ERR_OK)
        fwrite(text.data, 1, text.len, stdout);
    buf_done(&text);
    return e == ERR_OK ? EX_OK : cli_fail(EX_OSERR, "the configuration is too large to print");
}

static int
print_warnings(const struct cli *cli, const struct config *config)
{
    struct config_problems warnings;
    config_problems_init(&warnings);
    const struct config_circumstances where = {.is_root = geteuid() == 0};
    enum err e = config_check(config, &where, &warnings);
    struct buf text;
    buf_init(&text, 1024 * 1024);
    if (e == ERR_OK && warnings.count > 0 && (e = config_problems_print(&warnings, &text)) == ERR_OK) {
        fputs("Allowed, but probably not meant:\n", stderr);
        fwrite(text.data, 1, text.len, stderr);
    }
    if (e == ERR_OK)
        printf("%s: valid%s\n", cli->config_path, warnings.count == 0 ? "" : ", with the warnings above");
    buf_done(&text);
    config_problems_done(&warnings);
    return e == ERR_OK ? EX_OK : cli_fail(EX_OSERR, "out of memory");
}

int
cmd_check(const struct cli *cli, int argc, char **argv)
{
    struct cli mine = *cli;
    bool is_effective = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--effective") == 0) {
            is_effective = true;
        } else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            mine.config_path = argv[++i];
        } else {
            return cli_fail(EX_USAGE, "usage: godwit check [-c FILE] [--effective]");
        }
    }
    struct config *config;
    int status = cli_config_load(&mine, &config);
    if (status != EX_OK)
        return status;
    status = is_effective ? print_effective(config) : print_warnings(&mine, config);
    config_free(config);
    return status;
}
