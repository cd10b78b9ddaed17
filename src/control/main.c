/* main.c - the control process. */
#include "control/control.h"

int
main(int argc, char **argv)
{
    static const struct role_desc desc = {.role = ROLE_CONTROL, .run = control_run};
    return role_main(argc, argv, &desc);
}
