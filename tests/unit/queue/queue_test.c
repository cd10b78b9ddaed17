/*
 * queue_test.c - the queue process in the simulation, with a test that plays its edges, directory, local and operator.
 *
 * What an edge may not bring; what aliases may lead to; that what was acknowledged is delivered or stays to be seen.
 * Requirements 34, 75; pitfalls P18, P19, P36.
 */
#include "check.h"

#include <stdlib.h>

#include "queue/queue.h"
#include "queue/schedule.h"
#include "role_world.h"
#include "store/envelope.h"
#include "store/recipient.h"
#include "store/spool/spool.h"

static const char CONFIG[] = "hostname mx.example.test;\n"
                             "domain example.test { }\n"
                             "delivery { schedule 1s; }\n";

enum { TARGETS_MAX = 4, DELIVERIES_MAX = 32, ANY_PLACE = 255 };

/* One answer of the played directory: who an address stands for. */
struct alias {
    const char *name;
    uint8_t status;
    bool more; /* in a first answer: the rest comes at the offset */
    uint32_t offset;
    struct {
        uint8_t kind;
        const char *name;
    } targets[TARGETS_MAX];
};

struct play {
    const struct alias *aliases;
    unsigned failures_left;      /* of answers at an offset */
    unsigned delivery_count;
    char delivered[DELIVERIES_MAX][64];
    struct ipc_link *edge, *control;
    bool is_answered;
};

/* --- the others -------------------------------------------------------------------------------------------------- */

static void
on_recipient_expand(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_recipient_expand *request,
                    struct arena *mem, struct ipc_recipient_expand_reply *ret)
{
    (void)f, (void)from;
    struct play *play = ctx;
    ret->keeps_sender = true;
    ret->status = RECIPIENT_STATUS_UNKNOWN;
    if (request->offset > 0 && play->failures_left > 0) {
        play->failures_left--;
        ret->status = RECIPIENT_STATUS_UNAVAILABLE;
        return;
    }
    for (const struct alias *a = play->aliases; a->name != NULL; a++) {
        if (!span_equal(request->local_part, span_from_cstr(a->name)) || request->offset != a->offset)
            continue;
        struct ipc_target *targets = arena_alloc(mem, TARGETS_MAX * sizeof(*targets));
        size_t count = 0;
        for (; count < TARGETS_MAX && a->targets[count].name != NULL; count++)
            targets[count] = (struct ipc_target){.kind = a->targets[count].kind,
                                                 .name = span_from_cstr(a->targets[count].name)};
        ret->status = a->status;
        ret->more = a->more;
        ret->targets = targets;
        ret->targets_count = count;
        return;
    }
}

static void
on_deliver(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_deliver *request, struct arena *mem,
           struct ipc_deliver_reply *ret)
{
    (void)from, (void)mem;
    struct play *play = ctx;
    assert_true(play->delivery_count < DELIVERIES_MAX);
    assert_true(span_to_cstr(request->name, play->delivered[play->delivery_count++], sizeof(play->delivered[0])));
    rt_fd_close(fiber_rt(f), request->file);
    *ret = (struct ipc_deliver_reply){.class = DELIVERY_DONE, .status = SPAN("2.0.0"), .text = SPAN("taken")};
}

static void
on_trail(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_trail *message, struct arena *mem)
{
    (void)f, (void)ctx, (void)from, (void)message, (void)mem;
}

static void
on_intake_state(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_intake_state *message,
                struct arena *mem)
{
    (void)f, (void)ctx, (void)from, (void)message, (void)mem;
}

