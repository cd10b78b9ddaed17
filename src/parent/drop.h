/*
 * drop.h - the drop directory seen from the parent: what lies there, and what may be done with it.
 *
 * Any user of the machine can put anything there, under any name (store/drop.h). The parent looks at names and at what
 * fstat(2) says, never at contents. Everything here blocks and runs in the thread pool; the fiber that uses it is
 * drop.c. Private to src/parent.
 */
#ifndef GODWIT_PARENT_DROP_H
#define GODWIT_PARENT_DROP_H

#include "parent/parent.h"
#include "store/drop.h"

enum {
    DROP_TAKEN_AT_ONCE = 1000, /* files looked at in one sweep, the longest waiting first */
    DROP_REFUSED_AT_ONCE = 100,
};

/* A file of a slot. */
struct drop_candidate {
    unsigned slot;
    int64_t mtime_us;
};

/* Something that was renamed out of the way. */
struct drop_refusal {
    char name[256];               /* any octets */
    char new_name[DROP_NAME_MAX]; /* empty: it could not be renamed */
    const char *why;
    uint32_t uid;
};

/* One look at the directory, in the thread pool. */
struct drop_sweep {
    char path[PARENT_PATH_MAX];
    bool is_root;                 /* the parent is */
    int dir;                      /* out: open directory, -1 with `trouble` set */
    char trouble[128];
    struct drop_candidate candidates[DROP_TAKEN_AT_ONCE];
    size_t candidate_count;
    struct drop_refusal refusals[DROP_REFUSED_AT_ONCE];
    size_t refusal_count;
};

/* Make the directory if need be, list it, remove what was abandoned half-written, refuse what has no place there. */
void drop_sweep_job(void *arg);

/* One file, in the thread pool. */
struct drop_file {
    int dir;
    bool is_root;
    unsigned slot;
    uint64_t size_max_bytes;
    int fd;                       /* out of drop_open_job(): read and write, -1: nothing to take */
    uint64_t device, inode;
    uint64_t size_bytes;
    uint32_t uid;
    int64_t mtime_us;
    bool is_refused;              /* out: `refusal` says why */
    struct drop_refusal refusal;
};

/* Open it if it is what it should be: a regular file, one link, mode 0600, not too large. */
void drop_open_job(void *arg);

/* Remove it, if the name still means the same file, and make that durable. */
void drop_remove_job(void *arg);

/* Give it a name that begins with "bad-"; the caller has set refusal.why. */
void drop_refuse_job(void *arg);

#endif
