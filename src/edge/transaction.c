/* transaction.c - one arena from MAIL to the end, and the one way out of it. */
#include "edge/transaction.h"

#include "edge/judgement.h"
#include "edge/session.h"

enum { TRAIL_USUAL_BYTES = 900 /* of a message with one recipient: no growth in pieces */ };

bool
tx_begin(struct session *s, const struct smtp_mail_args *mail)
{
    arena_init(&s->tx_mem, s->edge->config->limits.transaction_memory_bytes.value);
    struct transaction *tx = arena_alloc(&s->tx_mem, sizeof(*tx));
    if (tx == NULL)
        return false;
    tx->mail = *mail;
    bool is_copied = arena_copy(&s->tx_mem, mail->envid, &tx->mail.envid) &&
                     arena_copy(&s->tx_mem, mail->auth, &tx->mail.auth) &&
                     arena_copy(&s->tx_mem, mail->reverse_path.text, &tx->mail.reverse_path.text);
    if (!is_copied) {
        arena_clear(&s->tx_mem);
        return false;
    }
    tx->id = message_id_next(&s->edge->ids, rt_wall_us(s->edge->rt));
    tx->sender = tx->mail.reverse_path.text;
    tx->last = &tx->first;
    buf_init(&tx->trail, TRAIL_BYTES_MAX);
    (void)buf_reserve(&tx->trail, TRAIL_USUAL_BYTES);
    buf_clear(&tx->trail);
    s->tx = tx;
    judgement_trail_begin(s, &tx->trail);
    return true;
}

bool
tx_add_recipient(struct session *s, const struct smtp_rcpt_args *rcpt)
{
    struct transaction *tx = s->tx;
    struct tx_recipient *recipient = arena_alloc(&s->tx_mem, sizeof(*recipient));
    if (recipient == NULL)
        return false;
    recipient->notify = rcpt->notify;
    recipient->is_utf8 = rcpt->forward_path.mailbox.is_utf8;
    if (!arena_copy(&s->tx_mem, rcpt->forward_path.text, &recipient->address) ||
        !arena_copy(&s->tx_mem, rcpt->orcpt, &recipient->orcpt))
        return false;
    *tx->last = recipient;
    tx->last = &recipient->next;
    tx->recipient_count++;
    return true;
}

void
tx_abort(struct session *s)
{
    struct transaction *tx = s->tx;
    if (tx == NULL)
        return;
    intake_abort(s, &tx->intake);
    if (tx->has_refusal)
        judgement_trail_post(s->edge, tx->id, buf_span(&tx->trail));
    buf_done(&tx->trail);
    s->tx = NULL;
    arena_clear(&s->tx_mem);
}
