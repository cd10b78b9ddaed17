/*
 * directory_test.c - the directory process in the simulation: questions, commands, files and sockets that the parent
 * opens, restarts. Requirements 37, 40, 75.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "directory/directory.h"
#include "role_world.h"
#include "store/envelope.h"
#include "store/local_user.h"
#include "store/parent_open.h"
#include "store/recipient.h"

static const char CONFIG[] = "hostname mx.example.test;\n"
                             "postmaster alice@example.test;\n"
                             "local { system-users on; aliases /etc/aliases; }\n"
                             "domain example.test { }\n"
                             "domain case.test { case-sensitive on; }\n"
                             "domain store.test { recipients file /etc/store.users; }\n"
                             "domain map.test { recipients socketmap unix:/run/map.sock users; }\n";

/* --- the parent's files, sockets and users --- */

struct outside {
    struct role_world *w;
    const char *aliases;    /* NULL: no such file */
    const char *included;
    const char *recipients;
    bool is_refusing;       /* every request is UNAVAILABLE */
    unsigned opened;
    unsigned sockets;
    unsigned users_asked;
    unsigned names_asked;
    bool is_ann_trusted;
    const char *socketmap_says; /* the reply to every question; NULL: close at once */
    bool closes_after_reply;
    unsigned questions;
    struct buf asked;       /* what came over sockets */
};

/* One connection of the socketmap server: whatever it is asked, it says the same. */
struct socketmap_session {
    struct outside *outside;
    struct stream *stream;
};

static void
session_run(struct fiber *f, void *arg)
{
    struct socketmap_session *s = arg;
    struct outside *o = s->outside;
    uint8_t octets[512];
    size_t n = 0;
    while (o->socketmap_says != NULL &&
           stream_read(f, DEADLINE_NEVER, s->stream, octets, sizeof(octets), &n) == ERR_OK) {
        buf_append(&o->asked, span_of(octets, n));
        if (octets[n - 1] != ',')
            continue;
        o->questions++;
        if (stream_write(f, DEADLINE_NEVER, s->stream, span_from_cstr(o->socketmap_says)) != ERR_OK ||
            o->closes_after_reply)
            break;
    }
    stream_close(s->stream);
    free(s);
}

static int
socketmap_connect(struct outside *o)
{
    struct stream *ours, *theirs;
    struct socketmap_session *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    o->sockets++;
    sim_stream_pair(o->w->parent_process, &ours, o->w->parent_process, &theirs);
    *s = (struct socketmap_session){o, ours};
    ok(fiber_spawn(sim_rt(o->w->parent_process), "test.socketmap", session_run, s, NULL));
    return sim_stream_fd(theirs);
}

static enum parent_open_status
file_give(struct fiber *f, const char *text, struct ipc_parent_open_reply *ret)
{
    if (text == NULL)
        return PARENT_OPEN_NOT_FOUND;
    ok(disk_memory_fd(rt_disk(fiber_rt(f)), span_from_cstr(text), &ret->file));
    return PARENT_OPEN_OK;
}

static void
on_parent_open(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_parent_open *request,
               struct arena *mem, struct ipc_parent_open_reply *ret)
{
    struct outside *o = ctx;
    enum parent_open_status status = PARENT_OPEN_REFUSED;
    (void)from, (void)mem;
    o->opened++;
    if (o->is_refusing) {
        ret->status = PARENT_OPEN_UNAVAILABLE;
        ret->text = SPAN("broken for a test");
        return;
    }
    switch ((enum parent_open_kind)request->kind) {
    case PARENT_OPEN_ALIASES: status = file_give(f, o->aliases, ret); break;
    case PARENT_OPEN_INCLUDE:
        status = span_equal(request->name, SPAN("/etc/list")) ? file_give(f, o->included, ret) : PARENT_OPEN_REFUSED;
        break;
    case PARENT_OPEN_RECIPIENTS:
        CHECK_SPAN("recipients of", request->name, SPAN("store.test"));
        status = file_give(f, o->recipients, ret);
        break;
    case PARENT_OPEN_SOCKETMAP:
        CHECK_SPAN("socketmap of", request->name, SPAN("map.test"));
        ret->file = socketmap_connect(o);
        status = PARENT_OPEN_OK;
        break;
    case PARENT_OPEN_USER:
        o->users_asked++;
        status = span_equal(request->name, SPAN("mike")) ? PARENT_OPEN_OK
                 : span_equal(request->name, SPAN("daemon")) ? PARENT_OPEN_REFUSED : PARENT_OPEN_NOT_FOUND;
        break;
    case PARENT_OPEN_LMTP: break;
    }
    ret->status = (uint8_t)status;
}

