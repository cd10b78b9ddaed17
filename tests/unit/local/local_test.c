/*
 * local_test.c - the local process in the simulation: Maildirs, a store that speaks LMTP well and badly, system users.
 * Requirements 68, 69, 71, 72, 74.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "local/local.h"
#include "role_world.h"
#include "store/envelope.h"
#include "store/maildir/maildir.h"
#include "store/parent_open.h"
#include "store/recipient.h"

static const char CONFIG[] = "hostname mx.example.test;\n"
                             "domain example.test { }\n"
                             "domain store.test { deliver lmtp unix:/run/lmtp.sock; }\n"
                             "domain tcp.test { deliver lmtp 192.0.2.9:24; }\n";

static const uint8_t ID[13] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0};

/* --- asking --- */

struct answer {
    enum delivery_class class;
    char status[16];
    char text[512];
    char forwards[64];
};

static struct ipc_deliver
request_to(enum recipient_target kind, const char *name)
{
    return (struct ipc_deliver){
        .id = span_of(ID, sizeof(ID)),
        .kind = (uint8_t)kind,
        .name = span_from_cstr(name),
        .recipient = span_from_cstr(kind == TARGET_MAILBOX ? name : "alice@store.test"),
        .sender = SPAN("bob@example.org"),
        .size_bytes = 24,
        .content = SPAN("Subject: x\r\n\r\n.body\r\n"),
        .file = -1,
    };
}

static struct answer
deliver(struct fiber *f, struct ipc_link *link, const struct ipc_deliver *request)
{
    struct arena mem;
    struct ipc_deliver_reply reply;
    struct answer answer = {.class = 99};
    arena_init(&mem, 1 << 20);
    ok(ipc_deliver(f, deadline_in(fiber_rt(f), 3600 * NS_PER_S), link, request, &mem, &reply));
    answer.class = reply.class;
    assert_true(span_to_cstr(reply.status, answer.status, sizeof(answer.status)));
    assert_true(span_to_cstr(reply.text, answer.text, sizeof(answer.text)));
    assert_true(span_to_cstr(reply.forwards, answer.forwards, sizeof(answer.forwards)));
    arena_clear(&mem);
    return answer;
}

static void
check_answer(const char *name, struct answer got, enum delivery_class class, const char *status, const char *text)
{
    if (got.class != class || strcmp(got.status, status) != 0 || (text != NULL && strcmp(got.text, text) != 0))
        fail_msg("%s: got %u %s \"%s\", wanted %u %s \"%s\"", name, got.class, got.status, got.text, class, status,
                 text == NULL ? "" : text);
}

/* --- looking into mailboxes --- */

struct looking {
    struct disk_dir *dir;
    unsigned count;
    struct buf last; /* content of the last file seen */
    struct buf all;  /* all of them */
};

static bool
look_at(void *arg, const char *name)
{
    struct looking *l = arg;
    struct disk_file *file;
    size_t n = 0;
    ok(disk_open(l->dir, name, DISK_READ, &file));
    buf_clear(&l->last);
    uint8_t *to = buf_reserve(&l->last, 1 << 20);
    assert_non_null(to);
    ok(disk_pread(file, 0, to, 1 << 20, &n));
    buf_advance(&l->last, n);
    buf_append(&l->all, span_of(to, n));
    disk_close(file);
    l->count++;
    return true;
}

static void
mailbox_look(struct role_world *w, const char *path, struct looking *l)
{
    char full[MAILDIR_PATH_MAX + 16];
    snprintf(full, sizeof(full), "/data/%s/new", path);
    buf_init(&l->last, 1 << 21);
    buf_init(&l->all, 1 << 24);
    l->count = 0;
    if (disk_dir_open(disk_sim_disk(w->disk), NULL, full, &l->dir) != ERR_OK)
        return;
    ok(disk_dir_list(l->dir, look_at, l));
    disk_dir_close(l->dir);
}

static void
look_done(struct looking *l)
{
    buf_done(&l->last);
    buf_done(&l->all);
}

static void
run_script(struct role_world *w, void (*script)(struct fiber *f, struct role_world *w), uint64_t seed)
{
    struct disk_sim *disk = w->disk;
    struct ipc_parent_service parent = w->parent_service;
    void *parent_ctx = w->parent_ctx, *ctx = w->script_ctx;
    *w = (struct role_world){.config_text = CONFIG, .role = ROLE_LOCAL, .run = local_run, .parent_service = parent,
                             .parent_ctx = parent_ctx, .script = script, .script_ctx = ctx, .seed = seed, .disk = disk};
    role_world_run(w, 24 * 3600);
}

