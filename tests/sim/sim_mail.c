/* sim_mail.c - see the header: texts, SMTP clients, counting. */
#include "sim_mail.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"

enum { TEXT_MAX = 4 * 1024 * 1024, MAILS_PER_SESSION_MAX = 4 };

#define PATIENCE_NS (330 * NS_PER_S)

/* --- texts -------------------------------------------------------------------------------------------------------- */

static void
line_append(struct buf *b, struct sim_random *r, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.0123456789 ,;";
    uint8_t *at = buf_reserve(b, len);
    ASSERT(at != NULL);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t value = sim_random_next(r);
        for (size_t j = i; j < len && j < i + 8; j++, value >>= 8)
            at[j] = (uint8_t)letters[value % 64];
    }
    buf_advance(b, len);
}

/* The text of one attempt, with CRLF or LF line ends, without dots doubled. */
static void
text_append(struct buf *b, const struct mail *mail, unsigned attempt, const char *newline)
{
    struct sim_random r = {mail->number * UINT64_C(1000) + attempt};
    (void)buf_printf(b, "X-Sim-Tag: %u.%u%sFrom: sender%u@client.example%sTo: somebody@example.org%s", mail->number,
                     attempt, newline, mail->number % 7, newline, newline);
    (void)buf_printf(b, "Date: Thu, 01 Jan 2026 00:00:00 +0000%sMessage-ID: <%u.%u@client.example>%s", newline,
                     mail->number, attempt, newline);
    (void)buf_printf(b, "Subject: mail %u%s%s", mail->number, newline, newline);
    size_t line_max = mail->size_bytes > 50000 ? 900 : 78;
    for (size_t written = 0, len; written < mail->size_bytes; written += len + 2) {
        len = (size_t)sim_random_below(&r, line_max);
        if (sim_random_chance(&r, 1, 10))
            (void)buf_append_octet(b, '.'); /* dots at the beginning are doubled on the wire */
        line_append(b, &r, len);
        (void)buf_append_cstr(b, newline);
    }
    ASSERT(buf_check(b) == ERR_OK);
}

/* As DATA wants it: dots at the beginning of lines doubled, and the end. */
static void
dots_append(struct buf *b, struct span text)
{
    struct span line, rest = text;
    while (rest.len > 0) {
        line = span_first(rest, span_find(rest, '\n') + 1);
        rest = span_skip(rest, line.len);
        if (line.data[0] == '.')
            (void)buf_append_octet(b, '.');
        (void)buf_append(b, line);
    }
    (void)buf_append(b, SPAN(".\r\n"));
    ASSERT(buf_check(b) == ERR_OK);
}

/* --- the client --------------------------------------------------------------------------------------------------- */

struct client {
    struct mail_load *load;
    struct sim_random chance;
    size_t first; /* its mails: first, first + step ... */
    size_t step;
};

struct session {
    struct fiber *f;
    struct client *client;
    struct stream *stream;
    struct buf input;
};

static struct deadline
patience(struct session *s)
{
    return deadline_in(fiber_rt(s->f), PATIENCE_NS);
}

static bool
session_send(struct session *s, struct span text)
{
    return stream_write(s->f, patience(s), s->stream, text) == ERR_OK;
}

/* One line without its line end, in s->input until it is consumed. */
static bool
line_read(struct session *s, struct span *ret)
{
    for (;;) {
        size_t end = span_find(buf_span(&s->input), '\n');
        if (end < s->input.len) {
            *ret = span_first(buf_span(&s->input), end);
            return true;
        }
        uint8_t *at = buf_reserve(&s->input, 512);
        size_t n = 0;
        if (at == NULL || stream_read(s->f, patience(s), s->stream, at, 512, &n) != ERR_OK)
            return false;
        buf_advance(&s->input, n);
    }
}

/* The code of the next reply; 0 when none came. */
static unsigned
reply_read(struct session *s)
{
    struct span line;
    uint64_t code = 0;
    bool is_last = false;
    while (!is_last) {
        if (!line_read(s, &line) || line.len < 4 || !span_to_u64(span_first(line, 3), 999, &code))
            return 0;
        is_last = line.data[3] != '-';
        buf_consume(&s->input, line.len + 1);
    }
    return (unsigned)code;
}

