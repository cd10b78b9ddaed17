/* received.c - clauses as words, folded between them. */
#include "proto/msg/received.h"

#include "base/assert.h"
#include "proto/addr/path.h"
#include "text/ascii.h"
#include "text/date.h"

enum {
    COLUMN_PREFERRED_MAX = 78, /* RFC 5322 §2.1.1, without CRLF */
    FOREIGN_WORD_MAX = 255,    /* octets of a word that a peer chose */
    PATH_TEXT_MAX = MAILBOX_TEXT_MAX + 2,
    LITERAL_TEXT_MAX = 64,
    DATE_TEXT_MAX = 64,
};

struct span
received_with(const struct received_protocol *p)
{
    /* [family][TLS][AUTH]; RFC 3848 and RFC 6531 §4.3 */
    enum { SMTP, ESMTP, LMTP, UTF8SMTP, UTF8LMTP };
    static const struct span keywords[][2][2] = {
        [SMTP] = {{SPAN("SMTP"), SPAN("ESMTPA")}, {SPAN("ESMTPS"), SPAN("ESMTPSA")}},
        [ESMTP] = {{SPAN("ESMTP"), SPAN("ESMTPA")}, {SPAN("ESMTPS"), SPAN("ESMTPSA")}},
        [LMTP] = {{SPAN("LMTP"), SPAN("LMTPA")}, {SPAN("LMTPS"), SPAN("LMTPSA")}},
        [UTF8SMTP] = {{SPAN("UTF8SMTP"), SPAN("UTF8SMTPA")}, {SPAN("UTF8SMTPS"), SPAN("UTF8SMTPSA")}},
        [UTF8LMTP] = {{SPAN("UTF8LMTP"), SPAN("UTF8LMTPA")}, {SPAN("UTF8LMTPS"), SPAN("UTF8LMTPSA")}},
    };
    size_t family = p->is_extended ? ESMTP : SMTP;
    if (p->is_lmtp)
        family = p->is_smtputf8 ? UTF8LMTP : LMTP;
    else if (p->is_smtputf8)
        family = UTF8SMTP;
    return keywords[family][p->is_tls][p->is_authenticated];
}

/* Writes words with a space or a fold before each. */
struct writer {
    struct buf *to;
    size_t column;
    enum err e; /* the first that happened */
};

static void
put(struct writer *w, struct span s)
{
    enum err e = buf_append(w->to, s);
    if (w->e == ERR_OK)
        w->e = e;
    w->column += s.len;
}

static void
put_fold(struct writer *w)
{
    put(w, SPAN("\r\n\t"));
    w->column = 8; /* as a tab is shown */
}

/* A word of up to three parts without space between. */
static void
put_word(struct writer *w, struct span a, struct span b, struct span c)
{
    if (w->column + 1 + a.len + b.len + c.len > COLUMN_PREFERRED_MAX)
        put_fold(w);
    else
        put(w, SPAN(" "));
    put(w, a);
    put(w, b);
    put(w, c);
}

static void
put_plain(struct writer *w, struct span word)
{
    put_word(w, word, SPAN_EMPTY, SPAN_EMPTY);
}

/* A copy of `s` in which whatever could end a word or a comment is a question mark. */
static struct span
harmless_copy(struct span s, uint8_t copy[FOREIGN_WORD_MAX])
{
    size_t len = s.len < FOREIGN_WORD_MAX ? s.len : FOREIGN_WORD_MAX;
    for (size_t i = 0; i < len; i++) {
        bool is_harmless = ascii_is(s.data[i], ASCII_CTEXT) && s.data[i] != ' ' && s.data[i] != '"' &&
                           s.data[i] != ';' && s.data[i] != '<' && s.data[i] != '>';
        copy[i] = is_harmless ? s.data[i] : '?';
    }
    return span_of(copy, len);
}

static bool
is_domain(struct span s)
{
    struct domain d;
    return domain_parse(s, false, &d) == ADDR_OK;
}

static bool
is_domain_or_literal(struct span s)
{
    struct address_literal literal;
    return is_domain(s) || address_literal_parse(s, &literal);
}