/* What no queue asks. */
#define NEVER_ASKED(call)                                                                                              \
    static void on_##call(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_##call *request,         \
                          struct arena *mem, struct ipc_##call##_reply *ret)                                           \
    {                                                                                                                  \
        (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;                                           \
        fail();                                                                                                        \
    }
NEVER_ASKED(recipient_check)
NEVER_ASKED(local_user)
NEVER_ASKED(role_status)
NEVER_ASKED(directory_command)

static const struct ipc_directory_service directory_service = {
    .recipient_check = on_recipient_check,
    .local_user = on_local_user,
    .recipient_expand = on_recipient_expand,
    .role_status = on_role_status,
    .directory_command = on_directory_command,
};
static const struct ipc_local_service local_service = {.deliver = on_deliver, .role_status = on_role_status};
static const struct ipc_control_service control_service = {.trail = on_trail};
static const struct ipc_edge_service edge_service = {.intake_state = on_intake_state, .role_status = on_role_status};

static void
play_begin(struct role_world *w, struct play *play)
{
    (void)role_world_link(w, ROLE_DIRECTORY);
    ipc_hub_serve(w->client_hubs[0], &directory_service, play);
    (void)role_world_link(w, ROLE_LOCAL);
    ipc_hub_serve(w->client_hubs[1], &local_service, play);
    play->control = role_world_link(w, ROLE_CONTROL);
    ipc_hub_serve(w->client_hubs[2], &control_service, play);
    play->edge = role_world_link(w, ROLE_EDGE);
    ipc_hub_serve(w->client_hubs[3], &edge_service, play);
}

static struct deadline
soon(struct fiber *f)
{
    return deadline_in(fiber_rt(f), 60 * NS_PER_S);
}

/* --- sending and looking ------------------------------------------------------------------------------------------ */

static const struct message_id ID = {.time_us = 1000000, .process = 7, .counter = 1};

static struct span
content(void)
{
    return SPAN("Subject: x\r\n\r\nbody\r\n");
}

static uint8_t
commit(struct fiber *f, struct play *play, struct envelope *envelope)
{
    struct arena mem;
    struct buf bytes;
    struct ipc_message_commit_reply reply;
    arena_init(&mem, 1 << 16);
    buf_init(&bytes, ENVELOPE_BYTES_MAX);
    envelope->size_bytes = content().len;
    ok(envelope_encode(envelope, &bytes));
    ok(ipc_message_commit(f, soon(f), play->edge,
                          &(struct ipc_message_commit){.envelope = buf_span(&bytes), .header = content()}, &mem, &reply));
    buf_done(&bytes);
    arena_clear(&mem);
    return reply.result;
}

static uint8_t
send_to(struct fiber *f, struct play *play, const char *const *recipients, size_t count)
{
    struct envelope_recipient to[8] = {0};
    for (size_t i = 0; i < count; i++)
        to[i].address = span_from_cstr(recipients[i]);
    struct envelope envelope = {.id = ID, .arrival_us = 1, .sender = SPAN("bob@example.org"),
                                .client_address = SPAN("192.0.2.1"), .recipients = to, .recipient_count = count};
    return commit(f, play, &envelope);
}

/* What is queued of ID: -1 nothing, else its place. */
static int
place(struct fiber *f, struct play *play)
{
    struct arena mem;
    struct ipc_queue_list_reply reply;
    arena_init(&mem, 1 << 20);
    ok(ipc_queue_list(f, soon(f), play->control, &(struct ipc_queue_list){.state = ANY_PLACE, .limit = 10}, &mem, &reply));
    assert_true(reply.entries_count <= 1);
    int found = reply.entries_count == 0 ? -1 : reply.entries[0].place;
    arena_clear(&mem);
    return found;
}

static bool
change(struct fiber *f, struct play *play, const char *verb)
{
    uint8_t id[MESSAGE_ID_BYTES];
    struct arena mem;
    struct ipc_queue_change_reply reply;
    arena_init(&mem, 1 << 16);
    message_id_encode(ID, id);
    ok(ipc_queue_change(f, soon(f), play->control,
                        &(struct ipc_queue_change){.verb = span_from_cstr(verb), .id = span_of(id, sizeof(id))}, &mem,
                        &reply));
    arena_clear(&mem);
    return reply.changed == 1;
}

static uint32_t
change_all(struct fiber *f, struct play *play, const char *verb)
{
    struct arena mem;
    struct ipc_queue_change_reply reply;
    arena_init(&mem, 1 << 16);
    ok(ipc_queue_change(f, soon(f), play->control, &(struct ipc_queue_change){.verb = span_from_cstr(verb)}, &mem, &reply));
    arena_clear(&mem);
    return reply.changed;
}

/* The recipient's state and status on disk. */
static void
check_recipient(struct fiber *f, struct play *play, const char *address, enum recipient_state state, const char *status)
{
    uint8_t id[MESSAGE_ID_BYTES];
    struct arena mem;
    struct ipc_queue_envelope_reply reply;
    struct envelope envelope;
    arena_init(&mem, 1 << 20);
    message_id_encode(ID, id);
    ok(ipc_queue_envelope(f, soon(f), play->control, &(struct ipc_queue_envelope){span_of(id, sizeof(id))}, &mem, &reply));
    assert_true(reply.found);
    ok(envelope_decode(reply.envelope, &mem, &envelope));
    size_t i = 0;
    while (i < envelope.recipient_count && !span_equal(envelope.recipients[i].address, span_from_cstr(address)))
        i++;
    if (i == envelope.recipient_count)
        fail_msg("%s is no recipient", address);
    if (envelope.recipients[i].state != state || !span_equal(envelope.recipients[i].status, span_from_cstr(status)))
        fail_msg("%s: state %u, status %.*s", address, envelope.recipients[i].state,
                 SPAN_ARG(envelope.recipients[i].status));
    arena_clear(&mem);
}

static unsigned
times_delivered(const struct play *play, const char *name)
{
    unsigned times = 0;
    for (unsigned i = 0; i < play->delivery_count; i++)
        times += strcmp(play->delivered[i], name) == 0;
    return times;
}

static void
run(void (*script)(struct fiber *f, struct role_world *w), struct play *play)
{
    struct role_world w = {.config_text = CONFIG, .role = ROLE_QUEUE, .run = queue_run, .script = script,
                           .script_ctx = play, .seed = 7};
    role_world_run(&w, 600);
    role_world_done(&w);
}

/* --- what aliases lead to ----------------------------------------------------------------------------------------- */

#define ALIAS(name_, ...) {.name = name_, .status = RECIPIENT_STATUS_OK, .targets = {__VA_ARGS__}}
#define TO(name_) {TARGET_UNEXPANDED, name_}
#define BOX(name_) {TARGET_MAILBOX, name_}
#define USER(name_) {TARGET_SYSTEM_USER, name_}

struct alias_case {
    const char *name;
    struct alias aliases[6];
    const char *recipients[3];
    const char *delivered[4]; /* each once, nothing else */
    const char *held;         /* with 5.4.6; NULL: the message is finished */
};

static const struct alias_case alias_cases[] = {
    {.name = "an alias of itself", .aliases = {ALIAS("a", TO("a@example.test"))}, .recipients = {"a@example.test"},
     .held = "a@example.test"},
    {.name = "two aliases of one another",
     .aliases = {ALIAS("a", TO("b@example.test")), ALIAS("b", TO("a@example.test"))},
     .recipients = {"a@example.test"}, .held = "b@example.test"},
    {.name = "a circle beside somebody",
     .aliases = {ALIAS("a", TO("b@example.test"), TO("c@example.test")), ALIAS("b", TO("c@example.test")),
                 ALIAS("c", TO("b@example.test")), ALIAS("al", BOX("al@example.test"))},
     .recipients = {"a@example.test", "al@example.test"}, .delivered = {"al@example.test"}, .held = "c@example.test"},
    {.name = "a circle that leads to somebody",
     .aliases = {ALIAS("a", TO("b@example.test")), ALIAS("b", TO("a@example.test"), TO("al@example.test")),
                 ALIAS("al", BOX("al@example.test"))},
     .recipients = {"a@example.test"}, .delivered = {"al@example.test"}},
    {.name = "two lists of one team",
     .aliases = {ALIAS("x", TO("team@example.test")), ALIAS("y", TO("team@example.test")),
                 ALIAS("team", TO("al@example.test")), ALIAS("al", BOX("al@example.test"))},
     .recipients = {"x@example.test", "y@example.test"}, .delivered = {"al@example.test"}},
    {.name = "a list of a recipient",
     .aliases = {ALIAS("x", TO("al@example.test")), ALIAS("al", BOX("al@example.test"))},
     .recipients = {"al@example.test", "x@example.test"}, .delivered = {"al@example.test"}},
    {.name = "joe: \\joe and a command", .aliases = {ALIAS("joe", USER("joe"), USER(":joe"))}, .recipients = {"joe"},
     .delivered = {"joe", ":joe"}},
    {.name = "staff: joe, and joe: \\joe, sue", .aliases = {ALIAS("staff", TO("joe")), ALIAS("joe", USER("joe"), TO("sue")),
                                                            ALIAS("sue", USER("sue"))},
     .recipients = {"staff"}, .delivered = {"joe", "sue"}},
};

static const struct alias_case *current_case;

static void
alias_script(struct fiber *f, struct role_world *w)
{
    const struct alias_case *c = current_case;
    struct play *play = w->script_ctx;
    size_t count = 0;
    while (count < 3 && c->recipients[count] != NULL)
        count++;
    play_begin(w, play);
    assert_int_equal(send_to(f, play, c->recipients, count), COMMIT_DURABLE);
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 30 * NS_PER_S)));
    unsigned expected = 0;
    for (; expected < 4 && c->delivered[expected] != NULL; expected++)
        if (times_delivered(play, c->delivered[expected]) != 1)
            fail_msg("%s: %s got it %u times", c->name, c->delivered[expected],
                     times_delivered(play, c->delivered[expected]));
    if (play->delivery_count != expected)
        fail_msg("%s: %u deliveries", c->name, play->delivery_count);
    int is_at = place(f, play);
    if (is_at != (c->held == NULL ? -1 : QUEUED_HELD))
        fail_msg("%s: place %d", c->name, is_at);
    if (c->held != NULL)
        check_recipient(f, play, c->held, RECIPIENT_HELD, "5.4.6");
}

