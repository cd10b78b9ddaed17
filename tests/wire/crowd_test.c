/*
 * crowd_test.c - many clients at a time: a thousand that say nothing, more than one address may have, networks of IPv6.
 *
 * Requirements 31 to 33; standards P34.
 */
#include "ipc/ipc_messages.h"
#include "wire_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CROWD = 1000 };

struct member {
    struct wire_world *world;
    struct wire_client client;
    unsigned greeting;
    bool is_gone;
};

static void
connect_member(struct fiber *f, struct member *m)
{
    wire_connect(&m->client, m->world, f, "mx");
    m->greeting = wire_take_reply(&m->client, NULL);
}

static void
close_members(struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (members[i].client.stream != NULL)
            wire_close(&members[i].client);
}

struct crowd {
    struct wire_world *world;
    struct member *members;
};

static void
silent_run(struct fiber *f, void *arg)
{
    struct crowd *crowd = arg;
    struct wire_world *w = crowd->world;
    for (size_t i = 0; i < CROWD && !wire_has_failed(w); i++) {
        crowd->members[i].world = w;
        connect_member(f, &crowd->members[i]);
        if (crowd->members[i].greeting != 220)
            wire_fail(w, "client %zu was greeted with %u", i, crowd->members[i].greeting);
    }
    /* Meanwhile mail flows. */
    struct wire_client c;
    wire_connect(&c, w, f, "mx");
    wire_expect(&c, 220, "greeting");
    wire_talk(&c, "EHLO c.example", 250);
    wire_talk(&c, "MAIL FROM:<a@c.example>", 250);
    wire_talk(&c, "RCPT TO:<alice@example.test>", 250);
    wire_talk(&c, "DATA", 354);
    wire_talk(&c, "s: x\r\n.", 250);
    wire_talk(&c, "QUIT", 221);
    wire_close(&c);
    /* After five minutes each is told and let go. */
    for (size_t i = 0; i < CROWD && !wire_has_failed(w); i++) {
        crowd->members[i].client.patience_ns = 310 * NS_PER_S;
        wire_expect(&crowd->members[i].client, 421, "idle");
        wire_expect_closed(&crowd->members[i].client);
    }
    close_members(crowd->members, CROWD);
}

static void
test_a_thousand_silent_clients(UNUSED void **unused)
{
    struct crowd crowd = {wire_world_new("limits { sessions-per-address 2000; }", 3, 0),
                          calloc(CROWD, sizeof(struct member))};
    assert_non_null(crowd.members);
    wire_run(crowd.world, silent_run, &crowd);
    assert_string_equal(crowd.world->failure, "");
    assert_int_equal(crowd.world->message_count, 1);
    assert_true(wire_world_free(crowd.world));
    free(crowd.members);
}

static void
one_address_run(struct fiber *f, void *arg)
{
    struct crowd *crowd = arg;
    struct wire_world *w = crowd->world;
    for (size_t i = 0; i < 102; i++) {
        crowd->members[i].world = w;
        connect_member(f, &crowd->members[i]);
        unsigned should = i < 100 ? 220 : 421;
        if (crowd->members[i].greeting != should)
            wire_fail(w, "client %zu was greeted with %u", i, crowd->members[i].greeting);
    }
    wire_expect_closed(&crowd->members[100].client);
    /* When one goes another may come. */
    wire_talk(&crowd->members[7].client, "QUIT", 221);
    wire_close(&crowd->members[7].client);
    if (fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S)) != ERR_OK)
        return;
    wire_close(&crowd->members[101].client);
    connect_member(f, &crowd->members[101]);
    if (crowd->members[101].greeting != 220)
        wire_fail(w, "no place became free: %u", crowd->members[101].greeting);
    /* The local socket is not counted. */
    struct wire_client local;
    wire_connect(&local, w, f, "lmtp");
    wire_expect(&local, 220, "greeting of the local socket");
    wire_close(&local);
    close_members(crowd->members, 102);
}

static void
test_sessions_of_one_address(UNUSED void **unused)
{
    struct crowd crowd = {wire_world_new(NULL, 3, 0), calloc(CROWD, sizeof(struct member))};
    assert_non_null(crowd.members);
    wire_run(crowd.world, one_address_run, &crowd);
    assert_string_equal(crowd.world->failure, "");
    assert_true(crowd.world->trail_count >= 2);
    assert_true(wire_world_free(crowd.world));
    free(crowd.members);
}

