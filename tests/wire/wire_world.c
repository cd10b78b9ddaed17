/* wire_world.c - the processes of the world and what their stand-ins answer. */
#include "wire_world.h"

#include "base/assert.h"
#include "config/config.h"
#include "edge/edge.h"
#include "ipc/ipc_messages.h"
#include "net/dns_client.h"
#include "net/log.h"
#include "net/role.h"
#include "net/trail.h"
#include "store/local_user.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char config_text[] =
    "hostname mx.example.test;\n"
    "postmaster alice@example.test;\n"
    "log { level debug; }\n"
    "listener mx { address 192.0.2.10:25; }\n"
    "listener lenient { address 192.0.2.10:26; early-pipelining accept; nul-in-body accept; }\n"
    "listener fixing { address 192.0.2.10:27; bare-newline normalize; early-pipelining accept; }\n"
    "listener lmtp { address unix:/run/godwit/lmtp.sock; protocol lmtp; }\n"
    "domain example.test { }\n";

static const struct {
    const char *name;
    uint16_t port; /* 0: unix */
} listener_table[] = {{"mx", 25}, {"lenient", 26}, {"fixing", 27}, {"lmtp", 0}, {"@sendmail", 0}};

static const struct stream_address server_address = {.family = ADDRESS_IPV4, .ip = {192, 0, 2, 10}};

/* One process of a role that is not the edge: its hub, and how it ends. */
struct stand_in {
    struct wire_world *world;
    enum ipc_role role;
    int channel; /* its end towards the edge */
};

