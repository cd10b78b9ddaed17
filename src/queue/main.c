/* main.c - the queue process. */
#include "queue/queue.h"

int
main(int argc, char **argv)
{
    static const struct role_desc desc = {.role = ROLE_QUEUE, .run = queue_run};
    return role_main(argc, argv, &desc);
}
