/*
 * rt_sim_test.c - the simulated world: time, streams, packets, deaths and determinism.
 *
 * Programs are small fibers: an echo server, clients, a writer to disk. What must hold for every seed is looked at
 * under many; what chance decides is shown to happen under some.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rt/rt_sim.h"

enum { SEEDS = 50 };

#define ok(call) assert_int_equal((call), ERR_OK)

static const struct stream_address server_address = {.family = ADDRESS_IPV4, .ip = {192, 0, 2, 1}, .port = 25};

/* --- an echo server and its clients --- */

struct server {
    int fd; /* the listener's, of the server's process */
    unsigned accepted;
    struct stream_address last_peer;
};

static void
echo_session(struct fiber *f, void *arg)
{
    struct stream *s = arg;
    uint8_t bytes[300];
    size_t n;
    while (stream_read(f, DEADLINE_NEVER, s, bytes, sizeof bytes, &n) == ERR_OK) {
        if (stream_write(f, DEADLINE_NEVER, s, span_of(bytes, n)) != ERR_OK)
            break;
    }
    stream_close(s);
}

static void
echo_server(struct fiber *f, void *arg)
{
    struct server *server = arg;
    struct listener *l = NULL;
    struct stream *s = NULL;
    if (listener_open(fiber_rt(f), server->fd, &l) != ERR_OK)
        return;
    struct fiber_group sessions;
    fiber_group_init(&sessions, f);
    while (stream_accept(f, DEADLINE_NEVER, l, &s) == ERR_OK) {
        server->accepted++;
        server->last_peer = *stream_peer(s);
        ok(fiber_group_spawn(&sessions, "test.echo", echo_session, s));
    }
    listener_close(l);
    fiber_group_end(f, &sessions);
}

struct client {
    const struct stream_address *to; /* NULL: the Unix listener "echo" */
    size_t bytes;
    bool is_paced; /* sleeps between pieces */
    enum err result;
    bool is_done;
    size_t echoed;
};

struct writer {
    const struct client *client;
    struct stream *stream;
};

static uint8_t
pattern(size_t at)
{
    return (uint8_t)(at * 7 + at / 256);
}

static void
client_writer(struct fiber *f, void *arg)
{
    struct writer *writer = arg;
    const struct client *c = writer->client;
    uint8_t piece[1000];
    for (size_t at = 0; at < c->bytes;) {
        size_t n = c->bytes - at < sizeof piece ? c->bytes - at : sizeof piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = pattern(at + i);
        if (stream_write(f, DEADLINE_NEVER, writer->stream, span_of(piece, n)) != ERR_OK)
            return;
        at += n;
        if (c->is_paced && fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_MS)) != ERR_OK)
            return;
    }
}

static enum err
client_talk(struct fiber *f, struct client *c)
{
    struct stream *s = NULL;
    struct deadline by = deadline_in(fiber_rt(f), 60 * NS_PER_S);
    if (c->to != NULL)
        TRY(stream_connect(f, by, c->to, NULL, &s));
    else
        TRY(stream_connect_unix(f, by, "echo", &s));
    struct fiber_group writers;
    struct writer writer = {c, s};
    fiber_group_init(&writers, f);
    ok(fiber_group_spawn(&writers, "test.writer", client_writer, &writer));
    enum err e = ERR_OK;
    while (e == ERR_OK && c->echoed < c->bytes) {
        uint8_t bytes[700];
        size_t n = 0;
        e = stream_read(f, by, s, bytes, sizeof bytes, &n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(bytes[i], pattern(c->echoed + i));
        c->echoed += n;
    }
    fiber_group_end(f, &writers);
    stream_close(s);
    return e;
}

static void
client_main(struct fiber *f, void *arg)
{
    struct client *c = arg;
    c->result = client_talk(f, c);
    c->is_done = true;
}

static bool
client_is_done(void *arg)
{
    return ((struct client *)arg)->is_done;
}

static void
streams_carry_bytes_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *w = sim_world_new(seed);
        sim_set_net(w, &(struct sim_net){0, NS_PER_MS, (uint32_t)(seed % 101), 0, 1 + (uint32_t)seed * 50});
        int fd = sim_listener(w, "echo", seed % 2 == 0 ? &server_address : NULL);
        struct sim_process *p = sim_process_new(w, "server", NULL), *q = sim_process_new(w, "client", NULL);
        sim_process_set_ip(q, ADDRESS_IPV4, (const uint8_t[16]){198, 51, 100, 7});
        sim_process_set_uid(q, 77);
        struct server server = {.fd = sim_fd_give(w, fd, p)};
        struct client c = {.to = seed % 2 == 0 ? &server_address : NULL, .bytes = 20000};
        sim_process_start(p, echo_server, &server);
        sim_process_start(q, client_main, &c);
        assert_true(sim_run_until(w, client_is_done, &c, 600 * NS_PER_S));
        ok(c.result);
        assert_int_equal(c.echoed, 20000);
        assert_int_equal(server.accepted, 1);
        if (c.to != NULL) {
            assert_memory_equal(server.last_peer.ip, ((const uint8_t[4]){198, 51, 100, 7}), 4);
            assert_true(server.last_peer.port >= 32768);
        } else {
            assert_int_equal(server.last_peer.family, ADDRESS_UNIX);
            assert_int_equal(server.last_peer.uid, 77);
        }
        assert_int_equal(sim_dropped_fibers(w), 0);
        sim_world_free(w);
    }
}

