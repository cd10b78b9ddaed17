/*
 * transcript.c - run conversations written as text against a real edge.
 *
 * usage: transcript FILE...
 * A file holds cases, each begun by a line `=== NAME (requirements)`. Lines of a case:
 *
 *   # ...              a remark                       @config TEXT        more configuration (first in a case)
 *   C: text            send a line with CRLF          @listener NAME      connects anew: mx lenient fixing lmtp @sendmail
 *   C+ text            send octets without CRLF       @modes whole        not in pieces: the case is about timing
 *   C*N: text          N lines, %d counts from 1      C+*N text           octets N times
 *   S: pattern         take a reply line; * any       S*N: pattern        N of them, %d counts
 *   @late-edge NAME    (first in a case) the edge accepts only after the client has connected and sent its first octets
 *   @closed            the server has closed          @open               it has not, and says nothing
 *   @close, @abort     the client goes                @wait SECONDS       nothing happens for so long
 *   @queue MOOD        durable full busy fault silent, chunk-full         @directory MOOD   answers silent garbled
 *   @resolver MOOD     answers silent; @ptr NAME, @ptr-forged NAME        @restart-queue, @slow-queue SECONDS
 *   @uid N              (before @listener) whose process the client is
 *   @stop SECONDS      the edge is to stop, with so long to finish
 *   @messages N        so many were accepted          @trails N           so many trails were left with control
 *   @header PATTERN    a header line of the last one  @no-header PATTERN
 *   @head-size N       octets of its header section without our Received; @body-size N
 *   @body TEXT         its body, exactly              @envelope PATTERN   what describe_envelope() makes of it
 *   @trail PATTERN     a line of some trail           @message-trail PATTERN   a line of the last message's own trail
 *   @log PATTERN       a line of the edge's log       @no-log PATTERN
 *
 * Text has the escapes \r \n \0 \t \\ \xNN. What a client sends between two S: goes out in one write, and again, in
 * another run, octet by octet (large texts in pieces of random size): the replies must be the same. The exit status
 * is 0 when every case passed.
 */
#include "base/assert.h"
#include "net/trail.h"
#include "wire_world.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { CASE_LINES_MAX = 400, OCTETWISE_MAX = 6000 };

enum mode { MODE_WHOLE, MODE_PIECES };

struct step {
    unsigned line_number;
    struct span keyword; /* "C:", "S:", "@wait" */
    unsigned count;      /* of C*N and S*N; 1 */
    struct span text;
};

struct transcript_case {
    struct span name;
    unsigned line_number;
    struct step steps[CASE_LINES_MAX];
    size_t step_count;
    bool is_whole_only;
    char config[4096];
};

struct run {
    const char *file;
    const struct transcript_case *which;
    enum mode mode;
    struct wire_world *world;
    struct wire_client client;
    char first_listener[64];
    bool is_connected;
    struct buf to_send;
};

/* --- reading ----------------------------------------------------------------------------------------------------- */

static int
hex_digit(uint8_t c)
{
    return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

static void
append_unescaped(struct buf *to, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c != '\\' || i + 1 == text.len) {
            buf_append_octet(to, c);
            continue;
        }
        c = text.data[++i];
        if (c == 'x' && i + 2 < text.len) {
            buf_append_octet(to, (uint8_t)(hex_digit(text.data[i + 1]) * 16 + hex_digit(text.data[i + 2])));
            i += 2;
        } else {
            buf_append_octet(to, c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c);
        }
    }
}

/* Append `text` with %d replaced by `n`. */
static void
append_counted(struct buf *to, struct span text, unsigned n)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '%' && i + 1 < text.len && text.data[i + 1] == 'd') {
            buf_append_u64(to, n);
            i++;
        } else {
            buf_append_octet(to, text.data[i]);
        }
    }
}

static bool
parse_step(struct span line, struct step *ret)
{
    struct span word = span_first(line, span_find(line, ' '));
    struct step step = {
        .keyword = word, .count = 1, .text = line.len > word.len ? span_skip(line, word.len + 1) : SPAN_EMPTY};
    size_t star = span_find(word, '*');
    if (star < word.len && (word.data[0] == 'C' || word.data[0] == 'S')) {
        struct span digits = span_skip(word, star + 1);
        uint64_t count;
        if (digits.len > 0 && digits.data[digits.len - 1] == ':')
            digits.len--;
        if (!span_to_u64(digits, 10000000, &count))
            return false;
        step.count = (unsigned)count;
        step.keyword = word.data[0] == 'S' ? SPAN("S:") : word.data[1] == '+' ? SPAN("C+") : SPAN("C:");
    }
    *ret = step;
    return true;
}

