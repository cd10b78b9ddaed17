/* input_text.c - one octet after the other, but for runs inside a line. */
#include "cli/input_text.h"

void
input_text_init(struct input_text *t, bool ends_at_dot)
{
    *t = (struct input_text){.state = INPUT_TEXT_LINE_START, .ends_at_dot = ends_at_dot};
}

/* Append what was held back, now that it is known not to be a line end or the end. */
static enum err
let_go(struct input_text *t, struct buf *to)
{
    enum input_text_state held = t->state;
    t->state = INPUT_TEXT_LINE;
    if (held == INPUT_TEXT_DOT || held == INPUT_TEXT_DOT_CR)
        TRY(buf_append_octet(to, '.'));
    if (held == INPUT_TEXT_CR || held == INPUT_TEXT_DOT_CR)
        TRY(buf_append_octet(to, ' '));
    return ERR_OK;
}

static bool
is_dot_line(const struct input_text *t)
{
    return t->state == INPUT_TEXT_DOT || t->state == INPUT_TEXT_DOT_CR;
}

static enum err
take_line_end(struct input_text *t, struct buf *to)
{
    if (is_dot_line(t)) {
        t->state = INPUT_TEXT_ENDED;
        return ERR_OK;
    }
    t->state = INPUT_TEXT_LINE_START;
    return buf_append(to, SPAN("\r\n"));
}

/* Take a CR or a dot that has to be held back until the next octet is known; false when it is neither. */
static bool
hold(struct input_text *t, uint8_t octet)
{
    if (octet == '.' && t->state == INPUT_TEXT_LINE_START && t->ends_at_dot)
        t->state = INPUT_TEXT_DOT;
    else if (octet == '\r') /* several in a row count as one */
        t->state = is_dot_line(t) ? INPUT_TEXT_DOT_CR : INPUT_TEXT_CR;
    else
        return false;
    return true;
}

/* How many octets at the start of `in` are neither CR nor LF. */
static size_t
run_len(struct span in)
{
    size_t lf = span_find(in, '\n');
    return span_find(span_first(in, lf), '\r');
}

enum err
input_text_take(struct input_text *t, struct span in, struct buf *to)
{
    while (in.len > 0 && t->state != INPUT_TEXT_ENDED) {
        uint8_t octet = in.data[0];
        if (octet == '\n') {
            TRY(take_line_end(t, to));
            in = span_skip(in, 1);
        } else if (hold(t, octet)) {
            in = span_skip(in, 1);
        } else {
            TRY(let_go(t, to)); /* after which a CR is held */
            size_t len = run_len(in);
            TRY(buf_append(to, span_first(in, len)));
            in = span_skip(in, len);
        }
    }
    return ERR_OK;
}

enum err
input_text_end(struct input_text *t, struct buf *to)
{
    bool is_open = t->state == INPUT_TEXT_LINE || t->state == INPUT_TEXT_CR;
    return is_open ? take_line_end(t, to) : ERR_OK;
}
