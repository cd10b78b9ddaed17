/*
 * trail.h - the record of what was decided about a message or a session, and why.
 *
 * Append-only: a step for each verdict, with when, in which phase, what, the stable reason code, the configuration line
 * that decided, the facts it used and the reply given. Encoded as tag-length-value: tags are never reused, a reader
 * skips what it does not know. Steps stand one after the other, so whoever holds the bytes (edge, then queue) appends
 * more by appending bytes. A trail has a cap; the last step that fits says that others were left out.
 * The bytes are read again from the spool and from other processes: a decoder treats them as hostile.
 */
#ifndef GODWIT_NET_TRAIL_H
#define GODWIT_NET_TRAIL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/source_pos.h"

enum {
    TRAIL_BYTES_MAX = 24 * 1024, /* of one trail: with its envelope it fits into one commit */
    TRAIL_TEXT_MAX = 1024,       /* of one text in a step; the rest is cut off */
    TRAIL_FACTS_MAX = 32,        /* of one step */
};

/* What a trail is about: the `kind` of the trail post. Never renumbered. */
enum trail_kind {
    TRAIL_KIND_SESSION = 1,  /* a session that was refused something and left no message to carry it */
    TRAIL_KIND_MESSAGE = 2,  /* a message that is finished: the whole trail */
};

/* When in the life of a session or message. Never renumbered. */
enum trail_phase {
    TRAIL_CONNECT = 1,
    TRAIL_HELO = 2,
    TRAIL_MAIL = 3,
    TRAIL_RCPT = 4,
    TRAIL_DATA = 5,
    TRAIL_COMMIT = 6,
    TRAIL_EXPAND = 7,
    TRAIL_DELIVER = 8,
    TRAIL_OPERATOR = 9,
    TRAIL_COMMAND = 10, /* any other command of a session */
    TRAIL_SESSION = 11, /* the session as a whole: limits, sampling */
};

/* What was decided. Never renumbered. */
enum trail_action {
    TRAIL_ACCEPTED = 1,
    TRAIL_REFUSED = 2,  /* for good, 5yz */
    TRAIL_DEFERRED = 3, /* for now, 4yz */
    TRAIL_HELD = 4,
    TRAIL_NOTED = 5,    /* recorded, nothing decided */
    TRAIL_DONE = 6,     /* delivered, expanded */
};

enum trail_fact_state { TRAIL_FACT_KNOWN = 1, TRAIL_FACT_UNKNOWN = 2, TRAIL_FACT_FAILED = 3 };

/* One input of a verdict. */
struct trail_fact {
    enum trail_fact_state state;
    struct span name;  /* "client.address" */
    struct span value; /* empty when unknown; the reason when failed */
};

#define TRAIL_FACT(name_, value_) ((struct trail_fact){TRAIL_FACT_KNOWN, (name_), (value_)})

struct trail_step {
    int64_t time_us; /* wall clock */
    enum trail_phase phase;
    enum trail_action action;
    struct span subject; /* what was judged: an address, a name; may be empty */
    struct span reason;  /* stable reason code, "unknown-user" */
    struct span reply;   /* word for word, given or received; may be empty */
    struct source_pos source;
    const struct trail_fact *facts;
    size_t fact_count;   /* at most TRAIL_FACTS_MAX are kept */
};

/*
 * Append one step to the trail in `to`, whose cap the caller chose (TRAIL_BYTES_MAX). Long texts are cut to
 * TRAIL_TEXT_MAX. When the step does not fit, a short step that says so is appended once and this and later ones are
 * left out: never fails.
 */
void trail_append(struct buf *to, const struct trail_step *step);

/*
 * Take the first step off *rest. *ret borrows from the bytes, its facts live in `mem`. ERR_NOT_FOUND at the end,
 * ERR_DAMAGED for bytes that are no trail, ERR_LIMIT when `mem` is full; *rest and *ret are untouched then.
 */
NODISCARD enum err trail_take(struct span *rest, struct arena *mem, struct trail_step *ret);

/*
 * Append the trail as text for people, a paragraph of indented lines for each step, every foreign octet escaped. What
 * cannot be decoded is said in a line. `to` may refuse some of it by its cap (buf_check()).
 */
void trail_format(struct span trail, struct buf *to);

/* Stable names for text and JSON; "unknown" for a number from a newer program. */
struct span trail_phase_name(enum trail_phase phase);
struct span trail_action_name(enum trail_action action);

#endif
