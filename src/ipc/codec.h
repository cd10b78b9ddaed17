/*
 * codec.h - the byte form of IPC messages: what generated encoders and decoders are made of.
 *
 * Numbers are little-endian and of fixed width; a bool is 0 or 1; a text or a list is preceded by its length in as
 * many bytes as its bound needs; a descriptor is a bool here and travels beside the packet. There is one encoding for
 * each value: what decodes is re-encoded to the same bytes. Decoders are exact (nothing left over) and bounded by
 * messages.def. The bytes are hostile. Pure: no I/O, no fiber.
 */
#ifndef GODWIT_IPC_CODEC_H
#define GODWIT_IPC_CODEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { IPC_FORM_FDS_MAX = 2 /* descriptors of one message */ };

/* What a decoder reads from and puts into. */
struct ipc_reader {
    const uint8_t *at;
    const uint8_t *end;
    const int *fds;      /* descriptors that came with the message, in order */
    size_t fds_left;
    struct arena *mem;   /* lists, and texts when `copies` */
    bool copies;         /* texts are copied; otherwise they borrow from the bytes */
    enum err error;      /* the first one; ERR_PROTOCOL or ERR_LIMIT (arena full) */
};

/* What an encoder writes to; `at` has the room that measure() asked for. */
struct ipc_writer {
    uint8_t *at;
    int fds[IPC_FORM_FDS_MAX]; /* borrowed */
    size_t fd_count;
};

/* One struct that travels: a request, a reply, a post or a record. Generated. */
struct ipc_form {
    const char *name;
    size_t struct_bytes;
    size_t bytes_min;                    /* the shortest and longest encodings messages.def allows */
    size_t bytes_max;
    size_t fd_count;                     /* descriptor fields, all at top level */
    size_t fd_at[IPC_FORM_FDS_MAX];      /* their offsets in the struct */
    bool (*measure)(const void *message, size_t *bytes); /* adds its length; false: exceeds messages.def */
    void (*put)(struct ipc_writer *w, const void *message);
    void (*take)(struct ipc_reader *r, void *ret);
};

/* The length of the encoding. ERR_LIMIT: a field exceeds messages.def. */
NODISCARD enum err ipc_form_measure(const struct ipc_form *form, const void *message, size_t *ret_bytes);

/* Encode into to[bytes], `bytes` as measured; descriptors, borrowed, into fds. */
void ipc_form_put(const struct ipc_form *form, const void *message, uint8_t *to, size_t bytes,
                  int fds[IPC_FORM_FDS_MAX], size_t *ret_fd_count);

/*
 * Decode `bytes` and `fds` whole into *ret (form->struct_bytes), which is written in any case and holds no
 * descriptors after an error. ERR_PROTOCOL: not an encoding of this form, or descriptors too many or too few;
 * ERR_LIMIT: `mem` is full. The descriptors stay the caller's after an error and belong to *ret after ERR_OK.
 */
NODISCARD enum err ipc_form_decode(const struct ipc_form *form, struct span bytes, const int *fds, size_t fd_count,
                                   struct arena *mem, bool copies, void *ret);

/* An empty message: all zero, descriptors -1. */
void ipc_form_clear(const struct ipc_form *form, void *message);

/* --- frames ----------------------------------------------------------------------------------------------------- */

enum ipc_frame_kind {
    IPC_FRAME_POST,
    IPC_FRAME_CALL,
    IPC_FRAME_REPLY,
    IPC_FRAME_REFUSAL, /* instead of a reply; the body is one octet: again, limit */
    IPC_FRAME_BYE,     /* the sender ends in order; no body, nothing follows */
    IPC_FRAME_KIND_COUNT,
};

struct ipc_frame {
    enum ipc_frame_kind kind;
    uint16_t type;
    uint32_t call_id;
    size_t fd_count;
    struct span body;
};

/* Write the IPC_FRAME_HEADER_BYTES of `frame` (its body only counts by its length). */
void ipc_frame_put(const struct ipc_frame *frame, uint8_t *to);

/* Take the first frame off *packet. ERR_PROTOCOL when it is not one; a packet is a row of frames without rest. */
NODISCARD enum err ipc_frame_take(struct span *packet, struct ipc_frame *ret);

/* --- for generated code only ------------------------------------------------------------------------------------ */

uint8_t ipc_take_u8(struct ipc_reader *r);
uint16_t ipc_take_u16(struct ipc_reader *r);
uint32_t ipc_take_u32(struct ipc_reader *r);
uint64_t ipc_take_u64(struct ipc_reader *r);
bool ipc_take_bool(struct ipc_reader *r);
int ipc_take_fd(struct ipc_reader *r);
/* A length of `width` bytes (1, 2 or 4), at most `max`; 0 after an error. */
size_t ipc_take_length(struct ipc_reader *r, unsigned width, size_t max);
struct span ipc_take_text(struct ipc_reader *r, unsigned width, size_t max);
/* Room for `count` elements of which each takes at least bytes_min of what is left; NULL for none or after an error. */
void *ipc_take_list(struct ipc_reader *r, size_t count, size_t struct_bytes, size_t bytes_min);

void ipc_put_u8(struct ipc_writer *w, uint8_t value);
void ipc_put_u16(struct ipc_writer *w, uint16_t value);
void ipc_put_u32(struct ipc_writer *w, uint32_t value);
void ipc_put_u64(struct ipc_writer *w, uint64_t value);
void ipc_put_fd(struct ipc_writer *w, int fd);
void ipc_put_length(struct ipc_writer *w, unsigned width, size_t length);
void ipc_put_text(struct ipc_writer *w, unsigned width, struct span text);

#endif
