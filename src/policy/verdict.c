/* verdict.c - names and sentences of reasons and facts, from their tables. */
#include "policy/verdict.h"

#include "base/assert.h"

struct named {
    struct span name;
    struct span sentence;
};

static const struct named reasons[REASON_COUNT] = {
#define REASON(id, code, text) [REASON_##id] = {SPAN(code), SPAN(text)},
#include "policy/reasons.def"
#undef REASON
};

static const struct named facts[FACT_COUNT] = {
#define FACT(id, name_, text) [FACT_##id] = {SPAN(name_), SPAN(text)},
#include "policy/facts.def"
#undef FACT
};

_Static_assert(FACT_COUNT <= 64, "facts are bits of a uint64_t");

struct span
reason_code(enum reason reason)
{
    ASSERT((unsigned)reason < REASON_COUNT);
    return reasons[reason].name;
}

struct span
reason_sentence(enum reason reason)
{
    ASSERT((unsigned)reason < REASON_COUNT);
    return reasons[reason].sentence;
}

bool
reason_find(struct span code, enum reason *ret)
{
    for (size_t i = 0; i < REASON_COUNT; i++)
        if (span_equal(reasons[i].name, code)) {
            *ret = (enum reason)i;
            return true;
        }
    return false;
}

struct span
fact_name(enum fact_id fact)
{
    ASSERT((unsigned)fact < FACT_COUNT);
    return facts[fact].name;
}

struct span
fact_sentence(enum fact_id fact)
{
    ASSERT((unsigned)fact < FACT_COUNT);
    return facts[fact].sentence;
}
