/*
 * aliases_file.h - what the lines of a classic aliases file, a .forward or an :include: file mean. Pure.
 *
 *     name: target, target          a line that begins with white space continues the one before it
 *     "quoted name": target         # begins a comment where a line begins
 *
 * Targets: an address or bare name, \name (stop expanding), "|command", /file, :include:/file. Names are compared
 * without regard to case. As Sendmail, Postfix and Exim read it. A malformed line is reported with its number, the
 * others count. The file is the operator's: trusted to name commands, not trusted to be well-formed or small.
 */
#ifndef GODWIT_STORE_ALIASES_ALIASES_FILE_H
#define GODWIT_STORE_ALIASES_ALIASES_FILE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

enum {
    ALIASES_FILE_BYTES_MAX = 16 * 1024 * 1024,
    ALIASES_LINE_BYTES_MAX = 256 * 1024, /* one entry with its continuation lines */
    ALIASES_TARGETS_MAX = 10000,         /* of one entry */
    ALIASES_NAME_MAX = 256,
    ALIASES_TARGET_MAX = 1024,
};

enum alias_target_kind {
    ALIAS_ADDRESS, /* text: local@domain or a bare name, quotes as written */
    ALIAS_FINAL,   /* \name: text without the backslash; a user of this system, not expanded further */
    ALIAS_COMMAND, /* |command: text without the bar, quotes removed */
    ALIAS_FILE,    /* /file */
    ALIAS_INCLUDE, /* :include:/file: text is the path */
};

struct alias_target {
    enum alias_target_kind kind;
    struct span text;
};

/* Receives what a file says, in order. `name` is unquoted, in lower case, and empty in .forward and :include: files. */
struct aliases_sink {
    /*
     * One entry. Spans live as long as `mem`. Without targets when they could not be read (a problem was reported): the
     * name exists, its mail has to wait until somebody corrects the line. Return false to stop (ERR_LIMIT).
     */
    bool (*entry)(void *ctx, uint32_t line, struct span name, const struct alias_target *targets, size_t target_count);
    /* A line that cannot be used; `what` says why, for people. */
    void (*problem)(void *ctx, uint32_t line, const char *what);
    void *ctx;
};

/* Read a whole aliases file. `mem` holds unquoted text. ERR_LIMIT: too large, out of memory, or stopped by the sink. */
NODISCARD enum err aliases_file_parse(struct span text, struct arena *mem, const struct aliases_sink *sink);

/* Read a .forward or :include: file: targets without names, one entry a line. */
NODISCARD enum err aliases_list_parse(struct span text, struct arena *mem, const struct aliases_sink *sink);

#endif
