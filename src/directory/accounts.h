/*
 * accounts.h - accounts and aliases of addresses in memory, found by address with one hash look-up.
 *
 * A copy of what the database holds, changed only after the database was. Keys are addresses in the form in which they
 * are compared: local part without quotes, in lower case unless the domain tells case apart, "@", domain in A-labels.
 * Entries are owned here; a pointer to one is valid until the next change, so nobody keeps it across a suspend.
 */
#ifndef GODWIT_DIRECTORY_ACCOUNTS_H
#define GODWIT_DIRECTORY_ACCOUNTS_H

#include "base/err.h"
#include "base/map.h"
#include "base/span.h"
#include "proto/addr/mailbox.h"

enum {
    ADDRESS_KEY_MAX = MAILBOX_LOCAL_OCTETS_MAX + 1 + DOMAIN_OCTETS_MAX,
    ACCOUNTS_MAX = 10 * 1000 * 1000,
    ALIAS_TARGETS_MAX = 1000, /* of one alias of an address */
    ACCOUNT_CLASS_MAX = 32,
};

struct address_key {
    size_t len;
    uint8_t text[ADDRESS_KEY_MAX];
};

static inline struct span
address_key_span(const struct address_key *key)
{
    return span_of(key->text, key->len);
}

/*
 * Make the key of an address. False, *ret untouched, when the local part or domain is empty or too long for an address.
 */
bool address_key_make(struct span local, struct span domain, bool is_case_sensitive, struct address_key *ret);

struct account {
    struct span address;  /* as stored: local part without quotes, "@", domain: the name of its mailbox */
    struct span class;    /* "normal", "bulk" */
    uint64_t quota_bytes; /* with has_quota; 0: none. Without: the domain's */
    bool has_quota;
    bool has_password;
    bool is_suspended;
    int64_t created_us;   /* wall clock */
};

struct alias {
    struct span address;        /* as stored, like an account's */
    const struct span *targets; /* addresses as they are written, quoted where needed */
    size_t target_count;
};

struct accounts {
    struct map accounts; /* key -> struct account_entry */
    struct map aliases;
};

void accounts_init(struct accounts *a, const uint64_t seed[2]);

/* Release everything. NULL is accepted. */
void accounts_done(struct accounts *a);

/* Copy an account (an alias) in under `key`, in place of one that was there. ERR_LIMIT: memory; nothing changed. */
NODISCARD enum err accounts_put(struct accounts *a, struct span key, const struct account *account);
NODISCARD enum err accounts_put_alias(struct accounts *a, struct span key, const struct alias *alias);

void accounts_remove(struct accounts *a, struct span key);
void accounts_remove_alias(struct accounts *a, struct span key);

/* NULL when there is none. */
const struct account *accounts_find(const struct accounts *a, struct span key);
const struct alias *accounts_find_alias(const struct accounts *a, struct span key);

#endif