/* --- Maildirs --- */

static void
script_mailbox(struct fiber *f, struct role_world *w)
{
    struct ipc_link *link = role_world_link(w, ROLE_QUEUE);
    struct ipc_deliver r = request_to(TARGET_MAILBOX, "alice@example.test");
    struct looking l;
    r.recipient = SPAN("alice+x@example.test");
    r.original = SPAN("rfc822;sales@example.test");
    check_answer("first", deliver(f, link, &r), DELIVERY_DONE, "2.0.0", "delivered to mailbox example.test/alice");
    mailbox_look(w, "example.test/alice", &l);
    assert_int_equal(l.count, 1);
    CHECK_SPAN(
        "file", buf_span(&l.last),
        SPAN("Return-Path: <bob@example.org>\nX-Original-To: sales@example.test\nDelivered-To: alice+x@example.test\n"
             "Subject: x\n\n.body\n"));
    look_done(&l);
    /* The body in a file of its own. */
    struct buf body;
    buf_init(&body, 1 << 21);
    for (unsigned i = 0; i < 20000; i++)
        buf_printf(&body, "line %u\r\n", i);
    ok(disk_memory_fd(rt_disk(fiber_rt(f)), buf_span(&body), &r.file));
    r.content = SPAN("Subject: large\r\n\r\n");
    check_answer("with a file", deliver(f, link, &r), DELIVERY_DONE, "2.0.0", NULL);
    rt_fd_close(fiber_rt(f), r.file);
    r.file = -1;
    mailbox_look(w, "example.test/alice", &l);
    assert_int_equal(l.count, 2);
    assert_non_null(memmem(l.all.data, l.all.len, "\nline 19999\n", 12));
    look_done(&l);
    buf_done(&body);
}

static void
test_mailbox(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    run_script(&w, script_mailbox, 1);
    role_world_done(&w);
}

static void
script_verdicts(struct fiber *f, struct role_world *w)
{
    struct ipc_link *link = role_world_link(w, ROLE_QUEUE);
    struct ipc_deliver r = request_to(TARGET_MAILBOX, "alice@example.test");
    r.content = SPAN("Delivered-To: alice@example.test\r\n\r\nx\r\n");
    check_answer("loop (69)", deliver(f, link, &r), DELIVERY_FAILED, "5.4.6",
                 "mail loop: the message was delivered to this address before");
    r = request_to(TARGET_MAILBOX, "alice@example.test");
    r.quota_bytes = 10;
    check_answer("larger than the quota", deliver(f, link, &r), DELIVERY_FAILED, "5.2.3",
                 "the message is larger than the mailbox may hold");
    r.quota_bytes = 150;
    check_answer("fits", deliver(f, link, &r), DELIVERY_DONE, "2.0.0", NULL);
    check_answer("full (74)", deliver(f, link, &r), DELIVERY_DEFERRED, "4.2.2", "the mailbox is full");
    r = request_to(TARGET_MAILBOX, "alice");
    check_answer("no address", deliver(f, link, &r), DELIVERY_FAILED, "5.1.3",
                 "the address cannot be the name of a mailbox");
    r = request_to(TARGET_MAILBOX, "alice@example.test");
    r.sender = SPAN("a\r\nBcc: c@d");
    check_answer("a line end in the sender", deliver(f, link, &r), DELIVERY_FAILED, "5.1.3",
                 "an address of the message cannot stand in a header field");
    r = request_to(TARGET_DISCARD, "/dev/null");
    check_answer("thrown away", deliver(f, link, &r), DELIVERY_DONE, "2.0.0", NULL);
    r = request_to(TARGET_REMOTE, "example.org");
    check_answer("not here", deliver(f, link, &r), DELIVERY_DEFERRED, "4.3.5", NULL);
    r.kind = 77;
    check_answer("no such kind", deliver(f, link, &r), DELIVERY_DEFERRED, "4.3.5", NULL);
    r = request_to(TARGET_MAILBOX, "carol@example.test");
    disk_sim_set_capacity(w->disk, 0);
    check_answer("full disk", deliver(f, link, &r), DELIVERY_DEFERRED, "4.3.1", "the disk of the mailboxes is full");
    disk_sim_set_capacity(w->disk, UINT64_MAX);
    check_answer("room again", deliver(f, link, &r), DELIVERY_DONE, "2.0.0", NULL);
    disk_sim_fail_data_sync(w->disk, 0);
    check_answer("a sync that fails", deliver(f, link, &r), DELIVERY_DEFERRED, "4.3.0",
                 "the mailbox cannot be written (sync: io)");
    struct looking l;
    mailbox_look(w, "example.test/carol", &l);
    assert_int_equal(l.count, 1);
    look_done(&l);
}

