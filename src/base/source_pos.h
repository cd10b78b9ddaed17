/*
 * source_pos.h - where in a configuration something was written: file, line, column.
 *
 * Carried by every configuration value, every rule and so by every verdict: "why" is answered with it.
 */
#ifndef GODWIT_BASE_SOURCE_POS_H
#define GODWIT_BASE_SOURCE_POS_H

#include <stdint.h>

#include "base/span.h"

struct source_pos {
    struct span file; /* borrowed from the configuration; empty for a built-in default */
    uint32_t line;    /* from 1; 0 for a built-in default */
    uint32_t column;  /* from 1, in octets */
};

/* The position of what nobody wrote: a default of the schema. */
#define SOURCE_POS_DEFAULT ((struct source_pos){SPAN_EMPTY, 0, 0})

#endif
