/*
 * resolve_test.c - who an address is: every place it is looked up in, their order, and what happens when one cannot
 * answer. Requirements 37, 40, 41, 75, 77.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/parsing.h"
#include "directory/resolve.h"

static const uint64_t seed[2] = {5, 6};

static const char CONFIG[] =
    "hostname mx.example.test;\n"                                          /* 1 */
    "postmaster alice@example.test;\n"                                     /* 2 */
    "local { system-users on; aliases /etc/aliases; }\n"                   /* 3 */
    "domain example.test { quota 1 MiB; }\n"                               /* 4 */
    "domain case.test { case-sensitive on; subaddress off; }\n"            /* 5 */
    "domain store.test {\n"                                                /* 6 */
    "  recipients file /etc/store.users;\n"                                /* 7 */
    "  deliver lmtp unix:/run/lmtp.sock;\n"                                /* 8 */
    "  subaddress \"-\";\n"                                                /* 9 */
    "}\n"                                                                  /* 10 */
    "domain map.test { recipients socketmap unix:/run/map.sock users; }\n" /* 11 */
    "domain catch.test { catch-all alice@example.test; }\n"                /* 12 */
    "domain nowhere.test { catch-all nobody@example.test; postmaster nobody@example.test; }\n"
    "domain loop.test { catch-all x@loop.test; postmaster y@loop.test; }\n" /* 14 */
    "domain all.test { recipients accounts; recipients local; recipients file /etc/all.users; }\n"
    "domain away.test { catch-all someone@elsewhere.example; }\n"; /* 16 */

static const char ALIASES[] = "postmaster: root\n"                       /* 1 */
                              "root: alice@example.test\n"               /* 2 */
                              "staff: mike, nina@elsewhere.example, staff2\n" /* 3 */
                              "list: mike, nina\n"                       /* 4 */
                              "owner-list: nina\n"                       /* 5 */
                              "mike: mike, bob@example.test\n"           /* 6 */
                              "final: \\nina\n"                          /* 7 */
                              "prog: \"|/usr/bin/prog\", /var/log/x, mike\n" /* 8 */
                              "null: /dev/null\n"                        /* 9 */
                              "broken: a b\n"                            /* 10 */
                              "inc: :include:/etc/list, mike\n"          /* 11 */
                              "lost: :include:/etc/gone\n"               /* 12 */
                              "big: :include:/etc/big\n";                /* 13 */

/* A world of tables. */
struct world {
    struct parsing parsing;
    struct accounts accounts;
    const struct accounts *accounts_now;
    struct aliases_table *table;
    const struct aliases_table *aliases_now;
    struct resolve_world world;
    bool is_outside_broken;
    unsigned questions;       /* asked outside */
};

static enum lookup
answer_of(struct world *w, bool is_known)
{
    w->questions++;
    return w->is_outside_broken ? LOOKUP_FAILED : is_known ? LOOKUP_YES : LOOKUP_NO;
}

static enum lookup
file_has(void *ctx, const struct config_domain *domain, struct span key)
{
    (void)domain;
    return answer_of(ctx, span_equal(key, SPAN("sam@store.test")) || span_equal(key, SPAN("sam-x-y@store.test")) ||
                              span_equal(key, SPAN("file@all.test")));
}

static enum lookup
socketmap_has(void *ctx, const struct config_domain *domain, struct span address)
{
    (void)domain;
    return answer_of(ctx, span_equal(address, SPAN("max@map.test")));
}

static enum lookup
user_exists(void *ctx, struct span user)
{
    return answer_of(ctx, span_equal(user, SPAN("mike")) || span_equal(user, SPAN("nina")) ||
                              span_equal(user, SPAN("both")));
}

static void
no_problem(void *ctx, struct span file, uint32_t line, const char *what)
{
    (void)file;
    (void)what;
    ++*(unsigned *)ctx;
    assert_true(line == 10 || line == 2);
}

