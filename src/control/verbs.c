/* verbs.c - the table of what operators can ask for. */
#include "control/command.h"

static const struct verb verbs[] = {
    {"status", 0, 0, false, verb_status, "status [--json]"},
    {"why", 1, 1, false, verb_why, "why MESSAGE-ID|QUEUE-ID|ADDRESS"},
    {"queue-list", 0, 2, false, verb_queue_list, "queue list [from=ADDRESS] [to=ADDRESS] [--json]"},
    {"queue-show", 1, 1, false, verb_queue_show, "queue show QUEUE-ID [--json]"},
    {"queue-message", 1, 1, false, verb_queue_message, "queue message QUEUE-ID"},
    {"queue-retry", 1, 1, true, verb_queue_change, "queue retry QUEUE-ID|all"},
    {"queue-hold", 1, 1, true, verb_queue_change, "queue hold QUEUE-ID|all"},
    {"queue-release", 1, 1, true, verb_queue_change, "queue release QUEUE-ID|all"},
    {"queue-remove", 1, 1, true, verb_queue_change, "queue remove QUEUE-ID|all"},
    {"mailq", 0, 0, false, verb_mailq, "queue list"},
    {"account-add", 2, 4, true, verb_directory, "account add ADDRESS [quota=SIZE] [class=NAME]"},
    {"account-remove", 1, 1, true, verb_directory, "account remove ADDRESS"},
    {"account-list", 0, 1, false, verb_directory, "account list [DOMAIN]"},
    {"account-password", 2, 2, true, verb_directory, "account password ADDRESS"},
    {"account-quota", 2, 2, true, verb_directory, "account quota ADDRESS SIZE|none"},
    {"account-suspend", 1, 1, true, verb_directory, "account suspend ADDRESS"},
    {"account-resume", 1, 1, true, verb_directory, "account resume ADDRESS"},
    {"alias-add", 2, 8, true, verb_directory, "alias add ADDRESS TARGET..."},
    {"alias-remove", 1, 2, true, verb_directory, "alias remove ADDRESS [TARGET]"},
    {"alias-list", 0, 1, false, verb_directory, "alias list [DOMAIN]"},
    {"aliases-reload", 0, 0, true, verb_directory, "aliases reload"},
    {"resolve", 1, 1, false, verb_directory, "resolve ADDRESS"},
    {"reload", 0, 0, true, verb_parent, "reload"},
    {"stop", 0, 0, true, verb_parent, "stop"},
};

const struct verb *
verb_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (span_equal(name, span_from_cstr(verbs[i].name)))
            return &verbs[i];
    return NULL;
}