static void
test_verdicts(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    run_script(&w, script_verdicts, 2);
    role_world_done(&w);
}

enum { CROWD = 600, CROWD_BOXES = 7 };

struct one_of_crowd {
    struct ipc_link *link;
    unsigned number;
    struct answer answer;
};

static void
crowd_deliver(struct fiber *f, void *arg)
{
    struct one_of_crowd *one = arg;
    char name[64], content[128];
    snprintf(name, sizeof(name), "user%u@example.test", one->number % CROWD_BOXES);
    snprintf(content, sizeof(content), "Subject: %u\r\n\r\nmessage number %u;\r\n", one->number, one->number);
    struct ipc_deliver r = request_to(TARGET_MAILBOX, name);
    r.content = span_from_cstr(content);
    one->answer = deliver(f, one->link, &r);
}

static void
script_crowd(struct fiber *f, struct role_world *w)
{
    static struct one_of_crowd crowd[CROWD];
    struct ipc_link *link = role_world_link(w, ROLE_QUEUE);
    struct fiber_group group;
    struct arena mem;
    struct ipc_role_status_reply status;
    fiber_group_init(&group, f);
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = (struct one_of_crowd){.link = link, .number = i};
        ok(fiber_group_spawn(&group, "test.crowd", crowd_deliver, &crowd[i]));
    }
    ok(fiber_group_join(f, DEADLINE_NEVER, &group));
    unsigned found = 0;
    for (unsigned box = 0; box < CROWD_BOXES; box++) {
        char path[64];
        struct looking l;
        snprintf(path, sizeof(path), "example.test/user%u", box);
        mailbox_look(w, path, &l);
        found += l.count;
        for (unsigned i = box; i < CROWD; i += CROWD_BOXES) {
            char text[64];
            int n = snprintf(text, sizeof(text), "message number %u;", i);
            uint8_t *at = memmem(l.all.data, l.all.len, text, (size_t)n);
            assert_non_null(at);
            assert_null(memmem(at + 1, l.all.len - (size_t)(at + 1 - l.all.data), text, (size_t)n));
        }
        look_done(&l);
    }
    assert_int_equal(found, CROWD);
    for (unsigned i = 0; i < CROWD; i++)
        check_answer("crowd", crowd[i].answer, DELIVERY_DONE, "2.0.0", NULL);
    /* They shared batches. */
    struct ipc_link *control = role_world_link(w, ROLE_CONTROL);
    arena_init(&mem, 1 << 20);
    ok(ipc_role_status(f, deadline_in(fiber_rt(f), NS_PER_S), control, &(struct ipc_role_status){0}, &mem, &status));
    for (size_t i = 0; i < status.counters_count; i++) {
        if (span_equal(status.counters[i].name, SPAN("delivered_total")))
            assert_int_equal(status.counters[i].value, CROWD);
        if (span_equal(status.counters[i].name, SPAN("batches_total")))
            assert_true(status.counters[i].value < CROWD / 2);
    }
    arena_clear(&mem);
}

static void
test_a_crowd_is_delivered_once_each(void **state)
{
    (void)state;
    struct role_world w = {.disk = disk_sim_new(3)};
    static const struct disk_sim_latency latency = {.call_ns = 1000, .sync_ns = 300000};
    disk_sim_set_latency(w.disk, &latency);
    run_script(&w, script_crowd, 3);
    role_world_done(&w);
}

/* --- LMTP --- */

/* What the store says, in order: one entry a reply; NULL closes. What it heard is kept. */
struct store {
    struct role_world *w;
    struct listener *listener;
    const char *const *says;
    size_t said;
    unsigned connections;
    struct buf heard;
};