static void
nobody_listening_refuses(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(1);
    struct sim_process *q = sim_process_new(w, "client", NULL);
    struct client clients[] = {{.to = &server_address, .bytes = 1}, {.to = NULL, .bytes = 1}};
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        sim_process_start(q, client_main, &clients[i]);
        assert_true(sim_run_until(w, client_is_done, &clients[i], NS_PER_S));
        assert_int_equal(clients[i].result, ERR_CLOSED);
        sim_run_for(w, NS_PER_S);
        assert_false(sim_process_is_alive(q));
    }
    sim_world_free(w);
}

static void
breaking_connections_end_both_sides(void **state)
{
    (void)state;
    unsigned broken = 0, whole = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *w = sim_world_new(seed);
        sim_set_net(w, &(struct sim_net){NS_PER_MS, NS_PER_MS, 25, 5000, 4096});
        int fd = sim_listener(w, "echo", &server_address);
        struct sim_process *p = sim_process_new(w, "server", NULL), *q = sim_process_new(w, "client", NULL);
        struct server server = {.fd = sim_fd_give(w, fd, p)};
        struct client c = {.to = &server_address, .bytes = 20000};
        sim_process_start(p, echo_server, &server);
        sim_process_start(q, client_main, &c);
        assert_true(sim_run_until(w, client_is_done, &c, 600 * NS_PER_S));
        assert_true(c.result == ERR_OK || c.result == ERR_CLOSED);
        broken += c.result == ERR_CLOSED;
        whole += c.result == ERR_OK;
        sim_world_free(w);
    }
    assert_true(broken > 0 && whole > 0);
}

/* --- time --- */

struct sleeper {
    int64_t for_ns;
    unsigned *order;
    unsigned place;
    int64_t woke_ns;
};

static void
sleeper_main(struct fiber *f, void *arg)
{
    struct sleeper *s = arg;
    ok(fiber_sleep(f, deadline_in(fiber_rt(f), s->for_ns)));
    s->woke_ns = rt_now_ns(fiber_rt(f));
    s->place = ++*s->order;
}

static void
sleep_takes_virtual_time_only(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(1);
    struct sim_process *p = sim_process_new(w, "p", NULL);
    unsigned order = 0;
    struct sleeper sleepers[] = {
        {3600 * NS_PER_S, &order, 0, 0}, {NS_PER_S, &order, 0, 0}, {86400 * NS_PER_S, &order, 0, 0}};
    int64_t wall_us = rt_wall_us(sim_rt(p));
    for (size_t i = 0; i < ARRAY_LEN(sleepers); i++)
        ok(fiber_spawn(sim_rt(p), "test.sleeper", sleeper_main, &sleepers[i], NULL));
    sim_run_for(w, 90000 * NS_PER_S);
    assert_int_equal(sleepers[1].place, 1);
    assert_int_equal(sleepers[0].place, 2);
    assert_int_equal(sleepers[2].place, 3);
    assert_true(sleepers[2].woke_ns >= 86400 * NS_PER_S && sleepers[2].woke_ns < 86401 * NS_PER_S);
    assert_int_equal(sim_now_ns(w), 90000 * NS_PER_S);
    sim_run_for(w, NS_PER_MS);
    sim_wall_jump(w, -5000000);
    assert_int_equal(rt_wall_us(sim_rt(p)), wall_us + 90000 * INT64_C(1000000) + 1000 - 5000000);
    sim_world_free(w);
}

static void
count_up(void *arg)
{
    ++*(unsigned *)arg;
}

static void
timers_fire_at_their_time(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(1);
    unsigned count = 0;
    sim_at(w, 2 * NS_PER_S, count_up, &count);
    sim_at(w, 1 * NS_PER_S, count_up, &count);
    sim_at(w, 9 * NS_PER_S, count_up, &count); /* never reached */
    sim_run_for(w, NS_PER_S - 1);
    assert_int_equal(count, 0);
    sim_run_for(w, NS_PER_S);
    assert_int_equal(count, 1);
    sim_run_for(w, NS_PER_S);
    assert_int_equal(count, 2);
    sim_world_free(w);
}

/* --- jobs and disks --- */

struct keeper {
    bool syncs;
    unsigned rounds;
    unsigned written; /* by jobs that have returned */
    enum err result;
    enum err job_result;
    int64_t job_ns;
    struct disk *disk;
};

