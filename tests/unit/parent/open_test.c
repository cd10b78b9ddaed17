/* open_test.c - what the parent opens for its children, and above all what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "parent/parent.h"
#include "rt/rt_real.h"
#include "store/parent_open.h"

struct scene {
    char top[64];
    struct parent parent;
};

static const char *
path_in(const struct scene *s, const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", s->top, name);
    return path;
}

static void
put_file(const struct scene *s, const char *name, const char *text, mode_t mode)
{
    char path[256];
    FILE *file = fopen(path_in(s, name, path), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int
listen_unix(const struct scene *s, const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char path[256];
    snprintf(at.sun_path, sizeof(at.sun_path), "%.80s", path_in(s, name, path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void
configure(struct scene *s)
{
    char text[4096], aliases[512];
    snprintf(text, sizeof(text),
             "hostname mx.example.test;\n"
             "local { aliases %s/aliases; system-users on; min-uid 5; }\n"
             "domain file.test { recipients file %s/recipients; }\n"
             "domain map.test { recipients socketmap unix:%s/map users; }\n"
             "domain store.test { deliver lmtp unix:%s/lmtp; }\n"
             "domain gone.test { deliver lmtp unix:%s/gone; recipients file %s/absent; }\n",
             s->top, s->top, s->top, s->top, s->top, s->top);
    snprintf(aliases, sizeof(aliases), "team: :include:%s/team\nwritable: :include:%s/writable\n", s->top, s->top);
    put_file(s, "aliases", aliases, 0644);
    put_file(s, "team", "alice\n", 0644);
    put_file(s, "writable", "mallory\n", 0666);
    put_file(s, "secret", "key\n", 0600);
    put_file(s, "recipients", "alice\n", 0644);
    struct config_sources sources;
    struct config_problems problems;
    config_sources_init(&sources);
    config_problems_init(&problems);
    assert_int_equal(config_sources_from_text(&sources, SPAN("test"), span_from_cstr(text)), ERR_OK);
    if (config_parse(&sources, &problems, &s->parent.now.config) != ERR_OK)
        fail_msg(SPAN_FMT, SPAN_ARG(problems.items[0].text));
    config_problems_done(&problems);
    config_sources_done(&sources);
}

/* `name` may begin with % for the scene's directory. Contains: text that the opened file begins with, NULL: any. */
static const struct row {
    const char *what;
    uint8_t kind;
    const char *name;
    enum parent_open_status expected;
    bool has_fd;
    const char *contains;
} rows[] = {
    {"the aliases file", PARENT_OPEN_ALIASES, "", PARENT_OPEN_OK, true, "team:"},
    {"an include it names", PARENT_OPEN_INCLUDE, "%/team", PARENT_OPEN_OK, true, "alice"},
    {"a file it does not name", PARENT_OPEN_INCLUDE, "%/secret", PARENT_OPEN_REFUSED, false, NULL},
    {"another way to the same file", PARENT_OPEN_INCLUDE, "%/./team", PARENT_OPEN_REFUSED, false, NULL},
    {"/etc/shadow as an include", PARENT_OPEN_INCLUDE, "/etc/shadow", PARENT_OPEN_REFUSED, false, NULL},
    {"an include others may write", PARENT_OPEN_INCLUDE, "%/writable", PARENT_OPEN_REFUSED, false, NULL},
    {"a domain's recipients", PARENT_OPEN_RECIPIENTS, "file.test", PARENT_OPEN_OK, true, "alice"},
    {"recipients that are not there", PARENT_OPEN_RECIPIENTS, "gone.test", PARENT_OPEN_NOT_FOUND, false, NULL},
    {"recipients of a domain without a file", PARENT_OPEN_RECIPIENTS, "map.test", PARENT_OPEN_REFUSED, false, NULL},
    {"recipients of a strange domain", PARENT_OPEN_RECIPIENTS, "%/secret", PARENT_OPEN_REFUSED, false, NULL},
    {"a socketmap", PARENT_OPEN_SOCKETMAP, "map.test", PARENT_OPEN_OK, true, NULL},
    {"a socketmap of a domain without", PARENT_OPEN_SOCKETMAP, "file.test", PARENT_OPEN_REFUSED, false, NULL},
    {"a store", PARENT_OPEN_LMTP, "unix:%/lmtp", PARENT_OPEN_OK, true, NULL},
    {"a store that is not there", PARENT_OPEN_LMTP, "unix:%/gone", PARENT_OPEN_NOT_FOUND, false, NULL},
    {"a socket that is no store", PARENT_OPEN_LMTP, "unix:%/map", PARENT_OPEN_REFUSED, false, NULL},
    {"an address that is no store", PARENT_OPEN_LMTP, "127.0.0.1:25", PARENT_OPEN_REFUSED, false, NULL},
    {"a user", PARENT_OPEN_USER, "nobody", PARENT_OPEN_OK, false, NULL},
    {"root", PARENT_OPEN_USER, "root", PARENT_OPEN_REFUSED, false, NULL},
    {"a user below min-uid", PARENT_OPEN_USER, "bin", PARENT_OPEN_REFUSED, false, NULL},
    {"nobody's name", PARENT_OPEN_USER, "no-such-user-here", PARENT_OPEN_NOT_FOUND, false, NULL},
    {"no such request", 99, "", PARENT_OPEN_REFUSED, false, NULL},
    {"request zero", 0, "", PARENT_OPEN_REFUSED, false, NULL},
};