/* "from" Extended-Domain: only a real domain or literal stands for itself, the rest is told in the comment. */
static void
put_from(struct writer *w, const struct received *r)
{
    uint8_t array[LITERAL_TEXT_MAX], harmless[FOREIGN_WORD_MAX];
    struct buf literal;
    buf_init_fixed(&literal, array, sizeof(array));
    bool has_address = r->client.family != ADDRESS_LITERAL_NONE, is_helo_good = is_domain_or_literal(r->helo);
    if (has_address) {
        enum err e = address_literal_format(&r->client, &literal);
        ASSERT(e == ERR_OK);
    }
    put_plain(w, SPAN("from"));
    put_plain(w, is_helo_good ? r->helo : has_address ? buf_span(&literal) : SPAN("unknown"));
    struct span close = is_helo_good || r->helo.len == 0 ? SPAN(")") : SPAN("");
    if (has_address) {
        put_word(w, SPAN("("), is_domain(r->client_name) ? r->client_name : SPAN("unknown"), SPAN_EMPTY);
        put_word(w, buf_span(&literal), close, SPAN_EMPTY);
    }
    if (close.len == 0)
        put_word(w, has_address ? SPAN("helo=") : SPAN("(helo="), harmless_copy(r->helo, harmless), SPAN(")"));
}

/* "by", "with", "id", "for" and "tls", in the order of the grammar. */
static void
put_clauses(struct writer *w, const struct received *r)
{
    uint8_t harmless[FOREIGN_WORD_MAX], path_text[PATH_TEXT_MAX];
    put(w, SPAN("by"));
    put_plain(w, harmless_copy(r->by, harmless));
    if (r->local_user.len > 0) {
        put_word(w, SPAN("(local"), SPAN_EMPTY, SPAN_EMPTY);
        put_word(w, SPAN("user"), SPAN_EMPTY, SPAN_EMPTY);
        put_word(w, harmless_copy(r->local_user, harmless), SPAN(")"), SPAN_EMPTY);
    }
    put_plain(w, SPAN("with"));
    put_plain(w, harmless_copy(r->with, harmless));
    if (r->tls_version.len > 0) {
        bool is_alone = r->has_tls_clause || r->tls_cipher.len == 0;
        put_word(w, SPAN("("), harmless_copy(r->tls_version, harmless), is_alone ? SPAN(")") : SPAN_EMPTY);
        if (!is_alone)
            put_word(w, harmless_copy(r->tls_cipher, harmless), SPAN(")"), SPAN_EMPTY);
    }
    put_plain(w, SPAN("id"));
    put_plain(w, harmless_copy(r->id, harmless));
    if (r->for_recipient != NULL) {
        struct buf path;
        buf_init_fixed(&path, path_text, sizeof(path_text));
        const struct path recipient = {.kind = PATH_MAILBOX, .mailbox = *r->for_recipient};
        enum err e = path_format(&recipient, &path);
        ASSERT(e == ERR_OK);
        put_plain(w, SPAN("for"));
        put_plain(w, buf_span(&path));
    }
    if (r->has_tls_clause && r->tls_cipher.len > 0) {
        put_plain(w, SPAN("tls"));
        put_plain(w, harmless_copy(r->tls_cipher, harmless));
    }
}

enum err
received_format(const struct received *r, struct buf *to)
{
    size_t start = to->len;
    struct writer w = {.to = to};
    uint8_t array[DATE_TEXT_MAX];
    struct buf date;
    buf_init_fixed(&date, array, sizeof(array));
    enum err e = date_format_mail(r->wall_us, r->zone_minutes, &date);
    ASSERT(e == ERR_OK);
    put(&w, SPAN("Received:"));
    if (r->local_user.len == 0 && (r->client.family != ADDRESS_LITERAL_NONE || r->helo.len > 0)) {
        put_from(&w, r);
        put_fold(&w);
    } else {
        put(&w, SPAN(" "));
    }
    put_clauses(&w, r);
    put(&w, SPAN(";"));
    put_fold(&w);
    put(&w, buf_span(&date));
    put(&w, SPAN("\r\n"));
    if (w.e != ERR_OK)
        to->len = start;
    return w.e;
}
