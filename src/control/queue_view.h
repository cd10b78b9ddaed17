/* queue_view.h - queued messages as operators see them, as text or one JSON object a line. */
#ifndef GODWIT_CONTROL_QUEUE_VIEW_H
#define GODWIT_CONTROL_QUEUE_VIEW_H

#include "control/command.h"
#include "ipc/ipc_messages.h"

/* Print one line (or object) of a listing. */
void queue_view_entry(struct command *c, const struct ipc_queue_entry *entry);

/* Print one message with its recipients and its trail. *ret_found: it is queued. */
NODISCARD enum err queue_view_message(struct command *c, struct span id, bool *ret_found);

#endif