static enum err
keeper_write(struct keeper *k)
{
    struct disk_dir *root = NULL;
    struct disk_file *file = NULL;
    TRY(disk_dir_open(k->disk, NULL, "/", &root));
    enum err e = disk_open(root, "log", DISK_READ | DISK_WRITE | DISK_CREATE | DISK_APPEND, &file);
    if (e == ERR_OK)
        e = disk_pwrite(file, 0, SPAN("0123456789abcdef"));
    if (e == ERR_OK)
        e = disk_pwrite(file, 0, SPAN("0123456789abcdef"));
    if (e == ERR_OK && k->syncs)
        e = disk_sync_data(file);
    if (e == ERR_OK && k->syncs)
        e = disk_dir_sync(root);
    disk_close(file);
    disk_dir_close(root);
    return e;
}

static void
keeper_job(void *arg)
{
    struct keeper *k = arg;
    k->job_result = keeper_write(k);
}

static void
keeper_main(struct fiber *f, void *arg)
{
    struct keeper *k = arg;
    void *memory = malloc(100); /* freed in unwinding, or the leak checker says so */
    k->disk = rt_disk(fiber_rt(f));
    for (unsigned i = 0; i < k->rounds; i++) {
        int64_t before_ns = rt_now_ns(fiber_rt(f));
        k->result = rt_pool_run(f, keeper_job, k);
        k->job_ns = rt_now_ns(fiber_rt(f)) - before_ns;
        if (k->result != ERR_OK || k->job_result != ERR_OK)
            break;
        if (!fiber_is_canceled(f))
            k->written++;
    }
    free(memory);
}

static uint64_t
log_size(struct disk_sim *disk)
{
    struct disk_dir *root = NULL;
    struct disk_stat st = {0};
    ok(disk_dir_open(disk_sim_disk(disk), NULL, "/", &root));
    enum err e = disk_stat_name(root, "log", &st);
    assert_true(e == ERR_OK || e == ERR_NOT_FOUND);
    disk_dir_close(root);
    return st.size_bytes;
}

static void
jobs_use_the_disk_and_take_time(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(1);
    struct disk_sim *disk = disk_sim_new(1);
    disk_sim_set_latency(disk, &(struct disk_sim_latency){.sync_ns = 200 * NS_PER_US});
    struct sim_process *p = sim_process_new(w, "queue", disk);
    struct keeper k = {.syncs = true, .rounds = 10};
    sim_process_start(p, keeper_main, &k);
    sim_run_for(w, NS_PER_S);
    ok(k.result);
    ok(k.job_result);
    assert_int_equal(k.written, 10);
    assert_int_equal(log_size(disk), 320);
    assert_true(k.job_ns > 90 * NS_PER_US && k.job_ns < NS_PER_MS);
    assert_false(sim_process_is_alive(p));
    sim_world_free(w);
    disk_sim_free(disk);
}

struct exits {
    unsigned count[3];
    fiber_fn *again; /* NULL: stay dead */
    void *arg;
};

static void
exit_count(void *arg, struct sim_process *p, enum sim_exit how)
{
    struct exits *exits = arg;
    exits->count[how]++;
    if (exits->again != NULL)
        sim_process_start(p, exits->again, exits->arg);
}

static void
a_killed_process_keeps_what_the_cache_has(void **state)
{
    (void)state;
    unsigned within = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *w = sim_world_new(seed);
        struct disk_sim *disk = disk_sim_new(seed);
        struct sim_process *p = sim_process_new(w, "queue", disk);
        struct exits exits = {{0}, NULL, NULL};
        struct keeper k = {.rounds = 1000};
        sim_process_on_exit(p, exit_count, &exits);
        sim_process_start(p, keeper_main, &k);
        sim_process_kill_after(p, 3 + seed);
        sim_run_for(w, 10 * NS_PER_S);
        assert_int_equal(exits.count[SIM_EXIT_KILLED], 1);
        assert_int_equal(k.job_result, ERR_IO);
        assert_int_equal(k.result, ERR_OK); /* the job had run when the process died */
        uint64_t size = log_size(disk);
        assert_true(size >= k.written * 32 && size <= k.written * 32 + 32);
        within += size % 32 != 0;
        assert_int_equal(sim_dropped_fibers(w), 0);
        sim_world_free(w);
        disk_sim_free(disk);
    }
    assert_true(within > SEEDS / 4);
}

static void
a_power_cut_takes_what_was_not_synced(void **state)
{
    (void)state;
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        bool syncs = seed % 2 == 0;
        struct sim_world *w = sim_world_new(seed);
        struct disk_sim *disk = disk_sim_new(seed);
        struct sim_process *p = sim_process_new(w, "queue", disk), *q = sim_process_new(w, "idle", disk);
        struct exits exits = {{0}, NULL, NULL};
        struct keeper k = {.rounds = 1000, .syncs = syncs};
        sim_process_on_exit(p, exit_count, &exits);
        sim_process_on_exit(q, exit_count, &exits);
        sim_process_start(p, keeper_main, &k);
        if (seed % 4 < 2)
            disk_sim_crash_at(disk, 10 + seed);
        sim_run_for(w, 5 * NS_PER_MS);
        sim_power_cut(w, disk);
        assert_int_equal(exits.count[SIM_EXIT_POWER], 2);
        assert_false(sim_process_is_alive(p) || sim_process_is_alive(q));
        disk_sim_reboot(disk, seed);
        uint64_t size = log_size(disk);
        if (syncs)
            assert_true(size >= k.written * 32);
        lost += size < k.written * 32;
        sim_process_start(p, keeper_main, &k); /* it can be started again */
        k.rounds = 1;
        sim_run_for(w, NS_PER_S);
        ok(k.job_result);
        assert_int_equal(sim_dropped_fibers(w), 0);
        sim_world_free(w);
        disk_sim_free(disk);
    }
    assert_true(lost > 0);
}

