/*
 * channel_test.c - calls, posts, credits, restarts and hostile peers over real socket pairs; both sides in one
 * process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "ipc/ipc_messages.h"
#include "rt/rt_real.h"

enum { MEM = 4 * 1024 * 1024, MANY = IPC_CREDITS + 16 };

/* An edge that asks, a queue and a directory that answer, and what a test wants of the handlers. */
struct world {
    struct fiber *f;
    struct rt *rt;
    struct ipc_hub *edge;
    struct ipc_hub *queue;
    struct ipc_link *to_queue;
    struct arena mem;

    struct cond gate; /* commits wait here while is_shut */
    bool is_shut;
    size_t commits_inside;
    size_t commits_inside_max;
    size_t commits_done;
    uint64_t uploads_seen[64];
    size_t uploads_seen_count;
    size_t peers_gone;
    bool replies_too_large;
};

/* --- what the queue does in these tests ------------------------------------------------------------------------- */

static void
serve_commit(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_commit *request,
             struct arena *mem, struct ipc_message_commit_reply *ret)
{
    struct world *w = ctx;
    (void)mem;
    assert_int_equal(from->role, ROLE_EDGE);
    if (++w->commits_inside > w->commits_inside_max)
        w->commits_inside_max = w->commits_inside;
    while (w->is_shut)
        if (cond_wait(f, DEADLINE_NEVER, &w->gate) != ERR_OK)
            break;
    w->commits_inside--;
    w->commits_done++;
    ret->result = (uint8_t)(request->body.len % 251);
}

static void
serve_chunk(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_chunk *request,
            struct arena *mem, struct ipc_message_chunk_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)mem;
    ret->result = request->data.len > 0 ? request->data.data[request->data.len - 1] : 0;
}

static void
serve_abort(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_abort *message,
            struct arena *mem)
{
    struct world *w = ctx;
    (void)f, (void)from, (void)mem;
    if (w->uploads_seen_count < ARRAY_LEN(w->uploads_seen))
        w->uploads_seen[w->uploads_seen_count++] = message->upload;
}

static void
serve_status(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_role_status *request,
             struct arena *mem, struct ipc_role_status_reply *ret)
{
    (void)f, (void)ctx, (void)from;
    struct ipc_counter *counters = arena_alloc(mem, 2 * sizeof(*counters));
    assert_non_null(counters);
    counters[0] = (struct ipc_counter){SPAN("asked"), request->cursor};
    counters[1] = (struct ipc_counter){SPAN("answered"), 1};
    ret->counters = counters;
    ret->counters_count = 2;
    ret->text = SPAN("fine");
}

static void
serve_list(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_list *request, struct arena *mem,
           struct ipc_queue_list_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;
}

static void
serve_envelope(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_envelope *request,
               struct arena *mem, struct ipc_queue_envelope_reply *ret)
{
    (void)f, (void)from, (void)request;
    struct world *w = ctx;
    size_t len = IPC_QUEUE_ENVELOPE_REPLY_ENVELOPE_MAX + (w->replies_too_large ? 1 : 0);
    void *bytes = arena_alloc(mem, len);
    assert_non_null(bytes);
    ret->envelope = span_of(bytes, len);
}

static void
serve_content(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_content *request,
              struct arena *mem, struct ipc_queue_content_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;
}

static void
serve_change(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_queue_change *request,
             struct arena *mem, struct ipc_queue_change_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;
}

static const struct ipc_queue_service queue_service = {
    .message_chunk = serve_chunk,
    .message_commit = serve_commit,
    .message_abort = serve_abort,
    .role_status = serve_status,
    .queue_list = serve_list,
    .queue_envelope = serve_envelope,
    .queue_content = serve_content,
    .queue_change = serve_change,
};

/* --- scaffolding ------------------------------------------------------------------------------------------------ */

static void
pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

static void
attach(struct world *w, struct ipc_hub *hub, enum ipc_role role, uint16_t instance, int fd)
{
    struct packet_socket *socket;
    assert_int_equal(packet_socket_open(w->rt, fd, &socket), ERR_OK);
    assert_int_equal(ipc_hub_attach(hub, role, instance, socket), ERR_OK);
}

static void
connect_both(struct world *w)
{
    int fds[2];
    pair(fds);
    attach(w, w->edge, ROLE_QUEUE, 0, fds[0]);
    attach(w, w->queue, ROLE_EDGE, 3, fds[1]);
}

static struct deadline
in_ms(struct world *w, int64_t ms)
{
    return deadline_in(w->rt, ms * NS_PER_MS);
}

static void
rest(struct world *w, int64_t ms)
{
    assert_int_equal(fiber_sleep(w->f, in_ms(w, ms)), ERR_OK);
}

static enum err
commit(struct fiber *f, struct world *w, struct deadline by, size_t body_bytes, uint8_t *ret_result)
{
    static const uint8_t octets[IPC_MESSAGE_COMMIT_BODY_MAX];
    struct ipc_message_commit request = {.envelope = SPAN("e"), .header = SPAN("h"),
                                         .body = span_of(octets, body_bytes)};
    struct ipc_message_commit_reply reply = {.result = 255};
    enum err e = ipc_message_commit(f, by, w->to_queue, &request, NULL, &reply);
    *ret_result = reply.result;
    return e;
}

struct scene {
    void (*play)(struct world *w);
    struct world world;
};