static void
account_add(struct world *w, const char *key, const char *address, bool is_suspended, bool has_quota, uint64_t quota)
{
    const struct account account = {.address = span_from_cstr(address),
                                    .class = SPAN("normal"),
                                    .is_suspended = is_suspended,
                                    .has_quota = has_quota,
                                    .quota_bytes = quota};
    assert_int_equal(accounts_put(&w->accounts, span_from_cstr(key), &account), ERR_OK);
}

static void
alias_add(struct world *w, const char *key, const char *one, const char *two)
{
    const struct span targets[] = {span_from_cstr(one), span_from_cstr(two)};
    const struct alias alias = {span_from_cstr(key), targets, *two == '\0' ? 1 : 2};
    assert_int_equal(accounts_put_alias(&w->accounts, span_from_cstr(key), &alias), ERR_OK);
}

static void
include_read(struct world *w, const char *path, struct span text)
{
    for (size_t i = 0; !span_is_empty(aliases_table_include_path(w->table, i)); i++)
        if (span_equal(aliases_table_include_path(w->table, i), span_from_cstr(path)))
            assert_int_equal(aliases_table_include(w->table, i, text), ERR_OK);
}

static void
world_begin(struct world *w, const char *config)
{
    unsigned problems = 0;
    const struct aliases_problems sink = {no_problem, &problems};
    *w = (struct world){.questions = 0};
    parsing_valid(&w->parsing, "configuration", config);
    accounts_init(&w->accounts, seed);
    account_add(w, "alice@example.test", "alice@example.test", false, false, 0);
    account_add(w, "bob@example.test", "Bob@example.test", false, true, 5000);
    account_add(w, "carol@example.test", "carol@example.test", true, false, 0);
    account_add(w, "free@example.test", "free@example.test", false, true, 0);
    account_add(w, "plus+sign@example.test", "plus+sign@example.test", false, true, 0);
    account_add(w, "Case@case.test", "Case@case.test", false, false, 0);
    account_add(w, "both@all.test", "both@all.test", false, false, 0);
    alias_add(w, "sales@example.test", "bob@example.test", "dora@elsewhere.example");
    alias_add(w, "team@example.test", "bob@example.test", "");
    alias_add(w, "owner-team@example.test", "alice@example.test", "");
    alias_add(w, "quoted@example.test", "\"a b\"@example.test", "");
    w->table = aliases_table_new(seed, &sink);
    assert_int_equal(aliases_table_read(w->table, span_from_cstr(ALIASES)), ERR_OK);
    include_read(w, "/etc/list", SPAN("nina\n:include:/etc/more\nolaf@elsewhere.example\n"));
    struct buf big;
    buf_init(&big, 1 << 20);
    for (unsigned i = 0; i < 450; i++)
        buf_printf(&big, "user%u@elsewhere.example\n", i);
    include_read(w, "/etc/big", buf_span(&big));
    buf_done(&big);
    assert_int_equal(aliases_table_finish(w->table), ERR_OK);
    assert_int_equal(problems, 2);
    w->accounts_now = &w->accounts;
    w->aliases_now = w->table;
    w->world = (struct resolve_world){.config = w->parsing.config,
                                      .accounts = &w->accounts_now,
                                      .aliases = &w->aliases_now,
                                      .file_has = file_has,
                                      .socketmap_has = socketmap_has,
                                      .user_exists = user_exists,
                                      .ctx = w};
}

static void
world_end(struct world *w)
{
    aliases_table_free(w->table);
    accounts_done(&w->accounts);
    parsing_done(&w->parsing);
}

