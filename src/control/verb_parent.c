/* verb_parent.c - `godwit reload` and `godwit stop`: the parent does them and says how it went. */
#include "control/command.h"

#include "ipc/ipc_messages.h"

int
verb_parent(struct command *c)
{
    const struct ipc_parent_command request = {.verb = c->arguments[0]};
    struct ipc_parent_command_reply reply;
    enum err e = ipc_parent_command(c->f, c->by, ipc_hub_link(c->control->env->hub, ROLE_PARENT), &request, c->mem, &reply);
    if (e != ERR_OK)
        return command_fail_call(c, ROLE_PARENT, e);
    if (reply.status != EX_OK)
        return command_fail(c, reply.status, "%.*s", SPAN_ARG(span_trim(reply.text)));
    command_print(c, reply.text);
    return EX_OK;
}