/* Who a user id is: 1000 is ann, 5 cannot be looked up, 6 is known under a name no reply may have; nobody has the others. */
static void
on_user_name(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_user_name *request, struct arena *mem,
             struct ipc_user_name_reply *ret)
{
    struct outside *o = ctx;
    (void)f, (void)from, (void)mem;
    o->names_asked++;
    ret->status = request->uid == 1000  ? LOCAL_USER_KNOWN
                  : request->uid == 5 ? LOCAL_USER_UNAVAILABLE
                  : request->uid == 6 ? 99
                                      : LOCAL_USER_NAMELESS;
    if (ret->status == LOCAL_USER_KNOWN)
        ret->name = SPAN("ann");
    ret->is_trusted = o->is_ann_trusted;
    if (o->is_refusing)
        ret->status = LOCAL_USER_UNAVAILABLE;
}

/* --- asking --- */

struct client {
    struct fiber *f;
    struct ipc_link *edge, *queue, *control;
};

static struct client
client_of(struct fiber *f, struct role_world *w)
{
    return (struct client){f, role_world_link(w, ROLE_EDGE), role_world_link(w, ROLE_QUEUE),
                           role_world_link(w, ROLE_CONTROL)};
}

static struct deadline
soon(struct client *c)
{
    return deadline_in(fiber_rt(c->f), 20 * NS_PER_S);
}

static enum recipient_status
check_address(struct client *c, const char *local, const char *domain)
{
    struct arena mem;
    struct ipc_recipient_check_reply reply;
    arena_init(&mem, 1 << 20);
    const struct ipc_recipient_check request = {.local_part = span_from_cstr(local), .domain = span_from_cstr(domain)};
    ok(ipc_recipient_check(c->f, soon(c), c->edge, &request, &mem, &reply));
    enum recipient_status status = reply.status;
    arena_clear(&mem);
    return status;
}

/* Run a command; its text is compared unless `wanted` is NULL. */
static void
command(struct client *c, const char *line, int status, const char *wanted)
{
    struct arena mem;
    struct ipc_argument arguments[8];
    size_t count = 0;
    struct span rest = span_from_cstr(line), verb;
    arena_init(&mem, 1 << 20);
    verb = rest;
    if (!span_cut(rest, ' ', &verb, &rest))
        rest = SPAN_EMPTY;
    while (!span_is_empty(rest)) {
        struct span word = rest, after = SPAN_EMPTY;
        span_cut(rest, ' ', &word, &after);
        arguments[count++].value = span_equal(word, SPAN("''")) ? SPAN_EMPTY : word;
        rest = after;
    }
    const struct ipc_directory_command request = {.verb = verb, .arguments = arguments, .arguments_count = count};
    struct ipc_directory_command_reply reply;
    ok(ipc_directory_command(c->f, soon(c), c->control, &request, &mem, &reply));
    if (reply.status != status)
        fail_msg("%s: status %u, wanted %d: %.*s", line, reply.status, status, SPAN_ARG(reply.text));
    if (wanted != NULL)
        CHECK_SPAN(line, reply.text, span_from_cstr(wanted));
    arena_clear(&mem);
}

/* Until the database and the files are there: a start answers "unavailable" before. */
static void
settle(struct client *c)
{
    for (int i = 0; i < 100; i++) {
        if (check_address(c, "nobody", "example.test") == RECIPIENT_STATUS_UNKNOWN &&
            check_address(c, "nobody", "mx.example.test") == RECIPIENT_STATUS_UNKNOWN)
            return;
        ok(fiber_sleep(c->f, deadline_in(fiber_rt(c->f), 50 * NS_PER_MS)));
    }
    fail_msg("the directory does not come up");
}