/* Whether what was heard since `from` is a whole command, or all of the data. */
static bool
is_whole(const struct store *s, size_t from, bool in_data)
{
    struct span heard = span_skip(buf_span(&s->heard), from);
    struct span end = in_data ? SPAN("\r\n.\r\n") : SPAN("\r\n");
    return heard.len >= end.len && span_equal(span_skip(heard, heard.len - end.len), end);
}

static void
store_serve(struct fiber *f, struct store *s, struct stream *stream)
{
    bool in_data = false;
    size_t from = s->heard.len;
    for (;;) {
        const char *text = s->says[s->said];
        if (text == NULL) {
            s->said++;
            return;
        }
        if (text[0] == '\0')
            return; /* the end of the script: whatever else comes is not answered */
        s->said++;
        if (stream_write(f, DEADLINE_NEVER, stream, span_from_cstr(text)) != ERR_OK)
            return;
        in_data = text[0] == '3';
        from = s->heard.len;
        while (!is_whole(s, from, in_data)) {
            uint8_t octets[256];
            size_t n = 0;
            if (stream_read(f, DEADLINE_NEVER, stream, octets, sizeof(octets), &n) != ERR_OK)
                return;
            buf_append(&s->heard, span_of(octets, n));
        }
    }
}

static void
store_run(struct fiber *f, void *arg)
{
    struct store *s = arg;
    struct stream *stream;
    while (stream_accept(f, DEADLINE_NEVER, s->listener, &stream) == ERR_OK) {
        s->connections++;
        store_serve(f, s, stream);
        stream_close(stream);
    }
}

struct lmtp_row {
    const char *name;
    const char *says[12];
    enum delivery_class class;
    const char *status;
    const char *text;
    unsigned connections;
};

#define HELLO "220 store ready\r\n", "250-store\r\n250-SIZE\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"

