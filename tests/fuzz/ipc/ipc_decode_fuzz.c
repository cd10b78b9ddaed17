/*
 * ipc_decode_fuzz.c - every decoder, and the frames of a packet.
 *
 * Input: number of a form, number of descriptors, an encoding. What decodes encodes to the same octets. Number 255:
 * the rest is a packet.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "ipc/ipc_messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
take_packet(struct span packet)
{
    struct ipc_frame frame;
    size_t before = packet.len;
    while (packet.len > 0 && ipc_frame_take(&packet, &frame) == ERR_OK) {
        ASSERT(packet.len + frame.body.len + IPC_FRAME_HEADER_BYTES == before);
        before = packet.len;
    }
}

static void
encode_again(const struct ipc_form *form, const void *message, struct span bytes, size_t fd_count)
{
    size_t measured, fds_put;
    int fds[IPC_FORM_FDS_MAX];
    ASSERT(ipc_form_measure(form, message, &measured) == ERR_OK && measured == bytes.len);
    uint8_t *again = malloc(measured == 0 ? 1 : measured);
    ASSERT(again != NULL);
    ipc_form_put(form, message, again, measured, fds, &fds_put);
    ASSERT(fds_put == fd_count && span_equal(span_of(again, measured), bytes));
    free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (data[0] == 255) {
        take_packet(span_of(data + 1, size - 1));
        return 0;
    }
    const struct ipc_form *form = ipc_forms[data[0] % ipc_form_count];
    size_t fd_count = data[1] % (IPC_FORM_FDS_MAX + 1);
    struct span bytes = span_of(data + 2, size - 2);
    struct arena mem;
    arena_init(&mem, 1024 * 1024);
    void *message = malloc(form->struct_bytes);
    ASSERT(message != NULL);
    for (int copies = 0; copies < 2; copies++)
        if (ipc_form_decode(form, bytes, (const int[]){7, 8}, fd_count, &mem, copies != 0, message) == ERR_OK)
            encode_again(form, message, bytes, fd_count);
    free(message);
    arena_clear(&mem);
    return 0;
}