/* --- deaths as others see them --- */

static void
kill_process(void *arg)
{
    sim_process_kill(arg);
}

static void
peers_see_a_killed_server_end(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(3);
    int fd = sim_listener(w, "echo", &server_address);
    struct sim_process *p = sim_process_new(w, "server", NULL), *q = sim_process_new(w, "client", NULL);
    struct server server = {.fd = sim_fd_give(w, fd, p)};
    struct client c = {.to = &server_address, .bytes = 1000000, .is_paced = true};
    sim_process_start(p, echo_server, &server);
    sim_process_start(q, client_main, &c);
    sim_at(w, 500 * NS_PER_MS, kill_process, p);
    assert_true(sim_run_until(w, client_is_done, &c, 600 * NS_PER_S));
    assert_int_equal(c.result, ERR_CLOSED);
    assert_true(c.echoed > 100000 && c.echoed < 600000);
    assert_true(sim_now_ns(w) < 510 * NS_PER_MS);
    sim_run_for(w, NS_PER_S);

    /* The socket outlives the process: who calls meanwhile waits in it for the next. */
    c = (struct client){.to = &server_address, .bytes = 1000};
    sim_process_start(q, client_main, &c);
    sim_run_for(w, 5 * NS_PER_S);
    assert_false(c.is_done);
    server.fd = sim_fd_give(w, fd, p);
    sim_process_start(p, echo_server, &server);
    assert_true(sim_run_until(w, client_is_done, &c, NS_PER_S));
    ok(c.result);
    assert_int_equal(sim_dropped_fibers(w), 0);
    sim_fd_close(w, fd);
    sim_run_for(w, NS_PER_S); /* the client ends */
    sim_process_kill(p);
    assert_int_equal(sim_fd_count(w), 0);

    c = (struct client){.to = &server_address, .bytes = 1000}; /* nor is there a socket now */
    sim_process_start(q, client_main, &c);
    assert_true(sim_run_until(w, client_is_done, &c, NS_PER_S));
    assert_int_equal(c.result, ERR_CLOSED);
    sim_world_free(w);
}

static void
peers_of_a_machine_without_power_hear_nothing_at_first(void **state)
{
    (void)state;
    unsigned late = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *w = sim_world_new(seed);
        struct disk_sim *disk = disk_sim_new(seed);
        int fd = sim_listener(w, "echo", &server_address);
        struct sim_process *p = sim_process_new(w, "server", disk), *q = sim_process_new(w, "client", NULL);
        struct server server = {.fd = sim_fd_give(w, fd, p)};
        struct client c = {.to = &server_address, .bytes = 1000000, .is_paced = true};
        sim_process_start(p, echo_server, &server);
        sim_process_start(q, client_main, &c);
        sim_run_for(w, 100 * NS_PER_MS);
        sim_power_cut(w, disk);
        assert_true(sim_process_is_alive(q));
        assert_true(sim_run_until(w, client_is_done, &c, 30 * NS_PER_S));
        assert_int_equal(c.result, ERR_CLOSED);
        late += sim_now_ns(w) > 5 * NS_PER_S;
        sim_world_free(w);
        disk_sim_free(disk);
    }
    assert_true(late > SEEDS / 4);
}

struct suicide {
    struct sim_process *self;
    bool went_on;
    bool wrote;
    enum err later;
};

static void
suicide_main(struct fiber *f, void *arg)
{
    struct suicide *s = arg;
    sim_process_kill(s->self);
    s->went_on = true;
    rt_log_line(fiber_rt(f), SPAN("from beyond"));
    s->later = fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S));
}

static void
a_process_may_kill_itself(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(1);
    struct sim_process *p = sim_process_new(w, "p", NULL);
    struct suicide s = {.self = p};
    struct exits exits = {{0}, NULL, NULL};
    sim_process_on_exit(p, exit_count, &exits);
    sim_process_start(p, suicide_main, &s);
    sim_run_for(w, 2 * NS_PER_S);
    assert_true(s.went_on);
    assert_int_equal(s.later, ERR_CANCELED);
    assert_int_equal(exits.count[SIM_EXIT_KILLED], 1);
    assert_int_equal(sim_process_log(p).len, 0);
    sim_world_free(w);
}

struct ending {
    bool child_saw_cancel;
    unsigned starts;
};

static void
ending_child(struct fiber *f, void *arg)
{
    struct ending *e = arg;
    e->child_saw_cancel = fiber_sleep(f, DEADLINE_NEVER) == ERR_CANCELED;
    rt_log_line(fiber_rt(f), SPAN("bye"));
}

