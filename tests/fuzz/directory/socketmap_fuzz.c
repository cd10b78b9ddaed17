/* socketmap_fuzz.c - any octets as a socketmap's replies: whole and in pieces they must mean the same. */
#include "base/assert.h"
#include "directory/socketmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    for (;;) {
        struct socketmap_reply whole = {.text = SPAN_EMPTY}, cut = {.text = SPAN_EMPTY};
        size_t whole_len = 0, cut_len = 0;
        enum err e = socketmap_reply_parse(in, &whole_len, &whole);
        /* The shortest beginning that is not "more": it must be all of the reply, or the octet that spoils it. */
        for (size_t n = 0; n <= in.len; n++) {
            enum err part = socketmap_reply_parse(span_first(in, n), &cut_len, &cut);
            if (part == ERR_AGAIN)
                continue;
            ASSERT(part == e);
            ASSERT(e != ERR_OK || (n == whole_len && cut_len == whole_len && cut.status == whole.status &&
                                   span_equal(cut.text, whole.text)));
            break;
        }
        if (e != ERR_OK)
            return 0;
        ASSERT(whole_len > 0 && whole_len <= in.len && whole.text.len < whole_len);
        in = span_skip(in, whole_len);
    }
}
