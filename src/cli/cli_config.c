/* cli_config.c - reading the configuration for a command, with every problem printed. */
#include "cli/cli.h"

#include "config/load.h"

#include <stdio.h>

static void
print_problems(const struct config_problems *problems)
{
    struct buf text;
    buf_init(&text, 4 * 1024 * 1024);
    if (config_problems_print(problems, &text) == ERR_OK && text.len > 0)
        fwrite(text.data, 1, text.len, stderr);
    buf_done(&text);
}

int
cli_config_load(const struct cli *cli, struct config **ret)
{
    struct config_sources sources;
    struct config_problems problems;
    config_sources_init(&sources);
    config_problems_init(&problems);
    enum err e = config_load(cli->config_path, &sources);
    if (e == ERR_OK)
        e = config_parse(&sources, &problems, ret);
    if (e == ERR_OK)
        config_files_check(*ret, &problems);
    int status = EX_OK;
    if (e != ERR_OK && e != ERR_SYNTAX)
        status = cli_fail(EX_OSERR, "the configuration could not be read (%s)", err_name(e));
    else if (problems.count > 0 || e == ERR_SYNTAX)
        status = EX_CONFIG;
    print_problems(&problems);
    if (status != EX_OK && e == ERR_OK)
        config_free(*ret);
    config_problems_done(&problems);
    config_sources_done(&sources);
    return status;
}
