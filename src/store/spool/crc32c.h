/*
 * crc32c.h - the checksum of spool records: CRC-32C (Castagnoli), as in RFC 3720 appendix B.4.
 *
 * It finds damage, not forgery: what keeps a sender's bytes from passing as a record is the salt of the segment.
 */
#ifndef GODWIT_STORE_SPOOL_CRC32C_H
#define GODWIT_STORE_SPOOL_CRC32C_H

#include "base/span.h"

/*
 * Continue `crc` (0 at first) over `bytes`; the checksum of the whole is the last result. About 8 bytes a nanosecond in
 * hardware.
 */
uint32_t crc32c_update(uint32_t crc, struct span bytes);

/* The same without special instructions, for other processors and to test against. */
uint32_t crc32c_update_portable(uint32_t crc, struct span bytes);

#endif