static void
no_alias_makes_mail_vanish(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(alias_cases); i++) {
        struct play play = {.aliases = alias_cases[i].aliases};
        current_case = &alias_cases[i];
        run(alias_script, &play);
    }
}

static const struct alias long_list[] = {
    {.name = "list", .status = RECIPIENT_STATUS_OK, .more = true, .targets = {TO("al@example.test")}},
    {.name = "list", .status = RECIPIENT_STATUS_OK, .offset = 1, .targets = {TO("bo@example.test")}},
    ALIAS("al", BOX("al@example.test")),
    ALIAS("bo", BOX("bo@example.test")),
    {.name = NULL},
};

static void
long_list_script(struct fiber *f, struct role_world *w)
{
    struct play *play = w->script_ctx;
    play_begin(w, play);
    play->failures_left = 2;
    assert_int_equal(send_to(f, play, (const char *const[]){"list@example.test"}, 1), COMMIT_DURABLE);
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 60 * NS_PER_S)));
    assert_int_equal(times_delivered(play, "al@example.test"), 1);
    assert_int_equal(times_delivered(play, "bo@example.test"), 1);
    assert_int_equal(place(f, play), -1);
}

static void
the_rest_of_a_list_is_asked_for_again(void **state)
{
    (void)state;
    run(long_list_script, &(struct play){.aliases = long_list});
}

