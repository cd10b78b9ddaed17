/*
 * main.c - godwitd: the arguments, everything that has to be right before the first child is started, and the exit
 * status.
 */
#include "parent/parent.h"

#include "rt/rt_real.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/godwit/godwit.conf"

enum { PROBLEMS_TEXT_MAX = 256 * 1024 };

static const char usage[] =
    "usage: godwitd [-c FILE] [--libexec DIRECTORY]\n"
    "\n"
    "Runs the Godwit mail server in the foreground, with the configuration in FILE (" DEFAULT_CONFIG ").\n"
    "Executables of its processes are looked for in DIRECTORY, else in ../libexec/godwit beside its own.\n"
    "SIGHUP reloads the configuration, SIGTERM and SIGINT stop the server in order.\n"
    "Exit status: 0 stopped as asked, 64 wrong arguments, 71 the system refused something, 78 the configuration is\n"
    "wrong.\n";

static int
arguments_take(int argc, char **argv, struct parent *parent)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"libexec", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    parent->config_path = DEFAULT_CONFIG;
    for (int option; (option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;) {
        if (option == 'c')
            parent->config_path = optarg;
        else if (option == 'l')
            parent->libexec = optarg;
        else if (option == 'h' || option == 'V') {
            fputs(option == 'h' ? usage : "Godwit " GODWIT_VERSION "\n", stdout);
            return EX_OK;
        } else {
            fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fputs(usage, stderr);
    return EX_USAGE;
}

/* The problems as they would be in an editor's list, file:line:column: text. */
static void
problems_print(const struct config_problems *problems)
{
    struct buf text;
    buf_init(&text, PROBLEMS_TEXT_MAX);
    if (config_problems_print(problems, &text) != ERR_OK)
        fputs("godwitd: too many problems to print\n", stderr);
    if (text.len > 0)
        fwrite(text.data, 1, text.len, stderr);
    buf_done(&text);
}

/* Standard descriptors that are closed would be taken by sockets, and children inherit 0 to 2. */
static bool
standard_descriptors_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (access("/proc/self/fd", F_OK) == 0 && fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

/*
 * Everything that can be wrong, all of it said at once as far as one mistake does not hide the next. Returns an exit
 * status.
 */
static int
prepare(struct parent *parent, struct config_problems *problems)
{
    if (!generation_read(parent->config_path, 1, problems, &parent->now))
        return EX_CONFIG;
    const struct config *config = parent->now.config;
    if (!identities_find(config, parent->is_root, problems, parent->ids))
        return EX_CONFIG;
    if (!directories_open(config, parent->ids, parent->is_root, problems, &parent->directories))
        return EX_OSERR;
    if (bound_set_open(config, parent->now.edges, NULL, problems, &parent->bound))
        return EX_OK;
    directories_close(&parent->directories);
    return EX_OSERR;
}

/* What holds for the parent and, inherited, for its children: as many descriptors as may be,
    modes as they are written. */
static void
limits_set(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)umask(022);
    (void)signal(SIGHUP, SIG_IGN); /* until a reload is possible */
}

static int
run(struct parent *parent)
{
    struct rt_real_options options = {.log_fd = STDERR_FILENO, .catches_signals = true};
    enum err e = rt_real_new(&options, &parent->rt);
    if (e == ERR_OK) {
        log_init(&parent->log, parent->rt, SPAN("parent"), 0, role_log_options(parent->now.config));
        log_write(&parent->log, LOG_CONFIG_LOADED, LOG_U64(KEY_GENERATION, parent->now.number),
                  LOG_CSTR(KEY_FILE, parent->config_path));
        e = rt_real_run(parent->rt, parent_run, parent);
        rt_real_free(parent->rt);
    }
    bound_set_close(&parent->bound, NULL);
    directories_close(&parent->directories);
    if (e != ERR_OK)
        fprintf(stderr, "godwitd: %s\n", err_name(e));
    return e == ERR_OK ? EX_OK : EX_OSERR;
}

int
main(int argc, char **argv)
{
    struct parent parent = {.is_root = geteuid() == 0};
    int status = arguments_take(argc, argv, &parent);
    if (status >= 0)
        return status;
    if (!standard_descriptors_open() || !executables_open(&parent))
        return EX_OSERR;
    environment_choose(&parent);
    limits_set();
    struct config_problems *problems = malloc(sizeof(*problems));
    if (problems == NULL)
        return EX_OSERR;
    config_problems_init(problems);
    status = prepare(&parent, problems);
    problems_print(problems);
    config_problems_done(problems);
    free(problems);
    if (status == EX_OK)
        status = run(&parent);
    generation_done(&parent.now);
    return status;
}
