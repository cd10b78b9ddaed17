/*
 * crowd_test.c - many clients at a time: a thousand that say nothing, more than one address may have, networks of IPv6.
 *
 * Requirements 31 to 33; standards P34.
 */
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
    struct crowd crowd = {wire_world_new("limits { sessions-per-address 2000; }", 3, 0), calloc(CROWD, sizeof(struct member))};
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
    struct crowd crowd = {wire_world_new("limits { sessions-per-address 2; }", 3, 0), calloc(CROWD, sizeof(struct member))};
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_silent_clients),
        cmocka_unit_test(test_sessions_of_one_address),
        cmocka_unit_test(test_networks_count_as_one_client),
        cmocka_unit_test(test_sessions_of_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