static size_t
open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    size_t count = 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void
run_scene(struct fiber *f, void *arg)
{
    struct scene *scene = arg;
    struct world *w = &scene->world;
    *w = (struct world){.f = f, .rt = fiber_rt(f)};
    cond_init(&w->gate);
    arena_init(&w->mem, MEM);
    assert_int_equal(ipc_hub_new(w->rt, ROLE_EDGE, 3, &w->edge), ERR_OK);
    assert_int_equal(ipc_hub_new(w->rt, ROLE_QUEUE, 0, &w->queue), ERR_OK);
    w->to_queue = ipc_hub_link(w->edge, ROLE_QUEUE);
    scene->play(w);
    ipc_hub_free(f, w->edge);
    ipc_hub_free(f, w->queue);
    arena_clear(&w->mem);
}

/* Run `play` in a first fiber; afterwards no descriptor may be left. */
static void
play(void (*fn)(struct world *w))
{
    struct scene scene = {.play = fn};
    struct rt_real_options options = {.log_fd = -1};
    struct rt *rt;
    size_t before = open_descriptors();
    assert_int_equal(rt_real_new(&options, &rt), ERR_OK);
    assert_int_equal(rt_real_run(rt, run_scene, &scene), ERR_OK);
    rt_real_free(rt);
    assert_int_equal(open_descriptors(), before);
}

#define SCENE(name) \
    static void name##_play(struct world *w); \
    static void name(void **state) \
    { \
        (void)state; \
        play(name##_play); \
    } \
    static void name##_play(struct world *w)

/* --- many callers at once --------------------------------------------------------------------------------------- */

struct caller {
    struct world *w;
    struct deadline by;
    size_t body_bytes;
    enum err e;
    uint8_t result;
    bool has_returned;
};

static void
caller_run(struct fiber *f, void *arg)
{
    struct caller *c = arg;
    c->e = commit(f, c->w, c->by, c->body_bytes, &c->result);
    c->has_returned = true;
}

static struct caller *
spawn_callers(struct world *w, struct fiber_group *group, size_t count, struct deadline by, size_t body_bytes)
{
    struct caller *callers = calloc(count, sizeof(*callers));
    assert_non_null(callers);
    fiber_group_init(group, w->f);
    for (size_t i = 0; i < count; i++) {
        callers[i] = (struct caller){.w = w, .by = by, .body_bytes = body_bytes};
        assert_int_equal(fiber_group_spawn(group, "test.caller", caller_run, &callers[i]), ERR_OK);
    }
    return callers;
}

/* --- the tests -------------------------------------------------------------------------------------------------- */

SCENE(a_call_is_answered)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    connect_both(w);
    uint8_t result;
    assert_int_equal(commit(w->f, w, in_ms(w, 5000), 7, &result), ERR_OK);
    assert_int_equal(result, 7);
    assert_int_equal(commit(w->f, w, in_ms(w, 5000), IPC_MESSAGE_COMMIT_BODY_MAX, &result), ERR_OK);
    assert_int_equal(result, IPC_MESSAGE_COMMIT_BODY_MAX % 251);
    assert_int_equal(ipc_hub_counters(w->edge).calls_sent, 2);
    assert_int_equal(ipc_hub_counters(w->queue).calls_served, 2);
}

SCENE(replies_bring_texts_and_lists)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    struct ipc_hub *control;
    assert_int_equal(ipc_hub_new(w->rt, ROLE_CONTROL, 0, &control), ERR_OK);
    int fds[2];
    pair(fds);
    attach(w, control, ROLE_QUEUE, 0, fds[0]);
    attach(w, w->queue, ROLE_CONTROL, 0, fds[1]);
    struct ipc_role_status_reply status;
    assert_int_equal(ipc_role_status(w->f, in_ms(w, 5000), ipc_hub_link(control, ROLE_QUEUE),
                                     &(struct ipc_role_status){42}, &w->mem, &status), ERR_OK);
    assert_int_equal(status.counters_count, 2);
    assert_true(span_equal(status.counters[0].name, SPAN("asked")));
    assert_true(status.counters[0].value == 42);
    assert_true(span_equal(status.text, SPAN("fine")));
    /* The largest reply fits; one that exceeds its bound is the handler's fault, and the caller is told. */
    struct ipc_queue_envelope_reply envelope;
    assert_int_equal(ipc_queue_envelope(w->f, in_ms(w, 5000), ipc_hub_link(control, ROLE_QUEUE),
                                        &(struct ipc_queue_envelope){SPAN("x")}, &w->mem, &envelope), ERR_OK);
    assert_int_equal(envelope.envelope.len, IPC_QUEUE_ENVELOPE_REPLY_ENVELOPE_MAX);
    w->replies_too_large = true;
    assert_int_equal(ipc_queue_envelope(w->f, in_ms(w, 5000), ipc_hub_link(control, ROLE_QUEUE),
                                        &(struct ipc_queue_envelope){SPAN("x")}, &w->mem, &envelope), ERR_LIMIT);
    /* A caller whose arena is too small for the reply learns that, and the channel stays. */
    w->replies_too_large = false;
    struct arena small;
    arena_init(&small, 1000);
    assert_int_equal(ipc_queue_envelope(w->f, in_ms(w, 5000), ipc_hub_link(control, ROLE_QUEUE),
                                        &(struct ipc_queue_envelope){SPAN("x")}, &small, &envelope), ERR_LIMIT);
    arena_clear(&small);
    assert_true(ipc_link_is_attached(ipc_hub_link(control, ROLE_QUEUE)));
    ipc_hub_free(w->f, control);
}