static const struct alias nonsense[] = {
    {.name = "a", .status = RECIPIENT_STATUS_OK, .targets = {{200, "a@example.test"}}},
    {.name = "b", .status = 77, .targets = {BOX("b@example.test")}},
    {.name = "c", .status = RECIPIENT_STATUS_OK, .targets = {TO("al@example.test"), {99, "x"}}},
    {.name = NULL},
};

static void
nonsense_script(struct fiber *f, struct role_world *w)
{
    struct play *play = w->script_ctx;
    play_begin(w, play);
    static const char *const to[] = {"a@example.test", "b@example.test", "c@example.test"};
    assert_int_equal(send_to(f, play, to, 3), COMMIT_DURABLE);
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 5 * NS_PER_S)));
    assert_int_equal(play->delivery_count, 0);
    assert_int_equal(place(f, play), QUEUED_LATER);
    check_recipient(f, play, "a@example.test", RECIPIENT_PENDING, "4.3.0");
    check_recipient(f, play, "b@example.test", RECIPIENT_PENDING, "4.3.0");
    check_recipient(f, play, "c@example.test", RECIPIENT_PENDING, "4.3.0");
}

static void
nonsense_of_the_directory_is_a_failed_look_up(void **state)
{
    (void)state;
    run(nonsense_script, &(struct play){.aliases = nonsense});
}

