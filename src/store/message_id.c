/* message_id.c - making, printing and reading message ids. */
#include "store/message_id.h"

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static const uint64_t TIME_MASK = (UINT64_C(1) << 56) - 1;

void
message_id_source_init(struct message_id_source *source, uint8_t node, uint16_t process_random)
{
    *source = (struct message_id_source){.last = {.node = node, .process = process_random}};
}

struct message_id
message_id_next(struct message_id_source *source, int64_t wall_us)
{
    struct message_id *last = &source->last;
    uint64_t now = (uint64_t)wall_us & TIME_MASK;
    if (now > last->time_us) {
        last->time_us = now;
        last->counter = 0;
    } else if (++last->counter == 0) {
        last->time_us++;
    }
    return *last;
}

int
message_id_compare(struct message_id a, struct message_id b)
{
    uint8_t left[MESSAGE_ID_BYTES], right[MESSAGE_ID_BYTES];
    message_id_encode(a, left);
    message_id_encode(b, right);
    return memcmp(left, right, MESSAGE_ID_BYTES);
}

bool
message_id_equal(struct message_id a, struct message_id b)
{
    return a.time_us == b.time_us && a.counter == b.counter && a.process == b.process && a.node == b.node;
}

bool
message_id_is_none(struct message_id id)
{
    return message_id_equal(id, (struct message_id){0});
}

void
message_id_encode(struct message_id id, uint8_t bytes[MESSAGE_ID_BYTES])
{
    for (int i = 0; i < 7; i++)
        bytes[i] = (uint8_t)(id.time_us >> (48 - 8 * i));
    bytes[7] = (uint8_t)(id.counter >> 8);
    bytes[8] = (uint8_t)id.counter;
    bytes[9] = (uint8_t)(id.process >> 8);
    bytes[10] = (uint8_t)id.process;
    bytes[11] = id.node;
    bytes[12] = 0;
}

struct message_id
message_id_decode(const uint8_t bytes[MESSAGE_ID_BYTES])
{
    struct message_id id = {0};
    for (int i = 0; i < 7; i++)
        id.time_us = id.time_us << 8 | bytes[i];
    id.counter = (uint16_t)(bytes[7] << 8 | bytes[8]);
    id.process = (uint16_t)(bytes[9] << 8 | bytes[10]);
    id.node = bytes[11];
    return id;
}

void
message_id_format(struct message_id id, char text[MESSAGE_ID_TEXT])
{
    uint8_t bytes[MESSAGE_ID_BYTES];
    message_id_encode(id, bytes);
    for (size_t i = 0; i < MESSAGE_ID_TEXT; i++) {
        size_t bit = i * 5, byte = bit / 8;
        unsigned pair = (unsigned)bytes[byte] << 8 | bytes[byte + 1];
        text[i] = digits[pair >> (11 - bit % 8) & 31];
    }
}

static int
digit_value(uint8_t c)
{
    if (c >= 'a' && c <= 'z')
        c = (uint8_t)(c - 'a' + 'A');
    for (int i = 0; i < 32; i++)
        if (c == (uint8_t)digits[i])
            return i;
    return -1;
}

bool
message_id_parse(struct span text, struct message_id *ret)
{
    if (text.len != MESSAGE_ID_TEXT)
        return false;
    uint8_t bytes[MESSAGE_ID_BYTES + 1] = {0};
    for (size_t i = 0; i < MESSAGE_ID_TEXT; i++) {
        int value = digit_value(text.data[i]);
        if (value < 0)
            return false;
        size_t bit = i * 5, byte = bit / 8;
        unsigned pair = (unsigned)value << (11 - bit % 8);
        bytes[byte] |= (uint8_t)(pair >> 8);
        bytes[byte + 1] |= (uint8_t)pair;
    }
    if (bytes[12] != 0)
        return false;
    *ret = message_id_decode(bytes);
    return true;
}