void
wire_fail(struct wire_world *w, const char *format, ...)
{
    if (w->failure[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(w->failure, sizeof(w->failure), format, args);
    va_end(args);
}

bool
wire_has_failed(const struct wire_world *w)
{
    return w->failure[0] != '\0';
}

/*
 * --- stand-ins
 * ---------------------------------------------------------------------------------------------------------
 */

static void
unused_call(void)
{
    abort();
}

static enum err
rest(struct fiber *f, int64_t ns)
{
    return ns == 0 ? ERR_OK : fiber_sleep(f, deadline_in(fiber_rt(f), ns));
}

static enum recipient_status
status_of(struct span local, struct span domain)
{
    static const struct {
        const char *local;
        enum recipient_status status;
    } special[] = {
        {"alice", RECIPIENT_STATUS_OK},         {"bob", RECIPIENT_STATUS_OK},
        {"carol", RECIPIENT_STATUS_OK},         {"postmaster", RECIPIENT_STATUS_OK},
        {"full", RECIPIENT_STATUS_OVER_QUOTA},  {"disabled", RECIPIENT_STATUS_SUSPENDED},
        {"small", RECIPIENT_STATUS_TOO_BIG},    {"broken", RECIPIENT_STATUS_UNAVAILABLE},
    };
    if (domain.len > 0 && !span_equal(domain, SPAN("example.test")) &&
        !span_equal(domain, SPAN("xn--bcher-kva.example")))
        return RECIPIENT_STATUS_NOT_LOCAL;
    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (span_equal_nocase(local, span_from_cstr(special[i].local)))
            return special[i].status;
    bool is_any = span_has_prefix_nocase(local, SPAN("user")) || span_has_prefix(local, SPAN("j\xc3\xb6rg")) ||
                  span_find(local, ' ') < local.len;
    return is_any ? RECIPIENT_STATUS_OK : RECIPIENT_STATUS_UNKNOWN;
}

static void
serve_check(struct fiber *f, void *ctx, UNUSED struct ipc_peer *from, const struct ipc_recipient_check *request,
            UNUSED struct arena *mem, struct ipc_recipient_check_reply *ret)
{
    struct wire_world *w = ctx;
    w->checks++;
    if (rest(f, w->directory_delay_ns) != ERR_OK)
        return;
    if (w->directory_mood == WIRE_SILENT && fiber_sleep(f, DEADLINE_NEVER) != ERR_OK)
        return;
    ret->status = (uint8_t)status_of(request->local_part, request->domain);
    if (w->directory_mood == WIRE_GARBLED)
        ret->status = 99;
    static const struct ipc_source_ref rule = {{(const uint8_t *)"godwit.conf", 11}, 7, 1};
    ret->rule = &rule;
    ret->rule_count = 1;
}

/* Users 0 and 1000 have names, root is trusted. */
static void
serve_local_user(struct fiber *f, void *ctx, UNUSED struct ipc_peer *from, const struct ipc_local_user *request,
                 UNUSED struct arena *mem, struct ipc_local_user_reply *ret)
{
    struct wire_world *w = ctx;
    if (w->directory_mood == WIRE_SILENT && fiber_sleep(f, DEADLINE_NEVER) != ERR_OK)
        return;
    ret->status = request->uid == 0 || request->uid == 1000 ? LOCAL_USER_KNOWN : LOCAL_USER_NAMELESS;
    ret->name = request->uid == 0 ? SPAN("root") : request->uid == 1000 ? SPAN("ann") : SPAN_EMPTY;
    ret->is_trusted = request->uid == 0;
}

static const struct ipc_directory_service directory_service = {
    .recipient_check = serve_check,
    .local_user = serve_local_user,
    .recipient_expand = (void *)unused_call,
    .role_status = (void *)unused_call,
    .directory_command = (void *)unused_call,
};

static struct wire_message *
message_new(void)
{
    struct wire_message *m = calloc(1, sizeof(*m));
    ASSERT(m != NULL);
    arena_init(&m->mem, 64 * 1024 * 1024);
    buf_init(&m->envelope_bytes, 64 * 1024 * 1024);
    buf_init(&m->header, 64 * 1024 * 1024);
    buf_init(&m->body, 256 * 1024 * 1024);
    return m;
}

static void
message_free(struct wire_message *m)
{
    if (m == NULL)
        return;
    arena_clear(&m->mem);
    buf_done(&m->envelope_bytes);
    buf_done(&m->header);
    buf_done(&m->body);
    free(m);
}

static struct wire_upload *
upload_find(struct wire_world *w, uint64_t number)
{
    for (size_t i = 0; i < WIRE_UPLOADS_MAX; i++)
        if (w->uploads[i].number == number)
            return &w->uploads[i];
    return NULL;
}

static void
upload_end(struct wire_upload *upload)
{
    upload->number = 0;
    upload->message = NULL;
}

static void
serve_chunk(struct fiber *f, void *ctx, UNUSED struct ipc_peer *from, const struct ipc_message_chunk *request,
            UNUSED struct arena *mem, struct ipc_message_chunk_reply *ret)
{
    struct wire_world *w = ctx;
    if (w->queue_mood == WIRE_SILENT && fiber_sleep(f, DEADLINE_NEVER) != ERR_OK)
        return;
    struct wire_upload *upload = upload_find(w, request->upload);
    if (upload == NULL) {
        upload = upload_find(w, 0);
        ASSERT(upload != NULL);
        *upload = (struct wire_upload){request->upload, message_new()};
    }
    struct wire_message *m = upload->message;
    struct buf *part = request->part == MESSAGE_PART_ENVELOPE ? &m->envelope_bytes
                       : request->part == MESSAGE_PART_HEADER ? &m->header
                                                              : &m->body;
    ASSERT(buf_append(part, request->data) == ERR_OK);
    w->chunks++;
    ret->result = (uint8_t)w->chunk_result;
}

static void
serve_commit(struct fiber *f, void *ctx, UNUSED struct ipc_peer *from, const struct ipc_message_commit *request,
             UNUSED struct arena *mem, struct ipc_message_commit_reply *ret)
{
    struct wire_world *w = ctx;
    ret->result = COMMIT_FAULT;
    if (rest(f, w->commit_delay_ns) != ERR_OK)
        return;
    if (w->queue_mood == WIRE_SILENT && fiber_sleep(f, DEADLINE_NEVER) != ERR_OK)
        return;
    struct wire_message *m;
    if (request->upload == 0) {
        m = message_new();
    } else {
        struct wire_upload *upload = upload_find(w, request->upload);
        if (upload == NULL)
            return;
        m = upload->message;
        upload_end(upload);
    }
    ASSERT(buf_append(&m->envelope_bytes, request->envelope) == ERR_OK);
    ASSERT(buf_append(&m->header, request->header) == ERR_OK);
    ASSERT(buf_append(&m->body, request->body) == ERR_OK);
    ret->result = (uint8_t)w->commit_result;
    if (w->commit_result != COMMIT_DURABLE) {
        message_free(m);
        return;
    }
    ASSERT(envelope_decode(buf_span(&m->envelope_bytes), &m->mem, &m->envelope) == ERR_OK);
    /* Its first pieces may have gone to a queue that has died since. */
    if (m->envelope.size_bytes != m->header.len + m->body.len) {
        ret->result = COMMIT_FAULT;
        message_free(m);
        return;
    }
    ASSERT(w->message_count < WIRE_MESSAGES_MAX);
    w->messages[w->message_count++] = m;
}

static void
serve_abort(UNUSED struct fiber *f, void *ctx, UNUSED struct ipc_peer *from, const struct ipc_message_abort *message,
            UNUSED struct arena *mem)
{
    struct wire_world *w = ctx;
    struct wire_upload *upload = upload_find(w, message->upload);
    w->aborts++;
    if (upload == NULL)
        return;
    message_free(upload->message);
    upload_end(upload);
}

static const struct ipc_queue_service queue_service = {
    .message_chunk = serve_chunk,
    .message_commit = serve_commit,
    .message_abort = serve_abort,
    .role_status = (void *)unused_call,
    .queue_list = (void *)unused_call,
    .queue_envelope = (void *)unused_call,
    .queue_content = (void *)unused_call,
    .queue_change = (void *)unused_call,
};

static void
append_wire_name(struct buf *to, const char *name)
{
    struct span rest_of = span_from_cstr(name), label;
    while (span_cut(rest_of, '.', &label, &rest_of)) {
        buf_append_octet(to, (uint8_t)label.len);
        buf_append(to, label);
    }
    buf_append_octet(to, (uint8_t)rest_of.len);
    buf_append(to, rest_of);
    buf_append_octet(to, 0);
}

static void
serve_lookup(struct fiber *f, void *ctx, UNUSED struct ipc_peer *from, const struct ipc_dns_lookup *request,
             struct arena *mem, struct ipc_dns_lookup_reply *ret)
{
    struct wire_world *w = ctx;
    if (w->resolver_mood == WIRE_SILENT && fiber_sleep(f, DEADLINE_NEVER) != ERR_OK)
        return;
    ret->status = DNS_STATUS_NO_NAME;
    if (w->ptr_name == NULL)
        return;
    uint8_t wire_bytes[300];
    struct buf wire;
    buf_init_fixed(&wire, wire_bytes, sizeof(wire_bytes));
    if (request->type == DNS_TYPE_PTR)
        append_wire_name(&wire, w->ptr_name);
    else
        buf_append(&wire, w->is_ptr_forged ? SPAN("\x0a\x00\x00\x01") : SPAN("\x7f\x00\x00\x01"));
    struct ipc_dns_record *record = arena_alloc(mem, sizeof(*record));
    ASSERT(record != NULL && arena_copy(mem, buf_span(&wire), &record->data));
    ret->status = DNS_STATUS_OK;
    ret->records = record;
    ret->records_count = 1;
}

static const struct ipc_resolver_service resolver_service = {.dns_lookup = serve_lookup,
                                                             .role_status = (void *)unused_call};

static void
serve_trail(UNUSED struct fiber *f, void *ctx, UNUSED struct ipc_peer *from, const struct ipc_trail *message,
            UNUSED struct arena *mem)
{
    struct wire_world *w = ctx;
    w->trail_count++;
    trail_format(message->trail, &w->trails);
}

static const struct ipc_control_service control_service = {.trail = serve_trail};

static void
stand_in_run(struct fiber *f, void *arg)
{
    struct stand_in s = *(struct stand_in *)arg;
    struct rt *rt = fiber_rt(f);
    struct ipc_hub *hub;
    struct packet_socket *socket;
    free(arg);
    ASSERT(ipc_hub_new(rt, s.role, 0, &hub) == ERR_OK);
    ASSERT(packet_socket_open(rt, s.channel, &socket) == ERR_OK);
    ASSERT(ipc_hub_attach(hub, ROLE_EDGE, 0, socket) == ERR_OK);
    if (s.role == ROLE_DIRECTORY)
        ipc_hub_serve_directory(hub, &directory_service, s.world);
    else if (s.role == ROLE_QUEUE)
        ipc_hub_serve_queue(hub, &queue_service, s.world);
    else if (s.role == ROLE_RESOLVER)
        ipc_hub_serve_resolver(hub, &resolver_service, s.world);
    else {
        ipc_hub_serve_control(hub, &control_service, s.world);
        s.world->control_hub = hub;
    }
    while (rt_wait_stop(f, DEADLINE_NEVER) == ERR_TIMEOUT)
        continue;
    ipc_hub_free(f, hub);
}

/* --- the edge ---------------------------------------------------------------------------------------------------- */

struct edge_start {
    struct wire_world *world;
    int listeners[ARRAY_LEN(listener_table)];
    struct ipc_hub *hub;
    struct role_env env;
};

static void
attach(struct wire_world *w, struct ipc_hub *hub, struct sim_process *peer, enum ipc_role role)
{
    int edge_end, peer_end;
    struct packet_socket *socket;
    struct stand_in *s = malloc(sizeof(*s));
    ASSERT(s != NULL);
    sim_packet_pair(w->sim, w->edge, &edge_end, peer, &peer_end);
    *s = (struct stand_in){w, role, peer_end};
    sim_process_start(peer, stand_in_run, s);
    ASSERT(packet_socket_open(sim_rt(w->edge), edge_end, &socket) == ERR_OK);
    ASSERT(ipc_hub_attach(hub, role, 0, socket) == ERR_OK);
}

/* A second after its end the queue is back, as the parent would see to. */
static void
restart_queue(void *arg)
{
    struct wire_world *w = arg;
    if (sim_process_is_alive(w->edge))
        attach(w, w->hub, w->queue, ROLE_QUEUE);
}

static void
queue_exited(void *arg, UNUSED struct sim_process *p, UNUSED enum sim_exit how)
{
    struct wire_world *w = arg;
    if (w->is_queue_restarting)
        sim_at(w->sim, NS_PER_S, restart_queue, w);
    w->is_queue_restarting = false;
}

/* What role_main() does when the parent says stop: the time to finish is set first. */
static void
watch_stop(struct fiber *f, void *arg)
{
    struct edge_start *start = arg;
    if (rt_wait_stop(f, DEADLINE_NEVER) == ERR_OK)
        start->env.stop_by = deadline_in(fiber_rt(f), start->world->stop_grace_ns);
}

static void
edge_main(struct fiber *f, void *arg)
{
    struct edge_start *start = arg;
    struct wire_world *w = start->world;
    struct rt *rt = fiber_rt(f);
    struct log *log = malloc(sizeof(*log));
    struct role_listener listeners[ARRAY_LEN(listener_table)];
    struct fiber_group watchers;
    ASSERT(log != NULL);
    log_init(log, rt, SPAN("edge"), 0, (struct log_options){.min_severity = LOG_DEBUG});
    for (size_t i = 0; i < ARRAY_LEN(listener_table); i++) {
        listeners[i].name = span_from_cstr(listener_table[i].name);
        ASSERT(listener_open(rt, start->listeners[i], &listeners[i].listener) == ERR_OK);
    }
    start->env = (struct role_env){
        .rt = rt,
        .config = w->config,
        .generation = 1,
        .hub = start->hub,
        .log = log,
        .listeners = listeners,
        .listener_count = ARRAY_LEN(listeners),
        .stop_by = DEADLINE_NEVER,
    };
    fiber_group_init(&watchers, f);
    ASSERT(fiber_group_spawn(&watchers, "wire.stop", watch_stop, start) == ERR_OK);
    edge_run(f, &start->env);
    fiber_group_end(f, &watchers);
    ipc_hub_free(f, start->hub);
    for (size_t i = 0; i < ARRAY_LEN(listener_table); i++)
        listener_close(listeners[i].listener);
    free(log);
    w->has_edge_ended = true;
    free(start);
}

static const struct config *
config_make(const char *more)
{
    struct config_sources sources;
    struct config_problems problems;
    struct config *config = NULL;
    struct buf text;
    buf_init(&text, 64 * 1024);
    buf_append_cstr(&text, config_text);
    bool has_resolver = more != NULL && strstr(more, "resolver") != NULL;
    buf_append_cstr(&text, has_resolver ? "" : "resolver { reverse-dns off; }\n");
    buf_append_cstr(&text, more == NULL ? "" : more);
    config_sources_init(&sources);
    config_problems_init(&problems);
    ASSERT(config_sources_from_text(&sources, SPAN("test.conf"), buf_span(&text)) == ERR_OK);
    enum err e = config_parse(&sources, &problems, &config);
    if (e != ERR_OK) {
        struct buf words;
        buf_init(&words, 64 * 1024);
        if (config_problems_print(&problems, &words) == ERR_OK)
            fprintf(stderr, SPAN_FMT "\n", SPAN_ARG(buf_span(&words)));
        abort();
    }
    config_problems_done(&problems);
    config_sources_done(&sources);
    buf_done(&text);
    return config;
}

static void
start_edge(void *arg)
{
    struct wire_world *w = arg;
    struct edge_start *start = calloc(1, sizeof(*start));
    ASSERT(start != NULL);
    start->world = w;
    for (size_t i = 0; i < ARRAY_LEN(listener_table); i++)
        start->listeners[i] = sim_fd_give(w->sim, w->listeners[i], w->edge);
    ASSERT(ipc_hub_new(sim_rt(w->edge), ROLE_EDGE, 0, &start->hub) == ERR_OK);
    attach(w, start->hub, w->directory, ROLE_DIRECTORY);
    attach(w, start->hub, w->queue, ROLE_QUEUE);
    attach(w, start->hub, w->resolver, ROLE_RESOLVER);
    attach(w, start->hub, w->control, ROLE_CONTROL);
    w->hub = start->hub;
    sim_process_on_exit(w->queue, queue_exited, w);
    sim_process_start(w->edge, edge_main, start);
}

struct wire_world *
wire_world_new(const char *config_more, uint64_t seed, int64_t edge_delay_ns)
{
    struct wire_world *w = calloc(1, sizeof(*w));
    ASSERT(w != NULL);
    w->sim = sim_world_new(seed);
    w->config = config_make(config_more);
    w->stop_grace_ns = 30 * NS_PER_S;
    buf_init(&w->trails, 16 * 1024 * 1024);
    w->edge = sim_process_new(w->sim, "edge", NULL);
    w->directory = sim_process_new(w->sim, "directory", NULL);
    w->queue = sim_process_new(w->sim, "queue", NULL);
    w->resolver = sim_process_new(w->sim, "resolver", NULL);
    w->control = sim_process_new(w->sim, "control", NULL);
    w->client = sim_process_new(w->sim, "client", NULL);
    sim_set_net(w->sim, &(struct sim_net){50 * NS_PER_US, 500 * NS_PER_US, 0, 0, 64 * 1024});
    for (size_t i = 0; i < ARRAY_LEN(listener_table); i++) {
        struct stream_address address = server_address;
        address.port = listener_table[i].port;
        w->listeners[i] = sim_listener(w->sim, listener_table[i].name, address.port == 0 ? NULL : &address);
    }
    if (edge_delay_ns == 0)
        start_edge(w);
    else
        sim_at(w->sim, edge_delay_ns, start_edge, w);
    return w;
}

static bool
has_edge_ended(void *arg)
{
    return ((struct wire_world *)arg)->has_edge_ended;
}

bool
wire_world_free(struct wire_world *w)
{
    bool is_well = true;
    if (!w->has_edge_ended) {
        rt_stop(sim_rt(w->edge));
        is_well = sim_run_until(w->sim, has_edge_ended, w, 3600 * NS_PER_S);
        if (!is_well)
            fprintf(stderr, "the edge did not end\n");
    }
    if (sim_dropped_fibers(w->sim) > 0) {
        fprintf(stderr, "%llu fibers never unwound\n", (unsigned long long)sim_dropped_fibers(w->sim));
        is_well = false;
    }
    sim_world_free(w->sim);
    for (size_t i = 0; i < w->message_count; i++)
        message_free(w->messages[i]);
    for (size_t i = 0; i < WIRE_UPLOADS_MAX; i++)
        message_free(w->uploads[i].message);
    buf_done(&w->trails);
    config_free((struct config *)(uintptr_t)w->config);
    free(w);
    return is_well;
}

void
wire_restart_queue(struct wire_world *w)
{
    sim_process_kill(w->queue);
    for (size_t i = 0; i < WIRE_UPLOADS_MAX; i++) {
        message_free(w->uploads[i].message);
        upload_end(&w->uploads[i]);
    }
    w->is_queue_restarting = true;
}

struct client_run {
    void (*fn)(struct fiber *f, void *arg);
    void *arg;
    bool has_ended;
};

static void
client_main(struct fiber *f, void *arg)
{
    struct client_run *run = arg;
    run->fn(f, run->arg);
    run->has_ended = true;
}

static bool
has_client_ended(void *arg)
{
    return ((struct client_run *)arg)->has_ended;
}

void
wire_run(struct wire_world *w, void (*fn)(struct fiber *f, void *arg), void *arg)
{
    struct client_run run = {fn, arg, false};
    ASSERT(fiber_spawn(sim_rt(w->client), "wire.client", client_main, &run, NULL) == ERR_OK);
    if (!sim_run_until(w->sim, has_client_ended, &run, 24 * 3600 * NS_PER_S)) {
        wire_fail(w, "the client did not end");
        sim_process_kill(w->client);
        sim_run_for(w->sim, NS_PER_S);
    }
}

void
wire_settle(struct wire_world *w, int64_t for_ns)
{
    sim_run_for(w->sim, for_ns);
}

/* --- clients ----------------------------------------------------------------------------------------------------- */

void
wire_connect(struct wire_client *c, struct wire_world *w, struct fiber *f, const char *listener)
{
    *c = (struct wire_client){.world = w, .f = f, .patience_ns = 120 * NS_PER_S};
    buf_init(&c->input, 1024 * 1024);
    buf_init(&c->line, 1024 * 1024);
    struct deadline by = deadline_in(fiber_rt(f), 10 * NS_PER_S);
    enum err e = ERR_NOT_FOUND;
    for (size_t i = 0; i < ARRAY_LEN(listener_table); i++) {
        if (strcmp(listener_table[i].name, listener) != 0)
            continue;
        struct stream_address address = server_address;
        address.port = listener_table[i].port;
        e = address.port == 0 ? stream_connect_unix(f, by, listener, &c->stream)
                              : stream_connect(f, by, &address, NULL, &c->stream);
    }
    if (e != ERR_OK)
        wire_fail(w, "cannot connect to %s: %s", listener, err_name(e));
}

void
wire_close(struct wire_client *c)
{
    stream_close(c->stream);
    c->stream = NULL;
    buf_done(&c->input);
    buf_done(&c->line);
}

void
wire_abort(struct wire_client *c)
{
    stream_abort(c->stream);
    c->stream = NULL;
    buf_done(&c->input);
    buf_done(&c->line);
}

void
wire_send(struct wire_client *c, struct span bytes)
{
    while (bytes.len > 0 && c->stream != NULL) {
        size_t n = c->piece == 0 || c->piece > bytes.len ? bytes.len : c->piece;
        enum err e = stream_write(c->f, deadline_in(fiber_rt(c->f), c->patience_ns), c->stream, span_first(bytes, n));
        if (e == ERR_CLOSED)
            return; /* what the server has said before it closed can still be read */
        if (e != ERR_OK) {
            wire_fail(c->world, "cannot send: %s", err_name(e));
            return;
        }
        bytes = span_skip(bytes, n);
        if (c->pause_ns > 0 && rest(c->f, c->pause_ns) != ERR_OK)
            return;
    }
}

void
wire_send_line(struct wire_client *c, const char *line)
{
    struct buf text;
    buf_init(&text, 1024 * 1024);
    buf_append_cstr(&text, line);
    buf_append(&text, SPAN("\r\n"));
    wire_send(c, buf_span(&text));
    buf_done(&text);
}

/* Read more; false at the end or after too long a silence. */
static bool
read_more(struct wire_client *c)
{
    uint8_t bytes[4096];
    size_t n;
    if (c->stream == NULL || c->is_closed)
        return false;
    enum err e = stream_read(c->f, deadline_in(fiber_rt(c->f), c->patience_ns), c->stream, bytes, sizeof(bytes), &n);
    c->is_closed = e == ERR_CLOSED;
    if (e != ERR_OK)
        return false;
    ASSERT(buf_append(&c->input, span_of(bytes, n)) == ERR_OK);
    return true;
}

/* Requirements 5 and 20 hold for every line of every test. */
static void
check_line(struct wire_client *c, struct span line)
{
    if (line.len + 2 > 512)
        wire_fail(c->world, "reply line of %zu octets", line.len + 2);
    bool has_code = line.len >= 3 && line.data[0] >= '2' && line.data[0] <= '5' && line.data[1] >= '0' &&
                    line.data[1] <= '9' && line.data[2] >= '0' && line.data[2] <= '9' &&
                    (line.len == 3 || line.data[3] == ' ' || line.data[3] == '-');
    if (!has_code)
        wire_fail(c->world, "no reply code: " SPAN_FMT, SPAN_ARG(line));
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] < 0x20 || line.data[i] > 0x7e)
            wire_fail(c->world, "octet %02x in a reply line", line.data[i]);
}