/* --- what an edge may not bring ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct envelope_recipient recipient;
    const char *long_field;
} forgeries[] = {
    {"a target", {.target = TARGET_SYSTEM_USER, .target_name = {(const uint8_t *)"root", 4}}, NULL},
    {"a store", {.target = TARGET_LMTP, .target_name = {(const uint8_t *)"unix:/x", 7}}, NULL},
    {"a delivered recipient", {.state = RECIPIENT_DELIVERED}, NULL},
    {"an expanded recipient", {.state = RECIPIENT_EXPANDED}, NULL},
    {"a held recipient", {.state = RECIPIENT_HELD}, NULL},
    {"a late attempt", {.next_attempt_us = INT64_MAX}, NULL},
    {"a depth", {.depth = UINT32_MAX}, NULL},
    {"attempts", {.attempts = 1}, NULL},
    {"a list", {.list_sender = {(const uint8_t *)"a@b.test", 8}}, NULL},
    {"a reason", {.reason = {(const uint8_t *)"x", 1}}, NULL},
    {"a long sender", {.depth = 0}, "sender"},
    {"a long envid", {.depth = 0}, "envid"},
    {"a long client address", {.depth = 0}, "client"},
    {"a long address", {.depth = 0}, "address"},
    {"a time before all time", {.depth = 0}, "arrival"},
};

static void
forgery_script(struct fiber *f, struct role_world *w)
{
    static uint8_t many[513];
    struct play *play = w->script_ctx;
    play_begin(w, play);
    memset(many, 'x', sizeof(many));
    for (size_t i = 0; i < ARRAY_LEN(forgeries); i++) {
        const char *field = forgeries[i].long_field == NULL ? "" : forgeries[i].long_field;
        struct envelope_recipient to = forgeries[i].recipient;
        struct envelope envelope = {.id = ID, .arrival_us = 1, .recipients = &to, .recipient_count = 1};
        to.address = SPAN("joe");
        if (strcmp(field, "sender") == 0)
            envelope.sender = span_of(many, sizeof(many));
        if (strcmp(field, "envid") == 0)
            envelope.envid = span_of(many, 101);
        if (strcmp(field, "client") == 0)
            envelope.client_address = span_of(many, 65);
        if (strcmp(field, "address") == 0)
            to.address = span_of(many, sizeof(many));
        if (strcmp(field, "arrival") == 0)
            envelope.arrival_us = INT64_MIN;
        if (commit(f, play, &envelope) != COMMIT_FAULT)
            fail_msg("%s was taken", forgeries[i].name);
    }
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 5 * NS_PER_S)));
    assert_int_equal(play->delivery_count, 0);
    assert_int_equal(place(f, play), -1);
}

static void
an_edge_says_nothing_of_deliveries(void **state)
{
    (void)state;
    static const struct alias nobody[] = {{.name = NULL}};
    run(forgery_script, &(struct play){.aliases = nobody});
}

/* --- operators ---------------------------------------------------------------------------------------------------- */

static const struct alias late[] = {
    {.name = "late", .status = RECIPIENT_STATUS_SUSPENDED, .targets = {BOX("late@example.test")}},
    {.name = NULL},
};

static void
hold_script(struct fiber *f, struct role_world *w)
{
    struct play *play = w->script_ctx;
    play_begin(w, play);
    assert_int_equal(send_to(f, play, (const char *const[]){"late@example.test"}, 1), COMMIT_DURABLE);
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S / 10)));
    assert_true(change(f, play, "hold"));
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 30 * NS_PER_S)));
    assert_int_equal(place(f, play), QUEUED_HELD);
    check_recipient(f, play, "late@example.test", RECIPIENT_HELD, "4.3.0");
}

static void
still_held_script(struct fiber *f, struct role_world *w)
{
    struct play *play = w->script_ctx;
    play_begin(w, play);
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 30 * NS_PER_S)));
    assert_int_equal(place(f, play), QUEUED_HELD);
    assert_true(change(f, play, "release"));
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 5 * NS_PER_S)));
    assert_int_equal(place(f, play), QUEUED_LATER);
    assert_true(change(f, play, "remove"));
    assert_int_equal(place(f, play), -1);
}

