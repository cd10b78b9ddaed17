/*
 * user_test.c - names of user ids as this machine has them, and who is trusted. Debian's own users are there: root,
 * bin, nobody.
 */
#include "check.h"

#include "parent/parent.h"
#include "rt/rt_real.h"
#include "store/local_user.h"

#include <pwd.h>
#include <stdio.h>

struct row {
    const char *name;
    const char *trusted; /* of the configuration, NULL: not said */
    uint32_t uid;
    enum local_user_status status;
    const char *user;
    bool is_trusted;
};

static const struct row rows[] = {
    {"root", NULL, 0, LOCAL_USER_KNOWN, "root", true},
    {"root even when nobody is trusted", "none", 0, LOCAL_USER_KNOWN, "root", true},
    {"a user", NULL, 2, LOCAL_USER_KNOWN, "bin", false},
    {"a user who is trusted by name", "bin", 2, LOCAL_USER_KNOWN, "bin", true},
    {"by number", "root 2", 2, LOCAL_USER_KNOWN, "bin", true},
    {"among others", "root daemon bin", 2, LOCAL_USER_KNOWN, "bin", true},
    {"another one is", "daemon", 2, LOCAL_USER_KNOWN, "bin", false},
    {"a name that nobody has", "no-such-user-here", 2, LOCAL_USER_KNOWN, "bin", false},
    {"an id that nobody has", NULL, 3999999999, LOCAL_USER_NAMELESS, "", false},
    {"an id that nobody has, trusted", "3999999999", 3999999999, LOCAL_USER_NAMELESS, "", true},
};

static void
check_row(struct fiber *f, const struct row *row)
{
    char text[256];
    struct config_sources sources;
    struct config_problems problems;
    struct parent parent = {.rt = fiber_rt(f)};
    struct ipc_user_name_reply reply = {0};
    struct arena mem;
    snprintf(text, sizeof(text), "hostname mx.example.test; %s%s%s", row->trusted == NULL ? "" : "trusted-users ",
             row->trusted == NULL ? "" : row->trusted, row->trusted == NULL ? "" : ";");
    config_sources_init(&sources);
    config_problems_init(&problems);
    assert_int_equal(config_sources_from_text(&sources, SPAN("test"), span_from_cstr(text)), ERR_OK);
    CHECK(row->name, config_parse(&sources, &problems, &parent.now.config) == ERR_OK);
    arena_init(&mem, 4096);
    user_name_find(f, &parent, row->uid, &mem, &reply);
    CHECK(row->name, reply.status == row->status && reply.is_trusted == row->is_trusted);
    CHECK_SPAN(row->name, reply.name, span_from_cstr(row->user));
    arena_clear(&mem);
    config_free(parent.now.config);
    config_problems_done(&problems);
    config_sources_done(&sources);
}

static void
run(struct fiber *f, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_row(f, &rows[i]);
}

static void
users_have_their_names(void **state)
{
    (void)state;
    struct rt *rt;
    const struct passwd *bin = getpwuid(2);
    if (bin == NULL || strcmp(bin->pw_name, "bin") != 0)
        skip();
    assert_int_equal(rt_real_new(NULL, &rt), ERR_OK);
    assert_int_equal(rt_real_run(rt, run, NULL), ERR_OK);
    rt_real_free(rt);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(users_have_their_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
