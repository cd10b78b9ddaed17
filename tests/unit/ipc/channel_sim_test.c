/*
 * channel_sim_test.c - calls between simulated processes of which one dies again and again, under many seeds.
 *
 * What must hold whatever happens: a call that returns ERR_OK has the answer to its own question and was served;
 * every call returns by its deadline; posts arrive in order; nothing leaks; one seed is one run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/assert.h"
#include "ipc/ipc_messages.h"
#include "rt/rt_sim.h"

enum { SEEDS = 40, CALLERS = 24, CALLS_EACH = 60, QUESTIONS = CALLERS * CALLS_EACH };

#define RUN_NS (600 * NS_PER_S)
#define CALL_NS (2 * NS_PER_S)

struct world {
    struct sim_world *sim;
    struct sim_process *edge;
    struct sim_process *queue;
    struct ipc_hub *edge_hub;
    struct ipc_hub *queue_hub;
    uint8_t times_served[QUESTIONS];
    size_t outcomes[ERR_IO + 1];
    size_t callers_done;
    uint64_t last_abort;
    uint64_t aborts_sent;
    bool is_over;
};

/* --- the queue, which dies -------------------------------------------------------------------------------------- */

static void
serve_chunk(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_chunk *request,
            struct arena *mem, struct ipc_message_chunk_reply *ret)
{
    struct world *w = ctx;
    (void)from, (void)mem;
    ASSERT(request->upload < QUESTIONS && request->data.len == request->upload % 1000);
    if (rt_random_below(fiber_rt(f), 3) == 0 &&
        fiber_sleep(f, deadline_in(fiber_rt(f), (int64_t)rt_random_below(fiber_rt(f), 20) * NS_PER_MS)) != ERR_OK)
        return;
    if (w->times_served[request->upload] < UINT8_MAX)
        w->times_served[request->upload]++;
    ret->result = (uint8_t)(request->upload % 251);
}

static void
serve_abort(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_abort *message,
            struct arena *mem)
{
    struct world *w = ctx;
    (void)f, (void)from, (void)mem;
    ASSERT(message->upload > w->last_abort);
    w->last_abort = message->upload;
}

static ipc_serve_fn *const no_table[IPC_TYPE_COUNT];

static void
serve_chunk_erased(const void *service, struct fiber *f, void *ctx, struct ipc_peer *from, const void *request,
                   struct arena *mem, void *reply)
{
    (void)service;
    serve_chunk(f, ctx, from, request, mem, reply);
}

static void
serve_abort_erased(const void *service, struct fiber *f, void *ctx, struct ipc_peer *from, const void *request,
                   struct arena *mem, void *reply)
{
    (void)service, (void)reply;
    serve_abort(f, ctx, from, request, mem);
}

static void
queue_main(struct fiber *f, void *arg)
{
    static ipc_serve_fn *const table[IPC_TYPE_COUNT] = {
        [IPC_TYPE_MESSAGE_CHUNK] = serve_chunk_erased,
        [IPC_TYPE_MESSAGE_ABORT] = serve_abort_erased,
    };
    struct world *w = arg;
    struct ipc_hub *hub = w->queue_hub;
    ipc_hub_serve_table(hub, ROLE_QUEUE, table, NULL, w);
    (void)!rt_wait_stop(f, DEADLINE_NEVER);
    if (w->queue_hub == hub)
        w->queue_hub = NULL;
    ipc_hub_free(f, hub);
}

static void
connect_both(struct world *w)
{
    int to_queue, to_edge;
    struct packet_socket *socket;
    sim_packet_pair(w->sim, w->edge, &to_queue, w->queue, &to_edge);
    enum err e = packet_socket_open(sim_rt(w->edge), to_queue, &socket);
    ASSERT(e == ERR_OK);
    e = ipc_hub_attach(w->edge_hub, ROLE_QUEUE, 0, socket);
    ASSERT(e == ERR_OK);
    e = packet_socket_open(sim_rt(w->queue), to_edge, &socket);
    ASSERT(e == ERR_OK);
    e = ipc_hub_attach(w->queue_hub, ROLE_EDGE, 0, socket);
    ASSERT(e == ERR_OK);
}

static void
queue_start(void *arg)
{
    struct world *w = arg;
    if (w->is_over)
        return;
    w->last_abort = 0;
    sim_process_start(w->queue, queue_main, w);
    enum err e = ipc_hub_new(sim_rt(w->queue), ROLE_QUEUE, 0, &w->queue_hub);
    ASSERT(e == ERR_OK);
    connect_both(w);
}

static void
queue_kill(void *arg)
{
    struct world *w = arg;
    sim_process_kill(w->queue);
}