static void
envelope_append(struct buf *b, const struct mail_load *load, const struct mail *mail, unsigned *ret_count)
{
    (void)buf_printf(b, "MAIL FROM:<sender%u@client.example>\r\n", mail->number % 7);
    *ret_count = 0;
    for (unsigned i = 0; i < load->account_count; i++) {
        if ((mail->recipients & (1u << i)) == 0)
            continue;
        (void)buf_printf(b, "RCPT TO:<%s>\r\n", load->accounts[i]);
        ++*ret_count;
    }
}

/* Read the replies to MAIL and RCPTs. */
static bool
envelope_is_taken(struct session *s, unsigned recipients)
{
    bool is_taken = true;
    for (unsigned i = 0; i < recipients + 1; i++) {
        unsigned code = reply_read(s);
        s->client->load->refused += code == 550;
        is_taken = is_taken && code == 250;
    }
    return is_taken;
}

/* Send the commands line by line, as a client without PIPELINING does. */
static bool
envelope_send_slowly(struct session *s, struct span commands)
{
    while (commands.len > 0) {
        struct span line = span_first(commands, span_find(commands, '\n') + 1);
        if (!session_send(s, line))
            return false;
        unsigned code = reply_read(s);
        s->client->load->refused += code == 550;
        if (code != 250)
            return false;
        commands = span_skip(commands, line.len);
    }
    return true;
}

/* The content by BDAT, in one chunk or several. True when the answer to the last was 250. */
static bool
content_send_chunks(struct session *s, struct span text)
{
    struct sim_random *r = &s->client->chance;
    for (;;) {
        char command[40];
        size_t n = sim_random_chance(r, 1, 2) ? text.len : (size_t)sim_random_below(r, text.len + 1);
        bool is_last = n == text.len;
        int len = snprintf(command, sizeof(command), "BDAT %zu%s\r\n", n, is_last ? " LAST" : "");
        if (!session_send(s, span_of(command, (size_t)len)) || !session_send(s, span_first(text, n)))
            return false;
        if (reply_read(s) != 250)
            return false;
        if (is_last)
            return true;
        text = span_skip(text, n);
    }
}

/* The content by DATA, the command already sent or not. */
static bool
content_send_data(struct session *s, struct span text, bool is_announced)
{
    struct buf b;
    bool is_taken = false;
    if ((!is_announced && !session_send(s, SPAN("DATA\r\n"))) || reply_read(s) != 354)
        return false;
    buf_init(&b, TEXT_MAX);
    dots_append(&b, text);
    if (session_send(s, buf_span(&b)))
        is_taken = reply_read(s) == 250;
    buf_done(&b);
    return is_taken;
}

/* One mail in one of three styles: line by line, pipelined up to DATA, by chunks. True: acknowledged. */
static bool
mail_send(struct session *s, const struct mail *mail, struct span text)
{
    struct buf commands;
    unsigned recipients, style = (unsigned)sim_random_below(&s->client->chance, 3);
    bool is_taken;
    buf_init(&commands, 10000);
    envelope_append(&commands, s->client->load, mail, &recipients);
    if (style == 0) {
        is_taken = envelope_send_slowly(s, buf_span(&commands));
    } else {
        if (style == 1)
            (void)buf_append(&commands, SPAN("DATA\r\n"));
        is_taken = session_send(s, buf_span(&commands)) && envelope_is_taken(s, recipients);
    }
    buf_done(&commands);
    if (!is_taken)
        return false;
    return style == 2 ? content_send_chunks(s, text) : content_send_data(s, text, style == 1);
}

static bool
session_open(struct session *s)
{
    struct deadline by = deadline_in(fiber_rt(s->f), 30 * NS_PER_S);
    if (stream_connect(s->f, by, &sim_cluster_address, NULL, &s->stream) != ERR_OK)
        return false;
    return reply_read(s) == 220 && session_send(s, SPAN("EHLO client.example\r\n")) && reply_read(s) == 250;
}

static bool
mail_try(struct session *s, struct mail *mail)
{
    struct buf text;
    struct mail_attempt *attempt = &mail->attempts[mail->attempt_count];
    buf_init(&text, TEXT_MAX);
    text_append(&text, mail, mail->attempt_count++, "\r\n");
    attempt->is_acknowledged = mail_send(s, mail, buf_span(&text));
    mail->is_done = attempt->is_acknowledged;
    buf_done(&text);
    return mail->is_done;
}

