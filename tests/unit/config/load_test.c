/* load_test.c - files, patterns, loops and depth, in a directory of its own. */
#include "parsing.h"

#include "config/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory that is the current one while a test runs. */
struct folder {
    char path[64];
};

static void
folder_enter(struct folder *f)
{
    snprintf(f->path, sizeof(f->path), "/tmp/godwit-config-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(chdir(f->path), 0);
}

static void
folder_leave(struct folder *f)
{
    char command[200];
    assert_int_equal(chdir("/"), 0);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->path);
    assert_int_equal(system(command), 0);
}

static void
file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Load and read `path`. End with parsing_done(). */
static void
loaded(struct parsing *p, const char *path)
{
    config_sources_init(&p->sources);
    assert_int_equal(config_load(path, &p->sources), ERR_OK);
    parsing_read(p);
}

/* What is said about `path`, with the folder's path left out of each line's start. */
static void
loaded_says(const struct folder *f, const char *path, const char *wanted)
{
    struct parsing p;
    struct buf all;
    loaded(&p, path);
    buf_init(&all, 100000);
    for (struct span rest = span_from_cstr(wanted), line; span_cut(rest, '\n', &line, &rest);)
        (void)buf_printf(&all, "%s/%.*s\n", f->path, SPAN_ARG(line));
    CHECK_SPAN(path, buf_span(&p.said), buf_span(&all));
    buf_done(&all);
    parsing_done(&p);
}

static void
test_includes(void **state)
{
    (void)state;
    struct folder f;
    struct parsing p;
    folder_enter(&f);
    assert_int_equal(mkdir("conf.d", 0755), 0);
    assert_int_equal(mkdir("conf.d/more", 0755), 0);
    file_write("main.conf", "hostname a.example;\ninclude conf.d/*.conf;\ninclude none.d/*.conf;\n");
    file_write("conf.d/20-b.conf", "domain b.example { recipients file list; }\n");
    file_write("conf.d/10-a.conf", "include more/c.conf;\n");
    file_write("conf.d/ignored.txt", "nonsense");
    file_write("conf.d/more/c.conf", "domain c.example { }\n");
    loaded(&p, "main.conf");
    assert_non_null(p.config);
    assert_int_equal(p.sources.count, 4);
    static const char *const order[] = {"main.conf", "10-a.conf", "c.conf", "20-b.conf"};
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        assert_true(span_has_suffix_nocase(p.sources.items[i].name, span_from_cstr(order[i])));
    const struct config_domain *b = config_domain_find(p.config, SPAN("b.example"));
    char list[100];
    snprintf(list, sizeof(list), "%s/conf.d/list", f.path);
    CHECK_SPAN("relative to its own file", b->recipients.file, span_from_cstr(list));

    config_files_check(p.config, &p.problems);
    assert_int_equal(p.problems.count, 1);
    assert_int_equal(p.problems.items[0].pos.line, 1);
    config_problems_done(&p.problems);
    file_write("conf.d/list", "alice\n");
    config_files_check(p.config, &p.problems);
    assert_int_equal(p.problems.count, 0);
    parsing_done(&p);
    folder_leave(&f);
}

static void
test_faults(void **state)
{
    (void)state;
    struct folder f;
    char wanted[500];
    folder_enter(&f);
    file_write("loop.conf", "hostname a.example;\ninclude ./loop.conf;\n");
    file_write("ping.conf", "hostname a.example;\ninclude pong.conf;\n");
    file_write("pong.conf", "edges 1;\ninclude ping.conf;\n");
    file_write("folder.conf", "hostname a.example; include .;\n");
    file_write("twice.conf", "hostname a.example; include limits.conf; include limits.conf;\n");
    file_write("limits.conf", "limits { }\n");
    file_write("missing.conf", "hostname a.example;\ninclude /no/such/file;\ninclude also-not;\n");
    assert_int_equal(mkfifo("pipe", 0600), 0);
    file_write("pipe.conf", "hostname a.example;\ninclude pipe;\n");

    snprintf(wanted, sizeof(wanted), "loop.conf:2:9: cannot include '%s/./loop.conf': the file includes itself\n",
        f.path);
    loaded_says(&f, "loop.conf", wanted);
    snprintf(wanted, sizeof(wanted), "pong.conf:2:9: cannot include '%s/ping.conf': the file includes itself\n",
        f.path);
    loaded_says(&f, "ping.conf", wanted);
    snprintf(wanted, sizeof(wanted), "folder.conf:1:29: cannot include '%s/.': a directory, not a file\n", f.path);
    loaded_says(&f, "folder.conf", wanted);
    snprintf(wanted, sizeof(wanted), "limits.conf:1:1: 'limits' stands here again; the first is at "
        "%s/limits.conf:1:1\n", f.path);
    loaded_says(&f, "twice.conf", wanted);
    snprintf(wanted, sizeof(wanted), "missing.conf:2:9: cannot include '/no/such/file': no such file\n"
                                     "missing.conf:3:9: cannot include '%s/also-not': no such file\n", f.path);
    loaded_says(&f, "missing.conf", wanted);
    snprintf(wanted, sizeof(wanted), "pipe.conf:2:9: cannot include '%s/pipe': not a regular file\n", f.path);
    loaded_says(&f, "pipe.conf", wanted);
    loaded_says(&f, "absent.conf", "absent.conf: cannot be read: no such file\n");
    folder_leave(&f);
}

static void
test_depth_and_size(void **state)
{
    (void)state;
    struct folder f;
    struct parsing p;
    folder_enter(&f);
    for (int i = 0; i < 15; i++) {
        char name[20], text[100];
        snprintf(name, sizeof(name), "%d.conf", i);
        snprintf(text, sizeof(text), "%sinclude %d.conf;\n", i == 0 ? "hostname a.example; " : "", i + 1);
        file_write(name, text);
    }
    file_write("15.conf", "");
    loaded(&p, "0.conf");
    assert_int_equal(p.sources.count, CONFIG_INCLUDE_DEPTH_MAX + 2);
    assert_int_equal(p.problems.count, 1);
    CHECK_SPAN("fault", p.sources.items[CONFIG_INCLUDE_DEPTH_MAX + 1].fault,
        SPAN("too many files include one another"));
    parsing_done(&p);

    file_write("large.conf", "hostname a.example;");
    assert_int_equal(truncate("large.conf", CONFIG_SOURCE_BYTES_MAX + 1), 0);
    loaded_says(&f, "large.conf", "large.conf: cannot be read: larger than 4 MiB\n");

    /* A pattern that names itself may not run away either. */
    file_write("self.conf", "hostname a.example; include self*;\n");
    loaded(&p, "self.conf");
    assert_int_equal(p.sources.count, 2);
    assert_int_equal(p.problems.count, 1);
    parsing_done(&p);
    folder_leave(&f);
}

static void
test_unreadable(void **state)
{
    (void)state;
    enum { NOBODY = 65534 };
    struct folder f;
    folder_enter(&f);
    file_write("secret.conf", "");
    assert_int_equal(chmod("secret.conf", 0), 0);
    assert_int_equal(chmod(f.path, 0755), 0);
    bool is_root = geteuid() == 0; /* who may read everything, so the test is somebody else for a while */
    assert_true(!is_root || seteuid(NOBODY) == 0);
    loaded_says(&f, "secret.conf", "secret.conf: cannot be read: Permission denied\n");
    assert_true(!is_root || seteuid(0) == 0);
    folder_leave(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_includes), cmocka_unit_test(test_faults),
                                       cmocka_unit_test(test_depth_and_size), cmocka_unit_test(test_unreadable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
