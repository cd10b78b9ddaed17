/* verb_directory.c - `godwit account ...`, `alias ...`, `resolve`: handed to directory as they are, answers printed as they come. */
#include "control/command.h"

#include "ipc/ipc_messages.h"

int
verb_directory(struct command *c)
{
    struct ipc_argument arguments[COMMAND_ARGUMENTS_MAX];
    size_t count = c->argument_count - 1;
    for (size_t i = 0; i < count; i++)
        arguments[i].value = c->arguments[i + 1];
    struct ipc_directory_command request = {.verb = c->arguments[0], .arguments = arguments, .arguments_count = count};
    int status = EX_OK;
    do {
        struct arena mem;
        arena_init(&mem, 1024 * 1024);
        struct ipc_directory_command_reply reply;
        enum err e = ipc_directory_command(c->f, c->by, ipc_hub_link(c->control->env->hub, ROLE_DIRECTORY), &request, &mem, &reply);
        if (e == ERR_OK && reply.status == EX_OK)
            command_print(c, reply.text);
        else if (e == ERR_OK)
            status = command_fail(c, reply.status, "%.*s", SPAN_ARG(span_trim(reply.text)));
        else
            status = command_fail_call(c, ROLE_DIRECTORY, e);
        request.cursor = e == ERR_OK ? reply.next_cursor : 0;
        arena_clear(&mem);
    } while (status == EX_OK && request.cursor != 0 && c->failed == ERR_OK);
    return status;
}
