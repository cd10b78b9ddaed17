/*
 * drop_store.h - a message put into the drop directory (store/drop.h), whole and synced or not at all.
 *
 * Runs as whoever calls sendmail: the directory can be written and searched, not listed.
 */
#ifndef GODWIT_CLI_DROP_STORE_H
#define GODWIT_CLI_DROP_STORE_H

#include "cli/outgoing.h"

struct drop_limits {
    uint64_t messages;   /* at most DROP_SLOTS_MAX */
    uint64_t size_bytes; /* of all of them together */
};

/*
 * Keep what still waits of `o`. EX_OK: it survives a power loss and will be taken up. EX_TEMPFAIL: the directory is
 * full or cannot be used now; EX_CANTCREAT, EX_IOERR, EX_OSERR; `complaint` says why.
 */
int drop_store(const char *directory, const struct drop_limits *limits, const struct outgoing *o,
               struct buf *complaint);

#endif
