/* trail_sampler.c - so many a second, counted in seconds that begin with their first trail. */
#include "edge/trail_sampler.h"

#include "rt/deadline.h"

void
trail_sampler_init(struct trail_sampler *t, uint64_t per_second_max)
{
    *t = (struct trail_sampler){.per_second_max = per_second_max};
}

bool
trail_sampler_take(struct trail_sampler *t, int64_t now_ns, uint64_t *ret_skipped)
{
    if (t->in_second == 0 || now_ns - t->second_began_ns >= NS_PER_S) {
        t->second_began_ns = now_ns;
        t->in_second = 0;
    }
    if (t->in_second >= t->per_second_max) {
        t->skipped++;
        return false;
    }
    t->in_second++;
    *ret_skipped = t->skipped;
    t->skipped = 0;
    return true;
}