/* "STATUS KIND detail=x owner=y -> KIND name+detail/quota, ..." */
static void
say(const struct resolution *r, struct buf *to)
{
    static const char *const statuses[] = {"ok",         "unknown", "not-local",  "suspended",
                                           "over-quota", "too-big", "unavailable"};
    static const char *const kinds[] = {"nobody",  "account", "alias",      "file",     "socketmap",
                                        "aliases", "user",    "postmaster", "catch-all"};
    static const char *const targets[] = {"again", "mailbox", "user", "lmtp", "remote", "discard"};
    buf_clear(to);
    buf_printf(to, "%s %s", statuses[r->status], kinds[r->kind]);
    if (r->pos.line > 0)
        buf_printf(to, " :%u", r->pos.line);
    if (!span_is_empty(r->detail))
        buf_printf(to, " detail=" SPAN_FMT, SPAN_ARG(r->detail));
    if (!span_is_empty(r->owner))
        buf_printf(to, " owner=" SPAN_FMT, SPAN_ARG(r->owner));
    for (size_t i = 0; r->status == RECIPIENT_STATUS_OK && i < r->target_count; i++) {
        buf_printf(to, "%s%s " SPAN_FMT, i == 0 ? " -> " : ", ", targets[r->targets[i].kind],
                   SPAN_ARG(r->targets[i].name));
        if (!span_is_empty(r->targets[i].detail))
            buf_printf(to, " +" SPAN_FMT, SPAN_ARG(r->targets[i].detail));
        if (r->targets[i].quota_bytes > 0)
            buf_printf(to, " /%llu", (unsigned long long)r->targets[i].quota_bytes);
    }
    if (r->has_more)
        buf_append_cstr(to, " ...");
}

static void
check_one(struct world *w, const char *name, struct span local, struct span domain, uint64_t size_bytes,
          const char *wanted)
{
    struct arena mem;
    struct resolution r;
    struct buf said;
    arena_init(&mem, 1 << 20);
    buf_init(&said, 1 << 20);
    const struct resolve_question question = {local, domain, size_bytes, true, 0};
    CHECK(name, resolve(&w->world, &question, &mem, &r) == ERR_OK);
    say(&r, &said);
    CHECK_SPAN(name, buf_span(&said), span_from_cstr(wanted));
    CHECK(name, (r.status == RECIPIENT_STATUS_OK) == (r.reason[0] == '\0'));
    /* Without targets asked for the status is the same. */
    enum recipient_status status = r.status;
    const struct resolve_question check = {local, domain, size_bytes, false, 0};
    CHECK(name, resolve(&w->world, &check, &mem, &r) == ERR_OK);
    CHECK(name, r.status == status && r.target_count == 0);
    buf_done(&said);
    arena_clear(&mem);
}

