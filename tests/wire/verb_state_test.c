/*
 * verb_state_test.c - every verb in every state: requirement 44.
 *
 * The columns were written by hand from RFC 5321 §4.3.2 and 4.1.4, RFC 3030 §2 (BDAT) and 3461 for nothing yet. After
 * each command that was refused the session must still be in the state it was in, which a second command shows.
 */
#include "wire_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum state { START, HELLO, HELLO_OLD, MAIL, RCPT, CHUNKS, CHUNKS_FAILED, STATE_COUNT };

static const char *const state_names[STATE_COUNT] = {
    "start", "after EHLO", "after HELO", "after MAIL", "after RCPT", "between chunks", "after a refused chunk"};

/* How a state is reached: lines, and the octets of chunks. */
static const char *const ways[STATE_COUNT] = {
    [START] = "",
    [HELLO] = "EHLO c.example\r\n",
    [HELLO_OLD] = "HELO c.example\r\n",
    [MAIL] = "EHLO c.example\r\n|MAIL FROM:<a@c.example>\r\n",
    [RCPT] = "EHLO c.example\r\n|MAIL FROM:<a@c.example>\r\n|RCPT TO:<alice@example.test>\r\n",
    [CHUNKS] = "EHLO c.example\r\n|MAIL FROM:<a@c.example>\r\n|RCPT TO:<alice@example.test>\r\n|BDAT 6\r\ns: x\r\n",
    [CHUNKS_FAILED] =
        "EHLO c.example\r\n|MAIL FROM:<a@c.example>\r\n|RCPT TO:<alice@example.test>\r\n|!BDAT 6\r\ns:\nx\r\n",
};

struct row {
    const char *command;          /* without its CRLF, but with the octets of a chunk */
    const char *family;           /* codes RFC 5321 §4.3.2 lists for the verb, besides 421, 500 and 501 */
    unsigned expected[STATE_COUNT];
};

static const struct row rows[] = {
    /*                                                      START  EHLO  HELO  MAIL  RCPT  CHUNKS FAILED */
    {"EHLO d.example", "250 504 550 502", {250, 250, 250, 250, 250, 250, 250}},
    {"HELO d.example", "250 504 550 502", {250, 250, 250, 250, 250, 250, 250}},
    {"EHLO", "250 504 550 502", {501, 501, 501, 501, 501, 501, 501}},
    {"MAIL FROM:<b@d.example>", "250 552 451 452 550 553 503 455 555", {503, 250, 250, 503, 503, 503, 503}},
    {"MAIL FROM:<>", "250 552 451 452 550 553 503 455 555", {503, 250, 250, 503, 503, 503, 503}},
    {"MAIL FROM:<b@d.example> SIZE=1000000000",
     "250 552 451 452 550 553 503 455 555",
     {503, 552, 555, 503, 503, 503, 503}},
    {"MAIL FROM:<b@d.example> FOO=BAR", "250 552 451 452 550 553 503 455 555", {503, 555, 555, 503, 503, 503, 503}},
    {"MAIL FROM:b@d.example", "250 552 451 452 550 553 503 455 555", {503, 501, 501, 503, 503, 503, 503}},
    {"RCPT TO:<bob@example.test>",
     "250 251 550 551 552 553 450 451 452 503 455 555",
     {503, 503, 503, 250, 250, 503, 503}},
    {"RCPT TO:<nobody@example.test>",
     "250 251 550 551 552 553 450 451 452 503 455 555",
     {503, 503, 503, 550, 550, 503, 503}},
    {"RCPT TO:<x@elsewhere.example>",
     "250 251 550 551 552 553 450 451 452 503 455 555",
     {503, 503, 503, 550, 550, 503, 503}},
    {"RCPT TO:<full@example.test>",
     "250 251 550 551 552 553 450 451 452 503 455 555",
     {503, 503, 503, 452, 452, 503, 503}},
    {"RCPT TO:<broken@example.test>",
     "250 251 550 551 552 553 450 451 452 503 455 555",
     {503, 503, 503, 451, 451, 503, 503}},
    {"RCPT TO:<>", "250 251 550 551 552 553 450 451 452 503 455 555", {503, 503, 503, 501, 501, 503, 503}},
    {"DATA", "354 250 552 554 451 452 450 550 503", {503, 503, 503, 503, 354, 503, 503}},
    {"DATA now", "354 250 552 554 451 452 450 550 503", {501, 501, 501, 501, 501, 501, 501}},
    {"BDAT 2 LAST\r\n\r\n", "250 552 554 451 452 450 550 503 502", {503, 503, 502, 503, 250, 250, 503}},
    {"BDAT 2\r\n\r\n", "250 552 554 451 452 450 550 503 502", {503, 503, 502, 503, 250, 250, 503}},
    {"RSET", "250", {250, 250, 250, 250, 250, 250, 250}},
    {"RSET now", "250", {501, 501, 501, 501, 501, 501, 501}},
    {"VRFY alice", "250 251 252 550 551 553 502 504", {252, 252, 252, 252, 252, 252, 252}},
    {"VRFY", "250 251 252 550 551 553 502 504", {501, 501, 501, 501, 501, 501, 501}},
    {"EXPN list", "250 252 550 502 504", {502, 502, 502, 502, 502, 502, 502}},
    {"HELP", "211 214 502 504", {214, 214, 214, 214, 214, 214, 214}},
    {"HELP RCPT", "211 214 502 504", {214, 214, 214, 214, 214, 214, 214}},
    {"NOOP", "250", {250, 250, 250, 250, 250, 250, 250}},
    {"NOOP now", "250", {250, 250, 250, 250, 250, 250, 250}},
    {"QUIT", "221", {221, 221, 221, 221, 221, 221, 221}},
    {"QUIT now", "221", {501, 501, 501, 501, 501, 501, 501}},
    {"STARTTLS", "502", {502, 502, 502, 502, 502, 502, 502}},
    {"AUTH PLAIN", "502", {502, 502, 502, 502, 502, 502, 502}},
    {"ETRN example.test", "502", {502, 502, 502, 502, 502, 502, 502}},
    {"TURN", "502", {502, 502, 502, 502, 502, 502, 502}},
    {"LHLO d.example", "500", {500, 500, 500, 500, 500, 500, 500}},
    {"XYZZY", "500", {500, 500, 500, 500, 500, 500, 500}},
    {"", "500", {500, 500, 500, 500, 500, 500, 500}},
};

