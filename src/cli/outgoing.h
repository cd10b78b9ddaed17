/*
 * outgoing.h - one message on its way from a program to the server: who sends it, to whom, with what wishes.
 *
 * Made by sendmail from its arguments and input, or from a file of the drop directory (drop_file.h); given to the
 * server by submit.h. Addresses may lack a domain: they are of the server's hostname, which only the server can tell.
 * Spans live in `mem` or are borrowed from what the maker read.
 */
#ifndef GODWIT_CLI_OUTGOING_H
#define GODWIT_CLI_OUTGOING_H

#include "base/map.h"
#include "cli/sendmail_options.h"
#include "proto/msg/address_list.h"

enum {
    OUTGOING_HEADER_MAX = 16 * 1024 * 1024, /* octets of a header section; the server's limit is lower */
    OUTGOING_RECIPIENTS_MAX = 100000,
};

enum outgoing_state {
    OUTGOING_WAITING,
    OUTGOING_DONE,    /* the server has the message for it */
    OUTGOING_REFUSED, /* for good */
};

struct outgoing_recipient {
    struct address_list_item address; /* `next` is not used */
    enum outgoing_state state;
    bool is_tried;        /* in this conversation, and refused for now */
    uint64_t mark_offset; /* where a drop file keeps its state */
};

struct outgoing {
    struct arena mem;
    bool has_sender;                 /* else the user itself */
    struct address_list_item sender; /* local part empty: the null sender */
    struct span full_name;           /* for a From field that is missing; may be empty */
    unsigned notify;                 /* enum envelope_notify; 0: not given */
    enum envelope_ret ret;
    struct span envid;               /* decoded; empty: not given */
    struct outgoing_recipient *recipients; /* owned */
    size_t recipient_count;
    size_t recipient_room;
    struct map known;                /* of recipients by their text, to have each once */
    struct span header;              /* lines with CRLF, the empty line included; borrowed or in `mem` */
    struct span body;                /* likewise; borrowed */
    bool has_header;                 /* false: the body follows `header` without an empty line */
};

void outgoing_init(struct outgoing *o);

/* Release what it owns. */
void outgoing_done(struct outgoing *o);

/* Add a recipient unless it is there already. ERR_LIMIT. */
NODISCARD enum err outgoing_add(struct outgoing *o, const struct address_list_item *address, uint64_t mark_offset);

/* How many recipients are in `state`. */
size_t outgoing_count(const struct outgoing *o, enum outgoing_state state);

/*
 * Fill in what the command line says: sender, wishes, recipients. EX_OK, or EX_USAGE or EX_OSERR with what is wrong in
 * `complaint`.
 */
int outgoing_take_options(struct outgoing *o, const struct sendmail_options *options, struct buf *complaint);

/* What a program wrote, without the line "From ..." that mailboxes have before each message. */
struct span outgoing_without_mbox_line(struct span content);

/*
 * Take the message: `content` (lines with CRLF) is borrowed until the end. With `takes_recipients` those of To, Cc and
 * Bcc are added (of Resent-To, Resent-Cc and Resent-Bcc when one of them is there), and Bcc and Resent-Bcc are taken
 * out. EX_OK; EX_DATAERR or EX_OSERR with what is wrong in `complaint`.
 */
int outgoing_take_content(struct outgoing *o, struct span content, bool takes_recipients, struct buf *complaint);

#endif