bool
wire_take_line(struct wire_client *c, struct span *ret)
{
    static const char missing[] = "";
    *ret = span_of(missing, 0);
    for (size_t scanned = 0;;) {
        struct span input = buf_span(&c->input);
        for (size_t i = scanned; i + 1 < input.len; i++) {
            if (input.data[i] != '\r' || input.data[i + 1] != '\n')
                continue;
            buf_clear(&c->line);
            ASSERT(buf_append(&c->line, span_first(input, i)) == ERR_OK);
            buf_consume(&c->input, i + 2);
            *ret = buf_span(&c->line);
            check_line(c, *ret);
            return true;
        }
        scanned = input.len > 0 ? input.len - 1 : 0;
        if (!read_more(c))
            return false;
    }
}

unsigned
wire_take_reply(struct wire_client *c, struct span *ret_last)
{
    unsigned code = 0;
    struct span line;
    do {
        if (!wire_take_line(c, &line) || line.len < 3)
            return 0;
        unsigned here =
            (unsigned)(line.data[0] - '0') * 100 + (unsigned)(line.data[1] - '0') * 10 + (unsigned)(line.data[2] - '0');
        if (code != 0 && code != here)
            wire_fail(c->world, "two codes in one reply: %u and %u", code, here);
        code = here;
    } while (line.len > 3 && line.data[3] == '-');
    if (ret_last != NULL)
        *ret_last = line;
    return code;
}

