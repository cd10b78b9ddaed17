/* rcpt_args_fuzz.c - any argument of RCPT; the first two octets choose what is offered and how much memory there is. */
#include "base/assert.h"
#include "proto/smtp/rcpt_args.h"
#include "text/ascii.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool is_smtputf8 = (data[0] & 2) == 0;
    unsigned offered = data[0] & 1 ? 0u : SMTP_EXT_DSN;
    struct span argument = span_of(data + 2, size - 2);
    struct smtp_rcpt_args args;
    struct arena mem;
    arena_init(&mem, (size_t)(data[1] & 31) * 64);
    struct reply r = smtp_rcpt_args_parse(argument, offered, is_smtputf8, &mem, &args);
    if (reply_is_none(r)) {
        ASSERT(args.forward_path.kind == PATH_POSTMASTER || args.forward_path.kind == PATH_MAILBOX);
        ASSERT(is_smtputf8 || ascii_is_7bit(args.forward_path.text));
        ASSERT((args.notify & SMTP_NOTIFY_NEVER) == 0 || args.notify == SMTP_NOTIFY_NEVER);
        ASSERT(args.orcpt.len <= SMTP_ORCPT_OCTETS_MAX && utf8_is_valid(args.orcpt));
        for (size_t i = 0; i < args.orcpt.len; i++)
            ASSERT(!ascii_is(args.orcpt.data[i], ASCII_CONTROL));
    } else {
        uint8_t array[8192];
        struct buf b;
        buf_init_fixed(&b, array, sizeof(array));
        ASSERT(smtp_reply_format(&r, &b) == ERR_OK);
        ASSERT(smtp_reply_code(r.id) == 501 || smtp_reply_code(r.id) == 553 || smtp_reply_code(r.id) == 555 ||
               r.id == REPLY_MEMORY);
    }
    arena_clear(&mem);
    return 0;
}