static void
test_order_of_places(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span local, domain;
        uint64_t size_bytes;
        const char *wanted;
    } rows[] = {
        {"account", SPAN("alice"), SPAN("example.test"), 0, "ok account :4 -> mailbox alice@example.test /1048576"},
        {"case of the local part (77)", SPAN("ALICE"), SPAN("example.test"), 0,
         "ok account :4 -> mailbox alice@example.test /1048576"},
        {"case of the domain", SPAN("alice"), SPAN("Example.Test"), 0,
         "ok account :4 -> mailbox alice@example.test /1048576"},
        {"name as stored, quota of its own", SPAN("bob"), SPAN("example.test"), 0,
         "ok account :4 -> mailbox Bob@example.test /5000"},
        {"subaddress (77)", SPAN("alice+Shop+x"), SPAN("example.test"), 0,
         "ok account :4 detail=Shop+x -> mailbox alice@example.test +Shop+x /1048576"},
        {"empty detail", SPAN("alice+"), SPAN("example.test"), 0,
         "ok account :4 -> mailbox alice@example.test /1048576"},
        {"the whole name wins", SPAN("plus+sign"), SPAN("example.test"), 0,
         "ok account :4 -> mailbox plus+sign@example.test"},
        {"nothing before the separator", SPAN("+alice"), SPAN("example.test"), 0, "unknown nobody :4"},
        {"suspended (41)", SPAN("carol"), SPAN("example.test"), 0, "suspended account :4"},
        {"message as large as the quota", SPAN("bob"), SPAN("example.test"), 5000,
         "ok account :4 -> mailbox Bob@example.test /5000"},
        {"message larger than the quota (41)", SPAN("bob"), SPAN("example.test"), 5001, "too-big account :4"},
        {"larger than the domain's quota", SPAN("alice"), SPAN("example.test"), 1048577, "too-big account :4"},
        {"no quota", SPAN("free"), SPAN("example.test"), 99999999, "ok account :4 -> mailbox free@example.test"},
        {"unknown (40)", SPAN("nobody"), SPAN("example.test"), 0, "unknown nobody :4"},
        {"not ours", SPAN("alice"), SPAN("elsewhere.example"), 0, "not-local nobody"},
        {"a name below ours", SPAN("alice"), SPAN("sub.example.test"), 0, "not-local nobody"},
        {"a literal", SPAN("alice"), SPAN("[127.0.0.1]"), 0, "not-local nobody"},
        {"64 octets are a name, 65 are nobody's",
         SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), SPAN("catch.test"), 0,
         "unknown nobody :12"},
        {"case counts", SPAN("Case"), SPAN("case.test"), 0, "ok account :5 -> mailbox Case@case.test"},
        {"case counts (2)", SPAN("case"), SPAN("case.test"), 0, "unknown nobody :5"},
        {"subaddress off", SPAN("Case+x"), SPAN("case.test"), 0, "unknown nobody :5"},
        /* aliases of addresses */
        {"alias", SPAN("sales"), SPAN("example.test"), 0,
         "ok alias :4 -> again bob@example.test, again dora@elsewhere.example"},
        {"alias with detail, ours only", SPAN("Sales+x"), SPAN("example.test"), 0,
         "ok alias :4 detail=x -> again bob+x@example.test, again dora@elsewhere.example"},
        {"a detail too long to add", SPAN("sales+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
         SPAN("example.test"), 0,
         "ok alias :4 detail=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -> again "
         "bob+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.test, again dora@elsewhere.example"},
        {"list with an owner (75)", SPAN("team"), SPAN("example.test"), 0,
         "ok alias :4 owner=owner-team@example.test -> again bob@example.test"},
        {"the owner has none", SPAN("owner-team"), SPAN("example.test"), 0, "ok alias :4 -> again alice@example.test"},
        {"quoted target", SPAN("quoted+x"), SPAN("example.test"), 0,
         "ok alias :4 detail=x -> again \"a b+x\"@example.test"},
        /* lists kept elsewhere */
        {"file, to the store", SPAN("Sam"), SPAN("store.test"), 0, "ok file :7 -> lmtp unix:/run/lmtp.sock"},
        {"file with detail", SPAN("sam-inbox"), SPAN("store.test"), 0,
         "ok file :7 detail=inbox -> lmtp unix:/run/lmtp.sock +inbox"},
        {"whole name in the file", SPAN("sam-x-y"), SPAN("store.test"), 0, "ok file :7 -> lmtp unix:/run/lmtp.sock"},
        {"not in the file", SPAN("tom"), SPAN("store.test"), 0, "unknown nobody :7"},
        {"accounts do not count there", SPAN("alice"), SPAN("store.test"), 0, "unknown nobody :7"},
        {"socketmap", SPAN("max"), SPAN("map.test"), 0, "ok socketmap :11 -> mailbox max@map.test"},
        {"not in the socketmap", SPAN("tom"), SPAN("map.test"), 0, "unknown nobody :11"},
        /* all of them together */
        {"account before user", SPAN("both"), SPAN("all.test"), 0, "ok account :15 -> mailbox both@all.test"},
        {"file before aliases", SPAN("file"), SPAN("all.test"), 0, "ok file :15 -> mailbox file@all.test"},
        {"user", SPAN("Nina+x"), SPAN("all.test"), 0, "ok user :3 detail=x -> user nina +x"},
        {"aliases before user", SPAN("mike"), SPAN("all.test"), 0,
         "ok aliases :6 -> user mike, again bob@example.test"},
    };
    struct world w;
    world_begin(&w, CONFIG);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_one(&w, rows[i].name, rows[i].local, rows[i].domain, rows[i].size_bytes, rows[i].wanted);
    world_end(&w);
}

