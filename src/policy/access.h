/*
 * access.h - who may: connect, send that much, write to that recipient, hand in that message.
 *
 * Pure functions from facts to a verdict; nothing else in Godwit decides about a client's mail. Each is called when its
 * command has been parsed and found in order; the caller gives the reply of the verdict. What must be asked for first
 * (the recipient's status) is a fact: while it is unknown and matters the verdict is VERDICT_NEED_FACTS.
 *
 * Access rules of the operator are read at RCPT, when client, HELO name, sender and recipient are all known; only
 * `drop` acts at connect. So postmaster stays reachable (requirement 37) and a refusal names the recipient. `accept`
 * ends the reading of rules; it never lets anybody relay (requirement 39).
 *
 * RFC 5321 §3.3, 4.2.5, 4.5.1, 4.5.3.1, 6.3, 7.9; RFC 1870 §6.
 */
#ifndef GODWIT_POLICY_ACCESS_H
#define GODWIT_POLICY_ACCESS_H

#include "policy/network.h"
#include "policy/verdict.h"
#include "proto/addr/path.h"
#include "proto/smtp/content.h"

/* --- what is decided by ------------------------------------------------------------------------------------------- */

/* A number from the configuration and the line it stands in. */
struct access_limit {
    uint64_t value;
    struct source_pos pos;
};

enum access_rule_action { ACCESS_RULE_ACCEPT, ACCESS_RULE_REJECT, ACCESS_RULE_DEFER, ACCESS_RULE_DROP };

enum access_rule_subject { ACCESS_RULE_CLIENT, ACCESS_RULE_HELO, ACCESS_RULE_SENDER, ACCESS_RULE_RECIPIENT };

enum access_pattern_kind {
    ACCESS_PATTERN_NETWORK, /* client in `network` */
    ACCESS_PATTERN_NAME,    /* HELO name, or domain of the address, is `domain` */
    ACCESS_PATTERN_BELOW,   /* it is a name below `domain` */
    ACCESS_PATTERN_MAILBOX, /* the address is `mailbox`; letters of any case */
    ACCESS_PATTERN_NULL,    /* the null sender */
};

struct access_pattern {
    enum access_pattern_kind kind;
    struct network network;
    struct domain domain;
    struct mailbox mailbox;
};

struct access_rule {
    enum access_rule_action action;
    enum access_rule_subject subject;
    struct access_pattern pattern;
    struct span text;      /* printable ASCII for the client, empty: the usual words; borrowed */
    struct source_pos pos;
};

struct access_rule_list {
    const struct access_rule *items; /* borrowed */
    size_t count;
};

/* What the configuration says for the sessions of one listener; made by config_access_policy(). */
struct access_policy {
    struct span host; /* our name, for replies that carry it; borrowed */
    struct access_rule_list rules;
    struct access_limit sessions_per_address;
    struct access_limit sessions;
    struct access_limit session_time_ms;
    struct access_limit bad_commands;
    struct access_limit rcpt_failures;
    struct access_limit transactions;
    struct access_limit message_size_bytes;
    struct access_limit free_space_factor;
    struct access_limit recipients;
    struct access_limit header_size_bytes;
    struct access_limit received_hops;
    struct access_limit line_length_bytes;
    struct access_limit is_bare_newline_normalized; /* 0 or 1 */
    struct access_limit is_nul_in_body_accepted;    /* 0 or 1 */
};

/*
 * Read the pattern of a rule: for ACCESS_RULE_CLIENT an address or network; for HELO "name" or ".name"; for SENDER and
 * RECIPIENT "user@domain", "domain", ".domain", for SENDER also "<>". False, *ret untouched, for anything else.
 */
bool access_pattern_parse(enum access_rule_subject subject, struct span text, struct access_pattern *ret);

/* Append the pattern as access_pattern_parse() reads it. ERR_LIMIT. */
NODISCARD enum err access_pattern_format(const struct access_pattern *pattern, struct buf *to);

/* --- who asks ----------------------------------------------------------------------------------------------------- */