static void
ending_main(struct fiber *f, void *arg)
{
    struct ending *e = arg;
    e->starts++;
    ok(fiber_spawn(fiber_rt(f), "test.child", ending_child, e, NULL));
    enum err end = fiber_sleep(f, deadline_in(fiber_rt(f), NS_PER_S));
    assert_true(end == ERR_OK || end == ERR_CANCELED);
}

static void
a_process_ends_with_its_main_function(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(1);
    struct sim_process *p = sim_process_new(w, "p", NULL);
    struct ending e = {0};
    struct exits exits = {{0}, ending_main, &e};
    sim_process_on_exit(p, exit_count, &exits);
    sim_process_start(p, ending_main, &e);
    sim_run_for(w, 3500 * NS_PER_MS);
    assert_true(e.child_saw_cancel);
    assert_int_equal(e.starts, 4);
    assert_int_equal(exits.count[SIM_EXIT_RETURNED], 3);
    assert_true(span_equal(sim_process_log(p), SPAN("bye\nbye\nbye\n")));
    sim_world_free(w);
}

/* --- packets --- */

struct talker {
    int fd;
    unsigned count;
    unsigned got;
    enum err end;
    int64_t last_ns;
    bool is_slow;
};

static void
talker_send(struct fiber *f, void *arg)
{
    struct talker *t = arg;
    struct packet_socket *socket = NULL;
    if (packet_socket_open(fiber_rt(f), t->fd, &socket) != ERR_OK)
        return; /* killed before it began */
    uint8_t *data = calloc(1, 20000);
    for (unsigned i = 0; i < t->count; i++) {
        data[0] = (uint8_t)i;
        if (packet_send(f, DEADLINE_NEVER, socket, span_of(data, 1 + i * 37 % 20000), NULL, 0) != ERR_OK)
            break;
        t->last_ns = rt_now_ns(fiber_rt(f));
    }
    free(data);
    packet_socket_close(socket);
}

static void
talker_receive(struct fiber *f, void *arg)
{
    struct talker *t = arg;
    struct packet_socket *socket = NULL;
    if (packet_socket_open(fiber_rt(f), t->fd, &socket) != ERR_OK)
        return; /* killed before it began */
    uint8_t *data = malloc(PACKET_BYTES_MAX);
    size_t len, fd_count;
    int fds[PACKET_FDS_MAX];
    for (;;) {
        t->end = packet_recv(f, DEADLINE_NEVER, socket, data, PACKET_BYTES_MAX, &len, fds, &fd_count);
        if (t->end != ERR_OK)
            break;
        assert_int_equal(data[0], (uint8_t)t->got);
        assert_int_equal(len, 1 + t->got * 37 % 20000);
        t->got++;
        t->last_ns = rt_now_ns(fiber_rt(f));
        if (t->is_slow && fiber_sleep(f, deadline_in(fiber_rt(f), 10 * NS_PER_MS)) != ERR_OK)
            break;
    }
    free(data);
    packet_socket_close(socket);
}

static void
packets_arrive_whole_and_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct sim_world *w = sim_world_new(seed);
        struct sim_process *p = sim_process_new(w, "a", NULL), *q = sim_process_new(w, "b", NULL);
        struct talker sender = {.count = 1000}, receiver = {.is_slow = seed % 2 != 0};
        sim_packet_pair(w, p, &sender.fd, q, &receiver.fd);
        sim_process_start(p, talker_send, &sender);
        sim_process_start(q, talker_receive, &receiver);
        sim_run_for(w, 100 * NS_PER_S);
        assert_int_equal(receiver.got, 1000); /* also what was sent before the sender ended */
        assert_int_equal(receiver.end, ERR_CLOSED);
        if (receiver.is_slow)
            assert_true(sender.last_ns > 5 * NS_PER_S); /* it had to wait */
        assert_int_equal(sim_fd_count(w), 0);
        sim_world_free(w);
    }
}

struct passing {
    int fd;       /* of the channel between the two */
    int given_fd; /* sender: one end of a second channel, to be passed on */
    int kept_fd;  /* sender: the other end of it */
    bool has_heard;
    char body[16];
    char memory[16];
    enum err writing;
};

static int
body_fd(struct rt *rt)
{
    struct disk_dir *root = NULL;
    struct disk_file *file = NULL;
    ok(disk_dir_open(rt_disk(rt), NULL, "/", &root));
    ok(disk_open(root, "body", DISK_READ | DISK_WRITE | DISK_CREATE, &file));
    ok(disk_pwrite(file, 0, SPAN("the body")));
    disk_close(file);
    ok(disk_open(root, "body", DISK_READ, &file));
    int fd = disk_file_reopen_read(file);
    assert_true(fd >= SIM_FD_FIRST);
    disk_close(file);
    ok(disk_unlink(root, "body"));
    disk_dir_close(root);
    return fd;
}

