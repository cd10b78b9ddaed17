/*
 * fiber.c - the scheduler: stacks come alive, suspend, wake and end here.
 *
 * Shared by both bodies. There is no preemption and no thread: whatever runs, runs until it suspends. Order is that of
 * the ready list, so the same calls give the same order, which the simulated body relies on.
 */
#include "rt/fiber.h"

#include <stdlib.h>

#include "base/assert.h"
#include "rt/rt_body.h"
#include "rt/stack.h"
#include "rt/timer.h"

#ifdef RT_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

/* fiber_switch.S */
void fiber_switch(void **save_sp, void *to_sp);
void fiber_start(void);

enum { FIBER_COUNT_DEFAULT_MAX = 30000 };

static struct fiber *
fiber_of(struct list *link)
{
    return CONTAINER_OF(link, struct fiber, link);
}

enum err
rt_core_init(struct rt *rt, const struct rt_body_ops *ops, struct disk *disk)
{
    *rt = (struct rt){.ops = ops, .disk = disk, .fiber_max = FIBER_COUNT_DEFAULT_MAX};
    list_init(&rt->ready);
    list_init(&rt->parked);
    list_init(&rt->idle);
    cond_init(&rt->stop);
    rt->stacks = stack_pool_new();
    return rt->stacks == NULL ? ERR_LIMIT : ERR_OK;
}

static void
census_line(void *arg, struct span text)
{
    struct rt *rt = arg;
    rt->ops->log_line(rt, text);
}

static void
fibers_drop(struct rt *rt, struct list *fibers)
{
    for (struct list *link = list_take_first(fibers); link != NULL; link = list_take_first(fibers)) {
        struct fiber *f = fiber_of(link);
        stack_give(rt->stacks, f->stack, f->site);
    }
}

void
rt_core_done(struct rt *rt)
{
    if (rt->stacks == NULL)
        return;
    ASSERT(rt->running == NULL);
    fibers_drop(rt, &rt->ready);
    fibers_drop(rt, &rt->parked);
    fibers_drop(rt, &rt->idle);
    rt->fiber_count = 0;
    stack_census_report(rt->stacks, census_line, rt);
    stack_pool_free(rt->stacks);
    rt->stacks = NULL;
    free(rt->timers);
    rt->timers = NULL;
    rt->timer_count = rt->timer_size = 0;
}

/* --- switching ---------------------------------------------------------------------------------------------------- */

static void
switch_to_loop(struct fiber *f)
{
    struct rt *rt = f->rt;
#ifdef RT_ASAN
    __sanitizer_start_switch_fiber(f->state == FIBER_ENDED ? NULL : &f->fake_stack, rt->loop_stack_bottom,
                                   rt->loop_stack_size);
#endif
    fiber_switch(&f->sp, rt->loop_sp);
#ifdef RT_ASAN
    __sanitizer_finish_switch_fiber(f->fake_stack, &rt->loop_stack_bottom, &rt->loop_stack_size);
#endif
}

static void
switch_to_fiber(struct rt *rt, struct fiber *f)
{
#ifdef RT_ASAN
    __sanitizer_start_switch_fiber(&rt->loop_fake_stack, f->stack, STACK_BYTES);
#endif
    fiber_switch(&rt->loop_sp, f->sp);
#ifdef RT_ASAN
    __sanitizer_finish_switch_fiber(rt->loop_fake_stack, NULL, NULL);
#endif
}

static void
make_ready(struct fiber *f, enum fiber_state state, enum err result)
{
    struct rt *rt = f->rt;
    timer_remove(rt, f);
    list_unlink(&f->link);
    list_append(&rt->ready, &f->link);
    f->state = (uint8_t)state;
    f->result = (uint8_t)result;
}

static enum err
park(struct fiber *f, struct deadline by)
{
    struct rt *rt = f->rt;
    ASSERT(rt->running == f);
    if (by.at_ns != INT64_MAX)
        timer_insert(rt, f, by.at_ns);
    f->state = FIBER_PARKED;
    f->parked_at_ns = rt->now_ns;
    list_append(&rt->parked, &f->link);
    switch_to_loop(f);
    return (enum err)f->result;
}