void
wire_expect(struct wire_client *c, unsigned code, const char *what)
{
    if (wire_has_failed(c->world))
        return;
    struct span last = SPAN_EMPTY;
    unsigned is = wire_take_reply(c, &last);
    if (is != code)
        wire_fail(c->world, "%s: expected %u, got %u (" SPAN_FMT ")%s", what, code, is, SPAN_ARG(last),
                  c->is_closed ? ", closed" : "");
}

void
wire_talk(struct wire_client *c, const char *line, unsigned code)
{
    if (wire_has_failed(c->world))
        return;
    wire_send_line(c, line);
    wire_expect(c, code, line);
}

void
wire_expect_closed(struct wire_client *c)
{
    if (wire_has_failed(c->world))
        return;
    struct span line;
    if (wire_take_line(c, &line))
        wire_fail(c->world, "expected the end, got: " SPAN_FMT, SPAN_ARG(line));
    else if (!c->is_closed)
        wire_fail(c->world, "expected the end, the connection stays open");
    else if (c->input.len > 0)
        wire_fail(c->world, "half a line before the end");
}

bool
wire_matches(struct span pattern, struct span text)
{
    struct span star_pattern = SPAN_EMPTY, star_text = SPAN_EMPTY;
    bool has_star = false;
    while (text.len > 0) {
        if (pattern.len > 0 && pattern.data[0] == '*') {
            has_star = true;
            star_pattern = pattern = span_skip(pattern, 1);
            star_text = text;
        } else if (pattern.len > 0 && pattern.data[0] == text.data[0]) {
            pattern = span_skip(pattern, 1);
            text = span_skip(text, 1);
        } else if (has_star) {
            pattern = star_pattern;
            star_text = text = span_skip(star_text, 1);
        } else {
            return false;
        }
    }
    while (pattern.len > 0 && pattern.data[0] == '*')
        pattern = span_skip(pattern, 1);
    return pattern.len == 0;
}