SCENE(what_exceeds_the_table_is_not_sent)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    connect_both(w);
    static const uint8_t octets[IPC_MESSAGE_COMMIT_BODY_MAX];
    struct ipc_message_commit_reply reply;
    struct ipc_message_commit whole = {.header = span_of(octets, sizeof(octets)),
                                       .body = span_of(octets, sizeof(octets))};
    assert_int_equal(ipc_message_commit(w->f, in_ms(w, 1000), w->to_queue, &whole, NULL, &reply),
                     ERR_LIMIT); /* > a frame */
    struct ipc_message_commit field = {.envelope = span_of(octets, IPC_MESSAGE_COMMIT_ENVELOPE_MAX + 1)};
    assert_int_equal(ipc_message_commit(w->f, in_ms(w, 1000), w->to_queue, &field, NULL, &reply), ERR_LIMIT);
    assert_int_equal(ipc_hub_counters(w->edge).calls_sent, 0);
}

SCENE(a_call_waits_for_a_channel_and_gives_up_unsent)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    uint8_t result;
    assert_int_equal(commit(w->f, w, in_ms(w, 20), 1, &result), ERR_AGAIN);
    assert_int_equal(commit(w->f, w, in_ms(w, 0), 1, &result), ERR_AGAIN);
    struct fiber_group group;
    struct caller *caller = spawn_callers(w, &group, 1, in_ms(w, 5000), 9);
    rest(w, 10);
    assert_false(caller->has_returned);
    connect_both(w);
    assert_int_equal(fiber_group_join(w->f, in_ms(w, 5000), &group), ERR_OK);
    assert_int_equal(caller->e, ERR_OK);
    assert_int_equal(caller->result, 9);
    free(caller);
}

SCENE(a_request_waits_for_the_service)
{
    connect_both(w);
    struct fiber_group group;
    struct caller *caller = spawn_callers(w, &group, 1, in_ms(w, 5000), 9);
    rest(w, 20);
    assert_false(caller->has_returned);
    assert_int_equal(ipc_hub_wait_served(w->f, in_ms(w, 1), w->queue), ERR_TIMEOUT);
    ipc_hub_serve(w->queue, &queue_service, w);
    assert_int_equal(ipc_hub_wait_served(w->f, in_ms(w, 1), w->queue), ERR_OK);
    assert_int_equal(fiber_group_join(w->f, in_ms(w, 5000), &group), ERR_OK);
    assert_int_equal(caller->e, ERR_OK);
    free(caller);
}

SCENE(a_late_reply_is_dropped_and_its_credit_comes_back)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    connect_both(w);
    uint8_t result;
    w->is_shut = true;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(commit(w->f, w, in_ms(w, 20), 1, &result), ERR_TIMEOUT);
        assert_int_equal(result, 255);
    }
    w->is_shut = false;
    cond_broadcast(&w->gate);
    assert_int_equal(commit(w->f, w, in_ms(w, 5000), 5, &result), ERR_OK);
    assert_int_equal(result, 5);
    assert_int_equal(w->commits_done, 4);
    assert_int_equal(ipc_hub_counters(w->edge).peer_errors, 0);
    struct fiber_group group;
    struct caller *callers = spawn_callers(w, &group, IPC_CREDITS, in_ms(w, 10000), 1); /* all credits are there */
    assert_int_equal(fiber_group_join(w->f, DEADLINE_NEVER, &group), ERR_OK);
    for (size_t i = 0; i < IPC_CREDITS; i++)
        assert_int_equal(callers[i].e, ERR_OK);
    assert_int_equal(ipc_hub_counters(w->edge).credit_waits, 0);
    free(callers);
}

SCENE(out_of_credit_callers_wait)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    connect_both(w);
    w->is_shut = true;
    struct fiber_group group;
    struct caller *callers = spawn_callers(w, &group, MANY, in_ms(w, 20000), 1);
    rest(w, 200);
    assert_int_equal(w->commits_inside, IPC_CREDITS);
    assert_int_equal(ipc_hub_counters(w->edge).credit_waits, MANY - IPC_CREDITS);
    uint8_t result;
    assert_int_equal(commit(w->f, w, in_ms(w, 20), 1, &result), ERR_AGAIN);
    w->is_shut = false;
    cond_broadcast(&w->gate);
    assert_int_equal(fiber_group_join(w->f, DEADLINE_NEVER, &group), ERR_OK);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(callers[i].e, ERR_OK);
    assert_int_equal(w->commits_inside_max, IPC_CREDITS);
    assert_int_equal(w->commits_done, MANY);
    free(callers);
}

SCENE(large_requests_of_many_are_all_answered)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    connect_both(w);
    struct fiber_group group;
    struct caller *callers = spawn_callers(w, &group, 200, in_ms(w, 20000), IPC_MESSAGE_COMMIT_BODY_MAX);
    assert_int_equal(fiber_group_join(w->f, DEADLINE_NEVER, &group), ERR_OK);
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(callers[i].e, ERR_OK);
        assert_int_equal(callers[i].result, IPC_MESSAGE_COMMIT_BODY_MAX % 251);
    }
    assert_true(ipc_hub_counters(w->edge).credit_waits > 0); /* 200 of them are more than IPC_CALL_QUEUE_BYTES_MAX */
    free(callers);
}

SCENE(frames_of_one_turn_share_a_packet)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    connect_both(w);
    struct fiber_group group;
    struct caller *callers = spawn_callers(w, &group, 100, in_ms(w, 5000), 10);
    assert_int_equal(fiber_group_join(w->f, DEADLINE_NEVER, &group), ERR_OK);
    assert_int_equal(w->commits_done, 100);
    assert_in_range(ipc_hub_counters(w->edge).packets_sent, 1, 3);
    assert_in_range(ipc_hub_counters(w->queue).packets_sent, 1, 3);
    free(callers);
}