static const struct lmtp_row lmtp_rows[] = {
    {"delivered",
     {HELLO, "250 2.1.0 ok\r\n", "250 2.1.5 ok\r\n", "354 go\r\n", "250 2.0.0 <alice@store.test> Saved\r\n", ""},
     DELIVERY_DONE,
     "2.0.0",
     "250 <alice@store.test> Saved",
     1},
    {"no such user",
     {HELLO, "250 ok\r\n", "550 5.1.1 no such user\r\n", "250 reset\r\n", ""},
     DELIVERY_FAILED,
     "5.1.1",
     "550 no such user",
     1},
    {"over quota at RCPT",
     {HELLO, "250 ok\r\n", "452 4.2.2 full\r\n", "250 reset\r\n", ""},
     DELIVERY_DEFERRED,
     "4.2.2",
     "452 full",
     1},
    {"refused after the data",
     {HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "554 5.6.0 bad\r\n", "250 reset\r\n", ""},
     DELIVERY_FAILED,
     "5.6.0",
     "554 bad",
     1},
    {"without enhanced status",
     {HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n", ""},
     DELIVERY_DONE,
     "2.0.0",
     "250 ok",
     1},
    {"status of another class is not believed",
     {HELLO, "250 ok\r\n", "550 4.1.1 odd\r\n", "250 reset\r\n", ""},
     DELIVERY_FAILED,
     "5.0.0",
     NULL,
     1},
    {"refused at MAIL",
     {HELLO, "451 4.3.0 later\r\n", "250 reset\r\n", ""},
     DELIVERY_DEFERRED,
     "4.3.0",
     "451 later",
     1},
    {"DATA refused",
     {HELLO, "250 ok\r\n", "250 ok\r\n", "421 4.3.2 going\r\n", ""},
     DELIVERY_DEFERRED,
     "4.3.2",
     NULL,
     1},
    {"many lines",
     {HELLO, "250 ok\r\n", "550-5.7.1 one\r\n550 5.7.1 two\r\n", "250 reset\r\n", ""},
     DELIVERY_FAILED,
     "5.7.1",
     NULL,
     1},
    {"the reply is lost (71)",
     {HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", NULL, ""},
     DELIVERY_DEFERRED,
     "4.4.2",
     NULL,
     1},
    {"closed at once", {NULL, ""}, DELIVERY_DEFERRED, "4.4.2", NULL, 1},
    {"refused at connect", {"421 4.3.2 busy\r\n", ""}, DELIVERY_DEFERRED, "4.5.0", NULL, 1},
    {"no LHLO", {"220 hi\r\n", "500 what\r\n", ""}, DELIVERY_DEFERRED, "4.5.0", NULL, 1},
    {"not LMTP at all", {"HTTP/1.1 400 Bad Request\r\n", ""}, DELIVERY_DEFERRED, "4.5.0", NULL, 1},
    {"codes that differ", {HELLO, "250-ok\r\n550 no\r\n", ""}, DELIVERY_DEFERRED, "4.5.0", NULL, 1},
    {"silence", {HELLO, "250 ok\r\n", ""}, DELIVERY_DEFERRED, "4.4.2", NULL, 1},
};

static void
store_begin(struct role_world *w, struct store *s, const char *const *says)
{
    int fd = sim_listener(w->world, "/run/lmtp.sock", NULL);
    s->w = w;
    s->says = says;
    s->said = 0;
    s->connections = 0;
    buf_init(&s->heard, 1 << 22);
    ok(listener_open(sim_rt(w->client_process), sim_fd_give(w->world, fd, w->client_process), &s->listener));
    sim_fd_close(w->world, fd);
}

static void
store_end(struct store *s)
{
    listener_close(s->listener);
    buf_done(&s->heard);
}

static void
script_lmtp_row(struct fiber *f, struct role_world *w)
{
    const struct lmtp_row *row = w->script_ctx;
    struct ipc_link *link = role_world_link(w, ROLE_QUEUE);
    struct fiber_group group;
    struct store store;
    fiber_group_init(&group, f);
    store_begin(w, &store, row->says);
    ok(fiber_group_spawn(&group, "test.store", store_run, &store));
    struct ipc_deliver r = request_to(TARGET_LMTP, "unix:/run/lmtp.sock");
    check_answer(row->name, deliver(f, link, &r), row->class, row->status, row->text);
    CHECK(row->name, store.connections == row->connections);
    if (strcmp(row->name, "delivered") == 0)
        CHECK_SPAN("commands", buf_span(&store.heard),
                   SPAN("LHLO mx.example.test\r\nMAIL FROM:<bob@example.org> SIZE=24 BODY=8BITMIME\r\nRCPT "
                        "TO:<alice@store.test>\r\n"
                        "DATA\r\nSubject: x\r\n\r\n..body\r\n.\r\n"));
    fiber_group_end(f, &group);
    store_end(&store);
}

static void
test_lmtp_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lmtp_rows); i++) {
        struct role_world w = {.script_ctx = (void *)(uintptr_t)&lmtp_rows[i]};
        run_script(&w, script_lmtp_row, 10 + i);
        role_world_done(&w);
    }
}

static const char *const two_sessions[] = {
    HELLO,
    "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 2.0.0 one\r\n",
    "250 ok\r\n", "550 5.1.1 nobody\r\n", "250 reset\r\n",
    "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 2.0.0 three\r\n",
    NULL, /* the kept session ends */
    HELLO,
    "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 2.0.0 four\r\n",
    "421 4.3.2 restarting\r\n",
    NULL,
    HELLO,
    "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 2.0.0 five\r\n",
    "",
};

static void
script_lmtp_reuse(struct fiber *f, struct role_world *w)
{
    struct ipc_link *link = role_world_link(w, ROLE_QUEUE);
    struct fiber_group group;
    struct store store;
    fiber_group_init(&group, f);
    store_begin(w, &store, two_sessions);
    ok(fiber_group_spawn(&group, "test.store", store_run, &store));
    struct ipc_deliver r = request_to(TARGET_LMTP, "unix:/run/lmtp.sock");
    check_answer("one", deliver(f, link, &r), DELIVERY_DONE, "2.0.0", "250 one");
    check_answer("two", deliver(f, link, &r), DELIVERY_FAILED, "5.1.1", "550 nobody");
    check_answer("three", deliver(f, link, &r), DELIVERY_DONE, "2.0.0", "250 three");
    assert_int_equal(store.connections, 1);
    check_answer("four", deliver(f, link, &r), DELIVERY_DONE, "2.0.0", "250 four");
    assert_int_equal(store.connections, 2);
    check_answer("five", deliver(f, link, &r), DELIVERY_DONE, "2.0.0", "250 five");
    assert_int_equal(store.connections, 3);
    fiber_group_end(f, &group);
    store_end(&store);
}