static void
test_reserved_names_and_catch_all(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span local, domain;
        const char *wanted;
    } rows[] = {
        {"bare Postmaster (37): the aliases file", SPAN("Postmaster"), SPAN(""), "ok aliases :1 -> again root"},
        {"postmaster of a domain (37)", SPAN("PostMaster"), SPAN("example.test"),
         "ok postmaster :2 -> again alice@example.test"},
        {"abuse", SPAN("abuse"), SPAN("case.test"), "ok postmaster :2 -> again alice@example.test"},
        {"root", SPAN("root"), SPAN("map.test"), "ok postmaster :2 -> again alice@example.test"},
        {"before the catch-all", SPAN("abuse"), SPAN("catch.test"), "ok postmaster :2 -> again alice@example.test"},
        {"catch-all", SPAN("any.body"), SPAN("catch.test"), "ok catch-all :12 -> again alice@example.test"},
        {"catch-all that leads nowhere", SPAN("x"), SPAN("nowhere.test"), "unknown catch-all :13"},
        {"postmaster that leads nowhere waits", SPAN("postmaster"), SPAN("nowhere.test"), "unavailable postmaster :13"},
        {"catch-all in a circle", SPAN("z"), SPAN("loop.test"), "unknown catch-all :14"},
        {"postmaster in a circle", SPAN("postmaster"), SPAN("loop.test"), "unavailable postmaster :14"},
        {"catch-all elsewhere", SPAN("x"), SPAN("away.test"), "ok catch-all :16 -> again someone@elsewhere.example"},
    };
    struct world w;
    world_begin(&w, CONFIG);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_one(&w, rows[i].name, rows[i].local, rows[i].domain, 0, rows[i].wanted);
    world_end(&w);
    /* Nobody named: postmaster waits, the others are nobody. */
    world_begin(&w, "hostname mx.example.test; domain example.test { }");
    check_one(&w, "postmaster unset", SPAN("postmaster"), SPAN("example.test"), 0, "unavailable nobody :1");
    check_one(&w, "abuse unset", SPAN("abuse"), SPAN("example.test"), 0, "unknown nobody :1");
    world_end(&w);
}

static void
test_names_of_the_machine(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct span local, domain;
        const char *wanted;
    } rows[] = {
        {"user", SPAN("nina"), SPAN(""), "ok user :3 -> user nina"},
        {"user at the hostname", SPAN("nina"), SPAN("mx.example.test"), "ok user :3 -> user nina"},
        {"user with detail", SPAN("nina+x"), SPAN(""), "ok user :3 detail=x -> user nina +x"},
        {"no such user", SPAN("oskar"), SPAN(""), "unknown nobody"},
        {"what is no user name is not asked for", SPAN("../nina"), SPAN(""), "unknown nobody"},
        {"nor this", SPAN("-nina"), SPAN(""), "unknown nobody"},
        {"alias to root to an address", SPAN("root"), SPAN(""), "ok aliases :2 -> again alice@example.test"},
        {"several", SPAN("STAFF"), SPAN(""), "ok aliases :3 -> again mike, again nina@elsewhere.example, again staff2"},
        {"list with an owner (75)", SPAN("list"), SPAN(""),
         "ok aliases :4 owner=owner-list@mx.example.test -> again mike, again nina"},
        {"its owner", SPAN("owner-list"), SPAN(""), "ok aliases :5 -> again nina"},
        {"its own name is the user", SPAN("mike"), SPAN(""), "ok aliases :6 -> user mike, again bob@example.test"},
        {"backslash is the user", SPAN("final"), SPAN(""), "ok aliases :7 -> user nina"},
        {"command and file are one target", SPAN("prog+x"), SPAN(""),
         "ok aliases :8 detail=x -> user :prog +x, again mike"},
        {"/dev/null", SPAN("null"), SPAN(""), "ok aliases :9 -> discard /dev/null"},
        {"a line that cannot be read waits", SPAN("broken"), SPAN(""), "unavailable aliases :10"},
        {"include, its own include left out", SPAN("inc"), SPAN(""),
         "ok aliases :11 -> again nina, again olaf@elsewhere.example, again mike"},
        {"include that cannot be read waits", SPAN("lost"), SPAN(""), "unavailable aliases :12"},
    };
    struct world w;
    world_begin(&w, CONFIG);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_one(&w, rows[i].name, rows[i].local, rows[i].domain, 0, rows[i].wanted);
    world_end(&w);
    /* Users are no recipients by default; what an alias says of them waits, but for root. */
    world_begin(&w, "hostname mx.example.test; postmaster alice@example.test; local { aliases /etc/aliases; } domain "
                    "example.test { }");
    check_one(&w, "user while off", SPAN("nina"), SPAN(""), 0, "unknown nobody");
    check_one(&w, "backslash while off", SPAN("final"), SPAN(""), 0, "unavailable aliases :7");
    assert_int_equal(w.questions, 0);
    world_end(&w);
}