static void
count_gone(struct ipc_peer *peer)
{
    struct world *w = peer->state;
    assert_true(peer->is_closed);
    w->peers_gone++;
}

static void
serve_commit_with_state(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_commit *request,
                        struct arena *mem, struct ipc_message_commit_reply *ret)
{
    struct world *w = ctx;
    assert_int_equal(from->instance, 3);
    from->state = w;
    from->on_closed = count_gone;
    serve_commit(f, ctx, from, request, mem, ret);
    assert_int_equal(w->peers_gone, 0); /* never while a handler runs */
}

SCENE(a_call_ends_when_the_peer_dies_and_its_handler_goes_on)
{
    struct ipc_queue_service service = queue_service;
    service.message_commit = serve_commit_with_state;
    ipc_hub_serve(w->queue, &service, w);
    connect_both(w);
    w->is_shut = true;
    struct fiber_group group;
    struct caller *caller = spawn_callers(w, &group, 1, in_ms(w, 5000), 1);
    rest(w, 20);
    assert_int_equal(w->commits_inside, 1);
    ipc_hub_detach(w->queue, ROLE_EDGE, 3);
    assert_int_equal(fiber_group_join(w->f, in_ms(w, 5000), &group), ERR_OK);
    assert_int_equal(caller->e, ERR_CLOSED);
    assert_int_equal(caller->result, 255);
    assert_false(ipc_link_is_attached(w->to_queue));
    assert_int_equal(w->commits_inside, 1);
    assert_int_equal(w->peers_gone, 0);
    w->is_shut = false;
    cond_broadcast(&w->gate);
    rest(w, 20);
    assert_int_equal(w->commits_done, 1);
    assert_int_equal(w->peers_gone, 1);
    assert_int_equal(ipc_hub_counters(w->queue).replies_dropped, 1);
    free(caller);
}

SCENE(a_replaced_channel_still_brings_its_replies)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    connect_both(w);
    w->is_shut = true;
    struct fiber_group group;
    struct caller *caller = spawn_callers(w, &group, 1, in_ms(w, 5000), 17);
    rest(w, 20);
    struct ipc_hub *second;
    assert_int_equal(ipc_hub_new(w->rt, ROLE_QUEUE, 0, &second), ERR_OK);
    struct world other = {.rt = w->rt};
    cond_init(&other.gate);
    ipc_hub_serve(second, &queue_service, &other);
    int fds[2];
    pair(fds);
    attach(w, w->edge, ROLE_QUEUE, 0, fds[0]);
    attach(w, second, ROLE_EDGE, 3, fds[1]);
    uint8_t result;
    assert_int_equal(commit(w->f, w, in_ms(w, 5000), 2, &result), ERR_OK);
    assert_int_equal(other.commits_done, 1);
    assert_false(caller->has_returned);
    w->is_shut = false;
    cond_broadcast(&w->gate);
    assert_int_equal(fiber_group_join(w->f, in_ms(w, 5000), &group), ERR_OK);
    assert_int_equal(caller->e, ERR_OK);
    assert_int_equal(caller->result, 17);
    ipc_hub_free(w->f, second);
    free(caller);
}

SCENE(a_peer_that_answers_and_dies_has_answered)
{
    int fds[2];
    pair(fds);
    attach(w, w->edge, ROLE_QUEUE, 0, fds[0]);
    struct fiber_group group;
    struct caller *caller = spawn_callers(w, &group, 1, in_ms(w, 5000), 1);
    rest(w, 10);
    uint8_t packet[256] = {0};
    assert_true(recv(fds[1], packet, sizeof(packet), 0) > IPC_FRAME_HEADER_BYTES);
    struct span rest_of_packet = span_of(packet, sizeof(packet));
    struct ipc_frame call, reply;
    assert_int_equal(ipc_frame_take(&rest_of_packet, &call), ERR_OK);
    reply = (struct ipc_frame){IPC_FRAME_REPLY, call.type, call.call_id, 0, span_of(NULL, 1)};
    uint8_t answer[IPC_FRAME_HEADER_BYTES + 1] = {0};
    ipc_frame_put(&reply, answer);
    answer[IPC_FRAME_HEADER_BYTES] = 33;
    assert_int_equal(send(fds[1], answer, sizeof(answer), 0), (ssize_t)sizeof(answer));
    close(fds[1]);
    assert_int_equal(fiber_group_join(w->f, in_ms(w, 5000), &group), ERR_OK);
    assert_int_equal(caller->e, ERR_OK);
    assert_int_equal(caller->result, 33);
    free(caller);
}

SCENE(posts_arrive_in_order_or_are_counted)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    assert_int_equal(ipc_post_message_abort(w->to_queue, &(struct ipc_message_abort){1}), ERR_AGAIN);
    assert_int_equal(ipc_hub_counters(w->edge).posts_dropped, 1);
    connect_both(w);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(ipc_post_message_abort(w->to_queue, &(struct ipc_message_abort){i}), ERR_OK);
    rest(w, 20);
    assert_int_equal(w->uploads_seen_count, 10);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(w->uploads_seen[i], i);
}

SCENE(posts_to_a_peer_that_does_not_read_are_dropped)
{
    int fds[2];
    pair(fds);
    attach(w, w->edge, ROLE_CONTROL, 0, fds[0]);
    static const uint8_t octets[IPC_TRAIL_TRAIL_MAX];
    struct ipc_trail trail = {.id = SPAN("m"), .trail = span_of(octets, sizeof(octets))};
    size_t sent = 0;
    while (ipc_post_trail(ipc_hub_link(w->edge, ROLE_CONTROL), &trail) == ERR_OK) {
        assert_in_range(++sent, 1, 1000);
        rest(w, 0);
    }
    assert_in_range(sent, IPC_POST_QUEUE_BYTES_MAX / sizeof(octets) - 1, 64);
    assert_int_equal(ipc_hub_counters(w->edge).posts_dropped, 1);
    assert_int_equal(ipc_hub_counters(w->edge).posts_sent, sent);
    close(fds[1]);
}