static void
run_script(struct role_world *w, struct outside *o, void (*script)(struct fiber *f, struct role_world *w),
           uint64_t seed)
{
    struct disk_sim *disk = w->disk;
    *w = (struct role_world){.config_text = CONFIG,
                             .role = ROLE_DIRECTORY,
                             .run = directory_run,
                             .parent_service = {.parent_open = on_parent_open, .user_name = on_user_name},
                             .parent_ctx = o,
                             .script = script,
                             .script_ctx = o,
                             .seed = seed,
                             .disk = disk};
    o->w = w;
    buf_init(&o->asked, 1 << 16);
    role_world_run(w, 600);
    buf_done(&o->asked);
}

/* --- tests --- */

static void
script_accounts(struct fiber *f, struct role_world *w)
{
    struct client c = client_of(f, w);
    settle(&c);
    command(&c, "account-list", EX_OK, "");
    assert_int_equal(check_address(&c, "alice", "example.test"), RECIPIENT_STATUS_UNKNOWN);
    command(&c, "account-add Alice@example.test secret quota=2M class=bulk", EX_OK, "alice@example.test added\n");
    assert_int_equal(check_address(&c, "aLiCe", "example.test"), RECIPIENT_STATUS_OK);
    command(&c, "account-add bob@example.test ''", EX_OK,
            "bob@example.test added without a password: it receives mail, nobody can log in\n");
    command(&c, "account-add alice@example.test x", EX_CANTCREAT,
            "alice@example.test exists already; godwit account password alice@example.test sets a new password\n");
    command(&c, "account-add Upper@case.test x", EX_OK, "Upper@case.test added\n");
    assert_int_equal(check_address(&c, "upper", "case.test"), RECIPIENT_STATUS_UNKNOWN);
    assert_int_equal(check_address(&c, "Upper", "case.test"), RECIPIENT_STATUS_OK);
    command(&c, "account-suspend ALICE@example.test", EX_OK,
            "alice@example.test suspended: its mail is refused, nobody can log in\n");
    assert_int_equal(check_address(&c, "alice", "example.test"), RECIPIENT_STATUS_SUSPENDED);
    command(&c, "account-resume alice@example.test", EX_OK, "alice@example.test is active again\n");
    assert_int_equal(check_address(&c, "alice", "example.test"), RECIPIENT_STATUS_OK);
    command(&c, "account-password alice@example.test other", EX_OK, "alice@example.test: password changed\n");
    command(&c, "account-password bob@example.test ''", EX_OK,
            "bob@example.test: password removed, nobody can log in\n");
    command(&c, "account-quota bob@example.test 1G", EX_OK, "bob@example.test: quota 1073741824 bytes\n");
    command(&c, "account-quota alice@example.test none", EX_OK, "alice@example.test: no quota\n");
    command(&c, "account-remove upper@case.test", EX_NOUSER,
            "there is no account upper@case.test; godwit account list shows those there are\n");
    command(&c, "account-remove Upper@case.test", EX_OK,
            "Upper@case.test removed; its mail stays in case.test/Upper below the mail directory\n");
    assert_int_equal(check_address(&c, "Upper", "case.test"), RECIPIENT_STATUS_UNKNOWN);
    command(&c, "account-list example.test", EX_OK, NULL);
    struct arena mem;
    struct ipc_role_status_reply status;
    arena_init(&mem, 1 << 20);
    ok(ipc_role_status(f, soon(&c), c.control, &(struct ipc_role_status){0}, &mem, &status));
    assert_true(status.counters_count > 0);
    CHECK_SPAN("counter", status.counters[0].name, SPAN("accounts"));
    assert_int_equal(status.counters[0].value, 2);
    arena_clear(&mem);
    struct span log = sim_process_log(w->role_process);
    assert_null(memmem(log.data, log.len, "secret", 6));
    assert_non_null(memmem(log.data, log.len, "account-changed", 15));
}

