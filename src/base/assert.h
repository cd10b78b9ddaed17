/*
 * assert.h - ASSERT: a bug in Godwit ends the process, always, in every build.
 *
 * For contracts between functions only. Never for what a peer sent, what a configuration says or what a disk
 * holds: those are `enum err` or a verdict. A role that aborts is started again by the parent.
 */
#ifndef GODWIT_BASE_ASSERT_H
#define GODWIT_BASE_ASSERT_H

#include "base/compiler.h"

#define ASSERT(condition) \
    do { \
        if (!(condition)) \
            assert_fail(#condition, __FILE__, __LINE__); \
    } while (0)

/* Print the broken contract on standard error and abort. */
NORETURN void assert_fail(const char *condition, const char *file, int line);

#endif