static void
serve_commit_canceled(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_message_commit *request,
                      struct arena *mem, struct ipc_message_commit_reply *ret)
{
    struct world *w = ctx;
    (void)from, (void)request, (void)mem, (void)ret;
    w->commits_inside++;
    assert_int_equal(cond_wait(f, DEADLINE_NEVER, &w->gate), ERR_CANCELED);
    w->commits_inside--;
}

SCENE(a_hub_ends_its_callers_and_its_handlers)
{
    struct ipc_queue_service service = queue_service;
    service.message_commit = serve_commit_canceled;
    ipc_hub_serve(w->queue, &service, w);
    connect_both(w);
    struct fiber_group group;
    struct caller *callers = spawn_callers(w, &group, 5, in_ms(w, 5000), 1);
    rest(w, 20);
    assert_int_equal(w->commits_inside, 5);
    ipc_hub_free(w->f, w->queue);
    w->queue = NULL;
    assert_int_equal(w->commits_inside, 0);
    assert_int_equal(fiber_group_join(w->f, in_ms(w, 5000), &group), ERR_OK);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(callers[i].e, ERR_CLOSED);
    free(callers);
    callers = spawn_callers(w, &group, 1, in_ms(w, 5000), 1); /* one that waits for a channel */
    rest(w, 10);
    ipc_hub_free(w->f, w->edge);
    w->edge = NULL;
    assert_int_equal(fiber_group_join(w->f, in_ms(w, 5000), &group), ERR_OK);
    assert_int_equal(callers->e, ERR_CLOSED);
    free(callers);
}

SCENE(a_hub_that_ends_sends_its_last_answers)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    connect_both(w);
    w->is_shut = true;
    struct fiber_group group;
    struct caller *callers = spawn_callers(w, &group, 50, in_ms(w, 5000), 40);
    rest(w, 20);
    w->is_shut = false;
    cond_broadcast(&w->gate);
    while (w->commits_done < 50)
        assert_int_equal(fiber_yield(w->f), ERR_OK);
    ipc_hub_free(w->f, w->queue);
    w->queue = NULL;
    assert_int_equal(fiber_group_join(w->f, in_ms(w, 5000), &group), ERR_OK);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(callers[i].e, ERR_OK);
    free(callers);
}

struct canceled_caller {
    struct caller caller;
    struct fiber *f;
};

static void
canceled_caller_run(struct fiber *f, void *arg)
{
    struct canceled_caller *c = arg;
    c->f = f;
    caller_run(f, &c->caller);
    uint8_t result;
    assert_int_equal(commit(f, c->caller.w, DEADLINE_NEVER, 1, &result), ERR_CANCELED);
}

SCENE(a_canceled_caller_gets_out)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    connect_both(w);
    w->is_shut = true;
    struct canceled_caller c = {.caller = {.w = w, .by = DEADLINE_NEVER, .body_bytes = 1}};
    struct fiber_group group;
    fiber_group_init(&group, w->f);
    assert_int_equal(fiber_group_spawn(&group, "test.caller", canceled_caller_run, &c), ERR_OK);
    rest(w, 20);
    assert_int_equal(w->commits_inside, 1);
    fiber_cancel(c.f);
    assert_int_equal(fiber_group_join(w->f, in_ms(w, 5000), &group), ERR_OK);
    assert_int_equal(c.caller.e, ERR_CANCELED);
    w->is_shut = false;
    cond_broadcast(&w->gate);
    uint8_t result;
    assert_int_equal(commit(w->f, w, in_ms(w, 5000), 1, &result), ERR_OK);
}

/* --- descriptors ------------------------------------------------------------------------------------------------ */

static void
serve_deliver(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_deliver *request, struct arena *mem,
              struct ipc_deliver_reply *ret)
{
    (void)f, (void)ctx, (void)from;
    if (request->file < 0) {
        ret->text = SPAN("none");
        return;
    }
    char *text = arena_alloc(mem, 16);
    ssize_t n = pread(request->file, text, 16, 0);
    ret->text = span_of(text, n > 0 ? (size_t)n : 0);
    close(request->file);
}

static void
serve_local_status(struct fiber *f, void *ctx, struct ipc_peer *from, const struct ipc_role_status *request,
                   struct arena *mem, struct ipc_role_status_reply *ret)
{
    (void)f, (void)ctx, (void)from, (void)request, (void)mem, (void)ret;
}

static const struct ipc_local_service local_service = {.deliver = serve_deliver, .role_status = serve_local_status};

