/*
 * sim_random.h - chance from a seed, for the simulated world: the same seed, the same stream, on every machine.
 *
 * SplitMix64 (Steele, Lea, Flood 2014): one addition and a mix a number, no bad seeds, streams split by drawing a seed.
 * For tests only; nothing about it is unpredictable.
 */
#ifndef GODWIT_RT_SIM_RANDOM_H
#define GODWIT_RT_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t
sim_random_next(struct sim_random *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Below `bound` (> 0); the bias of the remainder is of no account in tests. */
static inline uint64_t
sim_random_below(struct sim_random *r, uint64_t bound)
{
    return sim_random_next(r) % bound;
}

/* True in `num` of `den` cases. */
static inline bool
sim_random_chance(struct sim_random *r, uint64_t num, uint64_t den)
{
    return sim_random_below(r, den) < num;
}

/* A stream of its own, so that one consumer's appetite does not change what another sees. */
static inline struct sim_random
sim_random_split(struct sim_random *r)
{
    return (struct sim_random){sim_random_next(r)};
}

#endif
