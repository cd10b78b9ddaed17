/* reply_parse.c - a line at a time; what a line claims is believed only when it agrees with the lines before. */
#include "proto/smtp/reply_parse.h"

#include "text/ascii.h"

enum { CODE_LEN = 3, STATUS_DIGITS_MAX = 3 };

void
smtp_reply_parser_init(struct smtp_reply_parser *p)
{
    *p = (struct smtp_reply_parser){0};
    buf_init(&p->line, SMTP_PEER_LINE_MAX);
    buf_init(&p->text, SMTP_PEER_TEXT_MAX);
}

void
smtp_reply_parser_done(struct smtp_reply_parser *p)
{
    if (p == NULL)
        return;
    buf_done(&p->line);
    buf_done(&p->text);
}

void
smtp_reply_parser_clear(struct smtp_reply_parser *p)
{
    buf_clear(&p->line);
    buf_clear(&p->text);
    p->code = p->lines = 0;
    memset(p->status, 0, sizeof(p->status));
    p->is_text_cut = false;
}

/* One to three digits at the start of *s. */
static bool
take_number(struct span *s, unsigned *ret)
{
    size_t n = ascii_run(*s, ASCII_DIGIT);
    if (n < 1 || n > STATUS_DIGITS_MAX)
        return false;
    unsigned value = 0;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (unsigned)(s->data[i] - '0');
    *s = span_skip(*s, n);
    *ret = value;
    return true;
}

static bool
take_dot(struct span *s)
{
    if (s->len == 0 || s->data[0] != '.')
        return false;
    *s = span_skip(*s, 1);
    return true;
}

/*
 * class "." subject "." detail and a space, or the end (RFC 2034 §4, RFC 3463 §2), at the start of *text; taken only
 * when its class is that of `code`.
 */
static bool
take_status(struct span *text, unsigned code, unsigned ret[3])
{
    struct span s = *text;
    unsigned status[3];
    if (!take_number(&s, &status[0]) || !take_dot(&s) || !take_number(&s, &status[1]) || !take_dot(&s) ||
        !take_number(&s, &status[2]) || status[0] != code / 100)
        return false;
    if (s.len > 0 && s.data[0] != ' ')
        return false;
    *text = s.len > 0 ? span_skip(s, 1) : s;
    memcpy(ret, status, sizeof(status));
    return true;
}

static void
keep_text(struct smtp_reply_parser *p, struct span text)
{
    if (p->is_text_cut)
        return;
    size_t start = p->text.len;
    bool is_kept = p->lines == 0 || buf_append_octet(&p->text, '\n') == ERR_OK;
    is_kept = is_kept && buf_append(&p->text, text) == ERR_OK;
    if (!is_kept) {
        p->text.len = start;
        p->is_text_cut = true;
    }
}

/* One line without its end. */
static enum smtp_reply_status
read_line(struct smtp_reply_parser *p, struct span line)
{
    if (line.len < CODE_LEN || !ascii_all(span_first(line, CODE_LEN), ASCII_DIGIT))
        return SMTP_REPLY_BROKEN;
    unsigned code = (unsigned)(line.data[0] - '0') * 100 + (unsigned)(line.data[1] - '0') * 10 +
                    (unsigned)(line.data[2] - '0');
    bool has_separator = line.len > CODE_LEN;
    bool is_last = !has_separator || line.data[CODE_LEN] != '-';
    if (code < 200 || code > 599 || (p->lines > 0 && code != p->code))
        return SMTP_REPLY_BROKEN;
    if (has_separator && is_last && line.data[CODE_LEN] != ' ')
        return SMTP_REPLY_BROKEN;
    struct span text = span_skip(line, CODE_LEN + (has_separator ? 1 : 0));
    unsigned status[3];
    if (take_status(&text, code, status) && p->status[0] == 0)
        memcpy(p->status, status, sizeof(status));
    keep_text(p, text);
    p->code = code;
    p->lines++;
    if (is_last)
        return SMTP_REPLY_WHOLE;
    return p->lines < SMTP_PEER_LINES_MAX ? SMTP_REPLY_MORE : SMTP_REPLY_BROKEN;
}

enum smtp_reply_status
smtp_reply_parser_take(struct smtp_reply_parser *p, struct span *in)
{
    enum smtp_reply_status status = SMTP_REPLY_MORE;
    while (in->len > 0 && status == SMTP_REPLY_MORE) {
        size_t lf = span_find(*in, '\n');
        bool is_whole = lf < in->len;
        struct span piece = span_first(*in, is_whole ? lf + 1 : in->len);
        if (buf_append(&p->line, piece) != ERR_OK)
            return SMTP_REPLY_BROKEN;
        *in = span_skip(*in, piece.len);
        if (!is_whole)
            break;
        struct span line = span_first(buf_span(&p->line), p->line.len - 1);
        if (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        status = read_line(p, line);
        buf_clear(&p->line);
    }
    return status;
}

struct span
smtp_reply_parser_line(const struct smtp_reply_parser *p, unsigned n)
{
    struct span line, rest = buf_span(&p->text);
    for (; n > 0; n--)
        if (!span_cut(rest, '\n', &line, &rest))
            return SPAN_EMPTY;
    return span_first(rest, span_find(rest, '\n'));
}