/* Users of this machine have so many sessions each, and take nothing from each other or from the network. */
static void
users_run(struct fiber *f, void *arg)
{
    struct crowd *crowd = arg;
    struct wire_world *w = crowd->world;
    static const struct {
        uint32_t uid;
        unsigned greeting;
    } rows[] = {{1000, 220}, {1000, 220}, {1000, 421}, {1001, 220}, {0, 220},
                {0, 220},    {0, 421},    {1001, 220}, {1001, 421}};
    struct wire_client clients[ARRAY_LEN(rows)];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sim_process_set_uid(w->client, rows[i].uid);
        wire_connect(&clients[i], w, f, "@sendmail");
        wire_expect(&clients[i], rows[i].greeting, "greeting of a user");
    }
    uint8_t loopback[16] = {[15] = 1};
    sim_process_set_ip(w->client, ADDRESS_IPV6, loopback);
    struct wire_client tcp;
    wire_connect(&tcp, w, f, "mx");
    wire_expect(&tcp, 220, "greeting over IPv6 loopback");
    wire_close(&tcp);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        wire_close(&clients[i]);
}

static void
test_sessions_of_users(UNUSED void **unused)
{
    struct crowd crowd = {.world = wire_world_new("limits { sessions-per-address 2; }", 3, 0)};
    wire_run(crowd.world, users_run, &crowd);
    assert_string_equal(crowd.world->failure, "");
    assert_true(wire_world_free(crowd.world));
}

static void
network_run(struct fiber *f, void *arg)
{
    struct crowd *crowd = arg;
    struct wire_world *w = crowd->world;
    for (uint8_t i = 0; i < 6; i++) {
        /* 2001:db8:0:N::i; the first three of one network, then of another. */
        uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, [7] = i < 3 ? 1 : 2, [15] = i};
        sim_process_set_ip(w->client, ADDRESS_IPV6, ip);
        crowd->members[i].world = w;
        connect_member(f, &crowd->members[i]);
        unsigned should = i % 3 == 2 ? 421 : 220;
        if (crowd->members[i].greeting != should)
            wire_fail(w, "client %u was greeted with %u", i, crowd->members[i].greeting);
    }
    close_members(crowd->members, 6);
}

static void
test_networks_count_as_one_client(UNUSED void **unused)
{
    struct crowd crowd = {wire_world_new("limits { sessions-per-address 2; }", 3, 0),
                          calloc(CROWD, sizeof(struct member))};
    assert_non_null(crowd.members);
    wire_run(crowd.world, network_run, &crowd);
    assert_string_equal(crowd.world->failure, "");
    assert_true(wire_world_free(crowd.world));
    free(crowd.members);
}

static void
full_run(struct fiber *f, void *arg)
{
    struct crowd *crowd = arg;
    struct wire_world *w = crowd->world;
    for (size_t i = 0; i < 12; i++) {
        crowd->members[i].world = w;
        connect_member(f, &crowd->members[i]);
        unsigned should = i < 10 ? 220 : 421;
        if (crowd->members[i].greeting != should)
            wire_fail(w, "client %zu was greeted with %u", i, crowd->members[i].greeting);
    }
    close_members(crowd->members, 12);
}

static void
test_sessions_of_the_process(UNUSED void **unused)
{
    struct crowd crowd = {wire_world_new("limits { sessions 10; }", 3, 0), calloc(CROWD, sizeof(struct member))};
    assert_non_null(crowd.members);
    wire_run(crowd.world, full_run, &crowd);
    assert_string_equal(crowd.world->failure, "");
    assert_true(wire_world_free(crowd.world));
    free(crowd.members);
}

/* A client that sends commands for ever and never reads a reply: the server waits, and then no longer. */
static void
deaf_run(struct fiber *f, void *arg)
{
    struct crowd *crowd = arg;
    struct wire_client *c = &crowd->members[0].client;
    wire_connect(c, crowd->world, f, "lenient");
    wire_send(c, SPAN("EHLO c.example\r\n"));
    c->patience_ns = 1000 * NS_PER_S;
    struct buf noise;
    buf_init(&noise, 1024 * 1024);
    for (int i = 0; i < 20000; i++)
        buf_append(&noise, SPAN("NOOP\r\n"));
    for (int i = 0; i < 10; i++)
        wire_send(c, buf_span(&noise));
    buf_done(&noise);
    wire_close(c);
}