static void
script_accounts_again(struct fiber *f, struct role_world *w)
{
    struct client c = client_of(f, w);
    settle(&c);
    assert_int_equal(check_address(&c, "alice", "example.test"), RECIPIENT_STATUS_OK);
    command(&c, "account-list", EX_OK, NULL);
    command(&c, "account-quota alice@example.test default", EX_OK, "alice@example.test: the quota of its domain\n");
    command(&c, "account-remove alice@example.test", EX_OK,
            "alice@example.test removed; its mail stays in example.test/alice below the mail directory\n");
    command(&c, "account-remove bob@example.test", EX_OK, NULL);
    command(&c, "account-list", EX_OK, "");
}

static void
test_accounts_and_a_restart(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    struct outside o = {.aliases = ""};
    run_script(&w, &o, script_accounts, 1);
    run_script(&w, &o, script_accounts_again, 2);
    role_world_done(&w);
}

static void
script_refused(struct fiber *f, struct role_world *w)
{
    struct client c = client_of(f, w);
    settle(&c);
    static const struct {
        const char *line;
        int status;
        const char *text;
    } rows[] = {
        {"account-add alice x", EX_USAGE, "\"alice\" has no domain: write it as name@domain\n"},
        {"account-add a..b@example.test x", EX_DATAERR, "\"a..b@example.test\" is not an address\n"},
        {"account-add a@elsewhere.example x", EX_NOHOST,
         "elsewhere.example is not a domain of this server; add it first: godwit domain add elsewhere.example\n"},
        {"account-add a@store.test x", EX_CONFIG,
         "the recipients of store.test do not come from accounts; add \"recipients accounts;\" at "
         "/etc/godwit/godwit.conf:6\n"},
        {"account-add a@example.test x colour=red", EX_USAGE,
         "\"colour\" is no option; there are quota=SIZE and class=NAME\n"},
        {"account-add a@example.test x red", EX_USAGE, "\"red\" is no option; there are quota=SIZE and class=NAME\n"},
        {"account-add a@example.test x quota=big", EX_USAGE, "a quota is a size such as 1G or 500M, or none\n"},
        {"account-add a@example.test x quota=0", EX_USAGE, "a quota is a size such as 1G or 500M, or none\n"},
        {"account-add a@example.test x quota=99999999999999999999T", EX_USAGE,
         "a quota is a size such as 1G or 500M, or none\n"},
        {"account-add a@example.test x class=vip", EX_USAGE, "a class is normal or bulk\n"},
        {"account-add a@example.test", EX_USAGE, "usage: account-add ADDRESS PASSWORD [quota=SIZE] [class=NAME]\n"},
        {"account-password a@example.test x", EX_NOUSER,
         "there is no account a@example.test; godwit account list shows those there are\n"},
        {"account-quota a@example.test x", EX_USAGE,
         "a quota is a size such as 1G or 500M, none, or default (the domain's)\n"},
        {"account-frobnicate", EX_USAGE, "the directory knows no command \"account-frobnicate\"\n"},
        {"alias-remove a@example.test", EX_NOUSER,
         "there is no alias a@example.test; godwit alias list shows those there are\n"},
        {"alias-add a@example.test b..c@d", EX_DATAERR, "\"b..c@d\" is not an address\n"},
        {"alias-list nowhere..test", EX_DATAERR, "\"nowhere..test\" is not a domain\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        command(&c, rows[i].line, rows[i].status, rows[i].text);
    command(&c, "account-list", EX_OK, "");
    command(&c, "alias-list", EX_OK, "");
}

static void
test_what_is_refused(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    struct outside o = {.aliases = ""};
    run_script(&w, &o, script_refused, 3);
    role_world_done(&w);
}

static void
script_aliases(struct fiber *f, struct role_world *w)
{
    struct client c = client_of(f, w);
    settle(&c);
    command(&c, "account-add bob@example.test ''", EX_OK, NULL);
    command(&c, "alias-add Sales@example.test bob carol@elsewhere.example", EX_OK,
            "sales@example.test: bob@example.test, carol@elsewhere.example\n");
    command(&c, "alias-add sales@example.test bob@example.test dave@example.test", EX_OK,
            "sales@example.test: bob@example.test, carol@elsewhere.example, dave@example.test\n");
    assert_int_equal(check_address(&c, "sales", "example.test"), RECIPIENT_STATUS_OK);
    command(&c, "alias-remove sales@example.test dave", EX_OK,
            "sales@example.test: bob@example.test, carol@elsewhere.example\n");
    command(&c, "alias-remove sales@example.test dave", EX_NOUSER,
            "dave@example.test is no target of sales@example.test\n");
    command(&c, "alias-add bob@example.test x", EX_CANTCREAT,
            "bob@example.test is an account; an account keeps its own mail\n");
    command(&c, "account-add sales@example.test x", EX_CANTCREAT,
            "sales@example.test is an alias; remove it first: godwit alias remove sales@example.test\n");
    command(&c, "alias-list", EX_OK, "sales@example.test: bob@example.test, carol@elsewhere.example\n");
    command(&c, "resolve Sales+x@example.test", EX_OK,
            "Sales+x@example.test: an alias, detail x [/etc/godwit/godwit.conf:4]\n"
            "  bob+x@example.test: an account, detail x [/etc/godwit/godwit.conf:4]\n"
            "    mailbox bob@example.test\n"
            "  carol@elsewhere.example: not a domain of this server\n");
    command(&c, "resolve nobody@example.test", EX_OK,
            "nobody@example.test: no such recipient [/etc/godwit/godwit.conf:4]\n");
    command(&c, "alias-remove sales@example.test", EX_OK, "sales@example.test removed\n");
    assert_int_equal(check_address(&c, "sales", "example.test"), RECIPIENT_STATUS_UNKNOWN);
}

static void
test_aliases(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    struct outside o = {.aliases = ""};
    run_script(&w, &o, script_aliases, 4);
    role_world_done(&w);
}

static void
script_pages(struct fiber *f, struct role_world *w)
{
    struct client c = client_of(f, w);
    settle(&c);
    for (unsigned i = 0; i < 450; i++) {
        char line[64];
        snprintf(line, sizeof(line), "account-add user%03u@example.test ''", i);
        command(&c, line, EX_OK, NULL);
    }
    struct ipc_directory_command request = {.verb = SPAN("account-list")};
    unsigned lines = 0, answers = 0;
    do {
        struct arena mem;
        struct ipc_directory_command_reply reply;
        arena_init(&mem, 1 << 20);
        ok(ipc_directory_command(f, soon(&c), c.control, &request, &mem, &reply));
        assert_int_equal(reply.status, EX_OK);
        for (size_t i = 0; i < reply.text.len; i++)
            lines += reply.text.data[i] == '\n';
        request.cursor = reply.next_cursor;
        answers++;
        arena_clear(&mem);
    } while (request.cursor != 0);
    assert_int_equal(lines, 450);
    assert_int_equal(answers, 3);
}

static void
test_long_lists(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    struct outside o = {.aliases = ""};
    run_script(&w, &o, script_pages, 5);
    role_world_done(&w);
}

/* --- what the parent opens --- */

static void
expand(struct client *c, const char *local, const char *domain, const char *wanted)
{
    static const char *const kinds[] = {"again", "mailbox", "user", "lmtp", "remote", "discard"};
    struct arena mem;
    struct buf said;
    struct ipc_recipient_expand_reply reply;
    arena_init(&mem, 1 << 20);
    buf_init(&said, 1 << 16);
    const struct ipc_recipient_expand request = {.local_part = span_from_cstr(local), .domain = span_from_cstr(domain)};
    ok(ipc_recipient_expand(c->f, soon(c), c->queue, &request, &mem, &reply));
    buf_printf(&said, "%u", reply.status);
    if (!reply.keeps_sender)
        buf_printf(&said, " owner=" SPAN_FMT, SPAN_ARG(reply.sender));
    for (size_t i = 0; i < reply.targets_count; i++)
        buf_printf(&said, ", %s " SPAN_FMT, kinds[reply.targets[i].kind], SPAN_ARG(reply.targets[i].name));
    if (reply.rule_count > 0)
        buf_printf(&said, " by " SPAN_FMT ":%u", SPAN_ARG(reply.rule[0].file), reply.rule[0].line);
    CHECK_SPAN(local, buf_span(&said), span_from_cstr(wanted));
    buf_done(&said);
    arena_clear(&mem);
}

static void
script_outside(struct fiber *f, struct role_world *w)
{
    struct outside *o = w->script_ctx;
    struct client c = client_of(f, w);
    settle(&c);
    expand(&c, "list", "",
           "0 owner=owner-list@mx.example.test, again mike, again nina@elsewhere.example by /etc/aliases:1");
    expand(&c, "mike", "mx.example.test", "0, user mike by /etc/godwit/godwit.conf:3");
    expand(&c, "daemon", "", "1");
    expand(&c, "sam", "store.test", "0, mailbox sam@store.test by /etc/godwit/godwit.conf:6");
    assert_int_equal(check_address(&c, "tom", "store.test"), RECIPIENT_STATUS_UNKNOWN);
    /* A changed file is noticed without being told. */
    o->included = "olaf@elsewhere.example\n";
    o->recipients = "tom\n";
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 11 * NS_PER_S)));
    expand(&c, "list", "", "0 owner=owner-list@mx.example.test, again olaf@elsewhere.example by /etc/aliases:1");
    assert_int_equal(check_address(&c, "tom", "store.test"), RECIPIENT_STATUS_OK);
    assert_int_equal(check_address(&c, "sam", "store.test"), RECIPIENT_STATUS_UNKNOWN);
    /* A reload is at once, and says what is wrong. */
    o->aliases = "new: mike\nbad line\n";
    command(&c, "aliases-reload", EX_OK,
            "/etc/aliases:2: no colon: expected \"name: target\"\n/etc/aliases: 1 entries\n");
    expand(&c, "new", "", "0, again mike by /etc/aliases:1");
    expand(&c, "list", "", "1");
    /* While nothing can be opened, what was read stays in use. */
    o->is_refusing = true;
    command(&c, "aliases-reload", EX_TEMPFAIL, NULL);
    expand(&c, "new", "", "0, again mike by /etc/aliases:1");
    assert_int_equal(check_address(&c, "tom", "store.test"), RECIPIENT_STATUS_OK);
    assert_int_equal(check_address(&c, "somebody", ""), RECIPIENT_STATUS_UNAVAILABLE);
    /* Answers about users are kept for a while. */
    o->is_refusing = false;
    unsigned before = o->users_asked;
    for (int i = 0; i < 10; i++)
        assert_int_equal(check_address(&c, "peter", ""), RECIPIENT_STATUS_UNKNOWN);
    assert_int_equal(o->users_asked, before + 1);
    /* No aliases file is an empty one. */
    o->aliases = NULL;
    command(&c, "aliases-reload", EX_OK, "/etc/aliases: 0 entries (there is no such file)\n");
    expand(&c, "new", "", "1");
    /* postmaster names an account that is not there: mail waits (37). */
    expand(&c, "postmaster", "", "6 by /etc/godwit/godwit.conf:2");
}

