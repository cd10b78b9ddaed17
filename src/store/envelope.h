/*
 * envelope.h - what belongs to a message besides its bytes, in the tagged form that travels and is stored.
 *
 * Tag-length-value: tags are never reused, unknown ones are kept when an envelope is changed and written again, so an
 * older program does not lose what a newer one noted. The edge writes it, the queue owns it from then on.
 * Spans borrow from the bytes that were decoded or from the caller.
 */
#ifndef GODWIT_STORE_ENVELOPE_H
#define GODWIT_STORE_ENVELOPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/message_id.h"

enum { ENVELOPE_RECIPIENTS_MAX = 10000, ENVELOPE_BYTES_MAX = 8 * 1024 * 1024 };

enum envelope_body { ENVELOPE_BODY_7BIT, ENVELOPE_BODY_8BITMIME, ENVELOPE_BODY_BINARYMIME };

enum envelope_ret { ENVELOPE_RET_UNSET, ENVELOPE_RET_FULL, ENVELOPE_RET_HDRS };

enum envelope_notify { /* bits; 0 is "not given" */
    ENVELOPE_NOTIFY_NEVER = 1,
    ENVELOPE_NOTIFY_SUCCESS = 2,
    ENVELOPE_NOTIFY_FAILURE = 4,
    ENVELOPE_NOTIFY_DELAY = 8,
};

/* Where a recipient stands. */
enum recipient_state {
    RECIPIENT_PENDING,   /* not yet expanded or delivered */
    RECIPIENT_DELIVERED,
    RECIPIENT_EXPANDED,  /* replaced by other recipients of this message */
    RECIPIENT_HELD,      /* failed for good or stopped by the operator; kept with its reason */
};

/* How a recipient is reached, once expansion has said so. */
enum recipient_target {
    TARGET_UNEXPANDED,
    TARGET_MAILBOX,      /* target_name: account address, a virtual Maildir of the local role */
    TARGET_SYSTEM_USER,  /* target_name: user name; target_detail: the subaddress */
    TARGET_LMTP,         /* target_name: socket or host:port from the configuration */
    TARGET_REMOTE,       /* by MX; target_name: domain */
    TARGET_DISCARD,
};

struct envelope_recipient {
    struct span address;        /* forward path as the client gave it, without <> and source route */
    struct span original;       /* the address of the transaction it came from by expansion; empty: `address` itself */
    struct span orcpt;          /* decoded "type;address" of ORCPT, empty when not given */
    unsigned notify;            /* enum envelope_notify */
    enum recipient_state state;
    enum recipient_target target;
    struct span target_name;
    struct span target_detail;
    uint64_t quota_bytes;       /* of the target, 0 none; asked anew at each attempt, not part of the tagged form */
    struct span list_sender;    /* of the list this recipient came from: its reverse path (RFC 5321 §3.9.2); empty: the envelope's */
    uint32_t depth;             /* how many expansions led here */
    uint32_t attempts;
    int64_t next_attempt_us;    /* wall clock; 0: now */
    struct span status;         /* last enhanced status code, "4.2.2" */
    struct span reason;         /* last reply or error, word for word */
    struct span unknown;        /* tags this program does not know, kept */
};

struct envelope {
    struct message_id id;
    int64_t arrival_us;         /* wall clock at end of data */
    struct span sender;         /* reverse path without <>; empty is the null sender */
    enum envelope_body body;
    bool is_smtputf8;
    enum envelope_ret ret;
    struct span envid;          /* decoded ENVID, empty when not given */
    uint64_t size_bytes;        /* of the content as stored, CRLF line ends, trace fields included */
    struct span client_address; /* text of the IP, or "local" */
    struct span client_name;    /* verified reverse name or "unknown" */
    struct span helo;
    struct span protocol;       /* the "with" keyword, "ESMTP" */
    struct span listener;       /* name of the listener in the configuration */
    struct span account;        /* authenticated account or local user, empty when none */
    uint32_t generation;        /* of the configuration that judged it */
    struct span trail;          /* verdicts so far, net/trail.h */
    struct span unknown;        /* tags this program does not know, kept */
    struct envelope_recipient *recipients;
    size_t recipient_count;
};

/* Append the tagged form. ERR_LIMIT when `to` is full. */
NODISCARD enum err envelope_encode(const struct envelope *e, struct buf *to);

/* Read a tagged form whole. Spans borrow from `bytes`, the recipients live in `mem`. ERR_DAMAGED, ERR_LIMIT. */
NODISCARD enum err envelope_decode(struct span bytes, struct arena *mem, struct envelope *ret);

#endif
