/*
 * drop_file.h - a message in the drop directory: a few lines of text that say who and whither, an empty line, then the
 * message with CRLF line ends.
 *
 *     godwit-drop 1
 *     from <ann@example.test>      with -f; absent: the owner of the file
 *     name Ann Example             for a From field that is missing
 *     notify 6                     -N, as a sum of enum envelope_notify
 *     ret full                     -R
 *     envid x                      -V
 *     to <root>                    once a recipient; becomes "ok" once the server has it, "no" when it was refused
 *
 * Written by sendmail, read by godwit-drop, which believes nothing in it: any user can write such a file. Pure.
 */
#ifndef GODWIT_CLI_DROP_FILE_H
#define GODWIT_CLI_DROP_FILE_H

#include "cli/outgoing.h"

/* Append the lines above, and the header section, for those recipients that still wait. The body follows. ERR_LIMIT. */
NODISCARD enum err drop_file_format(const struct outgoing *o, struct buf *to);

/*
 * Read a whole file into `o` (initialised); spans borrow from `text`. EX_OK; EX_DATAERR or EX_OSERR with what is wrong
 * in `complaint`.
 */
int drop_file_parse(struct span text, struct outgoing *o, struct buf *complaint);

/* The two octets at a recipient's mark_offset that say its state. */
struct span drop_file_mark(enum outgoing_state state);

#endif