static void
test_files_and_users(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    struct outside o = {.aliases = "list: :include:/etc/list\nowner-list: mike\n",
                        .included = "mike\nnina@elsewhere.example\n",
                        .recipients = "sam\n"};
    run_script(&w, &o, script_outside, 6);
    role_world_done(&w);
}

static void
script_unreadable(struct fiber *f, struct role_world *w)
{
    struct outside *o = w->script_ctx;
    struct client c = client_of(f, w);
    for (int i = 0; i < 20; i++) {
        enum recipient_status status = check_address(&c, "anybody", "store.test");
        assert_int_equal(status, RECIPIENT_STATUS_UNAVAILABLE);
        assert_int_equal(check_address(&c, "anybody", ""), RECIPIENT_STATUS_UNAVAILABLE);
        ok(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S)));
    }
    o->is_refusing = false;
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 11 * NS_PER_S)));
    assert_int_equal(check_address(&c, "anybody", "store.test"), RECIPIENT_STATUS_UNKNOWN);
    assert_int_equal(check_address(&c, "anybody", ""), RECIPIENT_STATUS_UNKNOWN);
}

/* Requirement 40: from the start on, what cannot be read makes mail wait. */
static void
test_unreadable_files_refuse_nobody(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    struct outside o = {.aliases = "", .recipients = "sam\n", .is_refusing = true};
    run_script(&w, &o, script_unreadable, 7);
    role_world_done(&w);
}

