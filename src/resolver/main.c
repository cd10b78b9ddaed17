/* main.c - the resolver process. */
#include "resolver/resolver.h"

int
main(int argc, char **argv)
{
    static const struct role_desc desc = {.role = ROLE_RESOLVER, .run = resolver_run};
    return role_main(argc, argv, &desc);
}