static void
complain(const char *file, unsigned line_number, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", file, line_number, what);
    exit(65);
}

static void
add_line(const char *file, struct transcript_case *to, struct span line, unsigned line_number)
{
    struct step step;
    if (!parse_step(line, &step))
        complain(file, line_number, "cannot read this line");
    if (span_equal(step.keyword, SPAN("@config"))) {
        size_t len = strlen(to->config);
        snprintf(to->config + len, sizeof(to->config) - len, SPAN_FMT "\n", SPAN_ARG(step.text));
        return;
    }
    if (span_equal(step.keyword, SPAN("@modes"))) {
        to->is_whole_only = span_equal(step.text, SPAN("whole"));
        return;
    }
    if (to->step_count == CASE_LINES_MAX)
        complain(file, line_number, "case too long");
    step.line_number = line_number;
    to->steps[to->step_count++] = step;
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

static void
send_pending(struct run *run)
{
    struct span bytes = buf_span(&run->to_send);
    if (!run->is_connected || bytes.len == 0)
        return;
    run->client.piece = 0;
    run->client.pause_ns = 0;
    if (run->mode == MODE_PIECES) {
        bool is_large = bytes.len > OCTETWISE_MAX;
        run->client.piece = is_large ? (size_t)(1 + sim_random_below(sim_chance(run->world->sim), 3000)) : 1;
        run->client.pause_ns = is_large ? 0 : 2 * NS_PER_MS;
    }
    wire_send(&run->client, bytes);
    buf_clear(&run->to_send);
}

static void
connect_to(struct run *run, const char *listener)
{
    if (run->is_connected)
        wire_close(&run->client);
    wire_connect(&run->client, run->world, run->client.f, listener);
    run->is_connected = true;
}

/* --- looking ----------------------------------------------------------------------------------------------------- */

static struct wire_message *
last_message(struct run *run)
{
    struct wire_world *w = run->world;
    if (w->message_count == 0)
        wire_fail(w, "no message was accepted");
    return w->message_count == 0 ? NULL : w->messages[w->message_count - 1];
}

static bool
has_matching_line(struct span text, struct span pattern)
{
    while (text.len > 0) {
        size_t end = span_find(text, '\n');
        struct span line = span_first(text, end);
        if (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        if (wire_matches(pattern, line))
            return true;
        text = span_skip(text, end == text.len ? end : end + 1);
    }
    return false;
}

/* The header section with folds made one space and lines ended by LF. */
static void
append_unfolded(struct buf *to, struct span header)
{
    for (size_t i = 0; i < header.len; i++) {
        if (header.data[i] == '\r' && i + 2 < header.len && (header.data[i + 2] == ' ' || header.data[i + 2] == '\t')) {
            buf_append_octet(to, ' ');
            i += 2;
        } else if (header.data[i] != '\r')
            buf_append_octet(to, header.data[i]);
    }
}

/* Octets of the header section behind our own Received field. */
static size_t
foreign_header_size(struct span header)
{
    size_t i = 0;
    while (i < header.len) {
        i += span_find(span_skip(header, i), '\n') + 1;
        if (i >= header.len || (header.data[i] != ' ' && header.data[i] != '\t'))
            break;
    }
    return header.len - (i > header.len ? header.len : i);
}

static void
describe_envelope(const struct envelope *e, struct buf *to)
{
    buf_printf(to, "sender=<" SPAN_FMT ">", SPAN_ARG(e->sender));
    for (size_t i = 0; i < e->recipient_count; i++) {
        const struct envelope_recipient *r = &e->recipients[i];
        buf_printf(to, " to=<" SPAN_FMT ">", SPAN_ARG(r->address));
        if (r->orcpt.len > 0)
            buf_printf(to, " orcpt=" SPAN_FMT, SPAN_ARG(r->orcpt));
        if (r->notify != 0)
            buf_printf(to, " notify=%u", r->notify);
    }
    buf_printf(to, " body=%d utf8=%d ret=%d", (int)e->body, (int)e->is_smtputf8, (int)e->ret);
    if (e->account.len > 0)
        buf_printf(to, " account=" SPAN_FMT, SPAN_ARG(e->account));
    if (e->envid.len > 0)
        buf_printf(to, " envid=" SPAN_FMT, SPAN_ARG(e->envid));
    buf_printf(to,
               " protocol=" SPAN_FMT " helo=" SPAN_FMT " client=" SPAN_FMT " name=" SPAN_FMT " listener=" SPAN_FMT
               " generation=%u",
               SPAN_ARG(e->protocol), SPAN_ARG(e->helo), SPAN_ARG(e->client_address), SPAN_ARG(e->client_name),
               SPAN_ARG(e->listener), e->generation);
}

static void
fail_shown(struct run *run, const char *what, struct span is)
{
    wire_fail(run->world, "%s\n--- is\n" SPAN_FMT "---", what, (int)(is.len > 1500 ? 1500 : is.len),
              (const char *)is.data);
}

static void
check_message(struct run *run, const struct step *step, struct buf *scratch)
{
    struct wire_message *m = last_message(run);
    uint64_t number;
    if (m == NULL)
        return;
    if (span_equal(step->keyword, SPAN("@body"))) {
        append_unescaped(scratch, step->text);
        if (!span_equal(buf_span(scratch), buf_span(&m->body)))
            fail_shown(run, "another body", buf_span(&m->body));
    } else if (span_equal(step->keyword, SPAN("@envelope"))) {
        describe_envelope(&m->envelope, scratch);
        if (!wire_matches(step->text, buf_span(scratch)))
            fail_shown(run, "another envelope", buf_span(scratch));
        if (m->envelope.size_bytes != m->header.len + m->body.len)
            wire_fail(run->world, "the envelope says %llu octets", (unsigned long long)m->envelope.size_bytes);
    } else if (span_equal(step->keyword, SPAN("@message-trail"))) {
        trail_format(m->envelope.trail, scratch);
        if (!has_matching_line(buf_span(scratch), step->text))
            fail_shown(run, "no such line in the message's trail", buf_span(scratch));
    } else if (span_equal(step->keyword, SPAN("@head-size")) && span_to_u64(step->text, UINT32_MAX, &number)) {
        if (foreign_header_size(buf_span(&m->header)) != number)
            wire_fail(run->world, "header section of %zu octets", foreign_header_size(buf_span(&m->header)));
    } else if (span_equal(step->keyword, SPAN("@body-size")) && span_to_u64(step->text, UINT32_MAX, &number)) {
        if (m->body.len != number)
            wire_fail(run->world, "body of %zu octets", m->body.len);
    } else {
        bool is_wanted = span_equal(step->keyword, SPAN("@header"));
        append_unfolded(scratch, buf_span(&m->header));
        if (has_matching_line(buf_span(scratch), step->text) != is_wanted)
            fail_shown(run, is_wanted ? "no such header line" : "an unwanted header line", buf_span(scratch));
    }
}

static void
check_count(struct run *run, struct span text, size_t is, const char *what)
{
    uint64_t number;
    if (!span_to_u64(text, UINT32_MAX, &number) || number != is)
        wire_fail(run->world, "%zu %s", is, what);
}

/* --- steps ------------------------------------------------------------------------------------------------------- */

static void
set_mood(struct run *run, const struct step *step)
{
    struct wire_world *w = run->world;
    struct span mood = step->text;
    enum wire_mood silent = span_equal(mood, SPAN("silent"))    ? WIRE_SILENT
                            : span_equal(mood, SPAN("garbled")) ? WIRE_GARBLED
                                                                : WIRE_ANSWERS;
    if (span_equal(step->keyword, SPAN("@directory"))) {
        w->directory_mood = silent;
    } else if (span_equal(step->keyword, SPAN("@resolver"))) {
        w->resolver_mood = silent;
    } else {
        w->queue_mood = silent;
        w->chunk_result = span_equal(mood, SPAN("chunk-full")) ? COMMIT_FULL : COMMIT_DURABLE;
        w->commit_result = span_equal(mood, SPAN("full"))    ? COMMIT_FULL
                           : span_equal(mood, SPAN("busy"))  ? COMMIT_BUSY
                           : span_equal(mood, SPAN("fault")) ? COMMIT_FAULT
                                                             : COMMIT_DURABLE;
    }
}

static void
say_nothing(struct run *run, struct span seconds)
{
    uint64_t s = 0;
    if (!span_to_u64(seconds, 1000000, &s))
        wire_fail(run->world, "how long?");
    if (fiber_sleep(run->client.f, deadline_in(fiber_rt(run->client.f), (int64_t)s * NS_PER_S)) != ERR_OK)
        wire_fail(run->world, "the client was cancelled");
}

static void
expect_line(struct run *run, const struct step *step)
{
    for (unsigned i = 1; i <= step->count && !wire_has_failed(run->world); i++) {
        struct buf pattern;
        struct span line;
        buf_init(&pattern, 4096);
        append_counted(&pattern, step->text, i);
        if (!wire_take_line(&run->client, &line))
            wire_fail(run->world, "no reply%s; wanted " SPAN_FMT, run->client.is_closed ? ", closed" : "",
                      SPAN_ARG(buf_span(&pattern)));
        else if (!wire_matches(buf_span(&pattern), line))
            wire_fail(run->world, "got    " SPAN_FMT "\n  wanted " SPAN_FMT, SPAN_ARG(line),
                      SPAN_ARG(buf_span(&pattern)));
        buf_done(&pattern);
    }
}

static void
expect_open(struct run *run)
{
    struct span line;
    int64_t patience = run->client.patience_ns;
    run->client.patience_ns = NS_PER_S;
    if (wire_take_line(&run->client, &line))
        wire_fail(run->world, "unexpected: " SPAN_FMT, SPAN_ARG(line));
    else if (run->client.is_closed)
        wire_fail(run->world, "the server has closed");
    run->client.patience_ns = patience;
}

static void
run_directive(struct run *run, const struct step *step)
{
    struct wire_world *w = run->world;
    struct span k = step->keyword;
    struct buf scratch;
    uint64_t number;
    char name[256];
    buf_init(&scratch, 64 * 1024 * 1024);
    bool is_name = span_to_cstr(step->text, name, sizeof(name));
    if (span_equal(k, SPAN("@late-edge")))
        ASSERT(step == &run->which->steps[0]);
    else if (span_equal(k, SPAN("@listener")) && is_name)
        connect_to(run, name);
    else if (span_equal(k, SPAN("@uid")) && span_to_u64(step->text, UINT32_MAX, &number))
        sim_process_set_uid(w->client, (uint32_t)number);
    else if (span_equal(k, SPAN("@closed")))
        wire_expect_closed(&run->client);
    else if (span_equal(k, SPAN("@open")))
        expect_open(run);
    else if (span_equal(k, SPAN("@close")) || span_equal(k, SPAN("@abort"))) {
        (k.data[1] == 'c' ? wire_close : wire_abort)(&run->client);
        run->is_connected = false;
        say_nothing(run, SPAN("1"));
    } else if (span_equal(k, SPAN("@wait")))
        say_nothing(run, step->text);
    else if (span_equal(k, SPAN("@queue")) || span_equal(k, SPAN("@directory")) || span_equal(k, SPAN("@resolver")))
        set_mood(run, step);
    else if (span_equal(k, SPAN("@restart-queue")))
        wire_restart_queue(w);
    else if (span_equal(k, SPAN("@slow-queue")) && span_to_u64(step->text, 10000, &number))
        w->commit_delay_ns = (int64_t)number * NS_PER_S;
    else if (span_equal(k, SPAN("@ptr")) || span_equal(k, SPAN("@ptr-forged"))) {
        w->ptr_name = strdup(name);
        w->is_ptr_forged = k.len > 4;
    } else if (span_equal(k, SPAN("@stop")) && span_to_u64(step->text, 10000, &number)) {
        w->stop_grace_ns = (int64_t)number * NS_PER_S;
        rt_stop(sim_rt(w->edge));
    } else if (span_equal(k, SPAN("@messages")))
        check_count(run, step->text, w->message_count, "messages were accepted");
    else if (span_equal(k, SPAN("@trails")))
        check_count(run, step->text, w->trail_count, "trails were left");
    else if (span_equal(k, SPAN("@trail"))) {
        if (!has_matching_line(buf_span(&w->trails), step->text))
            fail_shown(run, "no such line in a trail", buf_span(&w->trails));
    } else if (span_equal(k, SPAN("@log")) || span_equal(k, SPAN("@no-log"))) {
        if (has_matching_line(sim_process_log(w->edge), step->text) != (k.len == 4))
            fail_shown(run, k.len == 4 ? "no such line in the log" : "an unwanted line in the log",
                       sim_process_log(w->edge));
    } else
        check_message(run, step, &scratch);
    buf_done(&scratch);
}

static void
run_step(struct run *run, const struct step *step)
{
    if (span_equal(step->keyword, SPAN("C:")) || span_equal(step->keyword, SPAN("C+"))) {
        bool is_line = step->keyword.data[1] == ':';
        for (unsigned i = 1; i <= step->count; i++) {
            struct buf counted;
            buf_init(&counted, 1024 * 1024);
            if (is_line)
                append_counted(&counted, step->text, i);
            else
                buf_append(&counted, step->text);
            append_unescaped(&run->to_send, buf_span(&counted));
            if (is_line)
                buf_append(&run->to_send, SPAN("\r\n"));
            buf_done(&counted);
        }
        return;
    }
    send_pending(run);
    if (span_equal(step->keyword, SPAN("S:")))
        expect_line(run, step);
    else
        run_directive(run, step);
}

static void
client_run(struct fiber *f, void *arg)
{
    struct run *run = arg;
    run->client.f = f;
    connect_to(run, run->first_listener);
    unsigned line_number = 0;
    for (size_t i = 0; i < run->which->step_count && !wire_has_failed(run->world); i++) {
        line_number = run->which->steps[i].line_number;
        run_step(run, &run->which->steps[i]);
    }
    if (wire_has_failed(run->world))
        fprintf(stderr, "%s:%u: %s%s: %s\n", run->file, line_number, run->mode == MODE_PIECES ? "(in pieces) " : "",
                "failed", run->world->failure);
    if (run->is_connected)
        wire_close(&run->client);
}

static bool
run_case(const char *file, const struct transcript_case *which, enum mode mode)
{
    struct run run = {.file = file, .which = which, .mode = mode};
    struct span first = which->step_count > 0 ? which->steps[0].keyword : SPAN_EMPTY;
    bool is_late = span_equal(first, SPAN("@late-edge"));
    run.world =
        wire_world_new(which->config[0] == '\0' ? NULL : which->config, 1 + (uint64_t)mode, is_late ? NS_PER_S : 0);
    snprintf(run.first_listener, sizeof(run.first_listener), SPAN_FMT,
             SPAN_ARG(is_late && which->steps[0].text.len > 0 ? which->steps[0].text : SPAN("mx")));
    sim_print_logs(run.world->sim, getenv("WIRE_LOG") != NULL);
    /* Moods that hold from the start are set before anybody connects. */
    if (span_equal(first, SPAN("@resolver")))
        set_mood(&run, &which->steps[0]);
    buf_init(&run.to_send, 512 * 1024 * 1024);
    wire_run(run.world, client_run, &run);
    buf_done(&run.to_send);
    bool has_passed = !wire_has_failed(run.world);
    wire_settle(run.world, 2 * NS_PER_S);
    char *ptr_name = (char *)(uintptr_t)run.world->ptr_name;
    struct wire_world *w = run.world;
    bool before_end = wire_has_failed(w);
    if (!wire_world_free(w) && !before_end) {
        fprintf(stderr, "%s:%u: the world did not end well\n", file, which->line_number);
        has_passed = false;
    }
    free(ptr_name);
    return has_passed;
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static unsigned failed_count, passed_count;

static void
finish_case(const char *file, const struct transcript_case *which)
{
    if (which->step_count == 0)
        return;
    bool has_passed = run_case(file, which, MODE_WHOLE);
    if (!which->is_whole_only)
        has_passed = run_case(file, which, MODE_PIECES) && has_passed;
    if (has_passed) {
        passed_count++;
    } else {
        failed_count++;
        fprintf(stderr, "FAILED " SPAN_FMT "\n", SPAN_ARG(which->name));
    }
}

static void
run_file(const char *file, const char *only)
{
    FILE *in = fopen(file, "rb");
    struct buf text;
    uint8_t bytes[4096];
    buf_init(&text, 16 * 1024 * 1024);
    if (in == NULL) {
        perror(file);
        exit(66);
    }
    for (size_t n; (n = fread(bytes, 1, sizeof(bytes), in)) > 0;)
        ASSERT(buf_append(&text, span_of(bytes, n)) == ERR_OK);
    fclose(in);

    struct transcript_case *current = calloc(1, sizeof(*current));
    struct span rest = buf_span(&text);
    ASSERT(current != NULL);
    for (unsigned line_number = 1; rest.len > 0; line_number++) {
        size_t end = span_find(rest, '\n');
        struct span line = span_first(rest, end);
        rest = span_skip(rest, end == rest.len ? end : end + 1);
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (span_has_prefix(line, SPAN("=== "))) {
            finish_case(file, current);
            memset(current, 0, sizeof(*current));
            current->name = span_skip(line, 4);
            current->line_number = line_number;
            /* Only one case, by a part of its name: for debugging. */
            if (only != NULL && strstr((const char *)line.data, only) != (const char *)line.data + 4)
                current->name = SPAN_EMPTY;
        } else if (current->name.len > 0) {
            add_line(file, current, line, line_number);
        }
    }
    finish_case(file, current);
    free(current);
    buf_done(&text);
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE...\n", argv[0]);
        return 64;
    }
    for (int i = 1; i < argc; i++)
        run_file(argv[i], getenv("WIRE_CASE"));
    printf("%u cases passed, %u failed\n", passed_count, failed_count);
    return failed_count > 0 ? 1 : passed_count == 0 ? 65 : 0;
}
