/*
 * input_text.h - what a program writes into sendmail, made into the lines of a message.
 *
 * Programs end lines with LF, some with CRLF, some with CR CR LF. Out come lines that end with CRLF and nothing else:
 * CRs that are not part of a line end become a blank. Without -i a line that is a single dot ends the input. Pure; the
 * input is the caller's, of any size, cut anywhere.
 */
#ifndef GODWIT_CLI_INPUT_TEXT_H
#define GODWIT_CLI_INPUT_TEXT_H

#include "base/buf.h"

enum input_text_state {
    INPUT_TEXT_LINE_START,
    INPUT_TEXT_LINE,
    INPUT_TEXT_CR,      /* CRs were seen and not passed on yet */
    INPUT_TEXT_DOT,     /* likewise a dot at the start of a line */
    INPUT_TEXT_DOT_CR,
    INPUT_TEXT_ENDED,   /* by the line with the dot */
};

struct input_text {
    enum input_text_state state;
    bool ends_at_dot;
};

void input_text_init(struct input_text *t, bool ends_at_dot);

/* Append the lines in `in`. After the line with the dot the rest is ignored. ERR_LIMIT when `to` is full. */
NODISCARD enum err input_text_take(struct input_text *t, struct span in, struct buf *to);

/* Say that the input has ended: a last line without an end gets one. ERR_LIMIT. */
NODISCARD enum err input_text_end(struct input_text *t, struct buf *to);

#endif
