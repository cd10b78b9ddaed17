/*
 * cmd_data.c - DATA: read the content up to CRLF.CRLF, then judge and keep it. RFC 5321 §4.1.1.4, requirements 46 to
 * 50.
 */
#include "edge/commands.h"
#include "edge/message.h"

/* Read content until its end. */
static enum err
read_content(struct fiber *f, struct session *s)
{
    struct intake *in = &s->tx->intake;
    for (bool has_ended = false; !has_ended;) {
        struct span input, rest, content;
        TRY(wire_peek(f, session_data_deadline(s, in->began_ns, in->wire_bytes), &s->reader, 1, true, &input));
        rest = input;
        bool was_dropped = in->is_dropped;
        while (rest.len > 0 && !has_ended) {
            has_ended = smtp_data_reader_take(&in->data, &rest, &content);
            TRY(intake_take(f, s, content));
        }
        size_t taken = input.len - rest.len;
        in->wire_bytes += taken;
        wire_consume(&s->reader, taken);
        if (was_dropped && !session_discard(s, taken))
            return ERR_LIMIT;
    }
    return ERR_OK;
}

enum err
cmd_data(struct fiber *f, struct session *s, UNUSED const struct smtp_command *command)
{
    if (s->tx->mail.body == SMTP_BODY_BINARYMIME) {
        session_reply(s, reply_of(REPLY_BINARYMIME_DATA));
        return ERR_OK;
    }
    session_reply(s, reply_of(REPLY_DATA_GO));
    TRY(session_flush(f, s));
    intake_begin(s, false);
    s->is_in_data = true;
    s->last_words = REPLY_DATA_TIMEOUT;
    TRY(read_content(f, s));
    s->is_in_data = false;
    s->last_words = REPLY_IDLE;
    return message_finish(f, s);
}
