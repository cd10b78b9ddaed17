/*
 * drop.h - the drop directory: where sendmail leaves mail while the server is down. Names, for those who write and who
 * take.
 *
 * The directory has mode 1733: everybody may put files into it and see none but by name. To keep number and size of
 * what waits within limits all the same, finished files have the names of slots, 000000 upward, which everybody can
 * count. A file is written under a name nobody can guess and gets its slot, by a rename that replaces nothing, once it
 * is whole and synced. Who it is from is who owns the file. What cannot be taken gets a name that begins with "bad-"
 * and waits for the administrator.
 */
#ifndef GODWIT_STORE_DROP_H
#define GODWIT_STORE_DROP_H

#include "base/span.h"

enum {
    DROP_MODE = 01733,
    DROP_FILE_MODE = 0600,
    DROP_SLOT_DIGITS = 6,
    DROP_SLOTS_MAX = 100000,           /* the ceiling of drop-messages */
    DROP_NAME_MAX = 64,                /* octets of a name of ours, with its NUL */
    DROP_HEAD_MAX = 64 * 1024 * 1024,  /* octets of a file beside its message */
};

#define DROP_NEW_PREFIX "new-" /* a file that is being written */
#define DROP_BAD_PREFIX "bad-" /* one that was refused */

/* The name of a slot; `slot` < DROP_SLOTS_MAX. */
static inline void
drop_slot_name(unsigned slot, char name[DROP_NAME_MAX])
{
    for (unsigned i = DROP_SLOT_DIGITS; i > 0; i--, slot /= 10)
        name[i - 1] = (char)('0' + slot % 10);
    name[DROP_SLOT_DIGITS] = '\0';
}

/* Whether it is the name of a slot. */
static inline bool
drop_is_slot_name(const char *name)
{
    for (unsigned i = 0; i < DROP_SLOT_DIGITS; i++)
        if (name[i] < '0' || name[i] > '9')
            return false;
    return name[DROP_SLOT_DIGITS] == '\0' && name[0] == '0';
}

#endif
