/*
 * check.h - cmocka and what unit tests of text share.
 *
 * A row of a table is named; CHECK says which row failed before it fails.
 */
#ifndef GODWIT_TESTS_UNIT_CHECK_H
#define GODWIT_TESTS_UNIT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/span.h"

/* Fail, naming the row, unless `condition` holds. */
#define CHECK(row_name, condition) \
    do { \
        if (!(condition)) \
            fail_msg("%s: %s", (row_name), #condition); \
    } while (0)

/* Fail, naming the row and both texts, unless they are equal. */
#define CHECK_SPAN(row_name, got, wanted) \
    do { \
        struct span got_ = (got), wanted_ = (wanted); \
        if (!span_equal(got_, wanted_)) \
            fail_msg("%s: got \"%.*s\", wanted \"%.*s\"", (row_name), SPAN_ARG(got_), SPAN_ARG(wanted_)); \
    } while (0)

#endif
