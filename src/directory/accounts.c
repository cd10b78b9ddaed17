/* accounts.c - entries in one allocation each, in two maps. */
#include "directory/accounts.h"

#include <stdlib.h>

#include "base/assert.h"
#include "text/ascii.h"

struct account_entry {
    struct account account;
    uint8_t text[]; /* key, address, class */
};

struct alias_entry {
    struct alias alias;
    struct span targets[]; /* then the text: key, address, targets */
};

bool
address_key_make(struct span local, struct span domain, bool is_case_sensitive, struct address_key *ret)
{
    if (local.len == 0 || local.len > MAILBOX_LOCAL_OCTETS_MAX || domain.len == 0 || domain.len > DOMAIN_OCTETS_MAX)
        return false;
    for (size_t i = 0; i < local.len; i++)
        ret->text[i] = is_case_sensitive ? local.data[i] : ascii_lower(local.data[i]);
    ret->text[local.len] = '@';
    for (size_t i = 0; i < domain.len; i++)
        ret->text[local.len + 1 + i] = ascii_lower(domain.data[i]);
    ret->len = local.len + 1 + domain.len;
    return true;
}

void
accounts_init(struct accounts *a, const uint64_t seed[2])
{
    map_init(&a->accounts, ACCOUNTS_MAX, seed);
    map_init(&a->aliases, ACCOUNTS_MAX, seed);
}

static void
map_free_values(struct map *m)
{
    struct map_cursor cursor;
    void *value;
    map_walk(m, &cursor);
    while (map_next(m, &cursor, NULL, &value))
        free(value);
    map_done(m);
}

void
accounts_done(struct accounts *a)
{
    if (a == NULL)
        return;
    map_free_values(&a->accounts);
    map_free_values(&a->aliases);
}

/* Copy `s` to *at and move *at behind it. */
static struct span
text_place(uint8_t **at, struct span s)
{
    struct span copy = span_of(*at, s.len);
    if (s.len > 0)
        memcpy(*at, s.data, s.len);
    *at += s.len;
    return copy;
}

static enum err
entry_put(struct map *m, struct span key, void *entry)
{
    void *old = NULL;
    enum err e = map_put(m, key, entry, &old);
    free(e == ERR_OK ? old : entry);
    return e;
}

enum err
accounts_put(struct accounts *a, struct span key, const struct account *account)
{
    struct account_entry *entry = malloc(sizeof(*entry) + key.len + account->address.len + account->class.len);
    if (entry == NULL)
        return ERR_LIMIT;
    uint8_t *at = entry->text;
    struct span own_key = text_place(&at, key);
    entry->account = *account;
    entry->account.address = text_place(&at, account->address);
    entry->account.class = text_place(&at, account->class);
    return entry_put(&a->accounts, own_key, entry);
}

enum err
accounts_put_alias(struct accounts *a, struct span key, const struct alias *alias)
{
    ASSERT(alias->target_count <= ALIAS_TARGETS_MAX);
    size_t text_bytes = key.len + alias->address.len;
    for (size_t i = 0; i < alias->target_count; i++)
        text_bytes += alias->targets[i].len;
    size_t table_bytes = alias->target_count * sizeof(struct span);
    struct alias_entry *entry = malloc(sizeof(*entry) + table_bytes + text_bytes);
    if (entry == NULL)
        return ERR_LIMIT;
    uint8_t *at = (uint8_t *)&entry->targets[alias->target_count];
    struct span own_key = text_place(&at, key);
    entry->alias = (struct alias){text_place(&at, alias->address), entry->targets, alias->target_count};
    for (size_t i = 0; i < alias->target_count; i++)
        entry->targets[i] = text_place(&at, alias->targets[i]);
    return entry_put(&a->aliases, own_key, entry);
}

void
accounts_remove(struct accounts *a, struct span key)
{
    free(map_remove(&a->accounts, key));
}

void
accounts_remove_alias(struct accounts *a, struct span key)
{
    free(map_remove(&a->aliases, key));
}

const struct account *
accounts_find(const struct accounts *a, struct span key)
{
    const struct account_entry *entry = map_get(&a->accounts, key);
    return entry == NULL ? NULL : &entry->account;
}

const struct alias *
accounts_find_alias(const struct accounts *a, struct span key)
{
    const struct alias_entry *entry = map_get(&a->aliases, key);
    return entry == NULL ? NULL : &entry->alias;
}
