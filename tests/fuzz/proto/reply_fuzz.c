/* reply_fuzz.c - any server as our client's peer; the first octet cuts the stream, whole and cut must agree. */
#include "base/assert.h"
#include "proto/smtp/reply_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Read the first reply of `in`, fed in pieces; how many octets it took. */
static size_t
read_reply(struct smtp_reply_parser *p, struct span in, size_t step, enum smtp_reply_status *ret)
{
    size_t at = 0;
    *ret = SMTP_REPLY_MORE;
    while (at < in.len && *ret == SMTP_REPLY_MORE) {
        struct span piece = span_of(in.data + at, in.len - at < step ? in.len - at : step), rest = piece;
        *ret = smtp_reply_parser_take(p, &rest);
        at += piece.len - rest.len;
    }
    return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct span in = span_of(data + 1, size - 1);
    struct smtp_reply_parser whole, cut;
    smtp_reply_parser_init(&whole);
    smtp_reply_parser_init(&cut);
    enum smtp_reply_status whole_status, cut_status;
    do {
        smtp_reply_parser_clear(&whole);
        smtp_reply_parser_clear(&cut);
        size_t whole_len = read_reply(&whole, in, in.len, &whole_status);
        size_t cut_len = read_reply(&cut, in, 1 + data[0] % 16, &cut_status);
        ASSERT(whole_status == cut_status);
        ASSERT(whole.code == cut.code && whole.lines == cut.lines && whole.is_text_cut == cut.is_text_cut);
        ASSERT(memcmp(whole.status, cut.status, sizeof(whole.status)) == 0);
        ASSERT(span_equal(buf_span(&whole.text), buf_span(&cut.text)));
        ASSERT(whole.lines <= SMTP_PEER_LINES_MAX && whole.text.len <= SMTP_PEER_TEXT_MAX);
        if (whole_status == SMTP_REPLY_WHOLE) {
            ASSERT(whole_len == cut_len && whole_len > 0);
            ASSERT(whole.code >= 200 && whole.code <= 599);
            ASSERT(whole.status[0] == 0 || whole.status[0] == whole.code / 100);
            for (unsigned n = 0; n <= whole.lines && n < 20; n++)
                ASSERT(smtp_reply_parser_line(&whole, n).len <= whole.text.len);
            in = span_skip(in, whole_len);
        }
    } while (whole_status == SMTP_REPLY_WHOLE && in.len > 0);
    smtp_reply_parser_done(&whole);
    smtp_reply_parser_done(&cut);
    return 0;
}
