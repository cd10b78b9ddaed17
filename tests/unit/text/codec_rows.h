/* codec_rows.h - rows for encodings: a text, what it decodes to, and whether encoding gives it back. */
#ifndef GODWIT_TESTS_UNIT_TEXT_CODEC_ROWS_H
#define GODWIT_TESTS_UNIT_TEXT_CODEC_ROWS_H

#include "check.h"

struct codec_row {
    const char *name;
    struct span coded;
    enum err e;        /* of decoding */
    struct span plain; /* when e is ERR_OK */
    bool is_canonical; /* encoding `plain` gives `coded` */
};

typedef enum err codec(struct span s, struct buf *to);

/* Run every row; then check that each length of output room but the full one is ERR_LIMIT. */
static inline void
codec_check(const struct codec_row *rows, size_t count, codec *decode, codec *encode)
{
    for (size_t i = 0; i < count; i++) {
        struct buf b;
        buf_init(&b, 4096);
        CHECK(rows[i].name, decode(rows[i].coded, &b) == rows[i].e);
        if (rows[i].e == ERR_OK)
            CHECK_SPAN(rows[i].name, buf_span(&b), rows[i].plain);
        if (rows[i].is_canonical) {
            buf_clear(&b);
            CHECK(rows[i].name, encode(rows[i].plain, &b) == ERR_OK);
            CHECK_SPAN(rows[i].name, buf_span(&b), rows[i].coded);
            for (size_t room = 0; room < rows[i].coded.len; room++) {
                uint8_t array[256];
                struct buf small;
                buf_init_fixed(&small, array, room);
                CHECK(rows[i].name, encode(rows[i].plain, &small) == ERR_LIMIT);
                buf_init_fixed(&small, array, room < rows[i].plain.len ? room : 0);
                CHECK(rows[i].name, rows[i].plain.len == 0 || decode(rows[i].coded, &small) == ERR_LIMIT);
            }
        }
        buf_done(&b);
    }
}

#endif
