/*
 * command_socket.h - what `godwit` and the control role say to each other on the command socket.
 *
 * A request is a list of arguments, verb first; the answer is output, then one exit status of sysexits(3). Both are frames:
 * a kind (1 octet), a length (4 octets, big-endian), so many octets. Only the coding is here: the program speaks it over a
 * blocking socket, control over a stream. Each side treats the other as hostile: lengths and counts are bounded.
 */
#ifndef GODWIT_NET_COMMAND_SOCKET_H
#define GODWIT_NET_COMMAND_SOCKET_H

#include "base/buf.h"

enum {
    COMMAND_FRAME_HEADER = 5,
    COMMAND_FRAME_MAX = 64 * 1024, /* octets in one frame */
    COMMAND_ARGUMENTS_MAX = 16,
};

enum command_frame_kind {
    COMMAND_ARGUMENT = 'A', /* request: one argument */
    COMMAND_GO = 'G',       /* request: that was the last one; empty */
    COMMAND_OUTPUT = 'O',   /* answer: text for standard output */
    COMMAND_ERROR = 'E',    /* answer: text for standard error */
    COMMAND_EXIT = 'X',     /* answer: the end; one octet, the exit status */
};

struct command_frame {
    enum command_frame_kind kind;
    struct span data; /* borrowed */
};

/* Append a frame; data.len <= COMMAND_FRAME_MAX. ERR_LIMIT when `to` is full. */
enum err command_frame_append(struct buf *to, enum command_frame_kind kind, struct span data);

/* Append text of any length as frames of `kind` (output or error). */
enum err command_text_append(struct buf *to, enum command_frame_kind kind, struct span text);

/*
 * Take the first frame off *rest. ERR_AGAIN when it is not whole yet, ERR_PROTOCOL when it is none; *rest and *ret are
 * untouched then.
 */
NODISCARD enum err command_frame_take(struct span *rest, struct command_frame *ret);

#endif
