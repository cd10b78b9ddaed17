/*
 * sendmail_site.h - what sendmail has to know of the configuration: where the server listens, where mail may be left.
 *
 * Ordinary users run sendmail. Where they may not read the configuration, or it has mistakes just now, the defaults
 * hold: mail is not lost because somebody edits a file.
 */
#ifndef GODWIT_CLI_SENDMAIL_SITE_H
#define GODWIT_CLI_SENDMAIL_SITE_H

#include "cli/drop_store.h"

enum { SENDMAIL_PATH_MAX = 1024 };

struct sendmail_site {
    char socket[SENDMAIL_PATH_MAX];
    char drop_directory[SENDMAIL_PATH_MAX]; /* empty: there is none */
    struct drop_limits drop;
    uint64_t message_size_bytes;
    bool is_by_default; /* the configuration could not be read */
};

void sendmail_site_find(const char *config_path, struct sendmail_site *ret);

#endif
