/*
 * deadline.h - an absolute point of monotonic time by which a suspending call gives up.
 *
 * Absolute, so that a deadline handed down through calls is not stretched by any of them.
 */
#ifndef GODWIT_RT_DEADLINE_H
#define GODWIT_RT_DEADLINE_H

#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

struct deadline {
    int64_t at_ns; /* rt_now_ns() at which it passes; INT64_MAX never */
};

#define DEADLINE_NEVER ((struct deadline){INT64_MAX})

static inline struct deadline
deadline_earlier(struct deadline a, struct deadline b)
{
    return a.at_ns < b.at_ns ? a : b;
}

#endif
