/*
 * cmd_bdat.c - BDAT: exactly so many octets, kept or thrown away, then the reply. RFC 3030 §2, requirements 52 to 54.
 *
 * Whether or not the command is in order its octets follow, so it checks its order itself, after it knows how many
 * there are.
 */
#include "edge/commands.h"
#include "edge/judgement.h"
#include "edge/message.h"
#include "proto/smtp/bdat_reader.h"

/* Read the chunk that `reader` has begun; what it hands out goes to the intake of the transaction, if there is one. */
static enum err
read_chunk(struct fiber *f, struct session *s, struct smtp_bdat_reader *reader, struct intake *in)
{
    int64_t began_ns = in == NULL ? rt_now_ns(s->edge->rt) : in->began_ns;
    uint64_t wire_bytes = in == NULL ? 0 : in->wire_bytes;
    struct span input = SPAN_EMPTY, content;
    bool is_whole = smtp_bdat_reader_take(reader, &input, &content);
    while (!is_whole) {
        struct span rest;
        if (!wire_has_input(&s->reader))
            TRY(session_flush(f, s));
        TRY(wire_peek(f, session_data_deadline(s, began_ns, wire_bytes), &s->reader, 1, true, &input));
        rest = input;
        bool was_dropped = in == NULL || in->is_dropped;
        while (rest.len > 0 && !is_whole) {
            is_whole = smtp_bdat_reader_take(reader, &rest, &content);
            if (in != NULL)
                TRY(intake_take(f, s, content));
        }
        size_t taken = input.len - rest.len;
        wire_bytes += taken;
        wire_consume(&s->reader, taken);
        if (was_dropped && !session_discard(s, taken))
            return ERR_LIMIT;
    }
    if (in != NULL)
        in->wire_bytes = wire_bytes;
    return ERR_OK;
}

/* Read the octets of a refused BDAT, so that what follows them is read as commands again. */
static enum err
discard_chunk(struct fiber *f, struct session *s, const struct smtp_bdat_args *args)
{
    struct smtp_bdat_reader reader;
    struct smtp_content_limits none = {0};
    smtp_bdat_reader_init(&reader, &none);
    smtp_bdat_reader_begin(&reader, args, true);
    return read_chunk(f, s, &reader, NULL);
}

/* The chunk is here: the next step of the message, or its end. */
static enum err
finish_chunk(struct fiber *f, struct session *s, const struct smtp_bdat_args *args)
{
    if (args->is_last)
        return message_finish(f, s);
    struct reply reply = message_judge_chunk(s);
    if (reply_is_none(reply)) {
        session_event(s, SMTP_EVENT_CHUNK);
        session_reply(s, reply_with_number(REPLY_CHUNK_OK, args->size_bytes));
        return ERR_OK;
    }
    intake_abort(s, &s->tx->intake);
    session_event(s, SMTP_EVENT_CHUNK_FAILED);
    session_reply(s, reply);
    return ERR_OK;
}

enum err
cmd_bdat(struct fiber *f, struct session *s, const struct smtp_command *command)
{
    struct smtp_bdat_args args;
    struct reply reply = smtp_bdat_args_parse(command->argument, &args);
    if (!reply_is_none(reply)) {
        session_end(s, reply, SPAN("bdat-syntax"));
        return ERR_OK;
    }
    struct smtp_session_kind kind = session_kind(s);
    reply = smtp_state_check(s->state, SMTP_VERB_BDAT, &kind);
    s->last_words = REPLY_DATA_TIMEOUT;
    if (!reply_is_none(reply)) {
        TRY(discard_chunk(f, s, &args));
        s->last_words = REPLY_IDLE;
        session_reply(s, reply);
        return ERR_OK;
    }
    struct intake *in = &s->tx->intake;
    if (!in->has_begun)
        intake_begin(s, true);
    s->is_in_data = true;
    smtp_bdat_reader_begin(&in->bdat, &args, false);
    TRY(read_chunk(f, s, &in->bdat, in));
    s->is_in_data = false;
    s->last_words = REPLY_IDLE;
    return finish_chunk(f, s, &args);
}
