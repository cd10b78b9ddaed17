/*
 * timer.h - private to src/rt: the deadlines of parked fibers, a binary heap in one array.
 *
 * A fiber has at most one deadline and knows its place, so that removal costs O(log n) like insertion; a deadline far
 * away, the usual one, goes in and out near the end of the array and costs next to nothing. Room is reserved when a
 * fiber is spawned, so that suspending cannot fail.
 */
#ifndef GODWIT_RT_TIMER_H
#define GODWIT_RT_TIMER_H

#include "rt/rt_body.h"

/* Make room for `count` deadlines; false without memory. */
NODISCARD bool timer_reserve(struct rt *rt, size_t count);

/* Add the fiber's deadline; it has none, and room was reserved. */
void timer_insert(struct rt *rt, struct fiber *f, int64_t at_ns);

/* Remove the fiber's deadline, if it has one. */
void timer_remove(struct rt *rt, struct fiber *f);

#endif