/* Send what is not taken yet until a session fails or enough was sent in it. False: something is left. */
static bool
client_session(struct fiber *f, struct client *c)
{
    struct session s = {.f = f, .client = c};
    struct mail_load *load = c->load;
    uint64_t left = 1 + sim_random_below(&c->chance, MAILS_PER_SESSION_MAX);
    bool is_open, is_all = true;
    buf_init(&s.input, 100000);
    is_open = session_open(&s);
    for (size_t i = c->first; i < load->mail_count; i += c->step) {
        struct mail *mail = &load->mails[i];
        if (mail->is_done || mail->attempt_count == MAIL_ATTEMPTS_MAX)
            continue;
        if (is_open && left > 0 && mail_try(&s, mail))
            left--;
        else
            is_open = false;
        is_all = is_all && mail->is_done;
    }
    if (s.stream != NULL && is_open && session_send(&s, SPAN("QUIT\r\n")))
        (void)reply_read(&s);
    if (sim_random_chance(&c->chance, 1, 8))
        stream_abort(s.stream);
    else
        stream_close(s.stream);
    buf_done(&s.input);
    return is_all;
}

static void
client_main(struct fiber *f, void *arg)
{
    struct client *c = arg;
    while (!client_session(f, c) && !fiber_is_canceled(f)) {
        int64_t pause_ns = (int64_t)sim_random_below(&c->chance, (uint64_t)(2 * NS_PER_S));
        if (fiber_sleep(f, deadline_in(fiber_rt(f), pause_ns)) != ERR_OK)
            break;
    }
    c->load->clients_running--;
    free(c);
}

/* --- the load ----------------------------------------------------------------------------------------------------- */

/* Mostly small, sometimes too large for one commit, now and then a body file of its own. */
static size_t
size_pick(struct sim_random *r)
{
    uint64_t what = sim_random_below(r, 100);
    if (what < 80)
        return 300 + (size_t)sim_random_below(r, 4000);
    if (what < 95)
        return 30000 + (size_t)sim_random_below(r, 150000);
    return 1000000 + (size_t)sim_random_below(r, 300000);
}

static void
client_start(struct mail_load *load, size_t number, size_t clients)
{
    struct sim_world *w = sim_cluster_world(load->cluster);
    struct client *c = calloc(1, sizeof(*c));
    ASSERT(c != NULL);
    *c = (struct client){load, sim_random_split(sim_chance(w)), number, clients};
    char name[32];
    (void)snprintf(name, sizeof(name), "client.%zu", number);
    struct sim_process *p = sim_process_new(w, name, NULL);
    sim_process_set_ip(p, ADDRESS_IPV4, (const uint8_t[16]){198, 51, 100, (uint8_t)(1 + number)});
    sim_process_start(p, client_main, c);
    load->clients_running++;
}

void
mail_load_start(struct mail_load *load, struct sim_cluster *cluster, const char *const *accounts,
                size_t mail_count, unsigned clients)
{
    *load = (struct mail_load){.cluster = cluster, .accounts = accounts, .mail_count = mail_count};
    while (accounts[load->account_count] != NULL)
        load->account_count++;
    ASSERT(load->account_count <= MAIL_ACCOUNTS_MAX);
    load->mails = calloc(mail_count, sizeof(*load->mails));
    ASSERT(load->mails != NULL);
    struct sim_random *r = sim_chance(sim_cluster_world(cluster));
    for (size_t i = 0; i < mail_count; i++) {
        struct mail *mail = &load->mails[i];
        mail->number = (unsigned)i;
        mail->size_bytes = size_pick(r);
        mail->recipients = 1u << sim_random_below(r, load->account_count);
        if (sim_random_chance(r, 1, 3))
            mail->recipients |= (unsigned)sim_random_below(r, 1u << load->account_count);
    }
    for (unsigned i = 0; i < clients; i++)
        client_start(load, i, clients);
}

void
mail_load_done(struct mail_load *load)
{
    free(load->mails);
}

