/* deliver_parts.h - a delivery as tests of src/deliver begin with it. */
#ifndef GODWIT_TESTS_UNIT_DELIVER_DELIVER_PARTS_H
#define GODWIT_TESTS_UNIT_DELIVER_DELIVER_PARTS_H

#include "deliver/deliver.h"

static inline struct user_delivery
delivery_to_bob(void)
{
    return (struct user_delivery){
        .uid = 1000,
        .user = SPAN("bob"),
        .home = SPAN("/home/bob"),
        .shell = SPAN("/bin/sh"),
        .recipient = SPAN("bob+shop@example.test"),
        .detail = SPAN("shop"),
        .separator = SPAN("+"),
        .reads_forward = 1,
        .runs_commands = 1,
    };
}

#endif