static void
a_message_stays_held_over_a_restart(void **state)
{
    (void)state;
    struct play play = {.aliases = late};
    struct role_world w = {.config_text = CONFIG, .role = ROLE_QUEUE, .run = queue_run, .script = hold_script,
                           .script_ctx = &play, .seed = 7};
    role_world_run(&w, 600);
    w.script = still_held_script;
    role_world_run(&w, 600);
    role_world_done(&w);
}

/* Every message is listed once, however many pages that takes and whatever ends meanwhile. */
static void
listing_script(struct fiber *f, struct role_world *w)
{
    enum { MANY = 1000 };
    struct play *play = w->script_ctx;
    play_begin(w, play);
    for (unsigned i = 0; i < MANY; i++) {
        struct envelope_recipient to = {.address = SPAN("late@example.test")};
        struct envelope envelope = {.id = {.time_us = 1000 + i, .process = 7}, .arrival_us = 1, .recipients = &to,
                                    .recipient_count = 1};
        assert_int_equal(commit(f, play, &envelope), COMMIT_DURABLE);
    }
    assert_int_equal(change_all(f, play, "hold"), MANY);
    uint8_t after[MESSAGE_ID_BYTES] = {0};
    unsigned seen = 0;
    for (bool more = true; more;) {
        struct arena mem;
        struct ipc_queue_list_reply reply;
        arena_init(&mem, 1 << 20);
        ok(ipc_queue_list(f, soon(f), play->control,
                          &(struct ipc_queue_list){.after = seen == 0 ? SPAN_EMPTY : span_of(after, sizeof(after)),
                                                   .state = QUEUED_HELD, .limit = 40},
                          &mem, &reply));
        for (size_t i = 0; i < reply.entries_count; i++)
            assert_int_equal(message_id_decode(reply.entries[i].id.data).time_us, 1000 + seen++);
        more = reply.more;
        memcpy(after, reply.last.data, sizeof(after));
        arena_clear(&mem);
    }
    assert_int_equal(seen, MANY);
    assert_int_equal(change_all(f, play, "remove"), MANY);
    assert_int_equal(change_all(f, play, "remove"), 0);
}

static void
a_long_listing_has_every_message_once(void **state)
{
    (void)state;
    run(listing_script, &(struct play){.aliases = late});
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

static void
not_random(void *arg, void *dst, size_t len)
{
    (void)arg;
    memset(dst, 0x5a, len);
}

/* A spool with the content of ID whose state is lost. */
static void
make_half_message(struct disk_sim *sim)
{
    struct disk *disk = disk_sim_disk(sim);
    struct disk_dir *root, *data;
    struct spool *spool;
    struct spool_options options = spool_options_default();
    struct spool_report *report = calloc(1, sizeof(*report));
    options.random = not_random;
    ok(disk_dir_open(disk, NULL, "/", &root));
    ok(disk_mkdir(root, "data"));
    ok(disk_dir_sync(root));
    disk_dir_close(root);
    ok(disk_dir_open(disk, NULL, "/data", &data));
    ok(spool_open(disk, data, &options, report, &spool));
    for (struct spool_work *work; (work = spool_work_take(spool, 0)) != NULL;) {
        enum spool_step step = SPOOL_STEP_JOB;
        do {
            if (step == SPOOL_STEP_JOB)
                spool_work_run(work);
            ok(spool_work_step(work, &step));
        } while (step != SPOOL_STEP_DONE);
    }
    const struct span part = content();
    struct spool_batch *batch = spool_batch_new(spool);
    ok(spool_batch_add(batch, SPOOL_USE_ACCEPT,
                       &(struct spool_op){.verb = SPOOL_PUT_CONTENT, .id = ID, .parts = &part, .part_count = 1}, 1));
    spool_batch_place(batch);
    spool_batch_write(batch);
    ok(spool_batch_status(batch));
    spool_batch_end(batch);
    ok(spool_seal(spool));
    spool_close(spool);
    disk_dir_close(data);
    free(report);
}

static void
half_script(struct fiber *f, struct role_world *w)
{
    struct play *play = w->script_ctx;
    uint8_t id[MESSAGE_ID_BYTES];
    struct arena mem;
    struct ipc_queue_content_reply reply;
    play_begin(w, play);
    message_id_encode(ID, id);
    arena_init(&mem, 1 << 20);
    (void)change(f, play, "release");
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 5 * NS_PER_S)));
    ok(ipc_queue_content(f, soon(f), play->control, &(struct ipc_queue_content){.id = span_of(id, sizeof(id))}, &mem,
                         &reply));
    assert_true(reply.found);
    assert_true(span_equal(reply.data, content()));
    arena_clear(&mem);
    assert_int_equal(play->delivery_count, 0);
}

