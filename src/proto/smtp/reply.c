/* reply.c - the table of replies.def, and the writer that makes lines of it. */
#include "proto/smtp/reply.h"

#include "base/assert.h"
#include "text/ascii.h"
#include "text/escape.h"

enum {
    FOREIGN_TEXT_MAX = 500,  /* octets of one argument, before escaping */
    LINE_SOFT_MAX = 400,     /* past this a line ends at the next space */
    ESCAPED_OCTET_MAX = 4,
    LINE_END_LEN = 2,
};

/* The enhanced class is that of the code, or there is no enhanced status at all. */
#define REPLY(id, name, code, class, subject, detail, ...) \
    _Static_assert((code) >= 200 && (code) <= 599 && ((class) == (code) / 100 || (class) == 0), name);
#include "proto/smtp/replies.def"
#undef REPLY

struct reply_row {
    struct span name;
    unsigned code;
    struct span status; /* "0.0.0" for none */
    struct span text;
};

static const struct reply_row rows[REPLY_COUNT] = {
    [REPLY_NONE] = {SPAN("none"), 0, SPAN("0.0.0"), SPAN("")},
#define REPLY(id, name, code, class, subject, detail, text, when) \
    [REPLY_##id] = {SPAN(name), code, SPAN(#class "." #subject "." #detail), SPAN(text)},
#include "proto/smtp/replies.def"
#undef REPLY
};

static const struct reply_row *
row_of(enum reply_id id)
{
    ASSERT((unsigned)id < REPLY_COUNT);
    return &rows[id];
}

unsigned
smtp_reply_code(enum reply_id id)
{
    return row_of(id)->code;
}

struct span
smtp_reply_status(enum reply_id id)
{
    struct span status = row_of(id)->status;
    return status.data[0] == '0' ? SPAN_EMPTY : status;
}

struct span
smtp_reply_name(enum reply_id id)
{
    return row_of(id)->name;
}

bool
smtp_reply_is_positive(enum reply_id id)
{
    return smtp_reply_code(id) / 100 == 2 || smtp_reply_code(id) / 100 == 3;
}

bool
smtp_reply_is_transient(enum reply_id id)
{
    return smtp_reply_code(id) / 100 == 4;
}

/* Writes the lines of one reply. A line is begun as if it were the last; the next one corrects that. */
struct writer {
    struct buf *to;
    const struct reply_row *row;
    size_t line_start;  /* in `to` */
    bool has_codes;     /* lines for the wire; otherwise one line of text alone */
    enum err e;         /* the first that happened */
};

static void
put(struct writer *w, struct span s)
{
    enum err e = buf_append(w->to, s);
    if (w->e == ERR_OK)
        w->e = e;
}

static void
begin_line(struct writer *w)
{
    w->line_start = w->to->len;
    if (!w->has_codes)
        return;
    uint8_t code[4] = {(uint8_t)('0' + w->row->code / 100), (uint8_t)('0' + w->row->code / 10 % 10),
                       (uint8_t)('0' + w->row->code % 10), ' '};
    put(w, span_of(code, sizeof(code)));
    if (w->row->status.data[0] != '0') {
        put(w, w->row->status);
        put(w, SPAN(" "));
    }
}

static void
next_line(struct writer *w)
{
    if (!w->has_codes) {
        put(w, SPAN(" "));
        return;
    }
    if (w->e == ERR_OK)
        w->to->data[w->line_start + 3] = '-';
    put(w, SPAN("\r\n"));
    begin_line(w);
}

/* Put one printable octet, or the escape of another. Breaks the line before it would become too long. */
static void
put_octet(struct writer *w, uint8_t octet)
{
    size_t len = w->to->len - w->line_start;
    if (w->has_codes && octet == ' ' && len > LINE_SOFT_MAX) {
        next_line(w);
        return;
    }
    if (w->has_codes && len + ESCAPED_OCTET_MAX + LINE_END_LEN > SMTP_REPLY_LINE_MAX)
        next_line(w);
    enum err e = escape_append_reply(span_of(&octet, 1), w->to);
    if (w->e == ERR_OK)
        w->e = e;
}

static void
put_text(struct writer *w, struct span s)
{
    while (s.len > 0) {
        /* Plain text on a line that is not long goes in one piece. */
        size_t len = w->to->len - w->line_start, run = len < LINE_SOFT_MAX ? ascii_run(s, ASCII_QTEXT) : 0;
        if (run > 0 && run <= LINE_SOFT_MAX - len) {
            put(w, span_first(s, run));
            s = span_skip(s, run);
        } else {
            put_octet(w, s.data[0]);
            s = span_skip(s, 1);
        }
    }
}

static void
put_foreign(struct writer *w, struct span s)
{
    if (s.len <= FOREIGN_TEXT_MAX) {
        put_text(w, s);
    } else {
        put_text(w, span_first(s, FOREIGN_TEXT_MAX));
        put_text(w, SPAN("..."));
    }
}

static void
put_number(struct writer *w, uint64_t number)
{
    uint8_t digits[20];
    struct buf b;
    buf_init_fixed(&b, digits, sizeof(digits));
    enum err e = buf_append_u64(&b, number);
    ASSERT(e == ERR_OK);
    put_text(w, buf_span(&b));
}

static void
put_reply(struct writer *w, const struct reply *r)
{
    size_t next_text = 0;
    struct span left = w->row->text, word;
    begin_line(w);
    while (left.len > 0 && w->e == ERR_OK) {
        size_t literal = 0;
        while (literal < left.len && left.data[literal] != '{' && left.data[literal] != '\n')
            literal++;
        put_text(w, span_first(left, literal));
        left = span_skip(left, literal);
        if (left.len == 0)
            break;
        bool is_word = left.data[0] == '{';
        left = span_skip(left, 1);
        if (!is_word) {
            next_line(w);
            continue;
        }
        bool is_closed = span_cut(left, '}', &word, &left);
        ASSERT(is_closed);
        if (span_has_prefix(word, SPAN("#"))) {
            put_number(w, r->number);
        } else {
            ASSERT(next_text < SMTP_REPLY_TEXTS_MAX);
            put_foreign(w, r->text[next_text++]);
        }
    }
}

static enum err
format(const struct reply *r, bool has_codes, struct buf *to)
{
    size_t start = to->len;
    struct writer w = {.to = to, .row = row_of(r->id), .has_codes = has_codes};
    put_reply(&w, r);
    if (has_codes)
        put(&w, SPAN("\r\n"));
    if (w.e != ERR_OK)
        to->len = start;
    return w.e;
}

enum err
smtp_reply_format(const struct reply *r, struct buf *to)
{
    ASSERT(r->id != REPLY_NONE);
    return format(r, true, to);
}

enum err
smtp_reply_format_text(const struct reply *r, struct buf *to)
{
    return format(r, false, to);
}