SCENE(descriptors_go_along)
{
    struct ipc_hub *local;
    assert_int_equal(ipc_hub_new(w->rt, ROLE_LOCAL, 0, &local), ERR_OK);
    ipc_hub_serve(local, &local_service, w);
    int fds[2];
    pair(fds);
    attach(w, w->queue, ROLE_LOCAL, 0, fds[0]);
    attach(w, local, ROLE_QUEUE, 0, fds[1]);
    int file = memfd_create("m", MFD_CLOEXEC);
    assert_int_equal(write(file, "mail", 4), 4);
    struct ipc_link *to = ipc_hub_link(w->queue, ROLE_LOCAL);
    for (int i = 0; i < 40; i++) {
        struct ipc_deliver request = {.id = SPAN("m"), .file = i % 4 == 3 ? -1 : file};
        struct ipc_deliver_reply reply;
        assert_int_equal(ipc_deliver(w->f, in_ms(w, 5000), to, &request, &w->mem, &reply), ERR_OK);
        assert_true(span_equal(reply.text, i % 4 == 3 ? SPAN("none") : SPAN("mail")));
    }
    /* A descriptor queued and never sent is closed with the channel: see play(). */
    struct ipc_deliver request = {.id = SPAN("m"), .file = file};
    struct ipc_deliver_reply reply;
    assert_int_equal(ipc_deliver(w->f, in_ms(w, 5000), to, &request, &w->mem, &reply), ERR_OK);
    assert_int_equal(fcntl(file, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC); /* ours is still ours */
    close(file);
    ipc_hub_free(w->f, local);
}

SCENE(the_parent_hands_out_channels)
{
    struct ipc_hub *parent;
    assert_int_equal(ipc_hub_new(w->rt, ROLE_PARENT, 0, &parent), ERR_OK);
    ipc_hub_serve(w->queue, &queue_service, w);
    int fds[2];
    pair(fds);
    attach(w, parent, ROLE_EDGE, 3, fds[0]);
    attach(w, w->edge, ROLE_PARENT, 0, fds[1]);
    pair(fds);
    attach(w, parent, ROLE_QUEUE, 0, fds[0]);
    attach(w, w->queue, ROLE_PARENT, 0, fds[1]);
    uint8_t result;
    for (int restarts = 0; restarts < 3; restarts++) {
        pair(fds);
        struct ipc_endpoint to_edge = {.role = ROLE_QUEUE, .instance = 0, .channel = fds[0]};
        struct ipc_endpoint to_queue = {.role = ROLE_EDGE, .instance = 3, .channel = fds[1]};
        assert_int_equal(ipc_post_endpoint(ipc_hub_link_to(parent, ROLE_EDGE, 3), &to_edge), ERR_OK);
        assert_int_equal(ipc_post_endpoint(ipc_hub_link(parent, ROLE_QUEUE), &to_queue), ERR_OK);
        close(fds[0]);
        close(fds[1]);
        assert_int_equal(commit(w->f, w, in_ms(w, 5000), 3, &result), ERR_OK);
        assert_int_equal(result, 3);
    }
    struct ipc_link *links[4];
    assert_int_equal(ipc_hub_links(parent, ROLE_EDGE, links, 4), 1);
    assert_int_equal(ipc_link_instance(links[0]), 3);
    assert_int_equal(ipc_hub_links(parent, ROLE_LOCAL, links, 4), 0);
    ipc_hub_free(w->f, parent);
}

/* --- hostile peers ---------------------------------------------------------------------------------------------- */

static size_t
put_frame(uint8_t *to, enum ipc_frame_kind kind, uint16_t type, uint32_t call_id, size_t fd_count, size_t body_bytes)
{
    struct ipc_frame frame = {kind, type, call_id, fd_count, span_of(NULL, body_bytes)};
    ipc_frame_put(&frame, to);
    memset(to + IPC_FRAME_HEADER_BYTES, 0, body_bytes);
    return IPC_FRAME_HEADER_BYTES + body_bytes;
}

static void
send_with_fds(int fd, const uint8_t *bytes, size_t len, int fd_count)
{
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    union {
        char space[CMSG_SPACE(sizeof(int) * 16)];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
        for (int i = 0; i < fd_count; i++)
            memcpy(CMSG_DATA(header) + sizeof(int) * (size_t)i, &(int){2}, sizeof(int));
    }
    assert_int_equal(sendmsg(fd, &message, 0), (ssize_t)len);
}

/* What a compromised edge sends to the queue; each ends its channel, and nothing else. */
static const struct {
    const char *name;
    enum ipc_frame_kind kind;
    uint16_t type;
    uint32_t call_id;
    size_t frame_fds;
    size_t body_bytes;
    int packet_fds;
    size_t cut; /* octets left off at the end */
} attacks[] = {
    {"unknown message", IPC_FRAME_CALL, IPC_TYPE_COUNT, 1, 0, 0, 0, 0},
    {"message of another role", IPC_FRAME_CALL, IPC_TYPE_QUEUE_CHANGE, 1, 0, 0, 0, 0},
    {"message for another role", IPC_FRAME_CALL, IPC_TYPE_RECIPIENT_CHECK, 1, 0, 0, 0, 0},
    {"parent's stop", IPC_FRAME_POST, IPC_TYPE_STOP, 0, 0, 5, 0, 0},
    {"parent's endpoint", IPC_FRAME_POST, IPC_TYPE_ENDPOINT, 0, 1, 4, 1, 0},
    {"call as a post", IPC_FRAME_POST, IPC_TYPE_MESSAGE_COMMIT, 0, 0, 14, 0, 0},
    {"post as a call", IPC_FRAME_CALL, IPC_TYPE_MESSAGE_ABORT, 1, 0, 8, 0, 0},
    {"reply without a call", IPC_FRAME_REPLY, IPC_TYPE_DELIVER, 0, 0, 6, 0, 0},
    {"reply to what only it may ask", IPC_FRAME_REPLY, IPC_TYPE_MESSAGE_COMMIT, 0, 0, 1, 0, 0},
    {"request too short", IPC_FRAME_CALL, IPC_TYPE_MESSAGE_COMMIT, 1, 0, 3, 0, 0},
    {"request too long", IPC_FRAME_POST, IPC_TYPE_MESSAGE_ABORT, 0, 0, 9, 0, 0},
    {"descriptor it has no field for", IPC_FRAME_POST, IPC_TYPE_MESSAGE_ABORT, 0, 1, 8, 1, 0},
    {"descriptor no frame claims", IPC_FRAME_POST, IPC_TYPE_MESSAGE_ABORT, 0, 0, 8, 2, 0},
    {"claimed descriptor that is not there", IPC_FRAME_POST, IPC_TYPE_MESSAGE_ABORT, 0, 1, 8, 0, 0},
    {"bye with something to say", IPC_FRAME_BYE, IPC_TYPE_MESSAGE_ABORT, 0, 0, 8, 0, 0},
    {"frame cut", IPC_FRAME_POST, IPC_TYPE_MESSAGE_ABORT, 0, 0, 8, 0, 1},
};

SCENE(a_peer_that_breaks_the_protocol_loses_its_channel)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    connect_both(w); /* instance 3 behaves */
    for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
        int fds[2];
        pair(fds);
        attach(w, w->queue, ROLE_EDGE, 4, fds[0]);
        uint8_t packet[256];
        size_t len = put_frame(packet, attacks[i].kind, attacks[i].type, attacks[i].call_id, attacks[i].frame_fds,
                               attacks[i].body_bytes);
        send_with_fds(fds[1], packet, len - attacks[i].cut, attacks[i].packet_fds);
        rest(w, 10);
        uint8_t octet;
        if (recv(fds[1], &octet, 1, 0) != 0 || ipc_hub_counters(w->queue).peer_errors != i + 1)
            fail_msg("%s: channel not closed", attacks[i].name);
        close(fds[1]);
    }
    uint8_t result;
    assert_int_equal(commit(w->f, w, in_ms(w, 5000), 1, &result), ERR_OK);
}

