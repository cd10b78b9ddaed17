/* stack.c - mapping, pooling and measuring stacks. */
#include "rt/stack.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"

#ifdef RT_ASAN
#include <sanitizer/asan_interface.h>
#endif

#ifdef GODWIT_CENSUS
enum { CENSUS_SITES_MAX = 64, CENSUS_PATTERN = 0x5a };

struct census_site {
    const char *name; /* a literal */
    size_t deepest_bytes;
    uint64_t fibers;
};
#endif

struct stack_pool {
    uint8_t *warm[STACK_WARM_MAX];
    size_t warm_count;
    uint8_t **cold; /* owned */
    size_t cold_count;
    size_t cold_size;
#ifdef GODWIT_CENSUS
    struct census_site sites[CENSUS_SITES_MAX];
    size_t site_count;
#endif
};

struct stack_pool *
stack_pool_new(void)
{
    return calloc(1, sizeof(struct stack_pool));
}

static void
stack_unmap(uint8_t *stack)
{
    munmap(stack - STACK_GUARD_BYTES, STACK_GUARD_BYTES + STACK_BYTES);
}

void
stack_pool_free(struct stack_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->warm_count; i++)
        stack_unmap(pool->warm[i]);
    for (size_t i = 0; i < pool->cold_count; i++)
        stack_unmap(pool->cold[i]);
    free(pool->cold);
    free(pool);
}

static uint8_t *
stack_map(void)
{
    /* MAP_STACK also keeps huge pages away, which would make every stack resident as a whole. */
    uint8_t *map = mmap(NULL, STACK_GUARD_BYTES + STACK_BYTES, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    if (mprotect(map + STACK_GUARD_BYTES, STACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
        munmap(map, STACK_GUARD_BYTES + STACK_BYTES);
        return NULL;
    }
    return map + STACK_GUARD_BYTES;
}

uint8_t *
stack_take(struct stack_pool *pool)
{
    uint8_t *stack;
    if (pool->warm_count > 0)
        stack = pool->warm[--pool->warm_count];
    else if (pool->cold_count > 0)
        stack = pool->cold[--pool->cold_count];
    else
        stack = stack_map();
    if (stack == NULL)
        return NULL;
#ifdef RT_ASAN
    /* Frames that never returned (a dropped fiber) left their red zones here. */
    ASAN_UNPOISON_MEMORY_REGION(stack, STACK_BYTES);
#endif
#ifdef GODWIT_CENSUS
    memset(stack, CENSUS_PATTERN, STACK_BYTES);
#endif
    return stack;
}

#ifdef GODWIT_CENSUS
static void
census_count(struct stack_pool *pool, const uint8_t *stack, const char *site)
{
    size_t untouched = 0;
    while (untouched < STACK_BYTES && stack[untouched] == CENSUS_PATTERN)
        untouched++;
    size_t at = 0;
    while (at < pool->site_count && strcmp(pool->sites[at].name, site) != 0)
        at++;
    if (at == CENSUS_SITES_MAX)
        return;
    if (at == pool->site_count)
        pool->sites[pool->site_count++] = (struct census_site){.name = site};
    pool->sites[at].fibers++;
    if (STACK_BYTES - untouched > pool->sites[at].deepest_bytes)
        pool->sites[at].deepest_bytes = STACK_BYTES - untouched;
}
#endif

static bool
cold_reserve(struct stack_pool *pool)
{
    if (pool->cold_count < pool->cold_size)
        return true;
    size_t size = pool->cold_size == 0 ? STACK_WARM_MAX : pool->cold_size * 2;
    uint8_t **cold = realloc(pool->cold, size * sizeof(cold[0]));
    if (cold == NULL)
        return false;
    pool->cold = cold;
    pool->cold_size = size;
    return true;
}

void
stack_give(struct stack_pool *pool, uint8_t *stack, const char *site)
{
#ifdef RT_ASAN
    ASAN_UNPOISON_MEMORY_REGION(stack, STACK_BYTES);
#endif
#ifdef GODWIT_CENSUS
    census_count(pool, stack, site);
#else
    (void)site;
#endif
    if (pool->warm_count < STACK_WARM_MAX) {
        pool->warm[pool->warm_count++] = stack;
        return;
    }
    if (!cold_reserve(pool)) {
        stack_unmap(stack);
        return;
    }
    madvise(stack, STACK_BYTES, MADV_DONTNEED);
    pool->cold[pool->cold_count++] = stack;
}

void
stack_trim(uint8_t *stack, const uint8_t *below)
{
#ifdef GODWIT_CENSUS
    (void)stack;
    (void)below;
#else
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t unused = (size_t)(below - stack);
    ASSERT(unused <= STACK_BYTES);
    unused -= unused % page;
    if (unused > 0)
        madvise(stack, unused, MADV_DONTNEED);
#endif
}

void
stack_census_report(struct stack_pool *pool, void (*line)(void *arg, struct span text), void *arg)
{
#ifdef GODWIT_CENSUS
    for (size_t i = 0; i < pool->site_count; i++) {
        char text[256];
        struct buf b;
        buf_init_fixed(&b, text, sizeof(text));
        if (buf_printf(&b, "event=stack_census site=%s deepest_bytes=%zu fibers=%llu", pool->sites[i].name,
                       pool->sites[i].deepest_bytes, (unsigned long long)pool->sites[i].fibers) == ERR_OK)
            line(arg, buf_span(&b));
    }
#else
    (void)pool;
    (void)line;
    (void)arg;
#endif
}
