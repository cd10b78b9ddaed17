/*
 * config.h - the configuration: typed, complete, immutable, each value with the place it was written at.
 *
 * What there is to configure stands in schema.def, one line a key; this file makes structs of it. A key that nobody
 * wrote has its default and SOURCE_POS_DEFAULT. Parsing is pure: it works on texts handed in (source.h), so the
 * parent, every role and the command line read the same sources with the same code and agree. Reading the files is
 * load.h.
 *
 *     struct config_sources sources;      what config_load() read or config_sources_unpack() received
 *     enum err e = config_parse(&sources, &problems, &config);      ERR_SYNTAX: print the problems, exit 78
 *     config->limits.message_size_bytes.value, .pos
 *
 * Configuration text is written by the operator but treated as foreign: every limit holds, nothing recurses freely.
 */
#ifndef GODWIT_CONFIG_CONFIG_H
#define GODWIT_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/source_pos.h"
#include "config/problem.h"
#include "config/source.h"
#include "policy/access.h"

enum { CONFIG_MEMORY_MAX = 256 * 1024 * 1024 /* of one parsed configuration, its text included */ };

/* --- the types of values ------------------------------------------------------------------------------------------ */

struct config_u64 {
    uint64_t value; /* in the unit that ends the field's name (bytes, ms), else a plain number; 0 for "none", "auto" */
    struct source_pos pos;
};

struct config_bool {
    bool value;
    struct source_pos pos;
};

/* A domain name; value.len 0: not set. */
struct config_name {
    struct domain value;
    struct source_pos pos;
};

/* An email address; value.local_len 0: not set. */
struct config_mailbox {
    struct mailbox value;
    struct source_pos pos;
};

/* Text, a path (absolute), a user or group (name or number). */
struct config_text {
    struct span value; /* empty: not set */
    struct source_pos pos;
};

/* One of the words that schema.def lists for the key; value is an enumerator of the enum named beside the key below. */
struct config_choice {
    unsigned value;
    struct source_pos pos;
};

enum config_protocol { CONFIG_PROTOCOL_SMTP, CONFIG_PROTOCOL_LMTP };                    /* listener.protocol */
enum config_bare_newline { CONFIG_BARE_NEWLINE_REJECT, CONFIG_BARE_NEWLINE_NORMALIZE }; /* listener.bare_newline */
enum config_tolerance { CONFIG_REJECT, CONFIG_ACCEPT }; /* listener.early_pipelining, listener.nul_in_body */
enum config_log_format { CONFIG_LOG_TEXT, CONFIG_LOG_JSON };                            /* log.format */
/* log.level is an enum log_severity (net/log.h), the words stand in its order. */

enum config_endpoint_kind { CONFIG_ENDPOINT_IPV4, CONFIG_ENDPOINT_IPV6, CONFIG_ENDPOINT_UNIX };

/* Where to listen or connect. */
struct config_endpoint {
    enum config_endpoint_kind kind;
    uint8_t ip[16];       /* network order; 4 octets for IPv4 */
    uint16_t port;        /* 0 for unix */
    struct span path;     /* unix: absolute */
    struct span text;     /* canonical: "127.0.0.1:25", "[::1]:25", "unix:/path" */
    struct source_pos pos;
};

struct config_endpoint_list {
    const struct config_endpoint *items;
    size_t count;
};

struct config_text_list {
    const struct config_text *items;
    size_t count;
};

/* Durations in milliseconds. */
struct config_u64_list {
    const struct config_u64 *items;
    size_t count;
};

/* A zone and the servers to ask about it. */
struct config_stub {
    struct domain zone; /* len 0: the root */
    struct config_endpoint_list servers;
    struct source_pos pos;
};

struct config_stub_list {
    const struct config_stub *items;
    size_t count;
};

/* Who knows which recipients of a domain exist; one yes is enough. */
struct config_recipients {
    bool has_accounts;                 /* accounts and aliases of the directory */
    bool has_local;                    /* the aliases file and system users */
    bool has_socketmap;
    struct span file;                  /* absolute path, empty: none */
    struct config_endpoint socketmap;
    struct span socketmap_name;        /* the map asked for */
    struct source_pos pos;             /* of the first key */
    struct source_pos file_pos;
    struct source_pos socketmap_pos;
};

enum config_deliver_kind { CONFIG_DELIVER_MAILDIR, CONFIG_DELIVER_LMTP };

struct config_deliver {
    enum config_deliver_kind kind;
    struct config_endpoint lmtp; /* for CONFIG_DELIVER_LMTP */
    struct source_pos pos;
};

/* --- the blocks, made from schema.def ----------------------------------------------------------------------------- */