enum access_client_kind {
    ACCESS_CLIENT_STRANGER,      /* anybody who connects, loopback included (requirement 39) */
    ACCESS_CLIENT_LOCAL_USER,    /* a user of this machine, named by the kernel on the local socket */
    ACCESS_CLIENT_AUTHENTICATED, /* AUTH succeeded */
    ACCESS_CLIENT_TRUSTED,       /* in a network the configuration trusts */
};

struct access_client {
    enum access_client_kind kind;
    struct address_literal address; /* ADDRESS_LITERAL_NONE on a unix socket */
    struct span helo;               /* name given with EHLO, HELO or LHLO; empty before */
};

/* --- verdicts ----------------------------------------------------------------------------------------------------- */

struct access_connect_facts {
    struct access_client client;
    uint64_t sessions_of_unit; /* of network_client_unit(), this one included; 0: not counted (unix socket) */
    uint64_t sessions;         /* of this process, this one included */
};

/*
 * At accept, before the greeting. A refusal is given instead of it: 421, which ends the session, or for `drop` 554,
 * after which everything but QUIT is 503 (requirement 21).
 */
struct verdict access_connect(const struct access_policy *policy, const struct access_connect_facts *facts);

struct access_session_facts {
    uint64_t age_ms;
    uint64_t bad_commands;
    uint64_t refused_recipients;
};

/*
 * After each command that failed, and before each new transaction: whether the session has gone too far. VERDICT_ACCEPT
 * or a 421 that ends it (requirement 33).
 */
struct verdict access_session(const struct access_policy *policy, const struct access_session_facts *facts);

struct access_mail_facts {
    uint64_t transactions;      /* MAIL commands accepted in this session before this one */
    bool has_declared_size;
    uint64_t declared_size_bytes;
    struct fact_u64 free_space; /* octets on the spool's disk; unknown or failed: not judged, the commit will tell */
};

/* At MAIL. Requirements 33, 51. */
struct verdict access_mail(const struct access_policy *policy, const struct access_mail_facts *facts);

struct access_submission_facts {
    enum fact_state user_state;     /* how far it is known who submits */
    struct span user;               /* its name; empty: the user id has none */
    bool is_trusted;                /* named in trusted-users, or root */
    const struct path *sender;
    struct source_pos trusted_users; /* where the configuration says who is trusted */
};

/*
 * At MAIL on the local socket, before access_mail(): users of this machine send as themselves (user@hostname), who is
 * trusted as anybody and with the null sender, for which nobody could be asked. Needs FACT_CLIENT_USER.
 */
struct verdict access_submission(const struct access_policy *policy, const struct access_submission_facts *facts);

/* What the directory says of a recipient; the numbers of enum recipient_status (store/recipient.h). */
enum access_recipient {
    ACCESS_RECIPIENT_OK = 0,
    ACCESS_RECIPIENT_UNKNOWN = 1,
    ACCESS_RECIPIENT_NOT_LOCAL = 2,
    ACCESS_RECIPIENT_SUSPENDED = 3,
    ACCESS_RECIPIENT_OVER_QUOTA = 4,
    ACCESS_RECIPIENT_TOO_BIG = 5,
    ACCESS_RECIPIENT_UNAVAILABLE = 6,
};

struct access_recipient_fact {
    enum fact_state state;
    enum access_recipient value; /* when known */
    struct source_pos rule;      /* the configuration line the directory went by, if any */
};

struct access_rcpt_facts {
    struct access_client client;
    const struct path *sender;
    const struct path *recipient;
    uint64_t recipient_count; /* accepted in this transaction before this one */
    struct access_recipient_fact status;
};

/* At RCPT. Needs FACT_RECIPIENT_STATUS unless something cheaper decides. Requirements 9, 37, 39, 40, 41. */
struct verdict access_rcpt(const struct access_policy *policy, const struct access_rcpt_facts *facts);

struct access_data_facts {
    const struct smtp_content *content;
    bool is_header_too_large;
    uint64_t hops; /* Received fields of the message as it came */
};

/*
 * After the end of data, before the commit. The first flaw in this order decides: size, header size, bare newline,
 * NUL, line length, hops. Requirements 7, 45, 47, 50, 57.
 */
struct verdict access_data(const struct access_policy *policy, const struct access_data_facts *facts);

#endif
