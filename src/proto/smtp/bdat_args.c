/* bdat_args.c - see bdat_args.h. */
#include "proto/smtp/bdat_args.h"

struct reply
smtp_bdat_args_parse(struct span argument, struct smtp_bdat_args *ret)
{
    struct smtp_bdat_args args = {0};
    struct span size = argument, last = SPAN_EMPTY;
    if (span_cut(argument, ' ', &size, &last)) {
        args.is_last = span_equal_nocase(span_trim(last), SPAN("LAST"));
        if (!args.is_last)
            return reply_of(REPLY_BDAT_SYNTAX);
    }
    if (!span_to_u64(size, INT64_MAX, &args.size_bytes))
        return reply_of(REPLY_BDAT_SYNTAX);
    *ret = args;
    return reply_of(REPLY_NONE);
}