bool
rt_core_step(struct rt *rt)
{
    ASSERT(rt->running == NULL);
    struct list *link = list_take_first(&rt->ready);
    if (link == NULL)
        return false;
    struct fiber *f = fiber_of(link);
    f->state = FIBER_RUNNING;
    f->turn_bytes = 0;
    rt->running = f;
    switch_to_fiber(rt, f);
    rt->running = NULL;
    if (f->state == FIBER_ENDED) {
        rt->fiber_count--;
        stack_give(rt->stacks, f->stack, f->site);
    }
    return true;
}

void
rt_core_expire(struct rt *rt)
{
    while (rt->timer_count > 0 && rt->timers[0].at_ns <= rt->now_ns)
        make_ready(rt->timers[0].fiber, FIBER_READY_WITHOUT, ERR_TIMEOUT);
}

int64_t
rt_core_next_deadline_ns(const struct rt *rt)
{
    return rt->timer_count == 0 ? INT64_MAX : rt->timers[0].at_ns;
}

int64_t
rt_core_trim(struct rt *rt, int64_t age_ns, size_t count)
{
    for (; !list_is_empty(&rt->parked); count--) {
        struct fiber *f = fiber_of(rt->parked.next);
        if (f->parked_at_ns > rt->now_ns - age_ns)
            return f->parked_at_ns + age_ns;
        if (count == 0)
            return rt->now_ns;
        stack_trim(f->stack, f->sp);
        list_unlink(&f->link);
        list_append(&rt->idle, &f->link);
    }
    return INT64_MAX;
}

void
rt_core_cancel_all(struct rt *rt)
{
    struct list *lists[] = {&rt->idle, &rt->parked, &rt->ready};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        LIST_FOR_EACH(link, lists[i])
            fiber_cancel(fiber_of(link));
}

/* --- birth and end ------------------------------------------------------------------------------------------------ */

static void
group_child_ended(struct fiber *f)
{
    struct fiber_group *g = f->group;
    if (g == NULL)
        return;
    list_unlink(&f->group_link);
    g->owner->child_count--;
    if (list_is_empty(&g->children) && g->owner->joining == g)
        fiber_unpark(g->owner, ERR_OK);
}

static void
fiber_main(void *arg)
{
    struct fiber *f = arg;
#ifdef RT_ASAN
    __sanitizer_finish_switch_fiber(NULL, &f->rt->loop_stack_bottom, &f->rt->loop_stack_size);
#endif
    f->fn(f, f->arg);
    ASSERT(f->child_count == 0);
    group_child_ended(f);
    f->state = FIBER_ENDED;
    switch_to_loop(f);
    ASSERT(f->state != FIBER_ENDED); /* resumed after its end */
}

/* Write the frame that fiber_switch.S expects below `top` (16-byte aligned) and return where it begins. */
static void *
fiber_frame_make(uint8_t *top, struct fiber *f)
{
    uint64_t *frame;
#if defined(__x86_64__)
    uint32_t mxcsr;
    uint16_t x87_control;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(x87_control));
    frame = (uint64_t *)(void *)top - 8;
    frame[0] = (uint64_t)mxcsr | (uint64_t)x87_control << 32;
    frame[1] = frame[2] = frame[5] = frame[6] = 0;
    frame[3] = (uint64_t)(uintptr_t)fiber_main;  /* r13 */
    frame[4] = (uint64_t)(uintptr_t)f;           /* r12 */
    frame[7] = (uint64_t)(uintptr_t)fiber_start; /* where it "returns" to, the stack aligned as at a call */
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    frame = (uint64_t *)(void *)top - 22;
    memset(frame, 0, 22 * sizeof(frame[0]));
    frame[0] = (uint64_t)(uintptr_t)f;            /* x19 */
    frame[1] = (uint64_t)(uintptr_t)fiber_main;   /* x20 */
    frame[11] = (uint64_t)(uintptr_t)fiber_start; /* x30 */
    frame[20] = fpcr;
#endif
    return frame;
}