SCENE(a_peer_with_more_calls_than_credits_loses_its_channel)
{
    ipc_hub_serve(w->queue, &queue_service, w);
    w->is_shut = true;
    int fds[2];
    pair(fds);
    attach(w, w->queue, ROLE_EDGE, 4, fds[0]);
    uint8_t packet[64];
    for (uint32_t i = 0; i <= IPC_CREDITS; i++) {
        assert_int_equal(ipc_hub_counters(w->queue).peer_errors, 0);
        size_t len = put_frame(packet, IPC_FRAME_CALL, IPC_TYPE_MESSAGE_COMMIT, i, 0, 18);
        send_with_fds(fds[1], packet, len, 0);
        if (i % 64 == 0)
            rest(w, 1);
    }
    rest(w, 50);
    assert_int_equal(ipc_hub_counters(w->queue).peer_errors, 1);
    assert_int_equal(w->commits_inside, IPC_CREDITS);
    w->is_shut = false;
    cond_broadcast(&w->gate);
    close(fds[1]);
}

SCENE(more_posts_than_can_be_served_are_refused)
{
    struct ipc_hub *hub = w->queue; /* no service yet: posts wait */
    int fds[2];
    pair(fds);
    attach(w, hub, ROLE_EDGE, 4, fds[0]);
    uint8_t packet[4 * 1024];
    size_t each = IPC_FRAME_HEADER_BYTES + 8, per_packet = sizeof(packet) / each, sent = 0;
    while (sent < IPC_POSTS_SERVED_MAX + 100) {
        for (size_t i = 0; i < per_packet; i++)
            put_frame(packet + i * each, IPC_FRAME_POST, IPC_TYPE_MESSAGE_ABORT, 0, 0, 8);
        send_with_fds(fds[1], packet, per_packet * each, 0);
        sent += per_packet;
        rest(w, 1);
    }
    assert_int_equal(ipc_hub_counters(hub).posts_refused, sent - IPC_POSTS_SERVED_MAX);
    assert_int_equal(ipc_hub_counters(hub).peer_errors, 0);
    ipc_hub_serve(hub, &queue_service, w);
    rest(w, 10);
    assert_int_equal(w->uploads_seen_count, ARRAY_LEN(w->uploads_seen));
    close(fds[1]);
}

/* What a compromised queue answers to an edge's commit. */
static const struct {
    const char *name;
    enum ipc_frame_kind kind;
    uint16_t type;
    uint32_t id_change;
    size_t body_bytes;
    uint8_t first;
    enum err expected; /* what the caller gets */
} answers[] = {
    {"good", IPC_FRAME_REPLY, IPC_TYPE_MESSAGE_COMMIT, 0, 1, 0, ERR_OK},
    {"no memory", IPC_FRAME_REFUSAL, IPC_TYPE_MESSAGE_COMMIT, 0, 1, ERR_LIMIT, ERR_LIMIT},
    {"refusal with nonsense", IPC_FRAME_REFUSAL, IPC_TYPE_MESSAGE_COMMIT, 0, 1, ERR_OK, ERR_CLOSED},
    {"refusal without reason", IPC_FRAME_REFUSAL, IPC_TYPE_MESSAGE_COMMIT, 0, 0, 0, ERR_CLOSED},
    {"too long", IPC_FRAME_REPLY, IPC_TYPE_MESSAGE_COMMIT, 0, 2, 0, ERR_PROTOCOL},
    {"empty", IPC_FRAME_REPLY, IPC_TYPE_MESSAGE_COMMIT, 0, 0, 0, ERR_PROTOCOL},
    {"to another message", IPC_FRAME_REPLY, IPC_TYPE_MESSAGE_CHUNK, 0, 1, 0, ERR_CLOSED},
    {"to another call", IPC_FRAME_REPLY, IPC_TYPE_MESSAGE_COMMIT, 1, 1, 0, ERR_CLOSED},
    {"to an earlier call of the slot", IPC_FRAME_REPLY, IPC_TYPE_MESSAGE_COMMIT, (uint32_t)-IPC_CREDITS, 1, 0,
     ERR_CLOSED},
};