static void
passing_send(struct fiber *f, void *arg)
{
    struct passing *p = arg;
    struct rt *rt = fiber_rt(f);
    struct packet_socket *channel = NULL, *second = NULL;
    ok(packet_socket_open(rt, p->fd, &channel));
    int fds[PACKET_FDS_MAX] = {body_fd(rt), -1, p->given_fd};
    ok(disk_memory_fd(rt_disk(rt), SPAN("memory"), &fds[1]));
    int copy = rt_fd_dup(rt, fds[0]);
    assert_true(copy != fds[0]);
    rt_fd_close(rt, fds[0]);
    fds[0] = copy;
    ok(packet_send(f, DEADLINE_NEVER, channel, SPAN("take"), fds, 3));
    for (size_t i = 0; i < 3; i++)
        rt_fd_close(rt, fds[i]);
    rt_fd_close(rt, -1);
    ok(packet_socket_open(rt, p->kept_fd, &second));
    uint8_t *data = malloc(PACKET_BYTES_MAX);
    size_t len = 0, fd_count = 9;
    enum err e = packet_recv(f, DEADLINE_NEVER, second, data, PACKET_BYTES_MAX, &len, fds, &fd_count);
    if (e == ERR_OK) {
        p->has_heard = span_equal(span_of(data, len), SPAN("hello"));
        assert_int_equal(fd_count, 0);
        e = packet_recv(f, DEADLINE_NEVER, second, data, PACKET_BYTES_MAX, &len, fds, &fd_count);
        assert_int_equal(e, ERR_CLOSED);
    }
    free(data);
    packet_socket_close(second);
    packet_socket_close(channel);
}

static void
file_read(struct rt *rt, int fd, char *text, enum err *ret_writing)
{
    struct disk_file *file = NULL;
    size_t n = 0;
    ok(disk_open_fd(rt_disk(rt), fd, &file));
    ok(disk_pread(file, 0, text, 15, &n));
    text[n] = '\0';
    *ret_writing = disk_pwrite(file, 0, SPAN("x"));
    disk_close(file);
}

static void
passing_receive(struct fiber *f, void *arg)
{
    struct passing *p = arg;
    struct rt *rt = fiber_rt(f);
    struct packet_socket *channel = NULL, *second = NULL;
    ok(packet_socket_open(rt, p->fd, &channel));
    uint8_t *data = malloc(PACKET_BYTES_MAX);
    size_t len = 0, fd_count = 0;
    int fds[PACKET_FDS_MAX];
    ok(packet_recv(f, DEADLINE_NEVER, channel, data, PACKET_BYTES_MAX, &len, fds, &fd_count));
    free(data);
    assert_int_equal(len, 4);
    assert_int_equal(fd_count, 3);
    file_read(rt, fds[0], p->body, &p->writing);
    assert_int_equal(p->writing, ERR_IO);
    file_read(rt, fds[1], p->memory, &p->writing);
    ok(packet_socket_open(rt, fds[2], &second));
    ok(packet_send(f, DEADLINE_NEVER, second, SPAN("hello"), NULL, 0));
    packet_socket_close(second);
    packet_socket_close(channel);
}

static void
descriptors_travel(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(1);
    struct disk_sim *disk = disk_sim_new(1);
    struct sim_process *a = sim_process_new(w, "a", disk), *b = sim_process_new(w, "b", disk);
    struct passing sender = {0}, receiver = {0};
    sim_packet_pair(w, a, &sender.fd, b, &receiver.fd);
    sim_packet_pair(w, a, &sender.given_fd, a, &sender.kept_fd);
    sim_process_start(a, passing_send, &sender);
    sim_process_start(b, passing_receive, &receiver);
    sim_run_for(w, NS_PER_S);
    assert_string_equal(receiver.body, "the body");
    assert_string_equal(receiver.memory, "memory");
    assert_int_equal(receiver.writing, ERR_IO);
    assert_true(sender.has_heard);
    assert_int_equal(sim_fd_count(w), 0);
    assert_int_equal(disk_sim_used_bytes(disk), 0); /* nobody holds the removed file any more */
    sim_world_free(w);
    disk_sim_free(disk);
}

/* What is under way when its receiver dies is closed: the sender's second channel ends. */
static void
descriptors_under_way_close_with_the_receiver(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(1);
    struct disk_sim *disk = disk_sim_new(1);
    struct sim_process *a = sim_process_new(w, "a", disk), *b = sim_process_new(w, "b", disk);
    struct passing sender = {0}, receiver = {0};
    sim_packet_pair(w, a, &sender.fd, b, &receiver.fd);
    sim_packet_pair(w, a, &sender.given_fd, a, &sender.kept_fd);
    sim_process_start(a, passing_send, &sender);
    sim_run_for(w, NS_PER_S);
    assert_true(sim_process_is_alive(a));
    sim_process_kill(b);
    sim_run_for(w, NS_PER_S);
    assert_false(sender.has_heard);
    assert_false(sim_process_is_alive(a));
    assert_int_equal(sim_fd_count(w), 0);
    assert_int_equal(disk_sim_used_bytes(disk), 0);
    sim_world_free(w);
    disk_sim_free(disk);
}

