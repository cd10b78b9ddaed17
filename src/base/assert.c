/* assert.c - the end of a process that broke a contract of its own. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

NORETURN void
assert_fail(const char *condition, const char *file, int line)
{
    fprintf(stderr, "event=bug file=%s line=%d condition=\"%s\"\n", file, line, condition);
    abort();
}