SCENE(an_answer_that_makes_no_sense_ends_the_call)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        int fds[2];
        pair(fds);
        attach(w, w->edge, ROLE_QUEUE, 0, fds[0]);
        struct fiber_group group;
        struct caller *caller = spawn_callers(w, &group, 1, in_ms(w, 5000), 1);
        rest(w, 10);
        uint8_t packet[256] = {0}, answer[64];
        assert_true(recv(fds[1], packet, sizeof(packet), 0) > 0);
        struct span row = span_of(packet, sizeof(packet));
        struct ipc_frame call;
        assert_int_equal(ipc_frame_take(&row, &call), ERR_OK);
        size_t len = put_frame(answer, answers[i].kind, answers[i].type, call.call_id + answers[i].id_change, 0,
                               answers[i].body_bytes);
        if (answers[i].body_bytes > 0)
            answer[IPC_FRAME_HEADER_BYTES] = answers[i].first;
        send_with_fds(fds[1], answer, len, 0);
        assert_int_equal(fiber_group_join(w->f, in_ms(w, 5000), &group), ERR_OK);
        if (caller->e != answers[i].expected)
            fail_msg("%s: %s", answers[i].name, err_name(caller->e));
        assert_int_equal(caller->result, caller->e == ERR_OK ? 0 : 255);
        free(caller);
        close(fds[1]);
        rest(w, 5);
    }
    assert_int_equal(ipc_hub_counters(w->edge).peer_errors, ARRAY_LEN(answers) - 2);
}

/* --- reports ---------------------------------------------------------------------------------------------------- */

static void
note_closed(void *ctx, const struct ipc_closed *closed)
{
    *(struct ipc_closed *)ctx = *closed;
}

SCENE(the_end_of_a_channel_is_reported)
{
    struct ipc_closed closed = {.role = ROLE_WEB};
    ipc_hub_on_closed(w->queue, note_closed, &closed);
    int fds[2];
    pair(fds);
    attach(w, w->queue, ROLE_EDGE, 7, fds[0]);
    close(fds[1]);
    rest(w, 10);
    assert_int_equal(closed.role, ROLE_EDGE);
    assert_int_equal(closed.instance, 7);
    assert_int_equal(closed.why, ERR_CLOSED);
    assert_false(closed.was_replaced);
    assert_false(closed.was_orderly);
    pair(fds);
    attach(w, w->queue, ROLE_EDGE, 8, fds[0]);
    uint8_t packet[64];
    send_with_fds(fds[1], packet, put_frame(packet, IPC_FRAME_POST, IPC_TYPE_MESSAGE_ABORT, 0, 0, 9), 0);
    rest(w, 10);
    assert_int_equal(closed.instance, 8);
    assert_int_equal(closed.why, ERR_PROTOCOL);
    assert_string_equal(closed.message_name, "message_abort");
    close(fds[1]);
    /* One that ends in order says so. */
    connect_both(w);
    ipc_hub_free(w->f, w->edge);
    w->edge = NULL;
    rest(w, 10);
    assert_int_equal(closed.instance, 3);
    assert_int_equal(closed.why, ERR_CLOSED);
    assert_true(closed.was_orderly);
    ipc_hub_on_closed(w->queue, NULL, NULL);
}

static void
nothing_play(struct world *w)
{
    (void)w;
}

/* libuv keeps what the first loop of a process opens. */
static int
warm_up(void **state)
{
    (void)state;
    struct scene scene = {.play = nothing_play};
    struct rt *rt;
    if (rt_real_new(NULL, &rt) != ERR_OK || rt_real_run(rt, run_scene, &scene) != ERR_OK)
        return -1;
    rt_real_free(rt);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_answered),
        cmocka_unit_test(replies_bring_texts_and_lists),
        cmocka_unit_test(what_exceeds_the_table_is_not_sent),
        cmocka_unit_test(a_call_waits_for_a_channel_and_gives_up_unsent),
        cmocka_unit_test(a_request_waits_for_the_service),
        cmocka_unit_test(a_late_reply_is_dropped_and_its_credit_comes_back),
        cmocka_unit_test(out_of_credit_callers_wait),
        cmocka_unit_test(large_requests_of_many_are_all_answered),
        cmocka_unit_test(frames_of_one_turn_share_a_packet),
        cmocka_unit_test(a_call_ends_when_the_peer_dies_and_its_handler_goes_on),
        cmocka_unit_test(a_replaced_channel_still_brings_its_replies),
        cmocka_unit_test(a_peer_that_answers_and_dies_has_answered),
        cmocka_unit_test(posts_arrive_in_order_or_are_counted),
        cmocka_unit_test(posts_to_a_peer_that_does_not_read_are_dropped),
        cmocka_unit_test(a_hub_ends_its_callers_and_its_handlers),
        cmocka_unit_test(a_hub_that_ends_sends_its_last_answers),
        cmocka_unit_test(a_canceled_caller_gets_out),
        cmocka_unit_test(descriptors_go_along),
        cmocka_unit_test(the_parent_hands_out_channels),
        cmocka_unit_test(a_peer_that_breaks_the_protocol_loses_its_channel),
        cmocka_unit_test(a_peer_with_more_calls_than_credits_loses_its_channel),
        cmocka_unit_test(more_posts_than_can_be_served_are_refused),
        cmocka_unit_test(an_answer_that_makes_no_sense_ends_the_call),
        cmocka_unit_test(the_end_of_a_channel_is_reported),
    };
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
