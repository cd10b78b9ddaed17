/*
 * deliver_spawn.c - a delivery to a user of this machine, by a process that becomes that user.
 *
 * The request names a user and never a path or a command. This build has no deliver executable: the message waits in
 * the queue.
 */
#include "parent/parent.h"

#include "store/recipient.h"

void
deliver_spawn(struct fiber *f, struct parent *parent, const struct ipc_deliver_user *request, struct arena *mem,
              struct ipc_deliver_user_reply *ret)
{
    (void)f, (void)parent, (void)request, (void)mem;
    ret->class = DELIVERY_DEFERRED;
    ret->status = SPAN("4.3.5");
    ret->text = SPAN("delivery to users of this machine is not available");
}