static void
script_socketmap(struct fiber *f, struct role_world *w)
{
    struct outside *o = w->script_ctx;
    struct client c = client_of(f, w);
    settle(&c);
    o->socketmap_says = "3:OK ,";
    for (int i = 0; i < 5; i++)
        assert_int_equal(check_address(&c, "Max", "map.test"), RECIPIENT_STATUS_OK);
    assert_int_equal(o->sockets, 1);
    assert_true(span_has_prefix(buf_span(&o->asked), SPAN("18:users max@map.test,")));
    o->socketmap_says = "9:NOTFOUND ,";
    assert_int_equal(check_address(&c, "max", "map.test"), RECIPIENT_STATUS_UNKNOWN);
    assert_int_equal(o->sockets, 1);
    static const char *const failures[] = {"9:TEMP busy,", "7:PERM no,", "HTTP/1.1 200 OK\r\n,", "3:OK ,3:OK ,",
                                           "5:hello,"};
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        o->socketmap_says = failures[i];
        CHECK(failures[i], check_address(&c, "max", "map.test") == RECIPIENT_STATUS_UNAVAILABLE);
    }
    /* A server that closes after each reply: the kept connection is found dead and a new one is made. */
    o->socketmap_says = "3:OK ,";
    o->closes_after_reply = true;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(check_address(&c, "max", "map.test"), RECIPIENT_STATUS_OK);
        ok(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S)));
    }
    /* One that never answers. */
    o->closes_after_reply = false;
    o->socketmap_says = "";
    assert_int_equal(check_address(&c, "max", "map.test"), RECIPIENT_STATUS_UNAVAILABLE);
    o->socketmap_says = NULL;
    assert_int_equal(check_address(&c, "max", "map.test"), RECIPIENT_STATUS_UNAVAILABLE);
    o->is_refusing = true;
    assert_int_equal(check_address(&c, "max", "map.test"), RECIPIENT_STATUS_UNAVAILABLE);
}

