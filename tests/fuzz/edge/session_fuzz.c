/*
 * session_fuzz.c - any octets as a whole conversation with a real edge: sessions, IPC and all, in a simulated world.
 *
 * The first octet chooses the listener, the second how the rest is cut into writes. The process must not stop; every
 * reply must be one (wire_world.c checks); what was accepted must be what the envelope says, and on the strict
 * listener free of bare CR, LF and of NUL. The world lives from one input to the next, much of it known to the stacks
 * of its fibers alone: under libFuzzer, which looks for leaks after each input, run with -detect_leaks=0. Built
 * without it, the last world is freed and the leak check at the exit counts.
 */
#include "../../wire/wire_world.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VISITS_MAX = 500 /* of one world, then a fresh one: what was accepted is kept */ };

static struct wire_world *world;
static unsigned visits;

struct visit {
    const char *listener;
    size_t piece;
    struct span input;
};

static void
visit_run(struct fiber *f, void *arg)
{
    struct visit *v = arg;
    struct wire_client c;
    struct span line;
    wire_connect(&c, world, f, v->listener);
    c.piece = v->piece;
    c.patience_ns = 10 * NS_PER_S;
    wire_send(&c, v->input);
    c.patience_ns = NS_PER_S;
    while (wire_take_line(&c, &line))
        continue;
    wire_close(&c);
}

static bool
is_strict(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_bare_cr = text.data[i] == '\r' && (i + 1 == text.len || text.data[i + 1] != '\n');
        bool is_bare_lf = text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r');
        if (is_bare_cr || is_bare_lf || text.data[i] == '\0')
            return false;
    }
    return true;
}

static void
check_message(struct wire_message *m, const char *listener)
{
    struct buf content;
    buf_init(&content, 64 * 1024 * 1024);
    ASSERT(buf_append(&content, buf_span(&m->header)) == ERR_OK && buf_append(&content, buf_span(&m->body)) == ERR_OK);
    ASSERT(m->envelope.recipient_count > 0);
    ASSERT(m->envelope.size_bytes == content.len);
    ASSERT(span_has_prefix(buf_span(&content), SPAN("Received: from ")));
    if (strcmp(listener, "mx") == 0)
        ASSERT(is_strict(buf_span(&content)));
    buf_done(&content);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const listeners[] = {"mx", "lenient", "fixing", "lmtp"};
    static const size_t pieces[] = {0, 0, 1, 7, 100};
    if (size < 2)
        return 0;
    if (world == NULL)
        world = wire_world_new("limits { sessions-per-address 10000; }", 1, 0);
    size_t accepted = world->message_count;
    struct visit v = {listeners[data[0] % ARRAY_LEN(listeners)], pieces[data[1] % ARRAY_LEN(pieces)],
                      span_of(data + 2, size - 2)};
    wire_run(world, visit_run, &v);
    wire_settle(world, NS_PER_S);
    for (size_t i = accepted; i < world->message_count; i++)
        check_message(world->messages[i], v.listener);
    if (wire_has_failed(world) && strncmp(world->failure, "cannot send", 11) != 0) {
        fprintf(stderr, "%s\n", world->failure);
        abort();
    }
    world->failure[0] = '\0';
    if (++visits % VISITS_MAX == 0) {
        ASSERT(wire_world_free(world));
        world = NULL;
    }
    return 0;
}

/* The last world ends with the program, and with it what it holds. */
static void __attribute__((destructor))
end_world(void)
{
    if (world != NULL && !wire_world_free(world))
        abort();
    world = NULL;
}