/* What tells the states apart afterwards. */
static const char probe[] = "RCPT TO:<carol@example.test>";
static const unsigned probe_expected[STATE_COUNT] = {503, 503, 503, 250, 250, 503, 503};

/* Where a command that succeeded has led; the rest stays. */
static enum state
state_after(const struct row *row, enum state from, unsigned code)
{
    if (code >= 400 || strncmp(row->command, "NOOP", 4) == 0 || strncmp(row->command, "VRFY", 4) == 0 ||
        strncmp(row->command, "HELP", 4) == 0)
        return from;
    if (strncmp(row->command, "EHLO", 4) == 0)
        return HELLO;
    if (strncmp(row->command, "HELO", 4) == 0)
        return HELLO_OLD;
    if (strcmp(row->command, "RSET") == 0)
        return from == START || from == HELLO_OLD ? from : HELLO;
    if (strncmp(row->command, "MAIL", 4) == 0)
        return MAIL;
    if (strncmp(row->command, "RCPT", 4) == 0)
        return RCPT;
    return strstr(row->command, "LAST") != NULL ? HELLO : CHUNKS;
}

static bool
is_in_family(const char *family, unsigned code)
{
    char text[8];
    snprintf(text, sizeof(text), "%u", code);
    return code == 421 || code == 500 || code == 501 || strstr(family, text) != NULL;
}

/* Go the way to a state: pieces between bars, each with one good reply (or, after !, a bad one). */
static void
reach(struct wire_client *c, enum state state)
{
    struct span left = span_from_cstr(ways[state]), piece;
    while (left.len > 0) {
        if (!span_cut(left, '|', &piece, &left)) {
            piece = left;
            left = SPAN_EMPTY;
        }
        bool is_refused = piece.data[0] == '!';
        wire_send(c, is_refused ? span_skip(piece, 1) : piece);
        wire_expect(c, is_refused ? 550 : 250, state_names[state]);
    }
}

struct visit {
    struct wire_world *world;
    const struct row *row;
    enum state state;
};

static void
visit_run(struct fiber *f, void *arg)
{
    struct visit *v = arg;
    struct wire_client c;
    wire_connect(&c, v->world, f, "mx");
    wire_expect(&c, 220, "greeting");
    reach(&c, v->state);
    char what[200];
    snprintf(what, sizeof(what), "%s %s", v->row->command, state_names[v->state]);
    wire_send(&c, span_from_cstr(v->row->command));
    if (strncmp(v->row->command, "BDAT", 4) != 0)
        wire_send(&c, SPAN("\r\n"));
    unsigned code = wire_has_failed(v->world) ? 0 : wire_take_reply(&c, NULL);
    if (code != v->row->expected[v->state])
        wire_fail(v->world, "%s: %u, not %u", what, code, v->row->expected[v->state]);
    if (!is_in_family(v->row->family, code))
        wire_fail(v->world, "%s: %u is not among the replies of RFC 5321 §4.3.2", what, code);
    if (code == 221) {
        wire_expect_closed(&c);
    } else if (code == 354) {
        wire_send(&c, SPAN("s: x\r\n.\r\n"));
        wire_expect(&c, 250, what);
    } else {
        wire_send_line(&c, probe);
        wire_expect(&c, probe_expected[state_after(v->row, v->state, code)], what);
    }
    wire_close(&c);
}

static void
test_every_verb_in_every_state(UNUSED void **unused)
{
    struct wire_world *w = wire_world_new("limits { sessions-per-address 1000; }", 1, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int state = START; state < STATE_COUNT; state++) {
            struct visit v = {w, &rows[i], (enum state)state};
            wire_run(w, visit_run, &v);
            assert_string_equal(w->failure, "");
        }
    assert_true(wire_world_free(w));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_verb_in_every_state)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