static void
test_a_client_that_never_reads(UNUSED void **unused)
{
    struct crowd crowd = {wire_world_new(NULL, 3, 0), calloc(CROWD, sizeof(struct member))};
    assert_non_null(crowd.members);
    wire_run(crowd.world, deaf_run, &crowd);
    assert_string_equal(crowd.world->failure, "");
    int64_t took_s = sim_now_ns(crowd.world->sim) / NS_PER_S;
    assert_true(took_s >= 300 && took_s < 320);
    struct span log = sim_process_log(crowd.world->edge);
    assert_non_null(memmem(log.data, log.len, "event=session-closed", strlen("event=session-closed")));
    assert_true(wire_world_free(crowd.world));
    free(crowd.members);
}

/* What the operator is shown: every counter once, over as many pages as it takes. */
static void
status_run(struct fiber *f, void *arg)
{
    struct crowd *crowd = arg;
    struct wire_world *w = crowd->world;
    struct wire_client c;
    wire_connect(&c, w, f, "mx");
    wire_expect(&c, 220, "greeting");
    wire_talk(&c, "EHLO c.example", 250);
    wire_talk(&c, "MAIL FROM:<a@c.example>", 250);
    wire_talk(&c, "RCPT TO:<nobody@example.test>", 550);
    wire_talk(&c, "RCPT TO:<alice@example.test>", 250);
    wire_talk(&c, "DATA", 354);
    wire_talk(&c, "s: x\r\n.", 250);
    crowd->members[0].client = c;
}

struct counted {
    struct wire_world *world;
    size_t counters;
    uint64_t messages, recipients_refused, sessions_open, accepted_events;
    bool has_ended;
};

static void
ask_status(struct fiber *f, void *arg)
{
    struct counted *counted = arg;
    struct ipc_link *edge = ipc_hub_link_to(counted->world->control_hub, ROLE_EDGE, 0);
    for (bool is_more = true; is_more;) {
        struct arena mem;
        struct ipc_role_status question = {.cursor = (uint32_t)counted->counters};
        struct ipc_role_status_reply answer;
        arena_init(&mem, 1024 * 1024);
        if (ipc_role_status(f, deadline_in(fiber_rt(f), NS_PER_S), edge, &question, &mem, &answer) != ERR_OK)
            wire_fail(counted->world, "the edge does not tell its status");
        is_more = !wire_has_failed(counted->world) && answer.counters_count > 0;
        for (size_t i = 0; is_more && i < answer.counters_count; i++) {
            const struct ipc_counter *counter = &answer.counters[i];
            if (span_equal(counter->name, SPAN("messages_accepted_total")))
                counted->messages = counter->value;
            else if (span_equal(counter->name, SPAN("recipients_refused_total")))
                counted->recipients_refused = counter->value;
            else if (span_equal(counter->name, SPAN("sessions_open")))
                counted->sessions_open = counter->value;
            else if (span_equal(counter->name, SPAN("event_message_accepted_total")))
                counted->accepted_events = counter->value;
        }
        counted->counters += is_more ? answer.counters_count : 0;
        arena_clear(&mem);
    }
    counted->has_ended = true;
}

static bool
has_counted(void *arg)
{
    return ((struct counted *)arg)->has_ended;
}

static void
test_status(UNUSED void **unused)
{
    struct crowd crowd = {wire_world_new(NULL, 3, 0), calloc(CROWD, sizeof(struct member))};
    struct counted counted = {.world = crowd.world};
    assert_non_null(crowd.members);
    wire_run(crowd.world, status_run, &crowd);
    assert_int_equal(fiber_spawn(sim_rt(crowd.world->control), "wire.status", ask_status, &counted, NULL), ERR_OK);
    assert_true(sim_run_until(crowd.world->sim, has_counted, &counted, 10 * NS_PER_S));
    assert_string_equal(crowd.world->failure, "");
    assert_int_equal(counted.messages, 1);
    assert_int_equal(counted.recipients_refused, 1);
    assert_int_equal(counted.sessions_open, 1);
    assert_int_equal(counted.accepted_events, 1);
    assert_true(counted.counters > 30);
    wire_close(&crowd.members[0].client);
    assert_true(wire_world_free(crowd.world));
    free(crowd.members);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_silent_clients),
        cmocka_unit_test(test_sessions_of_one_address),
        cmocka_unit_test(test_sessions_of_users),
        cmocka_unit_test(test_networks_count_as_one_client),
        cmocka_unit_test(test_sessions_of_the_process),
        cmocka_unit_test(test_a_client_that_never_reads),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