static void
check(struct fiber *f, struct scene *s, const struct row *row)
{
    char name[256];
    const char *percent = strchr(row->name, '%');
    if (percent == NULL)
        snprintf(name, sizeof(name), "%s", row->name);
    else
        snprintf(name, sizeof(name), "%.*s%s%s", (int)(percent - row->name), row->name, s->top, percent + 1);
    struct ipc_parent_open request = {.kind = row->kind, .name = span_from_cstr(name)};
    struct ipc_parent_open_reply reply = {.file = -1};
    struct arena mem;
    arena_init(&mem, 4096);
    parent_open(f, &s->parent, NULL, &request, &mem, &reply);
    if (reply.status != row->expected || (reply.file >= 0) != row->has_fd)
        fail_msg("%s: status %u, descriptor %d, " SPAN_FMT, row->what, reply.status, reply.file, SPAN_ARG(reply.text));
    if (row->expected == PARENT_OPEN_REFUSED)
        assert_true(reply.text.len > 0);
    if (row->contains != NULL) {
        char text[16] = {0};
        assert_true(pread(reply.file, text, sizeof(text) - 1, 0) > 0);
        assert_memory_equal(text, row->contains, strlen(row->contains));
        assert_int_equal(fcntl(reply.file, F_GETFL) & O_ACCMODE, O_RDONLY);
    }
    if (reply.file >= 0) {
        assert_int_equal(fcntl(reply.file, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        close(reply.file);
    }
    arena_clear(&mem);
}

static void
run(struct fiber *f, void *arg)
{
    struct scene *s = arg;
    s->parent.rt = fiber_rt(f);
    semaphore_init(&s->parent.outside_jobs, 2);
    int map = listen_unix(s, "map"), store = listen_unix(s, "lmtp");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(f, s, &rows[i]);
    close(map);
    close(store);
    /* A socket whose owner died is for later, not for never; so is an aliases file that has become a directory. */
    const struct row later[] = {
        {"a store that does not listen", PARENT_OPEN_LMTP, "unix:%/lmtp", PARENT_OPEN_UNAVAILABLE, false, NULL},
        {"an aliases file that is a directory", PARENT_OPEN_ALIASES, "", PARENT_OPEN_REFUSED, false, NULL},
        {"an include of it", PARENT_OPEN_INCLUDE, "%/team", PARENT_OPEN_REFUSED, false, NULL},
    };
    char path[256];
    assert_int_equal(unlink(path_in(s, "aliases", path)), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        check(f, s, &later[i]);
}

static void
only_what_the_configuration_names_is_opened(void **state)
{
    (void)state;
    struct scene s = {.top = "/tmp/godwit-open-XXXXXX"};
    struct rt *rt;
    assert_non_null(mkdtemp(s.top));
    configure(&s);
    assert_int_equal(rt_real_new(NULL, &rt), ERR_OK);
    assert_int_equal(rt_real_run(rt, run, &s), ERR_OK);
    rt_real_free(rt);
    config_free(s.parent.now.config);
    static const char *const names[] = {"map", "lmtp", "team", "writable", "secret", "recipients"};
    char path[256];
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(unlink(path_in(&s, names[i], path)), 0);
    assert_int_equal(rmdir(path_in(&s, "aliases", path)), 0);
    assert_int_equal(rmdir(s.top), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_the_configuration_names_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