static void
test_long_lists_come_in_parts(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w, CONFIG);
    static const struct {
        uint32_t offset;
        size_t count;
        bool has_more;
        const char *first;
    } rows[] = {
        {0, 200, true, "user0@elsewhere.example"},
        {200, 200, true, "user200@elsewhere.example"},
        {400, 50, false, "user400@elsewhere.example"},
        {450, 0, false, ""},
        {UINT32_MAX, 0, false, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena mem;
        struct resolution r;
        arena_init(&mem, 1 << 20);
        const struct resolve_question question = {SPAN("big"), SPAN(""), 0, true, rows[i].offset};
        assert_int_equal(resolve(&w.world, &question, &mem, &r), ERR_OK);
        assert_int_equal(r.status, RECIPIENT_STATUS_OK);
        assert_int_equal(r.target_count, rows[i].count);
        assert_int_equal(r.has_more, rows[i].has_more);
        if (r.target_count > 0)
            CHECK_SPAN("first", r.targets[0].name, span_from_cstr(rows[i].first));
        arena_clear(&mem);
    }
    world_end(&w);
}

/* Requirement 40: what cannot be looked up is unavailable, never unknown. */
static void
test_failures_are_not_unknown(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w, CONFIG);
    w.is_outside_broken = true;
    check_one(&w, "file", SPAN("tom"), SPAN("store.test"), 0, "unavailable file :7");
    check_one(&w, "socketmap", SPAN("tom"), SPAN("map.test"), 0, "unavailable socketmap :11");
    check_one(&w, "user", SPAN("tom"), SPAN(""), 0, "unavailable user :3");
    check_one(&w, "what accounts know is known", SPAN("both"), SPAN("all.test"), 0,
              "ok account :15 -> mailbox both@all.test");
    w.is_outside_broken = false;
    w.accounts_now = NULL;
    check_one(&w, "accounts", SPAN("alice"), SPAN("example.test"), 0, "unavailable nobody :4");
    check_one(&w, "accounts, reserved name", SPAN("postmaster"), SPAN("example.test"), 0, "unavailable nobody :4");
    check_one(&w, "accounts behind a catch-all", SPAN("x"), SPAN("catch.test"), 0, "unavailable nobody :12");
    check_one(&w, "other domains go on", SPAN("max"), SPAN("map.test"), 0, "ok socketmap :11 -> mailbox max@map.test");
    w.accounts_now = &w.accounts;
    w.aliases_now = NULL;
    check_one(&w, "aliases file", SPAN("nina"), SPAN(""), 0, "unavailable nobody");
    check_one(&w, "domains without it go on", SPAN("alice"), SPAN("example.test"), 0,
              "ok account :4 -> mailbox alice@example.test /1048576");
    world_end(&w);
}

static void
test_without_memory(void **state)
{
    (void)state;
    struct world w;
    struct arena mem;
    struct resolution r;
    world_begin(&w, CONFIG);
    arena_init(&mem, 64);
    const struct resolve_question question = {SPAN("sales"), SPAN("example.test"), 0, true, 0};
    assert_int_equal(resolve(&w.world, &question, &mem, &r), ERR_LIMIT);
    arena_clear(&mem);
    world_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_places),       cmocka_unit_test(test_reserved_names_and_catch_all),
        cmocka_unit_test(test_names_of_the_machine),  cmocka_unit_test(test_long_lists_come_in_parts),
        cmocka_unit_test(test_failures_are_not_unknown), cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
