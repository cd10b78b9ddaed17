/* verb_parent.c - `godwit reload` and `godwit stop`: the parent does them and says how it went. */
#include "control/command.h"

#include "ipc/ipc_messages.h"

/* What is wrong, a line each: a configuration may have many mistakes. */
static int
fail_in_lines(struct command *c, int status, struct span text)
{
    while (!span_is_empty(text)) {
        struct span line = span_first(text, span_find(text, '\n'));
        text = span_skip(text, line.len < text.len ? line.len + 1 : line.len);
        command_fail(c, status, SPAN_FMT, SPAN_ARG(line));
    }
    return status;
}

int
verb_parent(struct command *c)
{
    const struct ipc_parent_command request = {.verb = c->arguments[0]};
    struct ipc_parent_command_reply reply;
    enum err e = ipc_parent_command(c->f, c->by, ipc_hub_link(c->control->env->hub, ROLE_PARENT), &request, c->mem, &reply);
    if (e != ERR_OK)
        return command_fail_call(c, ROLE_PARENT, e);
    if (reply.status != EX_OK)
        return fail_in_lines(c, reply.status, span_trim(reply.text));
    command_print(c, reply.text);
    return EX_OK;
}