static void
test_lmtp_sessions_are_kept(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    run_script(&w, script_lmtp_reuse, 40);
    role_world_done(&w);
}

static const char *const utf8_store[] = {
    "220 hi\r\n", "250-store\r\n250 SMTPUTF8\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 2.0.0 ok\r\n", "",
};
static const char *const ascii_store[] = {HELLO, ""};

static void
script_lmtp_other(struct fiber *f, struct role_world *w)
{
    struct ipc_link *link = role_world_link(w, ROLE_QUEUE);
    struct fiber_group group;
    struct store store;
    struct ipc_deliver r = request_to(TARGET_LMTP, "unix:/run/lmtp.sock");
    check_answer("nobody listens", deliver(f, link, &r), DELIVERY_DEFERRED, "4.4.2", NULL);
    r.name = SPAN("192.0.2.9:24");
    check_answer("nobody listens, TCP", deliver(f, link, &r), DELIVERY_DEFERRED, "4.4.2", NULL);
    r.name = SPAN("unix:/run/docker.sock");
    check_answer("not in the configuration", deliver(f, link, &r), DELIVERY_DEFERRED, "4.3.5",
                 "the store is no longer in the configuration");
    r = request_to(TARGET_LMTP, "unix:/run/lmtp.sock");
    r.recipient = SPAN("x>\r\nRSET");
    check_answer("a line end in the recipient", deliver(f, link, &r), DELIVERY_FAILED, "5.1.3", NULL);
    r.recipient = SPAN("j\xc3\xb6rg@store.test");
    fiber_group_init(&group, f);
    store_begin(w, &store, ascii_store);
    ok(fiber_group_spawn(&group, "test.store", store_run, &store));
    check_answer("no SMTPUTF8 there", deliver(f, link, &r), DELIVERY_FAILED, "5.6.7", NULL);
    fiber_group_end(f, &group);
    store_end(&store);
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 60 * NS_PER_S))); /* the kept session is too old */
    fiber_group_init(&group, f);
    store_begin(w, &store, utf8_store);
    ok(fiber_group_spawn(&group, "test.store", store_run, &store));
    struct buf body;
    buf_init(&body, 1 << 21);
    for (unsigned i = 0; i < 20000; i++)
        buf_printf(&body, ".line %u\r\n", i);
    ok(disk_memory_fd(rt_disk(fiber_rt(f)), buf_span(&body), &r.file));
    check_answer("SMTPUTF8, and a large file", deliver(f, link, &r), DELIVERY_DONE, "2.0.0", NULL);
    rt_fd_close(fiber_rt(f), r.file);
    assert_non_null(memmem(store.heard.data, store.heard.len, "MAIL FROM:<bob@example.org> SMTPUTF8\r\n", 38));
    assert_non_null(memmem(store.heard.data, store.heard.len, "\r\n..line 19999\r\n.\r\n", 19));
    buf_done(&body);
    fiber_group_end(f, &group);
    store_end(&store);
}

static void
test_lmtp_stores_that_are_not_there(void **state)
{
    (void)state;
    struct role_world w = {.disk = NULL};
    run_script(&w, script_lmtp_other, 50);
    role_world_done(&w);
}

/* --- system users --- */

struct user_row {
    const char *name;
    uint8_t class;
    const char *status, *text, *forwards;
    struct answer wanted;
};

static const struct user_row user_rows[] = {
    {"done", DELIVERY_DONE, "2.0.0", "in ~/Maildir", "", {DELIVERY_DONE, "2.0.0", "in ~/Maildir", ""}},
    {"deferred", DELIVERY_DEFERRED, "4.3.0", "exit 75", "", {DELIVERY_DEFERRED, "4.3.0", "exit 75", ""}},
    {"failed", DELIVERY_FAILED, "5.1.1", "no user\x01", "", {DELIVERY_FAILED, "5.1.1", "no user\\x01", ""}},
    {"no class", 9, "2.0.0", "", "", {DELIVERY_DEFERRED, "4.3.5", "the delivery process gave no sound answer", ""}},
    {"forwards", DELIVERY_DONE, "2.0.0", "", "a@b\nc", {DELIVERY_DONE, "2.0.0", "", "a@b\nc"}},
    {"failed for a command, forwards", DELIVERY_FAILED, "5.3.0", "", "a@b", {DELIVERY_FAILED, "5.3.0", "", "a@b"}},
    {"deferred forwards nothing", DELIVERY_DEFERRED, "4.3.0", "", "a@b", {DELIVERY_DEFERRED, "4.3.0", "", ""}},
};