static void
killed_in_the_middle_nothing_leaks(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_world *w = sim_world_new(seed);
        struct sim_process *p = sim_process_new(w, "a", NULL), *q = sim_process_new(w, "b", NULL);
        struct talker sender = {.count = 100000}, receiver = {.is_slow = true};
        sim_packet_pair(w, p, &sender.fd, q, &receiver.fd);
        sim_process_start(p, talker_send, &sender);
        sim_process_start(q, talker_receive, &receiver);
        sim_at(w, (int64_t)sim_random_below(sim_chance(w), (uint64_t)NS_PER_S), kill_process, seed % 2 == 0 ? p : q);
        sim_run_for(w, 10 * NS_PER_S);
        assert_int_equal(receiver.end, seed % 2 == 0 ? ERR_CLOSED : ERR_OK);
        assert_int_equal(sim_fd_count(w), 0);
        assert_int_equal(sim_dropped_fibers(w), 0);
        sim_world_free(w);
    }
}

/* --- pairs, chance, determinism --- */

static void
a_pair_of_streams_is_connected(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(1);
    struct sim_process *p = sim_process_new(w, "server", NULL), *q = sim_process_new(w, "client", NULL);
    struct stream *theirs = NULL, *ours = NULL;
    sim_stream_pair(q, &ours, p, &theirs);
    assert_int_equal(stream_peer(theirs)->port, stream_local(ours)->port);
    ok(fiber_spawn(sim_rt(p), "test.echo", echo_session, theirs, NULL));
    stream_post(ours, SPAN("word"));
    stream_close(ours);
    sim_run_for(w, NS_PER_S);
    assert_true(sim_process_is_alive(p)); /* no main function, so it goes on */
    sim_world_free(w);
}

struct echoed {
    struct stream *stream;
    uint8_t bytes[16];
    size_t len;
};

static void
echoed_read(struct fiber *f, void *arg)
{
    struct echoed *e = arg;
    while (e->len < 5) {
        size_t n = 0;
        if (stream_read(f, DEADLINE_NEVER, e->stream, e->bytes + e->len, sizeof e->bytes - e->len, &n) != ERR_OK)
            break;
        e->len += n;
    }
    stream_close(e->stream);
}

struct handing {
    int channel_fd;
    struct stream *stream;
};

static void
handing_send(struct fiber *f, void *arg)
{
    struct handing *h = arg;
    struct packet_socket *channel = NULL;
    ok(packet_socket_open(fiber_rt(f), h->channel_fd, &channel));
    int fd = sim_stream_fd(h->stream);
    ok(packet_send(f, DEADLINE_NEVER, channel, SPAN("x"), &fd, 1));
    rt_fd_close(fiber_rt(f), fd);
    packet_socket_close(channel);
}

static void
handing_receive(struct fiber *f, void *arg)
{
    struct handing *h = arg;
    struct packet_socket *channel = NULL;
    ok(packet_socket_open(fiber_rt(f), h->channel_fd, &channel));
    uint8_t *data = malloc(PACKET_BYTES_MAX);
    size_t len = 0, fd_count = 0;
    int fds[PACKET_FDS_MAX];
    ok(packet_recv(f, DEADLINE_NEVER, channel, data, PACKET_BYTES_MAX, &len, fds, &fd_count));
    free(data);
    packet_socket_close(channel);
    ok(stream_open_fd(fiber_rt(f), fds[0], &h->stream));
    echo_session(f, h->stream);
}

/* A connected socket passed from one process to another, as the parent does for local. */
static void
streams_travel(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(1);
    struct sim_process *p = sim_process_new(w, "parent", NULL), *q = sim_process_new(w, "local", NULL);
    struct sim_process *r = sim_process_new(w, "store", NULL);
    struct handing sender = {0}, receiver = {0};
    struct stream *theirs = NULL;
    sim_packet_pair(w, p, &sender.channel_fd, q, &receiver.channel_fd);
    sim_stream_pair(p, &sender.stream, r, &theirs);
    stream_post(theirs, SPAN("early"));
    sim_process_start(p, handing_send, &sender);
    sim_process_start(q, handing_receive, &receiver);
    sim_run_for(w, NS_PER_S);
    assert_false(sim_process_is_alive(p)); /* the connection does not end with it */
    struct echoed echoed = {theirs, {0}, 0};
    sim_process_start(r, echoed_read, &echoed);
    sim_run_for(w, NS_PER_S);
    assert_int_equal(echoed.len, 5);
    assert_memory_equal(echoed.bytes, "early", 5);
    assert_false(sim_process_is_alive(q));
    assert_int_equal(sim_fd_count(w), 0);
    sim_world_free(w);
}