static void
what_is_left_of_a_message_is_not_thrown_away(void **state)
{
    (void)state;
    static const struct alias nobody[] = {{.name = NULL}};
    struct play play = {.aliases = nobody};
    struct role_world w = {.config_text = CONFIG, .role = ROLE_QUEUE, .run = queue_run, .script = half_script,
                           .script_ctx = &play, .seed = 7, .disk = disk_sim_new(7)};
    make_half_message(w.disk);
    role_world_run(&w, 600);
    role_world_done(&w);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* A large message is half here when the queue stops: its file goes, and nothing of it is used afterwards. */
static void
upload_script(struct fiber *f, struct role_world *w)
{
    static uint8_t data[IPC_MESSAGE_CHUNK_DATA_MAX];
    struct play *play = w->script_ctx;
    uint8_t id[MESSAGE_ID_BYTES];
    play_begin(w, play);
    message_id_encode(ID, id);
    for (size_t i = 0; i < 2 * SPOOL_BODY_FILE_BYTES / sizeof(data); i++) {
        struct arena mem;
        struct ipc_message_chunk_reply reply;
        arena_init(&mem, 1 << 16);
        ok(ipc_message_chunk(f, soon(f), play->edge,
                             &(struct ipc_message_chunk){.upload = 1, .id = span_of(id, sizeof(id)),
                                                         .part = MESSAGE_PART_BODY, .data = span_of(data, sizeof(data))},
                             &mem, &reply));
        assert_int_equal(reply.result, COMMIT_DURABLE);
        arena_clear(&mem);
    }
    w->env.stop_by = deadline_in(sim_rt(w->role_process), NS_PER_S);
    rt_stop(sim_rt(w->role_process));
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), 10 * NS_PER_S)));
    assert_true(w->has_role_ended);
}

/* A message is being made durable when the queue is asked to stop: its edge is told. */
static void
late_commit(struct fiber *f, void *arg)
{
    struct play *play = arg;
    assert_int_equal(send_to(f, play, (const char *const[]){"late@example.test"}, 1), COMMIT_DURABLE);
    play->is_answered = true;
}

static void
late_commit_script(struct fiber *f, struct role_world *w)
{
    struct play *play = w->script_ctx;
    struct fiber_group group;
    play_begin(w, play);
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S)));
    disk_sim_set_latency(w->disk, &(struct disk_sim_latency){.sync_ns = NS_PER_S});
    fiber_group_init(&group, f);
    ok(fiber_group_spawn(&group, "test.commit", late_commit, play));
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S / 4)));
    w->env.stop_by = deadline_in(sim_rt(w->role_process), 10 * NS_PER_S);
    rt_stop(sim_rt(w->role_process));
    ok(fiber_group_join(f, soon(f), &group));
    assert_true(play->is_answered);
}

static void
a_stop_answers_the_commits_in_hand(void **state)
{
    (void)state;
    run(late_commit_script, &(struct play){.aliases = late});
}

static void
a_stop_ends_uploads(void **state)
{
    (void)state;
    static const struct alias nobody[] = {{.name = NULL}};
    run(upload_script, &(struct play){.aliases = nobody});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_alias_makes_mail_vanish),
        cmocka_unit_test(the_rest_of_a_list_is_asked_for_again),
        cmocka_unit_test(nonsense_of_the_directory_is_a_failed_look_up),
        cmocka_unit_test(an_edge_says_nothing_of_deliveries),
        cmocka_unit_test(a_message_stays_held_over_a_restart),
        cmocka_unit_test(a_long_listing_has_every_message_once),
        cmocka_unit_test(what_is_left_of_a_message_is_not_thrown_away),
        cmocka_unit_test(a_stop_answers_the_commits_in_hand),
        cmocka_unit_test(a_stop_ends_uploads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
