/*
 * recipients_file.h - the recipients of a domain from a file: an address or a local part a line.
 *
 *     alice                     # comments and empty lines do not count
 *     bob@example.com    anything after the first word is ignored, as in Postfix's tables
 *     @example.com              everybody
 *
 * Addresses of other domains are passed over, so one file can serve several. Made anew at each reload, unchanging then.
 */
#ifndef GODWIT_DIRECTORY_RECIPIENTS_FILE_H
#define GODWIT_DIRECTORY_RECIPIENTS_FILE_H

#include "base/err.h"
#include "base/span.h"

enum { RECIPIENTS_FILE_BYTES_MAX = 256 * 1024 * 1024, RECIPIENTS_MAX = 10 * 1000 * 1000 };

struct recipients_set;

/* Whose file it is, and where to tell what cannot be used. */
struct recipients_file_spec {
    struct span domain;      /* A-labels */
    bool is_case_sensitive;
    void (*problem)(void *ctx, uint32_t line, const char *what);
    void *ctx;
};

/* Read a file. ERR_LIMIT: too large or memory. */
NODISCARD enum err recipients_file_parse(struct span text, const uint64_t seed[2],
                                         const struct recipients_file_spec *spec, struct recipients_set **ret);

/* NULL is accepted. */
void recipients_set_free(struct recipients_set *set);

/* Whether the file names the address; `key` as address_key_make() writes it (accounts.h). */
bool recipients_set_has(const struct recipients_set *set, struct span key);

size_t recipients_set_count(const struct recipients_set *set);

#endif
