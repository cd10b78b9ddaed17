/* command_fuzz.c - any line as a command: nothing is read past it, every reply can be written. */
#include "base/assert.h"
#include "proto/smtp/bdat_args.h"
#include "proto/smtp/command.h"
#include "proto/smtp/ehlo_args.h"
#include "text/ascii.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_reply(struct reply r)
{
    uint8_t array[8192];
    struct buf b;
    buf_init_fixed(&b, array, sizeof(array));
    if (reply_is_none(r))
        return;
    ASSERT(smtp_reply_format(&r, &b) == ERR_OK);
    for (size_t i = 0; i < b.len; i++)
        ASSERT(ascii_is(b.data[i], ASCII_PRINT) || b.data[i] == '\r' || b.data[i] == '\n');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span line = span_of(data, size);
    struct smtp_command c;
    struct reply r = smtp_command_parse(line, &c);
    check_reply(r);
    ASSERT(c.name.len + c.argument.len <= size);
    if (reply_is_none(r)) {
        ASSERT(c.verb != SMTP_VERB_UNKNOWN);
        ASSERT(span_equal_nocase(c.name, smtp_verb_name(c.verb)) || c.verb == SMTP_VERB_OBSOLETE);
    }
    struct smtp_ehlo_args ehlo;
    struct reply ehlo_reply = smtp_ehlo_args_parse(c.argument, &ehlo);
    check_reply(ehlo_reply);
    if (reply_is_none(ehlo_reply))
        ASSERT(ascii_all(ehlo.name, ASCII_GRAPH));
    struct smtp_bdat_args bdat;
    struct reply bdat_reply = smtp_bdat_args_parse(c.argument, &bdat);
    check_reply(bdat_reply);
    if (reply_is_none(bdat_reply))
        ASSERT(bdat.size_bytes <= INT64_MAX);
    (void)smtp_foreign_detect(line);
    return 0;
}