static void
read_all(struct rt *rt, int fd, struct buf *to)
{
    struct disk_file *file;
    size_t n = 0;
    ok(disk_open_fd(rt_disk(rt), fd, &file));
    ok(disk_pread(file, 0, buf_reserve(to, 4096), 4096, &n));
    buf_advance(to, n);
    disk_close(file);
}

static void
on_deliver_user(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_deliver_user *request,
                struct arena *mem, struct ipc_deliver_user_reply *ret)
{
    const struct user_row *row = ctx;
    struct buf message;
    (void)from, (void)mem;
    buf_init(&message, 1 << 16);
    CHECK_SPAN("user", request->user, SPAN("mike"));
    CHECK_SPAN("detail", request->detail, SPAN("shop"));
    CHECK_SPAN("sender", request->sender, SPAN("bob@example.org"));
    read_all(fiber_rt(f), request->content, &message);
    read_all(fiber_rt(f), request->file, &message);
    CHECK_SPAN("message", buf_span(&message), SPAN("Subject: x\r\n\r\nfrom a file\r\n"));
    buf_done(&message);
    ret->class = row->class;
    ret->status = span_from_cstr(row->status);
    ret->text = span_from_cstr(row->text);
    ret->forwards = span_from_cstr(row->forwards);
}

static void
script_user(struct fiber *f, struct role_world *w)
{
    const struct user_row *row = w->script_ctx;
    struct ipc_link *link = role_world_link(w, ROLE_QUEUE);
    struct ipc_deliver r = request_to(TARGET_SYSTEM_USER, "mike");
    r.detail = SPAN("shop");
    r.content = SPAN("Subject: x\r\n\r\n");
    ok(disk_memory_fd(rt_disk(fiber_rt(f)), SPAN("from a file\r\n"), &r.file));
    struct answer got = deliver(f, link, &r);
    check_answer(row->name, got, row->wanted.class, row->wanted.status, row->wanted.text);
    assert_string_equal(got.forwards, row->wanted.forwards);
    rt_fd_close(fiber_rt(f), r.file);
}

static void
test_system_users(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(user_rows); i++) {
        void *row = (void *)(uintptr_t)&user_rows[i];
        struct role_world w = {
            .parent_service = {.deliver_user = on_deliver_user}, .parent_ctx = row, .script_ctx = row};
        run_script(&w, script_user, 60 + i);
        role_world_done(&w);
    }
}

/* --- stopping --- */

static void
script_stop(struct fiber *f, struct role_world *w)
{
    static struct one_of_crowd crowd[50];
    struct ipc_link *link = role_world_link(w, ROLE_QUEUE);
    struct fiber_group group;
    fiber_group_init(&group, f);
    for (unsigned i = 0; i < ARRAY_LEN(crowd); i++) {
        crowd[i] = (struct one_of_crowd){.link = link, .number = i};
        ok(fiber_group_spawn(&group, "test.crowd", crowd_deliver, &crowd[i]));
    }
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 2 * NS_PER_MS)));
    w->env.stop_by = deadline_in(fiber_rt(f), 30 * NS_PER_S);
    rt_stop(sim_rt(w->role_process));
    ok(fiber_group_join(f, DEADLINE_NEVER, &group));
    for (unsigned i = 0; i < ARRAY_LEN(crowd); i++)
        check_answer("in hand at the stop", crowd[i].answer, DELIVERY_DONE, "2.0.0", NULL);
}

/* Deliveries in hand at a stop are finished and answered. */
static void
test_stop_finishes_what_is_in_hand(void **state)
{
    (void)state;
    struct role_world w = {.disk = disk_sim_new(3)};
    static const struct disk_sim_latency latency = {.sync_ns = 5000000};
    disk_sim_set_latency(w.disk, &latency);
    run_script(&w, script_stop, 70);
    role_world_done(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mailbox),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_a_crowd_is_delivered_once_each),
        cmocka_unit_test(test_lmtp_replies),
        cmocka_unit_test(test_lmtp_sessions_are_kept),
        cmocka_unit_test(test_lmtp_stores_that_are_not_there),
        cmocka_unit_test(test_system_users),
        cmocka_unit_test(test_stop_finishes_what_is_in_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
