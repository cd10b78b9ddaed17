/*
 * session.h - one connection with a client, from accept to close.
 *
 * Private to src/edge. The session is owned by its fiber. What lives as long as the connection is here; everything
 * between MAIL and the end of data hangs on `tx` (transaction.h). Handlers (cmd_*.c) read: parse, facts, policy, act,
 * reply.
 */
#ifndef GODWIT_EDGE_SESSION_H
#define GODWIT_EDGE_SESSION_H

#include "edge/edge_process.h"
#include "edge/transaction.h"
#include "net/wire_writer.h"
#include "proto/smtp/command.h"
#include "proto/smtp/extension.h"
#include "proto/smtp/smtp_state.h"
#include "rt/stream.h"

struct session {
    struct edge *edge;                    /* borrowed */
    const struct edge_listener *listener; /* borrowed */
    struct list link;                     /* in edge->sessions */
    struct fiber *fiber;                  /* its own; set while it runs */
    struct stream *stream;                /* owned */
    struct client_unit *unit;             /* NULL on a unix socket but the local one */
    uint64_t number;
    int64_t began_ns;

    /* the client */
    struct address_literal client; /* family NONE on a unix socket */
    uint8_t client_len;
    char client_text[STREAM_ADDRESS_MAX]; /* its address, or "local" */
    uint8_t account_len;
    char account_text[16];                /* "uid:1000" on the local socket */
    enum fact_state user_state;           /* how far the name of that user is known */
    bool is_user_trusted;                 /* with any sender address */
    struct span user;                     /* its name; in `mem` */
    struct arena mem;                     /* the connection's: names below live in it */
    struct span client_name;              /* verified reverse name; empty: unknown or not yet known */
    struct span helo;                     /* empty before EHLO, HELO, LHLO */

    /* the protocol */
    enum smtp_state state;
    unsigned extensions;            /* offered and not switched off by HELO: enum smtp_extension */
    bool is_extended;               /* EHLO or LHLO */
    bool is_ending;                 /* close once what is pending was written */
    bool is_in_data;                /* message data is being read */
    enum reply_id last_words;       /* what a time-out means now: REPLY_IDLE, REPLY_DATA_TIMEOUT */
    struct span end_reason;         /* for the log, a literal: how the session ended */

    /* its tally */
    uint64_t commands;
    uint64_t bad_commands;
    uint64_t refused_recipients;
    uint64_t transactions;
    uint64_t messages;
    uint64_t discarded_bytes;

    struct fiber_group children;    /* the reverse look-up */
    bool is_name_awaited;           /* the look-up is under way and nobody waited for it yet */

    struct arena tx_mem;
    struct transaction *tx;         /* in tx_mem; NULL outside of a transaction */

    struct wire_writer writer;
    struct wire_reader reader;      /* last: it holds the idle buffer */
};

/*
 * Take over a connection (owned from now on, also when refused): count it, judge it, start its fiber or say why not.
 * Never suspends.
 */
void session_start(const struct edge_listener *listener, struct stream *stream);

/* Append a reply to what is pending and count it against the session when it refuses a command. Never suspends. */
void session_reply(struct session *s, struct reply reply);

/* A reply whose {host} is our name and whose second text, if the template has one, is `text`. */
struct reply session_reply_from_host(const struct session *s, enum reply_id id, struct span text);

/* Reply and close: the session ends once that is written. `reason` is a literal for the log. */
void session_end(struct session *s, struct reply reply, struct span reason);

/* The same, for what no rule decided but is a refusal of the session: it leaves a step in a trail. */
void session_refuse(struct session *s, struct reply reply, struct span reason);

/* Write what is pending. Errors end the session. */
NODISCARD enum err session_flush(struct fiber *f, struct session *s);

/*
 * The extensions whose parameters MAIL and RCPT take: those offered after EHLO, and DSN, which is kept for later but
 * not yet advertised; none after HELO.
 */
unsigned session_parameters(const struct session *s);

/* The wait for the next octet of message data, after so many came since `began_ns`. */
struct deadline session_data_deadline(const struct session *s, int64_t began_ns, uint64_t bytes);

/* What the verdicts of policy/access.h ask about the client. */
struct access_client session_access_client(const struct session *s);

/* The user who submits on the local socket, by name or else "uid:1000"; empty for strangers. */
struct span session_account(const struct session *s);

/*
 * Count octets of a refused message or chunk that were read and thrown away; false when the session has had its
 * share.
 */
bool session_discard(struct session *s, uint64_t bytes);

/* The "with" keyword of this session. */
struct span session_protocol(const struct session *s, bool is_smtputf8);

static inline void
session_event(struct session *s, enum smtp_event event)
{
    s->state = smtp_state_after(s->state, event);
}

#endif
