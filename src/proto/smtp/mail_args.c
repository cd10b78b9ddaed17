/* mail_args.c - one function for each parameter of MAIL. */
#include "proto/smtp/mail_args.h"

#include "proto/smtp/esmtp_params.h"
#include "text/ascii.h"

/* SIZE=, RFC 1870 §6.1: 1 to 20 digits. */
static enum esmtp_result
read_size(const struct esmtp_context *context, bool has_value, struct span value)
{
    struct smtp_mail_args *args = context->args;
    args->has_size = has_value && span_to_u64(value, UINT64_MAX, &args->size_bytes);
    return args->has_size ? ESMTP_OK : ESMTP_BAD_VALUE;
}

/* BODY=, RFC 6152 §3 and RFC 3030 §3: a value of an extension that is not offered is a bad value. */
static enum esmtp_result
read_body(const struct esmtp_context *context, bool has_value, struct span value)
{
    static const struct {
        struct span value;
        enum smtp_body body;
        unsigned extensions;
    } bodies[] = {
        {SPAN("7BIT"), SMTP_BODY_7BIT, SMTP_EXT_8BITMIME | SMTP_EXT_BINARYMIME},
        {SPAN("8BITMIME"), SMTP_BODY_8BITMIME, SMTP_EXT_8BITMIME},
        {SPAN("BINARYMIME"), SMTP_BODY_BINARYMIME, SMTP_EXT_BINARYMIME},
    };
    struct smtp_mail_args *args = context->args;
    size_t i = 0;
    while (i < ARRAY_LEN(bodies) && !span_equal_nocase(value, bodies[i].value))
        i++;
    if (!has_value || i == ARRAY_LEN(bodies) || (context->offered & bodies[i].extensions) == 0)
        return ESMTP_BAD_VALUE;
    args->has_body = true;
    args->body = bodies[i].body;
    return ESMTP_OK;
}

/* SMTPUTF8, RFC 6531 §3.4: no value. */
static enum esmtp_result
read_smtputf8(const struct esmtp_context *context, bool has_value, struct span value)
{
    struct smtp_mail_args *args = context->args;
    (void)value;
    args->is_smtputf8 = !has_value;
    return has_value ? ESMTP_BAD_VALUE : ESMTP_OK;
}

/* RET=, RFC 3461 §4.3. */
static enum esmtp_result
read_ret(const struct esmtp_context *context, bool has_value, struct span value)
{
    struct smtp_mail_args *args = context->args;
    if (has_value && span_equal_nocase(value, SPAN("FULL")))
        args->ret = SMTP_RET_FULL;
    else if (has_value && span_equal_nocase(value, SPAN("HDRS")))
        args->ret = SMTP_RET_HDRS;
    return args->ret == SMTP_RET_UNSET ? ESMTP_BAD_VALUE : ESMTP_OK;
}

/* ENVID=, RFC 3461 §4.4. */
static enum esmtp_result
read_envid(const struct esmtp_context *context, bool has_value, struct span value)
{
    struct smtp_mail_args *args = context->args;
    if (!has_value || value.len > SMTP_ENVID_OCTETS_MAX)
        return ESMTP_BAD_VALUE;
    return esmtp_xtext_read(context, value, &args->envid);
}

/* AUTH=, RFC 4954 §5: "<>" or an address as xtext, who is only believed. */
static enum esmtp_result
read_auth(const struct esmtp_context *context, bool has_value, struct span value)
{
    struct smtp_mail_args *args = context->args;
    args->has_auth = true;
    if (!has_value || value.len > SMTP_AUTH_PARAM_OCTETS_MAX)
        return ESMTP_BAD_VALUE;
    return span_equal(value, SPAN("<>")) ? ESMTP_OK : esmtp_xtext_read(context, value, &args->auth);
}

static const struct esmtp_row rows[] = {
    {SPAN("SIZE"), SMTP_EXT_SIZE, read_size},
    {SPAN("BODY"), SMTP_EXT_8BITMIME | SMTP_EXT_BINARYMIME, read_body},
    {SPAN("SMTPUTF8"), SMTP_EXT_SMTPUTF8, read_smtputf8},
    {SPAN("RET"), SMTP_EXT_DSN, read_ret},
    {SPAN("ENVID"), SMTP_EXT_DSN, read_envid},
    {SPAN("AUTH"), SMTP_EXT_AUTH, read_auth},
};

struct reply
smtp_mail_args_parse(struct span argument, unsigned offered, struct arena *mem, struct smtp_mail_args *ret)
{
    struct smtp_mail_args args = {0};
    if (!span_has_prefix_nocase(argument, SPAN("FROM:<")))
        return reply_of(REPLY_MAIL_SYNTAX);
    struct span written = span_skip(argument, sizeof("FROM:") - 1), rest = written;
    /* SMTPUTF8 may follow: octets above 0x7f are judged when all parameters are known. */
    struct reply r = esmtp_path_reply(path_take(&rest, PATH_ALLOW_NULL | PATH_ALLOW_UTF8, &args.reverse_path), true);
    if (!reply_is_none(r))
        return r;
    written = span_first(written, written.len - rest.len);
    if (rest.len > 0 && rest.data[0] != ' ')
        return reply_of(REPLY_MAIL_SYNTAX);
    const struct esmtp_context context = {.args = &args, .offered = offered, .mem = mem};
    r = esmtp_params_parse(rest, rows, ARRAY_LEN(rows), &context);
    if (!reply_is_none(r))
        return r;
    if (!args.is_smtputf8 && !ascii_is_7bit(written))
        return reply_of(REPLY_SENDER_UTF8);
    *ret = args;
    return reply_of(REPLY_NONE);
}
