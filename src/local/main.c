/* main.c - the local process. */
#include "local/local.h"

int
main(int argc, char **argv)
{
    static const struct role_desc desc = {.role = ROLE_LOCAL, .run = local_run};
    return role_main(argc, argv, &desc);
}