static void
random_bytes_come_from_the_seed(void **state)
{
    (void)state;
    uint8_t bytes[4][40];
    for (unsigned i = 0; i < 4; i++) {
        struct sim_world *w = sim_world_new(i / 2);
        struct sim_process *p = sim_process_new(w, "p", NULL);
        rt_random(sim_rt(p), bytes[i], sizeof bytes[i]);
        assert_true(rt_random_below(sim_rt(p), 10) < 10);
        sim_world_free(w);
    }
    assert_memory_equal(bytes[0], bytes[1], sizeof bytes[0]);
    assert_memory_equal(bytes[2], bytes[3], sizeof bytes[0]);
    assert_memory_not_equal(bytes[0], bytes[2], sizeof bytes[0]);
}

/* Everything at once, with deaths; the hash of all that happened. */
static uint64_t
busy_world(uint64_t seed)
{
    struct sim_world *w = sim_world_new(seed);
    struct disk_sim *disk = disk_sim_new(seed);
    sim_set_net(w, &(struct sim_net){0, NS_PER_MS, 50, 100, 8192});
    int fd = sim_listener(w, "echo", &server_address);
    struct sim_process *p = sim_process_new(w, "server", NULL), *queue = sim_process_new(w, "queue", disk);
    struct server server = {.fd = sim_fd_give(w, fd, p)};
    struct client clients[5];
    struct keeper k = {.syncs = true, .rounds = 200};
    struct exits exits = {{0}, keeper_main, &k};
    sim_process_on_exit(queue, exit_count, &exits);
    sim_process_start(p, echo_server, &server);
    sim_process_start(queue, keeper_main, &k);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        clients[i] = (struct client){.to = &server_address, .bytes = 30000};
        sim_process_start(sim_process_new(w, "client", NULL), client_main, &clients[i]);
    }
    sim_at(w, 20 * NS_PER_MS, kill_process, queue);
    sim_at(w, (int64_t)sim_random_below(sim_chance(w), 50 * NS_PER_MS), kill_process, p);
    sim_run_for(w, 100 * NS_PER_MS);
    assert_true(exits.count[SIM_EXIT_KILLED] == 1);
    uint64_t hash = sim_trace_hash(w) ^ sim_steps(w) ^ log_size(disk);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        hash = hash * 31 + clients[i].echoed + clients[i].result;
    sim_world_free(w);
    disk_sim_free(disk);
    return hash;
}

static void
same_seed_same_run(void **state)
{
    (void)state;
    uint64_t seen[10];
    for (uint64_t seed = 0; seed < ARRAY_LEN(seen); seed++) {
        seen[seed] = busy_world(seed);
        assert_int_equal(seen[seed], busy_world(seed));
        for (uint64_t other = 0; other < seed; other++)
            assert_int_not_equal(seen[seed], seen[other]);
    }
}

/* Two processes that are ready at the same time run in either order; so do two fibers of one process. */
static void
order_is_a_matter_of_chance(void **state)
{
    (void)state;
    unsigned process_first[2] = {0}, fiber_first[2] = {0};
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        struct sim_world *w = sim_world_new(seed);
        struct sim_process *p = sim_process_new(w, "a", NULL), *q = sim_process_new(w, "b", NULL);
        unsigned order = 0;
        struct sleeper sleepers[4];
        for (size_t i = 0; i < 4; i++) {
            sleepers[i] = (struct sleeper){.for_ns = NS_PER_S, .order = &order};
            ok(fiber_spawn(sim_rt(i < 2 ? p : q), "test.sleeper", sleeper_main, &sleepers[i], NULL));
        }
        sim_run_for(w, 2 * NS_PER_S);
        assert_int_equal(order, 4);
        process_first[sleepers[0].place < sleepers[2].place]++;
        fiber_first[sleepers[0].place < sleepers[1].place]++;
        sim_world_free(w);
    }
    assert_true(process_first[0] > 10 && process_first[1] > 10);
    assert_true(fiber_first[0] > 0 && fiber_first[1] > SEEDS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_carry_bytes_in_order),
        cmocka_unit_test(nobody_listening_refuses),
        cmocka_unit_test(breaking_connections_end_both_sides),
        cmocka_unit_test(sleep_takes_virtual_time_only),
        cmocka_unit_test(timers_fire_at_their_time),
        cmocka_unit_test(jobs_use_the_disk_and_take_time),
        cmocka_unit_test(a_killed_process_keeps_what_the_cache_has),
        cmocka_unit_test(a_power_cut_takes_what_was_not_synced),
        cmocka_unit_test(peers_see_a_killed_server_end),
        cmocka_unit_test(peers_of_a_machine_without_power_hear_nothing_at_first),
        cmocka_unit_test(a_process_may_kill_itself),
        cmocka_unit_test(a_process_ends_with_its_main_function),
        cmocka_unit_test(packets_arrive_whole_and_in_order),
        cmocka_unit_test(descriptors_travel),
        cmocka_unit_test(descriptors_under_way_close_with_the_receiver),
        cmocka_unit_test(killed_in_the_middle_nothing_leaks),
        cmocka_unit_test(a_pair_of_streams_is_connected),
        cmocka_unit_test(streams_travel),
        cmocka_unit_test(random_bytes_come_from_the_seed),
        cmocka_unit_test(same_seed_same_run),
        cmocka_unit_test(order_is_a_matter_of_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
