/*
 * resolve.h - one address, one step: who it is here, in the order directory.h gives.
 *
 * The decision without the machinery: domains come from the configuration, accounts and aliases from tables in memory,
 * everything else (files, socketmaps, users of the system) through a table of functions, which may suspend in
 * production and are rows of a test elsewhere. What a result says is copied, so it stays true while tables change.
 */
#ifndef GODWIT_DIRECTORY_RESOLVE_H
#define GODWIT_DIRECTORY_RESOLVE_H

#include "base/arena.h"
#include "config/config.h"
#include "directory/accounts.h"
#include "directory/aliases_table.h"
#include "store/envelope.h"
#include "store/recipient.h"

enum { RESOLVE_TARGETS_MAX = 200 /* of one answer, as in messages.def */ };

enum lookup { LOOKUP_NO, LOOKUP_YES, LOOKUP_FAILED };

/* Where answers come from. `accounts` and `aliases` point to where the current table is to be found at each use. */
struct resolve_world {
    const struct config *config;
    const struct accounts *const *accounts;     /* *accounts NULL: not loaded yet, or cannot be read */
    const struct aliases_table *const *aliases; /* *aliases NULL: not read yet */
    /* Whether the domain's file, its socketmap, the system know the name. May suspend. */
    enum lookup (*file_has)(void *ctx, const struct config_domain *domain, struct span key);
    enum lookup (*socketmap_has)(void *ctx, const struct config_domain *domain, struct span address);
    enum lookup (*user_exists)(void *ctx, struct span user);
    void *ctx;
};

struct resolve_question {
    struct span local_part; /* octets after unquoting */
    struct span domain;     /* A-labels; empty: an unqualified name */
    uint64_t size_bytes;    /* of the message, 0: not known */
    bool wants_targets;
    uint32_t offset;        /* of the first target wanted */
};

/* Who knew the address. */
enum resolve_kind {
    RESOLVED_NOBODY,
    RESOLVED_ACCOUNT,
    RESOLVED_ALIAS,        /* of an address */
    RESOLVED_FILE,         /* the domain's file of recipients */
    RESOLVED_SOCKETMAP,
    RESOLVED_ALIASES_FILE, /* the classic one */
    RESOLVED_USER,         /* of the system */
    RESOLVED_POSTMASTER,   /* a reserved name, to the account named by `postmaster` */
    RESOLVED_CATCH_ALL,
};

/* A target in the words of the recipient_expand reply. */
struct resolve_target {
    enum recipient_target kind;
    struct span name;
    struct span detail;
    uint64_t quota_bytes;
};

struct resolution {
    enum recipient_status status;
    enum resolve_kind kind;
    struct source_pos pos;  /* the configuration line that decided; line 0: none */
    struct span detail;     /* the subaddress that was cut off to find it */
    struct span owner;      /* of a list: replaces the reverse path; empty: the sender stays */
    struct resolve_target *targets;
    size_t target_count;    /* from the question's offset on, at most RESOLVE_TARGETS_MAX */
    bool has_more;
    const char *reason;     /* a literal for people, why status is not OK; "" else */
};

/*
 * Resolve one address. What *ret says lives in `mem`, the configuration or the question. ERR_LIMIT: memory; a look-up
 * that fails is a status.
 */
NODISCARD enum err resolve(const struct resolve_world *world, const struct resolve_question *question,
                           struct arena *mem, struct resolution *ret);

/* Whether a name is one of postmaster, abuse and root, in any case (requirement 37). */
bool resolve_is_reserved(struct span local_part);

#endif