bool
mail_load_is_sent(void *arg)
{
    return ((struct mail_load *)arg)->clients_running == 0;
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

struct counting {
    struct mail_load *load;
    unsigned account;
};

/* Read "X-Sim-Tag: MAIL.ATTEMPT" at the beginning of a line; the text from there on. */
static bool
tag_find(struct mail_load *load, struct span content, struct mail **ret_mail, unsigned *ret_attempt,
         struct span *ret_text)
{
    while (content.len > 0) {
        struct span line, number, attempt, rest = SPAN_EMPTY;
        uint64_t m, a;
        if (!span_cut(content, '\n', &line, &rest))
            line = content;
        if (span_has_prefix(line, SPAN("X-Sim-Tag: "))) {
            if (!span_cut(span_skip(line, 11), '.', &number, &attempt) ||
                !span_to_u64(number, load->mail_count - 1, &m) ||
                !span_to_u64(attempt, load->mails[m].attempt_count - 1, &a))
                return false;
            *ret_mail = &load->mails[m];
            *ret_attempt = (unsigned)a;
            *ret_text = content;
            return true;
        }
        content = rest;
    }
    return false;
}

/* Where the first difference is, for whoever looks into it. */
static void
difference_print(const struct mail *mail, unsigned attempt, struct span got, struct span wanted)
{
    size_t at = 0, shortest = got.len < wanted.len ? got.len : wanted.len;
    while (at < shortest && got.data[at] == wanted.data[at])
        at++;
    struct span a = span_skip(got, at), b = span_skip(wanted, at);
    a = span_first(a, a.len < 40 ? a.len : 40);
    b = span_first(b, b.len < 40 ? b.len : 40);
    fprintf(stderr, "mail %u.%u: %zu octets instead of %zu, first difference at %zu: \"" SPAN_FMT "\" for \"" SPAN_FMT
                    "\"\n",
            mail->number, attempt, got.len, wanted.len, at, SPAN_ARG(a), SPAN_ARG(b));
}

static void
file_count(void *arg, struct span content)
{
    struct counting *counting = arg;
    struct mail_load *load = counting->load;
    struct mail *mail;
    unsigned attempt;
    struct span text;
    struct buf wanted;
    if (!tag_find(load, content, &mail, &attempt, &text)) {
        load->faults.damaged++;
        return;
    }
    buf_init(&wanted, TEXT_MAX);
    text_append(&wanted, mail, attempt, "\n");
    if (!span_equal(text, buf_span(&wanted))) {
        if (!load->is_quiet)
            difference_print(mail, attempt, text, buf_span(&wanted));
        load->faults.damaged++;
    } else if ((mail->recipients & (1u << counting->account)) == 0)
        load->faults.misplaced++;
    else
        mail->attempts[attempt].found[counting->account]++;
    buf_done(&wanted);
}

static void
attempt_judge(struct mail_load *load, const struct mail *mail, const struct mail_attempt *attempt, unsigned crashes)
{
    for (unsigned i = 0; i < load->account_count; i++) {
        bool is_wanted = (mail->recipients & (1u << i)) != 0;
        load->faults.lost += attempt->is_acknowledged && is_wanted && attempt->found[i] == 0;
        load->faults.repeated += attempt->found[i] > 1 + crashes;
    }
}

void
mail_load_count(struct mail_load *load, unsigned crashes)
{
    load->faults = (struct mail_faults){.refused = load->refused};
    for (size_t i = 0; i < load->mail_count; i++)
        for (unsigned j = 0; j < load->mails[i].attempt_count; j++)
            memset(load->mails[i].attempts[j].found, 0, sizeof(load->mails[i].attempts[j].found));
    for (unsigned i = 0; i < load->account_count; i++)
        sim_cluster_mailbox(load->cluster, load->accounts[i], file_count, &(struct counting){load, i});
    for (size_t i = 0; i < load->mail_count; i++) {
        const struct mail *mail = &load->mails[i];
        load->faults.unsent += !mail->is_done;
        for (unsigned j = 0; j < mail->attempt_count; j++)
            attempt_judge(load, mail, &mail->attempts[j], crashes);
    }
}

unsigned
mail_load_repeats(const struct mail_load *load)
{
    unsigned repeats = 0;
    for (size_t i = 0; i < load->mail_count; i++)
        for (unsigned j = 0; j < load->mails[i].attempt_count; j++)
            for (unsigned k = 0; k < load->account_count; k++) {
                unsigned found = load->mails[i].attempts[j].found[k];
                repeats += found > 1 ? found - 1 : 0;
            }
    return repeats;
}
