/*
 * trail_sampler.h - how many trails of refused sessions a second are kept, and how many were not.
 *
 * An attack refuses thousands of sessions a second; the history keeps a sample of them and says so.
 */
#ifndef GODWIT_EDGE_TRAIL_SAMPLER_H
#define GODWIT_EDGE_TRAIL_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

struct trail_sampler {
    uint64_t per_second_max;
    int64_t second_began_ns;
    uint64_t in_second;
    uint64_t skipped; /* since the last one that was kept */
};

void trail_sampler_init(struct trail_sampler *t, uint64_t per_second_max);

/*
 * Whether the trail of now is kept. If so *ret_skipped says how many before it were not; that number is for the trail
 * itself and counts from zero again.
 */
bool trail_sampler_take(struct trail_sampler *t, int64_t now_ns, uint64_t *ret_skipped);

#endif
