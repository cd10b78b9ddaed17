/*
 * stack.h - private to src/rt: the stacks of fibers, pooled.
 *
 * A stack is STACK_BYTES with a guard of the same size below it: distribution libraries have frames that jump over a
 * page. Some free stacks stay warm, the others keep their addresses and give their memory back. With -Dcensus=true
 * every stack is filled with a pattern before use and measured afterwards, and the deepest use of each spawn site can
 * be reported.
 */
#ifndef GODWIT_RT_STACK_H
#define GODWIT_RT_STACK_H

#include "rt/rt_body.h"

#ifdef RT_ASAN
enum { STACK_BYTES = 256 * 1024 };
#else
enum { STACK_BYTES = 64 * 1024 };
#endif

enum {
    STACK_GUARD_BYTES = 64 * 1024,
    STACK_WARM_MAX = 64, /* free stacks that keep their memory */
};

/* NULL without memory. */
struct stack_pool *stack_pool_new(void);

/* Unmap the free stacks; those in use have to be given back before. NULL is accepted. */
void stack_pool_free(struct stack_pool *pool);

/* The lowest usable byte of a stack; NULL when none can be had. */
uint8_t *stack_take(struct stack_pool *pool);
void stack_give(struct stack_pool *pool, uint8_t *stack, const char *site);

/* Give the whole pages in [stack, below) back to the kernel; they read as zeros afterwards. */
void stack_trim(uint8_t *stack, const uint8_t *below);

/* In a census build: one line per spawn site, deepest first come first; otherwise nothing. */
void stack_census_report(struct stack_pool *pool, void (*line)(void *arg, struct span text), void *arg);

#endif
