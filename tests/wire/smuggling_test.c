/*
 * smuggling_test.c - nothing but CRLF.CRLF ends a message: requirements 46 to 48; CVE-2023-51764 to -51766.
 *
 * Not a list of known attacks but all of them: every sequence of up to six of CR, LF, dot, NUL and a letter between a
 * body and a second, smuggled transaction. What the server may do with each is said by a model of ten lines written
 * from RFC 5321 §4.1.1.4 and 4.5.2.
 */
#include "wire_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const uint8_t alphabet[] = {'\r', '\n', '.', '\0', 'a'};

enum { SEQUENCE_MAX = 6, ALPHABET = sizeof(alphabet), WRITE_RANDOM_PERCENT = 5 };

static const char head[] = "s: x\r\n\r\nbody";
static const char evil[] = "MAIL FROM:<evil@evil.example>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nsmuggled\r\n.\r\n";

struct model {
    size_t ends_at;      /* octets of the stream up to and with its first CRLF.CRLF */
    bool has_flaw;       /* a bare CR, a bare LF or a NUL before that */
    uint8_t content[512]; /* unstuffed */
    size_t content_len;
};

static void
model_of(const uint8_t *s, size_t len, struct model *to)
{
    bool at_line_start = true;
    *to = (struct model){0};
    for (size_t i = 0; i < len; i++) {
        bool is_crlf_before = i >= 2 && s[i - 1] == '\n' && s[i - 2] == '\r';
        at_line_start = i == 0 || is_crlf_before;
        if (at_line_start && i + 2 < len && s[i] == '.' && s[i + 1] == '\r' && s[i + 2] == '\n') {
            to->ends_at = i + 3;
            return;
        }
        if (at_line_start && s[i] == '.')
            continue;
        to->has_flaw = to->has_flaw || s[i] == '\0' || (s[i] == '\r' && (i + 1 == len || s[i + 1] != '\n')) ||
                       (s[i] == '\n' && (i == 0 || s[i - 1] != '\r'));
        to->content[to->content_len++] = s[i];
    }
}

struct attack {
    struct wire_world *world;
    struct wire_client client;
    uint8_t stream[512];
    size_t stream_len;
    char name[64];
    uint64_t tried;
    uint64_t flawed;
};

static void
begin(struct attack *a)
{
    wire_talk(&a->client, "MAIL FROM:<good@c.example>", 250);
    wire_talk(&a->client, "RCPT TO:<alice@example.test>", 250);
    wire_talk(&a->client, "DATA", 354);
}

/* Send the stream, which ends the message exactly once, at its end; then see that the session is where it should be. */
static void
attempt(struct attack *a)
{
    struct wire_world *w = a->world;
    struct model model;
    size_t accepted = w->message_count;
    model_of(a->stream, a->stream_len, &model);
    if (model.ends_at != a->stream_len)
        return; /* a true end of data in the middle: what follows are commands of the client's own */
    a->tried++;
    a->flawed += model.has_flaw;
    begin(a);
    a->client.piece = sim_random_below(sim_chance(w->sim), 100) < WRITE_RANDOM_PERCENT
                          ? 1 + (size_t)sim_random_below(sim_chance(w->sim), 7)
                          : 0;
    wire_send(&a->client, span_of(a->stream, a->stream_len));
    a->client.piece = 0;
    unsigned code = wire_take_reply(&a->client, NULL);
    bool is_refusal = code == 550 || code == 554;
    if (model.has_flaw ? !is_refusal : code != 250)
        wire_fail(w, "%s: %u", a->name, code);
    wire_talk(&a->client, "NOOP", 250);
    if (w->message_count != accepted + (model.has_flaw ? 0 : 1)) {
        wire_fail(w, "%s: %zu messages", a->name, w->message_count - accepted);
        return;
    }
    if (model.has_flaw)
        return;
    struct wire_message *m = w->messages[accepted];
    struct span should = span_of(model.content + strlen("s: x\r\n\r\n"), model.content_len - strlen("s: x\r\n\r\n"));
    if (!span_equal(buf_span(&m->body), should) || !span_equal(m->envelope.sender, SPAN("good@c.example")))
        wire_fail(w, "%s: another message", a->name);
}

static void
attack_run(struct fiber *f, void *arg)
{
    struct attack *a = arg;
    wire_connect(&a->client, a->world, f, "mx");
    wire_expect(&a->client, 220, "greeting");
    wire_talk(&a->client, "EHLO c.example", 250);
    size_t sequences = 1;
    for (int len = 1; len <= SEQUENCE_MAX; len++) {
        sequences *= ALPHABET;
        for (size_t number = 0; number < sequences && !wire_has_failed(a->world); number++) {
            /* The letter matters only where it can hide something; most sequences with two of them say nothing new. */
            size_t left = number, letters = 0, at = strlen(head);
            memcpy(a->stream, head, at);
            int n = snprintf(a->name, sizeof(a->name), "payload");
            for (int i = 0; i < len; i++, left /= ALPHABET) {
                uint8_t octet = alphabet[left % ALPHABET];
                letters += octet == 'a';
                a->stream[at++] = octet;
                n += snprintf(a->name + n, sizeof(a->name) - (size_t)n, " %02x", octet);
            }
            if (letters > 1)
                continue;
            memcpy(a->stream + at, evil, strlen(evil));
            a->stream_len = at + strlen(evil);
            attempt(a);
        }
    }
    wire_talk(&a->client, "QUIT", 221);
    wire_close(&a->client);
}

static void
test_no_sequence_smuggles(UNUSED void **unused)
{
    static struct attack a;
    a = (struct attack){
        .world = wire_world_new("limits { transactions-per-session 100000; session-time 7d; rcpt-failures 100000; }\n"
                                "history { refused-per-second 1; }",
                                1, 0)};
    wire_run(a.world, attack_run, &a);
    assert_string_equal(a.world->failure, "");
    assert_true(a.tried > 5000);
    assert_true(a.flawed > 4000 && a.flawed < a.tried);
    print_message("%llu sequences, %llu of them with a flaw\n", (unsigned long long)a.tried,
                  (unsigned long long)a.flawed);
    assert_true(wire_world_free(a.world));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_sequence_smuggles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
