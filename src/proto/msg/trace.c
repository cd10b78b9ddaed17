/* trace.c - see trace.h. */
#include "proto/msg/trace.h"

#include "proto/msg/header_block.h"
#include "text/ascii.h"

static bool
has_control(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (ascii_is(s.data[i], ASCII_CONTROL))
            return true;
    return false;
}

enum err
return_path_format(struct span address, struct buf *to)
{
    if (has_control(address))
        return ERR_SYNTAX;
    TRY(buf_append(to, SPAN("Return-Path: <")));
    TRY(buf_append(to, address));
    return buf_append(to, SPAN(">\r\n"));
}

enum err
delivered_to_format(struct span address, struct buf *to)
{
    if (address.len == 0 || has_control(address))
        return ERR_SYNTAX;
    TRY(buf_append(to, SPAN("Delivered-To: ")));
    TRY(buf_append(to, address));
    return buf_append(to, SPAN("\r\n"));
}

/* Local parts octet for octet, domains in any case: both were written by delivered_to_format(). */
static bool
is_same_address(struct span a, struct span b)
{
    size_t at_a = span_find_last(a, '@'), at_b = span_find_last(b, '@');
    return span_equal(span_first(a, at_a), span_first(b, at_b)) &&
           span_equal_nocase(span_skip(a, at_a), span_skip(b, at_b));
}

bool
delivered_to_is_loop(struct span section, struct span address)
{
    struct header_field field;
    while (header_field_take(&section, &field))
        if (span_equal_nocase(field.name, SPAN("Delivered-To")) && is_same_address(span_trim(field.value), address))
            return true;
    return false;
}
