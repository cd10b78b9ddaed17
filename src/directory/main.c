/* main.c - the directory process. */
#include "directory/directory.h"

int
main(int argc, char **argv)
{
    static const struct role_desc desc = {.role = ROLE_DIRECTORY, .run = directory_run};
    return role_main(argc, argv, &desc);
}
