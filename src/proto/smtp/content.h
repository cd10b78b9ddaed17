/*
 * content.h - what was seen of a message while its octets went by: size and flaws.
 *
 * Filled by data_reader.h and bdat_reader.h, the same for every way the octets were cut into pieces.
 */
#ifndef GODWIT_PROTO_SMTP_CONTENT_H
#define GODWIT_PROTO_SMTP_CONTENT_H

#include "base/span.h"

enum smtp_content_flaw { /* bits */
    SMTP_CONTENT_BARE_CR = 1 << 0,        /* a CR that no LF follows (requirement 47) */
    SMTP_CONTENT_BARE_LF = 1 << 1,        /* an LF that no CR precedes */
    SMTP_CONTENT_NUL_IN_HEADER = 1 << 2,  /* requirement 57 */
    SMTP_CONTENT_NUL_IN_BODY = 1 << 3,
    SMTP_CONTENT_8BIT_IN_HEADER = 1 << 4, /* octets of 0x80 and above before the first empty line */
    SMTP_CONTENT_8BIT_IN_BODY = 1 << 5,
    SMTP_CONTENT_LINE_TOO_LONG = 1 << 6,  /* a line over the limit, CRLF counted, the stuffed dot not */
    SMTP_CONTENT_TOO_LARGE = 1 << 7,      /* more octets than the limit */
    SMTP_CONTENT_NO_FINAL_CRLF = 1 << 8,  /* BDAT only: the last line has no end */
};

struct smtp_content_limits {
    uint64_t size_max_bytes; /* of content, stuffing not counted; 0: none */
    uint32_t line_max_bytes; /* of one line with its CRLF; 0: none */
    unsigned stop_flaws;     /* flaws after which content is still read and judged but no longer handed out */
};

struct smtp_content {
    uint64_t size_bytes; /* octets of content so far, handed out or not; what a stored copy would take */
    unsigned flaws;      /* enum smtp_content_flaw, or-ed */
};

/* How the scan stands between two pieces. Private to the readers. */
struct smtp_content_scan {
    struct smtp_content content;
    struct smtp_content_limits limits;
    uint64_t line_bytes; /* of the current line so far */
    bool is_body;        /* the first empty line has passed */
    bool after_cr;       /* the last octet was a CR */
};

#endif
