/*
 * message_id.h - the name of a message from the first byte of its content to the last line of its trail.
 *
 * Made of time, counter, process and node, never of a disk position. The edge makes it (Received carries it); it is unique
 * without asking anybody: `process` is random for each start of an edge, (time_us, counter) grows strictly within one.
 * As text: 20 digits of Crockford's base 32, in order of time.
 */
#ifndef GODWIT_STORE_MESSAGE_ID_H
#define GODWIT_STORE_MESSAGE_ID_H

#include "base/buf.h"
#include "base/span.h"

enum { MESSAGE_ID_BYTES = 13 /* 12 in use */, MESSAGE_ID_TEXT = 20 };

struct message_id {
    uint64_t time_us;  /* wall clock of its making, 56 bits */
    uint16_t counter;  /* tells ids of one microsecond apart */
    uint16_t process;  /* random per process start */
    uint8_t node;      /* 0 until there is more than one */
};

/* What an edge keeps to make ids. */
struct message_id_source {
    struct message_id last;
};

void message_id_source_init(struct message_id_source *source, uint8_t node, uint16_t process_random);

/* The next id; `wall_us` may jump back, the ids still grow. */
struct message_id message_id_next(struct message_id_source *source, int64_t wall_us);

bool message_id_equal(struct message_id a, struct message_id b);
bool message_id_is_none(struct message_id id); /* all zero: no message */
int message_id_compare(struct message_id a, struct message_id b);

/* MESSAGE_ID_TEXT characters, no NUL. */
void message_id_format(struct message_id id, char text[MESSAGE_ID_TEXT]);
bool message_id_parse(struct span text, struct message_id *ret);

/* The fixed binary form of spool records and IPC, big-endian, in order of time. */
void message_id_encode(struct message_id id, uint8_t bytes[MESSAGE_ID_BYTES]);
struct message_id message_id_decode(const uint8_t bytes[MESSAGE_ID_BYTES]);

#endif
