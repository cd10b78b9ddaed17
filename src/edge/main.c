/* main.c - the executable godwit-edge: nothing but wires. */
#include "edge/edge.h"

int
main(int argc, char **argv)
{
    static const struct role_desc desc = {.role = ROLE_EDGE, .run = edge_run};
    return role_main(argc, argv, &desc);
}
