/* mail_args_fuzz.c - any argument of MAIL; the first two octets choose what is offered and how much memory there is. */
#include "base/assert.h"
#include "proto/smtp/mail_args.h"
#include "text/ascii.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned offered = (data[0] & 1 ? 0u : SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_DSN) |
                       (data[0] & 2 ? 0u : SMTP_EXT_SMTPUTF8) |
                       (data[0] & 4 ? 0u : SMTP_EXT_BINARYMIME | SMTP_EXT_AUTH);
    struct span argument = span_of(data + 2, size - 2);
    struct smtp_mail_args args;
    struct arena mem;
    arena_init(&mem, (size_t)(data[1] & 31) * 64);
    struct reply r = smtp_mail_args_parse(argument, offered, &mem, &args);
    if (reply_is_none(r)) {
        ASSERT(args.reverse_path.kind == PATH_NULL || args.reverse_path.kind == PATH_MAILBOX);
        ASSERT(args.is_smtputf8 || ascii_is_7bit(args.reverse_path.text));
        ASSERT(ascii_all(args.envid, ASCII_PRINT) && args.envid.len <= SMTP_ENVID_OCTETS_MAX);
        ASSERT(ascii_all(args.auth, ASCII_PRINT) && args.auth.len <= SMTP_AUTH_PARAM_OCTETS_MAX);
        ASSERT(offered != 0 || (!args.has_size && !args.has_body && !args.has_auth && !args.is_smtputf8));
    } else {
        uint8_t array[8192];
        struct buf b;
        buf_init_fixed(&b, array, sizeof(array));
        ASSERT(smtp_reply_format(&r, &b) == ERR_OK);
        ASSERT(smtp_reply_code(r.id) == 501 || smtp_reply_code(r.id) == 550 || smtp_reply_code(r.id) == 555 ||
               r.id == REPLY_MEMORY);
    }
    arena_clear(&mem);
    return 0;
}