static void
test_socketmap(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    struct outside o = {.aliases = ""};
    run_script(&w, &o, script_socketmap, 8);
    role_world_done(&w);
}

/* --- a new configuration, a broken database --- */

static void
script_reconfigure(struct fiber *f, struct role_world *w)
{
    struct client c = client_of(f, w);
    settle(&c);
    command(&c, "account-add Alice@case.test ''", EX_OK, NULL);
    command(&c, "account-add bob@example.test ''", EX_OK, NULL);
    assert_int_equal(check_address(&c, "alice", "case.test"), RECIPIENT_STATUS_UNKNOWN);
    struct config *old = w->config;
    w->config = role_world_config("hostname mx.example.test; domain case.test { } domain new.test { }");
    w->env.config = w->config;
    w->env.generation++;
    w->env.on_reconfigure(w->env.on_reconfigure_ctx);
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S)));
    assert_int_equal(check_address(&c, "alice", "case.test"), RECIPIENT_STATUS_OK);
    assert_int_equal(check_address(&c, "bob", "example.test"), RECIPIENT_STATUS_NOT_LOCAL);
    command(&c, "account-add carol@new.test ''", EX_OK, NULL);
    assert_int_equal(check_address(&c, "carol", "new.test"), RECIPIENT_STATUS_OK);
    config_free(old);
}

static void
test_reconfigure(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    struct outside o = {.aliases = ""};
    run_script(&w, &o, script_reconfigure, 9);
    role_world_done(&w);
}

static void
check_user(struct client *c, uint32_t uid, enum local_user_status status, const char *name, bool is_trusted)
{
    struct arena mem;
    struct ipc_local_user_reply reply;
    arena_init(&mem, 1 << 16);
    ok(ipc_local_user(c->f, soon(c), c->edge, &(struct ipc_local_user){.uid = uid}, &mem, &reply));
    assert_int_equal(reply.status, status);
    CHECK_SPAN("name", reply.name, span_from_cstr(name));
    assert_int_equal(reply.is_trusted, is_trusted);
    arena_clear(&mem);
}