static void
on_queue_exit(void *arg, struct sim_process *p, enum sim_exit how)
{
    struct world *w = arg;
    (void)p, (void)how;
    if (w->is_over)
        return;
    sim_at(w->sim, (int64_t)sim_random_below(sim_chance(w->sim), 300) * NS_PER_MS, queue_start, w);
    sim_at(w->sim, (int64_t)(400 + sim_random_below(sim_chance(w->sim), 400)) * NS_PER_MS, queue_kill, w);
}

/* --- the edge, which asks --------------------------------------------------------------------------------------- */

struct caller {
    struct world *w;
    uint64_t number;
};

static void
caller_run(struct fiber *f, void *arg)
{
    struct caller *c = arg;
    struct world *w = c->w;
    static const uint8_t octets[1000];
    for (uint64_t i = 0; i < CALLS_EACH; i++) {
        uint64_t question = i * CALLERS + c->number;
        struct ipc_message_chunk request = {.upload = question, .id = SPAN("m"),
                                            .data = span_of(octets, question % 1000)};
        struct ipc_message_chunk_reply reply = {.result = 255};
        struct deadline by = deadline_in(fiber_rt(f), CALL_NS);
        enum err e = ipc_message_chunk(f, by, ipc_hub_link(w->edge_hub, ROLE_QUEUE), &request, NULL, &reply);
        assert_true(rt_now_ns(fiber_rt(f)) <= by.at_ns + 10 * NS_PER_MS);
        assert_int_equal(reply.result, e == ERR_OK ? question % 251 : 255);
        if (e == ERR_OK)
            assert_true(w->times_served[question] > 0);
        w->outcomes[e]++;
        (void)!ipc_post_message_abort(ipc_hub_link(w->edge_hub, ROLE_QUEUE),
                                      &(struct ipc_message_abort){++w->aborts_sent});
        (void)!fiber_sleep(f, deadline_in(fiber_rt(f), (int64_t)rt_random_below(fiber_rt(f), 100) * NS_PER_MS));
    }
    w->callers_done++;
}

static void
edge_main(struct fiber *f, void *arg)
{
    struct world *w = arg;
    struct caller callers[CALLERS];
    struct fiber_group group;
    fiber_group_init(&group, f);
    ipc_hub_serve_table(w->edge_hub, ROLE_EDGE, no_table, NULL, NULL);
    for (uint64_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){w, i};
        assert_int_equal(fiber_group_spawn(&group, "test.caller", caller_run, &callers[i]), ERR_OK);
    }
    assert_int_equal(fiber_group_join(f, DEADLINE_NEVER, &group), ERR_OK);
    ipc_hub_free(f, w->edge_hub);
    w->is_over = true;
}

static bool
is_over(void *arg)
{
    struct world *w = arg;
    return w->is_over && !sim_process_is_alive(w->edge);
}

/* Runs one seed; returns the hash of all that happened. */
static uint64_t
run(uint64_t seed, size_t outcomes[ERR_IO + 1])
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->sim = sim_world_new(seed);
    w->edge = sim_process_new(w->sim, "edge", NULL);
    w->queue = sim_process_new(w->sim, "queue", NULL);
    sim_process_on_exit(w->queue, on_queue_exit, w);
    sim_process_start(w->edge, edge_main, w);
    assert_int_equal(ipc_hub_new(sim_rt(w->edge), ROLE_EDGE, 0, &w->edge_hub), ERR_OK);
    queue_start(w);
    sim_at(w->sim, 500 * NS_PER_MS, queue_kill, w);
    assert_true(sim_run_until(w->sim, is_over, w, RUN_NS));
    assert_int_equal(w->callers_done, CALLERS);
    sim_process_kill(w->queue);
    sim_run_for(w->sim, NS_PER_S);
    assert_int_equal(sim_dropped_fibers(w->sim), 0);
    assert_int_equal(sim_fd_count(w->sim), 0);
    for (size_t i = 0; i <= ERR_IO; i++)
        outcomes[i] += w->outcomes[i];
    uint64_t hash = sim_trace_hash(w->sim);
    sim_world_free(w->sim);
    free(w);
    return hash;
}

static void
answers_are_right_while_the_peer_dies(void **state)
{
    (void)state;
    size_t outcomes[ERR_IO + 1] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        (void)run(seed, outcomes);
    /* The test is worth something only when both happened often, and nothing that must not. */
    assert_true(outcomes[ERR_OK] > SEEDS * QUESTIONS / 2);
    assert_true(outcomes[ERR_CLOSED] > SEEDS);
    assert_int_equal(outcomes[ERR_OK] + outcomes[ERR_CLOSED] + outcomes[ERR_AGAIN] + outcomes[ERR_TIMEOUT],
                     SEEDS * QUESTIONS);
}

static void
one_seed_is_one_run(void **state)
{
    (void)state;
    size_t outcomes[ERR_IO + 1] = {0};
    uint64_t first = run(7, outcomes);
    assert_true(run(7, outcomes) == first);
    assert_true(run(8, outcomes) != first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_right_while_the_peer_dies),
        cmocka_unit_test(one_seed_is_one_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
