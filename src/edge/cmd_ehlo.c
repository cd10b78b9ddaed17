/*
 * cmd_ehlo.c - EHLO, HELO and LHLO: who the client says it is, and what it may use. RFC 5321 §4.1.1.1, requirements
 * 24, 25.
 */
#include "edge/commands.h"

#include "proto/smtp/ehlo_args.h"
#include "edge/judgement.h"

static void
reply_extensions(struct session *s)
{
    const struct config_limits *limits = &s->edge->config->limits;
    struct smtp_ehlo_reply reply = {
        .host = s->edge->hostname,
        .client = s->helo,
        .extensions = s->extensions,
        .size_max_bytes = limits->message_size_bytes.value,
        .recipients_max = (uint32_t)limits->recipients.value,
        .transactions_max = (uint32_t)limits->transactions_per_session.value,
    };
    if (smtp_ehlo_reply_format(&reply, wire_writer_pending(&s->writer)) != ERR_OK)
        s->is_ending = true;
}

enum err
cmd_hello(UNUSED struct fiber *f, struct session *s, const struct smtp_command *command)
{
    struct smtp_ehlo_args args;
    struct reply reply = smtp_ehlo_args_parse(command->argument, &args);
    if (!reply_is_none(reply)) {
        if (reply.id == REPLY_ARGUMENT_MISSING)
            reply.text[0] = smtp_verb_name(command->verb);
        session_reply(s, reply);
        return ERR_OK;
    }
    if (!span_equal(s->helo, args.name) && !arena_copy(&s->mem, args.name, &s->helo)) {
        session_end(s, session_reply_from_host(s, REPLY_SESSION_MEMORY, SPAN_EMPTY), SPAN("memory"));
        return ERR_OK;
    }
    tx_abort(s);
    s->is_extended = command->verb != SMTP_VERB_HELO;
    session_event(s, SMTP_EVENT_HELLO);
    if (s->is_extended)
        reply_extensions(s);
    else
        session_reply(s, session_reply_from_host(s, REPLY_HELO, SPAN_EMPTY));
    return ERR_OK;
}
