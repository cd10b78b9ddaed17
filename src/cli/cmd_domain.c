/*
 * cmd_domain.c - `godwit domain add DOMAIN`: domains stand in the configuration only, so this writes a file of it.
 *
 * The file conf.d/DOMAIN.conf beside the main one is written aside and renamed into place; if the configuration is not valid
 * with it (it may not be included at all), it is taken back.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_CAP = 4096 };

/* The path of DOMAIN's file, beside the main configuration. */
static bool
domain_file(const struct cli *cli, const char *domain, const char *suffix, char path[PATH_CAP])
{
    const char *slash = strrchr(cli->config_path, '/');
    int n = snprintf(path, PATH_CAP, "%.*sconf.d/%s.conf%s", slash == NULL ? 0 : (int)(slash - cli->config_path) + 1,
                     cli->config_path, domain, suffix);
    return n > 0 && n < PATH_CAP;
}

static bool
write_file(const char *path, const char *domain, const char *postmaster)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool is_written = postmaster == NULL ? dprintf(fd, "domain %s {\n}\n", domain) > 0
                                         : dprintf(fd, "domain %s {\n    postmaster %s;\n}\n", domain, postmaster) > 0;
    is_written = fsync(fd) == 0 && is_written;
    return close(fd) == 0 && is_written;
}

/* Whether the configuration, as it is now, has the domain. */
static bool
has_domain(const struct cli *cli, const char *domain)
{
    struct config *config;
    if (cli_config_load(cli, &config) != EX_OK)
        return false;
    bool has = config_domain_find(config, span_from_cstr(domain)) != NULL;
    config_free(config);
    return has;
}

int
cmd_domain(const struct cli *cli, int argc, char **argv)
{
    const char *postmaster = NULL;
    if (argc == 4 && strncmp(argv[3], "postmaster=", 11) == 0)
        postmaster = argv[3] + 11;
    if (argc < 3 || strcmp(argv[1], "add") != 0 || argc > (postmaster == NULL ? 3 : 4))
        return cli_fail(EX_USAGE, "usage: godwit domain add DOMAIN [postmaster=ADDRESS]");
    const char *domain = argv[2];
    struct domain parsed;
    if (domain_parse(span_from_cstr(domain), true, &parsed) != ADDR_OK || strpbrk(domain, "/{};\"") != NULL)
        return cli_fail(EX_USAGE, "'%s' is no domain name", domain);
    if (postmaster != NULL && strpbrk(postmaster, "{};\" \t\r\n") != NULL)
        return cli_fail(EX_USAGE, "'%s' is no address", postmaster);
    struct config *config;
    int status = cli_config_load(cli, &config);
    if (status != EX_OK)
        return status;
    bool is_there = config_domain_find(config, span_from_cstr(domain)) != NULL;
    config_free(config);
    if (is_there)
        return cli_fail(EX_USAGE, "the configuration has the domain %s already", domain);

    char path[PATH_CAP], aside[PATH_CAP];
    if (!domain_file(cli, domain, "", path) || !domain_file(cli, domain, ".new", aside))
        return cli_fail(EX_USAGE, "the path is too long");
    char *slash = strrchr(aside, '/');
    *slash = '\0';
    if (mkdir(aside, 0755) != 0 && errno != EEXIST)
        return cli_fail(EX_CANTCREAT, "cannot make %s: %s", aside, strerror(errno));
    *slash = '/';
    if (access(path, F_OK) == 0)
        return cli_fail(EX_CANTCREAT, "%s is there already; write the domain into it, or move it away", path);
    if (!write_file(aside, domain, postmaster) || rename(aside, path) != 0) {
        status = cli_fail(EX_CANTCREAT, "cannot write %s: %s", path, strerror(errno));
        unlink(aside);
        return status;
    }
    if (!has_domain(cli, domain)) {
        unlink(path);
        return cli_fail(EX_CONFIG, "the configuration does not take conf.d/%s.conf; it needs the line: include conf.d/*.conf;", domain);
    }
    printf("%s written.\n", path);
    fflush(stdout);
    const struct span verb = SPAN("reload");
    return cli_ask(cli, &verb, 1);
}
