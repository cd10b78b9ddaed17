/*
 * password.h - password hashes: yescrypt in the form of crypt(5), by libxcrypt.
 *
 * Slow and hungry for memory on purpose (16 MiB, some 50 ms): only in pool jobs, never on the loop. Not for: SCRAM
 * keys. The octets of a password are used as they are; a NUL cannot be part of one.
 */
#ifndef GODWIT_DIRECTORY_PASSWORD_H
#define GODWIT_DIRECTORY_PASSWORD_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

enum { PASSWORD_OCTETS_MAX = 256, PASSWORD_SALT_BYTES = 16 };

/*
 * Append the hash of `password` under the random `salt`. ERR_SYNTAX: the password is empty, too long or holds a NUL;
 * ERR_LIMIT: memory.
 */
NODISCARD enum err password_hash(struct span password, const uint8_t salt[PASSWORD_SALT_BYTES], struct buf *to);

/* Whether `password` belongs to `hash`, in time that does not depend on where they differ. ERR_LIMIT: memory. */
NODISCARD enum err password_check(struct span password, struct span hash, bool *ret_is_right);

#endif