/* The C type of a field of each type of the schema. */
#define CONFIG_FIELD_SIZE struct config_u64           /* bytes */
#define CONFIG_FIELD_DURATION struct config_u64       /* milliseconds */
#define CONFIG_FIELD_COUNT struct config_u64
#define CONFIG_FIELD_BOOL struct config_bool
#define CONFIG_FIELD_CHOICE struct config_choice
#define CONFIG_FIELD_TEXT struct config_text          /* any text */
#define CONFIG_FIELD_NAME struct config_text          /* letters, digits, "-", "_", "." */
#define CONFIG_FIELD_USER struct config_text          /* name or number of a user or group */
#define CONFIG_FIELD_DOMAIN struct config_name
#define CONFIG_FIELD_EMAIL struct config_mailbox
#define CONFIG_FIELD_PATH struct config_text
#define CONFIG_FIELD_SEPARATOR struct config_text     /* one character, or empty */
#define CONFIG_FIELD_NAMES struct config_text_list    /* several words */
#define CONFIG_FIELD_DURATIONS struct config_u64_list
#define CONFIG_FIELD_ENDPOINTS struct config_endpoint_list
#define CONFIG_FIELD_ENDPOINTS_53 struct config_endpoint_list /* port 53 unless one is given */
#define CONFIG_FIELD_STUBS struct config_stub_list
#define CONFIG_FIELD_RECIPIENTS struct config_recipients
#define CONFIG_FIELD_DELIVER struct config_deliver
#define CONFIG_FIELD_RULES struct access_rule_list    /* policy/access.h */

/* `pos` is where the block begins, SOURCE_POS_DEFAULT when it was not written. */
#define BLOCK_BEGIN(block, name, sentence) \
    struct block { \
        struct source_pos pos;
#define TITLED_BEGIN(block, name, type, title_word, sentence) \
    struct block { \
        struct source_pos pos; \
        CONFIG_FIELD_##type title;
#define KEY(block, type, field, key, default_text, bounds, effect, sentence) CONFIG_FIELD_##type field;
#define NESTED(block, field, child) struct child field;
#define NESTED_LIST(block, field, child) \
    struct { \
        const struct child *items; \
        size_t count; \
    } field;
#define BLOCK_END(block) };
#include "config/schema.def"

/* --- reading and writing ------------------------------------------------------------------------------------------ */

/*
 * Read `sources` into a configuration that borrows nothing from them. ERR_OK with *ret, owned by the caller
 * (config_free()); ERR_SYNTAX with everything that is wrong in `problems` (empty before), sorted by place; ERR_LIMIT
 * without memory. *ret is untouched on failure. Pure; does not look at any file.
 */
NODISCARD enum err config_parse(const struct config_sources *sources, struct config_problems *problems,
                                struct config **ret);

/*
 * Append the path of the command socket, whatever mistakes the sources hold otherwise: the server that runs may have
 * been started before they were made, and is to be reached. ERR_NOT_FOUND: not even that can be told, the main file
 * cannot be read. ERR_LIMIT: without memory, or the path is longer than `to` may grow.
 */
NODISCARD enum err config_control_socket_find(const struct config_sources *sources, struct buf *to);

/* End a configuration. NULL is accepted. */
void config_free(struct config *config);

/* What config_check() is to know about the process that would run it. */
struct config_circumstances {
    bool is_root;
};

/*
 * Append to `warnings` what is allowed and yet probably not meant: postmaster unset, a port below 1024 without root,
 * time-outs below what RFC 5321 asks for. ERR_LIMIT without memory.
 */
NODISCARD enum err config_check(const struct config *config, const struct config_circumstances *where,
                                struct config_problems *warnings);

/*
 * Append the whole configuration, defaults included, in the syntax of the file, one value a line, each with a comment
 * that says where it came from. Reading that text again gives the same configuration. ERR_LIMIT when `to` is full.
 */
NODISCARD enum err config_effective_print(const struct config *config, struct buf *to);

/* Append docs/configuration.md. ERR_LIMIT when `to` is full. */
NODISCARD enum err config_document(struct buf *to);

/* --- looking things up -------------------------------------------------------------------------------------------- */

/*
 * The block of a domain of ours, NULL when it is none. `name` in A-labels, letters of any case. For the hostname
 * without a block of its own this is a made-up one with `recipients accounts` and `recipients local`.
 */
const struct config_domain *config_domain_find(const struct config *config, struct span name);

/* The listener of that name, NULL when there is none. */
const struct config_listener *config_listener_find(const struct config *config, struct span name);

/*
 * Where mail for postmaster, abuse and root of `domain` goes (NULL: of no domain, as for <postmaster>); empty when the
 * configuration names nobody.
 */
struct config_mailbox config_postmaster(const struct config *config, const struct config_domain *domain);

/*
 * The limits and rules by which sessions of one listener are judged, NULL: of the local socket. Borrows from `config`.
 */
struct access_policy config_access_policy(const struct config *config, const struct config_listener *listener);

/* Whether anybody beyond this machine can connect: neither loopback nor a unix socket. */
bool config_endpoint_is_public(const struct config_endpoint *endpoint);

/* A duration for deadline_in(): milliseconds to nanoseconds. Durations of the schema end at 10 years. */
static inline int64_t
config_duration_ns(struct config_u64 duration_ms)
{
    return (int64_t)duration_ms.value * INT64_C(1000000);
}

#endif
