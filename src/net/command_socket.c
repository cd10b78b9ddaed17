/* command_socket.c - framing of commands and their answers. */
#include "net/command_socket.h"

#include "base/assert.h"

enum err
command_frame_append(struct buf *to, enum command_frame_kind kind, struct span data)
{
    ASSERT(data.len <= COMMAND_FRAME_MAX);
    uint8_t header[COMMAND_FRAME_HEADER] = {(uint8_t)kind, (uint8_t)(data.len >> 24), (uint8_t)(data.len >> 16),
                                            (uint8_t)(data.len >> 8), (uint8_t)data.len};
    if (buf_reserve(to, sizeof(header) + data.len) == NULL)
        return ERR_LIMIT;
    TRY(buf_append(to, span_of(header, sizeof(header))));
    return buf_append(to, data);
}

enum err
command_text_append(struct buf *to, enum command_frame_kind kind, struct span text)
{
    while (text.len > 0) {
        size_t n = text.len < COMMAND_FRAME_MAX ? text.len : COMMAND_FRAME_MAX;
        TRY(command_frame_append(to, kind, span_first(text, n)));
        text = span_skip(text, n);
    }
    return ERR_OK;
}

static bool
is_kind(uint8_t kind)
{
    return kind == COMMAND_ARGUMENT || kind == COMMAND_GO || kind == COMMAND_OUTPUT || kind == COMMAND_ERROR ||
           kind == COMMAND_EXIT;
}

enum err
command_frame_take(struct span *rest, struct command_frame *ret)
{
    if (rest->len < 1)
        return ERR_AGAIN;
    const uint8_t *header = rest->data;
    if (!is_kind(header[0]))
        return ERR_PROTOCOL;
    if (rest->len < COMMAND_FRAME_HEADER)
        return ERR_AGAIN;
    size_t len = (size_t)header[1] << 24 | (size_t)header[2] << 16 | (size_t)header[3] << 8 | header[4];
    if (len > COMMAND_FRAME_MAX)
        return ERR_PROTOCOL;
    if (rest->len - COMMAND_FRAME_HEADER < len)
        return ERR_AGAIN;
    *ret = (struct command_frame){(enum command_frame_kind)header[0], span_of(header + COMMAND_FRAME_HEADER, len)};
    *rest = span_skip(*rest, COMMAND_FRAME_HEADER + len);
    return ERR_OK;
}
