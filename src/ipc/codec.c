/*
 * codec.c - numbers, texts, lists and descriptors to bytes and back; errors stick to the reader, so decoders need no
 * branches.
 */
#include "ipc/codec.h"

#include "base/assert.h"
#include "ipc/channel.h"

static void
fail(struct ipc_reader *r, enum err error)
{
    if (r->error == ERR_OK)
        r->error = error;
    r->at = r->end;
}

/* The next `n` bytes; NULL, and the reader failed, when there are fewer. */
static const uint8_t *
take(struct ipc_reader *r, size_t n)
{
    if ((size_t)(r->end - r->at) < n) {
        fail(r, ERR_PROTOCOL);
        return NULL;
    }
    const uint8_t *at = r->at;
    r->at += n;
    return at;
}

static const uint8_t *
end_of(struct span bytes)
{
    return bytes.len == 0 ? bytes.data : bytes.data + bytes.len;
}

static uint64_t
load(const uint8_t *at, size_t width)
{
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static uint64_t
take_number(struct ipc_reader *r, size_t width)
{
    const uint8_t *at = take(r, width);
    return at == NULL ? 0 : load(at, width);
}

uint8_t
ipc_take_u8(struct ipc_reader *r)
{
    return (uint8_t)take_number(r, 1);
}

uint16_t
ipc_take_u16(struct ipc_reader *r)
{
    return (uint16_t)take_number(r, 2);
}

uint32_t
ipc_take_u32(struct ipc_reader *r)
{
    return (uint32_t)take_number(r, 4);
}

uint64_t
ipc_take_u64(struct ipc_reader *r)
{
    return take_number(r, 8);
}

bool
ipc_take_bool(struct ipc_reader *r)
{
    uint8_t value = ipc_take_u8(r);
    if (value > 1)
        fail(r, ERR_PROTOCOL);
    return value == 1;
}

int
ipc_take_fd(struct ipc_reader *r)
{
    if (!ipc_take_bool(r))
        return -1;
    if (r->fds_left == 0) {
        fail(r, ERR_PROTOCOL);
        return -1;
    }
    r->fds_left--;
    return *r->fds++;
}

size_t
ipc_take_length(struct ipc_reader *r, unsigned width, size_t max)
{
    uint64_t length = take_number(r, width);
    if (length > max) {
        fail(r, ERR_PROTOCOL);
        return 0;
    }
    return (size_t)length;
}

struct span
ipc_take_text(struct ipc_reader *r, unsigned width, size_t max)
{
    size_t length = ipc_take_length(r, width, max);
    const uint8_t *at = length == 0 ? NULL : take(r, length);
    if (at == NULL)
        return SPAN_EMPTY;
    struct span text = span_of(at, length);
    if (r->copies && !arena_copy(r->mem, text, &text)) {
        fail(r, ERR_LIMIT);
        return SPAN_EMPTY;
    }
    return text;
}

void *
ipc_take_list(struct ipc_reader *r, size_t count, size_t struct_bytes, size_t bytes_min)
{
    if (count == 0)
        return NULL;
    /* A few bytes may not claim a large array: each element has to be there at its shortest. */
    if ((size_t)(r->end - r->at) / bytes_min < count) {
        fail(r, ERR_PROTOCOL);
        return NULL;
    }
    void *list = arena_alloc(r->mem, count * struct_bytes);
    if (list == NULL)
        fail(r, ERR_LIMIT);
    return list;
}

static void
put_number(struct ipc_writer *w, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        w->at[i] = (uint8_t)(value >> (8 * i));
    w->at += width;
}

void
ipc_put_u8(struct ipc_writer *w, uint8_t value)
{
    *w->at++ = value;
}

void
ipc_put_u16(struct ipc_writer *w, uint16_t value)
{
    put_number(w, value, 2);
}

void
ipc_put_u32(struct ipc_writer *w, uint32_t value)
{
    put_number(w, value, 4);
}

void
ipc_put_u64(struct ipc_writer *w, uint64_t value)
{
    put_number(w, value, 8);
}

void
ipc_put_fd(struct ipc_writer *w, int fd)
{
    ipc_put_u8(w, fd >= 0);
    if (fd >= 0) {
        ASSERT(w->fd_count < IPC_FORM_FDS_MAX);
        w->fds[w->fd_count++] = fd;
    }
}

void
ipc_put_length(struct ipc_writer *w, unsigned width, size_t length)
{
    put_number(w, length, width);
}

void
ipc_put_text(struct ipc_writer *w, unsigned width, struct span text)
{
    put_number(w, text.len, width);
    if (text.len > 0)
        memcpy(w->at, text.data, text.len);
    w->at += text.len;
}

enum err
ipc_form_measure(const struct ipc_form *form, const void *message, size_t *ret_bytes)
{
    size_t bytes = 0;
    if (!form->measure(message, &bytes))
        return ERR_LIMIT;
    *ret_bytes = bytes;
    return ERR_OK;
}

void
ipc_form_put(const struct ipc_form *form, const void *message, uint8_t *to, size_t bytes, int fds[IPC_FORM_FDS_MAX],
             size_t *ret_fd_count)
{
    struct ipc_writer w = {.at = to};
    form->put(&w, message);
    ASSERT(w.at == to + bytes);
    memcpy(fds, w.fds, sizeof(w.fds));
    *ret_fd_count = w.fd_count;
}

void
ipc_form_clear(const struct ipc_form *form, void *message)
{
    memset(message, 0, form->struct_bytes);
    for (size_t i = 0; i < form->fd_count; i++)
        memcpy((uint8_t *)message + form->fd_at[i], &(int){-1}, sizeof(int));
}

enum err
ipc_form_decode(const struct ipc_form *form, struct span bytes, const int *fds, size_t fd_count, struct arena *mem,
                bool copies, void *ret)
{
    struct ipc_reader r = {.at = bytes.data, .end = end_of(bytes), .fds = fds, .fds_left = fd_count, .mem = mem,
                           .copies = copies};
    form->take(&r, ret);
    if (r.error == ERR_OK && (r.at != r.end || r.fds_left != 0))
        r.error = ERR_PROTOCOL;
    if (r.error != ERR_OK)
        ipc_form_clear(form, ret);
    return r.error;
}

/* --- frames: length of the body, type, kind, descriptors, call id ----------------------------------------------- */

void
ipc_frame_put(const struct ipc_frame *frame, uint8_t *to)
{
    struct ipc_writer w = {.at = to};
    ipc_put_u32(&w, (uint32_t)frame->body.len);
    ipc_put_u16(&w, frame->type);
    ipc_put_u8(&w, (uint8_t)frame->kind);
    ipc_put_u8(&w, (uint8_t)frame->fd_count);
    ipc_put_u32(&w, frame->call_id);
}

enum err
ipc_frame_take(struct span *packet, struct ipc_frame *ret)
{
    struct ipc_reader r = {.at = packet->data, .end = end_of(*packet)};
    uint32_t length = ipc_take_u32(&r);
    uint16_t type = ipc_take_u16(&r);
    uint8_t kind = ipc_take_u8(&r);
    uint8_t fd_count = ipc_take_u8(&r);
    uint32_t call_id = ipc_take_u32(&r);
    if (r.error != ERR_OK || kind >= IPC_FRAME_KIND_COUNT || fd_count > IPC_FORM_FDS_MAX)
        return ERR_PROTOCOL;
    bool has_no_id = kind == IPC_FRAME_POST || kind == IPC_FRAME_BYE;
    if ((has_no_id && call_id != 0) || (size_t)(r.end - r.at) < length)
        return ERR_PROTOCOL;
    *ret = (struct ipc_frame){(enum ipc_frame_kind)kind, type, call_id, fd_count, span_of(r.at, length)};
    *packet = span_skip(*packet, IPC_FRAME_HEADER_BYTES + length);
    return ERR_OK;
}
