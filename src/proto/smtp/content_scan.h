/*
 * content_scan.h - the inner loop of data_reader and bdat_reader: size, line lengths and flaws. Private to them.
 *
 * Ordinary octets are passed over eight at a time; what may matter (CR, LF, NUL, the other octets below 0x0e, and
 * octets of 0x80 and above until the first was seen) is looked at one by one. In a header, to be inlined into both.
 */
#ifndef GODWIT_PROTO_SMTP_CONTENT_SCAN_H
#define GODWIT_PROTO_SMTP_CONTENT_SCAN_H

#include "proto/smtp/content.h"

enum { CONTENT_SCAN_ORDINARY_LEAST = 0x0e, CONTENT_SCAN_8BIT_LEAST = 0x80, CONTENT_SCAN_EMPTY_LINE_BYTES = 2 };

/* How many octets at `p` (of `n`) need no look; `high_bits` is a word of 0x80 octets when 8-bit octets do. */
static inline size_t
content_scan_skip(const uint8_t *p, size_t n, uint64_t high_bits)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, sizeof(word));
        /* Some octet is below the least, or has its high bit set. */
        if ((((word - ones * CONTENT_SCAN_ORDINARY_LEAST) & ~word & tops) | (word & high_bits)) != 0)
            break;
    }
    while (i < n && p[i] >= CONTENT_SCAN_ORDINARY_LEAST && (p[i] < CONTENT_SCAN_8BIT_LEAST || high_bits == 0))
        i++;
    return i;
}

static inline void
content_scan_flaw(struct smtp_content_scan *s, enum smtp_content_flaw flaw)
{
    s->content.flaws |= flaw;
}

/* One octet that needs a look. Whether it ends a line, with a true CRLF. */
static inline bool
content_scan_octet(struct smtp_content_scan *s, uint8_t octet)
{
    s->line_bytes++;
    if (octet == '\n' && s->after_cr) {
        s->after_cr = false;
        return true;
    }
    if (s->after_cr)
        content_scan_flaw(s, SMTP_CONTENT_BARE_CR);
    s->after_cr = octet == '\r';
    if (octet == '\n')
        content_scan_flaw(s, SMTP_CONTENT_BARE_LF);
    else if (octet == 0)
        content_scan_flaw(s, s->is_body ? SMTP_CONTENT_NUL_IN_BODY : SMTP_CONTENT_NUL_IN_HEADER);
    else if (octet >= CONTENT_SCAN_8BIT_LEAST)
        content_scan_flaw(s, s->is_body ? SMTP_CONTENT_8BIT_IN_BODY : SMTP_CONTENT_8BIT_IN_HEADER);
    return false;
}

static inline void
content_scan_check_line(struct smtp_content_scan *s)
{
    if (s->limits.line_max_bytes > 0 && s->line_bytes > s->limits.line_max_bytes)
        content_scan_flaw(s, SMTP_CONTENT_LINE_TOO_LONG);
}

/* Scan content at `p` up to the end of its line or of all `n` octets; how many that were. *ret_line_ended is set. */
static inline size_t
content_scan_line(struct smtp_content_scan *s, const uint8_t *p, size_t n, bool *ret_line_ended)
{
    size_t at = 0;
    *ret_line_ended = false;
    while (at < n && !*ret_line_ended) {
        unsigned seen = s->content.flaws & (s->is_body ? SMTP_CONTENT_8BIT_IN_BODY : SMTP_CONTENT_8BIT_IN_HEADER);
        size_t run = content_scan_skip(p + at, n - at, seen != 0 ? 0 : UINT64_C(0x8080808080808080));
        if (run > 0) {
            if (s->after_cr)
                content_scan_flaw(s, SMTP_CONTENT_BARE_CR);
            s->after_cr = false;
            s->line_bytes += run;
            at += run;
        }
        if (at < n)
            *ret_line_ended = content_scan_octet(s, p[at++]);
    }
    content_scan_check_line(s);
    if (*ret_line_ended) {
        s->is_body |= s->line_bytes == CONTENT_SCAN_EMPTY_LINE_BYTES;
        s->line_bytes = 0;
    }
    return at;
}

/* Count `n` octets of content and say whether they may be handed out. */
static inline bool
content_scan_count(struct smtp_content_scan *s, size_t n)
{
    s->content.size_bytes += n;
    if (s->limits.size_max_bytes > 0 && s->content.size_bytes > s->limits.size_max_bytes)
        content_scan_flaw(s, SMTP_CONTENT_TOO_LARGE);
    return (s->content.flaws & s->limits.stop_flaws) == 0;
}

#endif