static enum err
spawn(struct rt *rt, const char *site, fiber_fn *fn, void *arg, struct fiber **ret)
{
    if (rt->fiber_count >= rt->fiber_max || !timer_reserve(rt, rt->fiber_count + 1))
        return ERR_LIMIT;
    uint8_t *stack = stack_take(rt->stacks);
    if (stack == NULL)
        return ERR_LIMIT;
    uint8_t *top = stack + STACK_BYTES - ((sizeof(struct fiber) + 63) & ~(size_t)63);
    struct fiber *f = (struct fiber *)(void *)top;
    *f = (struct fiber){.rt = rt, .fn = fn, .arg = arg, .site = site, .stack = stack, .state = FIBER_READY};
    f->timer_index = FIBER_NO_TIMER;
    f->sp = fiber_frame_make(top, f);
    list_init(&f->group_link);
    list_append(&rt->ready, &f->link);
    rt->fiber_count++;
    *ret = f;
    return ERR_OK;
}

enum err
fiber_spawn(struct rt *rt, const char *site, fiber_fn *fn, void *arg, struct fiber **ret)
{
    struct fiber *f;
    TRY(spawn(rt, site, fn, arg, &f));
    if (ret != NULL)
        *ret = f;
    return ERR_OK;
}

struct rt *
fiber_rt(struct fiber *f)
{
    return f->rt;
}

/* --- suspending --------------------------------------------------------------------------------------------------- */

void
fiber_cancel(struct fiber *f)
{
    f->is_canceled = true;
    if (f->state == FIBER_PARKED && !f->is_deaf)
        make_ready(f, FIBER_READY_WITHOUT, ERR_CANCELED);
}

bool
fiber_is_canceled(const struct fiber *f)
{
    return f->is_canceled;
}

enum err
fiber_yield(struct fiber *f)
{
    ASSERT(f->rt->running == f);
    if (f->is_canceled)
        return ERR_CANCELED;
    f->state = FIBER_READY;
    list_append(&f->rt->ready, &f->link);
    switch_to_loop(f);
    return f->is_canceled ? ERR_CANCELED : ERR_OK;
}

enum err
fiber_sleep(struct fiber *f, struct deadline until)
{
    enum err e = fiber_park(f, until);
    return e == ERR_TIMEOUT ? ERR_OK : e;
}

enum err
fiber_park(struct fiber *f, struct deadline by)
{
    if (f->is_canceled)
        return ERR_CANCELED;
    return park(f, by);
}

enum err
fiber_park_uncancelable(struct fiber *f)
{
    f->is_deaf = true;
    enum err e = park(f, DEADLINE_NEVER);
    f->is_deaf = false;
    return e;
}

bool
fiber_unpark(struct fiber *f, enum err result)
{
    if (f->state == FIBER_READY_WITHOUT)
        return false;
    ASSERT(f->state == FIBER_PARKED);
    make_ready(f, FIBER_READY, result);
    return true;
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

void
fiber_group_init(struct fiber_group *g, struct fiber *owner)
{
    g->owner = owner;
    list_init(&g->children);
}

enum err
fiber_group_spawn(struct fiber_group *g, const char *site, fiber_fn *fn, void *arg)
{
    struct fiber *child;
    TRY(spawn(g->owner->rt, site, fn, arg, &child));
    child->group = g;
    list_append(&g->children, &child->group_link);
    g->owner->child_count++;
    return ERR_OK;
}

static void
group_wait_deaf(struct fiber *f, struct fiber_group *g)
{
    f->joining = g;
    while (!list_is_empty(&g->children))
        (void)fiber_park_uncancelable(f);
    f->joining = NULL;
}

static void
group_cancel(struct fiber_group *g)
{
    LIST_FOR_EACH(link, &g->children)
        fiber_cancel(CONTAINER_OF(link, struct fiber, group_link));
}

enum err
fiber_group_join(struct fiber *f, struct deadline by, struct fiber_group *g)
{
    ASSERT(f == g->owner);
    enum err e = f->is_canceled ? ERR_CANCELED : ERR_OK;
    f->joining = g;
    while (e == ERR_OK && !list_is_empty(&g->children))
        e = fiber_park(f, by);
    f->joining = NULL;
    if (e != ERR_OK) {
        group_cancel(g);
        group_wait_deaf(f, g);
    }
    return e;
}

void
fiber_group_end(struct fiber *f, struct fiber_group *g)
{
    ASSERT(f == g->owner);
    group_cancel(g);
    group_wait_deaf(f, g);
}
