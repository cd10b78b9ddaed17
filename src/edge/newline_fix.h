/*
 * newline_fix.h - bare CR and LF made into CRLF, for listeners whose operator said that their clients write bad SMTP.
 *
 * Never on port 25 (requirement 47): the configuration refuses that. Works on content whose end was found already, so
 * it cannot change where a message ends.
 */
#ifndef GODWIT_EDGE_NEWLINE_FIX_H
#define GODWIT_EDGE_NEWLINE_FIX_H

#include "base/span.h"

struct newline_fix {
    bool is_on;
    bool after_cr; /* a CR was seen and not passed on yet */
};

/*
 * Take octets from the start of *in; *in is what is left. *ret is what to keep of them, borrowed from *in or from
 * constants. Call until *in is empty. Off, it passes everything.
 */
void newline_fix_take(struct newline_fix *n, struct span *in, struct span *ret);

/* What is left at the end of the message: CRLF for a last CR, else empty. */
struct span newline_fix_end(struct newline_fix *n);

#endif