static void
script_local_users(struct fiber *f, struct role_world *w)
{
    struct client c = client_of(f, w);
    struct outside *o = w->script_ctx;
    check_user(&c, 1000, LOCAL_USER_KNOWN, "ann", false);
    check_user(&c, 1000, LOCAL_USER_KNOWN, "ann", false);
    assert_int_equal(o->names_asked, 1);
    check_user(&c, 4711, LOCAL_USER_NAMELESS, "", false);
    check_user(&c, 5, LOCAL_USER_UNAVAILABLE, "", false);
    check_user(&c, 5, LOCAL_USER_UNAVAILABLE, "", false);
    assert_int_equal(o->names_asked, 4); /* what could not be found out is asked again */
    check_user(&c, 6, LOCAL_USER_UNAVAILABLE, "", false);

    /* A new configuration may trust others; without one, an answer holds for a minute. */
    o->is_ann_trusted = true;
    check_user(&c, 1000, LOCAL_USER_KNOWN, "ann", false);
    w->env.generation++;
    w->env.on_reconfigure(w->env.on_reconfigure_ctx);
    check_user(&c, 1000, LOCAL_USER_KNOWN, "ann", true);
    o->is_ann_trusted = false;
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 61 * NS_PER_S)));
    check_user(&c, 1000, LOCAL_USER_KNOWN, "ann", false);

    /* More ids than are kept: they are asked anew, and answered right. */
    unsigned before = o->names_asked;
    for (uint32_t uid = 100000; uid < 100000 + 5000; uid++)
        check_user(&c, uid, LOCAL_USER_NAMELESS, "", false);
    assert_int_equal(o->names_asked, before + 5000);
    check_user(&c, 1000, LOCAL_USER_KNOWN, "ann", false);
    o->is_refusing = true;
    check_user(&c, 99, LOCAL_USER_UNAVAILABLE, "", false);
}

static void
test_local_users(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    struct outside o = {.aliases = ""};
    run_script(&w, &o, script_local_users, 11);
    role_world_done(&w);
}

static void
script_broken_database(struct fiber *f, struct role_world *w)
{
    struct client c = client_of(f, w);
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S)));
    assert_int_equal(check_address(&c, "alice", "example.test"), RECIPIENT_STATUS_UNAVAILABLE);
    assert_int_equal(check_address(&c, "postmaster", "example.test"), RECIPIENT_STATUS_UNAVAILABLE);
    command(&c, "account-add alice@example.test ''", EX_TEMPFAIL,
            "accounts.db cannot be read at the moment; see the log\n");
    command(&c, "account-list", EX_TEMPFAIL, "accounts.db cannot be read at the moment; see the log\n");
    assert_int_equal(check_address(&c, "nobody", "mx.example.test"), RECIPIENT_STATUS_UNAVAILABLE);
    struct disk_dir *data;
    ok(disk_dir_open(disk_sim_disk(w->disk), NULL, "/data", &data));
    ok(disk_unlink(data, "accounts.db"));
    disk_dir_close(data);
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 11 * NS_PER_S)));
    command(&c, "account-add alice@example.test ''", EX_OK, NULL);
    assert_int_equal(check_address(&c, "alice", "example.test"), RECIPIENT_STATUS_OK);
}

static void
test_a_broken_database_refuses_nobody(void **state)
{
    (void)state;
    struct role_world w = {.disk = disk_sim_new(10)};
    struct outside o = {.aliases = ""};
    struct disk_dir *root;
    struct disk_file *file;
    ok(disk_dir_open(disk_sim_disk(w.disk), NULL, "/", &root));
    ok(disk_mkdir(root, "data"));
    ok(disk_open(root, "data/accounts.db", DISK_WRITE | DISK_CREATE, &file));
    ok(disk_pwrite(file, 0,
                   SPAN("no database at all, but long enough to be looked at by SQLite, whose header takes a hundred "
                        "octets.......")));
    disk_close(file);
    disk_dir_close(root);
    run_script(&w, &o, script_broken_database, 10);
    role_world_done(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accounts_and_a_restart),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_files_and_users),
        cmocka_unit_test(test_unreadable_files_refuse_nobody),
        cmocka_unit_test(test_socketmap),
        cmocka_unit_test(test_reconfigure),
        cmocka_unit_test(test_local_users),
        cmocka_unit_test(test_a_broken_database_refuses_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
